//! Setting aside what is damaged, for a person to look at.
//!
//! Always true: nothing is removed from where it was before it is safe where it is kept.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::folder::Folder;
use super::ops::{Statements, database_failed};
use super::row::key;
use crate::clock::Timestamp;
use crate::message::EntryId;
use crate::spool::body::body_path;
use crate::spool::disk::failed;
use crate::spool::{SetAside, SpoolError};

/// Moves the whole spool (database, log and bodies) away, in one step.
pub(super) fn everything(folder: &Folder, why: String, now: Timestamp) -> std::io::Result<SetAside> {
    let kept_at = folder.place_for_damaged(now);
    folder.disk.rename(&folder.spool(), &kept_at)?;
    folder.disk.sync_folder(&folder.data_dir)?;
    Ok(SetAside { what: "the whole database".into(), why, kept_at })
}

/// What could be read of an entry.
#[derive(Default)]
struct Remains {
    recipients: Option<String>,
    message: Option<String>,
    header: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
    in_file: bool,
}

/// Moves one entry out of the database into files: `ID.json` (what was known of it), `ID.header` and `ID.body`.
pub(super) fn entry(connection: &Connection, folder: &Folder, id: EntryId, why: &str, now: Timestamp) -> Result<SetAside, SpoolError> {
    let dir = &folder.data_dir;
    let remains = read(connection, id).map_err(|error| database_failed("read a damaged entry", dir, error))?;
    let Some(remains) = remains else { return Err(SpoolError::NoSuchEntry(id)) };
    let place = folder.place_for_damaged(now);
    write(folder, &place, id, why, &remains).map_err(|error| failed("set a damaged entry aside", dir, error))?;
    remove(connection, folder, id).map_err(|error| database_failed("set a damaged entry aside", dir, error))?;
    Ok(SetAside { what: format!("entry {id}"), why: why.to_owned(), kept_at: place })
}

/// Each column by itself: one that cannot be read must not hide the others.
fn read(connection: &Connection, id: EntryId) -> Result<Option<Remains>, rusqlite::Error> {
    let in_file = connection.query_row("SELECT in_file FROM entries WHERE id = ?1", [key(id)], |row| row.get(0)).optional()?;
    let Some(in_file) = in_file else { return Ok(None) };
    let text = |sql| connection.query_row(sql, [key(id)], |row| row.get::<_, String>(0)).ok();
    let octets = |sql| connection.query_row(sql, [key(id)], |row| row.get::<_, Option<Vec<u8>>>(0)).ok().flatten();
    Ok(Some(Remains {
        recipients: text("SELECT recipients FROM entries WHERE id = ?1"),
        message: text("SELECT message FROM entries WHERE id = ?1"),
        header: octets("SELECT header FROM contents WHERE id = ?1"),
        body: octets("SELECT body FROM contents WHERE id = ?1"),
        in_file,
    }))
}

fn write(folder: &Folder, place: &Path, id: EntryId, why: &str, remains: &Remains) -> std::io::Result<()> {
    let disk = &folder.disk;
    disk.make_folder(place)?;
    let put = |name: String, octets: &[u8]| -> std::io::Result<()> {
        let path = place.join(name);
        let file: File = disk.create(&path)?;
        disk.append(&file, &path, octets)?;
        disk.sync(&file, &path)
    };
    let known = serde_json::json!({ "id": id, "why": why, "recipients": remains.recipients, "message": remains.message });
    put(format!("{id}.json"), known.to_string().as_bytes())?;
    if let Some(header) = &remains.header {
        put(format!("{id}.header"), header)?;
    }
    if let Some(body) = &remains.body {
        put(format!("{id}.body"), body)?;
    }
    let file = body_path(&folder.bodies(), id);
    // A file that could not be looked at must not be left behind: the next start would find no entry for it.
    if remains.in_file && file.try_exists()? {
        disk.rename(&file, &body_path(place, id))?;
    }
    disk.sync_folder(place)?;
    disk.sync_folder(&folder.data_dir)
}

/// When the entry cannot be removed because the page is damaged, it is held: it would be tried again and again.
fn remove(connection: &Connection, folder: &Folder, id: EntryId) -> Result<(), rusqlite::Error> {
    let statements = Statements { connection, disk: &folder.disk, dir: &folder.data_dir };
    let transaction = connection.unchecked_transaction()?;
    match statements.delete(id) {
        Ok(()) => transaction.commit(),
        Err(_) => {
            transaction.rollback()?;
            statements.hold(id)
        }
    }
}
