//! One attempt to hand a message to a provider: keeps connections, classifies every reply.
//!
//! The dialogue is pure (`dialogue`), `drive` leads it over a `connection`, `content` streams the message, `pool`
//! keeps connections between messages, `classify` gives replies meaning. What is here joins them: it signs in
//! with a password or a token, and gives an attempt the second chances that cost nobody anything. It knows
//! nothing of the spool, of retries or of limits per minute.
//!
//! Always true:
//! - An attempt returns exactly one outcome for each recipient, in the envelope's order.
//! - A second chance is taken at most once for each reason, and never behind the final dot.

mod classify;
mod connection;
mod content;
mod dialogue;
mod drive;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ClientConfig;
use tracing::Instrument as _;

use crate::cause::Cause;
use crate::clock::Clock;
use crate::delivery::{Failure, NextStep, Outcome, Outgoing, Report, Stage};
use crate::message::{AccountName, Mailbox};
use crate::oauth::{self, TokenSource};
use crate::secret::Secret;

pub use classify::{Meaning, Method, find_reply, meaning};

use content::Content;
use dialogue::{Login, Terms};
use drive::Signed;
use pool::Pool;

/// One account's way to its upstream.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's name, for the log.
    pub account: AccountName,
    /// The name that is dialled, and that the certificate must carry.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Our name in EHLO.
    pub hostname: String,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Whom to trust.
    pub trust: Arc<ClientConfig>,
    /// Who signs in.
    pub mailbox: Mailbox,
    /// With what.
    pub credentials: Credentials,
    /// Connections at once.
    pub connections: usize,
    /// Waits.
    pub waits: Waits,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// STARTTLS before anything else (RFC 3207); without it nothing is sent.
    StartTls,
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// No protection; then no credential is ever sent. Only for `custom` upstreams that ask for none.
    None,
}

/// What an account signs in with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Nothing: the upstream knows us by our address.
    None,
    /// A password or app password, by LOGIN or PLAIN.
    Password(Secret),
    /// A token, by XOAUTH2.
    Token(oauth::Settings),
}

/// How long each step may take. RFC 5321 section 4.5.3.2 gives the least values.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// To connect.
    pub connect: Duration,
    /// For the greeting and each reply to a command.
    pub reply: Duration,
    /// For the reply to the final dot.
    pub final_reply: Duration,
    /// An idle connection is closed after this.
    pub idle: Duration,
    /// A connection is not used for longer than this.
    pub age: Duration,
    /// Nor for more messages than this.
    pub messages: u32,
}

/// Hands messages over for one account. Dropped without [`Upstream::close`], its connections just end.
#[derive(Debug)]
pub struct Upstream {
    settings: Settings,
    tokens: Option<TokenSource>,
    pool: Arc<Pool>,
}

/// What one try came to.
struct Tried {
    outcomes: Vec<Outcome>,
    /// The token with which a new connection signed in, or tried to.
    token: Option<Secret>,
}

/// Second chances that an attempt still has.
#[derive(Clone, Copy, Debug)]
struct Chances {
    token: bool,
    connection: bool,
}

