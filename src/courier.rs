//! Joins one entry with rewrite and upstream: what goes out, as whom.
//!
//! It reads the entry, has its header rewritten for the identity that was decided, and hands it to the account's
//! upstream for the recipients that are still open. When and how often is the scheduler's business.

use std::collections::HashMap;
use std::sync::Arc;

use crate::delivery::{Attempt, Attempted, Courier, Later, Outgoing};
use crate::message::{AccountName, Mailbox};
use crate::rewrite;
use crate::spool::{Entry, Progress, Spool, SpoolError, State};
use crate::upstream::Upstream;

/// The courier of a relay.
pub struct Relay {
    spool: Arc<dyn Spool>,
    upstreams: HashMap<AccountName, Upstream>,
    hostname: String,
}

impl Relay {
    /// A courier between `spool` and the accounts' upstreams. `hostname` is our name in Received lines.
    pub fn new(spool: Arc<dyn Spool>, upstreams: HashMap<AccountName, Upstream>, hostname: String) -> Self {
        Self { spool, upstreams, hostname }
    }

    /// Takes leave of the upstreams: idle connections are closed with QUIT.
    pub async fn close(&self) {
        for upstream in self.upstreams.values() {
            upstream.close().await;
        }
    }

    async fn carry(&self, attempt: Attempt) -> Attempted {
        let Some(upstream) = self.upstreams.get(&attempt.account) else {
            return Attempted::Unreadable(format!("there is no account {} any more", attempt.account));
        };
        let entry = match self.spool.load(attempt.entry).await {
            Ok(entry) => entry,
            Err(SpoolError::NoSuchEntry(_) | SpoolError::Damaged { .. }) => return Attempted::Gone,
            Err(error @ (SpoolError::Full { .. } | SpoolError::Busy { .. } | SpoolError::Failed { .. })) => {
                return Attempted::Unreadable(error.to_string());
            }
        };
        if !matches!(entry.state, State::Waiting(due) if due <= attempt.at) {
            return Attempted::Gone;
        }
        match self.outgoing(entry) {
            Some(outgoing) => Attempted::Tried(upstream.deliver(&outgoing).await),
            None => Attempted::Gone,
        }
    }

    /// What leaves for the recipients that are still open, if there are any.
    fn outgoing(&self, entry: Entry) -> Option<Outgoing> {
        let recipients: Vec<Mailbox> = entry.recipients.into_iter().filter_map(still_open).collect();
        if recipients.is_empty() {
            return None;
        }
        let message = &entry.message;
        let rewritten = rewrite::rewrite(&rewrite::Subject {
            id: entry.id,
            source: rewrite::Source {
                origin: &message.origin,
                envelope: &message.envelope,
                header: &message.header,
                facts: &message.facts,
                identity: &message.decision.identity,
            },
            hostname: &self.hostname,
        });
        Some(Outgoing {
            entry: entry.id,
            from: rewritten.from,
            smtputf8: rewritten.smtputf8 || recipients.iter().any(Mailbox::needs_smtputf8),
            recipients,
            header: rewritten.header,
            body: entry.body,
            plan: rewritten.body.plan,
            eight_bit: rewritten.body.eight_bit,
        })
    }
}

fn still_open(recipient: crate::spool::Recipient) -> Option<Mailbox> {
    match recipient.progress {
        Progress::Open(_) => Some(recipient.mailbox),
        Progress::Delivered(_) | Progress::Refused(_) => None,
    }
}

impl Courier for Relay {
    fn attempt(&self, attempt: Attempt) -> Later<'_, Attempted> {
        Box::pin(self.carry(attempt))
    }
}
