//! Where listeners listen and how clients come to them: both families of addresses, sockets in the file system, inherited ones.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;
mod world;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mailferry::clock::{Clock, Timestamp};
use mailferry::intake::Intake;
use mailferry::listener::{Clients, Connections, Limits, Listener, Settings, Tls};
use mailferry::message::{AccountName, Client, DisplayName, Identity, Mailbox, Process as ClientProcess, ReplyTo};
use mailferry::senders::{Match, Rule, Senders};
use mailferry::session::{Auth, Policy};
use mailferry::sockets::{Address, SocketFile};
use mailferry::tasks::Group;
use support::log::{Log, logged};
use support::{PATIENCE, ScriptedSpool};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use world::{Process, World};

fn settings(address: Address) -> Settings {
    Settings {
        name: address.to_string(),
        address,
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

fn on(address: &str) -> Settings {
    settings(address.parse::<SocketAddr>().unwrap().into())
}

/// Listeners that share their places.
struct Relay {
    ports: Vec<u16>,
    spool: Arc<ScriptedSpool>,
    group: Group,
}

impl Relay {
    fn start(listeners: impl IntoIterator<Item = Settings>) -> Self {
        Self::start_with(100, listeners)
    }

    fn start_with(places: usize, listeners: impl IntoIterator<Item = Settings>) -> Self {
        Log::install();
        let (spool, group) = (ScriptedSpool::new(), Group::new("listeners"));
        let identity =
            Identity { from: Mailbox::parse("scanner@contoso.com").unwrap(), name: DisplayName::Original, reply_to: ReplyTo::Keep };
        let senders = Senders { rules: vec![Rule { when: Match::default(), account: AccountName::new("office"), identity }] };
        let (arrivals, _) = mpsc::channel(1);
        let intake = Intake::new(spool.clone(), Arc::new(senders), Clock::manual(Timestamp::from_millis(1_000)), arrivals);
        let bound: Vec<Listener> = listeners.into_iter().map(|settings| Listener::bind(settings).unwrap()).collect();
        let connections = Connections::new(places);
        let ports = bound.iter().map(|listener| listener.bound().network().map_or(0, |address| address.port())).collect();
        bound.into_iter().for_each(|listener| listener.serve(intake.clone(), connections.clone(), &group));
        Self { ports, spool, group }
    }

    async fn connect(&self, ip: impl Into<std::net::IpAddr>) -> TcpStream {
        TcpStream::connect((ip.into(), self.ports[0])).await.unwrap()
    }
}

/// Sends all of it and reads to the end of the connection.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, octets: impl AsRef<[u8]>) -> String {
    stream.write_all(octets.as_ref()).await.unwrap();
    let mut found = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut found)).await.expect("the connection stays open").unwrap();
    found
}

async fn greeting(stream: &mut (impl AsyncRead + Unpin)) {
    let mut found = vec![0; GREETING.len()];
    timeout(PATIENCE, stream.read_exact(&mut found)).await.expect("no greeting").unwrap();
    assert_eq!(String::from_utf8_lossy(&found), GREETING);
}

const GREETING: &str = "220 relay.example ESMTP mailferry\r\n";
const MESSAGE: &str = "HELO app\r\nMAIL FROM:<app@host>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n";
const ANSWERS: &str = "220 relay.example ESMTP mailferry\r\n250 relay.example\r\n250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n\
                       354 Send the message, then a line with a single dot\r\n250 2.0.0 Queued as 000000000001\r\n221 2.0.0 Bye\r\n";

// ------------------------------------------------------------------------------------------------------ in the file system

fn socket_file(folder: &tempfile::TempDir) -> SocketFile {
    SocketFile { path: folder.path().join("smtp.sock"), mode: 0o660 }
}

#[tokio::test]
async fn a_local_program_sends_through_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let file = socket_file(&folder);
    let relay = Relay::start([settings(Address::Unix(file.clone()))]);
    assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o7777, 0o660);

    assert_eq!(converse(UnixStream::connect(&file.path).await.unwrap(), MESSAGE).await, ANSWERS);
    let stored = relay.spool.stored();
    let us = ClientProcess { user: rustix::process::geteuid().as_raw(), id: Some(std::process::id()) };
    assert_eq!(stored[0].origin.client, Client::Local(Some(us)));
    assert_eq!(stored[0].origin.listener, format!("unix:{}", file.path.display()));
    let line = logged().pop().unwrap();
    assert!(
        line.contains(&format!("accepted entry=000000000001 client=unix:uid={},pid={} listener=unix:/", us.user, std::process::id())),
        "{line}"
    );

    assert_eq!(relay.group.stop(PATIENCE).await.left, 0);
    assert!(!file.path.exists());
}

