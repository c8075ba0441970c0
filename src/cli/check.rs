//! `mailferry check`: is the configuration sound?

use super::output::{complain_of, say};
use super::{ConfigArgument, Exit};
use crate::sockets::Address;
use crate::tls;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Print the effective configuration: defaults filled in, secrets redacted
    #[arg(long)]
    effective: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let config = match arguments.config.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    // Nothing is connected to; but files of private roots are read, as `run` would.
    if let Err(problems) = config.upstreams(&tls::client) {
        complain_of(&problems);
        return Exit::BadConfiguration;
    }
    if arguments.effective {
        say(config.effective().trim_end());
        return Exit::Done;
    }
    config.notices.list.iter().for_each(|notice| say(format!("{}:{notice}", config.source)));
    say(match config.notices.list.len() {
        0 => format!("{}: no problems found", config.source),
        1 => format!("{}: no problems found, one notice", config.source),
        notices => format!("{}: no problems found, {notices} notices", config.source),
    });
    for listener in &config.listeners {
        let only_at_start = matches!(listener.address, Address::Inherited(_)) && !listener.says_who_may_send();
        let unless = if only_at_start {
            " (whether strangers could reach it is seen only at the start: then `allow` or `auth: users` is needed)"
        } else {
            ""
        };
        say(format!("  listens on {}{unless}", listener.name));
    }
    for account in &config.accounts {
        say(format!("  account {} signs in as {} at {}:{}", account.name, account.mailbox, account.host, account.port));
    }
    Exit::Done
}
