//! A listener on a real socket, with clients that behave like devices, well and badly.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mailferry::clock::{Clock, Timestamp};
use mailferry::intake::Intake;
use mailferry::listener::{ClientEntry, Clients, Connections, Limits, Listener, Settings, Tls};
use mailferry::message::{AccountName, Charset, DisplayName, Identity, Mailbox, Repair, ReplyTo, ReversePath};
use mailferry::senders::{Match, Rule, Senders};
use mailferry::session::{Auth, Ehlo, Policy, Quirks};
use mailferry::sockets::ListenError;
use mailferry::spool::Storage;
use mailferry::tasks::Group;
use support::log::{Log, logged};
use support::{Fault, PATIENCE, ScriptedSpool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

fn settings() -> Settings {
    Settings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
        name: "127.0.0.1:25".into(),
        allow: Vec::new(),
        proxy: Vec::new(),
        hiding_places: Vec::new(),
        tls: Tls::None,
        policy: Arc::new(Policy {
            hostname: "relay.example".into(),
            message_size: 1024 * 1024,
            recipients: 100,
            errors: 10,
            auth: Auth::None,
            starttls: false,
            postmaster: None,
        }),
        clients: Clients::default(),
        limits: Limits { connections: 100, connections_per_client: 50, idle: Duration::from_secs(300), session: Duration::from_secs(3600) },
    }
}

/// An end to silence that no slow machine comes near. A test that waits for it stops the clock first: then it passes at once.
fn soon_idle() -> Limits {
    Limits { idle: PATIENCE / 2, ..settings().limits }
}

fn senders() -> Senders {
    let identity = Identity { from: Mailbox::parse("scanner@contoso.com").unwrap(), name: DisplayName::Original, reply_to: ReplyTo::Keep };
    Senders { rules: vec![Rule { when: Match::default(), account: AccountName::new("office"), identity }] }
}

struct Relay {
    address: SocketAddr,
    spool: Arc<ScriptedSpool>,
    group: Group,
}

impl Relay {
    fn start(settings: Settings) -> Self {
        Self::start_with(settings, senders())
    }

    fn start_with(settings: Settings, senders: Senders) -> Self {
        Log::install();
        let (spool, group) = (ScriptedSpool::new(), Group::new("listeners"));
        let (arrivals, _) = mpsc::channel(1);
        let intake = Intake::new(spool.clone(), Arc::new(senders), Clock::manual(Timestamp::from_millis(1_000)), arrivals);
        let connections = Connections::new(settings.limits.connections);
        let listener = Listener::bind(settings).unwrap();
        let address = listener.bound().network().unwrap();
        listener.serve(intake, connections, &group);
        Self { address, spool, group }
    }

    async fn connect(&self) -> Device {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Device { stream }
    }

    /// Waits until what was sent before has been read: while another device is greeted, the one thread of a test's runtime looks
    /// at all sockets more than once.
    async fn read_all(&self) {
        self.connect().await.expect(GREETING).await;
    }
}

struct Device {
    stream: TcpStream,
}

impl Device {
    async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.unwrap();
    }

    /// Reads exactly this text, and not an octet more.
    #[track_caller]
    fn expect<'a>(&'a mut self, wanted: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let mut found = vec![0; wanted.len()];
            let mut count = 0;
            while count < found.len() {
                match timeout(PATIENCE, self.stream.read(&mut found[count..])).await {
                    Ok(Ok(read)) if read > 0 => count += read,
                    other => panic!("{caller}: {other:?} after {:?}", String::from_utf8_lossy(&found[..count])),
                }
            }
            assert_eq!(String::from_utf8_lossy(&found), wanted, "at {caller}");
        }
    }

    /// Reads what one look at the socket finds.
    async fn segment(&mut self) -> String {
        let mut found = vec![0; 4096];
        let count = timeout(PATIENCE, self.stream.read(&mut found)).await.expect("nothing comes").unwrap();
        String::from_utf8_lossy(&found[..count]).into_owned()
    }

    /// Reads to the end of the connection.
    async fn rest(mut self) -> String {
        let mut found = Vec::new();
        match timeout(PATIENCE, self.stream.read_to_end(&mut found)).await.expect("the connection stays open") {
            Ok(_) => String::from_utf8_lossy(&found).into_owned(),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&found)),
        }
    }

    /// Comes as far as the content.
    async fn begin_message(&mut self) {
        self.expect("220 relay.example ESMTP mailferry\r\n").await;
        self.send("MAIL FROM:<scan@printer>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n").await;
        self.expect("250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 Send the message, then a line with a single dot\r\n").await;
    }
}

