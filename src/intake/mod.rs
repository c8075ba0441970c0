//! The moment of acceptance: decide, store, and only then a receipt.
//!
//! It takes a message as it arrives, decides account and identity once the header is there, and stores it.
//! It knows neither SMTP nor when the message will be sent.

mod counts;

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::message::{Envelope, HeaderTooLarge, Origin, Receipt, Repairs, Split, Splitter};
use crate::rewrite::{self, Source};
use crate::senders::{NoRule, Senders};
use crate::spool::{BodyWriter, Due, NewEntry, Spool};

pub use counts::Counts;

// What it says about storing is the spool's word: whoever asks here need not know the spool.
pub use crate::spool::{SpoolError, Storage};

/// Octets of a header that are not counted in the spool's memory: nearly all headers, and few enough to have for every connection.
const SMALL_HEADER: usize = 8 * 1024;

/// Takes messages for one spool. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    spool: Arc<dyn Spool>,
    senders: Arc<Senders>,
    clock: Clock,
    arrivals: mpsc::Sender<Due>,
    counts: Counts,
}

/// Why a message was not taken. The session chooses the reply; the log tells the whole chain.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The spool could not take it.
    #[error("the message could not be stored")]
    Spool(#[from] SpoolError),
    /// The header is larger than we take.
    #[error("the message could not be taken")]
    Header(#[from] HeaderTooLarge),
    /// The message has been here, or somewhere, too often.
    #[error("the message has {hops} Received fields: it goes round in circles between this relay and its upstream")]
    Loop {
        /// Received fields in its header.
        hops: usize,
    },
    /// No sender rule matches.
    #[error("the message has no account to send it")]
    NoRule(#[from] NoRule),
}

/// Received fields that a message may have. RFC 5321 section 6.3 wants loops stopped, and a hundred fields allowed, for mail
/// may cross many servers. Here we depart from it: what comes in was written by a device or a program next door and has a
/// handful of them at most, while each turn through this relay and its provider adds some more. With a hundred, a loop
/// would be sent a dozen times before it is seen, and each time counts against the account's limits.
const HOPS: usize = 30;

impl Intake {
    /// An intake that stores in `spool` and tells `arrivals` of each new entry, as far as there is room: who
    /// listens there looks into the spool anyhow.
    pub fn new(spool: Arc<dyn Spool>, senders: Arc<Senders>, clock: Clock, arrivals: mpsc::Sender<Due>) -> Self {
        Self { spool, senders, clock, arrivals, counts: Counts::default() }
    }

    /// Whether a message could be taken now.
    pub fn storage(&self) -> Storage {
        self.spool.storage()
    }

    /// The clock by which messages are received.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What was accepted since the start.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Begins a message.
    pub fn begin(&self, origin: Origin, envelope: Envelope) -> Incoming {
        Incoming { intake: self.clone(), origin, envelope, splitter: Splitter::new(), body: self.spool.begin_body() }
    }
}

/// A message that is arriving. Dropped before [`Incoming::finish`], nothing of it is left.
pub struct Incoming {
    intake: Intake,
    origin: Origin,
    envelope: Envelope,
    splitter: Splitter,
    body: BodyWriter,
}

/// A message that is safe.
#[derive(Debug)]
pub struct Accepted {
    /// The proof.
    pub receipt: Receipt,
    /// Which rule under `senders` decided, from 0; for the log.
    pub rule: usize,
    /// As which address it will go out; for the log.
    pub from: crate::message::Mailbox,
    /// By which account; for the log.
    pub account: crate::message::AccountName,
    /// Octets of header and body.
    pub size: u64,
    /// What was wrong with it, and is mended by the time it leaves; for the log.
    pub repairs: Repairs,
}

impl Incoming {
    /// Takes content: line ends mended, dots unstuffed.
    pub async fn write(&mut self, content: &[u8]) -> Result<(), Refusal> {
        let body = self.splitter.push(content)?;
        let header = self.splitter.held();
        if header > SMALL_HEADER {
            self.body.hold(header as u64)?;
        }
        if !body.is_empty() {
            self.body.write(&body).await?;
        }
        Ok(())
    }

    /// Decides and stores; `mended` says what was mended on the way here. The receipt is there when the message is safe.
    pub async fn finish(self, mended: Repairs) -> Result<Accepted, Refusal> {
        let Self { intake, origin, envelope, splitter, body } = self;
        let Split { header, facts, mut repairs } = splitter.finish();
        repairs.extend(&mended);
        let hops = header.fields().filter(|field| field.is("Received")).count();
        if hops > HOPS {
            return Err(Refusal::Loop { hops });
        }
        let (rule, decision) = intake.senders.decide(&origin, &envelope, &header)?;
        repairs.extend(&rewrite::repairs(&Source {
            origin: &origin,
            envelope: &envelope,
            header: &header,
            facts: &facts,
            identity: &decision.identity,
        }));
        let body = body.finish().await?;
        let size = header.as_bytes().len() as u64 + facts.size;
        let (account, from) = (decision.account.clone(), decision.identity.from.clone());
        let recipients = u32::try_from(envelope.recipients.len()).unwrap_or(u32::MAX);
        let (at, client) = (origin.received, origin.client);
        let receipt = intake.spool.store(NewEntry { origin, envelope, header, facts, repairs: repairs.clone(), decision }, body).await?;
        intake.counts.count(client, &repairs);
        // A full channel loses nothing: the scheduler looks into the spool as well.
        let _ = intake.arrivals.try_send(Due { id: receipt.entry(), account: account.clone(), at, attempts: 0, recipients });
        Ok(Accepted { receipt, rule, from, account, size, repairs })
    }
}
