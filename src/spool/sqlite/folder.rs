//! What lies where in `data_dir`, and who may use it.
//!
//! ```text
//! data_dir/
//!   lock                   the process that holds the folder, its number inside
//!   spool/                 one folder, so that it can be set aside in one step
//!     queue.db             entries and their small bodies (SQLite), with queue.db-wal and -shm beside it
//!     damaged              a mark, when damage was seen that is not in one entry alone
//!     bodies/ID.body       large bodies; ID.part while they are being written
//!   damaged-TIME/          what was set aside, for a person to look at
//! ```
//!
//! Always true: while a [`Folder`] exists no other process has one of the same `data_dir`.
//!
//! An existing `data_dir` keeps its mode (a volume may be shared with a group on purpose); everything in
//! it is made for its owner alone, so that others learn nothing even in a folder that is open to them.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::OpenError;
use crate::clock::Timestamp;
use crate::spool::disk::Disk;

/// `data_dir`, held.
#[derive(Debug)]
pub(super) struct Folder {
    /// `data_dir` itself.
    pub(super) data_dir: PathBuf,
    /// The disk that all steps are done with.
    pub(super) disk: Disk,
    /// Locked as long as it is open.
    _lock: File,
}

impl Folder {
    /// Makes `data_dir` when it is missing, and takes its lock.
    pub(super) fn hold(data_dir: &Path, disk: Disk) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Unusable { dir: data_dir.to_owned(), source };
        if data_dir.exists() && !data_dir.is_dir() {
            return Err(OpenError::NotAFolder { dir: data_dir.to_owned() });
        }
        disk.make_folder(data_dir).map_err(unusable)?;
        let lock = lock(data_dir)?;
        let folder = Self { data_dir: data_dir.to_owned(), disk, _lock: lock };
        folder.make().map_err(unusable)?;
        Ok(folder)
    }

    /// Makes the folders below, and the names so far durable.
    pub(super) fn make(&self) -> std::io::Result<()> {
        self.disk.make_folder(&self.bodies())?;
        for dir in [&self.spool(), &self.data_dir] {
            File::open(dir)?.sync_all()?;
        }
        match self.data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            // Where the folder above is not ours to read, whoever made data_dir has made it durable.
            Some(parent) => File::open(parent).map_or(Ok(()), |parent| parent.sync_all()),
            None => Ok(()),
        }
    }

    /// The folder of everything that belongs to one database.
    pub(super) fn spool(&self) -> PathBuf {
        self.data_dir.join("spool")
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.spool().join("queue.db")
    }

    /// A mark: there is damage in the database, and the next start looks at all of its pages.
    pub(super) fn mark_of_damage(&self) -> PathBuf {
        self.spool().join("damaged")
    }

    /// The folder of body files.
    pub(super) fn bodies(&self) -> PathBuf {
        self.spool().join("bodies")
    }

    /// A folder for what is set aside at `now`, which is not there yet.
    pub(super) fn place_for_damaged(&self, now: Timestamp) -> PathBuf {
        let time = now.to_string().replace(':', "-");
        let name = |n: u32| if n == 0 { format!("damaged-{time}") } else { format!("damaged-{time}-{n}") };
        let mut places = (0..).map(|n| self.data_dir.join(name(n)));
        places.find(|place| !place.exists()).unwrap_or_else(|| self.data_dir.join(name(0)))
    }
}

fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let unusable = |source| OpenError::Unusable { dir: data_dir.to_owned(), source };
    let path = data_dir.join("lock");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Without a number the message is still true.
            let _ = file.read_to_string(&mut text);
            return Err(OpenError::Locked { dir: data_dir.to_owned(), process: text.trim().parse().ok() });
        }
        Err(std::fs::TryLockError::Error(source)) => return Err(unusable(source)),
    }
    write_pid(&mut file).map_err(unusable)?;
    Ok(file)
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    let full = |error: &std::io::Error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    file.set_len(0)?;
    file.rewind()?;
    match writeln!(file, "{}", std::process::id()) {
        // On a full disk the relay must still start, to deliver what it has.
        Err(error) if !full(&error) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
