//! Each step of storing and recording fails in turn: nothing is promised that is not kept, nothing is left
//! over, and the next message works.

use std::io::ErrorKind;

use super::*;
use crate::spool::disk::{Step, Witness};

/// Fails the step it is told, as often as it is told.
#[derive(Debug, Default)]
struct Faults {
    fails: Mutex<Option<(Step, ErrorKind, u32)>>,
    free: Mutex<Option<u64>>,
}

impl Faults {
    fn fail(&self, step: Step, kind: ErrorKind, times: u32) {
        *self.fails.lock().unwrap() = Some((step, kind, times));
    }
}

impl Witness for Faults {
    fn before(&self, step: Step, _path: &Path) -> std::io::Result<()> {
        match &mut *self.fails.lock().unwrap() {
            Some((failing, kind, times @ 1..)) if *failing == step => {
                *times -= 1;
                Err((*kind).into())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn free(&self) -> Option<u64> {
        *self.free.lock().unwrap()
    }
}

fn open_with(dir: &Path, faults: &Arc<Faults>) -> SqliteSpool {
    SqliteSpool::open_on(settings(dir), Clock::manual(NOW), Disk::watched(faults.clone())).unwrap().0
}

const OF_BODIES: [Step; 5] = [Step::Create, Step::Write, Step::Sync, Step::Rename, Step::SyncFolder];
const OF_COMMITS: [Step; 4] = [Step::Begin, Step::Insert, Step::Commit, Step::Committed];

#[tokio::test]
async fn whatever_step_of_storing_fails_nothing_is_promised_and_the_next_message_works() {
    for step in OF_BODIES.into_iter().chain(OF_COMMITS) {
        for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
            let dir = tempfile::tempdir().unwrap();
            let faults = Arc::new(Faults::default());
            let spool = open_with(dir.path(), &faults);
            let before = store(&spool, &vec![b'b'; 100_000]).await;

            faults.fail(step, kind, 1);
            let error = try_store(&spool, &vec![b'x'; 100_000]).await.unwrap_err();
            assert_eq!(matches!(error, SpoolError::Full { .. }), kind == ErrorKind::StorageFull, "{step:?} {error:?}");

            let after = store(&spool, &vec![b'a'; 100_000]).await;
            assert_eq!(body_files(dir.path()).len(), 2, "{step:?}");
            assert_eq!(spool.totals().await.unwrap().waiting, 2, "{step:?}");
            assert_eq!(spool.shared.bodies.budget.used(), 0);
            drop(spool);
            let (spool, recovery) = open(dir.path());
            assert_eq!((recovery.entries, recovery.leftovers, recovery.set_aside.len()), (2, 0, 0), "{step:?}");
            assert_eq!(octets_of(&spool.load(before).await.unwrap())[0], b'b');
            assert_eq!(octets_of(&spool.load(after).await.unwrap())[0], b'a');
        }
    }
}

#[tokio::test]
async fn whatever_step_of_recording_fails_the_entry_is_kept_or_known_to_be_gone() {
    for step in [Step::Begin, Step::Update, Step::Commit, Step::Committed, Step::Remove] {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        let spool = open_with(dir.path(), &faults);
        let id = store(&spool, &vec![b'x'; 100_000]).await;
        let outcome = || record(id, vec![delivered("a@contoso.com"), delivered("b@contoso.com")], State::Held);

        faults.fail(step, ErrorKind::Other, 1);
        let first = spool.record(outcome()).await;
        // Unlinking comes after the promise is kept; what it leaves goes at the next start.
        assert_eq!(first.is_ok(), step == Step::Remove, "{step:?}");
        match spool.record(outcome()).await {
            Ok(()) => assert!(matches!(step, Step::Begin | Step::Update | Step::Commit)),
            Err(error) => assert!(matches!(error, SpoolError::NoSuchEntry(_)), "{error:?}"),
        }
        drop(spool);
        let (_spool, recovery) = open(dir.path());
        assert_eq!((recovery.entries, recovery.set_aside.len()), (0, 0), "{step:?}");
        assert!(body_files(dir.path()).is_empty());
    }
}

#[tokio::test]
async fn whatever_step_of_removing_fails_nobody_is_given_an_entry_that_is_gone() {
    for step in [Step::Begin, Step::Update, Step::Commit, Step::Committed] {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        let spool = open_with(dir.path(), &faults);
        let (removed, recorded) = (store(&spool, b"small, so still in memory").await, store(&spool, b"this one too").await);

        faults.fail(step, ErrorKind::Other, 1);
        spool.order(removed, Order::Remove).await.unwrap_err();
        faults.fail(step, ErrorKind::Other, 1);
        spool.record(record(recorded, vec![delivered("a@contoso.com"), delivered("b@contoso.com")], State::Held)).await.unwrap_err();
        store(&spool, b"the database is mended for this").await;

        let there: Vec<EntryId> = spool.list(None, 10).await.unwrap().into_iter().map(|entry| entry.id).collect();
        for id in [removed, recorded] {
            assert_eq!(there.contains(&id), step != Step::Committed, "{step:?}");
            assert_eq!(spool.load(id).await.is_ok(), there.contains(&id), "{step:?}");
        }
    }
}

#[tokio::test]
async fn a_bad_entry_in_a_commit_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let spool = open_with(dir.path(), &faults);
    faults.fail(Step::Insert, ErrorKind::Other, 1);
    let mut ids = Vec::new();
    let results = futures_util::future::join_all((0..20).map(|_| try_store(&spool, b"x"))).await;
    for result in &results {
        ids.extend(result.as_ref().ok().copied());
    }
    assert_eq!(ids.len(), 19);
    for id in ids {
        spool.load(id).await.unwrap();
    }
    assert_eq!(spool.totals().await.unwrap().waiting, 19);
    assert_eq!(spool.storage(), Storage::Ready);
}

#[tokio::test]
async fn while_the_database_cannot_be_opened_again_nothing_is_promised() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let spool = open_with(dir.path(), &faults);
    let before = store(&spool, b"before").await;
    faults.fail(Step::Commit, ErrorKind::Other, 1);
    try_store(&spool, b"x").await.unwrap_err();
    faults.fail(Step::Reopen, ErrorKind::Other, u32::MAX);
    assert_eq!(spool.storage(), Storage::Failing);
    assert!(matches!(try_store(&spool, b"x").await, Err(SpoolError::Failed { .. })));
    assert!(matches!(spool.due(office(), NOW, Vec::new(), 1).await, Err(SpoolError::Failed { .. })));
    assert_eq!(spool.totals().await.unwrap(), Totals { waiting: 1, held: 0, oldest: None }, "known without the database");

