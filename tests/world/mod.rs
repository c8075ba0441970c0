//! What whole-relay tests share: a simulator, a relay beside it (in this process or in one of its own), and devices.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mailferry::app::Relay;
use mailferry::clock::Clock;
use mailferry::config;
use mailferry::control::protocol::{Answer, Health, Request};
use std::sync::Arc;

use mailferry::simulator::{Planned, Received, Rehearsal, Settings, Simulator};

/// Generous: a condition that holds on an idle machine in milliseconds must hold within this on a busy one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A rehearsal on any free port, with short pauses between attempts.
pub(crate) fn rehearsal() -> Rehearsal {
    Rehearsal {
        listener: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        http: None,
        account: "    limits: { messages_per_minute: none }\n".into(),
        more: "retry: { first: 50ms, longest: 500ms }\n".into(),
    }
}

/// A simulator and a folder for a relay's files.
pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: PathBuf,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default(), &rehearsal()).await
    }

    pub(crate) async fn with(settings: Settings, rehearsal: &Rehearsal) -> Self {
        let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = rehearsal.write(folder.path(), &simulator).unwrap();
        Self { simulator, folder, config }
    }

    /// Changes the relay's configuration before it is started.
    pub(crate) fn edit_config(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        let changed = change(text.clone());
        assert_ne!(changed, text, "nothing was changed");
        std::fs::write(&self.config, changed).unwrap();
    }

    /// Makes these go wrong, and nothing else.
    pub(crate) fn faults<const N: usize>(&self, faults: [&str; N]) {
        self.simulator.set_faults(faults.iter().map(|fault| fault.parse::<Planned>().unwrap()).collect());
    }

    /// Waits for so many messages; gives what arrived.
    pub(crate) async fn arrived(&self, messages: usize) -> Vec<Arc<Received>> {
        assert!(self.simulator.wait_for(messages as u64, PATIENCE).await, "{messages} messages, not {}", self.simulator.counts().messages);
        self.simulator.received()
    }

    /// Starts a relay in this process.
    pub(crate) async fn relay(&self) -> Relay {
        let config = config::load(Some(&self.config), &config::Surroundings::system()).unwrap_or_else(|problems| panic!("{problems}"));
        Relay::start(config, Clock::system()).await.unwrap()
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What the relay says of itself.
pub(crate) async fn health(relay: &Relay) -> Health {
    match relay.desk().answer(Request::Health).await {
        Answer::Health(health) => health,
        other => panic!("{other:?}"),
    }
}

/// Waits until every message is delivered.
pub(crate) async fn until_empty(relay: &Relay) {
    until("an empty queue", async || {
        let health = health(relay).await;
        health.waiting + health.held == 0
    })
    .await;
}

/// A relay in a process of its own, so that it can be killed.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) listener: SocketAddr,
}

impl Process {
    /// Starts the program and waits until it listens. Its log goes on to be read, so that it never blocks.
    pub(crate) fn spawn(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailferry"));
        command.args(["run", "--config"]).arg(config);
        Self::listening(command)
    }

    /// The same with a command of one's own.
    pub(crate) fn listening(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let listener = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the relay ended:\n{seen}");
            seen.push_str(&line);
            let Ok(event) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
            if event["event"] == "listening" {
                break event["address"].as_str().unwrap().parse().unwrap();
            }
        };
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, listener }
    }

    /// SIGKILL: what no process can prepare for.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; gives the exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// A device that waits for every reply.
pub(crate) struct Device {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Device {
    /// Connects and reads the greeting.
    pub(crate) fn connect(to: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut device = Self { reader: BufReader::new(stream.try_clone()?), writer: stream };
        device.reply()?;
        Ok(device)
    }

    /// Reads one reply, all its lines.
    pub(crate) fn reply(&mut self) -> std::io::Result<String> {
        let mut text = String::new();
        loop {
            let start = text.len();
            if self.reader.read_line(&mut text)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if text.as_bytes().get(start + 3) != Some(&b'-') {
                return Ok(text.trim_end().to_owned());
            }
        }
    }

    /// Sends octets and reads one reply.
    pub(crate) fn say(&mut self, octets: impl AsRef<[u8]>) -> std::io::Result<String> {
        self.writer.write_all(octets.as_ref())?;
        self.reply()
    }

    /// Sends one message, whose content ends in CRLF and has no dots to stuff; gives the last reply.
    pub(crate) fn send(&mut self, from: &str, to: &[&str], content: impl AsRef<[u8]>) -> std::io::Result<String> {
        for command in std::iter::once(format!("MAIL FROM:<{from}>\r\n")).chain(to.iter().map(|to| format!("RCPT TO:<{to}>\r\n"))) {
            let reply = self.say(command)?;
            if !reply.starts_with("250") {
                return Ok(reply);
            }
        }
        self.say("DATA\r\n")?;
        self.writer.write_all(content.as_ref())?;
        self.say(".\r\n")
    }
}

/// Connects and sends one message.
pub(crate) fn send(to: SocketAddr, from: &str, recipients: &[&str], content: impl AsRef<[u8]>) -> std::io::Result<String> {
    let mut device = Device::connect(to)?;
    device.say("EHLO device\r\n")?;
    device.send(from, recipients, content)
}
