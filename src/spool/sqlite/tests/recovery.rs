//! What the next start makes of what it finds.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::spool::body::body_path;

#[tokio::test]
async fn entries_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let (small, large) = (store(&spool, b"small").await, store(&spool, &vec![b'x'; 100_000]).await);
    spool.close().await;
    drop(spool);
    let (spool, recovery) = open(dir.path());
    assert_eq!((recovery.entries, recovery.leftovers, recovery.set_aside.len()), (2, 0, 0));
    assert_eq!(recovery.accounts.into_values().collect::<Vec<_>>(), [2]);
    assert_eq!(octets_of(&spool.load(small).await.unwrap()), b"small");
    assert_eq!(octets_of(&spool.load(large).await.unwrap()).len(), 100_000);
}

#[tokio::test]
async fn ids_go_on_above_all_others_when_the_clock_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let before = store(&spool, b"x").await;
    // Delivered and gone: only the mark remembers it.
    deliver(&spool, before).await;
    drop(spool);
    let hour_ago = NOW.before(Duration::from_secs(3600));
    let (spool, _) = SqliteSpool::open(settings(dir.path()), Clock::manual(hour_ago)).unwrap();
    assert!(store(&spool, b"y").await > before);
}

#[test]
fn a_second_process_is_told_who_holds_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let error = SqliteSpool::open(settings(dir.path()), Clock::manual(NOW)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&std::process::id().to_string()) && text.contains(&dir.path().display().to_string()), "{text}");
    drop(spool);
    open(dir.path());
}

#[test]
fn everything_is_made_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("a/b");
    let (_spool, _) = open(&data_dir);
    let mode = |name: &str| std::fs::metadata(data_dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("spool"), mode("spool/bodies")), (0o700, 0o700, 0o700));
    assert_eq!((mode("lock"), mode("spool/queue.db"), mode("spool/queue.db-wal")), (0o600, 0o600, 0o600));
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = SqliteSpool::open(settings(&file), Clock::manual(NOW)).unwrap_err();
    assert!(matches!(error, OpenError::NotAFolder { .. }), "{error}");
    let error = SqliteSpool::open(settings(&file.join("below")), Clock::manual(NOW)).unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
}

#[test]
fn a_later_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    tamper(dir.path(), "PRAGMA user_version = 9");
    let error = SqliteSpool::open(settings(dir.path()), Clock::manual(NOW)).unwrap_err();
    assert!(matches!(error, OpenError::Later { found: 9, known: 1, .. }), "{error}");
}

#[tokio::test]
async fn files_of_no_entry_are_removed_and_other_files_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = store(&spool, &vec![b'x'; 100_000]).await;
    drop(spool);
    let bodies = dir.path().join("spool/bodies");
    let (part, whole) = (id.next(), id.next().next());
    std::fs::write(bodies.join(format!("{part}.part")), "x").unwrap();
    std::fs::write(body_path(&bodies, whole), "x").unwrap();
    std::fs::write(bodies.join("notes.txt"), "x").unwrap();
    let (spool, recovery) = open(dir.path());
    assert_eq!((recovery.entries, recovery.leftovers, recovery.set_aside.len()), (1, 2, 0));
    assert_eq!(body_files(dir.path()).len(), 2);
    assert!(store(&spool, b"y").await > whole);
}

#[tokio::test]
async fn entries_whose_file_is_missing_or_short_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let (missing, short) = (store(&spool, &vec![b'x'; 100_000]).await, store(&spool, &vec![b'y'; 100_000]).await);
    let whole = store(&spool, b"whole").await;
    drop(spool);
    let bodies = dir.path().join("spool/bodies");
    std::fs::remove_file(body_path(&bodies, missing)).unwrap();
    std::fs::write(body_path(&bodies, short), "short").unwrap();
    let (spool, recovery) = open(dir.path());
    assert_eq!((recovery.entries, recovery.set_aside.len()), (1, 2));
    for aside in &recovery.set_aside {
        let id = if aside.why.contains("missing") { missing } else { short };
        assert_eq!(aside.what, format!("entry {id}"));
        assert_eq!(std::fs::read(aside.kept_at.join(format!("{id}.header"))).unwrap(), HEADER);
        assert!(std::fs::read_to_string(aside.kept_at.join(format!("{id}.json"))).unwrap().contains("b@contoso.com"));
        assert_eq!(aside.kept_at.join(format!("{id}.body")).exists(), id == short);
    }
    assert_eq!(spool.list(None, 10).await.unwrap().iter().map(|entry| entry.id).collect::<Vec<_>>(), [whole]);
}

