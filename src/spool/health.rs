//! Whether a message could be taken now: free space, and whether the last write worked.
//!
//! It answers from memory; the file system is asked at most once in [`FRESH`], and in between what was
//! written is taken off, so that many sessions at once cannot run far below the reserve.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::{SpoolError, Storage};

/// How long the file system's answer is believed.
const FRESH: Duration = Duration::from_millis(500);
/// How long new messages are turned away after a body file failed, unless some write works before: long
/// enough not to hammer a broken disk, short enough not to keep devices waiting.
const PAUSE: Duration = Duration::from_secs(5);
/// No time at all, in the atomics below.
const NEVER: u64 = u64::MAX;

/// What is known about the disk's health.
#[derive(Debug)]
pub(crate) struct Health {
    dir: PathBuf,
    disk: Disk,
    reserve: u64,
    begun: Instant,
    /// Milliseconds after `begun`, as are all times here.
    asked: AtomicU64,
    free: AtomicI64,
    database_failing: AtomicBool,
    body_failed: AtomicU64,
}

impl Health {
    /// Watches the file system of `dir`, of which `reserve` octets shall stay free.
    pub(crate) fn new(dir: PathBuf, disk: Disk, reserve: u64) -> Self {
        Self {
            dir,
            disk,
            reserve,
            begun: Instant::now(),
            asked: AtomicU64::new(NEVER),
            free: AtomicI64::new(0),
            database_failing: AtomicBool::new(false),
            body_failed: AtomicU64::new(NEVER),
        }
    }

    /// Whether a message could be taken now.
    pub(crate) fn storage(&self) -> Storage {
        let failed = self.body_failed.load(Ordering::Relaxed);
        let lately = failed != NEVER && self.elapsed().saturating_sub(failed) < millis(PAUSE);
        if lately || self.database_failing.load(Ordering::Relaxed) {
            Storage::Failing
        } else if self.free() < i64::try_from(self.reserve).unwrap_or(i64::MAX) {
            Storage::Full
        } else {
            Storage::Ready
        }
    }

    /// Refuses new content while less than the reserve is free.
    pub(crate) fn check_space(&self) -> Result<(), SpoolError> {
        if self.free() < i64::try_from(self.reserve).unwrap_or(i64::MAX) {
            return Err(SpoolError::Full { dir: self.dir.clone() });
        }
        Ok(())
    }

    /// Notes that so many octets were written.
    pub(crate) fn wrote(&self, octets: u64) {
        self.free.fetch_sub(i64::try_from(octets).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Notes that a body file could not be written.
    pub(crate) fn body_failed(&self) {
        self.body_failed.store(self.elapsed(), Ordering::Relaxed);
    }

    /// Notes that a body file was synced.
    pub(crate) fn body_synced(&self) {
        self.body_failed.store(NEVER, Ordering::Relaxed);
    }

    /// Notes whether the database could be written.
    pub(crate) fn database(&self, works: bool) {
        self.database_failing.store(!works, Ordering::Relaxed);
    }

    /// Free octets, as far as known. What cannot be asked counts as plenty: then the write itself will tell.
    fn free(&self) -> i64 {
        let now = self.elapsed();
        let asked = self.asked.load(Ordering::Relaxed);
        if asked == NEVER || now.saturating_sub(asked) >= millis(FRESH) {
            let free = self.disk.free(&self.dir).unwrap_or(u64::MAX);
            self.free.store(i64::try_from(free).unwrap_or(i64::MAX), Ordering::Relaxed);
            self.asked.store(now, Ordering::Relaxed);
        }
        self.free.load(Ordering::Relaxed)
    }

    fn elapsed(&self) -> u64 {
        millis(self.begun.elapsed())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_taken_off_before_the_file_system_is_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health::new(dir.path().to_owned(), Disk::default(), 4096);
        assert_eq!(health.storage(), Storage::Ready);
        health.wrote(u64::MAX >> 2);
        assert!(health.check_space().is_err() || health.begun.elapsed() > FRESH);
    }

    #[test]
    fn a_failure_is_remembered_until_a_write_works() {
        let dir = tempfile::tempdir().unwrap();
        let health = Health::new(dir.path().to_owned(), Disk::default(), 0);
        health.body_failed();
        assert_eq!(health.storage(), Storage::Failing);
        health.body_synced();
        assert_eq!(health.storage(), Storage::Ready);
        health.database(false);
        assert_eq!(health.storage(), Storage::Failing);
        health.database(true);
        assert_eq!(health.storage(), Storage::Ready);
    }
}
