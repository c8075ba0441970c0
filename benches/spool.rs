//! The spool by itself, beside what the disk allows: an append log whose writer syncs all that waits at once.
//!
//! `cargo bench --bench spool [-- SECONDS]` prints, for each size and number of senders, messages made durable
//! in a second by both, in turns in the same run, and what the whole way through the spool (store, load, record)
//! costs the processor. `MAILFERRY_BENCH_DIR` names the folder to write in. Compare ratios, not figures.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot go on has no figures")]

mod support;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use mailferry::clock::Clock;
use mailferry::spool::{Progress, Recipient, Record, Settings, Spool, SqliteSpool, State};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

const ROUNDS: usize = 3;

fn main() {
    // Cargo passes `--bench`.
    let seconds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1.5);
    let span = Duration::from_secs_f64(seconds);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    println!(
        "{:>6} {:>7} | {:>9} {:>9} {:>6} {:>9} | {:>9} {:>9}",
        "octets", "senders", "log/s", "stored/s", "ratio", "ms/msg", "through/s", "ms/msg"
    );
    for size in [2_000, 10_000, 50_000] {
        for senders in [1, 20, 64] {
            line(&runtime, size, senders, span);
        }
    }
}

/// Messages in a second, and milliseconds of the processor for each.
#[derive(Clone, Copy)]
struct Rate {
    messages: f64,
    cost: f64,
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

fn median(mut rates: Vec<Rate>) -> Rate {
    rates.sort_by(|a, b| a.messages.total_cmp(&b.messages));
    rates[rates.len() / 2]
}

fn folder() -> tempfile::TempDir {
    let base = std::env::var_os("MAILFERRY_BENCH_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    tempfile::tempdir_in(base).expect("a folder to write in")
}

/// Runs `senders` tasks that each do `work` again and again until the time is over.
fn measure<W, F>(runtime: &Runtime, senders: usize, span: Duration, work: W) -> Rate
where
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let (begun, cost) = (Instant::now(), support::processor_seconds());
    let end = begun + span;
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (work, done) = (work.clone(), Arc::clone(&done));
            runtime.spawn(async move {
                while Instant::now() < end {
                    work().await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    let messages = done.load(Ordering::Relaxed) as f64;
    Rate { messages: messages / begun.elapsed().as_secs_f64(), cost: 1000.0 * (support::processor_seconds() - cost) / messages }
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

async fn one_message(spool: &dyn Spool, body: &[u8], clock: &Clock, way: Way) {
    let mut writer = spool.begin_body();
    for piece in body.chunks(16 * 1024) {
        writer.write(piece).await.expect("room for a body");
    }
    let body = writer.finish().await.expect("a body");
    let entry = support::message(body.length(), clock.now());
    let receipt = spool.store(entry, body).await.expect("a receipt");
    if way == Way::Through {
        let id = receipt.entry();
        let entry = spool.load(id).await.expect("the entry");
        let delivered = |recipient: Recipient| Recipient { progress: Progress::Delivered("250 2.0.0 OK".into()), ..recipient };
        let recipients = entry.recipients.into_iter().map(delivered).collect();
        let at = clock.now();
        let record = Record { id, account: support::account(), at, recipients, then: State::Waiting(at), sent: 1 };
        spool.record(record).await.expect("an outcome");
    }
}

/// The least that can be durable: octets behind octets, one sync for all that wait.
struct Log {
    waiting: Mutex<(Vec<Arc<[u8]>>, Vec<oneshot::Sender<()>>, bool)>,
    arrived: Condvar,
}

impl Log {
    fn write(&self, path: &Path) {
        let mut file = OpenOptions::new().create_new(true).append(true).open(path).expect("a log");
        let mut together = Vec::new();
        loop {
            let waiting = self.waiting.lock().unwrap();
            let mut waiting = self.arrived.wait_while(waiting, |(octets, _, ended)| octets.is_empty() && !*ended).unwrap();
            let (octets, answers) = (std::mem::take(&mut waiting.0), std::mem::take(&mut waiting.1));
            if octets.is_empty() {
                return;
            }
            drop(waiting);
            together.clear();
            octets.iter().for_each(|octets| together.extend_from_slice(octets));
            file.write_all(&together).expect("room");
            file.sync_data().expect("a sync");
            answers.into_iter().for_each(|answer| drop(answer.send(())));
        }
    }
}

fn append_log(runtime: &Runtime, size: usize, senders: usize, span: Duration) -> Rate {
    let dir = folder();
    let log = Arc::new(Log { waiting: Mutex::default(), arrived: Condvar::new() });
    let (writing, path) = (Arc::clone(&log), dir.path().join("log"));
    let writer = std::thread::spawn(move || writing.write(&path));
    let octets: Arc<[u8]> = vec![b'x'; size].into();
    let sending = Arc::clone(&log);
    let rate = measure(runtime, senders, span, move || {
        let (log, octets) = (Arc::clone(&sending), Arc::clone(&octets));
        async move {
            let (answer, answered) = oneshot::channel();
            {
                let mut waiting = log.waiting.lock().unwrap();
                waiting.0.push(octets);
                waiting.1.push(answer);
            }
            log.arrived.notify_one();
            answered.await.unwrap();
        }
    });
    log.waiting.lock().unwrap().2 = true;
    log.arrived.notify_one();
    writer.join().unwrap();
    rate
}
