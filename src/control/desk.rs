//! Answers requests from what the spool and the scheduler say.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::protocol::{AccountHealth, Answer, Health, Listed, PAGE, PAGE_RECIPIENTS, Request, Shown, storage_in_words};
use crate::clock::{Clock, Timestamp};
use crate::delivery::Advice;
use crate::message::{AccountName, EntryId};
use crate::scheduler::{LaneState, Status};
use crate::spool::{Due, Order, Spool, SpoolError};

/// Entries that are read at once for a list: few, because each may have thousands of recipients.
const STEP: usize = 20;

/// Answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    spool: Arc<dyn Spool>,
    clock: Clock,
    advice: Advice,
    running: Option<Running>,
}

/// What only a running relay has.
#[derive(Clone)]
struct Running {
    listeners: Arc<[String]>,
    scheduler: watch::Receiver<Status>,
    arrivals: mpsc::Sender<Due>,
}

impl Desk {
    /// The desk of a spool whose relay runs: with its `listeners`, how its `scheduler` is doing, and where that hears of entries.
    #[must_use]
    pub fn of_running(self, listeners: Vec<String>, scheduler: watch::Receiver<Status>, arrivals: mpsc::Sender<Due>) -> Self {
        Self { running: Some(Running { listeners: listeners.into(), scheduler, arrivals }), ..self }
    }

    /// The desk of a spool, as far as nothing is known of a running relay.
    pub fn new(spool: Arc<dyn Spool>, clock: Clock, advice: Advice) -> Self {
        Self { spool, clock, advice, running: None }
    }

    /// Answers a request. What cannot be done is an answer too.
    pub async fn answer(&self, request: Request) -> Answer {
        let answer = match request {
            Request::QueueList { after } => self.list(after).await,
            Request::QueueShow { id } => self.spool.look(id).await.map(|entry| {
                let until = self.goes_on(&entry.message.decision.account);
                Answer::Entry(Box::new(Shown::new(entry, self.clock.now(), until, &self.advice)))
            }),
            Request::QueueRetry { id } => self.retry(id).await,
            Request::QueueRemove { id } => self.remove(id).await,
            Request::Health => self.health().await.map(Answer::Health),
        };
        answer.unwrap_or_else(|error| Answer::Failed { error: in_words(&error) })
    }

    async fn retry(&self, id: EntryId) -> Result<Answer, SpoolError> {
        self.spool.order(id, Order::Retry).await?;
        tracing::info!(entry = %id, "to be tried at once, by a person's order");
        if let Some(running) = &self.running {
            let entry = self.spool.load(id).await?;
            let (account, at) = (entry.message.decision.account, self.clock.now());
            let recipients = u32::try_from(entry.recipients.len()).unwrap_or(u32::MAX);
            // When there is no room the scheduler finds it within a minute.
            let _ = running.arrivals.try_send(Due { id, account, at, attempts: entry.attempts, recipients });
        }
        Ok(Answer::Done)
    }

    async fn remove(&self, id: EntryId) -> Result<Answer, SpoolError> {
        self.spool.order(id, Order::Remove).await?;
        tracing::warn!(entry = %id, "removed by a person's order");
        Ok(Answer::Done)
    }

    async fn list(&self, after: Option<EntryId>) -> Result<Answer, SpoolError> {
        let (mut entries, mut recipients, mut last) = (Vec::new(), 0, after);
        let now = self.clock.now();
        loop {
            let found = self.spool.list(last, STEP).await?;
            let ended = found.len() < STEP;
            for summary in found {
                recipients += summary.recipients.len();
                if entries.len() == PAGE || (recipients > PAGE_RECIPIENTS && !entries.is_empty()) {
                    return Ok(Answer::Queue { entries, more: true });
                }
                last = Some(summary.id);
                let until = self.goes_on(&summary.account);
                entries.push(Listed::new(summary, now, until, &self.advice));
            }
            if ended {
                return Ok(Answer::Queue { entries, more: false });
            }
        }
    }

    /// When an account goes on that is paused or in trouble.
    fn goes_on(&self, account: &AccountName) -> Option<Timestamp> {
        match self.running.as_ref()?.scheduler.borrow().accounts.get(account)? {
            LaneState::Open => None,
            LaneState::Paused { until, .. } | LaneState::Troubled { until, .. } => Some(*until),
        }
    }

