//! Answers requests from what the spool and the scheduler say.

use std::sync::Arc;

use tokio::sync::watch;

use super::protocol::{AccountHealth, Answer, Health, Listed, PAGE, PAGE_RECIPIENTS, Request, Shown, storage_in_words};
use crate::clock::{Clock, Timestamp};
use crate::delivery::Advice;
use crate::message::{AccountName, EntryId};
use crate::scheduler::{LaneState, Status};
use crate::spool::{Spool, SpoolError, Summary};

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
}

impl Desk {
    /// The desk of a running relay that listens on `listeners`.
    pub fn running(
        spool: Arc<dyn Spool>,
        clock: Clock,
        advice: Advice,
        listeners: Vec<String>,
        scheduler: watch::Receiver<Status>,
    ) -> Self {
        Self { spool, clock, advice, running: Some(Running { listeners: listeners.into(), scheduler }) }
    }

    /// The desk of a spool whose relay is not running.
    pub fn stopped(spool: Arc<dyn Spool>, clock: Clock, advice: Advice) -> Self {
        Self { spool, clock, advice, running: None }
    }

    /// Answers a request. What cannot be done is an answer too.
    pub async fn answer(&self, request: Request) -> Answer {
        let answer = match request {
            Request::QueueList { after } => self.list(after).await,
            Request::QueueShow { id } => self.spool.load(id).await.map(|entry| {
                let until = self.goes_on(&entry.message.decision.account);
                Answer::Entry(Box::new(Shown::new(entry, self.clock.now(), until, &self.advice)))
            }),
            Request::Health => self.health().await.map(Answer::Health),
        };
        answer.unwrap_or_else(|error| Answer::Failed { error: in_words(&error) })
    }

    async fn list(&self, after: Option<EntryId>) -> Result<Answer, SpoolError> {
        let mut found = self.spool.list(after, PAGE + 1).await?;
        let fits = fit(found.iter().map(|summary| summary.recipients.len()));
        let more = found.len() > fits;
        found.truncate(fits);
        let now = self.clock.now();
        let listed = |summary: Summary| {
            let until = self.goes_on(&summary.account);
            Listed::new(summary, now, until, &self.advice)
        };
        Ok(Answer::Queue { entries: found.into_iter().map(listed).collect(), more })
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
            oldest: totals.oldest.map(|oldest| oldest.to_string()),
            accounts: accounts.unwrap_or_default(),
        })
    }
}

/// How many entries with so many recipients each fit on a page; one always does.
fn fit(recipients: impl Iterator<Item = usize>) -> usize {
    let mut together = 0;
    let within = |recipients: &usize| {
        together += recipients;
        together <= PAGE_RECIPIENTS
    };
    recipients.take(PAGE).take_while(within).count().max(1)
}

fn in_words(error: &SpoolError) -> String {
    match error {
        SpoolError::NoSuchEntry(_) => format!("{error}: it was delivered or removed; `mailferry queue list` shows what is there"),
        SpoolError::Damaged { .. } => format!("{error}; it was set aside in data_dir, not deleted"),
        SpoolError::Full { .. } => format!("{error}: make room on that file system"),
        SpoolError::Failed { source, .. } => format!("{error}: {source}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_before_it_is_too_large_for_a_line() {
        assert_eq!(fit([1; PAGE + 1].into_iter()), PAGE);
        assert_eq!(fit([PAGE_RECIPIENTS / 4; 9].into_iter()), 4);
        assert_eq!(fit([10_000, 1].into_iter()), 1);
    }
}