const GREETING: &str = "220 relay.example ESMTP mailferry\r\n";
const MESSAGE: &str = "HELO printer\r\nMAIL FROM:<scan@printer>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n";
const ANSWERS: &str = "220 relay.example ESMTP mailferry\r\n250 relay.example\r\n250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n\
                       354 Send the message, then a line with a single dot\r\n250 2.0.0 Queued as 000000000001\r\n221 2.0.0 Bye\r\n";

#[tokio::test]
async fn takes_a_whole_conversation_in_one_segment() {
    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    device.send(MESSAGE).await;
    assert_eq!(device.rest().await, ANSWERS);
    let stored = relay.spool.stored();
    assert_eq!((stored.len(), stored[0].header.as_bytes(), stored[0].facts.size), (1, &b"Subject: x\r\n"[..], 4));
    let origin = &stored[0].origin;
    assert_eq!((origin.client.address(), origin.helo.as_deref(), origin.esmtp), (Some(Ipv4Addr::LOCALHOST.into()), Some("printer"), false));
    assert_eq!((origin.listener.as_str(), origin.received), ("127.0.0.1:25", Timestamp::from_millis(1_000)));
    assert_eq!(stored[0].envelope.sender, ReversePath::Mailbox(Mailbox::parse("scan@printer").unwrap()));
    assert_eq!(stored[0].decision.account.as_str(), "office");
}

#[tokio::test]
async fn takes_it_byte_by_byte_and_with_split_line_ends() {
    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    for byte in MESSAGE.bytes() {
        device.send([byte]).await;
        // Gives the other side the chance to see each octet alone; the result may not depend on it.
        tokio::task::yield_now().await;
    }
    assert_eq!(device.rest().await, ANSWERS);
    assert_eq!(relay.spool.stored()[0].facts.size, 4);
}

/// Some devices judge the first segment of an answer and never look at a second.
#[tokio::test]
async fn the_greeting_and_the_whole_answer_to_ehlo_come_in_one_piece() {
    let policy = Policy { auth: Auth::AcceptAny, ..Policy::clone(&settings().policy) };
    let relay = Relay::start(Settings { policy: Arc::new(policy), ..settings() });
    let offers = "250-relay.example\r\n250-PIPELINING\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n\
                  250 AUTH LOGIN PLAIN\r\n";
    for _ in 0..20 {
        let mut device = relay.connect().await;
        assert_eq!(device.segment().await, GREETING);
        device.send("EHLO camera\r\n").await;
        assert_eq!(device.segment().await, offers);
        device.send("MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n").await;
        let answers = "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 Send the message, then a line with a single dot\r\n";
        assert_eq!(device.segment().await, answers);
    }
}

#[tokio::test]
async fn commands_may_end_in_lf_and_content_may_not() {
    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    let (commands, content) = MESSAGE.split_once("Subject").unwrap();
    device.send(format!("{}Subject{content}", commands.replace('\r', ""))).await;
    assert_eq!(device.rest().await, ANSWERS);
    let mut device = relay.connect().await;
    device.send(MESSAGE.replace('\r', "")).await;
    device.stream.shutdown().await.unwrap();
    assert_eq!(device.rest().await, ANSWERS.split_inclusive("dot\r\n").next().unwrap());
    assert_eq!(relay.spool.stored().len(), 1);
}

