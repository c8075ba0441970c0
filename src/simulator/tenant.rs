//! The organisation that is simulated: its mailboxes, its application, the tokens it gave out, and what its
//! mailboxes have used of their limits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::message::{Mailbox, ReversePath};
use crate::secret::Secret;

/// A mailbox that may sign in.
#[derive(Clone, Debug)]
pub struct Account {
    /// Who signs in.
    pub mailbox: Mailbox,
    /// What it may also send as.
    pub aliases: Vec<Mailbox>,
    /// Its password, or app password.
    pub password: Secret,
}

/// The organisation, and the application that is registered with it.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Its domain at the token endpoint, as in `contoso.onmicrosoft.com`.
    pub name: String,
    /// Its GUID, which the token endpoint takes as well.
    pub id: String,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: Secret,
    /// Its mailboxes: at least one.
    pub accounts: Vec<Account>,
}

/// The organisation of the documentation's examples.
impl Default for Organisation {
    fn default() -> Self {
        Self {
            name: "contoso.onmicrosoft.com".into(),
            id: "99999999-8888-7777-6666-555555555555".into(),
            client_id: "11111111-2222-3333-4444-555555555555".into(),
            client_secret: Secret::new("rehearsal-secret"),
            accounts: [Account::rehearsal()].into_iter().flatten().collect(),
        }
    }
}

impl Account {
    /// `scanner@contoso.com` with the aliases of the documentation's examples.
    fn rehearsal() -> Option<Self> {
        let aliases = ["noreply@contoso.com", "alerts@contoso.com", "info@contoso.com"];
        Some(Self {
            mailbox: Mailbox::parse("scanner@contoso.com").ok()?,
            aliases: aliases.iter().filter_map(|alias| Mailbox::parse(alias).ok()).collect(),
            password: Secret::new("rehearsal-password"),
        })
    }
}

/// What a mailbox may do. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; those above it are refused after the dot.
    pub connections: Option<usize>,
    /// Messages within any minute.
    pub messages_per_minute: Option<usize>,
    /// Recipients of one message.
    pub recipients_per_message: usize,
    /// Octets of one message.
    pub message_size: u64,
}

impl Default for Limits {
    /// Microsoft's defaults, but for messages a minute: what is published (30) is not what is enforced.
    fn default() -> Self {
        Self { connections: Some(3), messages_per_minute: None, recipients_per_message: 500, message_size: 35 << 20 }
    }
}

/// A limit that a mailbox has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    Connections,
    MessagesPerMinute,
}

/// The organisation at work.
#[derive(Debug)]
pub(super) struct Tenant {
    organisation: Organisation,
    limits: Limits,
    tokens: Mutex<Tokens>,
    /// One for each account, in the same order.
    usage: Vec<Mutex<Usage>>,
}

/// One of the accounts of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountNumber(usize);

#[derive(Debug, Default)]
struct Tokens {
    /// Until when each is good.
    expiry: HashMap<String, Timestamp>,
    /// All of them, oldest first.
    order: VecDeque<String>,
}

#[derive(Debug, Default)]
struct Usage {
    /// Connections that are signed in, longest first.
    connections: Vec<u64>,
    /// When messages were taken; only kept where there is a limit.
    taken: VecDeque<Timestamp>,
}

/// Tokens that are remembered: a relay needs one an hour, a test perhaps hundreds.
const TOKENS: usize = 1_000;
/// Random octets inside a token that bring it to the 2 KB of a real one.
const FILLING: usize = 720;
/// Octets of an RSA signature.
const SIGNATURE: usize = 256;

impl Tenant {
    pub(super) fn new(organisation: Organisation, limits: Limits) -> Self {
        let usage = organisation.accounts.iter().map(|_| Mutex::default()).collect();
        Self { organisation, limits, tokens: Mutex::default(), usage }
    }

    pub(super) fn organisation(&self) -> &Organisation {
        &self.organisation
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn account(&self, number: AccountNumber) -> &Account {
        &self.organisation.accounts[number.0]
    }

    /// Whether the token endpoint knows a tenant by this name.
    pub(super) fn is_called(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.organisation.name) || name.eq_ignore_ascii_case(&self.organisation.id)
    }

    /// The account whose mailbox this is. An alias cannot sign in.
    fn find(&self, user: &str) -> Option<AccountNumber> {
        let at = self.organisation.accounts.iter().position(|account| account.mailbox.as_str().eq_ignore_ascii_case(user))?;
        Some(AccountNumber(at))
    }

    pub(super) fn check_password(&self, user: &str, password: &Secret) -> Option<AccountNumber> {
        self.find(user).filter(|number| self.account(*number).password == *password)
    }

    /// A token is good for every mailbox of the organisation: the application has the right to all of them.
    pub(super) fn check_token(&self, user: &str, token: &Secret, now: Timestamp) -> Option<AccountNumber> {
        let expiry = lock(&self.tokens).expiry.get(token.reveal()).copied()?;
        if now < expiry { self.find(user) } else { None }
    }

