//! `mailferry health`: is a running relay ready?

use super::output::{complain, complain_in_words, inert, on_this_thread, safe, say};
use super::{ConfigArgument, Exit};
use crate::control::ask;
use crate::control::protocol::{AccountHealth, Answer, Health, Request};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Also demand that no account is in trouble
    #[arg(long)]
    accounts: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let config = match arguments.config.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    on_this_thread(async {
        match ask(&config.spool.dir, &Request::Health).await {
            Ok(Answer::Health(health)) => tell(&health, arguments),
            Ok(Answer::Failed { error }) => complain_in_words(&format!("mailferry: not ready: {error}")),
            Ok(Answer::Queue { .. } | Answer::Entry(_) | Answer::Done) => {
                complain_in_words("mailferry: the running relay is another version")
            }
            Err(error) => complain(&error),
        }
    })
}

fn tell(health: &Health, arguments: &Arguments) -> Exit {
    if arguments.json {
        say(inert(&serde_json::to_string_pretty(health).unwrap_or_default()));
    } else {
        say(match &health.reason {
            None => format!("ready: listening on {}; {} waiting, {} held", health.listeners.join(", "), health.waiting, health.held),
            Some(reason) => format!("not ready: {reason}"),
        });
        health.accounts.iter().filter_map(in_words).for_each(say);
    }
    if health.ready && (!arguments.accounts || health.accounts_usable()) { Exit::Done } else { Exit::Failed }
}

fn in_words(account: &AccountHealth) -> Option<String> {
    let until = account.until.as_deref()?;
    let (cause, reply) = (account.cause.as_deref().unwrap_or("unknown"), account.reply.as_deref().unwrap_or("no reply"));
    let mut text = format!("account {}: {} until {until}, {cause}: {}", account.account, account.state, safe(reply));
    account.remedy.iter().for_each(|line| text.push_str(&format!("\n    {}", safe(line))));
    Some(text)
}