#[tokio::test]
async fn survives_octets_that_are_no_text() {
    let relay = Relay::start(settings());
    let unknown = "500 5.5.2 That is no command known here: HELP names those that are\r\n";
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    // What telnet says before its user does, and strings that were sent with their ends.
    device.send(b"\xff\xfb\x1f\xff\xfb\x20\xff\xfd\x01HELO dev\r\n\0NOOP\0\r\n\0\0\0\r\n").await;
    device.expect(&format!("250 relay.example\r\n250 2.0.0 OK\r\n{unknown}")).await;
    // Rubbish without end is answered as long as anybody could mean it, and then no more.
    device.send((0..=255).map(|octet| if octet == b'\n' { b' ' } else { octet }).collect::<Vec<u8>>()).await;
    device.send(b"\r\n\x01\x02\n".repeat(100)).await;
    let said = device.rest().await;
    assert_eq!(said, format!("{}421 4.7.0 Too many errors: closing the connection\r\n", unknown.repeat(9)));
}

#[tokio::test]
async fn health_checks_leave_no_trace() {
    let relay = Relay::start(settings());
    for said in ["", "QUIT\r\n", "EHLO check\r\nQUIT\r\n", "NOOP\r\n"] {
        let mut device = relay.connect().await;
        device.send(said).await;
        device.stream.shutdown().await.unwrap();
        device.rest().await;
    }
    let device = relay.connect().await;
    device.stream.set_zero_linger().unwrap();
    drop(device);
    assert_eq!(relay.group.stop(PATIENCE).await.left, 0);
    assert_eq!(logged().len(), 1, "{:?}", logged());
}

#[tokio::test]
async fn a_client_that_closed_its_half_still_gets_its_answers() {
    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    device.send(MESSAGE.strip_suffix("QUIT\r\n").unwrap()).await;
    device.stream.shutdown().await.unwrap();
    assert_eq!(device.rest().await, ANSWERS.strip_suffix("221 2.0.0 Bye\r\n").unwrap());
}

#[tokio::test]
async fn a_message_that_is_whole_is_kept_although_the_device_has_gone() {
    let relay = Relay::start(settings());
    relay.spool.hold();
    let mut device = relay.connect().await;
    device.begin_message().await;
    device.send("Subject: x\r\n\r\nhi\r\n.\r\n").await;
    // A reset, not a polite end.
    device.stream.set_zero_linger().unwrap();
    drop(device);
    relay.spool.release();
    assert_eq!(relay.spool.wait_for(1).await.len(), 1);
}

#[tokio::test]
async fn a_device_that_talks_and_runs_leaves_its_message() {
    let relay = Relay::start(settings());
    for count in 1..=20 {
        let mut device = relay.connect().await;
        let (commands, message) = MESSAGE.split_once("Subject").unwrap();
        device.send(commands).await;
        // Larger than one read: the reply to DATA meets a closed socket before the content is read.
        device.send(format!("Subject{}{}", "x".repeat(20_000), message.strip_prefix(": x").unwrap())).await;
        drop(device);
        relay.spool.wait_for(count).await;
    }
}

#[tokio::test]
async fn a_message_without_its_end_is_not_kept() {
    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    device.begin_message().await;
    device.send("Subject: x\r\n\r\nhi\r\n.\n").await;
    device.stream.shutdown().await.unwrap();
    assert_eq!(device.rest().await, "");
    assert!(relay.spool.stored().is_empty());
}

/// What the configuration says of this machine.
fn clients(charset: Option<&str>, quirks: Quirks) -> Clients {
    let charset = charset.map(|label| Charset::of(label).unwrap());
    Clients::new(vec![ClientEntry { network: "127.0.0.0/8".parse().unwrap(), charset, quirks }])
}

#[tokio::test]
async fn a_client_that_is_listed_gets_what_it_needs() {
    let quirks = Quirks { ehlo: Ehlo::Minimal, lf_ends_data: true, ..Quirks::default() };
    let relay = Relay::start(Settings { clients: clients(Some("shift_jis"), quirks), ..settings() });
    let mut device = relay.connect().await;
    device.send("EHLO plc\nMAIL FROM:<scan@printer>\nRCPT TO:<a@b.example>\nDATA\nSubject: x\n\n..hi\n.\nQUIT\n").await;
    assert_eq!(device.rest().await, ANSWERS);
    let stored = relay.spool.stored();
    assert_eq!((stored[0].facts.size, stored[0].origin.charset), (5, Charset::of("shift_jis")));
    assert!(stored[0].repairs.contains(Repair::BareLf));
}

