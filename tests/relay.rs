//! The whole relay against the simulated Microsoft 365: what goes in arrives, and when something is wrong nothing is lost.

#![expect(clippy::unwrap_used, reason = "a panic is the report of a test")]

mod world;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use mailferry::app::Relay;
use mailferry::control::protocol::{Answer, Listed, Request};
use mailferry::simulator::{Received, Rehearsal, Settings};
use world::{Device, PATIENCE, World, health, rehearsal, send, until, until_empty};

const COPIER: &str = "copier@printers.local";
const SCAN: &str =
    "From: \"Copier\" <copier@printers.local>\r\nTo: anna@example.com\r\nBcc: boss@example.com\r\nSubject: Scan\r\n\r\nOne page.\r\n";

async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Sends a scan from a thread of its own; the relay runs in this one's runtime.
async fn scan(to: SocketAddr, recipients: &'static [&'static str]) -> String {
    on_thread(move || send(to, COPIER, recipients, SCAN).unwrap()).await
}

async fn queue(relay: &Relay) -> Vec<Listed> {
    match relay.desk().answer(Request::QueueList { after: None }).await {
        Answer::Queue { entries, .. } => entries,
        other => panic!("{other:?}"),
    }
}

/// A header field of what arrived.
fn field<'a>(received: &'a Received, name: &str) -> Vec<&'a str> {
    let text = std::str::from_utf8(&received.content).unwrap();
    let header = text.split_once("\r\n\r\n").unwrap().0;
    header.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_arrives_as_somebody_the_tenant_allows() {
    let world = World::start().await;
    let relay = world.relay().await;
    let reply = scan(relay.listeners()[0], &["anna@example.com", "boss@example.com"]).await;
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");

    let received = world.arrived(1).await.remove(0);
    assert_eq!(field(&received, "From"), ["\"Copier\" <noreply@contoso.com>"], "{}", String::from_utf8_lossy(&received.content));
    assert_eq!(received.envelope.sender.as_str(), "noreply@contoso.com");
    assert_eq!(received.envelope.recipients.iter().map(|to| to.as_str()).collect::<Vec<_>>(), ["anna@example.com", "boss@example.com"]);
    assert_eq!(received.mailbox.as_str(), "scanner@contoso.com");
    for (name, count) in [("Date", 1), ("Message-ID", 1), ("Bcc", 0), ("Received", 1), ("Subject", 1), ("Sender", 0)] {
        assert_eq!(field(&received, name).len(), count, "{name}");
    }
    assert!(received.content.ends_with(b"\r\n\r\nOne page.\r\n"));
    until_empty(&relay).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_reused_and_one_session_may_send_many() {
    let world = World::start().await;
    let relay = world.relay().await;
    let listener = relay.listeners()[0];
    on_thread(move || {
        let mut device = Device::connect(listener).unwrap();
        device.say("EHLO device\r\n").unwrap();
        for _ in 0..20 {
            assert!(device.send(COPIER, &["a@example.com"], SCAN).unwrap().starts_with("250"));
        }
        assert!(device.say("QUIT\r\n").unwrap().starts_with("221"));
    })
    .await;
    world.arrived(20).await;
    assert!(world.simulator.counts().connections <= 3, "{:?}", world.simulator.counts());
    until_empty(&relay).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_goes_through_a_file_unchanged() {
    let world = World::start().await;
    let relay = world.relay().await;
    let listener = relay.listeners()[0];
    let body: String = (0..60_000).map(|line| format!("line {line} of a large scan, which is text for a change\r\n")).collect();
    let message = format!("From: copier@printers.local\r\nSubject: large\r\n\r\n{body}");
    let reply = on_thread(move || send(listener, COPIER, &["a@example.com"], message).unwrap()).await;
    assert!(reply.starts_with("250"), "{reply}");
    let received = world.arrived(1).await.remove(0);
    let text = String::from_utf8(received.content.to_vec()).unwrap();
    assert_eq!(text.split_once("\r\n\r\n").unwrap().1, body);
    until_empty(&relay).await;
    let left = std::fs::read_dir(world.folder.path().join("data/spool/bodies")).unwrap().count();
    assert_eq!(left, 0, "the body's file must go with the entry");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_others_refuse_is_encoded_on_its_way() {
    let world = World::start().await;
    let relay = world.relay().await;
    let listener = relay.listeners()[0];
    // In a file, and in one line that no mail server takes.
    let (line, image) = ("a table of numbers; ".repeat(60_000), "\0\u{1}\u{2}".repeat(1000));
    let message = format!(
        "From: copier@printers.local\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\n\r\nSee attachments.\r\n--b\r\nContent-Type: text/csv\r\n\r\n{line}\r\n\
         --b\r\nContent-Type: image/x-raw\r\nContent-Transfer-Encoding: binary\r\n\r\n{image}\r\n--b--\r\n"
    );
    let reply = on_thread(move || send(listener, COPIER, &["a@example.com"], message).unwrap()).await;
    assert!(reply.starts_with("250"), "{reply}");
    let received = world.arrived(1).await.remove(0);
    assert!(received.content.split(|&octet| octet == b'\n').all(|line| line.len() <= 999) && !received.content.contains(&0));
    let arrived = mail_parser::MessageParser::default().parse(&received.content[..]).unwrap();
    let parts: Vec<_> = arrived.parts.iter().map(|part| part.contents()).collect();
    assert_eq!(parts[1], b"See attachments.");
    assert!(parts[2] == line.as_bytes() && parts[3] == image.as_bytes(), "what is decoded is not what came");
    until_empty(&relay).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_in_is_one_message_out() {
    let world = World::start().await;
    let relay = world.relay().await;
    let listener = relay.listeners()[0];
    let smuggled = "MAIL FROM:<evil@x>\r\nRCPT TO:<victim@x>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n";
    let ends = ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r\r\n"];
    let count = ends.len();
    for end in ends {
        let message = format!("Subject: one\r\n\r\nbefore{end}{smuggled}");
        let reply = on_thread(move || send(listener, COPIER, &["a@example.com"], message).unwrap()).await;
        assert!(reply.starts_with("250"), "{reply}");
    }
    let received = world.arrived(count).await;
    until_empty(&relay).await;
    assert_eq!(world.simulator.counts().messages, count as u64);
    for message in received {
        assert_eq!(message.envelope.recipients.len(), 1);
        assert!(String::from_utf8_lossy(&message.content).contains("smuggled"));
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_recipient_has_its_own_outcome() {
    let world = World::start().await;
    world.faults(["rcpt=gone@*:550 5.1.1 No such user", "rcpt=later@*:450 4.2.1 Try later*2"]);
    let relay = world.relay().await;
    let reply = scan(relay.listeners()[0], &["anna@example.com", "gone@example.com", "later@example.com"]).await;
    assert!(reply.starts_with("250"), "{reply}");
    world.arrived(2).await;
    until("the entry to be held", async || health(&relay).await.held == 1).await;
    let received = world.simulator.received();
    let to: Vec<_> = received.iter().map(|message| message.envelope.recipients.iter().map(|to| to.as_str()).collect::<Vec<_>>()).collect();
    assert_eq!(to, [["anna@example.com"], ["later@example.com"]], "nobody gets it twice");
    assert_eq!(field(&received[0], "Message-ID"), field(&received[1], "Message-ID"));
    let entries = queue(&relay).await;
    let states: Vec<_> = entries[0].recipients.iter().map(|person| person.state.as_str()).collect();
    assert_eq!(states, ["delivered", "refused", "delivered"]);
    assert!(entries[0].recipients[1].reply.as_deref().unwrap().contains("5.1.1"));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_alias_is_kept_and_explained() {
    let world = World::start().await;
    world.faults(["send-as-denied"]);
    let relay = world.relay().await;
    scan(relay.listeners()[0], &["anna@example.com"]).await;
    until("the entry to be held", async || health(&relay).await.held == 1).await;
    let entry = queue(&relay).await.remove(0);
    assert_eq!(entry.recipients[0].cause.as_deref(), Some("send-as-denied"));
    assert!(entry.recipients[0].reply.as_deref().unwrap().contains("SendAsDenied"), "{entry:?}");
    relay.stop().await;
}

/// A fault that happens a few times: the mail waits while it lasts and arrives afterwards, once.
async fn recovers_from(fault: &str) {
    let world = World::start().await;
    world.faults([fault]);
    let relay = world.relay().await;
    let listener = relay.listeners()[0];
    for _ in 0..3 {
        assert!(scan(listener, &["anna@example.com"]).await.starts_with("250"), "{fault}: acceptance never depends on the upstream");
    }
    assert!(world.simulator.wait_for(3, PATIENCE).await, "{fault}: {:?}, {:?}", world.simulator.counts(), health(&relay).await);
    until_empty(&relay).await;
    assert_eq!(world.simulator.received().len(), 3, "{fault}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_on_the_way_delays_and_loses_nothing() {
    let faults = [
        "greeting*2",
        "starttls-missing*2",
        "wrong-certificate-name*2",
        "untrusted-ca*2",
        "temporary*2",
        "drop=connect*2",
        "drop=ehlo*2",
        "drop=starttls*2",
        "drop=auth*2",
        "drop=mail*2",
        "drop=rcpt*2",
        "drop=data*2",
        "drop=content*2",
        "drop=final*2",
        "reply=mail:421 4.3.2 Service not available*2",
        "reply=final:451 4.3.0 Later*2",
        "token-error*2",
        "token-malformed*2",
    ];
    for fault in faults {
        recovers_from(fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_with_the_account_holds_its_mail_until_it_is_mended() {
    for fault in [
        "smtp-auth-off-tenant*2",
        "smtp-auth-off-mailbox*2",
        "token-identity*3",
        "token-wrong-secret*2",
        "aadsts=700016*2",
        "sent-items-full*2",
    ] {
        recovers_from(fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_final_reply_is_sent_again_with_the_same_message_id() {
    let world = World::start().await;
    world.faults(["drop=final-kept*1"]);
    let relay = world.relay().await;
    scan(relay.listeners()[0], &["anna@example.com"]).await;
    let received = world.arrived(2).await;
    assert_eq!(received[0].content, received[1].content, "every attempt sends identical octets");
    until_empty(&relay).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_sent_to_an_upstream_without_tls() {
    for fault in ["starttls-missing", "wrong-certificate-name", "untrusted-ca"] {
        let world = World::start().await;
        world.faults([fault]);
        let relay = world.relay().await;
        scan(relay.listeners()[0], &["anna@example.com"]).await;
        until("trouble to be told", async || !health(&relay).await.accounts_usable()).await;
        assert_eq!((world.simulator.counts().sign_ins, world.simulator.counts().messages), (0, 0), "{fault}");
        assert_eq!(health(&relay).await.waiting, 1);
        relay.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_picks_up_where_it_was() {
    let world = World::start().await;
    world.faults(["greeting"]);
    let relay = world.relay().await;
    for _ in 0..5 {
        scan(relay.listeners()[0], &["anna@example.com"]).await;
    }
    until("trouble to be told", async || !health(&relay).await.accounts_usable()).await;
    relay.stop().await;
    world.faults([]);
    let relay = world.relay().await;
    world.arrived(5).await;
    until_empty(&relay).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pacing_keeps_to_messages_per_minute() {
    let rehearsal = mailferry::simulator::Rehearsal { account: "    limits: { messages_per_minute: 2 }\n".into(), ..world::rehearsal() };
    let world = World::with(Settings::default(), &rehearsal).await;
    let relay = world.relay().await;
    for _ in 0..3 {
        scan(relay.listeners()[0], &["anna@example.com"]).await;
    }
    world.arrived(2).await;
    until("the first two to be recorded", async || health(&relay).await.waiting == 1).await;
    // A restart does not open a new minute: what was sent is counted in the spool.
    relay.stop().await;
    let relay = world.relay().await;
    assert!(!world.simulator.wait_for(3, Duration::from_secs(2)).await, "a third message within the minute");
    assert_eq!(health(&relay).await.waiting, 1);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_reserve_nothing_is_accepted_and_nothing_lost() {
    let rehearsal = mailferry::simulator::Rehearsal { more: "spool: { reserve: 1000000 TB }\n".into(), ..world::rehearsal() };
    let world = World::with(Settings::default(), &rehearsal).await;
    let relay = world.relay().await;
    let reply = scan(relay.listeners()[0], &["anna@example.com"]).await;
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    assert!(!health(&relay).await.ready);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_live_in_one_process_but_not_in_one_folder() {
    let (one, two) = (World::start().await, World::start().await);
    let (first, second) = (one.relay().await, two.relay().await);
    scan(second.listeners()[0], &["anna@example.com"]).await;
    two.arrived(1).await;
    assert_eq!(one.simulator.counts().messages, 0);
    let config = mailferry::config::load(Some(&one.config), &mailferry::config::Surroundings::system())
        .unwrap_or_else(|problems| panic!("{problems}"));
    let Err(error) = Relay::start(config, mailferry::clock::Clock::system()).await else { panic!("a second relay got the folder") };
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(&std::process::id().to_string()), "{cause}");
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_is_answered_among_connections_that_say_nothing() {
    let http = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let world = World::with(Settings::default(), &Rehearsal { http, ..rehearsal() }).await;
    let relay = world.relay().await;
    let address = relay.http().unwrap();
    let (silent, answers) = on_thread(move || {
        let silent: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
        (silent, ["/healthz", "/readyz"].map(|path| probe(address, path)))
    })
    .await;
    assert!(answers[0].starts_with("HTTP/1.1 200 OK\r\n") && answers[0].ends_with("alive\n"), "{answers:?}");
    assert!(answers[1].starts_with("HTTP/1.1 200 OK\r\n"), "{answers:?}");
    on_thread(move || {
        for mut stream in silent {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).map_err(|error| assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset));
        }
    })
    .await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_which_device_sends_what() {
    let http = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let world = World::with(Settings::default(), &Rehearsal { http, ..rehearsal() }).await;
    let relay = world.relay().await;
    let (to, address) = (relay.listeners()[0], relay.http().unwrap());
    let (shown, refused) = on_thread(move || {
        send(to, COPIER, &["anna@example.com"], "From: copier@printers.local\r\nSubject: Scan\nTo: anna@example.com\r\n\r\nx\r\n").unwrap();
        (ask(address, "/metrics", "localhost:8025"), ask(address, "/metrics", "evil.example"))
    })
    .await;
    assert!(shown.contains("\nmailferry_messages_accepted_total{client=\"127.0.0.1\"} 1\n"), "{shown}");
    assert!(shown.contains("\nmailferry_message_repairs_total{client=\"127.0.0.1\",repair=\"bare-lf\"} 1\n"), "{shown}");
    assert!(shown.contains("application/openmetrics-text") && shown.ends_with("# EOF\n"), "{shown}");
    assert!(refused.starts_with("HTTP/1.1 421 "), "{refused}");
    relay.stop().await;
}

/// Asks as an impatient prober does.
fn probe(address: SocketAddr, path: &str) -> String {
    ask(address, path, "relay")
}

/// The answer ends with the connection.
fn ask(address: SocketAddr, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
