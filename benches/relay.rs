//! The relay as a process of its own, from the device's connect to the upstream's 250: messages per second, CPU per
//! message, memory, start. Its upstream is the simulator in this process, over STARTTLS with XOAUTH2, which stores nothing.
//!
//! `cargo bench --bench relay` builds the program the way it is measured; `-- small large idle` chooses parts.

#[path = "support/load.rs"]
mod load;
#[path = "support/process.rs"]
mod process;

use std::sync::Arc;
use std::time::Instant;

use process::Relay;

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
    });
}

async fn idle() {
    let mut starts = Vec::new();
    let mut memory = 0;
    for _ in 0..5 {
        let relay = Relay::start().await;
        starts.push(relay.start_to_greeting);
        memory = relay.memory_kb();
        relay.stop().await;
    }
    starts.sort();
    println!(
        "idle                      memory {:.1} MB (goal under 10), start to greeting {} ms (goal under 50)",
        memory as f64 / 1e3,
        starts[2].as_millis()
    );
}

async fn small(size: usize) {
    let relay = Relay::start().await;
    // Sign-in, the first connections and the page cache are not what is measured.
    relay.send(20, 500, &Arc::new(load::message(size))).await;
    let cpu = relay.cpu();
    let begun = Instant::now();
    let accepted = relay.send(20, SMALL, &Arc::new(load::message(size))).await;
    let elapsed = begun.elapsed();
    let cpu = (relay.cpu() - cpu).as_secs_f64() * 1e3 / SMALL as f64;
    println!(
        "{:>3} KB, 20 devices        relayed {:.0}/s, accepted {:.0}/s, CPU {cpu:.2} ms a message (goal under 0.5 at 2 KB), p50 {:?}, p99 {:?}",
        size / 1024,
        SMALL as f64 / elapsed.as_secs_f64(),
        accepted.per_second(),
        accepted.percentile(50),
        accepted.percentile(99),
    );
    relay.stop().await;
}

async fn one_device() {
    let relay = Relay::start().await;
    relay.send(1, 100, &Arc::new(load::message(2048))).await;
    let sent = relay.send(1, 1_000, &Arc::new(load::message(2048))).await;
    println!("  2 KB, one device        p50 {:?} (goal under 1 ms), p99 {:?}", sent.percentile(50), sent.percentile(99));
    relay.stop().await;
}

async fn large() {
    let relay = Relay::start().await;
    let message = Arc::new(load::message(LARGE_SIZE));
    relay.send(2, 2, &message).await;
    let before = relay.memory_kb();
    relay.reset_peak();
    let cpu = relay.cpu();
    let begun = Instant::now();
    relay.send(2, LARGE, &message).await;
    let elapsed = begun.elapsed();
    let cpu = (relay.cpu() - cpu).as_secs_f64() * 1e3 / LARGE as f64;
    let peak = relay.peak_kb().saturating_sub(before);
    println!(
        " 25 MB, two devices       relayed {:.1}/s, CPU {cpu:.0} ms a message, peak {:.1} MB above idle (goal under 32)",
        LARGE as f64 / elapsed.as_secs_f64(),
        peak as f64 / 1e3,
    );
    relay.stop().await;
}
