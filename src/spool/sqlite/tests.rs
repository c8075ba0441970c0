//! The engine: what it promises, what a failure at each step leaves, and what the next start makes of it.

mod faults;
mod moving;
mod power;
mod recovery;

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::cause::Cause;
use crate::delivery::{Body, Failure, NextStep, Scope, Stage};
use crate::message::{BodyFacts, Decision, DisplayName, Envelope, HeaderBlock, Identity, Mailbox, Origin, Repairs, ReplyTo, ReversePath};
use crate::spool::{Progress, Recipient, State};

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const HEADER: &[u8] = b"Subject: scan\r\nTo: a@contoso.com\r\n";

fn settings(dir: &Path) -> Settings {
    Settings { dir: dir.to_owned(), reserve: 0, memory: 8 << 20, inline: 64 << 10 }
}

fn open(dir: &Path) -> (SqliteSpool, Recovery) {
    SqliteSpool::open(settings(dir), Clock::manual(NOW)).unwrap()
}

fn office() -> AccountName {
    AccountName::new("office")
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

fn message(account: &str, recipients: &[&str]) -> NewEntry {
    NewEntry {
        origin: Origin {
            client: std::net::IpAddr::from([192, 168, 10, 21]).into(),
            listener: "127.0.0.1:25".into(),
            helo: Some("copier \"2\"".into()),
            esmtp: true,
            login: None,
            tls: false,
            charset: None,
            received: NOW,
        },
        envelope: Envelope {
            sender: ReversePath::Other("scanner".into()),
            recipients: recipients.iter().map(|text| mailbox(text)).collect(),
            smtputf8: true,
        },
        header: HeaderBlock::new(HEADER),
        repairs: Repairs::none(),
        facts: BodyFacts { size: 7, eight_bit: true, ..BodyFacts::default() },
        decision: Decision {
            account: AccountName::new(account),
            identity: Identity {
                from: mailbox("noreply@contoso.com"),
                name: DisplayName::Fixed("Copier".into()),
                reply_to: ReplyTo::Address(mailbox("it@contoso.com")),
            },
        },
    }
}

async fn write_body(spool: &SqliteSpool, octets: &[u8]) -> Result<WrittenBody, SpoolError> {
    let mut writer = spool.begin_body();
    writer.write(octets).await?;
    writer.finish().await
}

async fn try_store(spool: &SqliteSpool, octets: &[u8]) -> Result<EntryId, SpoolError> {
    let body = write_body(spool, octets).await?;
    Ok(spool.store(message("office", &["a@contoso.com", "b@contoso.com"]), body).await?.entry())
}

async fn store(spool: &SqliteSpool, octets: &[u8]) -> EntryId {
    try_store(spool, octets).await.unwrap()
}

fn octets_of(entry: &Entry) -> Vec<u8> {
    match &entry.body {
        Body::Memory(octets) => octets.to_vec(),
        Body::File { path, length } => {
            let octets = std::fs::read(path).unwrap();
            assert_eq!(octets.len() as u64, *length);
            octets
        }
    }
}

fn failure(stage: Stage) -> Failure {
    Failure { scope: Scope::Recipient, next: NextStep::Retry, cause: Cause::Unknown, stage, detail: "451 later".into() }
}

fn delivered(address: &str) -> Recipient {
    Recipient { mailbox: mailbox(address), progress: Progress::Delivered("250 OK".into()) }
}

fn deferred(address: &str, stage: Stage) -> Recipient {
    Recipient { mailbox: mailbox(address), progress: Progress::Open(Some(failure(stage))) }
}

fn record(id: EntryId, recipients: Vec<Recipient>, then: State) -> Record {
    Record { id, account: office(), at: NOW, recipients, then, sent: 1, counts: true }
}

async fn deliver(spool: &SqliteSpool, id: EntryId) {
    spool.record(record(id, vec![delivered("a@contoso.com"), delivered("b@contoso.com")], State::Held)).await.unwrap();
}

fn body_files(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("spool/bodies")).unwrap();
    names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect()
}

/// Changes the database behind the spool's back.
fn tamper(dir: &Path, sql: &str) {
    Connection::open(dir.join("spool/queue.db")).unwrap().execute_batch(sql).unwrap();
}

fn same_message(one: &NewEntry, other: &NewEntry) {
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}

