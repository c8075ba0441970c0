//! `mailferry queue`: where is my mail?

use std::sync::Arc;

use super::output::{age, complain, complain_in_words, inert, on_this_thread, safe, say, size, table};
use super::{ConfigArgument, Exit};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::protocol::{Answer, Listed, Person, Request, Shown};
use crate::control::{AskError, Desk, ask};
use crate::message::EntryId;
use crate::spool::{Spool, SqliteSpool};

/// Look into the queue of a running or stopped relay, and decide about entries.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List what is not delivered yet, oldest first
    List {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one entry: who, when, what happened, what happens next (never the body)
    Show {
        /// The entry, as `queue list`, the log and the device's 250 name it
        id: EntryId,
        #[command(flatten)]
        config: ConfigArgument,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Try entries at once, also held ones and refused recipients: after you have mended what was wrong
    Retry {
        /// The entries
        #[arg(required_unless_present = "all")]
        ids: Vec<EntryId>,
        /// All that are held
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Remove entries for good: whoever has not got them will not get them
    Remove {
        /// The entries
        #[arg(required = true)]
        ids: Vec<EntryId>,
        #[command(flatten)]
        config: ConfigArgument,
    },
}

pub(super) fn run(command: &Command) -> Exit {
    match command {
        Command::List { config, json } => with_queue(config, async |queue| list(queue, *json).await),
        Command::Show { id, config, json } => with_queue(config, async |queue| show(queue, *id, *json).await),
        Command::Retry { ids, all: false, config } => with_queue(config, async |queue| order(queue, ids, retry_of).await),
        Command::Retry { all: true, config, .. } => with_queue(config, async |queue| retry_all(queue).await),
        Command::Remove { ids, config } => with_queue(config, async |queue| order(queue, ids, remove_of).await),
    }
}

/// A queue to ask: a running relay's, or the spool itself.
enum Queue {
    Running(std::path::PathBuf),
    Stopped(Desk),
}

impl Queue {
    async fn ask(&self, request: Request) -> Result<Answer, AskError> {
        match self {
            Self::Running(data_dir) => ask(data_dir, &request).await,
            Self::Stopped(desk) => Ok(desk.answer(request).await),
        }
    }
}

fn with_queue(config: &ConfigArgument, command: impl AsyncFnOnce(&Queue) -> Exit) -> Exit {
    let config = match config.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    on_this_thread(async move {
        match ask(&config.spool.dir, &Request::Health).await {
            Ok(_) => command(&Queue::Running(config.spool.dir.clone())).await,
            Err(AskError::NotRunning { .. }) => with_stopped(&config, command).await,
            Err(error) => complain(&error),
        }
    })
}

/// No relay runs: the command takes the spool itself, as long as it needs it.
async fn with_stopped(config: &Config, command: impl AsyncFnOnce(&Queue) -> Exit) -> Exit {
    if !config.spool.dir.exists() {
        return complain_in_words(&format!(
            "mailferry: there is no queue at {}: no relay has run with this configuration",
            config.spool.dir.display()
        ));
    }
    let clock = Clock::system();
    match SqliteSpool::open(config.spool.clone(), clock.clone()) {
        Ok((spool, recovery)) => {
            for damage in &recovery.set_aside {
                complain_in_words(&format!(
                    "mailferry: {} is damaged ({}); it is kept in {} and not listed here",
                    damage.what,
                    damage.why,
                    damage.kept_at.display()
                ));
            }
            let spool: Arc<dyn Spool> = Arc::new(spool);
            let exit = command(&Queue::Stopped(Desk::new(spool.clone(), clock, config.advice()))).await;
            spool.close().await;
            exit
        }
        Err(error) => complain(&error),
    }
}

async fn list(queue: &Queue, json: bool) -> Exit {
    let (mut rows, mut count) = (Vec::new(), 0);
    let walked = for_each_page(queue, |entries| {
        count += entries.len();
        if json {
            entries.iter().for_each(|entry| say(inert(&serde_json::to_string(entry).unwrap_or_default())));
        } else {
            rows.extend(entries.iter().map(row));
        }
    });
    if let Err(exit) = walked.await {
        return exit;
    }
    if json {
        return Exit::Done;
    }
    if count == 0 {
        say("The queue is empty: everything that was accepted is delivered.");
    } else {
        say(table(&["ID", "AGE", "SIZE", "STATE", "TRIES", "CLIENT", "AS", "TO", "WHY"], &rows));
    }
    Exit::Done
}

/// Goes through the whole queue, a page at a time.
async fn for_each_page(queue: &Queue, mut page: impl FnMut(&[Listed])) -> Result<(), Exit> {
    let mut after = None;
    loop {
        let (entries, more) = match queue.ask(Request::QueueList { after }).await {
            Ok(Answer::Queue { entries, more }) => (entries, more),
            Ok(other) => return Err(unexpected(other)),
            Err(error) => return Err(complain(&error)),
        };
        after = entries.last().map(|entry| entry.id);
        page(&entries);
        if !more {
            return Ok(());
        }
    }
}

fn row(entry: &Listed) -> Vec<String> {
    let open: Vec<&Person> = entry.recipients.iter().filter(|person| person.state != "delivered").collect();
    let to = match open.as_slice() {
        [] => String::new(),
        [one] => safe(&one.address),
        [first, rest @ ..] => format!("{} +{}", safe(&first.address), rest.len()),
    };
    let why = open.iter().find_map(|person| person.cause.as_deref()).unwrap_or("-");
    vec![
        entry.id.to_string(),
        age(entry.age_seconds),
        size(entry.size),
        entry.state.clone(),
        entry.attempts.to_string(),
        entry.client.clone(),
        safe(&entry.from),
        to,
        why.to_owned(),
    ]
}

async fn show(queue: &Queue, id: EntryId, json: bool) -> Exit {
    match queue.ask(Request::QueueShow { id }).await {
        Ok(Answer::Entry(entry)) if json => say(inert(&serde_json::to_string_pretty(&entry).unwrap_or_default())),
        Ok(Answer::Entry(entry)) => say(in_words(&entry)),
        Ok(other) => return unexpected(other),
        Err(error) => return complain(&error),
    }
    Exit::Done
}

fn in_words(entry: &Shown) -> String {
    let listed = &entry.listed;
    let mut rows: Vec<(&str, String)> = vec![
        ("entry", listed.id.to_string()),
        (
            "state",
            match &listed.next_attempt {
                Some(at) => format!("{}, next attempt {at}", listed.state),
                None => listed.state.clone(),
            },
        ),
        ("received", format!("{} ({} ago)", listed.received, age(listed.age_seconds))),
        ("size", size(listed.size)),
        ("client", format!("{} at listener {}", listed.client, entry.listener)),
    ];
    rows.extend(entry.helo.iter().map(|helo| ("helo", safe(helo))));
    rows.extend(entry.login.iter().map(|login| ("login", safe(login))));
    rows.push(("mail from", safe(&entry.envelope_from)));
    rows.push(("sent as", format!("{} by account {}", safe(&listed.from), listed.account)));
    rows.push(("attempts", listed.attempts.to_string()));
    if !entry.repairs.is_empty() {
        rows.push(("repaired", entry.repairs.to_string()));
    }
    rows.extend(entry.body_file.iter().map(|file| ("body file", file.clone())));
    rows.extend(entry.header.iter().map(|(name, value)| ("header", format!("{}: {}", safe(name), safe(value)))));
    let mut text: Vec<String> = rows.into_iter().map(|(name, value)| format!("{name:<10} {value}")).collect();
    for person in &listed.recipients {
        text.push(format!("{:<10} {} ({})", "to", safe(&person.address), person.state));
        let details = [("because", &person.meaning), ("reply", &person.reply), ("next", &person.next)];
        text.extend(details.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("  {name:<8} {}", safe(value)))));
        text.extend(
            person
                .remedy
                .iter()
                .enumerate()
                .map(|(number, line)| format!("  {:<8} {}", if number == 0 { "remedy" } else { "" }, safe(line))),
        );
    }
    text.join("\n")
}

