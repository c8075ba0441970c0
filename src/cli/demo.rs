//! `mailferry demo`: the whole path on one machine, without an account.

mod compare;
mod copier;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use super::output::{complain, complain_in_words, say};
use super::{Exit, arrivals, logging};
use crate::app::Relay;
use crate::clock::Clock;
use crate::config::{self, Surroundings};
use crate::simulator::{Rehearsal, Settings, Simulator};

/// Starts a simulated Microsoft 365 and a relay on free ports, sends a scan the way a copier would, and shows what went in
/// beside what arrived. Needs no account, no root and no network.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Exit when the scan has arrived, instead of staying up
    #[arg(long)]
    once: bool,
}

/// How long the scan may take. On a busy machine the simulator's keys alone take a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the simulator gets to say goodbye.
const GRACE: Duration = Duration::from_secs(2);

pub(super) fn run(arguments: &Arguments) -> Exit {
    logging::start(logging::Format::fitting(), tracing::Level::WARN);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    let exit = runtime.block_on(demonstrate(arguments.once));
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

/// Tells each step with the time since the start.
struct Steps(Instant);

impl Steps {
    fn tell(&self, step: impl AsRef<str>) {
        say(format!("{:>7.3} s  {}", self.0.elapsed().as_secs_f64(), step.as_ref()));
    }
}

async fn demonstrate(once: bool) -> Exit {
    say("A copier's scan goes through mailferry to a simulated Microsoft 365. No account, nothing leaves this machine.\n");
    let steps = Steps(Instant::now());
    let folder = match tempfile::Builder::new().prefix("mailferry-demo-").tempdir() {
        Ok(folder) => folder,
        // A container may have no such folder, or one that cannot be written.
        Err(error) => return complain_in_words(&no_folder(&error)),
    };
    let simulator = match Simulator::start(Settings::default(), Clock::system()).await {
        Ok(simulator) => simulator,
        Err(error) => return complain(&error),
    };
    steps.tell(format!(
        "a simulated Microsoft 365 listens on {} (STARTTLS, XOAUTH2); tokens at {}",
        simulator.smtp_addr(),
        simulator.token_url()
    ));
    let relay = match start_relay(folder.path(), &simulator).await {
        Ok(relay) => relay,
        Err(exit) => return exit,
    };
    let exit = match relay.listeners().as_slice() {
        [listener, ..] => {
            steps.tell(format!("mailferry listens on {listener}; its queue is in {}", folder.path().join("data").display()));
            let exit = scan(&steps, *listener, &simulator).await;
            if exit == Exit::Done && !once {
                stay(*listener, folder.path(), &simulator).await;
            }
            exit
        }
        [] => complain_in_words("mailferry: the relay has no listener"),
    };
    relay.stop().await;
    simulator.stop(GRACE).await;
    exit
}

fn no_folder(error: &std::io::Error) -> String {
    let place = std::env::temp_dir();
    format!(
        "mailferry: cannot make a folder for the demo's files in {}\n  because: {error}\n  \
         make one that can be written, or name another one in the variable TMPDIR",
        place.display()
    )
}

async fn start_relay(folder: &Path, simulator: &Simulator) -> Result<Relay, Exit> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // A container's /tmp may be smaller than what a real relay keeps in reserve.
    let more = "spool: { reserve: 1 MB }\n".to_owned();
    let rehearsal = Rehearsal { listener: anywhere, http: None, account: String::new(), more };
    let path = rehearsal.write(folder, simulator).map_err(|error| complain(&error))?;
    let config = config::load(Some(&path), &Surroundings::system()).map_err(|error| complain(&error))?;
    Relay::start(config, Clock::system()).await.map_err(|error| complain(&error))
}

/// Sends the scan and shows what became of it.
async fn scan(steps: &Steps, listener: SocketAddr, simulator: &Simulator) -> Exit {
    let sent = copier::scan();
    let message = sent.clone();
    steps.tell("the copier connects and sends a scan, in plain SMTP without a login:");
    let dialogue = match tokio::task::spawn_blocking(move || copier::send(listener, &message)).await {
        Ok(Ok(dialogue)) => dialogue,
        Ok(Err(error)) => return complain(&error),
        Err(error) => return complain(&error),
    };
    dialogue.iter().for_each(|line| say(format!("             {line}")));
    steps.tell("the scan is safe on disk; the copier is done");
    simulator.wait_for(1, PATIENCE).await;
    let Some(received) = simulator.received().into_iter().next() else {
        return complain_in_words("mailferry: the scan did not arrive within 30 seconds; please report this with the lines above");
    };
    let tls = received.session.tls.as_deref().unwrap_or("no TLS");
    steps.tell(format!(
        "mailferry fetched a token, signed in as {} over {tls}, and sent the scan as {}",
        received.mailbox, received.envelope.sender
    ));
    steps.tell(format!("Microsoft 365 took it as {}", received.message_id));
    say("");
    say(compare::side_by_side(sent.as_bytes(), &received.content));
    let to: Vec<&str> = received.envelope.recipients.iter().map(|recipient| recipient.as_str()).collect();
    say(format!("The envelope went to {}; the Bcc field did not.", to.join(" and ")));
    if compare::same_body(sent.as_bytes(), &received.content) { Exit::Done } else { Exit::Failed }
}

/// Stays up until Ctrl-C and tells what arrives.
async fn stay(listener: SocketAddr, folder: &Path, simulator: &Simulator) {
    let (host, port) = (listener.ip(), listener.port());
    let config = folder.join("mailferry.yaml");
    say(format!(
        "
Now you. The relay stays up until Ctrl-C; what arrives is told here. Send to it with any of

  swaks --server {host} --port {port} --from me@printers.local --to you@example.com
  curl smtp://{host}:{port} --mail-from me@printers.local --mail-rcpt you@example.com -T message.eml
  python3 -c 'import smtplib; smtplib.SMTP(\"{host}\", {port}).sendmail(\"me@printers.local\", [\"you@example.com\"], \"Subject: hello\\n\\nhi\\n\")'

and look at it from another terminal (its configuration is {config}):

  mailferry queue list --config {config}
  mailferry health --config {config}
",
        config = config.display()
    ));
    arrivals::tell(simulator, 1, None).await;
}