#[tokio::test]
async fn a_message_that_waits_behind_a_dot_tells_how_it_could_end() {
    let relay = Relay::start(Settings { limits: soon_idle(), ..settings() });
    let mut device = relay.connect().await;
    device.begin_message().await;
    // In pieces, so that no single one shows it.
    for piece in ["Subject: x\n\nhi\n", ".", "\n"] {
        device.send(piece).await;
        relay.read_all().await;
    }
    tokio::time::pause();
    device.rest().await;
    let line = logged().into_iter().find(|line| line.contains("message was not finished")).unwrap();
    let remedy = "set its line ends to CRLF; if that cannot be, add to the configuration: \
                  clients: { \\\"127.0.0.1\\\": { quirks: { lf_ends_data: true } } }";
    assert!(line.contains(remedy), "{line}");
}

#[tokio::test]
async fn a_device_that_goes_on_or_leaves_behind_its_dot_tells_the_same() {
    let relay = Relay::start(settings());
    for pieces in [
        &["Subject: x\n\nhi\n.\n"][..],
        &["Subject: x\n\nhi\n", ".\nQUIT\n"],
        &["Subject: x\r\n\nhi\n.\n", "QUIT\r\n", "more\n"],
        &[".\nQUIT\n"],
    ] {
        let mut device = relay.connect().await;
        device.begin_message().await;
        for piece in pieces {
            device.send(piece).await;
            tokio::task::yield_now().await;
        }
        device.stream.shutdown().await.unwrap();
        device.rest().await;
        let line = logged().pop().unwrap();
        assert!(line.contains("reason=the client left") && line.contains("lf_ends_data: true"), "{pieces:?}: {line}");
    }
}

#[tokio::test]
async fn reads_an_oversized_message_to_its_dot_and_goes_on() {
    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    device.begin_message().await;
    let line = format!("{}\r\n", "x".repeat(1022)).repeat(64);
    for _ in 0..20 {
        device.send(&line).await;
    }
    device.send(".\r\nNOOP\r\n").await;
    device.expect("552 5.3.4 The message is larger than 1048576 octets\r\n250 2.0.0 OK\r\n").await;
    assert!(relay.spool.stored().is_empty());
}

#[tokio::test]
async fn takes_a_message_of_exactly_the_allowed_size() {
    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    device.begin_message().await;
    let body = format!("{}\r\n", "x".repeat(1022)).repeat(1024);
    device.send(format!("\r\n{}.\r\n", &body[..body.len() - 4].to_owned())).await;
    // Two octets short of its last line end, the dot was text; now it has one octet of text too many.
    device.send("\r\n.\r\n").await;
    device.expect("552 5.3.4 ").await;
    let mut device = relay.connect().await;
    device.begin_message().await;
    device.send(format!("\r\n{}\r\n.\r\n", &body[..body.len() - 4])).await;
    device.expect("250 2.0.0 Queued as ").await;
    assert_eq!(relay.spool.stored()[0].facts.size, 1024 * 1024 - 2);
}

#[tokio::test]
async fn tells_what_the_spool_could_not_do() {
    let relay = Relay::start(settings());
    for (fault, answer) in [
        (Fault::Full, "452 4.3.1 The disk of the relay is full: try again later\r\n"),
        (Fault::Failed, "451 4.3.0 Cannot store the message now: try again later\r\n"),
        (Fault::None, "250 2.0.0 Queued as 000000000001\r\n"),
    ] {
        relay.spool.set_fault(fault);
        let mut device = relay.connect().await;
        device.begin_message().await;
        device.send("hi\r\n.\r\n").await;
        device.expect(answer).await;
    }
    relay.spool.set_storage(Storage::Full);
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    device.send("MAIL FROM:<>\r\n").await;
    device.expect("452 4.3.1 The disk of the relay is full: try again later\r\n").await;
    relay.spool.set_storage(Storage::Failing);
    device.send("MAIL FROM:<>\r\n").await;
    device.expect("451 4.3.0 Cannot store the message now: try again later\r\n").await;
}

