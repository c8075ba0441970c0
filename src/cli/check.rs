//! `mailferry check`: is the configuration sound?

use super::output::say;
use super::{ConfigArgument, Exit};

/// Reads the configuration and checks all of it; binds nothing and connects to nothing. Prints every problem with its
/// line and column.
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
    if arguments.effective {
        say(config.effective().trim_end());
        return Exit::Done;
    }
    say(format!("{}: no problems found", config.source));
    for listener in &config.listeners {
        say(format!("  listens on {}", listener.name));
    }
    for account in &config.accounts {
        say(format!("  account {} signs in as {} at {}:{}", account.name, account.mailbox, account.host, account.port));
    }
    Exit::Done
}
