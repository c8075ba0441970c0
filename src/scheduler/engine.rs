//! The loop that obeys: starts what the lanes plan, records what attempts come to.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::lane::{Lane, LaneState, WINDOW};
use super::settle::{AccountVerdict, Settlement, names, settle};
use super::{AccountLimits, Retry};
use crate::cause::chain;
use crate::clock::{Clock, Timestamp};
use crate::delivery::{Advice, Attempt, Attempted, Courier, Failure};
use crate::message::{AccountName, Mailbox};
use crate::spool::{Due, Progress, Recipient, Record, Spool, SpoolError, State};
use crate::tasks::Group;

/// The longest the loop sleeps, and how often each lane looks into the spool whatever it was told: a clock that was set back
/// or forward, and an entry that nobody announced, are noticed after this.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Between two tries to record what could not be recorded, or to look into a spool that could not be read.
const SPOOL_PAUSE: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

/// How the scheduler is doing, for status and health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Each account with its state.
    pub accounts: BTreeMap<AccountName, LaneState>,
    /// Outcomes that could not be recorded yet; while there are any, nothing is started.
    pub unrecorded: usize,
}

/// Decides and obeys. [`Scheduler::run`] is the whole of it.
pub struct Scheduler {
    lanes: HashMap<AccountName, Lane>,
    spool: Arc<dyn Spool>,
    courier: Arc<dyn Courier>,
    clock: Clock,
    retry: Retry,
    advice: Advice,
    /// The attempts that run.
    attempts: Group,
    arrivals: mpsc::Receiver<Due>,
    ended: (mpsc::Sender<Ended>, mpsc::Receiver<Ended>),
    unrecorded: Vec<Record>,
    status: watch::Sender<Status>,
}

/// An attempt that ended.
struct Ended {
    due: Due,
    began: Timestamp,
    result: AttemptResult,
}

/// An attempt on its way. However it ends, also by a panic, the loop hears of it.
struct Running {
    due: Due,
    began: Timestamp,
    result: AttemptResult,
    ended: mpsc::Sender<Ended>,
}

impl Running {
    fn end(mut self, result: AttemptResult) {
        self.result = result;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let result = std::mem::replace(&mut self.result, AttemptResult::BrokeOff);
        // There is room for every attempt that may run. The receiver is only gone when the scheduler has stopped; the outcome
        // is recorded all the same.
        let _ = self.ended.try_send(Ended { due: self.due.clone(), began: self.began, result });
    }
}

enum AttemptResult {
    /// It came to no end: it has panicked.
    BrokeOff,
    /// There was nothing to try.
    Gone,
    /// The entry could not be read.
    Unreadable,
    /// It was tried; the record that could not be written, if so.
    Settled(Settlement, Option<Record>),
}

impl Scheduler {
    /// A scheduler for these accounts. It hears of new entries from `arrivals`, and runs attempts in the group `attempts`.
    pub async fn new(
        accounts: &[AccountLimits],
        (retry, advice): (Retry, Advice),
        spool: Arc<dyn Spool>,
        courier: Arc<dyn Courier>,
        clock: Clock,
        arrivals: mpsc::Receiver<Due>,
        attempts: Group,
    ) -> Result<Self, SpoolError> {
        let now = clock.now();
        let mut lanes = HashMap::new();
        for limits in accounts {
            let used = spool.usage(limits.account.clone(), now.before(MINUTE)).await?;
            lanes.insert(limits.account.clone(), Lane::new(limits.clone(), used.messages, now));
        }
        let state = |(account, _): (&AccountName, _)| (account.clone(), LaneState::Open);
        let status = watch::Sender::new(Status { accounts: lanes.iter().map(state).collect(), unrecorded: 0 });
        let ended = mpsc::channel(accounts.iter().map(|limits| limits.connections).sum::<usize>().max(1));
        Ok(Self { lanes, spool, courier, clock, retry, advice, attempts, arrivals, ended, unrecorded: Vec::new(), status })
    }