#[tokio::test]
async fn refuses_what_nobody_may_send_and_headers_without_end() {
    let relay = Relay::start_with(settings(), Senders::default());
    let mut device = relay.connect().await;
    device.begin_message().await;
    device.send("hi\r\n.\r\n").await;
    device.expect("550 5.7.1 The relay has no rule for this sender: one can be added under `senders`\r\n").await;

    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    device.begin_message().await;
    device.send("X: y\r\n".repeat(50_000)).await;
    device.send("\r\n.\r\n").await;
    device.expect("554 5.6.0 The header of the message is too large\r\n").await;
}

#[tokio::test]
async fn stops_a_message_that_goes_round_in_circles() {
    let relay = Relay::start(settings());
    for (fields, answer) in
        [(30, "250 2.0.0 Queued as 000000000001\r\n"), (31, "554 5.4.6 The message goes round in circles: too many Received fields\r\n")]
    {
        let mut device = relay.connect().await;
        device.begin_message().await;
        device.send("Received: from a by b\r\n".repeat(fields)).await;
        device.send("\r\nhi\r\n.\r\n").await;
        device.expect(answer).await;
    }
}

#[tokio::test]
async fn serves_only_those_on_the_list() {
    let everywhere = Settings { address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into(), ..settings() };
    let relay = Relay::start(Settings { allow: vec!["10.0.0.0/8".parse().unwrap()], ..everywhere.clone() });
    let refused = "554 5.7.1 Your address may not send mail here: ask for it to be added to `allow`\r\n";
    let mut device = relay.connect().await;
    device.send("EHLO eager\r\n").await;
    assert_eq!(device.rest().await, refused);

    let relay = Relay::start(Settings { allow: vec!["127.0.0.0/8".parse().unwrap()], ..everywhere.clone() });
    relay.connect().await.expect(GREETING).await;

    // An IPv4 client of an IPv6 socket is judged as IPv4.
    let address = "[::]:0".parse::<SocketAddr>().unwrap().into();
    let relay = Relay::start(Settings { address, allow: vec!["127.0.0.0/8".parse().unwrap()], ..everywhere });
    let port = relay.address.port();
    let mut device = Device { stream: TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap() };
    device.expect(GREETING).await;
}

#[tokio::test]
async fn limits_connections_of_one_client_and_in_all() {
    let limits = Limits { connections: 3, connections_per_client: 2, ..settings().limits };
    let relay = Relay::start(Settings { limits, ..settings() });
    let (mut first, mut second) = (relay.connect().await, relay.connect().await);
    first.expect(GREETING).await;
    second.expect(GREETING).await;
    let third = relay.connect().await;
    assert_eq!(third.rest().await, "421 4.7.0 Too many connections from your address: try again later\r\n");
    first.send("QUIT\r\n").await;
    assert_eq!(first.rest().await, "221 2.0.0 Bye\r\n");
    loop {
        // The place is free a moment after the connection has ended.
        let mut fourth = relay.connect().await;
        let mut code = [0; 3];
        fourth.stream.read_exact(&mut code).await.unwrap();
        if &code == b"220" {
            break;
        }
    }

    let limits = Limits { connections: 1, ..settings().limits };
    let relay = Relay::start(Settings { limits, ..settings() });
    let mut first = relay.connect().await;
    first.expect(GREETING).await;
    let mut waiting = relay.connect().await;
    first.send("QUIT\r\n").await;
    waiting.expect(GREETING).await;
}

