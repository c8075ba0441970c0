//! The loop with a scripted courier and a real spool.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::*;
use crate::cause::Cause;
use crate::clock::{Clock, Timestamp};
use crate::delivery::{Advice, Attempt, Attempted, Courier, Failure, Later, NextStep, Outcome, Report, Scope, Stage};
use crate::message::{
    BodyFacts, Decision, DisplayName, EntryId, Envelope, HeaderBlock, Identity, Mailbox, Origin, Repairs, ReplyTo, ReversePath,
};
use crate::spool::{
    BodyWriter, Due, Entry, NewEntry, Order, Record, Settings, Spool, SpoolError, SqliteSpool, State, Storage, Summary, Totals, Usage,
    WrittenBody,
};
use crate::tasks::Group;

const PATIENCE: Duration = Duration::from_secs(60);

/// Answers as it was told, then delivers; counts what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Attempted>>,
    attempts: Mutex<Vec<EntryId>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// While set, attempts do not end.
    stuck: AtomicBool,
    /// The next attempt panics.
    panics: AtomicBool,
    /// Where the entries are.
    spool: OnceLock<Arc<Fragile>>,
}

fn recipient() -> Mailbox {
    Mailbox::parse("anna@example.com").unwrap()
}

fn answer(outcome: Outcome) -> Attempted {
    Attempted::Tried(Report { outcomes: vec![(recipient(), outcome)] })
}

fn failed(scope: Scope, next: NextStep, stage: Stage) -> Attempted {
    answer(Outcome::Deferred(Failure { scope, next, cause: Cause::Unknown, stage, detail: "450 not now".into() }))
}

impl Courier for Script {
    fn attempt(&self, attempt: Attempt) -> Later<'_, Attempted> {
        Box::pin(async move {
            // Announced only when the loop had found it by itself, and it is delivered already: the real courier looks, too.
            if let Err(SpoolError::NoSuchEntry(_)) = self.spool.get().unwrap().look(attempt.entry).await {
                return Attempted::Gone;
            }
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            self.attempts.lock().unwrap().push(attempt.entry);
            while self.stuck.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            assert!(!self.panics.swap(false, Ordering::SeqCst), "as the test wants it");
            self.answers.lock().unwrap().pop_front().unwrap_or_else(|| answer(Outcome::Delivered("250 2.0.0 OK".into())))
        })
    }
}

/// A real spool whose records fail while told so.
struct Fragile {
    spool: SqliteSpool,
    broken: AtomicBool,
}

impl Spool for Fragile {
    fn storage(&self) -> Storage {
        self.spool.storage()
    }
    fn begin_body(&self) -> BodyWriter {
        self.spool.begin_body()
    }
    fn store(&self, entry: NewEntry, body: WrittenBody) -> Later<'_, Result<crate::message::Receipt, SpoolError>> {
        self.spool.store(entry, body)
    }
    fn load(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>> {
        self.spool.load(id)
    }
    fn look(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>> {
        self.spool.look(id)
    }
    fn due(&self, account: AccountName, now: Timestamp, except: Vec<EntryId>, limit: usize) -> Later<'_, Result<Vec<Due>, SpoolError>> {
        self.spool.due(account, now, except, limit)
    }
    fn next_due(&self, account: AccountName, except: Vec<EntryId>) -> Later<'_, Result<Option<Timestamp>, SpoolError>> {
        self.spool.next_due(account, except)
    }
    fn record(&self, record: Record) -> Later<'_, Result<(), SpoolError>> {
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(SpoolError::Full { dir: "/full".into() }) });
        }
        self.spool.record(record)
    }
    fn usage(&self, account: AccountName, since: Timestamp) -> Later<'_, Result<Usage, SpoolError>> {
        self.spool.usage(account, since)
    }
    fn list(&self, after: Option<EntryId>, limit: usize) -> Later<'_, Result<Vec<Summary>, SpoolError>> {
        self.spool.list(after, limit)
    }
    fn totals(&self) -> Later<'_, Result<Totals, SpoolError>> {
        self.spool.totals()
    }
    fn order(&self, id: EntryId, order: Order) -> Later<'_, Result<(), SpoolError>> {
        self.spool.order(id, order)
    }
    fn close(&self) -> Later<'_, ()> {
        self.spool.close()
    }
}

/// A scheduler at work.
struct Bench {
    spool: Arc<Fragile>,
    script: Arc<Script>,
    arrivals: mpsc::Sender<Due>,
    status: watch::Receiver<Status>,
    scheduler: Group,
    attempts: Group,
    folder: tempfile::TempDir,
}

const ACCOUNT: &str = "office";

