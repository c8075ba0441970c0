//! What is said over the control socket. The answers are also what `--json` prints, so their names are stable:
//! fields are added, not renamed.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::delivery::{Advice, Failure, NextStep};
use crate::message::{AccountName, EntryId, HeaderBlock, Repairs};
use crate::scheduler::LaneState;
use crate::spool::{Entry, Progress, Recipient, State, Storage, Summary};

/// Entries in one answer to [`Request::QueueList`]; a client asks again for more.
pub const PAGE: usize = 500;
/// Recipients in one answer, unless a single entry has more. A recipient takes at most some 5 KB: a reply of 2 KB, escaped, and
/// a remedy.
pub(super) const PAGE_RECIPIENTS: usize = 2_000;

/// What a command asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The next page of the queue, oldest first.
    QueueList {
        /// Only entries after this one.
        after: Option<EntryId>,
    },
    /// One entry.
    QueueShow {
        /// Which.
        id: EntryId,
    },
    /// Try an entry at once, refused recipients too.
    QueueRetry {
        /// Which.
        id: EntryId,
    },
    /// Remove an entry, delivered or not.
    QueueRemove {
        /// Which.
        id: EntryId,
    },
    /// How the relay is.
    Health,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// A page of the queue.
    Queue {
        /// At most [`PAGE`], with at most `PAGE_RECIPIENTS`; at least one if there is any.
        entries: Vec<Listed>,
        /// Whether there are more.
        more: bool,
    },
    /// One entry.
    Entry(Box<Shown>),
    /// It was done.
    Done,
    /// How the relay is.
    Health(Health),
    /// The request could not be fulfilled; in words, with the next step.
    Failed {
        /// The words.
        error: String,
    },
}

/// An entry in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub id: EntryId,
    /// `waiting` or `held`.
    pub state: String,
    /// When it is tried next, RFC 3339: when it is due and its account goes on. Absent when it is held, or when the
    /// configuration no longer has its account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_attempt: Option<String>,
    /// When its message arrived, RFC 3339.
    pub received: String,
    /// Seconds since then.
    pub age_seconds: u64,
    /// Octets.
    pub size: u64,
    /// The account that sends it.
    pub account: String,
    /// As which address it goes out.
    pub from: String,
    /// The device's address.
    pub client: String,
    /// Attempts made so far.
    pub attempts: u32,
    /// Whom it is for, and what came of each.
    pub recipients: Vec<Person>,
}

/// A recipient.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Person {
    /// The address.
    pub address: String,
    /// `open`, `delivered` or `refused`.
    pub state: String,
    /// The upstream's reply, or the last failure's text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reply: Option<String>,
    /// The last failure's cause, as `mailferry explain` knows it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// What the cause means, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub meaning: Option<String>,
    /// What happens now, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// What a person can do, a line each; commands stand on lines of their own.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remedy: Vec<String>,
}

/// An entry, whole, but for its body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// What a list shows.
    #[serde(flatten)]
    pub listed: Listed,
    /// The device's MAIL FROM.
    pub envelope_from: String,
    /// The listener that took it.
    pub listener: String,
    /// What the device said after HELO or EHLO.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub helo: Option<String>,
    /// Who signed in at the listener.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub login: Option<String>,
    /// From, To, Cc, Subject, Date and Message-ID as the device sent them.
    pub header: Vec<(String, String)>,
    /// What was wrong with the message and is mended when it is sent: names that are documented in docs/repairs.md.
    #[serde(skip_serializing_if = "Repairs::is_empty", default)]
    pub repairs: Repairs,
    /// The file of a large body; small ones are in the database.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body_file: Option<String>,
}

/// How a relay is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Health {
    /// It takes messages: listeners are up and the spool can be written.
    pub ready: bool,
    /// Why not, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Addresses that are listened on.
    pub listeners: Vec<String>,
    /// Entries that wait.
    pub waiting: u64,
    /// Entries that are held.
    pub held: u64,
    /// Outcomes that could not be recorded yet; while there are any, nothing is sent.
    #[serde(default)]
    pub unrecorded: usize,
    /// When the oldest entry's message arrived, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest: Option<String>,
    /// Each account.
    pub accounts: Vec<AccountHealth>,
}

/// How an account is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountHealth {
    /// Its name.
    pub account: String,
    /// `open`, `paused` or `troubled`.
    pub state: String,
    /// When it is tried again, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<String>,
    /// What is wrong: the cause's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// What the upstream said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reply: Option<String>,
    /// What a person can do, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remedy: Vec<String>,
}

impl Health {
    /// Whether every account can send as far as is known.
    pub fn accounts_usable(&self) -> bool {
        self.accounts.iter().all(|account| account.state != "troubled")
    }
}

/// Why a spool cannot take messages, in words; nothing when it can.
pub(super) fn storage_in_words(storage: Storage) -> Option<&'static str> {
    match storage {
        Storage::Ready => None,
        Storage::Full => Some("the disk has less free space than the reserve: nothing is accepted until there is room in data_dir"),
        Storage::Failing => Some("the spool could not be written the last time: look for the reason in the log"),
    }
}