#[tokio::test]
async fn recognises_strangers() {
    let relay = Relay::start(settings());
    for (octets, answer) in [
        (&b"\x16\x03\x01\x00\x75\x01\x00\x00\x71\x03\x03"[..], ""),
        (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", ""),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", ""),
        (b"POST / HTTP/1.1\r\nHost: localhost:25\r\n\r\nMAIL FROM:<a@b>\r\n", "554 5.5.0 This is a mail server, not a web server\r\n"),
        (
            b"EHLO x\r\nBDAT 9\r\nNOOP\r\nxxx",
            "250-relay.example\r\n250-PIPELINING\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n502 5.5.1 BDAT is not offered here: use DATA\r\n",
        ),
    ] {
        let mut device = relay.connect().await;
        device.expect(GREETING).await;
        device.send(octets).await;
        assert_eq!(device.rest().await, answer, "{octets:?}");
    }
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    // One octet at a time, and behind a command.
    device.send("NOOP\r\n").await;
    device.expect("250 2.0.0 OK\r\n").await;
    device.send(b"\x16").await;
    device.send(b"\x03\x01").await;
    assert_eq!(device.rest().await, "");
}

#[tokio::test]
async fn ends_what_stands_still() {
    let limits = Limits { session: Duration::from_millis(50), ..settings().limits };
    let relay = Relay::start(Settings { limits, ..settings() });
    let expired = "421 4.4.2 The connection has lasted too long: closing it\r\n";
    assert_eq!(relay.connect().await.rest().await, format!("{GREETING}{expired}"));

    let relay = Relay::start(Settings { limits: soon_idle(), ..settings() });
    let (silent, mut device) = (relay.connect().await, relay.connect().await);
    device.begin_message().await;
    device.send("hi\n.\n").await;
    relay.read_all().await;
    tokio::time::pause();
    let idle = "421 4.4.2 Nothing was sent for too long: closing the connection\r\n";
    assert_eq!(silent.rest().await, format!("{GREETING}{idle}"));
    assert_eq!(device.rest().await, idle);
}

#[tokio::test]
async fn stopping_ends_idle_sessions_and_lets_messages_finish() {
    let relay = Relay::start(settings());
    let (mut idle, mut busy) = (relay.connect().await, relay.connect().await);
    idle.expect(GREETING).await;
    busy.begin_message().await;
    relay.group.ask_to_stop();
    let stopping = "421 4.3.2 The relay is stopping: try again soon\r\n";
    assert_eq!(idle.rest().await, stopping);
    busy.send("hi\r\n.\r\n").await;
    assert_eq!(busy.rest().await, format!("250 2.0.0 Queued as 000000000001\r\n{stopping}"));
    assert_eq!(relay.group.stop(PATIENCE).await.left, 0);
    assert!(TcpStream::connect(relay.address).await.is_err());
}

#[tokio::test]
async fn lines_without_end_use_no_memory_and_leave_an_answer() {
    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    device.send("x".repeat(1024 * 1024)).await;
    device.send("\r\nNOOP\r\n").await;
    device.expect("500 5.5.2 The line is too long\r\n250 2.0.0 OK\r\n").await;
}

#[tokio::test]
async fn logins_are_checked_beside_the_conversations() {
    let users = [("scanner".to_owned(), bcrypt::hash("geheim", 4).unwrap())].into_iter().collect();
    let policy = Policy { auth: Auth::Users(Arc::new(users)), ..Policy::clone(&settings().policy) };
    let relay = Relay::start(Settings { policy: Arc::new(policy), ..settings() });
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    device
        .send("AUTH PLAIN AHNjYW5uZXIAZ3Vlc3NlZA==\r\nAUTH PLAIN AHNjYW5uZXIAZ2VoZWlt\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\n")
        .await;
    device.expect("535 5.7.8 The name or the password is wrong\r\n235 2.7.0 Login OK\r\n250 2.1.0 Sender OK\r\n").await;
    assert_eq!(relay.spool.wait_for(1).await[0].origin.login.as_deref(), Some("scanner"));
}

