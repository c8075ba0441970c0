//! Files and folders of the spool: each step that can fail, by name.
//!
//! Everything the spool does to body files goes through a [`Disk`], so that a test can watch each step and
//! let it fail. What the steps mean, and their order, is left to `body` and the engine.
//!
//! Always true: files are made with mode 0600, folders with 0700.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use super::SpoolError;

/// One step on the way to a promise or away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A file is made.
    Create,
    /// Octets are appended to a file.
    Write,
    /// A file is synced.
    Sync,
    /// A file gets its final name.
    Rename,
    /// A folder is synced.
    SyncFolder,
    /// A file is removed.
    Remove,
    /// A transaction begins.
    Begin,
    /// An entry is inserted.
    Insert,
    /// An outcome is recorded.
    Update,
    /// A transaction is committed.
    Commit,
    /// A transaction was committed; a failure here is one of which nobody knows what it left.
    Committed,
    /// The database is opened again after a failure.
    Reopen,
    /// The log is moved into the database while there is work.
    Move,
    /// The database is synced after that.
    MoveSync,
}

/// Does what it is told to files and folders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    #[cfg(test)]
    witness: Option<Arc<dyn Witness>>,
}

/// Sees every step of a [`Disk`] under test, and may let it fail.
#[cfg(test)]
pub(crate) trait Witness: std::fmt::Debug + Send + Sync {
    /// Called before a step is done.
    fn before(&self, step: Step, path: &Path) -> io::Result<()>;

    /// Octets that are free; `None` to ask the file system.
    fn free(&self) -> Option<u64> {
        None
    }
}

impl Disk {
    /// A disk whose steps `witness` sees.
    #[cfg(test)]
    pub(crate) fn watched(witness: Arc<dyn Witness>) -> Self {
        Self { witness: Some(witness) }
    }

    /// Asks whether a step may be done. Only a test ever says no.
    #[cfg(test)]
    pub(crate) fn permit(&self, step: Step, path: &Path) -> io::Result<()> {
        self.witness.as_ref().map_or(Ok(()), |witness| witness.before(step, path))
    }

    /// Asks whether a step may be done. Only a test ever says no.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "a test's disk has a witness to ask")]
    #[expect(clippy::unnecessary_wraps, reason = "a test's witness may say no")]
    pub(crate) fn permit(&self, _step: Step, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Makes a new file to write to.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        self.permit(Step::Create, path)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    /// Appends octets to a file.
    pub(crate) fn append(&self, mut file: &File, path: &Path, octets: &[u8]) -> io::Result<()> {
        self.permit(Step::Write, path)?;
        file.write_all(octets)
    }

    /// Waits until a file's octets and length are on the disk.
    pub(crate) fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        self.permit(Step::Sync, path)?;
        file.sync_data()
    }

    /// Gives a file its final name.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.permit(Step::Rename, to)?;
        std::fs::rename(from, to)
    }

    /// Waits until a folder's names are on the disk.
    pub(crate) fn sync_folder(&self, dir: &Path) -> io::Result<()> {
        self.permit(Step::SyncFolder, dir)?;
        File::open(dir)?.sync_all()
    }

    /// Removes a file; that it is not there is no error.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.permit(Step::Remove, path)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Makes a folder, and those above it, with mode 0700; that it is there is no error.
    pub(crate) fn make_folder(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    /// Octets that an ordinary user may still write to the file system of `dir`.
    pub(crate) fn free(&self, dir: &Path) -> io::Result<u64> {
        #[cfg(test)]
        if let Some(free) = self.witness.as_ref().and_then(|witness| witness.free()) {
            return Ok(free);
        }
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// An error of the system, as one of the spool's.
pub(crate) fn failed(doing: &'static str, dir: &Path, error: io::Error) -> SpoolError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => SpoolError::Full { dir: dir.to_owned() },
        _ => SpoolError::Failed { doing, dir: dir.to_owned(), source: Arc::new(error) },
    }
}