impl Upstream {
    /// An upstream without any connection yet; the first message makes one.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let tokens = match &settings.credentials {
            Credentials::None | Credentials::Password(_) => None,
            Credentials::Token(settings) => Some(TokenSource::new(settings.clone(), clock)),
        };
        let pool = Arc::new(Pool::new(settings.connections, settings.waits));
        Self { settings, tokens, pool }
    }

    /// Hands one message over. Never fails otherwise: whatever goes wrong is an outcome for each recipient.
    ///
    /// Waits for its turn when all the account's connections are in use. A token that is refused is replaced and
    /// a connection that died unnoticed is made again, each at most once.
    pub async fn deliver(&self, outgoing: &Outgoing) -> Report {
        let span = tracing::debug_span!("attempt", entry = %outgoing.entry, account = %self.settings.account);
        self.deliver_with_chances(outgoing).instrument(span).await
    }

    async fn deliver_with_chances(&self, outgoing: &Outgoing) -> Report {
        let _slot = self.pool.slot().await;
        let mut chances = Chances { token: true, connection: true };
        loop {
            let fresh = !(chances.token && chances.connection);
            let tried = self.attempt(outgoing, fresh).await;
            if !self.tries_again(&tried, &mut chances) {
                let outcomes = outgoing.recipients.iter().cloned().zip(tried.outcomes.into_iter().map(settled));
                return Report { outcomes: outcomes.collect() };
            }
        }
    }

    /// Signs in, and keeps the connection for the first message. The failure's stage says how far it came.
    pub async fn check(&self) -> Result<(), Failure> {
        let _slot = self.pool.slot().await;
        let signed = self.open().await.map_err(|(failure, _)| failure)?;
        self.pool.keep(signed.0).await;
        Ok(())
    }

    /// Says goodbye on idle connections; those in use are closed when their message is done.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn attempt(&self, outgoing: &Outgoing, fresh: bool) -> Tried {
        let all = |failure: Failure| outgoing.recipients.iter().map(|_| Outcome::Deferred(failure.clone())).collect();
        let content = match Content::open(outgoing).await {
            Ok(content) => content,
            Err(failure) => return Tried { outcomes: all(failure), token: None },
        };
        let kept = if fresh { None } else { self.pool.take().await };
        let reused = kept.is_some();
        let (mut signed, token) = match kept {
            Some(signed) => (signed, None),
            None => match self.open().await {
                Ok(opened) => opened,
                Err((failure, token)) => return Tried { outcomes: all(failure), token },
            },
        };
        let done = signed.send(outgoing, content, self.method(), &self.settings.waits).await;
        if signed.reset(done.then, &self.settings.waits).await {
            self.pool.keep(signed).await;
        }
        let outcomes = if reused { done.outcomes.into_iter().map(died_unnoticed).collect() } else { done.outcomes };
        Tried { outcomes, token }
    }

    /// A new connection, and the token that it signed in with; on failure the token that it tried.
    async fn open(&self) -> Result<(Signed, Option<Secret>), (Failure, Option<Secret>)> {
        let token = match &self.tokens {
            Some(tokens) => Some(tokens.token().await.map_err(|error| (classify::no_token(&error), None))?),
            None => None,
        };
        let login = match (&self.settings.credentials, &token) {
            (Credentials::Token(_), Some(token)) => Login::Token(token),
            (Credentials::Password(password), _) => Login::Password(password),
            (Credentials::None | Credentials::Token(_), _) => Login::None,
        };
        let terms = Terms { hostname: &self.settings.hostname, tls: self.settings.tls, user: self.settings.mailbox.as_str(), login };
        match drive::open(&self.settings, &terms).await {
            Ok(signed) => Ok((signed, token)),
            Err(failure) => Err((failure, token)),
        }
    }

    /// Whether the attempt is worth making again at once, and what has to be done before.
    fn tries_again(&self, tried: &Tried, chances: &mut Chances) -> bool {
        let wants = |step: NextStep| {
            tried.outcomes.iter().all(|outcome| match outcome {
                // Behind the final dot the message may have been taken.
                Outcome::Deferred(failure) => failure.next == step && failure.stage != Stage::FinalReply,
                Outcome::Delivered(_) | Outcome::Refused(_) => false,
            })
        };
        if wants(NextStep::Token) {
            return match (&self.tokens, &tried.token) {
                (Some(tokens), Some(token)) => {
                    tokens.discard(token);
                    std::mem::take(&mut chances.token)
                }
                // A kept connection whose sign-in has lapsed: a new one signs in again.
                (Some(_) | None, _) => std::mem::take(&mut chances.connection),
            };
        }
        wants(NextStep::Reconnect) && std::mem::take(&mut chances.connection)
    }

    fn method(&self) -> Method {
        match self.settings.credentials {
            Credentials::None => Method::None,
            Credentials::Password(_) => Method::Password,
            Credentials::Token(_) => Method::Token,
        }
    }
}

/// A connection that was kept too long shows it at the next MAIL, by silence, an end or a 421: nothing is wrong but that.
fn died_unnoticed(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Deferred(failure)
            if failure.stage == Stage::Mail && matches!(failure.cause, Cause::ConnectionLost | Cause::ReplyTimeout | Cause::Temporary) =>
        {
            Outcome::Deferred(Failure { next: NextStep::Reconnect, ..failure })
        }
        Outcome::Deferred(_) | Outcome::Delivered(_) | Outcome::Refused(_) => outcome,
    }
}

/// What is left when the second chances are used up: a token that was refused twice is the account's trouble, a
/// connection that failed twice the upstream's.
fn settled(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Deferred(failure) => {
            let next = match failure.next {
                NextStep::Token => NextStep::Hold,
                NextStep::Reconnect => NextStep::Retry,
                NextStep::Retry | NextStep::Hold | NextStep::Pause(_) | NextStep::Split | NextStep::ResendAs | NextStep::GiveUp => {
                    failure.next
                }
            };
            Outcome::Deferred(Failure { next, ..failure })
        }
        Outcome::Delivered(_) | Outcome::Refused(_) => outcome,
    }
}

#[cfg(test)]
mod tests;
