//! Acceptance: devices on sockets, listener, intake and the spool on disk, beside the same listener with a spool that
//! keeps nothing, by turns in the same run.
//!
//! `cargo bench --bench accept` prints, for each size and number of devices, messages accepted in a second by both, and
//! what an append log of the same octets reaches without any listener. Devices, listener and spool share this process:
//! the processor's time in the table is that of all of them. `BENCH_DIR` names the folder to write in.
//! Compare ratios, not figures.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot go on has no figures")]

#[path = "support/discard.rs"]
mod discard;
#[path = "support/ground.rs"]
mod ground;
#[path = "support/load.rs"]
mod load;
#[path = "support/yardstick.rs"]
mod yardstick;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ground::{folder, processor_seconds};
use mailferry::clock::Clock;
use mailferry::intake::Intake;
use mailferry::listener::{self, Clients, Connections, Limits, Listener, Tls};
use mailferry::message::{AccountName, DisplayName, Identity, Mailbox, ReplyTo};
use mailferry::senders::{Match, Rule, Senders};
use mailferry::session::{Auth, Policy};
use mailferry::spool::{self, Spool, SqliteSpool};
use mailferry::tasks::Group;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use yardstick::{Rate, append_log, median};

const ROUNDS: usize = 5;

fn main() {
    let house = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let street = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!(
        "{:>6} {:>7} | {:>9} {:>7} {:>9} | {:>9} {:>7} | {:>6} | {:>8} {:>8}",
        "octets", "devices", "durable/s", "ms/msg", "p50 µs", "nothing/s", "ms/msg", "ratio", "log/s", "ratio"
    );
    for (size, devices, messages) in
        [(2 << 10, 1, 1_000), (2 << 10, 20, 4_000), (2 << 10, 64, 4_000), (50 << 10, 20, 2_000), (50 << 10, 64, 2_000)]
    {
        line(&house, &street, size, devices, messages);
    }
}

fn line(house: &Runtime, street: &Runtime, size: usize, devices: usize, messages: usize) {
    let content = Arc::new(load::message(size));
    let (mut durable, mut nothing, mut log, mut middle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let dir = folder();
        let settings = spool::Settings { dir: dir.path().to_owned(), reserve: 0, memory: 32 << 20, inline: 128 << 10 };
        let kept = Arc::new(SqliteSpool::open(settings, Clock::system()).expect("a spool").0);
        let (rate, p50) = accepted(house, street, kept.clone(), devices, messages, &content);
        durable.push(rate);
        middle.push(p50);
        house.block_on(kept.close());
        nothing.push(accepted(house, street, Arc::new(discard::Discard::default()), devices, messages, &content).0);
        log.push(append_log(house, size, devices, Duration::from_millis(500)));
    }
    middle.sort();
    let (durable, nothing, log) = (median(durable), median(nothing), median(log));
    println!(
        "{size:>6} {devices:>7} | {:>9.0} {:>7.3} {:>9} | {:>9.0} {:>7.3} | {:>5.0}% | {:>8.0} {:>7.0}%",
        durable.messages,
        durable.cost,
        middle[ROUNDS / 2].as_micros(),
        nothing.messages,
        nothing.cost,
        100.0 * durable.messages / nothing.messages,
        log.messages,
        100.0 * durable.messages / log.messages,
    );
}

/// Has `messages` messages accepted into `spool`; how fast, and the median from connect to 250.
fn accepted(
    house: &Runtime,
    street: &Runtime,
    spool: Arc<dyn Spool>,
    devices: usize,
    messages: usize,
    content: &Arc<Vec<u8>>,
) -> (Rate, Duration) {
    let group = Group::new("listeners");
    let address = house.block_on(async { listen(spool, &group) });
    let cost = processor_seconds();
    let outcome = street.block_on(load::send(address, devices, messages, Arc::clone(content)));
    let cost = 1000.0 * (processor_seconds() - cost) / messages as f64;
    house.block_on(group.stop(Duration::from_secs(5)));
    (Rate { messages: outcome.per_second(), cost }, outcome.percentile(50))
}

fn listen(spool: Arc<dyn Spool>, group: &Group) -> SocketAddr {
    let identity = Identity { from: Mailbox::parse("scanner@contoso.com").unwrap(), name: DisplayName::Original, reply_to: ReplyTo::Keep };
    let senders = Senders { rules: vec![Rule { when: Match::default(), account: AccountName::new("office"), identity }] };
    let settings = listener::Settings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
        name: "127.0.0.1:25".into(),
        allow: Vec::new(),
        proxy: Vec::new(),
        hiding_places: Vec::new(),
        tls: Tls::None,
        policy: Arc::new(Policy {
            hostname: "relay.example".into(),
            message_size: 1 << 20,
            recipients: 100,
            errors: 10,
            auth: Auth::None,
            starttls: false,
            postmaster: None,
        }),
        clients: Clients::default(),
        limits: Limits {
            connections: 100,
            connections_per_client: 100,
            idle: Duration::from_secs(300),
            session: Duration::from_secs(3600),
        },
    };
    // Nobody sends what is accepted here.
    let (arrivals, _) = mpsc::channel(1);
    let connections = Connections::new(settings.limits.connections);
    let listener = Listener::bind(settings).expect("a listener");
    let address = listener.bound().network().expect("an address");
    listener.serve(Intake::new(spool, Arc::new(senders), Clock::system(), arrivals), connections, group);
    address
}