#[tokio::test]
async fn a_damaged_body_is_found_when_it_is_loaded_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let (damaged, header, sound) = (store(&spool, b"12345").await, store(&spool, b"12345").await, store(&spool, b"12345").await);
    drop(spool);
    let change = |column, id| format!("UPDATE contents SET {column} = CAST('12x45' AS BLOB) WHERE id = {};", row::key(id));
    tamper(dir.path(), &(change("body", damaged) + &change("header", header)));
    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery.entries, 3);
    for id in [damaged, header] {
        for _ in 0..2 {
            assert!(matches!(spool.look(id).await, Err(SpoolError::Damaged { id: found, .. }) if found == id), "looking changes nothing");
        }
        assert!(matches!(spool.load(id).await, Err(SpoolError::Damaged { id: found, .. }) if found == id));
        assert!(matches!(spool.load(id).await, Err(SpoolError::NoSuchEntry(_))));
    }
    assert_eq!(octets_of(&spool.load(sound).await.unwrap()), b"12345");
    assert_eq!(spool.totals().await.unwrap().waiting, 1);
    let kept = std::fs::read_dir(dir.path()).unwrap().map(|found| found.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.join(format!("{damaged}.body")).exists()).collect();
    assert_eq!(std::fs::read(kept[0].join(format!("{damaged}.body"))).unwrap(), b"12x45");
}

#[tokio::test]
async fn a_corrupt_database_is_set_aside_with_its_bodies() {
    let ruins: [fn(&mut Vec<u8>); 3] =
        [|octets| octets[..100].fill(b'!'), |octets| octets[8192..].fill(0xff), |octets| octets.truncate(5000)];
    for ruin in ruins {
        let dir = tempfile::tempdir().unwrap();
        let (spool, _) = open(dir.path());
        let id = store(&spool, &vec![b'x'; 100_000]).await;
        drop(spool);
        let database = dir.path().join("spool/queue.db");
        let mut octets = std::fs::read(&database).unwrap();
        ruin(&mut octets);
        std::fs::write(&database, &octets).unwrap();

        let (spool, recovery) = open(dir.path());
        assert_eq!((recovery.entries, recovery.leftovers, recovery.set_aside.len()), (0, 0, 1));
        let kept = &recovery.set_aside[0].kept_at;
        assert_eq!(std::fs::read(kept.join("queue.db")).unwrap(), octets);
        assert_eq!(std::fs::metadata(body_path(&kept.join("bodies"), id)).unwrap().len(), 100_000);
        store(&spool, b"works").await;
    }
}

#[tokio::test]
async fn a_row_with_what_only_a_later_version_knows_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = store(&spool, b"hi").await;
    drop(spool);
    tamper(dir.path(), r#"UPDATE entries SET message = json_set(message, '$.repairs', json('["of-tomorrow","no-date"]'), '$.new', 1)"#);
    let (spool, _) = open(dir.path());
    assert_eq!(spool.list(None, 10).await.unwrap().len(), 1);
    let repairs = spool.load(id).await.unwrap().message.repairs;
    assert_eq!(repairs.to_string(), "no-date");
}

/// Makes a database that is larger than what is checked at every start, and damages the page of its table that has the oldest
/// entries: a start only looks for the youngest. Gives the oldest entry and how many there are.
async fn damage_the_oldest(dir: &Path) -> (EntryId, u64) {
    let (spool, _) = open(dir);
    let oldest = store(&spool, &[b'x'; 50_000]).await;
    for _ in 0..12 {
        futures_util::future::join_all((0..64).map(|_| store(&spool, &[b'x'; 50_000]))).await;
    }
    drop(spool);
    let database = dir.join("spool/queue.db");
    let root: i64 = Connection::open(&database)
        .and_then(|connection| connection.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'entries'", [], |row| row.get(0)))
        .unwrap();
    let mut octets = std::fs::read(&database).unwrap();
    let root = &octets[(usize::try_from(root).unwrap() - 1) * 8192..];
    // The first child of the table's root (file format, section 1.6).
    let cell = usize::from(u16::from_be_bytes([root[12], root[13]]));
    let child = u32::from_be_bytes(root[cell..cell + 4].try_into().unwrap()) as usize;
    octets[(child - 1) * 8192..][..64].fill(0xff);
    std::fs::write(&database, &octets).unwrap();
    (oldest, 769)
}

#[tokio::test]
async fn damage_that_is_met_in_a_large_database_is_mended_at_the_next_start() {
    for by_the_writer in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (oldest, entries) = damage_the_oldest(dir.path()).await;
        let (spool, recovery) = open(dir.path());
        assert_eq!((recovery.entries, recovery.set_aside.len()), (entries, 0));
        let met = if by_the_writer {
            spool.record(record(oldest, vec![delivered("a@contoso.com")], State::Held)).await
        } else {
            spool.due(office(), NOW, Vec::new(), 10).await.map(drop)
        };
        assert!(matches!(met, Err(SpoolError::Failed { .. })), "{met:?}");
        drop(spool);
        let (spool, recovery) = open(dir.path());
        assert_eq!((recovery.entries, recovery.set_aside.len()), (0, 1));
        assert!(recovery.set_aside[0].kept_at.join("queue.db").exists());
        drop(spool);
        assert_eq!(open(dir.path()).1.set_aside.len(), 0, "the mark went with the database");
    }
}

#[tokio::test]
async fn bodies_without_any_database_are_not_taken_for_leftovers() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = store(&spool, &vec![b'x'; 100_000]).await;
    drop(spool);
    std::fs::remove_file(dir.path().join("spool/queue.db")).unwrap();
    let (_spool, recovery) = open(dir.path());
    assert_eq!(recovery.set_aside.len(), 1);
    assert!(body_path(&recovery.set_aside[0].kept_at.join("bodies"), id).exists());
}
