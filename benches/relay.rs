//! The relay as a process of its own, from the device's connect to the upstream's 250: messages per second, CPU per
//! message, memory, start. Its upstream is the simulator in this process, over STARTTLS with XOAUTH2, which stores nothing.
//!
//! `cargo bench --bench relay` prints medians; `-- idle small large connections` chooses parts. `BENCH_PROGRAM`
//! names a program to measure in the place of the one that cargo builds for benchmarks, `BENCH_DIR` the folder
//! that spools are made in. Ten thousand idle connections need `ulimit -n 12000`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has no figures")]

#[path = "support/ground.rs"]
mod ground;
#[path = "support/load.rs"]
mod load;
#[path = "support/process.rs"]
mod process;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ground::processor_seconds;
use process::Relay;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Rounds, each with a relay of its own; the middle one is printed.
const ROUNDS: usize = 3;
const SMALL: usize = 5_000;
const LARGE: usize = 40;
const LARGE_SIZE: usize = 25 * 1024 * 1024;

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|word| word == part);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wanted("idle") {
            idle().await;
        }
        if wanted("small") {
            for size in [2 * 1024, 50 * 1024] {
                small(size).await;
            }
            one_device().await;
        }
        if wanted("large") {
            large().await;
        }
        if wanted("connections") {
            for count in [1_000, 10_000] {
                connections(count).await;
            }
        }
    });
}

fn middle<T: PartialOrd>(mut figures: Vec<T>) -> T {
    figures.sort_by(|a, b| a.partial_cmp(b).expect("a number"));
    figures.swap_remove(figures.len() / 2)
}

async fn idle() {
    let (mut starts, mut memory, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..7 {
        let relay = Relay::start().await;
        starts.push(relay.start_to_greeting);
        memory.push(relay.memory_kb());
        resident.push(relay.resident_kb());
        relay.stop().await;
    }
    println!(
        "idle                    memory {:.1} MB (goal under 10; resident {:.1}), start to greeting {} ms (goal under 50)",
        middle(memory) as f64 / 1e3,
        middle(resident) as f64 / 1e3,
        middle(starts).as_millis()
    );
}

/// What many messages came to.
#[derive(PartialEq, PartialOrd)]
struct Relayed {
    per_second: f64,
    accepted_per_second: f64,
    cpu_ms: f64,
    /// Of this process, which plays devices and upstream.
    others_ms: f64,
    p50: Duration,
    p99: Duration,
}

async fn relayed(relay: &Relay, devices: usize, messages: usize, content: &Arc<Vec<u8>>) -> Relayed {
    let (cpu, others, begun) = (relay.cpu(), processor_seconds(), Instant::now());
    let accepted = relay.send(devices, messages, content).await;
    let each = |seconds: f64| seconds * 1e3 / messages as f64;
    Relayed {
        per_second: messages as f64 / begun.elapsed().as_secs_f64(),
        accepted_per_second: accepted.per_second(),
        cpu_ms: each((relay.cpu() - cpu).as_secs_f64()),
        others_ms: each(processor_seconds() - others),
        p50: accepted.percentile(50),
        p99: accepted.percentile(99),
    }
}

async fn small(size: usize) {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let relay = Relay::start().await;
        let message = Arc::new(load::message(size));
        // Sign-in, the first connections and the page cache are not what is measured.
        relay.send(20, 500, &message).await;
        rounds.push(relayed(&relay, 20, SMALL, &message).await);
        relay.stop().await;
    }
    let figures = middle(rounds);
    println!(
        "{:>2} KB, 20 devices       relayed {:.0}/s, accepted {:.0}/s, CPU {:.2} ms a message (goal under 0.5 at 2 KB; \
         devices and upstream {:.2}), p50 {:?}, p99 {:?}",
        size / 1024,
        figures.per_second,
        figures.accepted_per_second,
        figures.cpu_ms,
        figures.others_ms,
        figures.p50,
        figures.p99,
    );
}

async fn one_device() {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let relay = Relay::start().await;
        let message = Arc::new(load::message(2 * 1024));
        relay.send(1, 100, &message).await;
        let sent = relay.send(1, 1_000, &message).await;
        rounds.push((sent.percentile(50), sent.percentile(99)));
        relay.stop().await;
    }
    let (p50, p99) = middle(rounds);
    println!(" 2 KB, one device        p50 {p50:?} (goal under 1 ms), p99 {p99:?}");
}

async fn large() {
    let (mut rounds, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let relay = Relay::start().await;
        let idle = relay.resident_kb();
        let message = Arc::new(load::message(LARGE_SIZE));
        relay.send(2, 2, &message).await;
        relay.reset_peak();
        rounds.push(relayed(&relay, 2, LARGE, &message).await);
        peaks.push(relay.peak_kb().saturating_sub(idle));
        relay.stop().await;
    }
    let figures = middle(rounds);
    println!(
        "25 MB, two devices       relayed {:.1}/s, CPU {:.0} ms a message (devices and upstream {:.0}), \
         peak {:.1} MB above idle (goal under 32)",
        figures.per_second,
        figures.cpu_ms,
        figures.others_ms,
        middle(peaks) as f64 / 1e3,
    );
}

/// Devices that said EHLO and then nothing, and one among them that sends; the same one without them in turn, because a
/// shared disk is not the same a minute later.
async fn connections(count: usize) {
    let relay = Relay::start().await;
    let message = Arc::new(load::message(2 * 1024));
    relay.send(1, 100, &message).await;
    let (mut alone, mut among, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.extend(relay.send(1, 500, &message).await.latencies);
        let before = relay.resident_kb();
        let idle = open_idle(&relay, count).await;
        memory.push(relay.resident_kb().saturating_sub(before) as f64 / count as f64);
        among.extend(relay.send(1, 500, &message).await.latencies);
        drop(idle);
    }
    alone.sort();
    among.sort();
    let at = |latencies: &[Duration], percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    println!(
        "{count:>6} idle connections  {:.1} KB each (goal under 8), one that sends: p50 {:?} (alone {:?}; goal under 1.5 ms), p99 {:?} \
         (alone {:?}: {:.2} times, goal at most 2)",
        // What the first round took is kept for the next ones.
        memory[0],
        at(&among, 50),
        at(&alone, 50),
        at(&among, 99),
        at(&alone, 99),
        at(&among, 99).as_secs_f64() / at(&alone, 99).as_secs_f64(),
    );
    relay.stop().await;
}

async fn open_idle(relay: &Relay, count: usize) -> Vec<TcpStream> {
    let mut idle = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(relay.listener).await.expect("a connection; see `ulimit -n`");
        let mut reply = [0; 1024];
        assert!(stream.read(&mut reply).await.expect("a greeting") > 0);
        stream.write_all(b"EHLO copier\r\n").await.expect("a connection");
        assert!(stream.read(&mut reply).await.expect("a reply") > 0);
        idle.push(stream);
    }
    idle
}
