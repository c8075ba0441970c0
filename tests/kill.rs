//! A real process is killed with SIGKILL at random points under load: every message that was answered with 250 arrives.
//!
//! `KILLS` says how often (default 12; the nightly run takes 1,000). Its name has no prefix of ours: the relay would take it for a key.

#![expect(clippy::unwrap_used, reason = "a panic is the report of a test")]

mod world;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mailferry::control::protocol::{Answer, Request};
use mailferry::simulator::{Keep, Settings};
use world::{Process, World, until};

const DEVICES: usize = 8;

/// What the devices know: where the relay is now, and which messages were answered with 250.
struct Load {
    relay: Mutex<Option<SocketAddr>>,
    promised: Mutex<HashSet<u64>>,
    next: AtomicU64,
    stop: AtomicBool,
}

/// Small messages go into the database, every fifth is large enough for a file.
fn content(number: u64) -> String {
    let lines = if number.is_multiple_of(5) { 4_000 } else { 20 };
    let body = "All work and no play makes a durable relay.\r\n".repeat(lines);
    format!("From: <copier@printers.local>\r\nTo: a@example.com\r\nSubject: test\r\nX-Number: {number}\r\n\r\n{body}")
}

fn device(load: &Load) {
    while !load.stop.load(Ordering::Relaxed) {
        let Some(relay) = *load.relay.lock().unwrap() else {
            std::thread::yield_now();
            continue;
        };
        let number = load.next.fetch_add(1, Ordering::Relaxed);
        // A killed relay breaks the conversation; then nothing was promised.
        if let Ok(reply) = world::send(relay, "copier@printers.local", &["a@example.com"], content(number))
            && reply.starts_with("250")
        {
            load.promised.lock().unwrap().insert(number);
        }
    }
}

fn number_of(content: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(content);
    text.lines().find_map(|line| line.strip_prefix("X-Number: ")).unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_survives_kills() {
    let kills: u32 = std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let settings = Settings { keep: Keep::Latest { messages: 1_000_000, octets: 4 << 30 }, ..Settings::default() };
    let world = World::with(settings, &world::rehearsal()).await;
    let load =
        Arc::new(Load { relay: Mutex::new(None), promised: Mutex::default(), next: AtomicU64::new(1), stop: AtomicBool::new(false) });
    let devices: Vec<_> = (0..DEVICES)
        .map(|_| {
            std::thread::spawn({
                let load = load.clone();
                move || device(&load)
            })
        })
        .collect();

    let mut killed_at = Vec::new();
    for kill in 0..kills {
        let process = Process::spawn(&world.config);
        *load.relay.lock().unwrap() = Some(process.listener);
        // Up to 300 ms of work, and at least one promise, so that every round has something to lose.
        let before = load.promised.lock().unwrap().len();
        until("a promise", async || load.promised.lock().unwrap().len() > before).await;
        tokio::time::sleep(Duration::from_millis(getrandom::u64().unwrap() % 300)).await;
        *load.relay.lock().unwrap() = None;
        killed_at.push(Instant::now());
        process.kill();
        eprintln!("kill {} of {kills}: {} promised so far", kill + 1, load.promised.lock().unwrap().len());
    }
    load.stop.store(true, Ordering::Relaxed);
    devices.into_iter().for_each(|device| device.join().unwrap());

    let relay = world.relay().await;
    until("an empty queue", async || match relay.desk().answer(Request::Health).await {
        Answer::Health(health) => {
            assert_eq!(health.held, 0, "nothing may be held");
            health.waiting == 0
        }
        other => panic!("{other:?}"),
    })
    .await;
    relay.stop().await;

    let mut arrived: HashMap<u64, Vec<_>> = HashMap::new();
    for received in world.simulator.received() {
        let number = number_of(&received.content);
        assert!(
            String::from_utf8_lossy(&received.content).ends_with(content(number).split_once("\r\n\r\n").unwrap().1),
            "{number} is changed"
        );
        arrived.entry(number).or_default().push(received);
    }
    let promised = load.promised.lock().unwrap().clone();
    let lost: Vec<_> = promised.iter().filter(|number| !arrived.contains_key(number)).collect();
    assert!(lost.is_empty(), "promised and lost: {lost:?}");

    // A duplicate is a message that the upstream took and whose outcome was not recorded when the kill came: at most one
    // for each attempt in flight at a kill, and always the same message to its Message-ID.
    let duplicates: Vec<_> = arrived.values().filter(|copies| copies.len() > 1).collect();
    for copies in &duplicates {
        assert!(copies.iter().all(|copy| copy.content == copies[0].content), "copies differ");
    }
    let copies: usize = duplicates.iter().map(|copies| copies.len() - 1).sum();
    eprintln!("{kills} kills: {} promised, {} arrived, {copies} sent twice", promised.len(), arrived.len());
    assert!(copies <= kills as usize * 3, "more duplicates than attempts were in flight");
}
