//! Opening a spool: what a crash, a full disk or a broken one has left, and what becomes of it.
//!
//! It runs while the folder is held and before anyone else sees the database. `docs/spool.md` lists what a
//! crash can leave at each step.
//!
//! Always true:
//! - A body file is removed only when the database is undamaged and knows no entry of that name.
//! - What is damaged is moved, never deleted, and reported.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::folder::Folder;
use super::row::{body_in_file, id_of, key};
use super::schema::{self, Found};
use super::{OpenError, aside};
use crate::clock::Timestamp;
use crate::message::{AccountName, EntryId};
use crate::spool::{Recovery, SetAside};

/// A database of at most this many octets is checked page by page at every start, which takes well under a
/// second. In a larger one damage shows when it is read; where that is not in one entry alone, all is checked at the next start.
const CHECKED_WHOLE: u64 = 32 << 20;

/// A database that is ready, and what is in it.
pub(super) struct Recovered {
    pub(super) connection: Connection,
    pub(super) census: Census,
    pub(super) recovery: Recovery,
}

/// What a database holds.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Entries that wait.
    pub(super) waiting: u64,
    /// Entries that are held.
    pub(super) held: u64,
    /// An id that is not smaller than any so far.
    pub(super) largest: Option<EntryId>,
}

/// Opens the database, makes a new one where there is none, and puts in order what does not fit together.
pub(super) fn recover(folder: &Folder, now: Timestamp) -> Result<Recovered, OpenError> {
    let mut recovery = Recovery::default();
    let (connection, mut census, files) = match open(folder)? {
        Opened::Sound(connection, census, files) => (connection, census, files),
        Opened::Damaged(why) => {
            recovery.set_aside.push(set_everything_aside(folder, why, now)?);
            match open(folder)? {
                Opened::Sound(connection, census, files) => (connection, census, files),
                // Without a file that was there before, the disk itself cannot be trusted.
                Opened::Damaged(why) => return Err(OpenError::NewIsDamaged { path: folder.database(), why }),
            }
        }
    };
    recovery.set_aside.extend(check_files(&connection, folder, &files, now)?);
    let (leftovers, largest) = sweep(&connection, folder, &files)?;
    if !recovery.set_aside.is_empty() {
        census = take_census(&connection).map_err(|source| database(folder, source))?;
    }
    census.largest = census.largest.max(largest);
    recovery.leftovers = leftovers;
    recovery.entries = census.waiting + census.held;
    recovery.accounts = accounts(&connection).map_err(|source| database(folder, source))?;
    Ok(Recovered { connection, census, recovery })
}

fn database(folder: &Folder, source: rusqlite::Error) -> OpenError {
    OpenError::Database { path: folder.database(), source }
}

fn unusable(folder: &Folder, source: std::io::Error) -> OpenError {
    OpenError::Unusable { dir: folder.data_dir.clone(), source }
}

/// Body files that entries say they have, with their lengths.
type Files = HashMap<EntryId, u64>;

enum Opened {
    Sound(Connection, Census, Files),
    Damaged(String),
}

fn open(folder: &Folder) -> Result<Opened, OpenError> {
    let path = folder.database();
    if !path.exists() && has_remains(folder).map_err(|error| unusable(folder, error))? {
        return Ok(Opened::Damaged("the database is missing, but its log or body files are there".into()));
    }
    let mark = folder.mark_of_damage();
    let marked = mark.exists();
    if marked {
        tracing::warn!(database = %path.display(), "damage was seen in the database, looking at all of its pages");
    }
    match open_and_examine(&path, marked) {
        Ok(Examined::Sound(connection, census, files)) if marked => {
            folder.disk.remove(&mark).map_err(|error| unusable(folder, error))?;
            tracing::info!(database = %path.display(), "found no damage in the database");
            Ok(Opened::Sound(connection, census, files))
        }
        Ok(Examined::Sound(connection, census, files)) => Ok(Opened::Sound(connection, census, files)),
        Ok(Examined::Damaged(why)) => Ok(Opened::Damaged(why)),
        Ok(Examined::Later(found)) => Err(OpenError::Later { path, found, known: schema::VERSION }),
        Err(error) if schema::is_damage(&error) => Ok(Opened::Damaged(error.to_string())),
        Err(error) => Err(database(folder, error)),
    }
}

/// Whether something of a database is there though the database is not.
fn has_remains(folder: &Folder) -> std::io::Result<bool> {
    Ok(folder.spool().join("queue.db-wal").exists() || std::fs::read_dir(folder.bodies())?.next().is_some())
}

