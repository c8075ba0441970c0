//! Every cause of trouble: its name, what it means, and what to do about it.
//!
//! Other rooms find out *that* something is wrong and name the cause; the words are here, once, for
//! log, queue, commands and documents alike. Names and meanings stand in one table below, remedies in
//! `remedy`, what the token endpoint's numbers mean in `entra`.
//!
//! Always true: a name never changes its meaning, because entries in the spool keep it.

mod chain;
mod entra;
mod remedy;

use std::fmt;
use std::str::FromStr;

pub use chain::chain;
pub use entra::{Explained, codes_in, explains, known};
pub use remedy::Values;

/// Makes the enum, the list of all causes, their names and their meanings from one table.
macro_rules! causes {
    ($($variant:ident $name:literal $meaning:literal)*) => {
        /// What can be wrong between us and a delivered message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cause {
            $(#[doc = $meaning] $variant,)*
        }

        impl Cause {
            /// Every cause, sorted by where it arises.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in log, queue, metrics and commands: lower case with hyphens.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it means, in one sentence without a full stop.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

causes! {
    Delivered "delivered" "The upstream took the message"

    SmtpAuthOffTenant "smtp-auth-off-tenant" "The tenant does not let any mailbox sign in over SMTP"
    SmtpAuthOffMailbox "smtp-auth-off-mailbox" "The mailbox is not allowed to sign in over SMTP"
    BasicAuthOff "basic-auth-off" "The tenant does not let anybody sign in with a password"
    BasicAuthRetired "basic-auth-retired" "The provider no longer takes passwords; only OAuth signs in"
    WrongPassword "wrong-password" "The upstream did not accept the name and the password"
    AppPasswordRequired "app-password-required" "The upstream wants an app password instead of the mailbox's own"
    ConditionalAccess "conditional-access" "A sign-in policy of the tenant (Conditional Access or security defaults) refused the sign-in"
    TokenIdentity "token-identity" "The upstream did not accept the token for this mailbox"
    TokenExpiring "token-expiring" "The token had too little of its life left"
    LoginThrottled "login-throttled" "The upstream has seen too many sign-ins and wants a pause"
    AuthenticationRequired "authentication-required" "The upstream takes no mail from us unless we sign in"
    NoUsableAuth "no-usable-auth" "The upstream offers no way to sign in that fits the account's credentials"
    AccountRefused "account-refused" "The upstream refused the account for a reason that is not known here; its reply says why"

    TokenRefused "token-refused" "The token endpoint refused to give a token"
    TokenThrottled "token-throttled" "The token endpoint is busy or wants a pause"
    TokenEndpointUnreachable "token-endpoint-unreachable" "The token endpoint could not be reached"
    TokenMalformed "token-malformed" "The token endpoint answered with something that is no token"

    TooManyConnections "too-many-connections" "The mailbox has more connections open than the provider allows"
    RatePerMinute "rate-per-minute" "The mailbox sent more messages in a minute than the provider allows"
    DailyRecipients "daily-recipients" "The mailbox has reached its limit of recipients for a day"
    TenantExternalLimit "tenant-external-limit" "The tenant has reached its limit of external recipients for a day"
    SentItemsFull "sent-items-full" "The mailbox that signs in is full: each message sent is also kept in its Sent Items"
    SenderBlocked "sender-blocked" "The provider blocked the mailbox because it took it for a sender of spam"
    OutboundSpam "outbound-spam" "The provider's filter for outgoing spam stopped the account"
    IpReputation "ip-reputation" "The provider takes no mail from our public address"
    RelayDenied "relay-denied" "The upstream does not let this account send to other domains"

    SendAsDenied "send-as-denied" "The mailbox that signed in may not send as this From address"
    TooLarge "too-large" "The message is larger than the upstream takes"
    TooManyRecipients "too-many-recipients" "The message has more recipients than the upstream takes at once"
    BadRecipient "bad-recipient" "The upstream says that the recipient's address does not exist or cannot be one"
    HveExternal "hve-external" "High Volume Email sends to recipients of the own tenant only"
    Smtputf8Missing "smtputf8-missing" "An address or header has letters outside ASCII, which the upstream cannot carry"
    RecipientRefused "recipient-refused" "The upstream refused the recipient for a reason that is not known here; its reply says why"
    MessageRefused "message-refused" "The upstream refused the message for a reason that is not known here; its reply says why"

    Temporary "temporary" "The upstream could not take mail at the moment"
    Protocol "protocol" "The upstream and the relay lost step in their dialogue"
    ReplyMalformed "reply-malformed" "What the upstream said is no SMTP"
    ReplyTimeout "reply-timeout" "The upstream did not answer in time"
    ConnectionLost "connection-lost" "The connection to the upstream broke off"
    FinalReplyLost "final-reply-lost" "The connection broke off after the whole message was sent and before the upstream confirmed it, so it may arrive twice"

    NameNotFound "name-not-found" "The upstream's name could not be resolved to an address"
    ConnectRefused "connect-refused" "The upstream's address refused the connection"
    ConnectTimeout "connect-timeout" "The upstream's address did not answer in time"
    ConnectFailed "connect-failed" "No connection to the upstream could be made"

    NoStarttls "no-starttls" "The upstream does not offer STARTTLS, so nothing was sent"
    StarttlsInjected "starttls-injected" "Somebody sent data between STARTTLS and the handshake, as an attacker on the way would"
    TlsFailed "tls-failed" "The TLS handshake with the upstream failed"
    CertificateUntrusted "certificate-untrusted" "No authority that is trusted here signed the upstream's certificate"
    CertificateWrongName "certificate-wrong-name" "The upstream's certificate is for another name"
    CertificateExpired "certificate-expired" "The upstream's certificate is not valid now"

    SpoolUnreadable "spool-unreadable" "The message's body could not be read from the spool"
    Unknown "unknown" "Nothing more is known"
}

/// Octets of a detail that are kept. Exchange's longest replies have about 1.5 KB.
const DETAIL_LIMIT: usize = 2048;

/// Text from outside as the detail of some trouble: literal, but on one line, without control or invisible
/// characters, and at most 2 KB long, so that a log, a terminal and the page can show it.
pub fn detail(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(DETAIL_LIMIT));
    for c in text.trim().chars() {
        let before = shown.len();
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
        if shown.len() > DETAIL_LIMIT {
            shown.truncate(before);
            break;
        }
    }
    shown
}

/// No cause has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no known cause of trouble")]
pub struct UnknownCause(String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Cause {
    type Err = UnknownCause;

    fn from_str(name: &str) -> Result<Self, UnknownCause> {
        Self::ALL.iter().copied().find(|cause| cause.name() == name).ok_or_else(|| UnknownCause(name.chars().take(60).collect()))
    }
}

impl serde::Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Cause {
    /// A name that is not known here, written by a newer version, reads as [`Cause::Unknown`]: the entry
    /// that carries it must stay readable.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Ok(name.parse().unwrap_or(Self::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_kebab_case_and_read_back() {
        for &cause in Cause::ALL {
            assert_eq!(cause.name().parse::<Cause>().unwrap(), cause);
            assert!(cause.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{cause}");
            let json = serde_json::to_string(&cause).unwrap();
            assert_eq!(json, format!("{:?}", cause.name()));
            assert_eq!(serde_json::from_str::<Cause>(&json).unwrap(), cause);
        }
        assert!("no-such-cause".parse::<Cause>().is_err());
        assert_eq!(serde_json::from_str::<Cause>("\"of-a-later-version\"").unwrap(), Cause::Unknown);
    }

    #[test]
    fn a_detail_is_one_harmless_line() {
        assert_eq!(detail(" 550 \"x\"\r\n\u{1b}[2Jä\u{202e}\\"), "550 \"x\"\\r\\n\\u{1b}[2Jä\\u{202e}\\");
        assert_eq!(detail(&"ä".repeat(5000)).len(), 2048);
        assert_eq!(detail(&format!("x{}", "ä".repeat(5000))).len(), 2047);
    }

    #[test]
    fn meanings_are_one_sentence_without_a_full_stop() {
        for &cause in Cause::ALL {
            let meaning = cause.meaning();
            assert!(meaning.starts_with(|first: char| first.is_ascii_uppercase()) && !meaning.ends_with('.'), "{cause}: {meaning}");
        }
    }
}