    /// How the relay is. Ready means that a device's message would be taken; the accounts are told, but do not count:
    /// an orchestrator would restart a relay that waits for a person.
    pub async fn health(&self) -> Result<Health, SpoolError> {
        let totals = self.spool.totals().await?;
        let storage = storage_in_words(self.spool.storage());
        let reason = if self.running.is_none() { Some("no relay is running") } else { storage };
        let accounts = self.running.as_ref().map(|running| {
            let status = running.scheduler.borrow();
            status.accounts.iter().map(|(account, state)| AccountHealth::new(account, state, &self.advice)).collect()
        });
        Ok(Health {
            ready: reason.is_none(),
            reason: reason.map(str::to_owned),
            listeners: self.running.as_ref().map(|running| running.listeners.to_vec()).unwrap_or_default(),
            waiting: totals.waiting,
            held: totals.held,
            unrecorded: self.running.as_ref().map_or(0, |running| running.scheduler.borrow().unrecorded),
            oldest: totals.oldest.map(|oldest| oldest.to_string()),
            accounts: accounts.unwrap_or_default(),
        })
    }
}

fn in_words(error: &SpoolError) -> String {
    match error {
        SpoolError::NoSuchEntry(_) => format!("{error}: it was delivered or removed; `mailferry queue list` shows what is there"),
        SpoolError::Damaged { .. } => format!("{error}; it is not deleted, but set aside in data_dir when it is next to be sent"),
        SpoolError::Full { .. } => format!("{error}: make room on that file system"),
        SpoolError::Busy { .. } => format!("{error}: try again in a moment"),
        SpoolError::Failed { source, .. } => format!("{error}: {source}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{
        BodyFacts, Decision, DisplayName, Envelope, HeaderBlock, Identity, Mailbox, Origin, Repairs, ReplyTo, ReversePath,
    };
    use crate::spool::{NewEntry, Settings, SqliteSpool};

    fn message(recipients: usize) -> NewEntry {
        let from = Mailbox::parse("scanner@contoso.com").unwrap();
        NewEntry {
            origin: Origin {
                client: std::net::IpAddr::from([127, 0, 0, 1]).into(),
                listener: "127.0.0.1:25".into(),
                helo: None,
                esmtp: true,
                login: None,
                tls: false,
                charset: None,
                received: Timestamp::from_millis(0),
            },
            envelope: Envelope {
                sender: ReversePath::Null,
                recipients: (0..recipients).map(|number| Mailbox::parse(&format!("r{number}@example.com")).unwrap()).collect(),
                smtputf8: false,
            },
            header: HeaderBlock::default(),
            repairs: Repairs::none(),
            facts: BodyFacts::default(),
            decision: Decision {
                account: AccountName::new("office"),
                identity: Identity { from, name: DisplayName::Original, reply_to: ReplyTo::Keep },
            },
        }
    }

    #[tokio::test]
    async fn pages_are_bounded_by_recipients_too_and_leave_nothing_out() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { dir: folder.path().to_owned(), reserve: 0, memory: 1 << 20, inline: 1 << 16 };
        let clock = Clock::manual(Timestamp::from_millis(0));
        let spool: Arc<dyn Spool> = Arc::new(SqliteSpool::open(settings, clock.clone()).unwrap().0);
        for recipients in [PAGE_RECIPIENTS + 1, 1, 1, PAGE_RECIPIENTS - 2, 1].into_iter().chain([1; PAGE + 30]) {
            let body = spool.begin_body().finish().await.unwrap();
            let _ = spool.store(message(recipients), body).await.unwrap();
        }
        let desk = Desk::new(spool, clock, Advice::default());
        let (mut pages, mut seen, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let Answer::Queue { entries, more } = desk.answer(Request::QueueList { after }).await else { panic!("no page") };
            pages.push(entries.len());
            seen.extend(entries.iter().map(|entry| entry.id));
            after = seen.last().copied();
            if !more {
                break;
            }
        }
        assert_eq!(pages, [1, 3, PAGE, 31]);
        assert!(seen.is_sorted() && seen.len() == PAGE + 35);
    }
}