#[tokio::test]
async fn programs_of_one_user_are_one_client_and_strangers_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(socket_file(&folder));
    let limits = Limits { connections_per_client: 1, ..settings(address.clone()).limits };
    let _relay = Relay::start([Settings { limits, ..settings(address) }]);
    let connect = || UnixStream::connect(folder.path().join("smtp.sock"));
    let mut first = connect().await.unwrap();
    greeting(&mut first).await;
    assert_eq!(converse(connect().await.unwrap(), "").await, "421 4.7.0 Too many connections from your address: try again later\r\n");
    assert_eq!(converse(first, b"\x16\x03\x01\x00\x75\x01").await, "");
}

#[tokio::test]
async fn stopping_ends_the_sessions_of_local_programs() {
    let folder = tempfile::tempdir().unwrap();
    let file = socket_file(&folder);
    let relay = Relay::start([settings(Address::Unix(file.clone()))]);
    let mut idle = UnixStream::connect(&file.path).await.unwrap();
    greeting(&mut idle).await;
    relay.group.ask_to_stop();
    assert_eq!(converse(idle, "").await, "421 4.3.2 The relay is stopping: try again soon\r\n");
    assert_eq!(relay.group.stop(PATIENCE).await.left, 0);
}

// ------------------------------------------------------------------------------------------------------------- on addresses

/// Whether this machine has IPv6; a test that needs it and does not find it says so.
#[expect(clippy::print_stderr, reason = "whoever reads the results must know what they do not cover")]
fn has_ipv6() -> bool {
    let there = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !there {
        eprintln!("not tested: there is no IPv6 here");
    }
    there
}

#[tokio::test]
async fn everywhere_is_everywhere_in_both_families() {
    if !has_ipv6() {
        return;
    }
    let allow = ["127.0.0.1/32", "::1/128"].map(|network| network.parse().unwrap()).to_vec();
    let relay = Relay::start([Settings { allow, ..on("[::]:0") }]);
    assert_eq!(converse(relay.connect(Ipv4Addr::LOCALHOST).await, MESSAGE).await, ANSWERS);
    converse(relay.connect(Ipv6Addr::LOCALHOST).await, MESSAGE).await;
    let clients: Vec<String> = relay.spool.stored().iter().map(|message| message.origin.client.to_string()).collect();
    assert_eq!(clients, ["127.0.0.1", "::1"]);
}

#[tokio::test]
async fn a_listener_that_waits_takes_no_other_listeners_place() {
    let limits = Limits { connections: 1, ..on("127.0.0.1:0").limits };
    let quiet = || Settings { limits, ..on("127.0.0.1:0") };
    let relay = Relay::start_with(1, [quiet(), quiet(), quiet()]);
    for port in [relay.ports[2], relay.ports[0], relay.ports[1]] {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        assert_eq!(converse(stream, "QUIT\r\n").await, format!("{GREETING}221 2.0.0 Bye\r\n"));
    }
}

// ------------------------------------------------------------------------------------------------------------------ inherited