    /// Where the state can be read.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Schedules until `stopping` resolves. Attempts that run then go on in their group, and record for themselves.
    pub async fn run(mut self, stopping: impl Future<Output = ()>) {
        tokio::pin!(stopping);
        let mut looked = Instant::now();
        loop {
            let wake = self.start_what_may().await;
            let sleep = wake.map_or(LONGEST_SLEEP, |wake| wake.since(self.clock.now()).min(LONGEST_SLEEP));
            tokio::select! {
                biased;
                () = &mut stopping => break,
                Some(ended) = self.ended.1.recv() => self.attempt_ended(ended),
                Some(due) = self.arrivals.recv() => self.arrived(due),
                () = tokio::time::sleep(sleep) => {}
            }
            while let Ok(ended) = self.ended.1.try_recv() {
                self.attempt_ended(ended);
            }
            while let Ok(due) = self.arrivals.try_recv() {
                self.arrived(due);
            }
            if looked.elapsed() >= LONGEST_SLEEP {
                looked = Instant::now();
                self.lanes.values_mut().for_each(Lane::look_again);
            }
        }
        while let Ok(ended) = self.ended.1.try_recv() {
            self.attempt_ended(ended);
        }
        // The last chance: what is not recorded now is sent again after the next start.
        if !self.unrecorded.is_empty() {
            self.record_what_waits().await;
        }
    }

    fn arrived(&mut self, due: Due) {
        match self.lanes.get_mut(&due.account) {
            Some(lane) => lane.arrived(due),
            None => tracing::error!(entry = %due.id, account = %due.account, "entry waits for an account that is not configured"),
        }
    }

    /// Starts what the lanes allow; says when to do so again if nothing happens before.
    async fn start_what_may(&mut self) -> Option<Timestamp> {
        if !self.unrecorded.is_empty() && !self.record_what_waits().await {
            return Some(self.clock.now().after(SPOOL_PAUSE));
        }
        let accounts: Vec<AccountName> = self.lanes.keys().cloned().collect();
        let mut wake = None;
        for account in accounts {
            let next = self.start_for(&account).await;
            wake = earlier(wake, next);
        }
        wake
    }

    async fn start_for(&mut self, account: &AccountName) -> Option<Timestamp> {
        loop {
            let now = self.clock.now();
            let lane = self.lanes.get_mut(account)?;
            let plan = lane.plan(now);
            for due in plan.start {
                self.start(due);
            }
            if !plan.refill {
                return plan.wake;
            }
            if let Err(error) = self.refill(account, now).await {
                tracing::error!(%account, error = chain(&error), "cannot read the queue; mail waits until the spool can be read again");
                return Some(now.after(SPOOL_PAUSE));
            }
        }
    }

    async fn refill(&mut self, account: &AccountName, now: Timestamp) -> Result<(), SpoolError> {
        let Some(lane) = self.lanes.get_mut(account) else { return Ok(()) };
        let mut known = lane.known();
        let mut found = self.spool.due(account.clone(), now, known.clone(), WINDOW).await?;
        if found.len() >= WINDOW {
            lane.refilled(found, None);
            return Ok(());
        }
        known.extend(found.iter().map(|due| due.id));
        let mut next_due = self.spool.next_due(account.clone(), known.clone()).await?;
        // No entry is ever made to wait that long: the clock was set back since. It is due.
        if let Some(at) = next_due.filter(|at| at.since(now) > self.retry.longest.saturating_mul(2)) {
            found.extend(self.spool.due(account.clone(), at, known, WINDOW - found.len()).await?);
            next_due = None;
        }
        lane.refilled(found, next_due);
        Ok(())
    }

