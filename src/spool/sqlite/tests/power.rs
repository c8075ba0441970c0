//! Power goes: what was not synced is gone. Every message with a receipt is there all the same.
//!
//! Body files are followed through their steps: what counts is a file's length when it was synced, under a
//! name that it had when its folder was synced. The database is followed through its log: SQLite syncs it at
//! each commit, so at a receipt everything up to its end is on the disk, and behind that any part may be missing.

use std::collections::HashMap;

use super::*;
use crate::spool::disk::{Step, Witness};

/// What is on the disk of the folder of bodies.
#[derive(Debug, Default)]
struct Platter {
    /// Names in the folder now, with the octets that were synced under them or an earlier name.
    names: Mutex<HashMap<String, Vec<u8>>>,
    /// What would be found after power was lost.
    durable: Mutex<HashMap<String, Vec<u8>>>,
}

impl Witness for Platter {
    // It is told before a step is done, so a sync is noted with the octets that are there already.
    fn before(&self, step: Step, path: &Path) -> std::io::Result<()> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let mut names = self.names.lock().unwrap();
        match step {
            Step::Create => drop(names.insert(name, Vec::new())),
            Step::Sync => drop(names.insert(name, std::fs::read(path)?)),
            Step::Rename => {
                let part = path.with_extension("part").file_name().unwrap().to_str().unwrap().to_owned();
                let octets = names.remove(&part).unwrap();
                names.insert(name, octets);
            }
            Step::Remove => drop(names.remove(&name)),
            Step::SyncFolder => self.durable.lock().unwrap().clone_from(&names),
            Step::Write | Step::Begin | Step::Insert | Step::Update | Step::Commit | Step::Committed | Step::Reopen => {}
        }
        Ok(())
    }
}

/// What a receipt was given for, and what was on the disk then.
struct Promise {
    id: EntryId,
    octets: Vec<u8>,
    log: usize,
    bodies: HashMap<String, Vec<u8>>,
}

#[tokio::test]
async fn every_promise_is_kept_when_what_was_not_synced_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let platter = Arc::new(Platter::default());
    let (spool, _) = SqliteSpool::open_on(settings(dir.path()), Clock::manual(NOW), Disk::watched(platter.clone())).unwrap();
    let files = |name: &str| std::fs::read(dir.path().join("spool").join(name)).unwrap();
    let mut promises: Vec<Promise> = Vec::new();
    let database = files("queue.db");
    for n in 0..12_usize {
        let octets = vec![b'a' + u8::try_from(n).unwrap(); if n % 3 == 0 { 90_000 } else { 900 * n }];
        let id = store(&spool, &octets).await;
        let bodies = platter.durable.lock().unwrap().clone();
        promises.push(Promise { id, octets, log: files("queue.db-wal").len(), bodies });
    }
    let log = files("queue.db-wal");
    assert_eq!(files("queue.db"), database, "the log was moved meanwhile, which this test does not follow");
    drop(spool);

    for (n, promise) in promises.iter().enumerate() {
        let next = promises.get(n + 1).map_or(log.len(), |next| next.log);
        // Of the next commit nothing, a part, or all but the last octet had reached the disk.
        for cut in [promise.log, usize::midpoint(promise.log, next), next.max(promise.log + 1) - 1] {
            after_power_loss(&database, &log[..cut.min(log.len())], &promises[..=n], &promise.bodies).await;
        }
    }
}

async fn after_power_loss(database: &[u8], log: &[u8], promises: &[Promise], bodies: &HashMap<String, Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("spool/bodies")).unwrap();
    std::fs::write(dir.path().join("spool/queue.db"), database).unwrap();
    std::fs::write(dir.path().join("spool/queue.db-wal"), log).unwrap();
    for (name, octets) in bodies {
        std::fs::write(dir.path().join("spool/bodies").join(name), octets).unwrap();
    }
    let (spool, recovery) = open(dir.path());
    assert!(recovery.set_aside.is_empty(), "{:?}", recovery.set_aside);
    for promise in promises {
        assert_eq!(octets_of(&spool.load(promise.id).await.unwrap()), promise.octets);
    }
    assert_eq!(recovery.entries, promises.len() as u64);
}
