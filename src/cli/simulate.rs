//! `mailferry simulate`: the simulated Microsoft 365 by itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::output::{complain, on_this_thread, say};
use super::{Exit, arrivals, logging};
use crate::clock::Clock;
use crate::message::Mailbox;
use crate::simulator::{Fault, Organisation, Planned, Rehearsal, Settings, Simulator};

#[derive(Debug, clap::Args)]
#[command(after_long_help = fault_help())]
pub(super) struct Arguments {
    /// Where it speaks SMTP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5870")]
    smtp: SocketAddr,
    /// Where it hands out tokens (HTTPS)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5871")]
    token: SocketAddr,
    /// Where to write mailferry.yaml, simulator-ca.pem and client_secret, anew at each start
    #[arg(long, value_name = "FOLDER", default_value = "mailferry-rehearsal")]
    dir: PathBuf,
    /// Where the relay of that configuration listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2525")]
    listener: SocketAddr,
    /// The mailbox that signs in, with OAuth or the password `rehearsal-password`; by default scanner@contoso.com
    #[arg(long, value_name = "ADDRESS")]
    mailbox: Option<Mailbox>,
    /// An address that the mailbox may send as; may be repeated; by default noreply@, alerts@ and info@contoso.com
    #[arg(long = "alias", value_name = "ADDRESS")]
    aliases: Vec<Mailbox>,
    /// What is to go wrong, as in `--fault smtp-auth-off-mailbox` or `--fault drop=final*2`; may be repeated. `--help` lists all
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Planned>,
    /// Where to keep what arrives, as 1.eml, 2.eml and so on; files of an earlier start are overwritten
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

/// What the simulator gets to say goodbye.
const GRACE: Duration = Duration::from_secs(2);

fn fault_help() -> String {
    let faults = Fault::all().iter().map(|fault| format!("  {}\n      {}", fault.usage, fault.sentence));
    let intro = "Faults (`*COUNT` behind one lets it happen so many times only):";
    std::iter::once(intro.to_owned()).chain(faults).collect::<Vec<_>>().join("\n")
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    logging::start(logging::Format::fitting(), tracing::Level::INFO);
    on_this_thread(simulate(arguments))
}

async fn simulate(arguments: &Arguments) -> Exit {
    let settings = Settings {
        smtp: arguments.smtp,
        token: arguments.token,
        organisation: arguments.organisation(),
        faults: arguments.faults.clone(),
        ..Settings::default()
    };
    if let Some(folder) = &arguments.save
        && let Err(error) = std::fs::create_dir_all(folder)
    {
        return complain(&error);
    }
    let simulator = match Simulator::start(settings, Clock::system()).await {
        Ok(simulator) => simulator,
        Err(error) => return complain(&error),
    };
    let rehearsal = Rehearsal { listener: arguments.listener, http: None, account: String::new(), more: String::new() };
    let config = match rehearsal.write(&arguments.dir, &simulator) {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    say(format!(
        "A simulated Microsoft 365 speaks SMTP on {} and hands out tokens at {}.\nRehearse with it: mailferry run --config {}\n\
         Its authority is a new one at each start: a relay that runs already must be started again.",
        simulator.smtp_addr(),
        simulator.token_url(),
        config.display()
    ));
    arrivals::tell(&simulator, 0, arguments.save.as_deref()).await;
    simulator.stop(GRACE).await;
    Exit::Done
}

impl Arguments {
    /// The default organisation with the mailbox and aliases that were asked for.
    fn organisation(&self) -> Organisation {
        let mut organisation = Organisation::default();
        for account in organisation.accounts.iter_mut().take(1) {
            if let Some(mailbox) = &self.mailbox {
                account.mailbox = mailbox.clone();
            }
            if !self.aliases.is_empty() {
                account.aliases = self.aliases.clone();
            }
        }
        organisation
    }
}
