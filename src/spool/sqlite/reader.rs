//! Questions to the database, on connections of their own beside the writer's.
//!
//! Always true: an answer shows a state that some commit left, whole.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};

use super::ops::slice_millis;
use super::row::{ENTRY, SUMMARY, entry, id_of, key, received, summary};
use super::schema;
use crate::clock::Timestamp;
use crate::message::{AccountName, EntryId};
use crate::spool::{Due, Entry, Summary, Usage};

/// Connections: one for the scheduler's questions, one for whoever looks at the queue meanwhile.
const CONNECTIONS: usize = 2;

/// The connections. None while the writer mends the database, and after the end.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    connections: [Mutex<Option<Connection>>; CONNECTIONS],
}

impl Readers {
    /// Connections to the database at `path`, which are not open yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, connections: Default::default() }
    }

    /// Opens them.
    pub(super) fn open(&self) -> Result<(), rusqlite::Error> {
        for place in &self.connections {
            *lock(place) = Some(schema::reader(&self.path)?);
        }
        Ok(())
    }

    /// Closes them, after what is being read.
    pub(super) fn close(&self) {
        for place in &self.connections {
            drop(lock(place).take());
        }
    }

    /// Asks something. May wait for the disk.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>) -> Result<T, rusqlite::Error> {
        let free = self.connections.iter().find_map(|place| place.try_lock().ok());
        let connection = free.unwrap_or_else(|| lock(&self.connections[0]));
        match &*connection {
            Some(connection) => question(connection),
            // The writer says the same of itself meanwhile, and why in the log.
            None => Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                Some("the database is closed".into()),
            )),
        }
    }
}

/// A question that panicked leaves a connection that is still good.
fn lock(place: &Mutex<Option<Connection>>) -> MutexGuard<'_, Option<Connection>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A whole entry, checked; `Some(Err(why))` when it is damaged.
pub(super) fn load(connection: &Connection, id: EntryId, bodies: &Path) -> Result<Option<Result<Entry, String>>, rusqlite::Error> {
    let read = connection.prepare_cached(ENTRY)?.query_row([key(id)], |row| entry(row, bodies)).optional();
    match read {
        // A page that only this entry needs may be the damaged one.
        Err(error) if schema::is_damage(&error) => Ok(Some(Err(format!("the database is damaged where it lies: {error}")))),
        other => other,
    }
}

/// Entries of an account that are due, longest due first.
pub(super) const DUE: &str =
    "SELECT id, due, attempts, open FROM entries WHERE account = ?1 AND due <= ?2 AND due IS NOT NULL ORDER BY due, id LIMIT ?3";
/// The same, due or not.
pub(super) const NEXT_DUE: &str = "SELECT id, due FROM entries WHERE account = ?1 AND due IS NOT NULL ORDER BY due, id LIMIT ?2";

/// Entries of an account that are due at `now`, longest due first.
pub(super) fn due(
    connection: &Connection,
    account: &AccountName,
    now: Timestamp,
    except: &[EntryId],
    limit: usize,
) -> Result<Vec<Due>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(DUE)?;
    let asked = i64::try_from(limit.saturating_add(except.len())).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![account.as_str(), now.as_millis(), asked], |row| {
        let at = Timestamp::from_millis(row.get(1)?);
        Ok(Due { id: id_of(row.get(0)?), account: account.clone(), at, attempts: row.get(2)?, recipients: row.get(3)? })
    })?;
    rows.filter(|due| due.as_ref().map_or(true, |due| !except.contains(&due.id))).take(limit).collect()
}

/// When the account's next waiting entry becomes due.
pub(super) fn next_due(connection: &Connection, account: &AccountName, except: &[EntryId]) -> Result<Option<Timestamp>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(NEXT_DUE)?;
    let asked = i64::try_from(except.len().saturating_add(1)).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![account.as_str(), asked])?;
    while let Some(row) = rows.next()? {
        if !except.contains(&id_of(row.get(0)?)) {
            return Ok(Some(Timestamp::from_millis(row.get(1)?)));
        }
    }
    Ok(None)
}

/// What an account has used since then; the slice in which that lies counts whole.
pub(super) fn usage(connection: &Connection, account: &AccountName, since: Timestamp) -> Result<Usage, rusqlite::Error> {
    let slice = since.as_millis().div_euclid(slice_millis());
    connection
        .prepare_cached("SELECT coalesce(sum(messages), 0), coalesce(sum(recipients), 0) FROM usage WHERE account = ?1 AND slice >= ?2")?
        .query_row(params![account.as_str(), slice], |row| {
            Ok(Usage { messages: row.get::<_, i64>(0)?.unsigned_abs(), recipients: row.get::<_, i64>(1)?.unsigned_abs() })
        })
}

/// Entries with ids above `after`, oldest first.
pub(super) fn list(connection: &Connection, after: Option<EntryId>, limit: usize) -> Result<Vec<Summary>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(SUMMARY)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.query_map(params![after.map_or(-1, key), limit], summary)?.collect()
}

/// When the oldest entry's message arrived.
pub(super) fn oldest(connection: &Connection) -> Result<Option<Timestamp>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT message FROM entries ORDER BY id LIMIT 1")?
        .query_row([], |row| received(row.get_ref(0)?.as_str()?))
        .optional()
}