impl Bench {
    async fn start(script: Script, connections: usize) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), script, connections, 0).await
    }

    /// Starts with `stored` entries that nobody announced.
    async fn start_in(folder: tempfile::TempDir, script: Script, connections: usize, stored: usize) -> Self {
        let settings = Settings { dir: folder.path().join("data"), reserve: 1, memory: 1 << 20, inline: 1 << 16 };
        let (spool, _) = SqliteSpool::open(settings, Clock::system()).unwrap();
        let spool = Arc::new(Fragile { spool, broken: AtomicBool::new(false) });
        for _ in 0..stored {
            store(&*spool).await;
        }
        script.spool.set(spool.clone()).ok().unwrap();
        let (arrivals, heard) = mpsc::channel(4);
        let (script, scheduler, attempts) = (Arc::new(script), Group::new("scheduler"), Group::new("attempts"));
        let limits = [AccountLimits { account: AccountName::new(ACCOUNT), connections, messages_per_minute: None }];
        let retry = Retry { first: Duration::from_millis(20), longest: Duration::from_millis(100) };
        let made =
            Scheduler::new(&limits, (retry, Advice::default()), spool.clone(), script.clone(), Clock::system(), heard, attempts.clone());
        let made = made.await.unwrap();
        let status = made.status();
        let stopping = scheduler.clone();
        scheduler.spawn(async move { made.run(stopping.stopping()).await });
        Self { spool, script, arrivals, status, scheduler, attempts, folder }
    }

    /// Stores an entry and announces it as intake does.
    async fn arrive(&self) -> EntryId {
        let id = store(&*self.spool).await;
        let due = Due { id, account: AccountName::new(ACCOUNT), at: Clock::system().now(), attempts: 0, recipients: 1 };
        let _ = self.arrivals.try_send(due);
        id
    }

    async fn until(&self, what: &str, mut condition: impl AsyncFnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !condition(self).await {
            assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn until_empty(&self) {
        self.until("an empty spool", async |bench| bench.spool.totals().await.unwrap() == Totals::default()).await;
    }

    async fn stop(self) -> tempfile::TempDir {
        assert_eq!(self.scheduler.stop(PATIENCE).await.left, 0);
        assert_eq!(self.attempts.stop(PATIENCE).await.left, 0);
        self.spool.close().await;
        self.folder
    }

    fn tried(&self) -> Vec<EntryId> {
        self.script.attempts.lock().unwrap().clone()
    }
}

async fn store(spool: &dyn Spool) -> EntryId {
    let mut body = spool.begin_body();
    body.write(b"text\r\n").await.unwrap();
    let from = Mailbox::parse("noreply@contoso.com").unwrap();
    let entry = NewEntry {
        origin: Origin {
            client: std::net::IpAddr::from([127, 0, 0, 1]).into(),
            listener: "127.0.0.1:25".into(),
            helo: None,
            esmtp: false,
            login: None,
            tls: false,
            charset: None,
            received: Clock::system().now(),
        },
        envelope: Envelope { sender: ReversePath::Null, recipients: vec![recipient()], smtputf8: false },
        header: HeaderBlock::new(&b"Subject: x\r\n"[..]),
        repairs: Repairs::none(),
        facts: BodyFacts { size: 6, ..BodyFacts::default() },
        decision: Decision {
            account: AccountName::new(ACCOUNT),
            identity: Identity { from, name: DisplayName::Original, reply_to: ReplyTo::Keep },
        },
    };
    spool.store(entry, body.finish().await.unwrap()).await.unwrap().entry()
}

#[tokio::test]
async fn delivers_what_arrives_each_once_and_no_more_at_once_than_allowed() {
    let bench = Bench::start(Script::default(), 3).await;
    let mut stored = Vec::new();
    for _ in 0..50 {
        stored.push(bench.arrive().await);
    }
    bench.until_empty().await;
    let mut tried = bench.tried();
    tried.sort();
    assert_eq!(tried, stored);
    assert!(bench.script.most_at_once.load(Ordering::SeqCst) <= 3);
    bench.stop().await;
}

#[tokio::test]
async fn picks_up_what_was_stored_before_it_started() {
    let bench = Bench::start_in(tempfile::tempdir().unwrap(), Script::default(), 2, 20).await;
    bench.until_empty().await;
    assert_eq!(bench.tried().len(), 20);
    bench.stop().await;
}

#[tokio::test]
async fn tries_again_after_a_pause_until_it_is_delivered() {
    let answers = [NextStep::Retry, NextStep::Split, NextStep::Reconnect].map(|next| failed(Scope::Message, next, Stage::FinalReply));
    let bench = Bench::start(Script { answers: Mutex::new(answers.into()), ..Script::default() }, 1).await;
    let id = bench.arrive().await;
    bench.until_empty().await;
    assert_eq!(bench.tried(), [id; 4]);
    bench.stop().await;
}

#[tokio::test]
async fn a_refused_entry_is_held_and_the_next_goes_out() {
    let refusal =
        Failure { scope: Scope::Recipient, next: NextStep::GiveUp, cause: Cause::Unknown, stage: Stage::Rcpt, detail: "550 no".into() };
    let answers = VecDeque::from([answer(Outcome::Refused(refusal))]);
    let bench = Bench::start(Script { answers: Mutex::new(answers), ..Script::default() }, 1).await;
    let refused = bench.arrive().await;
    bench.arrive().await;
    bench
        .until("one held entry", async |bench| {
            let totals = bench.spool.totals().await.unwrap();
            (totals.waiting, totals.held) == (0, 1)
        })
        .await;
    assert_eq!(bench.spool.load(refused).await.unwrap().state, State::Held);
    assert_eq!(bench.tried().len(), 2);
    bench.stop().await;
}

#[tokio::test]
async fn an_account_in_trouble_is_tried_one_at_a_time_and_then_everything_goes() {
    let answers: VecDeque<_> = (0..6).map(|_| failed(Scope::Account, NextStep::Hold, Stage::Auth)).collect();
    let script = Script { answers: Mutex::new(answers), stuck: AtomicBool::new(true), ..Script::default() };
    let bench = Bench::start(script, 3).await;
    for _ in 0..10 {
        bench.arrive().await;
    }
    bench.until("three attempts at once", async |bench| bench.tried().len() == 3).await;
    bench.script.stuck.store(false, Ordering::SeqCst);
    let mut status = bench.status.clone();
    let troubled = |status: &Status| matches!(status.accounts[&AccountName::new(ACCOUNT)], LaneState::Troubled { .. });
    tokio::time::timeout(PATIENCE, status.wait_for(troubled)).await.unwrap().unwrap();
    bench.script.most_at_once.store(0, Ordering::SeqCst);
    let probed = |bench: &Bench| bench.script.answers.lock().unwrap().is_empty();
    bench.until("the trouble to end", async |bench| probed(bench)).await;
    assert_eq!(bench.script.most_at_once.load(Ordering::SeqCst), 1, "one entry at a time finds out");
    bench.until_empty().await;
    assert_eq!(*bench.status.borrow(), Status { accounts: [(AccountName::new(ACCOUNT), LaneState::Open)].into(), unrecorded: 0 });
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_an_outcome_cannot_be_recorded_nothing_is_started() {
    let bench = Bench::start(Script::default(), 1).await;
    bench.spool.broken.store(true, Ordering::SeqCst);
    bench.arrive().await;
    let mut status = bench.status.clone();
    status.wait_for(|status| status.unrecorded == 1).await.unwrap();
    for _ in 0..5 {
        bench.arrive().await;
    }
    // Ten tries to record, on a clock that does not wait.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.tried().len(), 1, "what was sent once must not be followed by anything");
    bench.spool.broken.store(false, Ordering::SeqCst);
    bench.until_empty().await;
    assert_eq!(bench.tried().len(), 6, "each is sent once");
    bench.stop().await;
}

#[tokio::test]
async fn a_stop_lets_attempts_finish_and_starts_nothing() {
    let bench = Bench::start(Script { stuck: AtomicBool::new(true), ..Script::default() }, 1).await;
    for _ in 0..3 {
        bench.arrive().await;
    }
    bench.until("an attempt", async |bench| bench.tried().len() == 1).await;
    bench.scheduler.stop(PATIENCE).await;
    bench.script.stuck.store(false, Ordering::SeqCst);
    assert_eq!(bench.attempts.stop(PATIENCE).await.left, 0);
    assert_eq!(bench.tried().len(), 1);
    assert_eq!(bench.spool.totals().await.unwrap().waiting, 2, "the attempt that ran recorded its outcome");
    let tried: HashMap<EntryId, usize> = bench.tried().into_iter().map(|id| (id, 1)).collect();
    let folder = bench.stop().await;
    let again = Bench::start_in(folder, Script::default(), 1, 0).await;
    again.until_empty().await;
    assert!(again.tried().iter().all(|id| !tried.contains_key(id)), "nothing is sent twice");
    again.stop().await;
}

#[tokio::test]
async fn an_attempt_that_panics_leaves_its_place_to_others_and_is_not_repeated() {
    let bench = Bench::start(Script { panics: AtomicBool::new(true), ..Script::default() }, 1).await;
    let first = bench.arrive().await;
    bench.until("the first attempt", async |bench| bench.tried() == [first]).await;
    let second = bench.arrive().await;
    bench.until("one delivery", async |bench| bench.spool.totals().await.unwrap().waiting == 1).await;
    assert_eq!(bench.tried(), [first, second]);
    bench.stop().await;
}
