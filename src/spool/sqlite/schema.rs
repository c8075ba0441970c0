//! The database: how a connection is set up, and its tables.
//!
//! Always true: what a commit on a [`writer`] has answered is synced (WAL with synchronous=FULL).

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// The version of the tables below and of what is in their rows. A database of a later one belongs to a later mailferry. When it goes up:
/// docs/spool.md, "Rows of another version".
pub(super) const VERSION: i64 = 1;

/// Octets of a page. SQLite's default of 4 KB takes one more system call for each page of a body, which is felt from 2 KB on
/// (docs/performance.md); larger ones write more than they save.
const PAGE: i64 = 8192;
/// Octets to which the write-ahead log is cut when it starts anew after it had to grow.
const LOG_KEPT: u64 = 64 << 20;
/// Page cache of a connection, in KiB: the inner pages of a million entries.
const CACHE: i64 = 4096;
/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS: usize = 32;
/// Another connection of this process holds the database for a moment only.
const PATIENCE: Duration = Duration::from_secs(10);

/// `entries` holds what changes and what lists show, `contents` the octets, so that recording an outcome
/// does not write a body again. `due` is in milliseconds since the epoch, NULL when the entry is held;
/// `size` counts header and body, `length` the body; checksums are CRC-32. `recipients` and `message` are JSON.
/// `usage` counts in slices of time (`ops::SLICE`); `marks` holds the number that no id has reached yet.
const TABLES: &str = "
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    due INTEGER,
    attempts INTEGER NOT NULL,
    open INTEGER NOT NULL,
    size INTEGER NOT NULL,
    length INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    header_checksum INTEGER NOT NULL,
    in_file INTEGER NOT NULL,
    recipients TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX waiting ON entries (account, due) WHERE due IS NOT NULL;
CREATE INDEX held ON entries (id) WHERE due IS NULL;
CREATE INDEX in_files ON entries (id, length) WHERE in_file = 1;
CREATE TABLE contents (id INTEGER PRIMARY KEY, header BLOB NOT NULL, body BLOB) STRICT;
CREATE TABLE usage (
    account TEXT NOT NULL,
    slice INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (account, slice)
) STRICT, WITHOUT ROWID;
CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// What opening a database found.
#[derive(Debug)]
pub(super) enum Found {
    /// A database with our tables.
    Tables,
    /// Nothing: the tables are to be made.
    Nothing,
    /// Tables of this later version.
    Later(i64),
}

/// Opens the connection that writes. The file is made, for its owner alone, when it is missing.
pub(super) fn writer(path: &Path) -> Result<Connection, rusqlite::Error> {
    // SQLite would make it readable for everybody; its other files take this one's mode.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    if made.is_ok() {
        connection.pragma_update(None, "page_size", PAGE)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The writer checkpoints when nobody waits for it.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", i64::try_from(LOG_KEPT).unwrap_or(i64::MAX))?;
    // Closing for good checkpoints by name. Closing after a failure must not touch the disk.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Opens a connection that moves the log into the database beside the one that writes.
pub(super) fn mover(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
    // Each connection has one user at a time: SQLite's own locks are not needed.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Looks what is in a database.
pub(super) fn look(connection: &Connection) -> Result<Found, rusqlite::Error> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match version {
        0 if tables == 0 => Found::Nothing,
        later if later > VERSION => Found::Later(later),
        _ => Found::Tables,
    })
}

/// Makes the tables, all or none.
pub(super) fn make(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))
}

/// Moves what the write-ahead log holds into the database file. `Ok(false)`: not all of it, a reader is in the way.
pub(super) fn checkpoint(connection: &Connection, mode: Checkpoint) -> Result<bool, rusqlite::Error> {
    let sql = match mode {
        Checkpoint::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Checkpoint::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    connection.query_row(sql, [], |row| {
        let (busy, log, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && log == moved)
    })
}

/// How a checkpoint goes about it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Checkpoint {
    /// Without waiting for readers. The log's file stays as long as it is, which makes the next commits cheaper.
    Passive,
    /// Waits for readers, and leaves an empty log.
    Truncate,
}

/// Whether an error means that the database file itself is damaged.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(error, message) => {
            let missing = message.as_deref().is_some_and(|text| text.starts_with("no such table") || text.starts_with("no such column"));
            matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) || missing
        }
        rusqlite::Error::SqlInputError { msg, .. } => msg.starts_with("no such"),
        // Of the driver's own errors these tell of a value that we never wrote.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}
