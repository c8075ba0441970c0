//! The log is moved into the database while messages keep coming: it does not grow without end, and a pass that
//! fails costs no promise, even when nothing of what it wrote has reached the disk.

use std::path::PathBuf;

use super::*;
use crate::spool::disk::{Step, Witness};

/// A disk on which one pass fails. When the writer opens the database again, the file is as it was before that pass.
#[derive(Debug)]
struct Forgetful {
    database: PathBuf,
    fails: Step,
    before: Mutex<Option<Vec<u8>>>,
    failed: Mutex<bool>,
}

impl Forgetful {
    fn new(dir: &Path, fails: Step) -> Arc<Self> {
        Arc::new(Self { database: dir.join("spool/queue.db"), fails, before: Mutex::default(), failed: Mutex::default() })
    }

    /// What the failed pass wrote never reached the disk.
    fn forget(&self) -> std::io::Result<()> {
        let before = self.before.lock().unwrap().take();
        before.map_or(Ok(()), |before| std::fs::write(&self.database, before))
    }

    fn has_failed(&self) -> bool {
        *self.failed.lock().unwrap()
    }
}

impl Witness for Forgetful {
    fn before(&self, step: Step, _path: &Path) -> std::io::Result<()> {
        let mut failed = self.failed.lock().unwrap();
        if step == Step::Move && !*failed {
            *self.before.lock().unwrap() = Some(std::fs::read(&self.database)?);
        }
        if step == self.fails && !*failed {
            *failed = true;
            return Err(std::io::Error::other("the disk is gone for a moment"));
        }
        if step == Step::Reopen { self.forget() } else { Ok(()) }
    }
}

/// Stores in batches of 4 MB until `enough`, 160 MB at most, and gives the ids that were promised.
async fn store_until(spool: &SqliteSpool, enough: impl Fn() -> bool) -> Vec<EntryId> {
    let octets = vec![b'x'; 60_000];
    let mut promised = Vec::new();
    for _ in 0..40 {
        let results = futures_util::future::join_all((0..64).map(|_| try_store(spool, &octets))).await;
        promised.extend(results.into_iter().filter_map(Result::ok));
        if enough() {
            return promised;
        }
    }
    panic!("it did not come to it");
}

async fn all_are_there(dir: &Path, promised: Vec<EntryId>) {
    let (spool, recovery) = open(dir);
    assert_eq!((recovery.entries, recovery.set_aside.len()), (promised.len() as u64, 0));
    for id in promised {
        assert_eq!(octets_of(&spool.load(id).await.unwrap()).len(), 60_000);
    }
}

#[tokio::test]
async fn a_pass_that_fails_costs_no_promise() {
    for step in [Step::Move, Step::MoveSync] {
        let dir = tempfile::tempdir().unwrap();
        let disk = Forgetful::new(dir.path(), step);
        let (spool, _) = SqliteSpool::open_on(settings(dir.path()), Clock::manual(NOW), Disk::watched(disk.clone())).unwrap();
        // Whoever stores when the failure is seen may be refused; whoever stores after it finds the database mended.
        let mut promised = store_until(&spool, || disk.has_failed()).await;
        promised.extend(store_until(&spool, || disk.before.lock().unwrap().is_none()).await);
        promised.push(try_store(&spool, &[b'x'; 60_000]).await.unwrap());
        assert_eq!(spool.totals().await.unwrap().waiting, promised.len() as u64, "{step:?}");
        spool.close().await;
        drop(spool);
        all_are_there(dir.path(), promised).await;
    }
}

#[tokio::test]
async fn a_pass_that_fails_leaves_no_entry_in_memory_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Forgetful::new(dir.path(), Step::MoveSync);
    let (spool, _) = SqliteSpool::open_on(settings(dir.path()), Clock::manual(NOW), Disk::watched(disk.clone())).unwrap();
    // The first of them are kept in memory. One is removed after the other until a removal, which is on the disk by then,
    // is told as failed because the pass has failed, or the failure was seen by a store.
    let promised = store_until(&spool, || disk.has_failed()).await;
    let mut removed = Vec::new();
    for id in promised.into_iter().take(20) {
        let done = spool.order(id, Order::Remove).await;
        removed.push(id);
        if done.is_err() {
            break;
        }
    }
    store_until(&spool, || disk.before.lock().unwrap().is_none()).await;
    for id in removed {
        assert!(matches!(spool.load(id).await, Err(SpoolError::NoSuchEntry(_))), "{id}");
    }
}

#[tokio::test]
async fn a_pass_that_fails_before_the_end_costs_no_promise() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Forgetful::new(dir.path(), Step::MoveSync);
    let (spool, _) = SqliteSpool::open_on(settings(dir.path()), Clock::manual(NOW), Disk::watched(disk.clone())).unwrap();
    // Closed at once: the log must not be emptied by a connection that trusts what the pass wrote.
    let promised = store_until(&spool, || disk.has_failed() || disk.before.lock().unwrap().is_some()).await;
    spool.close().await;
    drop(spool);
    assert!(disk.has_failed());
    disk.forget().unwrap();
    all_are_there(dir.path(), promised).await;
}

#[tokio::test]
async fn the_log_starts_anew_while_messages_keep_coming() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let log = dir.path().join("spool/queue.db-wal");
    // How often the log has begun anew is in its header, and its length is the most it ever held (file format, section 4.1).
    let begun = || u32::from_be_bytes(std::fs::read(&log).unwrap()[12..16].try_into().unwrap());
    let before = begun();
    store_until(&spool, || begun() > before + 1).await;
    let most = std::fs::metadata(&log).unwrap().len();
    assert!(most < 80 << 20, "{most}");
}