    /// Gives out a token, in the form of a JWT that nobody needs to read, of about 2 KB as real ones are.
    pub(super) fn issue(&self, now: Timestamp, life: Duration) -> Result<Secret, getrandom::Error> {
        let mut noise = [0_u8; FILLING + SIGNATURE];
        getrandom::fill(&mut noise)?;
        let (filling, signature) = noise.split_at(FILLING);
        let organisation = &self.organisation;
        let claims = serde_json::json!({
            "aud": "https://outlook.office365.com",
            "iss": format!("https://sts.windows.net/{}/", organisation.id),
            "iat": now.as_secs(),
            "nbf": now.as_secs(),
            "exp": now.after(life).as_secs(),
            "appid": organisation.client_id,
            "roles": ["SMTP.SendAsApp"],
            "tid": organisation.id,
            "aio": URL_SAFE_NO_PAD.encode(filling),
        });
        let head = URL_SAFE_NO_PAD.encode(br#"{"typ":"JWT","alg":"RS256","kid":"simulator"}"#);
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let token = format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature));
        let mut tokens = lock(&self.tokens);
        if tokens.order.len() == TOKENS
            && let Some(oldest) = tokens.order.pop_front()
        {
            tokens.expiry.remove(&oldest);
        }
        tokens.expiry.insert(token.clone(), now.after(life));
        tokens.order.push_back(token.clone());
        Ok(Secret::new(token))
    }

    /// Makes every token that was given out worthless.
    pub(super) fn revoke_tokens(&self) {
        *lock(&self.tokens) = Tokens::default();
    }

    pub(super) fn may_send_as(&self, number: AccountNumber, address: &Mailbox) -> bool {
        let account = self.account(number);
        account.mailbox == *address || account.aliases.contains(address)
    }

    /// The same for MAIL FROM. The empty path is nobody's.
    pub(super) fn may_send_from(&self, number: AccountNumber, path: &ReversePath) -> bool {
        match path {
            ReversePath::Mailbox(address) => self.may_send_as(number, address),
            ReversePath::Null | ReversePath::Other(_) => false,
        }
    }

    /// Counts a connection that signed in.
    pub(super) fn join(&self, number: AccountNumber, connection: u64) {
        lock(&self.usage[number.0]).connections.push(connection);
    }

    /// A connection that had signed in is gone.
    pub(super) fn leave(&self, number: AccountNumber, connection: u64) {
        lock(&self.usage[number.0]).connections.retain(|other| *other != connection);
    }

    /// Whether this connection's mailbox has reached a limit; if not, counts a message.
    pub(super) fn count(&self, number: AccountNumber, connection: u64, now: Timestamp) -> Result<(), Reached> {
        if self.limits.connections.is_none() && self.limits.messages_per_minute.is_none() {
            return Ok(());
        }
        let mut usage = lock(&self.usage[number.0]);
        if self.limits.connections.is_some_and(|most| !usage.connections.iter().take(most).any(|other| *other == connection)) {
            return Err(Reached::Connections);
        }
        if let Some(most) = self.limits.messages_per_minute {
            let minute = now.before(Duration::from_secs(60));
            while usage.taken.front().is_some_and(|at| *at <= minute) {
                usage.taken.pop_front();
            }
            if usage.taken.len() >= most {
                return Err(Reached::MessagesPerMinute);
            }
            usage.taken.push_back(now);
        }
        Ok(())
    }
}

/// What a panic elsewhere left behind is still good: every change here is complete.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn tenant(limits: Limits) -> Tenant {
        Tenant::new(Settings::default().organisation, limits)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn tokens_are_good_until_they_expire_or_are_revoked() {
        let tenant = tenant(Limits::default());
        let token = tenant.issue(at(0), Duration::from_secs(3600)).unwrap();
        assert!((1_900..2_300).contains(&token.reveal().len()), "{}", token.reveal().len());
        assert_eq!(token.reveal().split('.').count(), 3);
        assert!(tenant.check_token("Scanner@contoso.com", &token, at(3599)).is_some());
        assert!(tenant.check_token("scanner@contoso.com", &token, at(3600)).is_none());
        assert!(tenant.check_token("noreply@contoso.com", &token, at(1)).is_none(), "an alias cannot sign in");
        assert!(tenant.check_token("scanner@contoso.com", &Secret::new("x"), at(1)).is_none());
        tenant.revoke_tokens();
        assert!(tenant.check_token("scanner@contoso.com", &token, at(1)).is_none());
    }

    #[test]
    fn old_tokens_are_forgotten() {
        let tenant = tenant(Limits::default());
        let first = tenant.issue(at(0), Duration::from_secs(3600)).unwrap();
        (0..TOKENS).for_each(|_| drop(tenant.issue(at(0), Duration::from_secs(3600)).unwrap()));
        assert!(tenant.check_token("scanner@contoso.com", &first, at(1)).is_none());
        assert_eq!(lock(&tenant.tokens).expiry.len(), TOKENS);
    }

    #[test]
    fn the_fourth_connection_may_not_send_until_one_leaves() {
        let tenant = tenant(Limits::default());
        let scanner = tenant.find("scanner@contoso.com").unwrap();
        (1..=4).for_each(|connection| tenant.join(scanner, connection));
        assert_eq!(tenant.count(scanner, 4, at(0)), Err(Reached::Connections));
        assert_eq!(tenant.count(scanner, 1, at(0)), Ok(()));
        tenant.leave(scanner, 1);
        assert_eq!(tenant.count(scanner, 4, at(0)), Ok(()));
    }

    #[test]
    fn the_minute_rolls() {
        let tenant = tenant(Limits { messages_per_minute: Some(2), connections: None, ..Limits::default() });
        let scanner = tenant.find("scanner@contoso.com").unwrap();
        let count = |second| tenant.count(scanner, 1, at(second)).is_ok();
        assert_eq!([0, 30, 59, 60, 61, 90].map(count), [true, true, false, true, false, true]);
    }
}