    fn start(&self, due: Due) {
        let began = self.clock.now();
        // Later than now only where the clock was set back.
        let attempt = Attempt { entry: due.id, account: due.account.clone(), number: due.attempts + 1, at: began.max(due.at) };
        let (courier, spool, clock, retry) = (self.courier.clone(), self.spool.clone(), self.clock.clone(), self.retry);
        let running = Running { due, began, result: AttemptResult::BrokeOff, ended: self.ended.0.clone() };
        self.attempts.spawn(async move {
            let result = match courier.attempt(attempt.clone()).await {
                Attempted::Gone => AttemptResult::Gone,
                Attempted::Unreadable(why) => {
                    tracing::error!(entry = %attempt.entry, why, "cannot read entry; it stays in the queue");
                    AttemptResult::Unreadable
                }
                Attempted::Tried(report) => {
                    let now = clock.now();
                    let settlement = settle(report, attempt.number, now, &retry, entropy());
                    log(&attempt, &settlement, now);
                    let unrecorded = record(&*spool, to_record(&attempt, &settlement, now)).await;
                    AttemptResult::Settled(settlement, unrecorded)
                }
            };
            running.end(result);
        });
    }

    fn attempt_ended(&mut self, Ended { due, began, result }: Ended) {
        let now = self.clock.now();
        let Some(lane) = self.lanes.get_mut(&due.account) else { return };
        match result {
            AttemptResult::BrokeOff => {
                let (entry, account) = (due.id, &due.account);
                tracing::error!(%entry, %account, "attempt broke off by a mistake in the program; the entry is tried again after a restart");
                lane.broke_off();
            }
            // An entry that was not due after all (a clock that was set back) is looked for again.
            AttemptResult::Gone | AttemptResult::Unreadable => lane.ended(due.id, Some(now.after(SPOOL_PAUSE)), false),
            AttemptResult::Settled(settlement, unrecorded) => {
                let again = match settlement.then {
                    Some(State::Waiting(at)) => Some(at),
                    Some(State::Held) | None => None,
                };
                lane.ended(due.id, again, settlement.sent);
                judge(lane, &due.account, settlement.account, (began, now), (&self.retry, &self.advice));
                self.unrecorded.extend(unrecorded);
            }
        }
        let (state, unrecorded) = (lane.state().clone(), self.unrecorded.len());
        publish(&self.status, &due.account, state, unrecorded);
    }

    /// Tries to record what could not be recorded; says whether all of it now is.
    async fn record_what_waits(&mut self) -> bool {
        while let Some(waiting) = self.unrecorded.pop() {
            if let Some(still) = record(&*self.spool, waiting).await {
                self.unrecorded.push(still);
                break;
            }
        }
        let left = self.unrecorded.len();
        self.status.send_if_modified(|status| std::mem::replace(&mut status.unrecorded, left) != left);
        if left == 0 {
            tracing::info!("the spool records outcomes again");
        }
        left == 0
    }
}

/// Tells the lane what an attempt said about its account, and the log when that is news.
fn judge(
    lane: &mut Lane,
    account: &AccountName,
    verdict: AccountVerdict,
    (began, now): (Timestamp, Timestamp),
    (retry, advice): (&Retry, &Advice),
) {
    let was_open = *lane.state() == LaneState::Open;
    match verdict {
        AccountVerdict::Unheard => {}
        AccountVerdict::Well => {
            lane.well(began);
            if !was_open && *lane.state() == LaneState::Open {
                tracing::info!(%account, "account works again");
            }
        }
        AccountVerdict::Troubled(failure) => {
            lane.troubled(failure.clone(), now, retry, entropy());
            let until = match lane.state() {
                LaneState::Open => now,
                LaneState::Paused { until, .. } | LaneState::Troubled { until, .. } => *until,
            };
            let remedy = advice.remedy(account, None, &failure).join(" ");
            let (cause, reply) = (failure.cause, &failure.detail);
            tracing::warn!(%account, %cause, reply, remedy, next_attempt = %until, "account in trouble; its mail waits");
        }
    }
}

