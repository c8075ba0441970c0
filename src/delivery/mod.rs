//! The words for one attempt: what is tried, what came of it for each recipient, and who tries.
//!
//! `scheduler` and `upstream` never meet; both speak these words.

mod advice;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use crate::cause::Cause;
use crate::clock::Timestamp;
use crate::message::{AccountName, BodyPlan, EntryId, Mailbox};

pub use advice::Advice;

/// An answer that comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One try at one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What is tried.
    pub entry: EntryId,
    /// The account that hands it over.
    pub account: AccountName,
    /// Which try this is, from 1.
    pub number: u32,
    /// When it begins: an entry that is not due then, by now, is not tried.
    pub at: Timestamp,
}

/// What a courier came back with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// The upstream was tried.
    Tried(Report),
    /// There is nothing to try: no such entry any more, nobody left to deliver it to, damaged and set aside, or not due
    /// (an announcement can come late, when the entry was already tried and waits, or a person holds it).
    Gone,
    /// The entry could not be read now; nothing was tried. The reason in words.
    Unreadable(String),
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One outcome for each recipient that was still open, with the recipient it is for.
    pub outcomes: Vec<(Mailbox, Outcome)>,
}

/// What an attempt meant for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream took the message. Its literal reply, which Microsoft's support asks for.
    Delivered(String),
    /// Not now; a later attempt may do better.
    Deferred(Failure),
    /// The upstream said no to this message or recipient, and would again.
    Refused(Failure),
}

/// Why an attempt did not deliver.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// How far the trouble reaches.
    pub scope: Scope,
    /// What is to happen now.
    pub next: NextStep,
    /// What is wrong.
    pub cause: Cause,
    /// How far the attempt had come.
    pub stage: Stage,
    /// The upstream's literal reply, or the error in words: what a person needs to look it up.
    pub detail: String,
}

impl Failure {
    /// Whether it tells of the account or of the way to the upstream, and not of the message or a recipient.
    pub fn is_trouble(&self) -> bool {
        match self.scope {
            Scope::Account | Scope::Upstream => true,
            Scope::Recipient | Scope::Message => false,
        }
    }

    /// Whether it is trouble on the way, before the upstream had heard of the message: no fault of the message's, which
    /// is to pay nothing for it.
    pub fn is_on_the_way(&self) -> bool {
        self.is_trouble()
            && match self.stage {
                Stage::Local | Stage::Resolve | Stage::Connect | Stage::Greeting | Stage::Tls | Stage::Token | Stage::Auth => true,
                Stage::Mail | Stage::Rcpt | Stage::Data | Stage::FinalReply => false,
            }
    }
}

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// One recipient of one message.
    Recipient,
    /// One message.
    Message,
    /// Everything that the account would send.
    Account,
    /// Everything that goes to this host.
    Upstream,
}

/// What is to happen after a failure. The names are those of `tests/data/replies.tsv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextStep {
    /// Try again later, with growing pauses.
    Retry,
    /// Get a fresh token and try once more at once; then hold.
    Token,
    /// Keep what the failure reaches until it is mended: a message until a person acts, an account until an attempt shows
    /// that it works again.
    Hold,
    /// Stop the whole account for this long, then go on.
    Pause(Duration),
    /// Try the recipients again that were not taken: the upstream takes so many at a time.
    Split,
    /// Keep it for a person: it may go out as the mailbox itself.
    ResendAs,
    /// It can never be delivered.
    GiveUp,
    /// The connection's fault: try once more on a new one.
    Reconnect,
}

/// How far an attempt had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// On this side: reading the spool, rewriting.
    Local,
    /// Finding the host's addresses.
    Resolve,
    /// Connecting to one of them.
    Connect,
    /// Waiting for the greeting, or saying EHLO.
    Greeting,
    /// STARTTLS and the handshake.
    Tls,
    /// Getting a token.
    Token,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA and the content.
    Data,
    /// Waiting for the reply to the final dot. When this is lost, nobody knows whether the message was taken.
    FinalReply,
}

/// Carries one entry to its upstream.
pub trait Courier: Send + Sync + 'static {
    /// Makes one attempt and says what came of it. Never fails otherwise: whatever goes wrong upstream is an
    /// outcome for each open recipient.
    fn attempt(&self, attempt: Attempt) -> Later<'_, Attempted>;
}

/// A body at rest.
#[derive(Clone, Debug)]
pub enum Body {
    /// A small one, in memory.
    Memory(Bytes),
    /// A large one, in a file of its own that is read as it is sent.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its octets; the file has exactly as many.
        length: u64,
    },
}

impl Body {
    /// Octets.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A message ready for the wire: rewritten, with its envelope.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The entry it comes from, for the log.
    pub entry: EntryId,
    /// MAIL FROM.
    pub from: Mailbox,
    /// RCPT TO, at least one.
    pub recipients: Vec<Mailbox>,
    /// The header block, each line ended by CRLF, and the empty line behind it.
    pub header: Bytes,
    /// What follows: CRLF line ends only.
    pub body: Body,
    /// What becomes of the body while it is sent.
    pub plan: BodyPlan,
    /// An octet above 127 is in the body that leaves: BODY=8BITMIME is declared where it is offered.
    pub eight_bit: bool,
    /// An address or the header needs SMTPUTF8.
    pub smtputf8: bool,
}

impl Outgoing {
    /// Octets of header and body as they leave; an estimate where the plan changes the body.
    pub fn size(&self) -> u64 {
        self.header.len() as u64 + self.plan.size(self.body.len())
    }

    /// Octets that leave at least, whatever the estimate.
    pub fn least_size(&self) -> u64 {
        self.header.len() as u64 + self.plan.untouched(self.body.len())
    }
}