#[tokio::test]
async fn what_is_stored_is_loaded_fresh_and_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery, Recovery::default());
    for octets in [&b""[..], b"small\r\n", &vec![b'L'; 300_000]] {
        let id = store(&spool, octets).await;
        let in_memory = octets.len() < 100_000;
        assert_eq!(octets_of(&spool.look(id).await.unwrap()), octets);
        assert_eq!(spool.shared.fresh.look(id).is_some(), in_memory, "looking leaves it where it is");
        for _ in 0..2 {
            let entry = spool.load(id).await.unwrap();
            assert_eq!((entry.id, entry.state, entry.attempts), (id, State::Waiting(NOW), 0));
            assert_eq!(octets_of(&entry), octets);
            assert_eq!(entry.recipients.len(), 2);
            same_message(&entry.message, &message("office", &["a@contoso.com", "b@contoso.com"]));
        }
    }
    assert_eq!(body_files(dir.path()).len(), 1);
    let unknown = EntryId::from_u64(7);
    assert!(matches!(spool.load(unknown).await, Err(SpoolError::NoSuchEntry(id)) if id == unknown));
}

#[tokio::test]
async fn an_entry_goes_when_its_last_recipient_is_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = store(&spool, &vec![b'x'; 100_000]).await;
    let later = State::Waiting(NOW.after(Duration::from_secs(60)));
    spool.record(record(id, vec![delivered("B@contoso.com"), deferred("a@contoso.com", Stage::Rcpt)], later)).await.unwrap();
    let entry = spool.load(id).await.unwrap();
    assert_eq!((entry.state, entry.attempts), (later, 1));
    assert_eq!(entry.recipients, [deferred("a@contoso.com", Stage::Rcpt), delivered("b@contoso.com")]);

    spool.record(record(id, vec![delivered("a@contoso.com")], State::Held)).await.unwrap();
    assert!(matches!(spool.load(id).await, Err(SpoolError::NoSuchEntry(_))));
    assert!(body_files(dir.path()).is_empty());
    assert_eq!(spool.totals().await.unwrap(), Totals::default());
    let again = spool.record(record(id, vec![delivered("a@contoso.com")], State::Held)).await;
    assert!(matches!(again, Err(SpoolError::NoSuchEntry(_))));
}

#[tokio::test]
async fn an_entry_whose_recipients_are_refused_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = store(&spool, b"x").await;
    let refused = |address| Recipient { mailbox: mailbox(address), progress: Progress::Refused(failure(Stage::Rcpt)) };
    spool.record(record(id, vec![refused("a@contoso.com"), refused("b@contoso.com")], State::Held)).await.unwrap();
    assert_eq!(spool.load(id).await.unwrap().state, State::Held);
    assert_eq!(spool.totals().await.unwrap(), Totals { waiting: 0, held: 1, oldest: Some(NOW) });
}

#[tokio::test]
async fn what_is_due_comes_longest_due_first() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let (first, second, third) = (store(&spool, b"1").await, store(&spool, b"2").await, store(&spool, b"3").await);
    let other = spool.store(message("other", &["a@contoso.com"]), write_body(&spool, b"4").await.unwrap()).await.unwrap();
    let soon = NOW.after(Duration::from_secs(30));
    spool.record(record(first, vec![deferred("a@contoso.com", Stage::Mail)], State::Waiting(soon))).await.unwrap();

    let due = spool.due(office(), NOW, Vec::new(), 10).await.unwrap();
    let expected = |id| Due { id, account: office(), at: NOW, attempts: 0, recipients: 2 };
    assert_eq!(due, [expected(second), expected(third)]);
    let due = spool.due(office(), soon, vec![second], 2).await.unwrap();
    assert_eq!(due, [expected(third), Due { at: soon, attempts: 1, ..expected(first) }]);
    assert_eq!(spool.due(AccountName::new("other"), NOW, Vec::new(), 10).await.unwrap()[0].id, other.entry());

    assert_eq!(spool.next_due(office(), Vec::new()).await.unwrap(), Some(NOW));
    assert_eq!(spool.next_due(office(), vec![second, third]).await.unwrap(), Some(soon));
    assert_eq!(spool.next_due(office(), vec![first, second, third]).await.unwrap(), None);
}

#[tokio::test]
async fn lists_and_totals_tell_of_all_entries() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let (first, second) = (store(&spool, b"12345").await, store(&spool, &vec![b'x'; 100_000]).await);
    spool.record(record(first, vec![deferred("a@contoso.com", Stage::Mail)], State::Held)).await.unwrap();
    let list = spool.list(None, 10).await.unwrap();
    assert_eq!(list.iter().map(|entry| entry.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!((list[0].size, list[1].size), (HEADER.len() as u64 + 5, HEADER.len() as u64 + 100_000));
    assert_eq!((list[0].state, list[0].attempts), (State::Held, 1));
    assert_eq!((list[1].account.as_str(), list[1].from.as_str()), ("office", "noreply@contoso.com"));
    assert_eq!(spool.list(Some(first), 1).await.unwrap()[0].id, second);
    assert_eq!(spool.totals().await.unwrap(), Totals { waiting: 1, held: 1, oldest: Some(NOW) });
}

#[tokio::test]
async fn use_of_the_limits_is_counted_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = store(&spool, b"x").await;
    let outcomes = vec![deferred("a@contoso.com", Stage::FinalReply), deferred("b@contoso.com", Stage::Rcpt)];
    spool.record(record(id, outcomes, State::Waiting(NOW))).await.unwrap();
    spool.record(Record { sent: 0, counts: false, ..record(id, Vec::new(), State::Held) }).await.unwrap();
    deliver(&spool, id).await;
    drop(spool);
    let (spool, _) = open(dir.path());
    assert_eq!(spool.usage(office(), NOW).await.unwrap(), Usage { messages: 2, recipients: 3 });
    assert_eq!(spool.usage(office(), NOW.after(ops::SLICE)).await.unwrap(), Usage::default());
    assert_eq!(spool.usage(AccountName::new("other"), NOW).await.unwrap(), Usage::default());
}

