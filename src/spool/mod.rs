//! Messages that were promised and are not delivered yet.
//!
//! One trait, [`Spool`]; SQLite is the embedded engine behind it (`sqlite`). A spool stores what the device
//! sent and what was decided, hands out what is due, and records outcomes. It does not know why an entry
//! is due, what an outcome means, or how mail is sent.
//!
//! Always true:
//! - A [`Receipt`] exists only after the entry is durable: body file and folder synced first, then the commit.
//! - Nothing that was promised is deleted before all its recipients are delivered, unless a person orders it; damaged
//!   entries are set aside.

mod body;
mod budget;
mod disk;
mod health;
mod ids;
mod sqlite;

pub use body::{BodyWriter, WrittenBody};
pub use sqlite::{OpenError, SqliteSpool};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::delivery::{Body, Failure, Later};
use crate::message::{AccountName, BodyFacts, Decision, EntryId, Envelope, HeaderBlock, Mailbox, Origin, Receipt, Repairs};

/// Where a spool keeps its files, and how much it may use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `data_dir`: made with mode 0700 when it is missing.
    pub dir: PathBuf,
    /// Free octets on the file system below which nothing is accepted, so that outcomes can still be recorded.
    pub reserve: u64,
    /// Octets of bodies that all sessions together may hold in memory; beyond it bodies go to files early.
    pub memory: u64,
    /// Bodies of at most this many octets go into the database's row, larger ones into a file each.
    pub inline: u64,
}

/// A message to be stored.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Where it came from.
    pub origin: Origin,
    /// Who it is from and for.
    pub envelope: Envelope,
    /// What the device sent, up to the empty line.
    pub header: HeaderBlock,
    /// What was noted about the body.
    pub facts: BodyFacts,
    /// What was wrong with it, and is mended by the time it leaves.
    pub repairs: Repairs,
    /// Which account sends it, and as whom.
    pub decision: Decision,
}

/// An entry, whole.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// What was stored.
    pub message: NewEntry,
    /// The body.
    pub body: Body,
    /// What is to become of it.
    pub state: State,
    /// Attempts made so far.
    pub attempts: u32,
    /// Each recipient of the envelope with what came of it, in the envelope's order.
    pub recipients: Vec<Recipient>,
}

/// What is to become of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// To be tried, not before this time.
    Waiting(Timestamp),
    /// Kept until a person has acted.
    Held,
}

/// One recipient of an entry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Recipient {
    /// The address.
    pub mailbox: Mailbox,
    /// What came of it so far.
    pub progress: Progress,
}

/// What came of one recipient so far.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Still to be delivered; with the last failure, if there was one.
    Open(Option<Failure>),
    /// The upstream took it, with this reply.
    Delivered(String),
    /// The upstream refused it for good.
    Refused(Failure),
}

/// An entry that is to be tried: as much of it as is needed to decide when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The entry.
    pub id: EntryId,
    /// The account that sends it.
    pub account: AccountName,
    /// When it may be tried.
    pub at: Timestamp,
    /// Attempts made so far.
    pub attempts: u32,
    /// Recipients that are still open.
    pub recipients: u32,
}

/// What an attempt came to, to be recorded.
#[derive(Clone, Debug)]
pub struct Record {
    /// The entry that was tried.
    pub id: EntryId,
    /// The account that tried: its use of the limits is counted in the same commit.
    pub account: AccountName,
    /// When.
    pub at: Timestamp,
    /// What came of the recipients that were tried; the others stay as they are.
    pub recipients: Vec<Recipient>,
    /// What is to become of the entry. An entry whose recipients are all delivered is removed, whatever this says.
    pub then: State,
    /// Whether this was an attempt at the entry. Trouble on the way and a change of state are none.
    pub counts: bool,
    /// Transactions that the upstream counted against the account's limits: 1 when it was given content.
    pub sent: u32,
}

/// What a person decided about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Try it at once, whatever it waits for; recipients that were refused are tried once more.
    Retry,
    /// Remove it. Who has not got it will not get it.
    Remove,
}

/// How much of its limits an account has used within a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages handed to the upstream.
    pub messages: u64,
    /// Recipients of them.
    pub recipients: u64,
}

/// One entry in a list.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The entry.
    pub id: EntryId,
    /// The account that sends it.
    pub account: AccountName,
    /// As which address.
    pub from: Mailbox,
    /// Where it came from.
    pub origin: Origin,
    /// Octets of header and body.
    pub size: u64,
    /// What is to become of it.
    pub state: State,
    /// Attempts made so far.
    pub attempts: u32,
    /// Each recipient with what came of it.
    pub recipients: Vec<Recipient>,
}

