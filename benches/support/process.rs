//! A relay as a process of its own, measured from outside.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailferry::clock::Clock;
use mailferry::simulator::{Keep, Limits, Rehearsal, Settings, Simulator};

use crate::{ground, load};

/// The simulator's runtime and the relay's process.
pub(crate) struct Relay {
    simulator: Simulator,
    process: Child,
    pub(crate) listener: SocketAddr,
    pub(crate) start_to_greeting: Duration,
    _folder: tempfile::TempDir,
}

impl Relay {
    /// Starts a relay that may use twenty connections and sends without pacing.
    pub(crate) async fn start() -> Self {
        let settings = Settings { keep: Keep::Nothing, limits: Limits { connections: None, ..Limits::default() }, ..Settings::default() };
        let simulator = Simulator::start(settings, Clock::system()).await.expect("a simulator");
        let folder = ground::folder();
        let rehearsal = Rehearsal {
            listener: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            http: None,
            account: "    limits: { connections: 20, messages_per_minute: none }\n".into(),
            more: "message_size: 40 MB\nlimits: { connections: 12000, connections_per_client: 12000 }\n".into(),
        };
        let config = rehearsal.write(folder.path(), &simulator).expect("a configuration");
        let begun = Instant::now();
        let program = std::env::var_os("BENCH_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_mailferry").into());
        let mut process = Command::new(program).args(["run", "--config"]).arg(config).stderr(Stdio::piped()).spawn().expect("the program");
        let mut log = BufReader::new(process.stderr.take().expect("its log"));
        let listener = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("a log line") > 0, "the relay ended");
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the relay did not start: {line}"));
            if event["event"] == "listening" {
                break event["address"].as_str().and_then(|address| address.parse().ok()).expect("an address");
            }
        };
        let greeted = std::net::TcpStream::connect(listener).expect("the listener");
        BufReader::new(greeted).read_line(&mut String::new()).expect("a greeting");
        let start_to_greeting = begun.elapsed();
        // Somebody must read the log, as journald would.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { simulator, process, listener, start_to_greeting, _folder: folder }
    }

    /// Sends, and waits until the simulator has all of it.
    pub(crate) async fn send(&self, devices: usize, messages: usize, content: &Arc<Vec<u8>>) -> load::Outcome {
        let before = self.simulator.counts().messages;
        let outcome = load::send(self.listener, devices, messages, content.clone()).await;
        while self.simulator.counts().messages < before + messages as u64 {
            assert!(outcome.elapsed < Duration::from_secs(600), "messages do not arrive");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        outcome
    }

    /// CPU that the process has used, its ended threads included; counted in hundredths of a second.
    pub(crate) fn cpu(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("its figures");
        // The name in parentheses may hold spaces: utime and stime are the 12th and 13th behind it.
        let behind_name = text.rsplit_once(')').expect("a name").1;
        let ticks: u64 = behind_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Its memory in kilobytes: the proportional set size, in which a page of a library counts by its share of those
    /// that use it.
    pub(crate) fn memory_kb(&self) -> u64 {
        self.figure("smaps_rollup", "Pss:")
    }

    /// Its resident memory in kilobytes, all pages of all libraries counted.
    pub(crate) fn resident_kb(&self) -> u64 {
        self.figure("status", "VmRSS:")
    }

    /// The most resident memory it had since [`Relay::reset_peak`], in kilobytes.
    pub(crate) fn peak_kb(&self) -> u64 {
        self.figure("status", "VmHWM:")
    }

    pub(crate) fn reset_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").expect("clear_refs");
    }

    fn figure(&self, file: &str, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).expect("its figures");
        let line = text.lines().find(|line| line.starts_with(name)).expect("the figure");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    pub(crate) async fn stop(mut self) {
        let pid = rustix::process::Pid::from_raw(self.process.id() as i32).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.process.wait().expect("it ends");
        self.simulator.stop(Duration::from_secs(2)).await;
    }
}