#[tokio::test]
async fn many_senders_at_once_each_get_their_own_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Arc::new(open(dir.path()).0);
    let one = |n: usize| {
        let spool = Arc::clone(&spool);
        async move { (store(&spool, format!("message {n}").as_bytes()).await, n) }
    };
    let tasks: Vec<_> = (0..100).map(|n| tokio::spawn(one(n))).collect();
    for task in tasks {
        let (id, n) = task.await.unwrap();
        assert_eq!(octets_of(&spool.load(id).await.unwrap()), format!("message {n}").as_bytes());
    }
    assert_eq!(spool.totals().await.unwrap().waiting, 100);
}

#[tokio::test]
async fn bodies_of_all_sessions_share_one_budget() {
    let dir = tempfile::tempdir().unwrap();
    let tight = Settings { memory: 64 << 10, inline: 40 << 10, ..settings(dir.path()) };
    let (spool, _) = SqliteSpool::open(tight, Clock::manual(NOW)).unwrap();
    let bodies = [write_body(&spool, &[b'1'; 30_000]).await.unwrap(), write_body(&spool, &[b'2'; 30_000]).await.unwrap()];
    assert_eq!(body_files(dir.path()).len(), 1);
    for body in bodies {
        let id = spool.store(message("office", &["a@contoso.com"]), body).await.unwrap().entry();
        assert_eq!(octets_of(&spool.load(id).await.unwrap()).len(), 30_000);
    }
    assert_eq!(spool.shared.bodies.budget.used(), 0);
}

#[tokio::test]
async fn after_closing_nothing_is_promised() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    store(&spool, b"x").await;
    spool.close().await;
    assert!(try_store(&spool, b"y").await.is_err());
    let log = dir.path().join("spool/queue.db-wal");
    assert!(std::fs::metadata(log).map_or(true, |file| file.len() == 0));
}

#[test]
fn questions_of_every_plan_are_answered_from_an_index_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    for sql in [reader::DUE, reader::NEXT_DUE] {
        let explain = |connection: &Connection| {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let parameters = statement.parameter_count();
            let steps = statement.query_map(rusqlite::params_from_iter(vec![1; parameters]), |row| row.get::<_, String>(3))?;
            steps.collect::<Result<Vec<_>, _>>()
        };
        let plan = spool.shared.readers.ask(explain).unwrap();
        assert!(plan.len() == 1 && plan[0].contains("INDEX waiting"), "{plan:?}");
    }
}

#[tokio::test]
async fn a_person_may_have_an_entry_tried_again_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let id = store(&spool, &[b'x'; 100_000]).await;
    let refused = Recipient { mailbox: mailbox("b@contoso.com"), progress: Progress::Refused(failure(Stage::Rcpt)) };
    spool.record(record(id, vec![delivered("a@contoso.com"), refused], State::Held)).await.unwrap();
    assert_eq!((spool.totals().await.unwrap().waiting, spool.totals().await.unwrap().held), (0, 1));

    spool.order(id, Order::Retry).await.unwrap();
    assert_eq!((spool.totals().await.unwrap().waiting, spool.totals().await.unwrap().held), (1, 0));
    let entry = spool.load(id).await.unwrap();
    assert_eq!((entry.state, entry.attempts), (State::Waiting(NOW), 1), "an order is no attempt");
    assert!(matches!(entry.recipients[0].progress, Progress::Delivered(_)), "nobody gets it twice");
    assert!(matches!(entry.recipients[1].progress, Progress::Open(Some(_))));

    spool.order(id, Order::Remove).await.unwrap();
    assert_eq!((spool.totals().await.unwrap(), body_files(dir.path()).len()), (Totals::default(), 0));
    for order in [Order::Retry, Order::Remove] {
        assert!(matches!(spool.order(id, order).await, Err(SpoolError::NoSuchEntry(_))));
    }
}
