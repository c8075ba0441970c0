//! Listeners with TLS, and clients that speak it well, badly or not at all.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use mailferry::clock::{Clock, Timestamp};
use mailferry::intake::Intake;
use mailferry::listener::{Certificate, ClientEntry, Clients, Connections, Limits, Listener, Settings, Tls};
use mailferry::message::{AccountName, DisplayName, Identity, Mailbox, ReplyTo};
use mailferry::senders::{Match, Rule, Senders};
use mailferry::session::{Auth, Policy, Quirks};
use mailferry::tasks::Group;
use mailferry::tls;
use support::log::{Log, logged};
use support::{PATIENCE, ScriptedSpool};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;

/// A certificate for `localhost` and clients that trust it.
fn certificate() -> (Certificate, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let server = tls::server_from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let trusting = tls::client_with_roots(made.cert.pem().as_bytes()).unwrap();
    (Certificate { file: "relay.pem".into(), key: "relay.key".into(), server }, trusting)
}

struct Relay {
    address: SocketAddr,
    spool: Arc<ScriptedSpool>,
    group: Group,
    trusting: Arc<ClientConfig>,
}

impl Relay {
    fn start(wrap: fn(Certificate) -> Tls) -> Self {
        Self::start_with(wrap, Auth::None, Clients::default())
    }

    fn start_with(wrap: fn(Certificate) -> Tls, auth: Auth, clients: Clients) -> Self {
        Self::start_behind(wrap, auth, clients, Vec::new())
    }

    fn start_behind(wrap: fn(Certificate) -> Tls, auth: Auth, clients: Clients, proxy: Vec<IpNet>) -> Self {
        Log::install();
        let (certificate, trusting) = certificate();
        let tls = wrap(certificate);
        let policy = Policy {
            hostname: "relay.example".into(),
            message_size: 1024 * 1024,
            recipients: 100,
            errors: 10,
            auth,
            starttls: matches!(tls, Tls::StartTls(_)),
            postmaster: None,
        };
        let settings = Settings {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
            name: "127.0.0.1:25".into(),
            allow: Vec::new(),
            proxy,
            hiding_places: Vec::new(),
            tls,
            policy: Arc::new(policy),
            clients,
            limits: Limits {
                connections: 100,
                connections_per_client: 50,
                idle: Duration::from_secs(300),
                session: Duration::from_secs(3600),
            },
        };
        let identity =
            Identity { from: Mailbox::parse("scanner@contoso.com").unwrap(), name: DisplayName::Original, reply_to: ReplyTo::Keep };
        let senders = Senders { rules: vec![Rule { when: Match::default(), account: AccountName::new("office"), identity }] };
        let (spool, group, (arrivals, _)) = (ScriptedSpool::new(), Group::new("listeners"), mpsc::channel(1));
        let intake = Intake::new(spool.clone(), Arc::new(senders), Clock::manual(Timestamp::from_millis(1_000)), arrivals);
        let connections = Connections::new(settings.limits.connections);
        let listener = Listener::bind(settings).unwrap();
        let address = listener.bound().network().unwrap();
        listener.serve(intake, connections, &group);
        Self { address, spool, group, trusting }
    }

    async fn connect(&self) -> Device<TcpStream> {
        Device { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    async fn secure(&self, device: Device<TcpStream>) -> Device<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.trusting));
        let stream = timeout(PATIENCE, connector.connect("localhost".try_into().unwrap(), device.stream)).await;
        Device { stream: stream.expect("no handshake").unwrap() }
    }
}

struct Device<S> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Device<S> {
    async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Reads exactly this text, and not an octet more.
    #[track_caller]
    fn expect<'a>(&'a mut self, wanted: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let mut found = vec![0; wanted.len()];
            timeout(PATIENCE, self.stream.read_exact(&mut found)).await.unwrap_or_else(|_| panic!("nothing came for {caller}")).unwrap();
            assert_eq!(String::from_utf8_lossy(&found), wanted, "at {caller}");
        }
    }

    /// Reads to the end of the connection, which must be a clean one.
    async fn rest(mut self) -> Vec<u8> {
        let mut found = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut found)).await.expect("the connection stays open").unwrap();
        found
    }
}

const GREETING: &str = "220 relay.example ESMTP mailferry\r\n";
const OFFERS: &str = "250-relay.example\r\n250-PIPELINING\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n";
const GO_AHEAD: &str = "220 2.0.0 Go ahead with TLS\r\n";
const MESSAGE: &str = "EHLO printer\r\nMAIL FROM:<scan@printer>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n";
const ANSWERS: &str = "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 Send the message, then a line with a single dot\r\n\
                       250 2.0.0 Queued as 000000000001\r\n221 2.0.0 Bye\r\n";
const NO_TLS: &str = "554 5.7.10 This port speaks TLS from the first octet: turn TLS (SSL) on, or use another port\r\n";

/// A ClientHello of TLS 1.0 with one cipher.
const OLD_HELLO: &[u8] = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01\
    01234567890123456789012345678901\x00\x00\x02\x00\x2f\x01\x00";