fn publish(status: &watch::Sender<Status>, account: &AccountName, state: LaneState, unrecorded: usize) {
    status.send_if_modified(|status| {
        let news = status.accounts.get(account) != Some(&state) || status.unrecorded != unrecorded;
        if news {
            status.accounts.insert(account.clone(), state);
            status.unrecorded = unrecorded;
        }
        news
    });
}

fn to_record(attempt: &Attempt, settlement: &Settlement, at: Timestamp) -> Record {
    Record {
        id: attempt.entry,
        account: attempt.account.clone(),
        at,
        recipients: settlement.recipients.clone(),
        // The spool removes an entry whose recipients are all delivered, whatever this says.
        then: settlement.then.unwrap_or(State::Held),
        sent: u32::from(settlement.sent),
        counts: settlement.counts,
    }
}

/// Records an outcome; gives the record back when that was not possible now.
async fn record(spool: &dyn Spool, record: Record) -> Option<Record> {
    match spool.record(record.clone()).await {
        Ok(()) => None,
        Err(error @ (SpoolError::Full { .. } | SpoolError::Busy { .. } | SpoolError::Failed { .. })) => {
            let error = chain(&error);
            tracing::error!(entry = %record.id, error, "cannot record an outcome; nothing is sent until it can be, or it could be sent twice");
            Some(record)
        }
        Err(error @ (SpoolError::NoSuchEntry(_) | SpoolError::Damaged { .. })) => {
            tracing::warn!(entry = %record.id, error = chain(&error), "the entry of an outcome is no longer there");
            None
        }
    }
}

/// One line for each kind of outcome.
fn log(attempt: &Attempt, settlement: &Settlement, now: Timestamp) {
    let (entry, account, number) = (attempt.entry, &attempt.account, attempt.number);
    let mut delivered: BTreeMap<&str, Vec<&Mailbox>> = BTreeMap::new();
    for recipient in &settlement.recipients {
        if let Progress::Delivered(reply) = &recipient.progress {
            delivered.entry(reply).or_default().push(&recipient.mailbox);
        }
    }
    for (reply, to) in delivered {
        tracing::info!(%entry, %account, to = names(to.into_iter()), attempt = number, reply, "delivered");
    }
    for (failure, refused, to) in failures(&settlement.recipients) {
        let (to, cause, reply) = (names(to.into_iter()), failure.cause, &failure.detail);
        let held = refused || settlement.then == Some(State::Held);
        match (held, settlement.then) {
            // The entry itself is due; when its account goes on is in the line about the account.
            (false, Some(State::Waiting(at))) if at <= now => {
                tracing::warn!(%entry, %account, to, attempt = number, %cause, reply, "deferred until its account goes on");
            }
            (false, Some(State::Waiting(at))) => {
                tracing::warn!(%entry, %account, to, attempt = number, %cause, reply, next_attempt = %at, "deferred");
            }
            (true | false, _) => tracing::error!(%entry, %account, to, attempt = number, %cause, reply, "refused; kept in the queue"),
        }
    }
}

/// Failures, whether they are refusals, and whom each concerns.
fn failures(recipients: &[Recipient]) -> Vec<(&Failure, bool, Vec<&Mailbox>)> {
    let mut found: Vec<(&Failure, bool, Vec<&Mailbox>)> = Vec::new();
    for recipient in recipients {
        let (failure, refused) = match &recipient.progress {
            Progress::Open(Some(failure)) => (failure, false),
            Progress::Refused(failure) => (failure, true),
            Progress::Open(None) | Progress::Delivered(_) => continue,
        };
        match found.iter_mut().find(|(known, known_refused, _)| *known == failure && *known_refused == refused) {
            Some((.., to)) => to.push(&recipient.mailbox),
            None => found.push((failure, refused, vec![&recipient.mailbox])),
        }
    }
    found
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Any number, to spread pauses with. Without the system's random numbers they are only less spread.
fn entropy() -> u64 {
    getrandom::u64().unwrap_or(0)
}
