//! Bodies in memory and in files, with each step failing in turn.

use std::sync::Mutex;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::spool::disk::{Step, Witness};

/// Lets the step it is told to fail, and notes every step.
#[derive(Debug, Default)]
struct Faults {
    fails: Mutex<Option<(Step, std::io::ErrorKind)>>,
    seen: Mutex<Vec<Step>>,
}

impl Witness for Faults {
    fn before(&self, step: Step, _path: &Path) -> std::io::Result<()> {
        self.seen.lock().unwrap().push(step);
        match *self.fails.lock().unwrap() {
            Some((failing, kind)) if failing == step => Err(kind.into()),
            Some(_) | None => Ok(()),
        }
    }
}

struct Room {
    dir: tempfile::TempDir,
    faults: Arc<Faults>,
    bodies: Arc<Bodies>,
}

fn room(inline: u64, memory: u64) -> Room {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let disk = Disk::watched(faults.clone());
    let data_dir = dir.path().to_owned();
    let bodies = Bodies {
        dir: data_dir.clone(),
        inline,
        budget: Budget::new(memory),
        health: Arc::new(Health::new(data_dir.clone(), disk.clone(), 0)),
        disk,
        ids: Arc::new(Ids::above(None, Clock::manual(Timestamp::from_millis(1)))),
        data_dir,
    };
    Room { dir, faults, bodies: Arc::new(bodies) }
}

impl Room {
    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn used(&self) -> u64 {
        self.bodies.budget.used()
    }
}

#[tokio::test]
async fn a_small_body_stays_in_memory_and_gives_its_share_back() {
    let room = room(1_000, 10_000);
    let mut writer = BodyWriter::new(Arc::clone(&room.bodies));
    for _ in 0..10 {
        writer.write(&[b'x'; 100]).await.unwrap();
    }
    let body = writer.finish().await.unwrap();
    assert_eq!((body.length(), body.checksum()), (1_000, crc32fast::hash(&[b'x'; 1_000])));
    assert!(matches!(body.body(), Body::Memory(octets) if octets == [b'x'; 1_000][..]));
    assert_eq!((room.used(), room.files().len()), (1_000, 0));
    drop(body);
    assert_eq!(room.used(), 0);
}

#[tokio::test]
async fn a_large_body_goes_to_a_file_without_being_held() {
    let room = room(1_000, 1_000_000);
    let mut writer = BodyWriter::new(Arc::clone(&room.bodies));
    let piece = vec![b'y'; 100_001];
    for _ in 0..30 {
        writer.write(&piece).await.unwrap();
        assert!(room.used() <= CHUNK as u64);
    }
    assert!(room.files()[0].ends_with(".part"));
    let body = writer.finish().await.unwrap();
    assert_eq!(room.used(), 0);
    let Body::File { path, length } = body.body() else { panic!("not a file") };
    let written = std::fs::read(&path).unwrap();
    assert_eq!((length, written.len(), body.checksum()), (3_000_030, 3_000_030, crc32fast::hash(&written)));
    assert_eq!(path.extension().unwrap(), "body");
    drop(body);
    assert!(room.files().is_empty());
}

#[tokio::test]
async fn without_budget_a_small_body_goes_to_a_file_and_nothing_is_held() {
    let room = room(1_000, 150);
    let mut first = BodyWriter::new(Arc::clone(&room.bodies));
    first.write(&[b'1'; 100]).await.unwrap();
    let mut second = BodyWriter::new(Arc::clone(&room.bodies));
    second.write(&[b'2'; 100]).await.unwrap();
    second.write(&[b'3'; 100]).await.unwrap();
    assert_eq!((room.used(), room.files().len()), (100, 1));
    let body = second.finish().await.unwrap();
    let Body::File { path, length: 200 } = body.body() else { panic!("not a file of 200 octets") };
    assert_eq!(std::fs::read(path).unwrap(), [[b'2'; 100], [b'3'; 100]].concat());
}

#[tokio::test]
async fn whatever_step_fails_nothing_is_left() {
    use std::io::ErrorKind::{Other, StorageFull};
    for step in [Step::Create, Step::Write, Step::Sync, Step::Rename, Step::SyncFolder] {
        for kind in [Other, StorageFull] {
            let room = room(10, 1_000_000);
            *room.faults.fails.lock().unwrap() = Some((step, kind));
            let mut writer = BodyWriter::new(Arc::clone(&room.bodies));
            let written = writer.write(&[b'z'; 300_000]).await;
            let finished = writer.finish().await;
            let error = written.and(finished.map(|_| ())).unwrap_err();
            assert_eq!(matches!(error, SpoolError::Full { .. }), kind == StorageFull, "{step:?}: {error:?}");
            assert!(room.files().is_empty(), "{step:?}");
            assert_eq!(room.used(), 0);
            let failing = room.bodies.health.storage() == crate::spool::Storage::Failing;
            assert_eq!(failing, kind == Other, "{step:?}");
        }
    }
}

#[tokio::test]
async fn a_file_is_synced_before_its_folder() {
    let room = room(10, 1_000_000);
    let mut writer = BodyWriter::new(Arc::clone(&room.bodies));
    writer.write(&[b'z'; 100]).await.unwrap();
    writer.finish().await.unwrap().into_content();
    let seen = room.faults.seen.lock().unwrap().clone();
    let order = [Step::Create, Step::Write, Step::Write, Step::Write, Step::Sync, Step::Rename, Step::SyncFolder];
    let kept: Vec<_> = seen.into_iter().filter(|step| *step != Step::Remove).collect();
    let (from_sync, whole) = (kept.iter().position(|step| *step == Step::Sync), order.iter().position(|step| *step == Step::Sync));
    assert_eq!(kept[from_sync.unwrap()..], order[whole.unwrap()..]);
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_no_file() {
    let room = room(10, 1_000_000);
    let mut writer = BodyWriter::new(Arc::clone(&room.bodies));
    writer.write(&[b'z'; 300_000]).await.unwrap();
    assert_eq!(room.files().len(), 1);
    drop(writer);
    assert!(room.files().is_empty());
}

#[tokio::test]
async fn a_writer_without_a_folder_keeps_everything() {
    let mut writer = BodyWriter::in_memory();
    writer.write(&[b'z'; 3_000_000]).await.unwrap();
    assert_eq!(writer.finish().await.unwrap().body().len(), 3_000_000);
}

#[tokio::test]
async fn what_a_message_holds_beside_its_body_counts_and_is_given_back() {
    let room = room(1_000, 10_000);
    let mut first = BodyWriter::new(Arc::clone(&room.bodies));
    first.hold(8_000).unwrap();
    first.hold(9_000).unwrap();
    assert_eq!(room.used(), 9_000, "a header that grows is counted once");
    let mut second = BodyWriter::new(Arc::clone(&room.bodies));
    assert!(matches!(second.hold(1_001), Err(SpoolError::Busy { .. })));
    second.hold(1_000).unwrap();
    // Without memory a body goes to a file, and is taken all the same.
    second.write(b"body").await.unwrap();
    assert_eq!(second.finish().await.unwrap().length(), 4);
    drop(first);
    assert_eq!(room.used(), 0);
}
