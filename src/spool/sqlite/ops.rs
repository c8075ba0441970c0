//! What the writer is asked to do, and the statements that do it.
//!
//! Grouping, committing and answering are left to `writer`.
//!
//! Always true: an operation that fails here has answered nobody yet.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::row::{count_open, decode_recipients, due_of, encode_message, key, untried};
use super::schema::is_damage;
use crate::clock::Timestamp;
use crate::delivery::{Failure, Stage};
use crate::message::{AccountName, EntryId, Receipt};
use crate::spool::body::{BodyFile, Content};
use crate::spool::disk::{Disk, Step, failed};
use crate::spool::{NewEntry, Order, Progress, Recipient, Record, SpoolError, State, Usage, WrittenBody};

/// Where an operation's answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, SpoolError>>;

/// The span that one row of `usage` counts: a limit's window is rounded up by at most this much, and a day
/// has few enough rows to sum them at every plan.
pub(super) const SLICE: Duration = Duration::from_secs(10);

/// One thing for the writer to do.
#[derive(Debug)]
pub(super) enum Op {
    /// Promise a message.
    Store(Box<Store>, Answer<Receipt>),
    /// Record an outcome. The answer carries the body file of an entry that is finished.
    Record(Box<Record>, Answer<Option<BodyFile>>),
    /// Do what a person decided. The answer carries the body file of an entry that is removed.
    Order(EntryId, Order, Timestamp, Answer<Option<BodyFile>>),
    /// Set a damaged entry aside.
    SetAside(EntryId, String, Answer<()>),
}

/// A message to be promised, made ready by the task that brought it, so that the writer only writes.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) id: EntryId,
    pub(super) due: Timestamp,
    pub(super) entry: NewEntry,
    pub(super) content: Content,
    length: u64,
    checksum: u32,
    header_checksum: u32,
    recipients: String,
    message: String,
}

impl Store {
    /// Makes ready.
    pub(super) fn new(id: EntryId, due: Timestamp, entry: NewEntry, body: WrittenBody) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id,
            due,
            length: body.length(),
            checksum: body.checksum(),
            header_checksum: crc32fast::hash(entry.header.as_bytes()),
            recipients: serde_json::to_string(&untried(&entry.envelope))?,
            message: encode_message(&entry)?,
            content: body.into_content(),
            entry,
        })
    }

    /// Octets of header and body.
    pub(super) fn size(&self) -> u64 {
        self.length + self.entry.header.as_bytes().len() as u64
    }
}

impl Op {
    /// Answers that it failed.
    pub(super) fn fail(self, error: SpoolError) {
        // Whoever asked may have gone.
        match self {
            Self::Store(_, answer) => drop(answer.send(Err(error))),
            Self::Record(_, answer) => drop(answer.send(Err(error))),
            Self::Order(.., answer) => drop(answer.send(Err(error))),
            Self::SetAside(_, _, answer) => drop(answer.send(Err(error))),
        }
    }

    /// The error when the row that it is about cannot be read. An outcome of such an entry can never be recorded: whoever reads
    /// the entry next sets it aside.
    fn unreadable(&self, doing: &'static str, dir: &Path, error: rusqlite::Error) -> SpoolError {
        match self {
            Self::Record(record, _) => SpoolError::Damaged { id: record.id, why: format!("its row cannot be read: {error}") },
            Self::Order(id, ..) => SpoolError::Damaged { id: *id, why: format!("its row cannot be read: {error}") },
            Self::Store(..) | Self::SetAside(..) => database_failed(doing, dir, error),
        }
    }

    /// The entry whose row it changes.
    pub(super) fn changes(&self) -> Option<EntryId> {
        match self {
            Self::Record(record, _) => Some(record.id),
            Self::Order(id, ..) | Self::SetAside(id, ..) => Some(*id),
            Self::Store(..) => None,
        }
    }

    /// Whether it need not be done because whoever asked has gone. Outcomes are recorded all the same.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Store(_, answer) => answer.is_closed(),
            Self::Record(..) | Self::Order(..) | Self::SetAside(..) => false,
        }
    }
}

/// How an entry stands before an operation changes it.
struct Standing {
    /// None when it is held.
    due: Option<i64>,
    in_file: bool,
    recipients: Vec<Recipient>,
}

/// What an operation did, in a transaction that is not committed yet.
#[derive(Debug)]
pub(super) enum Applied {
    /// The message is stored.
    Stored,
    /// The outcome is recorded and the entry goes on.
    Recorded,
    /// All recipients are delivered and the entry is gone; its body was in a file, or not.
    Finished { in_file: bool },
    /// There was no such entry.
    NoEntry,
    /// It is no matter for a transaction of many.
    Left,
}

/// What a transaction changes beside entries.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// How many more entries wait.
    pub(super) waiting: i64,
    /// How many more entries are held.
    pub(super) held: i64,
    /// The largest id that was stored.
    pub(super) largest: Option<EntryId>,
    /// Octets of content that were written.
    pub(super) octets: u64,
    usage: BTreeMap<(AccountName, i64), Usage>,
}

