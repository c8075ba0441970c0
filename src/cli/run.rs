//! `mailferry run`: the relay in the foreground.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::output::complain;
use super::{ConfigArgument, Exit, logging};
use crate::app::{Relay, StartError};
use crate::clock::Clock;
use crate::config::{Config, Surroundings};
use crate::sockets::Inherited;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let config = match arguments.config.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    logging::start_as(&config.log);
    open_many_files();
    // Before the runtime has threads.
    let inherited = match Inherited::from_environment(&Surroundings::system().variables) {
        Ok(inherited) => inherited,
        Err(error) => return complain(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    let exit = runtime.block_on(relay(config, inherited));
    // What is left of tasks has had its grace; a blocking call may not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

/// Lets the process open as many files as the system allows it. Shells and service managers give programs 1,024 for the
/// sake of those that use select(2); five hundred devices that each send a large message use them up, and then nothing
/// can be accepted or sent any more.
fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "could not raise the limit of open files");
    }
}

fn could_not_start(error: &StartError) -> Exit {
    let failed = complain(error);
    match error {
        StartError::Configuration(_) => Exit::BadConfiguration,
        StartError::Open(_) | StartError::Read(_) | StartError::Listen(_) | StartError::Control(_) | StartError::Status(_) => failed,
    }
}

async fn relay(config: Config, inherited: Inherited) -> Exit {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = config.source, "starting");
    tracing::debug!(effective = config.effective(), "read the configuration");
    for notice in &config.notices.list {
        tracing::warn!(key = notice.path, advice = notice.remedy, "{}", notice.message);
    }
    let listen =
        || Ok::<_, std::io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?));
    let (mut terminate, mut interrupt, mut hangup) = match listen() {
        Ok(signals) => signals,
        Err(error) => return complain(&error),
    };
    let relay = match Relay::start_with(config, Clock::system(), inherited).await {
        Ok(relay) => relay,
        Err(error) => return could_not_start(&error),
    };
    if let Some(address) = relay.http() {
        tracing::info!(%address, "answering health checks");
    }
    let mut either = async || {
        loop {
            tokio::select! {
                _ = terminate.recv() => return "SIGTERM",
                _ = interrupt.recv() => return "SIGINT",
                // Its default would end the relay without a word, when somebody only wants a new configuration to be read.
                _ = hangup.recv() => tracing::warn!("SIGHUP changes nothing in this version: restart the relay to read the configuration again"),
            }
        }
    };
    let signal = either().await;
    tracing::info!(signal, "stopping: sessions and attempts in flight may finish; a second signal stops at once");
    tokio::select! {
        verdicts = relay.stop() => {
            for verdict in verdicts.iter().filter(|verdict| verdict.left > 0) {
                tracing::warn!(group = verdict.group, left = verdict.left, "did not stop in time; what it worked on is in the queue");
            }
            tracing::info!("stopped");
        }
        signal = either() => tracing::warn!(signal, "stopped at once; nothing that was accepted is lost"),
    }
    Exit::Done
}
