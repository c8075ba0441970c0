//! What the simulator received, and how much of everything there was.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::clock::Timestamp;
use crate::message::{Envelope, Mailbox};

use super::command::BodyType;

/// How much is kept of what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The latest messages, up to both limits; the oldest go first.
    Latest {
        /// Messages.
        messages: usize,
        /// Octets of their contents.
        octets: usize,
    },
    /// Nothing but counts, for benchmarks.
    Nothing,
}

impl Default for Keep {
    /// A thousand messages, 256 MiB: what fits beside a demonstration or a test.
    fn default() -> Self {
        Self::Latest { messages: 1_000, octets: 256 << 20 }
    }
}

/// How a client signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// With a password.
    Login,
    /// With a token.
    Xoauth2,
}

/// What a conversation was like when it sent a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// The connection's number, from 1.
    pub connection: u64,
    /// Its number as replies show it: sixteen hexadecimal digits.
    pub id: String,
    /// The client's address.
    pub peer: IpAddr,
    /// What the client called itself.
    pub helo: String,
    /// TLS version and cipher suite, as in `TLSv1_3 TLS13_AES_256_GCM_SHA384`.
    pub tls: Option<String>,
    /// How it signed in.
    pub mechanism: Mechanism,
}

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// When.
    pub at: Timestamp,
    /// Who signed in.
    pub mailbox: Mailbox,
    /// MAIL FROM and RCPT TO.
    pub envelope: Envelope,
    /// What BODY= declared.
    pub body: BodyType,
    /// What SIZE= declared, in octets.
    pub declared_size: Option<u64>,
    /// Header and body as they came, stuffed dots taken away.
    pub content: Bytes,
    /// As the final reply named it, with its angle brackets.
    pub message_id: String,
    /// The conversation.
    pub session: SessionFacts,
}

/// How much of everything there was since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// SMTP connections.
    pub connections: u64,
    /// TLS handshakes that succeeded on them.
    pub handshakes: u64,
    /// AUTH that succeeded.
    pub sign_ins: u64,
    /// AUTH that was refused.
    pub sign_ins_refused: u64,
    /// Messages taken.
    pub messages: u64,
    /// Octets of them.
    pub octets: u64,
    /// Messages refused after the dot.
    pub refused: u64,
    /// Recipients refused.
    pub recipients_refused: u64,
    /// Requests to the token endpoint.
    pub token_requests: u64,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) handshakes: AtomicU64,
    pub(super) sign_ins: AtomicU64,
    pub(super) sign_ins_refused: AtomicU64,
    pub(super) messages: AtomicU64,
    pub(super) octets: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) recipients_refused: AtomicU64,
    pub(super) token_requests: AtomicU64,
}

/// Counts one more; gives the new number.
pub(super) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

/// Where messages end up.
#[derive(Debug)]
pub(super) struct Mailroom {
    pub(super) counters: Counters,
    keep: Keep,
    shelf: Mutex<Shelf>,
    arrival: Notify,
}

#[derive(Debug, Default)]
struct Shelf {
    messages: VecDeque<Arc<Received>>,
    octets: usize,
    /// How many there were, with those that made room for others.
    ever: u64,
}

impl Mailroom {
    pub(super) fn new(keep: Keep) -> Self {
        Self { counters: Counters::default(), keep, shelf: Mutex::default(), arrival: Notify::new() }
    }

    pub(super) fn keep(&self) -> Keep {
        self.keep
    }

    /// Takes a message of `octets`. `received` is only made where messages are kept.
    pub(super) fn take(&self, octets: u64, received: impl FnOnce() -> Received) {
        match self.keep {
            Keep::Latest { messages, octets } => self.shelve(received(), messages, octets),
            Keep::Nothing => {}
        }
        self.counters.octets.fetch_add(octets, Ordering::Relaxed);
        // Who waits looks at the number first and at the shelf then.
        self.counters.messages.fetch_add(1, Ordering::Release);
        self.arrival.notify_waiters();
    }

    fn shelve(&self, received: Received, messages: usize, octets: usize) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.octets += received.content.len();
        shelf.ever += 1;
        shelf.messages.push_back(Arc::new(received));
        while shelf.messages.len() > messages || shelf.octets > octets {
            let Some(oldest) = shelf.messages.pop_front() else { break };
            shelf.octets -= oldest.content.len();
        }
    }

    /// What is kept, oldest first.
    pub(super) fn received(&self) -> Vec<Arc<Received>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).messages.iter().cloned().collect()
    }

    /// What is kept of those behind the first `seen`, with their numbers from 1, oldest first.
    pub(super) fn received_after(&self, seen: u64) -> Vec<(u64, Arc<Received>)> {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let first = shelf.ever - shelf.messages.len() as u64 + 1;
        (first..).zip(&shelf.messages).filter(|(number, _)| *number > seen).map(|(number, kept)| (number, Arc::clone(kept))).collect()
    }

    /// Waits until `number` messages were taken since the start, at most `limit`; says whether they were.
    pub(super) async fn wait_for(&self, number: u64, limit: Duration) -> bool {
        let enough = || self.counters.messages.load(Ordering::Acquire) >= number;
        let arrive = async {
            loop {
                let mut arrival = std::pin::pin!(self.arrival.notified());
                // Registered before looking, so that nothing slips in between.
                arrival.as_mut().enable();
                if enough() {
                    return;
                }
                arrival.await;
            }
        };
        tokio::time::timeout(limit, arrive).await.is_ok() || enough()
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let counters = &self.counters;
        Counts {
            connections: read(&counters.connections),
            handshakes: read(&counters.handshakes),
            sign_ins: read(&counters.sign_ins),
            sign_ins_refused: read(&counters.sign_ins_refused),
            messages: read(&counters.messages),
            octets: read(&counters.octets),
            refused: read(&counters.refused),
            recipients_refused: read(&counters.recipients_refused),
            token_requests: read(&counters.token_requests),
        }
    }
}
