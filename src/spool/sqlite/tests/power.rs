//! Power goes: what was not synced is gone. Every message with a receipt is there all the same.
//!
//! Body files are followed through their steps: what counts is a file's octets when it was synced, under a
//! name that it had when its folder was synced. The database is copied in the writer's own thread when a
//! commit has returned: SQLite has synced its log then (`synchronous=FULL`), and nobody writes meanwhile. Of
//! what the next commit appends any part may have reached the disk.

use std::collections::HashMap;
use std::path::PathBuf;

use super::*;
use crate::spool::disk::{Step, Witness};

type Files = HashMap<String, Vec<u8>>;

/// What would be found if power went now.
#[derive(Clone, Debug, Default)]
struct Remains {
    database: Vec<u8>,
    log: Vec<u8>,
    bodies: Files,
}

/// What is on the disk.
#[derive(Debug)]
struct Platter {
    spool: PathBuf,
    /// Names in the folder of bodies, with the octets that were synced under them or an earlier name.
    names: Mutex<Files>,
    /// The same when the folder was last synced.
    durable: Mutex<Files>,
    /// After each commit.
    commits: Mutex<Vec<Remains>>,
}

impl Platter {
    fn after_commit(&self) -> std::io::Result<()> {
        let read = |name| std::fs::read(self.spool.join(name));
        let bodies = self.durable.lock().unwrap().clone();
        self.commits.lock().unwrap().push(Remains { database: read("queue.db")?, log: read("queue.db-wal")?, bodies });
        Ok(())
    }
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
            Step::Committed => self.after_commit()?,
            Step::Write | Step::Begin | Step::Insert | Step::Update | Step::Commit | Step::Reopen | Step::Move | Step::MoveSync => {}
        }
        Ok(())
    }
}

#[tokio::test]
async fn every_promise_is_kept_when_what_was_not_synced_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let platter = Arc::new(Platter {
        spool: dir.path().join("spool"),
        names: Mutex::default(),
        durable: Mutex::default(),
        commits: Mutex::default(),
    });
    let (spool, _) = SqliteSpool::open_on(settings(dir.path()), Clock::manual(NOW), Disk::watched(platter.clone())).unwrap();
    let mut promises: Vec<(EntryId, Vec<u8>)> = Vec::new();
    for n in 0..12_usize {
        let octets = vec![b'a' + u8::try_from(n).unwrap(); if n % 3 == 0 { 90_000 } else { 900 * n }];
        promises.push((store(&spool, &octets).await, octets));
    }
    drop(spool);

    let commits = platter.commits.lock().unwrap().clone();
    assert_eq!(commits.len(), promises.len());
    for (n, commit) in commits.iter().enumerate() {
        after_power_loss(commit, &promises[..=n]).await;
        let Some(next) = commits.get(n + 1).filter(|next| next.log.starts_with(&commit.log)) else { continue };
        // Half of the next commit, and all but its last octet.
        for end in [usize::midpoint(commit.log.len(), next.log.len()), next.log.len() - 1] {
            let torn = Remains { log: next.log[..end].to_vec(), ..commit.clone() };
            after_power_loss(&torn, &promises[..=n]).await;
        }
    }
}

async fn after_power_loss(remains: &Remains, promises: &[(EntryId, Vec<u8>)]) {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    std::fs::create_dir_all(spool.join("bodies")).unwrap();
    std::fs::write(spool.join("queue.db"), &remains.database).unwrap();
    std::fs::write(spool.join("queue.db-wal"), &remains.log).unwrap();
    for (name, octets) in &remains.bodies {
        std::fs::write(spool.join("bodies").join(name), octets).unwrap();
    }
    let (spool, recovery) = open(dir.path());
    assert!(recovery.set_aside.is_empty(), "{:?}", recovery.set_aside);
    for (id, octets) in promises {
        assert_eq!(&octets_of(&spool.load(*id).await.unwrap()), octets);
    }
    assert_eq!(recovery.entries, promises.len() as u64);
}