    faults.fail(Step::Reopen, ErrorKind::Other, 0);
    store(&spool, b"after").await;
    assert_eq!(spool.storage(), Storage::Ready);
    spool.load(before).await.unwrap();
    assert_eq!(spool.totals().await.unwrap().waiting, 2);
}

#[tokio::test]
async fn within_the_reserve_outcomes_are_recorded_and_nothing_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    *faults.free.lock().unwrap() = Some(1_000_000);
    let tight = Settings { reserve: 900_000, ..settings(dir.path()) };
    let (spool, _) = SqliteSpool::open_on(tight, Clock::manual(NOW), Disk::watched(faults.clone())).unwrap();
    let id = store(&spool, b"x").await;
    // What was written counts before the file system is asked again.
    spool.shared.health.wrote(200_000);
    *faults.free.lock().unwrap() = Some(800_000);
    assert_eq!(spool.storage(), Storage::Full);
    for size in [1, 100_000] {
        assert!(matches!(try_store(&spool, &vec![b'x'; size]).await, Err(SpoolError::Full { .. })));
    }
    assert!(body_files(dir.path()).is_empty());
    deliver(&spool, id).await;
    assert_eq!(spool.totals().await.unwrap().waiting, 0);
}

#[tokio::test]
async fn a_sender_that_goes_away_leaves_no_file_or_a_whole_entry() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let body = write_body(&spool, &vec![b'x'; 100_000]).await.unwrap();
    let mut storing = spool.store(message("office", &["a@contoso.com"]), body);
    let begun = futures_util::poll!(&mut storing);
    drop((storing, begun));
    spool.close().await;
    drop(spool);
    let (_spool, recovery) = open(dir.path());
    assert_eq!((recovery.leftovers, recovery.set_aside.len()), (0, 0));
    assert_eq!(recovery.entries, body_files(dir.path()).len() as u64);
}

/// Panics when the writer begins a transaction.
#[derive(Debug)]
struct Panics;

impl Witness for Panics {
    fn before(&self, step: Step, _path: &Path) -> std::io::Result<()> {
        assert!(step != Step::Begin, "for the test");
        Ok(())
    }
}

#[tokio::test]
async fn a_writer_that_panics_leaves_nobody_waiting_and_nothing_to_be_sent_unrecorded() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = store(&spool, b"promised").await;
    drop(spool);
    let (spool, _) = SqliteSpool::open_on(settings(dir.path()), Clock::manual(NOW), Disk::watched(Arc::new(Panics))).unwrap();
    try_store(&spool, b"hi").await.unwrap_err();
    // The answer is dropped while the stack unwinds; when the thread is gone so are the connections.
    spool.close().await;
    assert_eq!(spool.storage(), Storage::Failing);
    assert!(spool.load(id).await.is_err());
    assert_eq!(spool.totals().await.unwrap().waiting, 1);
    drop(spool);
    let (spool, _) = open(dir.path());
    assert_eq!(octets_of(&spool.load(id).await.unwrap()), b"promised");
}
