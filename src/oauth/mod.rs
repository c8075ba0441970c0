//! A valid bearer token: fetched before it is needed, once at a time, kept safely.
//!
//! Knows token endpoints and nothing of mail. Today there is one grant, client credentials (RFC 6749 section 4.4)
//! with a secret; [`Grant`] is where the others go. `grant` speaks OAuth, `http` carries one request, and what is
//! here decides when a token is still good.
//!
//! Always true:
//! - However many wait for a token, one request is on its way, and all get its answer.
//! - Neither a token nor a secret appears in an error or in the log.

mod error;
mod grant;
mod http;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_rustls::rustls::ClientConfig;

use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

pub use error::TokenError;

/// How an account gets its tokens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The token endpoint, `https` (or `http` to a loopback address).
    pub token_url: String,
    /// Asked for.
    pub scope: String,
    /// Who asks, and how it proves that it may.
    pub grant: Grant,
    /// Whom to trust behind `https`.
    pub tls: Arc<ClientConfig>,
}

/// How an application proves that it may have a token.
#[derive(Clone, Debug)]
pub enum Grant {
    /// RFC 6749 section 4.4 with a secret.
    ClientCredentials {
        /// The application's id.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
}

/// The most of its life that a token may have left when it is renewed. High Volume Email refuses tokens in
/// their last ten minutes.
const RENEW_BEFORE: Duration = Duration::from_secs(10 * 60);
/// A token that says nothing of its life is taken to live this long. RFC 6749 section 5.1 leaves it open;
/// every endpoint we know says it.
const UNSAID_LIFE: Duration = Duration::from_secs(5 * 60);
/// With less than this left a token is not used any more, whatever the trouble with getting a new one.
const LEAST_LIFE: Duration = Duration::from_secs(60);
/// After a failed renewal a token that still lives is used this long before the next attempt, so that a dead
/// endpoint does not slow down every sign-in.
const RENEW_AGAIN: Duration = Duration::from_secs(60);

/// Gives out valid tokens for one account. Shared by all its connections.
#[derive(Debug)]
pub struct TokenSource {
    settings: Settings,
    clock: Clock,
    held: Mutex<Option<Held>>,
    /// Requests that have been answered, or have failed.
    finished: AtomicU64,
    /// Whoever holds this may send a request. It keeps the last failure, with the number of its request.
    requesting: tokio::sync::Mutex<Option<(u64, TokenError)>>,
}

/// A token at hand.
#[derive(Clone, Debug)]
struct Held {
    token: Secret,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

/// A token as the endpoint gave it.
#[derive(Debug)]
struct Granted {
    token: Secret,
    life: Option<Duration>,
}

impl TokenSource {
    /// A source that has no token yet; it asks for one when it is first needed.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        Self { settings, clock, held: Mutex::default(), finished: AtomicU64::new(0), requesting: tokio::sync::Mutex::default() }
    }

    /// A token with more than ten minutes, or a fifth of its life, left; asks the endpoint when there is none at hand.
    ///
    /// Takes at most 30 seconds. While the endpoint has trouble, a token that still lives is given out.
    pub async fn token(&self) -> Result<Secret, TokenError> {
        let seen = self.finished.load(Ordering::Acquire);
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let mut last = self.requesting.lock().await;
        // Somebody else's request was answered while we waited for our turn: its answer is ours.
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        if let Some((number, error)) = &*last
            && *number > seen
        {
            return Err(error.clone());
        }
        let asked = self.clock.now();
        let answer = grant::request(&self.settings).await;
        let number = self.finished.fetch_add(1, Ordering::AcqRel) + 1;
        match answer {
            Ok(granted) => {
                *last = None;
                Ok(self.keep(granted, asked))
            }
            Err(error) => {
                *last = Some((number, error.clone()));
                self.make_do(error)
            }
        }
    }

    /// Forgets a token that the upstream refused, unless it has been replaced meanwhile.
    pub fn discard(&self, rejected: &Secret) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| held.token == *rejected) {
            *held = None;
        }
    }

    fn fresh(&self) -> Option<Secret> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|held| self.clock.now() < held.renew_at).map(|held| held.token.clone())
    }

    /// Keeps a token whose life began when it was asked for: that errs on the safe side.
    fn keep(&self, granted: Granted, asked: Timestamp) -> Secret {
        let life = granted.life.unwrap_or(UNSAID_LIFE);
        let ends_at = asked.after(life);
        let renew_at = ends_at.before(RENEW_BEFORE.min(life / 5));
        tracing::debug!(valid_until = %ends_at, "got a token");
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(Held { token: granted.token.clone(), renew_at, ends_at });
        granted.token
    }

    /// The token at hand, when it still lives and the trouble is the endpoint's own.
    fn make_do(&self, error: TokenError) -> Result<Secret, TokenError> {
        let passing = match &error {
            TokenError::Throttled { .. } | TokenError::Unreachable { .. } | TokenError::Malformed { .. } => true,
            TokenError::Refused { .. } => false,
        };
        let now = self.clock.now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut().filter(|held| passing && now.after(LEAST_LIFE) < held.ends_at) {
            Some(held) => {
                tracing::warn!(%error, valid_until = %held.ends_at, "kept the old token");
                held.renew_at = now.after(RENEW_AGAIN).min(held.ends_at.before(LEAST_LIFE));
                Ok(held.token.clone())
            }
            None => Err(error),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
