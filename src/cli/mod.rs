//! Commands, their output, and exit codes.
//!
//! Reads the command line, calls the rooms, and tells people what came of it. What a command does lives in a file of
//! its name; nothing here decides anything about mail.

mod arrivals;
mod check;
mod demo;
mod health;
mod logging;
mod output;
mod queue;
mod run;
mod simulate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, LoadError, Surroundings};

/// A local SMTP relay for devices and programs that cannot sign in to a modern mail service.
///
/// Devices speak plain SMTP to mailferry without a login. It keeps their mail safe on disk, sends it as an address that the
/// mailbox may really use, and hands it to Microsoft 365 with STARTTLS and OAuth.
///
/// Try it without an account: `mailferry demo`
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 78 bad configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay in the foreground
    ///
    /// It runs until SIGTERM or SIGINT (Ctrl-C); then conversations and attempts in flight may finish. A second signal stops
    /// it at once. What was accepted is on disk in any case.
    Run(run::Arguments),
    /// Try it: starts the relay and a simulated Microsoft 365, and sends a scan through both
    Demo(demo::Arguments),
    /// Check the configuration whole, without starting anything
    ///
    /// Binds nothing and connects to nothing. Prints every problem with its line and column, and what to write instead.
    Check(check::Arguments),
    /// Run the simulated Microsoft 365 by itself, to rehearse with
    ///
    /// SMTP with STARTTLS and XOAUTH2, a token endpoint, a mailbox with aliases, and faults on request, until Ctrl-C. It writes a
    /// configuration that sends through it: run the relay with that one in a second terminal.
    Simulate(simulate::Arguments),
    /// Look into the queue
    #[command(subcommand)]
    Queue(queue::Command),
    /// Ask a running relay whether it is ready (for a container's health check)
    ///
    /// Exits with 0 when the relay would take a device's message, otherwise with 1. Accounts in trouble are told, but do not
    /// count unless `--accounts` is given: restarting a relay does not mend a password.
    Health(health::Arguments),
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration file [default: the variable MAILFERRY_CONFIG (its text), then mailferry.yaml, then
    /// /etc/mailferry/mailferry.yaml]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgument {
    /// The configuration, or the exit after its problems were told.
    fn load(&self) -> Result<Config, Exit> {
        config::load(self.config.as_deref(), &Surroundings::system()).map_err(|error| {
            match error {
                LoadError::Problems(problems) => output::complain_of(&problems),
                LoadError::NotFound(_) | LoadError::Read { .. } | LoadError::NotText(_) => output::complain(&error),
            };
            Exit::BadConfiguration
        })
    }
}

/// How a command ended, as scripts and service managers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done,
    Failed,
    BadConfiguration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            // EX_CONFIG of sysexits.h.
            Exit::BadConfiguration => Self::from(78),
        }
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    let exit = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Queue(command) => queue::run(&command),
        Command::Health(arguments) => health::run(&arguments),
    };
    exit.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use crate::cause::{self, Cause, Values};

    /// Whether the words behind `mailferry` begin with a command that exists.
    fn is_command(words: &[&str]) -> bool {
        let mut at = super::Arguments::command();
        let mut found = false;
        for word in words {
            let Some(inner) = at.find_subcommand(word).cloned() else { break };
            (at, found) = (inner, true);
        }
        found && at.get_subcommands().next().is_none()
    }

    #[test]
    fn remedies_name_only_commands_that_exist() {
        assert!(is_command(&["queue", "show", "ID"]) && !is_command(&["queue", "everything"]) && !is_command(&["dance"]));
        let named = Cause::ALL.iter().flat_map(|cause| cause.remedy(&Values::default()));
        let numbered = cause::known().flat_map(|known| known.remedy(&Values::default()));
        for line in named.chain(numbered) {
            for behind in line.split("mailferry ").skip(1) {
                let words: Vec<&str> = behind.split([' ', '`', ':', ',', '.']).collect();
                assert!(is_command(&words), "{line}");
            }
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