/// A configuration whose listeners are these.
fn with_listeners(world: &World, listeners: &str) -> PathBuf {
    let text = std::fs::read_to_string(&world.config).unwrap().replace("  - address: 127.0.0.1:0\n", listeners);
    let path = world.folder.path().join("inherited.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The program, started as a service manager does it: the sockets are its descriptors from 3 on.
fn started_with(sockets: &[&dyn AsFd], names: &str, config: &Path) -> Command {
    let mut shell = format!("LISTEN_PID=$$ LISTEN_FDS={} LISTEN_FDNAMES={names} exec \"$0\" run --config \"$1\"", sockets.len());
    for (number, socket) in sockets.iter().enumerate() {
        // Out of the way of the numbers that they shall have, and not closed when the shell starts.
        let copy = rustix::io::fcntl_dupfd_cloexec(socket.as_fd(), 100).unwrap();
        rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).unwrap();
        let old = copy.into_raw_fd();
        shell = format!("exec {}<&{old} {old}<&-; {shell}", number + 3);
    }
    let mut command = Command::new("bash");
    command.args(["-c", &shell, env!("CARGO_BIN_EXE_mailferry")]).arg(config);
    command
}

/// What the program says when it cannot start.
async fn complaint(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

fn tcp(address: &str) -> std::net::TcpListener {
    std::net::TcpListener::bind(address).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_inherited_by_name_and_by_order() {
    let world = World::start().await;
    let path = world.folder.path().join("inherited.sock");
    let (first, second, unix) = (tcp("127.0.0.1:0"), tcp("127.0.0.1:0"), std::os::unix::net::UnixListener::bind(&path).unwrap());
    let config = with_listeners(&world, "  - address: inherited\n  - address: inherited:local\n  - address: inherited:devices\n");
    let command = started_with(&[&first, &unix, &second], "devices:local:other", &config);
    let process = tokio::task::spawn_blocking(move || Process::listening(command)).await.unwrap();
    assert_eq!(process.listener, second.local_addr().unwrap(), "what nobody names is for who names nothing");

    let message = format!("EHLO app\r\n{}", MESSAGE.strip_prefix("HELO app\r\n").unwrap());
    let address = first.local_addr().unwrap();
    drop((first, second, unix));
    for said in [
        converse(TcpStream::connect(address).await.unwrap(), &message).await,
        converse(UnixStream::connect(&path).await.unwrap(), &message).await,
    ] {
        assert!(said.contains("250 2.0.0 Queued as "), "{said}");
    }
    let received = world.arrived(2).await;
    let headers: Vec<String> = received.iter().map(|message| String::from_utf8(message.content.to_vec()).unwrap()).collect();
    assert!(headers.iter().any(|header| header.contains("Received: from app ([127.0.0.1])\r\n")), "{headers:?}");
    assert!(headers.iter().any(|header| header.contains("Received: from app (localhost)\r\n")), "{headers:?}");

    assert_eq!(tokio::task::spawn_blocking(move || process.terminate()).await.unwrap(), Some(0));
    assert!(path.exists(), "the file is its maker's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_inherited_is_told_in_words() {
    let world = World::start().await;
    let (listening, other) = (tcp("127.0.0.1:0"), tcp("127.0.0.1:0"));
    let one = with_listeners(&world, "  - address: inherited\n");

    let words = complaint(started_with(&[&listening, &other], "smtp:spare", &one)).await;
    let address = other.local_addr().unwrap();
    let want =
        format!("the inherited socket \"spare\" ({address}) is used by no listener; add `address: inherited:spare` under `listeners`");
    assert!(words.contains(&want), "{words}");

    let words = complaint(started_with(&[], "", &one)).await;
    assert!(words.contains("cannot inherit a socket: there is none left; start the relay through systemd's .socket unit"), "{words}");

    let named = with_listeners(&world, "  - address: inherited:smtp\n");
    let words = complaint(started_with(&[&listening], "mailferry.socket", &named)).await;
    assert!(words.contains("cannot inherit the socket \"smtp\": those left are \"mailferry.socket\"; FileDescriptorName="), "{words}");

    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let bound = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    for wrong in [&udp as &dyn AsFd, &bound, &file] {
        let words = complaint(started_with(&[wrong], "smtp", &named)).await;
        assert!(
            words.contains("the inherited socket \"smtp\": it is no listening stream socket; in systemd's .socket unit write"),
            "{words}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inherited_socket_must_say_who_may_send_when_others_reach_it() {
    let world = World::start().await;
    let everywhere = tcp("0.0.0.0:0");
    let open = with_listeners(&world, "  - address: inherited\n");
    let words = complaint(started_with(&[&everywhere], "smtp", &open)).await;
    let want = format!("inherited listens on {}, which can be reached from other machines", everywhere.local_addr().unwrap());
    assert!(words.contains(&want) && words.contains("allow: [192.168.10.0/24]"), "{words}");

    let check = Command::new(env!("CARGO_BIN_EXE_mailferry")).args(["check", "--config"]).arg(&open).output().unwrap();
    let words = String::from_utf8(check.stdout).unwrap();
    assert!(words.contains("listens on inherited (whether strangers could reach it is seen only at the start"), "{words}");

    let listed = with_listeners(&world, "  - address: inherited\n    allow: [127.0.0.0/8]\n");
    let command = started_with(&[&everywhere], "smtp", &listed);
    let process = tokio::task::spawn_blocking(move || Process::listening(command)).await.unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, process.listener.port())).await.unwrap();
    let mut code = [0; 4];
    stream.read_exact(&mut code).await.unwrap();
    assert_eq!(&code, b"220 ");
    process.kill();
}

// ------------------------------------------------------------------------------------------------------------- behind a proxy

/// A listener for which this machine is a trusted proxy.
fn behind_a_proxy(allow: &[&str]) -> Settings {
    let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
    Settings { allow, proxy: vec!["127.0.0.0/8".parse().unwrap()], ..on("127.0.0.1:0") }
}

fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[0x20 | command, family][..], &length, addresses].concat()
}

const VERSION_1: &[u8] = b"PROXY TCP4 192.168.10.21 10.0.0.5 56324 25\r\n";
const NOT_ALLOWED: &str = "554 5.7.1 Your address may not send mail here: ask for it to be added to `allow`\r\n";

#[tokio::test]
async fn the_client_is_who_the_proxy_says() {
    let with_extensions = [&[192, 168, 10, 21, 10, 0, 0, 5, 220, 4, 0, 25][..], b"\x03\0\x04\xde\xad\xbe\xef\x05\0\x02id"].concat();
    let v6 = [&[0xfd][..], &[0; 14], &[0x21], &[0xfd], &[0; 14], &[0x05], &[220, 4, 0, 25]].concat();
    let mapped = b"PROXY TCP6 ::ffff:192.168.10.21 ::ffff:10.0.0.5 56324 25\r\n".to_vec();
    for (header, client) in [
        (VERSION_1.to_vec(), "192.168.10.21"),
        (mapped, "192.168.10.21"),
        (version_2(1, 0x11, &with_extensions), "192.168.10.21"),
        (version_2(1, 0x21, &v6), "fd00::21"),
        (version_2(1, 0x31, &[0; 216]), "127.0.0.1"),
        (version_2(0, 0x00, b""), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ] {
        let relay = Relay::start([behind_a_proxy(&["192.168.10.0/24", "fd00::/8"])]);
        // Header and commands in one segment.
        let said = converse(relay.connect(Ipv4Addr::LOCALHOST).await, [&header, MESSAGE.as_bytes()].concat()).await;
        assert_eq!(said, ANSWERS, "{header:?}");
        assert_eq!(relay.spool.stored()[0].origin.client.to_string(), client);
        assert!(logged().pop().unwrap().contains(&format!("accepted entry=000000000001 client={client} ")));
    }
}

#[tokio::test]
async fn a_header_may_come_octet_by_octet_and_nothing_is_said_before() {
    let relay = Relay::start([behind_a_proxy(&["192.168.10.0/24"])]);
    for header in [VERSION_1.to_vec(), version_2(1, 0x11, &[192, 168, 10, 21, 10, 0, 0, 5, 220, 4, 0, 25])] {
        let mut stream = relay.connect(Ipv4Addr::LOCALHOST).await;
        stream.set_nodelay(true).unwrap();
        for octet in &header {
            assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
            stream.write_all(&[*octet]).await.unwrap();
            // Gives the other side the chance to see each octet alone; the result may not depend on it.
            tokio::task::yield_now().await;
        }
        greeting(&mut stream).await;
    }
}

#[tokio::test]
async fn a_proxied_client_is_judged_like_any_other() {
    let relay = Relay::start([behind_a_proxy(&["10.0.0.0/8"])]);
    assert_eq!(converse(relay.connect(Ipv4Addr::LOCALHOST).await, VERSION_1).await, NOT_ALLOWED);
    assert!(logged().pop().unwrap().contains("refused client client=192.168.10.21 "), "{:?}", logged());

    // That the listener is on loopback says something of the proxy, not of who is behind it.
    let relay = Relay::start([behind_a_proxy(&[])]);
    assert_eq!(converse(relay.connect(Ipv4Addr::LOCALHOST).await, VERSION_1).await, NOT_ALLOWED);

    let limits = Limits { connections_per_client: 1, ..on("127.0.0.1:0").limits };
    let relay = Relay::start([Settings { limits, ..behind_a_proxy(&["192.168.10.0/24"]) }]);
    let mut first = relay.connect(Ipv4Addr::LOCALHOST).await;
    first.write_all(VERSION_1).await.unwrap();
    greeting(&mut first).await;
    let second = converse(relay.connect(Ipv4Addr::LOCALHOST).await, VERSION_1).await;
    assert_eq!(second, "421 4.7.0 Too many connections from your address: try again later\r\n");
    let mut other = relay.connect(Ipv4Addr::LOCALHOST).await;
    other.write_all(b"PROXY TCP4 192.168.10.22 10.0.0.5 56324 25\r\n").await.unwrap();
    greeting(&mut other).await;
}

#[tokio::test]
async fn a_proxy_that_does_not_say_is_not_served() {
    let relay = Relay::start([behind_a_proxy(&["127.0.0.0/8"])]);
    let too_long = version_2(1, 0x11, &[0; 600]);
    for (octets, reason) in [
        (&b"EHLO app\r\n"[..], "the proxy did not begin with a PROXY header"),
        (b"PROXY TCP4 here there 1 25\r\n", "the proxy's PROXY header is malformed"),
        (
            b"PROXY UNKNOWN but it goes on and on and on and on and on and on and on and on and on and on and on and on and on",
            "the proxy's PROXY header is too long",
        ),
        (&too_long, "the proxy's PROXY header is too long"),
    ] {
        let mut stream = relay.connect(Ipv4Addr::LOCALHOST).await;
        stream.write_all(octets).await.unwrap();
        let mut said = Vec::new();
        // What was not read makes the kernel reset the connection.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the connection stays open");
        assert_eq!(said, b"");
        if octets != too_long {
            let line = logged().pop().unwrap();
            assert!(line.contains(&format!("refused client client=127.0.0.1 listener=\"127.0.0.1:0\" reason={reason} remedy=")), "{line}");
        }
    }
    let lines = logged().len();
    let mut stream = relay.connect(Ipv4Addr::LOCALHOST).await;
    stream.shutdown().await.unwrap();
    assert_eq!(converse(stream, "").await, "");
    assert_eq!(logged().len(), lines, "a check of the port is nothing to tell of");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_nothing_is_not_waited_for() {
    let relay = Relay::start([behind_a_proxy(&[])]);
    assert_eq!(converse(relay.connect(Ipv4Addr::LOCALHOST).await, "PROXY").await, "");
    let line = logged().pop().unwrap();
    assert!(line.contains("reason=the proxy sent no PROXY header in time remedy=\"turn PROXY headers on at the proxy"), "{line}");
}

#[tokio::test]
async fn nobody_else_may_claim_to_be_a_proxy() {
    let relay = Relay::start([Settings { proxy: vec!["10.0.0.5/32".parse().unwrap()], ..on("127.0.0.1:0") }]);
    let said = converse(relay.connect(Ipv4Addr::LOCALHOST).await, version_2(0, 0, b"")).await;
    assert_eq!(said, GREETING);
    assert!(
        logged().pop().unwrap().contains("reason=the client sends a PROXY header remedy=\"a proxy whose word counts stands under `proxy`")
    );
    let said = converse(relay.connect(Ipv4Addr::LOCALHOST).await, [VERSION_1, b"QUIT\r\n"].concat()).await;
    assert!(said.starts_with(&format!("{GREETING}5")), "{said}");
}

// ------------------------------------------------------------------------------------------------------------- in a container

#[tokio::test]
async fn a_gateway_that_hides_every_client_is_told_of_once() {
    let everywhere = Settings { allow: vec!["192.168.10.0/24".parse().unwrap()], ..on("0.0.0.0:0") };
    let gateway = std::net::Ipv4Addr::LOCALHOST.into();
    let relay = Relay::start([Settings { hiding_places: vec![gateway], ..everywhere }]);
    for count in 1..=25 {
        assert_eq!(converse(relay.connect(gateway).await, "").await, NOT_ALLOWED);
        let told = logged().iter().filter(|line| line.contains("every client has the address of this container's gateway")).count();
        assert_eq!(told, usize::from(count >= 20), "after {count} connections");
    }
}