impl Listed {
    /// `until` is when its account goes on, where it waits.
    pub(super) fn new(summary: Summary, now: Timestamp, until: Option<Timestamp>, advice: &Advice) -> Self {
        let advise = |failure: &Failure| advice.remedy(&summary.account, Some(&summary.from), failure);
        let mut recipients: Vec<Person> = summary.recipients.iter().map(|recipient| Person::new(recipient, advise)).collect();
        let (state, mut next_attempt) = state_in_words(summary.state, until);
        if !advice.knows(&summary.account) {
            next_attempt = None;
            recipients.iter_mut().filter(|person| person.state == "open").for_each(|person| person.wait_for(&summary.account));
        }
        Self {
            id: summary.id,
            state,
            next_attempt,
            received: summary.origin.received.to_string(),
            age_seconds: now.since(summary.origin.received).as_secs(),
            size: summary.size,
            account: summary.account.to_string(),
            from: summary.from.to_string(),
            client: summary.origin.client.to_string(),
            attempts: summary.attempts,
            recipients,
        }
    }
}

fn state_in_words(state: State, until: Option<Timestamp>) -> (String, Option<String>) {
    match state {
        State::Waiting(at) => ("waiting".into(), Some(until.map_or(at, |until| until.max(at)).to_string())),
        State::Held => ("held".into(), None),
    }
}

impl Person {
    fn new(recipient: &Recipient, advise: impl Fn(&Failure) -> Vec<String>) -> Self {
        let (state, failure) = match &recipient.progress {
            Progress::Open(failure) => ("open", failure.as_ref()),
            Progress::Refused(failure) => ("refused", Some(failure)),
            Progress::Delivered(_) => ("delivered", None),
        };
        let reply = match &recipient.progress {
            Progress::Delivered(reply) => Some(reply.clone()),
            Progress::Open(_) | Progress::Refused(_) => failure.map(|failure| failure.detail.clone()),
        };
        Self {
            address: recipient.mailbox.to_string(),
            state: state.into(),
            reply,
            cause: failure.map(|failure| failure.cause.to_string()),
            meaning: failure.map(|failure| failure.cause.meaning().to_owned()),
            next: failure.map(|failure| next_in_words(failure.next).to_owned()),
            remedy: failure.map(advise).unwrap_or_default(),
        }
    }
}

impl Person {
    /// Nobody tries the entry, because its account is gone.
    fn wait_for(&mut self, account: &AccountName) {
        self.next = Some(format!("it waits: the configuration has no account {account} any more"));
        self.remedy = vec![format!("Give an account under accounts the name {account} again, and restart the relay.")];
    }
}

fn next_in_words(next: NextStep) -> &'static str {
    match next {
        NextStep::Retry | NextStep::Reconnect | NextStep::Split => "it is tried again by itself",
        NextStep::Pause(_) => "the account pauses and goes on by itself",
        NextStep::Token => "it is tried again with a fresh token",
        NextStep::Hold => "it is kept until the cause is mended",
        NextStep::ResendAs => "it is kept: the account may not send as this address",
        NextStep::GiveUp => "it is kept: the upstream will never take it as it is",
    }
}

impl Shown {
    /// `until` is when its account goes on, where it waits.
    pub(super) fn new(entry: Entry, now: Timestamp, until: Option<Timestamp>, advice: &Advice) -> Self {
        let message = entry.message;
        let size = message.header.as_bytes().len() as u64 + message.facts.size;
        let origin = message.origin.clone();
        let body_file = match entry.body {
            crate::delivery::Body::Memory(_) => None,
            crate::delivery::Body::File { path, .. } => Some(path.display().to_string()),
        };
        let summary = Summary {
            id: entry.id,
            account: message.decision.account,
            from: message.decision.identity.from,
            origin: message.origin,
            size,
            state: entry.state,
            attempts: entry.attempts,
            recipients: entry.recipients,
        };
        Self {
            listed: Listed::new(summary, now, until, advice),
            envelope_from: message.envelope.sender.to_string(),
            listener: origin.listener,
            helo: origin.helo,
            login: origin.login,
            header: shown_fields(&message.header),
            repairs: message.repairs,
            body_file,
        }
    }
}

/// The fields that tell a person which message it is; the rest of a header is nobody's business here.
fn shown_fields(header: &HeaderBlock) -> Vec<(String, String)> {
    let wanted =
        |name: &[u8]| ["From", "To", "Cc", "Subject", "Date", "Message-ID"].iter().any(|w| name.eq_ignore_ascii_case(w.as_bytes()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect();
    header.fields().filter(|field| wanted(field.name)).take(20).map(|field| (text(field.name), text(field.value))).collect()
}

impl AccountHealth {
    pub(super) fn new(account: &AccountName, state: &LaneState, advice: &Advice) -> Self {
        let (state, until, failure) = match state {
            LaneState::Open => ("open", None, None),
            LaneState::Paused { until, failure } => ("paused", Some(until), Some(failure)),
            LaneState::Troubled { until, failure, .. } => ("troubled", Some(until), Some(failure)),
        };
        Self {
            account: account.to_string(),
            state: state.into(),
            until: until.map(Timestamp::to_string),
            cause: failure.map(|failure| failure.cause.to_string()),
            reply: failure.map(|failure| failure.detail.clone()),
            remedy: failure.map(|failure| advice.remedy(account, None, failure)).unwrap_or_default(),
        }
    }
}
