//! The spool by itself, beside what the disk allows: an append log whose writer syncs all that waits at once.
//!
//! `cargo bench --bench spool [-- SECONDS]` prints, for each size and number of senders, messages made durable
//! in a second by both, in turns in the same run, and what the whole way through the spool (store, load, record)
//! costs the processor. `cargo bench --bench spool -- backlog ENTRIES` compares a queue of so many entries of
//! 2,000 octets with an empty one, and opens it again. `BENCH_DIR` names the folder to write in. Compare ratios, not figures.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot go on has no figures")]

#[path = "support/discard.rs"]
mod discard;
#[path = "support/ground.rs"]
mod ground;
#[path = "support/messages.rs"]
mod messages;
#[path = "support/yardstick.rs"]
mod yardstick;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ground::folder;
use mailferry::clock::Clock;
use mailferry::spool::{Progress, Recipient, Record, Settings, Spool, SqliteSpool, State};
use tokio::runtime::Runtime;
use yardstick::{Rate, append_log, measure, median};

const ROUNDS: usize = 3;

fn main() {
    // Cargo passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = arguments.last().and_then(|last| last.parse::<f64>().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    if arguments.first().is_some_and(|first| first == "backlog") {
        backlog(&runtime, number.unwrap_or(1_000_000.0) as usize);
    } else {
        throughput(&runtime, Duration::from_secs_f64(number.unwrap_or(1.5)));
    }
}

fn throughput(runtime: &Runtime, span: Duration) {
    println!(
        "{:>6} {:>7} | {:>9} {:>9} {:>6} {:>9} | {:>9} {:>9}",
        "octets", "senders", "log/s", "stored/s", "ratio", "ms/msg", "through/s", "ms/msg"
    );
    let harness = measure_discard(runtime, span);
    println!("a spool that keeps nothing, 10000 octets, 64 senders: {:.0}/s, {:.4} ms/msg", harness.messages, harness.cost);
    for size in [2_000, 10_000, 50_000] {
        for senders in [1, 20, 64] {
            line(runtime, size, senders, span);
        }
    }
}

fn line(runtime: &Runtime, size: usize, senders: usize, span: Duration) {
    let (mut log, mut stored, mut through) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        log.push(append_log(runtime, size, senders, span));
        stored.push(spool(runtime, size, senders, span, Way::Store));
        through.push(spool(runtime, size, senders, span, Way::Through));
    }
    let (log, stored, through) = (median(log), median(stored), median(through));
    println!(
        "{size:>6} {senders:>7} | {:>9.0} {:>9.0} {:>5.0}% {:>9.3} | {:>9.0} {:>9.3}",
        log.messages,
        stored.messages,
        100.0 * stored.messages / log.messages,
        stored.cost,
        through.messages,
        through.cost
    );
}

/// How far a message goes.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// It is stored and stays.
    Store,
    /// It is stored, loaded and delivered.
    Through,
}

fn spool(runtime: &Runtime, size: usize, senders: usize, span: Duration, way: Way) -> Rate {
    let dir = folder();
    let settings = Settings { dir: dir.path().to_owned(), reserve: 0, memory: 32 << 20, inline: 128 << 10 };
    let clock = Clock::system();
    let (spool, _) = SqliteSpool::open(settings, clock.clone()).expect("a spool");
    let spool = Arc::new(spool);
    let body: Arc<[u8]> =
        b"TWFpbGZlcnJ5IGNhcnJpZXMgc2NhbnMgYWNyb3NzIHRoZSB3YXRlciBldmVyeSBkYXkgYW5k\r\n".iter().copied().cycle().take(size).collect();
    let working = Arc::clone(&spool);
    let rate = measure(runtime, senders, span, move || {
        let (spool, body, clock) = (Arc::clone(&working), Arc::clone(&body), clock.clone());
        async move { one_message(&*spool, &body, &clock, way).await }
    });
    runtime.block_on(spool.close());
    rate
}