enum Examined {
    Sound(Connection, Census, Files),
    Damaged(String),
    Later(i64),
}

fn open_and_examine(path: &Path, all_pages: bool) -> Result<Examined, rusqlite::Error> {
    let connection = schema::writer(path)?;
    match schema::look(&connection)? {
        Found::Later(found) => return Ok(Examined::Later(found)),
        Found::Nothing => schema::make(&connection)?,
        Found::Tables => {}
    }
    if all_pages || std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_WHOLE) {
        let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if said != "ok" {
            return Ok(Examined::Damaged(said));
        }
    }
    let census = take_census(&connection)?;
    let files = files(&connection)?;
    Ok(Examined::Sound(connection, census, files))
}

/// Counts what a database holds, from its indexes.
pub(super) fn take_census(connection: &Connection) -> Result<Census, rusqlite::Error> {
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let largest: Option<i64> = connection.query_row("SELECT max(id) FROM entries", [], |row| row.get(0))?;
    let mark: Option<i64> = connection.query_row("SELECT value FROM marks WHERE name = 'ids'", [], |row| row.get(0)).optional()?;
    Ok(Census {
        waiting: count("SELECT count(*) FROM entries INDEXED BY waiting WHERE due IS NOT NULL")?,
        held: count("SELECT count(*) FROM entries INDEXED BY held WHERE due IS NULL")?,
        largest: largest.max(mark).map(id_of),
    })
}

fn accounts(connection: &Connection) -> Result<BTreeMap<AccountName, u64>, rusqlite::Error> {
    let mut statement =
        connection.prepare("SELECT account, count(*) FROM entries INDEXED BY waiting WHERE due IS NOT NULL GROUP BY account")?;
    let rows = statement.query_map([], |row| Ok((AccountName::new(row.get_ref(0)?.as_str()?), row.get::<_, i64>(1)?.unsigned_abs())))?;
    rows.collect()
}

fn files(connection: &Connection) -> Result<Files, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT id, length FROM entries INDEXED BY in_files WHERE in_file = 1")?;
    let rows = statement.query_map([], |row| Ok((id_of(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs())))?;
    rows.collect()
}

fn set_everything_aside(folder: &Folder, why: String, now: Timestamp) -> Result<SetAside, OpenError> {
    let aside = aside::everything(folder, why, now).and_then(|aside| folder.make().map(|()| aside));
    let aside = aside.map_err(|error| unusable(folder, error))?;
    tracing::error!(kept_at = %aside.kept_at.display(), why = %aside.why, "set the damaged database aside, began a new one");
    Ok(aside)
}

/// Sets entries aside whose body file is missing or has another length.
fn check_files(connection: &Connection, folder: &Folder, files: &Files, now: Timestamp) -> Result<Vec<SetAside>, OpenError> {
    let bodies = folder.bodies();
    let mut damaged = Vec::new();
    for (id, length) in files {
        if let Err(why) = body_in_file(&bodies, *id, *length).map_err(|error| unusable(folder, error))? {
            let aside = aside::entry(connection, folder, *id, &why, now).map_err(|source| OpenError::Aside { id: *id, source })?;
            tracing::error!(entry = %id, kept_at = %aside.kept_at.display(), why, "set a damaged entry aside");
            damaged.push(aside);
        }
    }
    Ok(damaged)
}

fn is_known(connection: &Connection, id: EntryId) -> Result<bool, rusqlite::Error> {
    connection.prepare_cached("SELECT 1 FROM entries WHERE id = ?1")?.exists([key(id)])
}

/// Removes body files that no entry has: their messages were never promised, or are delivered. Says how many,
/// and the largest id among all names. Files with other names are none of ours.
fn sweep(connection: &Connection, folder: &Folder, files: &Files) -> Result<(u64, Option<EntryId>), OpenError> {
    let mut removed = 0;
    let mut largest = None;
    for found in std::fs::read_dir(folder.bodies()).map_err(|error| unusable(folder, error))? {
        let path = found.map_err(|error| unusable(folder, error))?.path();
        let id: Option<EntryId> = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        let (Some(id), Some(kind)) = (id, path.extension().and_then(|kind| kind.to_str())) else { continue };
        let whole = kind == "body";
        if !whole && kind != "part" {
            continue;
        }
        largest = largest.max(Some(id));
        // The index that `files` comes from and the table itself must agree that nobody needs it.
        if !(whole && (files.contains_key(&id) || is_known(connection, id).map_err(|source| database(folder, source))?)) {
            folder.disk.remove(&path).map_err(|error| unusable(folder, error))?;
            removed += 1;
        }
    }
    Ok((removed, largest))
}