/// And one of SSL 2.
const OLDER_HELLO: &[u8] = b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10";

#[tokio::test]
async fn takes_a_message_behind_starttls() {
    let relay = Relay::start(Tls::StartTls);
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    device.send("EHLO in-clear\r\n").await;
    device.expect(&format!("{OFFERS}250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n")).await;
    device.send("starttls\r\n").await;
    device.expect(GO_AHEAD).await;
    let mut device = relay.secure(device).await;
    device.send(MESSAGE).await;
    let want = format!("{OFFERS}250 ENHANCEDSTATUSCODES\r\n{ANSWERS}");
    assert_eq!(String::from_utf8(device.rest().await).unwrap(), want);
    let origin = &relay.spool.stored()[0].origin;
    assert_eq!((origin.tls, origin.esmtp, origin.helo.as_deref()), (true, true, Some("printer")));
    assert!(logged().pop().unwrap().contains(" helo=\"printer\" tls=true "), "{:?}", logged());
}

#[tokio::test]
async fn takes_a_message_over_tls_from_the_first_octet_however_it_is_cut() {
    let relay = Relay::start(Tls::Implicit);
    let mut device = relay.secure(relay.connect().await).await;
    device.expect(GREETING).await;
    for octet in MESSAGE.bytes() {
        device.send([octet]).await;
    }
    assert!(device.rest().await.ends_with(ANSWERS.as_bytes()));

    let mut device = relay.secure(relay.connect().await).await;
    device.send("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n\r\n").await;
    for _ in 0..10 {
        device.send(format!("{}\r\n", "x".repeat(78)).repeat(1000)).await;
    }
    device.send(".\r\nSTARTTLS\r\nQUIT\r\n").await;
    let said = String::from_utf8(device.rest().await).unwrap();
    assert!(said.contains("Queued as 000000000002\r\n503 5.5.1 TLS protects this connection already\r\n221 "), "{said}");
    assert_eq!(relay.spool.stored()[1].facts.size, 800_000);
}

#[tokio::test]
async fn what_stands_behind_starttls_in_clear_is_forgotten_and_so_is_all_before() {
    let relay = Relay::start(Tls::StartTls);
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    device.send("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nSTARTTLS\r\nRSET\r\nMAIL FROM:<evil@b>\r\n").await;
    let before = "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n";
    device.expect(&format!("{OFFERS}250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n{before}{GO_AHEAD}")).await;
    let mut device = relay.secure(device).await;
    device.send("RCPT TO:<c@d>\r\nDATA\r\nSTARTTLS\r\n").await;
    device.expect("503 5.5.1 Say MAIL first\r\n503 5.5.1 Say MAIL first\r\n503 5.5.1 TLS protects this connection already\r\n").await;
    let line = logged()[1].clone();
    assert_eq!(line, " INFO discarded what was sent in clear behind STARTTLS client=127.0.0.1 listener=\"127.0.0.1:25\" octets=26");
}

#[tokio::test]
async fn a_login_over_tls_is_kept_and_one_in_clear_is_not() {
    let users = HashMap::from([("scanner".to_owned(), bcrypt::hash("geheim", 4).unwrap())]);
    let relay = Relay::start_with(Tls::StartTls, Auth::Users(Arc::new(users)), Clients::default());
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    // On the way within a machine nobody listens.
    device.send("AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt\r\nSTARTTLS\r\n").await;
    device.expect(&format!("235 2.7.0 Login OK\r\n{GO_AHEAD}")).await;
    let mut device = relay.secure(device).await;
    device.send("MAIL FROM:<a@b>\r\n").await;
    device.expect("530 5.7.0 A login is needed here: say AUTH first\r\n").await;
    device.send("AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt\r\nEHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\nQUIT\r\n").await;
    device.rest().await;
    let origin = &relay.spool.stored()[0].origin;
    assert_eq!((origin.tls, origin.login.as_deref()), (true, Some("scanner")));
}

#[tokio::test]
async fn a_listed_client_is_not_offered_starttls() {
    let quirks = Quirks { starttls: false, ..Quirks::default() };
    let entry = ClientEntry { network: "127.0.0.1/32".parse().unwrap(), charset: None, quirks };
    let relay = Relay::start_with(Tls::StartTls, Auth::None, Clients::new(vec![entry]));
    let mut device = relay.connect().await;
    device.send("EHLO x\r\nSTARTTLS\r\nQUIT\r\n").await;
    let refused = "502 5.5.1 STARTTLS is not offered here: turn TLS off on the device\r\n221 2.0.0 Bye\r\n";
    let want = format!("{GREETING}{OFFERS}250 ENHANCEDSTATUSCODES\r\n{refused}");
    assert_eq!(String::from_utf8(device.rest().await).unwrap(), want);
}

