//! How devices speak: every dialogue of `dialogues.jsonl`, byte for byte, through a whole relay to the simulated Microsoft 365.
//!
//! Each case was read in a device's or library's source, or in a public report (`source`), with what should become of it
//! (`want`, and `accept`: how many messages). `expected/ID.txt` holds what does: every reply, and every octet that left.
//! `REWRITE_EXPECTED=1 cargo test --test quirks` writes these files anew; read the difference before it is committed.

#![expect(clippy::unwrap_used, reason = "a panic is the report of a test")]

mod arrivals;
mod dialogue;
#[path = "../world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

use arrivals::{Accepted, Log};
use dialogue::Case;
use mailferry::simulator::Received;
use world::{World, until, until_empty};

/// Dialogues at the same time.
const AT_ONCE: usize = 24;

/// A client of its own for each case, so that everything that it causes can be told from the others'.
fn address(number: usize) -> Ipv4Addr {
    let [high, low] = u16::try_from(number + 1).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_dialogue_leads_to_what_it_should() {
    let log = Log::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone())).unwrap();
    let mut cases: Vec<Case> = include_str!("dialogues.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 134);
    for case in &mut cases {
        case.lines = expected(case).map(|text| lines_said(&text));
    }

    let world = World::start().await;
    // Devices that insist on a login are among them; for the others it makes no difference.
    world.edit_config(|text| text.replacen("\n\naccounts:", "\n    auth: accept-any\n\naccounts:", 1));
    let relay = world.relay().await;
    let to = relay.listeners()[0];
    let transcripts = replay(&cases, to).await;
    // Some devices are gone before their message is answered.
    let wanted =
        |client: &str| cases.iter().enumerate().any(|(number, case)| case.accept == Some(1) && address(number).to_string() == client);
    let sure = cases.iter().filter(|case| case.accept == Some(1)).count();
    until("the last answers", async || log.accepted().iter().filter(|accepted| wanted(&accepted.client)).count() >= sure).await;
    until_empty(&relay).await;
    relay.stop().await;
    let (accepted, received) = (log.accepted(), world.simulator.received());
    assert!(
        received.iter().all(|received| accepted.iter().any(|accepted| accepted.left_as(received))),
        "something arrived that was not accepted"
    );

    let found = transcripts.into_iter().enumerate().map(|(number, transcript)| {
        let client = address(number).to_string();
        report(&cases[number], &client, &transcript, &accepted, &received)
    });
    compare(&cases, found.collect());
}

async fn replay(cases: &[Case], to: SocketAddr) -> Vec<String> {
    let transcripts = Mutex::new(BTreeMap::new());
    futures_util::stream::iter(cases.iter().enumerate())
        .for_each_concurrent(AT_ONCE, async |(number, case)| {
            let transcript = dialogue::replay(case, address(number), to).await;
            transcripts.lock().unwrap().insert(number, transcript);
        })
        .await;
    transcripts.into_inner().unwrap().into_values().collect()
}

/// All that one case led to.
fn report(case: &Case, client: &str, transcript: &str, accepted: &[Accepted], received: &[Arc<Received>]) -> String {
    let mine: Vec<_> = accepted.iter().filter(|accepted| accepted.client == client).collect();
    if let Some(wanted) = case.accept {
        assert_eq!(mine.len(), wanted, "messages accepted of {}: {}\n{transcript}", case.id, case.want);
    }
    let transcript = arrivals::in_runs(transcript.lines(), |line| format!("{line}\n"));
    let mut text = format!("# {}\n# {}\n\n{transcript}", case.id, case.want);
    for accepted in mine {
        text.push_str(&arrivals::describe(case, client, accepted, received));
        text = text.replace(&accepted.entry, "ENTRY");
    }
    text
}

fn expected_file(case: &Case) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quirks/expected").join(format!("{}.txt", case.id))
}

fn rewrites() -> bool {
    std::env::var_os("REWRITE_EXPECTED").is_some()
}

/// What is expected of a case; none when that is to be found out.
fn expected(case: &Case) -> Option<String> {
    if rewrites() { None } else { std::fs::read_to_string(expected_file(case)).ok() }
}

/// How many lines the relay says in a report.
fn lines_said(report: &str) -> usize {
    let mut lines = 0;
    for line in report.lines().skip_while(|line| !line.is_empty()).skip(1).take_while(|line| !line.is_empty()) {
        // The first of a run stands above how many there are.
        let times = line.strip_prefix('(').and_then(|line| line.strip_suffix(" times)"));
        lines += times.map_or(1, |times| times.parse::<usize>().unwrap() - 1);
    }
    lines
}

fn compare(cases: &[Case], found: Vec<String>) {
    let mut wrong = Vec::new();
    for (case, found) in cases.iter().zip(found) {
        let path = expected_file(case);
        if rewrites() {
            std::fs::write(&path, &found).unwrap();
        } else if expected(case).unwrap_or_default() != found {
            wrong.push(format!("=== {}\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} differ from what is expected:\n{}", wrong.len(), wrong.join("\n"));
}