impl Effects {
    fn count(&mut self, due: Option<i64>, by: i64) {
        match due {
            Some(_) => self.waiting += by,
            None => self.held += by,
        }
    }
}

/// Why a transaction cannot go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// This operation cannot be done; others can.
    One(SpoolError),
    /// Nothing can be done.
    All(SpoolError),
}

/// An error of the database, as one of the spool's.
pub(super) fn database_failed(doing: &'static str, dir: &Path, error: rusqlite::Error) -> SpoolError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => SpoolError::Full { dir: dir.to_owned() },
        Some(_) | None => SpoolError::Failed { doing, dir: dir.to_owned(), source: std::sync::Arc::new(error) },
    }
}

/// Statements on one connection.
pub(super) struct Statements<'a> {
    pub(super) connection: &'a Connection,
    pub(super) disk: &'a Disk,
    pub(super) dir: &'a Path,
}

impl Statements<'_> {
    /// Does one operation within the transaction.
    pub(super) fn apply(&self, op: &Op, effects: &mut Effects) -> Result<Applied, Trouble> {
        let (doing, step, done) = match op {
            Op::Store(store, _) => {
                let done = || self.insert(store, effects).map(|()| Applied::Stored);
                ("store a message", Step::Insert, self.with_step(Step::Insert, done))
            }
            Op::Record(record, _) => {
                let done = || self.record(record, effects);
                ("record an outcome", Step::Update, self.with_step(Step::Update, done))
            }
            Op::Order(id, order, now, _) => {
                let done = || self.order(*id, *order, *now, effects);
                ("do what was decided about an entry", Step::Update, self.with_step(Step::Update, done))
            }
            Op::SetAside(..) => return Ok(Applied::Left),
        };
        match done {
            Ok(Ok(applied)) => Ok(applied),
            Ok(Err(error)) if is_unreadable(&error) => Err(Trouble::One(op.unreadable(doing, self.dir, error))),
            Ok(Err(error)) if is_alone(&error) => Err(Trouble::One(database_failed(doing, self.dir, error))),
            Ok(Err(error)) => Err(Trouble::All(database_failed(doing, self.dir, error))),
            Err(error) => {
                tracing::debug!(?step, "step failed");
                Err(Trouble::One(failed(doing, self.dir, error)))
            }
        }
    }

    fn with_step<T>(&self, step: Step, work: impl FnOnce() -> Result<T, rusqlite::Error>) -> std::io::Result<Result<T, rusqlite::Error>> {
        self.disk.permit(step, self.dir)?;
        Ok(work())
    }

    fn insert(&self, store: &Store, effects: &mut Effects) -> Result<(), rusqlite::Error> {
        let (in_file, body) = match &store.content {
            Content::Memory { octets, .. } => (false, Some(&octets[..])),
            Content::File(_) => (true, None),
        };
        let due = store.due.as_millis();
        let open = u32::try_from(store.entry.envelope.recipients.len()).unwrap_or(u32::MAX);
        self.connection
            .prepare_cached(
                "INSERT INTO entries (id, account, due, attempts, open, size, length, checksum, header_checksum, in_file, recipients, message) \
                 VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                key(store.id),
                store.entry.decision.account.as_str(),
                due,
                open,
                signed(store.size()),
                signed(store.length),
                store.checksum,
                store.header_checksum,
                in_file,
                store.recipients,
                store.message,
            ])?;
        self.connection.prepare_cached("INSERT INTO contents (id, header, body) VALUES (?1, ?2, ?3)")?.execute(params![
            key(store.id),
            store.entry.header.as_bytes(),
            body
        ])?;
        effects.count(Some(due), 1);
        effects.largest = effects.largest.max(Some(store.id));
        effects.octets += store.entry.header.as_bytes().len() as u64 + body.map_or(0, |body| body.len() as u64);
        Ok(())
    }

    fn record(&self, record: &Record, effects: &mut Effects) -> Result<Applied, rusqlite::Error> {
        if record.sent > 0 {
            let slice = record.at.as_millis().div_euclid(slice_millis());
            let used = effects.usage.entry((record.account.clone(), slice)).or_default();
            used.messages += u64::from(record.sent);
            used.recipients += record.recipients.iter().filter(|recipient| was_counted(&recipient.progress)).count() as u64;
        }
        let Some(Standing { due, in_file, mut recipients }) = self.standing(record.id)? else { return Ok(Applied::NoEntry) };
        effects.count(due, -1);
        merge(&mut recipients, &record.recipients);
        if recipients.iter().all(|recipient| matches!(recipient.progress, Progress::Delivered(_))) {
            self.delete(record.id)?;
            return Ok(Applied::Finished { in_file });
        }
        self.write_standing(record.id, record.then, record.counts, &recipients)?;
        effects.count(due_of(record.then), 1);
        Ok(Applied::Recorded)
    }

    fn order(&self, id: EntryId, order: Order, now: Timestamp, effects: &mut Effects) -> Result<Applied, rusqlite::Error> {
        let Some(Standing { due, in_file, mut recipients }) = self.standing(id)? else { return Ok(Applied::NoEntry) };
        effects.count(due, -1);
        match order {
            Order::Remove => {
                self.delete(id)?;
                Ok(Applied::Finished { in_file })
            }
            Order::Retry => {
                for recipient in &mut recipients {
                    if let Progress::Refused(failure) = &recipient.progress {
                        recipient.progress = Progress::Open(Some(failure.clone()));
                    }
                }
                self.write_standing(id, State::Waiting(now), false, &recipients)?;
                effects.count(due_of(State::Waiting(now)), 1);
                Ok(Applied::Recorded)
            }
        }
    }

    /// How an entry stands; `None` when there is no such entry.
    fn standing(&self, id: EntryId) -> Result<Option<Standing>, rusqlite::Error> {
        self.connection
            .prepare_cached("SELECT due, in_file, recipients FROM entries WHERE id = ?1")?
            .query_row([key(id)], |row| {
                Ok(Standing { due: row.get(0)?, in_file: row.get(1)?, recipients: decode_recipients(row.get_ref(2)?.as_str()?)? })
            })
            .optional()
    }

    /// Writes when an entry is due and how its recipients stand; `tried` counts one more attempt.
    fn write_standing(&self, id: EntryId, then: State, tried: bool, recipients: &[Recipient]) -> Result<(), rusqlite::Error> {
        let text = serde_json::to_string(recipients).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        self.connection
            .prepare_cached("UPDATE entries SET due = ?2, attempts = attempts + ?3, open = ?4, recipients = ?5 WHERE id = ?1")?
            .execute(params![key(id), due_of(then), tried, count_open(recipients), text])?;
        Ok(())
    }

    /// Removes an entry with its content.
    pub(super) fn delete(&self, id: EntryId) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached("DELETE FROM entries WHERE id = ?1")?.execute([key(id)])?;
        self.connection.prepare_cached("DELETE FROM contents WHERE id = ?1")?.execute([key(id)])?;
        Ok(())
    }

    /// Keeps an entry from being tried.
    pub(super) fn hold(&self, id: EntryId) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached("UPDATE entries SET due = ?2 WHERE id = ?1")?.execute(params![key(id), due_of(State::Held)])?;
        Ok(())
    }

    /// Writes what a transaction used of the limits.
    pub(super) fn count_usage(&self, effects: &Effects) -> Result<(), rusqlite::Error> {
        for ((account, slice), used) in &effects.usage {
            self.connection
                .prepare_cached(
                    "INSERT INTO usage (account, slice, messages, recipients) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT DO UPDATE SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients",
                )?
                .execute(params![account.as_str(), slice, signed(used.messages), signed(used.recipients)])?;
        }
        Ok(())
    }

    /// Forgets what was used before `then`.
    pub(super) fn prune_usage(&self, then: Timestamp) -> Result<(), rusqlite::Error> {
        let slice = then.as_millis().div_euclid(slice_millis());
        self.connection.prepare_cached("DELETE FROM usage WHERE slice < ?1")?.execute([slice])?;
        Ok(())
    }

    /// Notes that no id has reached `mark`, so that ids go on above it whatever the clock says.
    pub(super) fn set_mark(&self, mark: EntryId) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached("INSERT OR REPLACE INTO marks (name, value) VALUES ('ids', ?1)")?.execute([key(mark)])?;
        Ok(())
    }
}