/// Numbers about the whole spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries that are to be tried.
    pub waiting: u64,
    /// Entries that are held.
    pub held: u64,
    /// When the oldest entry's message arrived; `None` also while the spool cannot be asked because it cannot be written.
    pub oldest: Option<Timestamp>,
}

/// Whether a message could be taken now. Cheap to ask: a session asks at every MAIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// It could.
    Ready,
    /// Less than the reserve is free on the file system.
    Full,
    /// The last attempt to write failed.
    Failing,
}

/// What recovery found when a spool was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Entries that wait or are held.
    pub entries: u64,
    /// How many of them wait for each account, whether it is configured or not.
    pub accounts: BTreeMap<AccountName, u64>,
    /// Files that belonged to no entry, left by messages that were never promised; removed.
    pub leftovers: u64,
    /// What was damaged and is kept for a person to look at: each with where it is now. The log was told.
    pub set_aside: Vec<SetAside>,
}

/// Something damaged that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// What it is, in words: an entry with its id, or the whole database.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
    /// Where it is kept.
    pub kept_at: PathBuf,
}

/// Why a spool could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file system is full, or less than the reserve is free.
    #[error("no space is left for the spool at {dir}")]
    Full {
        /// The spool's folder.
        dir: PathBuf,
    },
    /// So many messages arrive at once that the memory for them is used up.
    #[error("too many large messages arrive at once for the memory that the spool at {dir} may use")]
    Busy {
        /// The spool's folder.
        dir: PathBuf,
    },
    /// The spool could not be written or read.
    #[error("cannot {doing} in the spool at {dir}")]
    Failed {
        /// What was to be done.
        doing: &'static str,
        /// The spool's folder.
        dir: PathBuf,
        /// What the engine or the system said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// There is no such entry (any more).
    #[error("there is no entry {0} in the queue")]
    NoSuchEntry(EntryId),
    /// The entry is damaged. It is kept, and set aside at the latest when it is next to be sent.
    #[error("entry {id} is damaged: {why}")]
    Damaged {
        /// The entry.
        id: EntryId,
        /// What is wrong with it.
        why: String,
    },
}

/// A store of promised messages.
///
/// Its methods may be called from many tasks at once; an engine puts what waits at the same moment into one
/// commit, and a bad entry among them fails alone.
pub trait Spool: Send + Sync + 'static {
    /// Whether a message could be taken now.
    fn storage(&self) -> Storage;

    /// Begins a body, to be written as it arrives.
    fn begin_body(&self) -> BodyWriter;

    /// Makes an entry of a message whose body was written, and promises it. Due at once.
    fn store(&self, entry: NewEntry, body: WrittenBody) -> Later<'_, Result<Receipt, SpoolError>>;

    /// The whole entry, its body checked against length and checksum when it is small, its length when it is a file. One that is
    /// damaged is set aside.
    fn load(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>>;

    /// The same for whoever only looks: nothing about the spool changes, also when the entry is damaged.
    fn look(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>>;

    /// Entries of an account that wait and are due at `now`, longest due first, those in `except` left out.
    fn due(&self, account: AccountName, now: Timestamp, except: Vec<EntryId>, limit: usize) -> Later<'_, Result<Vec<Due>, SpoolError>>;

    /// When the account's next waiting entry becomes due, those in `except` left out.
    fn next_due(&self, account: AccountName, except: Vec<EntryId>) -> Later<'_, Result<Option<Timestamp>, SpoolError>>;

    /// Records what an attempt came to. Durable when it returns.
    fn record(&self, record: Record) -> Later<'_, Result<(), SpoolError>>;

    /// Does what a person decided about an entry. Durable when it returns.
    fn order(&self, id: EntryId, order: Order) -> Later<'_, Result<(), SpoolError>>;

    /// What an account has used of its limits since then.
    fn usage(&self, account: AccountName, since: Timestamp) -> Later<'_, Result<Usage, SpoolError>>;

    /// Entries with ids above `after`, oldest first.
    fn list(&self, after: Option<EntryId>, limit: usize) -> Later<'_, Result<Vec<Summary>, SpoolError>>;

    /// Numbers about the whole spool.
    fn totals(&self) -> Later<'_, Result<Totals, SpoolError>>;

    /// Finishes what was begun and closes; nothing may be asked of it afterwards.
    fn close(&self) -> Later<'_, ()>;
}