#[tokio::test]
async fn who_speaks_no_tls_or_old_tls_is_told_and_so_is_the_operator() {
    let old = "the client knows only old TLS: before 1.2, or with ciphers that are not safe any more";
    let plain = "the client speaks plain SMTP where TLS was to begin";
    for (octets, answer, reason, remedy) in [
        (OLD_HELLO, &b"\x15\x03\x03\x00\x02\x02"[..], old, "clients: { \\\"127.0.0.1\\\": { quirks: { starttls: false } } }"),
        (OLDER_HELLO, b"", old, "update the device, or turn TLS off on it"),
        (b"EHLO x\r\n", NO_TLS.as_bytes(), plain, "set `tls: starttls` or `tls: none` on this listener"),
        (b"\x16\x03\x01\x00\x04\x0e\x00\x00\x00", b"\x15", "the client does not speak TLS as it should", "turn TLS off on the device"),
    ] {
        let relay = Relay::start(Tls::Implicit);
        for _ in 0..3 {
            let mut device = relay.connect().await;
            device.send(octets).await;
            let said = device.rest().await;
            assert!(said.starts_with(answer) && (said.len() <= 7 || said == answer), "{said:?}");
        }
        let lines = logged();
        let refused: Vec<_> = lines.iter().rev().take_while(|line| line.contains("refused client")).collect();
        assert_eq!(refused.len(), 1, "{lines:?}");
        let line = format!("WARN refused client client=127.0.0.1 listener=\"127.0.0.1:25\" reason={reason} remedy=");
        assert!(refused[0].contains(&line) && refused[0].contains(remedy), "{refused:?}");
    }
}

#[tokio::test]
async fn a_device_that_begins_with_tls_where_starttls_is_waited_for_is_told_apart() {
    let relay = Relay::start(Tls::StartTls);
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    device.send(OLD_HELLO).await;
    device.rest().await;
    let line = logged().pop().unwrap();
    assert!(line.contains("begins with TLS on a listener that waits for STARTTLS"), "{line}");
    assert!(line.contains("set the device to STARTTLS in the place of SSL/TLS"), "{line}");
}

#[tokio::test]
async fn plain_text_where_the_handshake_belongs_ends_the_connection() {
    let relay = Relay::start(Tls::StartTls);
    let mut device = relay.connect().await;
    device.expect(GREETING).await;
    device.send("STARTTLS\r\n").await;
    device.expect(GO_AHEAD).await;
    device.send("EHLO x\r\n").await;
    assert_eq!(device.rest().await, b"");
    assert!(logged()[1].contains("the client said STARTTLS and went on without TLS"), "{:?}", logged());
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_certificate_is_told_of() {
    let relay = Relay::start(Tls::Implicit);
    let mut authority = rcgen::CertificateParams::default();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "somebody else's");
    let authority = authority.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let other = tls::client_with_roots(authority.pem().as_bytes()).unwrap();
    let stream = relay.connect().await.stream;
    let error = TlsConnector::from(other).connect("localhost".try_into().unwrap(), stream).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    let line = async {
        while logged().len() < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, line).await.expect("nothing was logged");
    let told =
        "reason=the client does not trust the certificate of this listener remedy=\"put the certificate of the authority on the device";
    assert!(logged()[1].contains(told), "{:?}", logged());
}

#[tokio::test]
async fn tls_begins_behind_the_header_of_a_proxy() {
    let proxy = vec!["127.0.0.1/32".parse().unwrap()];
    let relay = Relay::start_behind(Tls::Implicit, Auth::None, Clients::default(), proxy);
    let mut device = relay.connect().await;
    device.send("PROXY TCP4 127.0.0.9 127.0.0.1 56324 465\r\n").await;
    let mut device = relay.secure(device).await;
    device.send(MESSAGE).await;
    assert!(device.rest().await.ends_with(ANSWERS.as_bytes()));
    let origin = &relay.spool.stored()[0].origin;
    assert_eq!((origin.client.to_string().as_str(), origin.tls), ("127.0.0.9", true));
}

#[tokio::test]
async fn health_checks_of_a_tls_port_leave_no_trace() {
    let relay = Relay::start(Tls::Implicit);
    for _ in 0..3 {
        let mut device = relay.connect().await;
        device.stream.shutdown().await.unwrap();
        assert_eq!(device.rest().await, b"");
    }
    assert_eq!(logged().len(), 1, "{:?}", logged());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_a_greeting_is_told_in_the_end() {
    let relay = Relay::start(Tls::Implicit);
    let mut device = relay.connect().await;
    let mut said = String::new();
    device.stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, NO_TLS);
    assert!(
        logged()[1].contains("the client said nothing where TLS was to begin remedy=\"a device that waits for a greeting"),
        "{:?}",
        logged()
    );
}

#[tokio::test]
async fn a_handshake_does_not_hold_up_a_stop() {
    let relay = Relay::start(Tls::Implicit);
    let mut device = relay.connect().await;
    device.send(&OLD_HELLO[..20]).await;
    assert_eq!(relay.group.stop(PATIENCE).await.left, 0);
}