/// Milliseconds of a slice.
pub(super) fn slice_millis() -> i64 {
    i64::try_from(SLICE.as_millis()).unwrap_or(1)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether a row holds what we never wrote. (A damaged page is SQLite's own error: then reading may still work, and an entry
/// that is sent without a record would be sent again and again.)
fn is_unreadable(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code().is_none() && is_damage(error)
}

/// Whether an error of one statement leaves the others of its transaction possible. Damage may be in a page
/// that only this entry needs.
fn is_alone(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ConstraintViolation | TooBig | TypeMismatch) || is_damage(error),
        None => true,
    }
}

/// Puts what came of those that were tried in the place of what was known of them.
fn merge(recipients: &mut [Recipient], tried: &[Recipient]) {
    // Both are usually in the envelope's order: each search begins behind the last find.
    let mut from = 0;
    for news in tried {
        let same = |recipient: &Recipient| recipient.mailbox == news.mailbox;
        let found = recipients[from..].iter().position(same).map(|n| from + n).or_else(|| recipients[..from].iter().position(same));
        if let Some(place) = found {
            recipients[place].progress = news.progress.clone();
            from = place + 1;
        }
    }
}

/// Whether the upstream counts a recipient of a message that it was given. When the reply to the content was
/// lost, it may have.
fn was_counted(progress: &Progress) -> bool {
    let given = |failure: &Failure| matches!(failure.stage, Stage::Data | Stage::FinalReply);
    match progress {
        Progress::Delivered(_) => true,
        Progress::Refused(failure) | Progress::Open(Some(failure)) => given(failure),
        Progress::Open(None) => false,
    }
}
