//! Moves the log into the database on a thread of its own, while the writer goes on committing.
//!
//! SQLite lets a log start anew only when all of it has been moved and nobody has added to it meanwhile, which a
//! busy writer never lets happen. So a [`Pass`] moves what is there when it begins, further passes what came
//! during the last one, and the writer moves the little that is left ([`LogSize::next`] says when).
//!
//! Always true:
//! - A commit never depends on a pass: the log keeps all of it until the writer has seen the database synced whole.
//! - A pass that failed is told to the writer, which then trusts no page of the database that passes have written
//!   since the log began: it closes everything, and moves the log again from its start (`writer`, `break_down`).
//! - [`Mover::file`] is closed after all connections, also when the writer panics. Closing any descriptor of the database gives
//!   up all locks that this process has on it (POSIX advisory locks), so it cannot be opened for each pass.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::ops::database_failed;
use super::schema::{self, Checkpoint};
use crate::spool::SpoolError;
use crate::spool::disk::{Disk, Step, failed};

/// Octets in the log from which on it is moved although there is work to do. A larger log saves writing pages that
/// change again soon; it costs disk, and time to read after a crash.
const BEGIN: u64 = 16 << 20;
/// What the writer may move itself between two commits: some milliseconds. With less, passes chase a quick writer without end,
/// each as long as its syncs take.
const LITTLE: u64 = 4 << 20;
/// Octets at which the writer moves all of it, because passes cannot keep up: what the disk gives to the log, and what is read
/// after a crash. The log has more only while a reader keeps it from beginning anew.
const LIMIT: u64 = 64 << 20;

/// How much the log holds, as the writer reckons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogSize {
    /// Octets since it began anew; fewer after [`LogSize::halve`].
    all: u64,
    /// Octets of it that no pass has moved.
    unmoved: u64,
}

/// What is to be done about the log after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Leave,
    /// A pass is to begin.
    Pass,
    /// The writer moves what is left, so that the log starts anew.
    Finish,
}

impl LogSize {
    /// An empty log.
    pub(super) const EMPTY: Self = Self { all: 0, unmoved: 0 };
    /// A log with something in it, which is to be moved at the first rest.
    pub(super) const SOME: Self = Self { all: 1, unmoved: 1 };

    /// Whether there is nothing to move.
    pub(super) fn is_empty(self) -> bool {
        self.unmoved == 0
    }

    /// Counts what was written to the log.
    pub(super) fn add(&mut self, octets: u64) {
        self.all += octets;
        self.unmoved += octets;
    }

    /// Counts what could not be moved because somebody reads it as half as much, so that it is tried again soon but not
    /// after each commit.
    pub(super) fn halve(&mut self) {
        *self = Self { all: self.all / 2, unmoved: self.unmoved / 2 };
    }

    /// What to do, `moving` when a pass is at work.
    pub(super) fn next(self, moving: bool) -> Next {
        if self.all >= LIMIT {
            Next::Finish
        } else if moving || self.all < BEGIN {
            Next::Leave
        } else if self.unmoved <= LITTLE {
            Next::Finish
        } else {
            Next::Pass
        }
    }
}

/// Makes passes, one at a time.
pub(super) struct Mover {
    /// The database, to be synced after a pass.
    file: Arc<File>,
    path: PathBuf,
    data_dir: PathBuf,
    disk: Disk,
    pass: Option<Pass>,
}

/// One pass.
struct Pass {
    thread: JoinHandle<Result<(), SpoolError>>,
    /// Octets that were in the log and not moved when it began.
    octets: u64,
}

impl Mover {
    /// A mover for the database at `path`.
    pub(super) fn new(path: PathBuf, data_dir: PathBuf, disk: Disk) -> std::io::Result<Self> {
        let file = Arc::new(File::open(&path)?);
        Ok(Self { file, path, data_dir, disk, pass: None })
    }

    /// Whether a pass is at work, or has ended and was not collected.
    pub(super) fn is_moving(&self) -> bool {
        self.pass.is_some()
    }

    /// Begins a pass. `Err` when the system gives no thread.
    pub(super) fn begin(&mut self, log: LogSize) -> std::io::Result<()> {
        let (file, path, data_dir, disk) = (Arc::clone(&self.file), self.path.clone(), self.data_dir.clone(), self.disk.clone());
        let work = move || make_pass(&file, &path, &data_dir, &disk);
        let thread = std::thread::Builder::new().name("spool-log".into()).spawn(work)?;
        self.pass = Some(Pass { thread, octets: log.unmoved });
        Ok(())
    }

    /// Takes note of a pass that has ended.
    pub(super) fn collect(&mut self, log: &mut LogSize) -> Result<(), SpoolError> {
        match self.pass.take_if(|pass| pass.thread.is_finished()) {
            Some(pass) => self.end(pass, log),
            None => Ok(()),
        }
    }

    /// Waits for a pass to end.
    pub(super) fn wait(&mut self, log: &mut LogSize) -> Result<(), SpoolError> {
        match self.pass.take() {
            Some(pass) => self.end(pass, log),
            None => Ok(()),
        }
    }

    fn end(&self, pass: Pass, log: &mut LogSize) -> Result<(), SpoolError> {
        let panicked = |_| Err(failed(MOVE, &self.data_dir, std::io::Error::other("the thread that moves the log has panicked")));
        pass.thread.join().unwrap_or_else(panicked)?;
        log.unmoved = log.unmoved.saturating_sub(pass.octets);
        Ok(())
    }
}

const MOVE: &str = "move the log into the database";

/// Moves what is in the log now, on a connection that is gone when this returns, and syncs the database.
fn make_pass(file: &File, path: &Path, data_dir: &Path, disk: &Disk) -> Result<(), SpoolError> {
    disk.permit(Step::Move, data_dir).map_err(|error| failed(MOVE, data_dir, error))?;
    schema::mover(path)
        .and_then(|connection| schema::checkpoint(&connection, Checkpoint::Passive))
        .map_err(|error| database_failed(MOVE, data_dir, error))?;
    // SQLite syncs the database only when it has moved all of the log. Without this the writer would wait for all that passes wrote.
    disk.permit(Step::MoveSync, data_dir).and_then(|()| file.sync_data()).map_err(|error| failed(MOVE, data_dir, error))
}

/// A pass never works on after its mover, and so never without the lock of the folder.
impl Drop for Mover {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            // Only a writer that has panicked leaves one. How it ends matters to nobody: the next start moves the log again.
            let _ = pass.thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_moved_in_passes_until_little_is_left_for_the_writer() {
        let mut log = LogSize::EMPTY;
        assert_eq!(log.next(false), Next::Leave);
        log.add(BEGIN);
        assert_eq!(log.next(false), Next::Pass);
        log.add(LITTLE + 1);
        assert_eq!(log.next(true), Next::Leave);
        // The pass has moved what was there when it began.
        log.unmoved -= BEGIN;
        assert_eq!(log.next(false), Next::Pass);
        log.unmoved = LITTLE;
        assert_eq!(log.next(false), Next::Finish);
    }

    #[test]
    fn a_log_that_passes_cannot_keep_up_with_is_moved_by_the_writer() {
        let mut log = LogSize::EMPTY;
        log.add(LIMIT);
        assert_eq!((log.next(false), log.next(true)), (Next::Finish, Next::Finish));
        log.halve();
        assert_eq!(log.next(false), Next::Pass);
    }
}
