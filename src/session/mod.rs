//! The server side of one SMTP conversation, without a socket.
//!
//! Lines go in, [`Next`]s come out; `listener` does the reading and writing, and says when time is up.
//! Invariants:
//! - A state holds exactly what the client has established so far, and is consumed to leave it.
//! - The only way to say 250 to a message is [`Receiving::queued`], and it takes a receipt.
//! - When TLS begins, what was said before it is forgotten.
//! - Passwords pass through as [`crate::secret::Secret`] and are kept nowhere.

mod auth;
mod conversation;
mod login;
mod quirks;
mod receiving;
mod recipients;
mod replies;
mod securing;

use std::collections::HashMap;
use std::sync::Arc;

use crate::message::{Mailbox, ReversePath};
use crate::smtp::{Line, Reply};

pub use auth::{Checked, Verifying};
pub use login::Scratch;
pub use quirks::{Ehlo, Quirks};
pub use receiving::{Receiving, Refusal};
pub use replies::{Farewell, tls_needed};
pub use securing::Securing;

use auth::Exchange;
use conversation::Conversation;
use recipients::Recipients;

/// What a listener offers and allows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How we greet.
    pub hostname: String,
    /// The largest message in octets, after line-end repair.
    pub message_size: u64,
    /// Recipients of one message.
    pub recipients: usize,
    /// Errors in one conversation before it is ended.
    pub errors: u32,
    /// Who must sign in.
    pub auth: Auth,
    /// Whether STARTTLS is offered: the listener has a certificate, and does not begin with TLS.
    pub starttls: bool,
    /// Who gets mail for `postmaster` without a domain, which every server must take (RFC 5321 section 4.5.1):
    /// the operator. Without one such mail is refused.
    pub postmaster: Option<Mailbox>,
}

/// Whether devices sign in.
#[derive(Clone, Debug)]
pub enum Auth {
    /// AUTH is not offered.
    None,
    /// AUTH is offered and every name and password is taken: for devices that cannot leave them out.
    AcceptAny,
    /// Only after a login: names with password hashes in PHC form (argon2, bcrypt).
    Users(Arc<HashMap<String, String>>),
}

/// What octets of a conversation go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A network, in clear: anybody on it may read them and write some of his own.
    Clear,
    /// This machine alone, in clear.
    Local,
    /// TLS.
    Tls,
}

/// What the session has to know of the world when a line comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    /// A message could be stored.
    Ready,
    /// The disk is too full to store one.
    Full,
    /// Storing failed the last time it was tried.
    Failing,
}

/// What a client has said about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduction {
    /// The name behind HELO or EHLO; `None` when it gave none, or never said either.
    pub helo: Option<String>,
    /// Whether the last of them was EHLO.
    pub esmtp: bool,
    /// The name it signed in with, once that was verified. A name that nobody checked is not kept.
    pub login: Option<String>,
    /// Whether it said all this over TLS.
    pub tls: bool,
}

/// A conversation that waits for the client's next line.
#[derive(Debug)]
pub struct Session {
    conversation: Conversation,
    state: State,
}

/// What the next line is taken for.
#[derive(Debug)]
enum State {
    /// A command.
    Listening(Transaction),
    /// The answer to a 334; there is no transaction meanwhile (RFC 4954 section 4).
    Asking(Exchange),
    /// A command, of which only QUIT still works (RFC 5321 section 3.1).
    Dismissed,
}

/// How far the client has come with a message.
#[derive(Debug)]
enum Transaction {
    /// No sender yet.
    None,
    /// A sender.
    Sender(Sender),
    /// A sender and at least one recipient.
    Recipients(Sender, Recipients),
}

/// What MAIL established.
#[derive(Debug)]
struct Sender {
    /// MAIL FROM.
    path: ReversePath,
    /// It asked for SMTPUTF8.
    smtputf8: bool,
}

/// What is to be done after a line.
#[derive(Debug)]
pub enum Next {
    /// Say this, and read the next line.
    Reply(Session, Reply),
    /// Say this, and read content up to its end.
    Receive(Receiving, Reply),
    /// Check a password first.
    Verify(Verifying),
    /// Say this, forget what else was sent in clear, and have a TLS handshake.
    StartTls(Securing, Reply),
    /// Say this, and close.
    Close(Reply, Closing),
}

/// Why the session ended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// The client said QUIT.
    Quit,
    /// The client speaks HTTP: a browser on the same machine can be made to send anything here.
    Http,
    /// The client sends a message in chunks, which cannot be told from commands.
    Bdat,
    /// The client made more errors than the policy allows.
    TooManyErrors,
    /// The client gave too many wrong names or passwords.
    FailedLogins,
}

impl Session {
    /// A session at its beginning, and the greeting.
    pub fn new(policy: Arc<Policy>, quirks: Quirks, way: Way) -> (Self, Reply) {
        let greeting = replies::greeting(&policy.hostname);
        let session = Self { conversation: Conversation::new(policy, quirks, way), state: State::Listening(Transaction::None) };
        (session, greeting)
    }

    /// Takes the client's next line.
    pub fn on_line(self, line: Line, conditions: Conditions) -> Next {
        let Self { conversation, state } = self;
        match (state, line) {
            (State::Listening(transaction), Line::Whole(line)) => conversation.on_command(transaction, &line, conditions),
            (State::Listening(transaction), Line::TooLong) => conversation.complain(transaction, replies::line_too_long()),
            (State::Asking(exchange), Line::Whole(line)) => conversation.on_answer(exchange, &line, conditions),
            (State::Asking(_), Line::TooLong) => conversation.complain(Transaction::None, replies::line_too_long()),
            (State::Dismissed, Line::Whole(line)) => conversation.on_command_when_dismissed(&line),
            (State::Dismissed, Line::TooLong) => conversation.dismiss(replies::line_too_long()),
        }
    }

    /// What the client has said about itself so far.
    pub fn introduction(&self) -> &Introduction {
        &self.conversation.introduction
    }
}