/// A request about one entry, and what to say when it was fulfilled.
type RequestOf = fn(EntryId) -> (Request, String);

fn retry_of(id: EntryId) -> (Request, String) {
    (Request::QueueRetry { id }, format!("{id} is tried as soon as its account may send"))
}

fn remove_of(id: EntryId) -> (Request, String) {
    (Request::QueueRemove { id }, format!("{id} is removed"))
}

/// Asks the same for each entry; what cannot be done for one does not keep the others.
async fn order(queue: &Queue, ids: &[EntryId], request_of: RequestOf) -> Exit {
    let mut exit = Exit::Done;
    for id in ids {
        let (request, done) = request_of(*id);
        match queue.ask(request).await {
            Ok(Answer::Done) => say(done),
            Ok(other) => exit = unexpected(other),
            Err(error) => return complain(&error),
        }
    }
    exit
}

async fn retry_all(queue: &Queue) -> Exit {
    let mut held = Vec::new();
    let walked =
        for_each_page(queue, |entries| held.extend(entries.iter().filter(|entry| entry.state == "held").map(|entry| entry.id))).await;
    if let Err(exit) = walked {
        return exit;
    }
    if held.is_empty() {
        say("Nothing is held.");
    }
    order(queue, &held, retry_of).await
}

fn unexpected(answer: Answer) -> Exit {
    match answer {
        Answer::Failed { error } => complain_in_words(&format!("mailferry: {error}")),
        Answer::Queue { .. } | Answer::Entry(_) | Answer::Done | Answer::Health(_) => {
            complain_in_words("mailferry: the running relay answered something else than was asked: is it another version?")
        }
    }
}