/// What the benchmark itself costs.
fn measure_discard(runtime: &Runtime, span: Duration) -> Rate {
    let (spool, body, clock) = (Arc::new(discard::Discard::default()), body(10_000), Clock::system());
    measure(runtime, 64, span, move || {
        let (spool, body, clock) = (Arc::clone(&spool), Arc::clone(&body), clock.clone());
        async move { one_message(&*spool, &body, &clock, Way::Store).await }
    })
}

/// Lines of base64, as scans are.
fn body(size: usize) -> Arc<[u8]> {
    b"TWFpbGZlcnJ5IGNhcnJpZXMgc2NhbnMgYWNyb3NzIHRoZSB3YXRlciBldmVyeSBkYXkgYW5k\r\n".iter().copied().cycle().take(size).collect()
}

async fn one_message(spool: &dyn Spool, body: &[u8], clock: &Clock, way: Way) {
    let mut writer = spool.begin_body();
    for piece in body.chunks(16 * 1024) {
        writer.write(piece).await.expect("room for a body");
    }
    let body = writer.finish().await.expect("a body");
    let entry = messages::message(body.length(), clock.now());
    let receipt = spool.store(entry, body).await.expect("a receipt");
    if way == Way::Through {
        let id = receipt.entry();
        let entry = spool.load(id).await.expect("the entry");
        let delivered = |recipient: Recipient| Recipient { progress: Progress::Delivered("250 2.0.0 OK".into()), ..recipient };
        let recipients = entry.recipients.into_iter().map(delivered).collect();
        let at = clock.now();
        let record = Record { id, account: messages::account(), at, recipients, then: State::Waiting(at), sent: 1, counts: true };
        spool.record(record).await.expect("an outcome");
    }
}

fn backlog(runtime: &Runtime, entries: usize) {
    let dir = folder();
    let settings = Settings { dir: dir.path().to_owned(), reserve: 0, memory: 32 << 20, inline: 128 << 10 };
    let clock = Clock::system();
    let open = || Arc::new(SqliteSpool::open(settings.clone(), clock.clone()).expect("a spool").0);
    let spool = open();
    println!("empty: {}", runtime.block_on(operations(&spool, &clock)));
    let begun = Instant::now();
    let fill = (0..64).map(|_| {
        let (spool, clock, body) = (Arc::clone(&spool), clock.clone(), body(2_000));
        runtime.spawn(async move {
            for _ in 0..entries / 64 {
                one_message(&*spool, &body, &clock, Way::Store).await;
            }
        })
    });
    let tasks: Vec<_> = fill.collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    println!("{entries} entries stored in {:.1} s", begun.elapsed().as_secs_f64());
    println!("full:  {}", runtime.block_on(operations(&spool, &clock)));
    runtime.block_on(spool.close());
    drop(spool);
    let begun = Instant::now();
    let spool = open();
    println!("opened again in {} ms; {}", begun.elapsed().as_millis(), memory());
    println!("again: {}", runtime.block_on(operations(&spool, &clock)));
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS unknown").replace('\t', " ")
}

/// The 99th percentile of each operation, in microseconds, of one sender.
async fn operations(spool: &SqliteSpool, clock: &Clock) -> String {
    let (body, account) = (body(2_000), messages::account());
    let (mut through, mut due, mut list, mut load) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..1000 {
        let begun = Instant::now();
        one_message(spool, &body, clock, Way::Through).await;
        through.push(begun.elapsed());
        let begun = Instant::now();
        let found = spool.due(account.clone(), clock.now(), Vec::new(), 20).await.unwrap();
        due.push(begun.elapsed());
        let begun = Instant::now();
        spool.list(None, 20).await.unwrap();
        list.push(begun.elapsed());
        if let Some(first) = found.first() {
            let begun = Instant::now();
            spool.load(first.id).await.unwrap();
            load.push(begun.elapsed());
        }
    }
    let p99 = |mut times: Vec<Duration>| {
        times.sort();
        times.get(times.len() * 99 / 100).map_or(0, Duration::as_micros)
    };
    format!("p99 in µs: through {}, due {}, list {}, load {}", p99(through), p99(due), p99(list), p99(load))
}