#[tokio::test]
async fn a_failed_login_is_answered_after_a_pause_unless_the_relay_stops() {
    let users = [("scanner".to_owned(), bcrypt::hash("geheim", 4).unwrap())].into_iter().collect();
    let policy = Policy { auth: Auth::Users(Arc::new(users)), ..Policy::clone(&settings().policy) };
    let relay = Relay::start(Settings { policy: Arc::new(policy), ..settings() });
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    let begun = std::time::Instant::now();
    let wrong = "AUTH PLAIN AHNjYW5uZXIAZ3Vlc3NlZA==\r\n";
    device.send(wrong).await;
    device.expect("535 5.7.8 The name or the password is wrong\r\n").await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    device.send(format!("NOOP\r\n{wrong}")).await;
    device.expect("250 2.0.0 OK\r\n").await;
    relay.group.ask_to_stop();
    assert_eq!(device.rest().await, "421 4.3.2 The relay is stopping: try again soon\r\n");
}

#[tokio::test]
async fn each_event_leaves_one_line_in_which_nothing_from_outside_is_raw() {
    let relay = Relay::start(settings());
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    device.send("HELO \x1b[31mred\r\nMAIL FROM:<\x1b]0;title>\r\nRCPT TO:<admin\x1b[0m>\r\n").await;
    device.send("RCPT TO:<a@b.example,c@d.example>\r\nDATA\r\nhi\n\r\n.\r\nQUIT\r\n").await;
    device.rest().await;
    let mut device = relay.connect().await;
    device.send(b"\x16\x03\x01\x00").await;
    device.rest().await;
    let lines = logged();
    assert_eq!(
        lines[1..],
        [
            r#" INFO refused command client=127.0.0.1 listener=127.0.0.1:25 reply=553 5.1.3 "<admin?[0m>" is no mail address: each recipient is written as name@domain"#,
            r#" INFO accepted entry=000000000001 client=127.0.0.1 listener=127.0.0.1:25 helo="\u{1b}[31mred" from=\u{1b}]0;title rule=1 send_as=scanner@contoso.com account=office recipients=2 to=a@b.example, c@d.example size=6 repaired="bare-lf, no-separator, no-from, no-to, no-date, no-message-id""#,
            r#" WARN refused client client=127.0.0.1 listener="127.0.0.1:25" reason=the client speaks TLS on a listener without TLS remedy="turn TLS/SSL off in the mail settings of the device, or set `tls: implicit` with a certificate on this listener""#,
        ]
    );
}

#[tokio::test]
async fn refusals_do_not_flood_the_log() {
    let policy = Policy { recipients: 1, ..Policy::clone(&settings().policy) };
    let relay = Relay::start(Settings { policy: Arc::new(policy), ..settings() });
    let mut device = relay.connect().await;
    device.send("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n").await;
    device.send("RCPT TO:<c@d>\r\n".repeat(1000)).await;
    device.send("QUIT\r\n").await;
    assert_eq!(device.rest().await.matches("452 4.5.3").count(), 1000, "each is answered all the same");
    let lines = logged();
    let told = " INFO refused command client=127.0.0.1 listener=127.0.0.1:25 reply=452 4.5.3 Too many recipients: send to the rest in another message";
    assert_eq!(lines[1..6], [told; 5]);
    assert_eq!(lines[6..], [" INFO further refused commands are not logged client=127.0.0.1 listener=127.0.0.1:25"]);

    let limits = Limits { connections_per_client: 0, ..settings().limits };
    let relay = Relay::start(Settings { limits, ..settings() });
    for _ in 0..20 {
        assert!(relay.connect().await.rest().await.starts_with("421 4.7.0 "));
    }
    assert_eq!(logged()[8..].len(), 1, "{:?}", &logged()[8..]);
}

#[tokio::test]
async fn says_why_it_cannot_listen() {
    let relay = Relay::start(settings());
    let error = Listener::bind(Settings { address: relay.address.into(), ..settings() }).unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("cannot listen on {}: another program does; `sudo ss -ltnp` names it", relay.address));
    let error = Listener::bind(Settings { address: "192.0.2.1:0".parse::<SocketAddr>().unwrap().into(), ..settings() }).unwrap_err();
    assert!(matches!(error, ListenError::NoSuchAddress { .. }), "{error:?}");
}
