//! What a reply, or its absence, means: how far the trouble reaches, what to do next, and why.
//!
//! The sentence counts first, then the enhanced code, then the three digits with the stage: `5.7.139` alone has
//! eight meanings, and `530 5.7.57` carries the real reason inside its own text. Pure.
//!
//! Always true:
//! - What is unknown is temporary, or, where it is about the account, a reason to hold; never to give up.
//! - Nothing an account or a tenant does wrong condemns a message.

use std::io;
use std::time::Duration;

use tokio_rustls::rustls::{self, CertificateError};

use crate::cause::{Cause, chain, detail};
use crate::delivery::{Failure, NextStep, Scope, Stage};
use crate::oauth::TokenError;
use crate::smtp::{Enhanced, Reply, ReplyError};

/// What the account signs in with, as far as a refusal depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Nothing.
    None,
    /// A password: a refused one is not tried again.
    Password,
    /// A token: a refused one is replaced once.
    Token,
}

/// What a reply means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The server did what it was asked.
    Done,
    /// It did not.
    Failed {
        /// How far the trouble reaches.
        scope: Scope,
        /// What is to happen now.
        next: NextStep,
        /// What is wrong.
        cause: Cause,
    },
}

/// How long an account pauses. The upstreams name no times.
mod pause {
    use std::time::Duration;

    /// 432: another connection of the mailbox has to end first.
    pub(super) const CONNECTIONS: Duration = Duration::from_secs(15);
    /// The minute that is counted, and a little.
    pub(super) const MINUTE: Duration = Duration::from_secs(75);
    /// Limits of a rolling day free themselves bit by bit.
    pub(super) const DAY: Duration = Duration::from_secs(60 * 60);
    /// Each further sign-in prolongs the lock.
    pub(super) const LOGINS: Duration = Duration::from_secs(15 * 60);
    /// The shortest that an endpoint is believed: one that says zero would be asked again without end.
    pub(super) const SHORTEST: Duration = Duration::from_secs(5);
    /// The longest that an endpoint is believed: a wrong number must not stop an account for days.
    pub(super) const LONGEST: Duration = Duration::from_secs(60 * 60);
    /// AADSTS50053: the lock lasts longer with every attempt.
    pub(super) const LOCKED: Duration = Duration::from_secs(60 * 60);
}

/// One sentence that is known: the words that must all be there, in lower case, and what it means.
struct Sentence(&'static [&'static str], Scope, NextStep, Cause);

const fn hold(words: &'static [&'static str], cause: Cause) -> Sentence {
    Sentence(words, Scope::Account, NextStep::Hold, cause)
}

const fn wait(words: &'static [&'static str], time: Duration, cause: Cause) -> Sentence {
    Sentence(words, Scope::Account, NextStep::Pause(time), cause)
}

const fn token(words: &'static [&'static str], cause: Cause) -> Sentence {
    Sentence(words, Scope::Account, NextStep::Token, cause)
}

const fn later(words: &'static [&'static str]) -> Sentence {
    Sentence(words, Scope::Upstream, NextStep::Retry, Cause::Temporary)
}

const fn alias(words: &'static [&'static str]) -> Sentence {
    Sentence(words, Scope::Message, NextStep::ResendAs, Cause::SendAsDenied)
}

/// The first that fits counts; the more particular stand before the more general.
const SENTENCES: &[Sentence] = &[
    hold(&["smtpclientauthentication is disabled", "tenant"], Cause::SmtpAuthOffTenant),
    hold(&["smtpclientauthentication is disabled"], Cause::SmtpAuthOffMailbox),
    hold(&["basic authentication is disabled"], Cause::BasicAuthOff),
    hold(&["basic authentication is not supported"], Cause::BasicAuthRetired),
    hold(&["user credentials were incorrect"], Cause::WrongPassword),
    hold(&["did not meet the criteria to be authenticated"], Cause::ConditionalAccess),
    hold(&["security defaults policy"], Cause::ConditionalAccess),
    hold(&["conditional access"], Cause::ConditionalAccess),
    hold(&["application-specific password required"], Cause::AppPasswordRequired),
    token(&["token will expire soon"], Cause::TokenExpiring),
    wait(&["too many login attempts"], pause::LOGINS, Cause::LoginThrottled),
    // Dovecot and Postfix answer 535 also when their own store of passwords is down.
    later(&["connection lost to authentication server"]),
    later(&["temporary authentication failure"]),
    later(&["temporary server error"]),
    token(&["username and password not accepted"], Cause::TokenIdentity),
    wait(&["concurrent connections limit"], pause::CONNECTIONS, Cause::TooManyConnections),
    wait(&["too many concurrent"], pause::CONNECTIONS, Cause::TooManyConnections),
    wait(&["submission rate"], pause::MINUTE, Cause::RatePerMinute),
    wait(&["external recipient rate limit"], pause::DAY, Cause::TenantExternalLimit),
    wait(&["daily limit", "external recipients"], pause::DAY, Cause::TenantExternalLimit),
    wait(&["submissionquotaexceeded"], pause::DAY, Cause::DailyRecipients),
    wait(&["submission quota was exceeded"], pause::DAY, Cause::DailyRecipients),
    wait(&["daily limit for message recipients"], pause::DAY, Cause::DailyRecipients),
    wait(&["daily sending quota"], pause::DAY, Cause::DailyRecipients),
    wait(&["daily user sending"], pause::DAY, Cause::DailyRecipients),
    alias(&["sendasdenied"]),
    alias(&["not allowed to send as"]),
    alias(&["permissions to send as this sender"]),
    alias(&["sender address rejected", "not owned by"]),
    hold(&["shutoffquotaexceeded"], Cause::SentItemsFull),
    hold(&["storedrv.submission", "quotaexceeded"], Cause::SentItemsFull),
    hold(&["outboundspamexception"], Cause::OutboundSpam),
    hold(&["tenant has exceeded threshold"], Cause::OutboundSpam),
    hold(&["bad outbound sender"], Cause::SenderBlocked),
    hold(&["spam abuse detected"], Cause::SenderBlocked),
    hold(&["banned sender"], Cause::SenderBlocked),
    hold(&["blocked from sending"], Cause::SenderBlocked),
    hold(&["traffic not accepted from this ip"], Cause::IpReputation),
    hold(&["unable to relay"], Cause::RelayDenied),
    hold(&["relay access denied"], Cause::RelayDenied),
    Sentence(&["message size exceeds"], Scope::Message, NextStep::GiveUp, Cause::TooLarge),
    Sentence(&["message too large"], Scope::Message, NextStep::GiveUp, Cause::TooLarge),
    Sentence(&["external sending is not supported"], Scope::Recipient, NextStep::GiveUp, Cause::HveExternal),
    Sentence(&["too many recipients"], Scope::Message, NextStep::Split, Cause::TooManyRecipients),
];

/// What `reply` to a command of `stage` means for an account that signs in by `method`.
pub fn meaning(reply: &Reply, stage: Stage, method: Method) -> Meaning {
    if reply.is_positive() || reply.is_intermediate() {
        return Meaning::Done;
    }
    let text = reply.texts().join(" ").to_ascii_lowercase();
    let (scope, next, cause) = by_sentence(&text)
        .or_else(|| by_enhanced_code(reply, stage))
        // `530 5.7.57 Client not authenticated to send mail. Error: 535 5.7.3 …`: the inner reply is the reason.
        .or_else(|| inner(reply).and_then(|inner| by_enhanced_code(&inner, Stage::Auth)))
        // RFC 5321 section 4.2.1: with 4 a server says that trying again may help. What follows may say why, not the contrary.
        .filter(|(_, next, _)| !(reply.is_transient() && *next == NextStep::GiveUp))
        .unwrap_or_else(|| by_digits(reply, stage));
    let (next, cause) = for_method(next, cause, method);
    Meaning::Failed { scope, next, cause }
}

/// Finds a reply inside a text that somebody copied from a log, and the stage at which it is likely said.
/// For people who ask what a reply means; the relay itself knows the stage.
pub fn find_reply(text: &str) -> Option<(Reply, Stage)> {
    let text = text.trim();
    let starts = std::iter::once(0).chain(text.match_indices(|c: char| !c.is_ascii_digit()).map(|(at, found)| at + found.len()));
    let (code, rest) = starts.filter_map(|at| code_at(&text[at..])).next()?;
    let reply = reply_of(code, rest);
    let stage = match (code, reply.enhanced()) {
        (530 | 534 | 535 | 538 | 454, _) => Stage::Auth,
        (_, Some(Enhanced(_, 1, 1..=6 | 10))) => Stage::Rcpt,
        (450 | 452 | 501, _) => Stage::Rcpt,
        (421 | 503, _) => Stage::Mail,
        _ => Stage::FinalReply,
    };
    Some((reply, stage))
}

/// The failure that `reply` is; `None` when the server did what it was asked.
pub(super) fn failure(reply: &Reply, stage: Stage, method: Method) -> Option<Failure> {
    match meaning(reply, stage, method) {
        Meaning::Done => None,
        Meaning::Failed { scope, next, cause } => Some(Failure { scope, next, cause, stage, detail: detail(&reply.to_string()) }),
    }
}

/// The failure when a reply is of a kind that cannot follow: 250 to AUTH, 354 to MAIL.
pub(super) fn out_of_step(reply: &Reply, stage: Stage) -> Failure {
    let detail = detail(&format!("unexpected reply: {reply}"));
    Failure { scope: Scope::Upstream, next: NextStep::Reconnect, cause: Cause::Protocol, stage, detail }
}

fn by_sentence(text: &str) -> Option<(Scope, NextStep, Cause)> {
    SENTENCES.iter().find(|sentence| sentence.0.iter().all(|words| text.contains(words))).map(|known| (known.1, known.2, known.3))
}

/// Codes that mean the same whatever the words say. RFC 3463, RFC 4954 section 6, RFC 7505; the long details are Microsoft's.
fn by_enhanced_code(reply: &Reply, stage: Stage) -> Option<(Scope, NextStep, Cause)> {
    let enhanced = reply.enhanced()?;
    let account = |next, cause| Some((Scope::Account, next, cause));
    match (enhanced, stage) {
        (Enhanced(5, 7, 3 | 8), Stage::Auth) => account(NextStep::Token, Cause::TokenIdentity),
        (Enhanced(5, 7, 9), Stage::Auth) => account(NextStep::Hold, Cause::AppPasswordRequired),
        (Enhanced(5, 7, 30), Stage::Auth) => account(NextStep::Hold, Cause::BasicAuthRetired),
        (Enhanced(5, 7, 57), _) if inner(reply).is_none() => account(NextStep::Hold, Cause::AuthenticationRequired),
        (Enhanced(4, 7, 0), Stage::Auth) => Some((Scope::Upstream, NextStep::Retry, Cause::Temporary)),
        (Enhanced(5, 1, 8), _) => account(NextStep::Hold, Cause::SenderBlocked),
        (Enhanced(5, 1, 90), _) => account(NextStep::Pause(pause::DAY), Cause::DailyRecipients),
        (Enhanced(5, 7, 232 | 233), _) => account(NextStep::Pause(pause::DAY), Cause::TenantExternalLimit),
        (Enhanced(5, 7, 708), _) => account(NextStep::Hold, Cause::IpReputation),
        // Microsoft's range for tenants that send what looks like spam.
        (Enhanced(5, 7, 700..=749), _) => account(NextStep::Hold, Cause::OutboundSpam),
        (Enhanced(5, 2, 252) | Enhanced(5, 7, 60), _) => Some((Scope::Message, NextStep::ResendAs, Cause::SendAsDenied)),
        (Enhanced(5, 3, 4) | Enhanced(5, 2, 3), Stage::Mail | Stage::Data | Stage::FinalReply) => {
            Some((Scope::Message, NextStep::GiveUp, Cause::TooLarge))
        }
        (Enhanced(4 | 5, 5, 3), Stage::Rcpt | Stage::Data | Stage::FinalReply) => {
            Some((Scope::Message, NextStep::Split, Cause::TooManyRecipients))
        }
        // Bad mailbox, bad system, bad syntax, moved, null MX: the address itself, and the server is sure of it.
        (Enhanced(5, 1, 1 | 2 | 3 | 6 | 10), Stage::Rcpt) => Some((Scope::Recipient, NextStep::GiveUp, Cause::BadRecipient)),
        _ => None,
    }
}

/// What is left when neither words nor enhanced code are known.
fn by_digits(reply: &Reply, stage: Stage) -> (Scope, NextStep, Cause) {
    let code = reply.code();
    if code == 503 {
        return (Scope::Upstream, NextStep::Reconnect, Cause::Protocol);
    }
    if code == 432 {
        return (Scope::Account, NextStep::Pause(pause::CONNECTIONS), Cause::TooManyConnections);
    }
    // 421 says goodbye to the connection, whatever it answers (RFC 5321 section 4.2.2).
    let temporary = |scope| (scope, NextStep::Retry, Cause::Temporary);
    match (stage, reply.is_transient()) {
        (_, true) if code == 421 => temporary(Scope::Upstream),
        (Stage::Rcpt, true) => temporary(Scope::Recipient),
        (Stage::Data | Stage::FinalReply, true) => temporary(Scope::Message),
        (
            Stage::Local | Stage::Resolve | Stage::Connect | Stage::Greeting | Stage::Tls | Stage::Token | Stage::Auth | Stage::Mail,
            true,
        ) => temporary(Scope::Upstream),
        (Stage::Auth, false) if code == 535 => (Scope::Account, NextStep::Hold, Cause::AccountRefused),
        (Stage::Auth, false) if code == 504 => (Scope::Account, NextStep::Hold, Cause::NoUsableAuth),
        (Stage::Mail, false) if code == 530 => (Scope::Account, NextStep::Hold, Cause::AuthenticationRequired),
        (Stage::Mail, false) if code == 552 => (Scope::Message, NextStep::GiveUp, Cause::TooLarge),
        (Stage::Rcpt, false) => (Scope::Recipient, NextStep::Retry, Cause::RecipientRefused),
        (Stage::Data | Stage::FinalReply, false) => (Scope::Message, NextStep::Retry, Cause::MessageRefused),
        (Stage::Tls, false) => (Scope::Upstream, NextStep::Retry, Cause::NoStarttls),
        (Stage::Local | Stage::Resolve | Stage::Connect | Stage::Greeting | Stage::Token | Stage::Auth | Stage::Mail, false) => {
            (Scope::Account, NextStep::Hold, Cause::AccountRefused)
        }
    }
}

/// A fresh token can only help an account that has tokens.
fn for_method(next: NextStep, cause: Cause, method: Method) -> (NextStep, Cause) {
    match (next, method) {
        (NextStep::Token, Method::Password) => (NextStep::Hold, Cause::WrongPassword),
        (NextStep::Token, Method::None) => (NextStep::Hold, cause),
        (next, Method::None | Method::Password | Method::Token) => (next, cause),
    }
}

/// The reply that a text holds behind `Error:`, as in Exchange's 5.7.57.
fn inner(reply: &Reply) -> Option<Reply> {
    let text = reply.texts().first()?;
    let (_, rest) = text.split_once("Error: ")?;
    code_at(rest).map(|(code, rest)| reply_of(code, rest))
}

/// A reply code at the start of `text`, and what follows it.
fn code_at(text: &str) -> Option<(u16, &str)> {
    let digits = text.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let rest = text[3..].strip_prefix([' ', '-']).or_else(|| text[3..].is_empty().then_some(""))?;
    digits.parse().ok().filter(|code| (200..600).contains(code)).map(|code| (code, rest))
}

fn reply_of(code: u16, rest: &str) -> Reply {
    match Enhanced::parse_prefix(rest) {
        Some((enhanced, text)) => Reply::new(code, enhanced, text),
        None => Reply::plain(code, rest),
    }
}

/// Trouble of the connection: nothing is wrong with message or account.
pub(super) fn broken(cause: Cause, stage: Stage, text: &str) -> Failure {
    Failure { scope: Scope::Upstream, next: NextStep::Retry, cause, stage, detail: detail(text) }
}

/// What was read is no reply.
pub(super) fn malformed(error: &ReplyError, stage: Stage) -> Failure {
    broken(Cause::ReplyMalformed, stage, &error.to_string())
}

/// The failure to connect to any address.
pub(super) fn unconnected(error: &io::Error, host: &str, port: u16) -> Failure {
    let cause = match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::ConnectRefused,
        io::ErrorKind::TimedOut => Cause::ConnectTimeout,
        _ => Cause::ConnectFailed,
    };
    broken(cause, Stage::Connect, &format!("cannot connect to {host}:{port}: {error}"))
}

/// A handshake that failed.
pub(super) fn unprotected(error: &io::Error, host: &str) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let cause = match inner {
        Some(rustls::Error::InvalidCertificate(wrong)) => match wrong {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Cause::CertificateWrongName,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Cause::CertificateExpired,
            _ => Cause::CertificateUntrusted,
        },
        _ => Cause::TlsFailed,
    };
    broken(cause, Stage::Tls, &format!("the TLS handshake with {host} failed: {error}"))
}

/// There is no token.
pub(super) fn no_token(error: &TokenError) -> Failure {
    let (next, cause) = match error {
        // A locked account: each further attempt prolongs the lock.
        TokenError::Refused { codes, .. } if codes.contains(&50_053) => (NextStep::Pause(pause::LOCKED), Cause::TokenRefused),
        TokenError::Refused { .. } => (NextStep::Hold, Cause::TokenRefused),
        TokenError::Throttled { retry_after: Some(time), .. } => {
            (NextStep::Pause((*time).clamp(pause::SHORTEST, pause::LONGEST)), Cause::TokenThrottled)
        }
        // It did not say how long: the account's growing pauses know better than one number.
        TokenError::Throttled { retry_after: None, .. } => (NextStep::Retry, Cause::TokenThrottled),
        TokenError::Unreachable { .. } => (NextStep::Retry, Cause::TokenEndpointUnreachable),
        TokenError::Malformed { .. } => (NextStep::Retry, Cause::TokenMalformed),
    };
    Failure { scope: Scope::Account, next, cause, stage: Stage::Token, detail: detail(&chain(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &str = include_str!("../../tests/data/replies.tsv");

    fn stages(name: &str) -> &'static [Stage] {
        match name {
            "auth" => &[Stage::Auth],
            "mail" => &[Stage::Mail],
            "rcpt" => &[Stage::Rcpt],
            "data" => &[Stage::Data, Stage::FinalReply],
            other => panic!("unknown stage {other}"),
        }
    }

    fn name(next: NextStep) -> &'static str {
        match next {
            NextStep::Retry => "retry",
            NextStep::Token => "token",
            NextStep::Hold => "hold",
            NextStep::Pause(_) => "pause",
            NextStep::Split => "split",
            NextStep::ResendAs => "resend-as",
            NextStep::GiveUp => "give-up",
            NextStep::Reconnect => "reconnect",
        }
    }

    fn found(meaning: Meaning) -> (String, String, String) {
        match meaning {
            Meaning::Done => ("delivered".into(), "message".into(), "delivered".into()),
            Meaning::Failed { scope, next, cause } => (name(next).into(), format!("{scope:?}").to_ascii_lowercase(), cause.to_string()),
        }
    }

    #[test]
    fn every_published_reply_means_what_it_must() {
        for line in REPLIES.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let [_, stage, text, outcome, scope, cause] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let want = (outcome.to_owned(), scope.to_owned(), cause.to_owned());
            let (reply, guessed) = find_reply(text).unwrap();
            assert_eq!(reply.to_string(), text);
            for &stage in stages(stage) {
                assert_eq!(found(meaning(&reply, stage, Method::Token)), want, "{stage:?}: {text}");
            }
            // `mailferry explain` has no stage to go by.
            assert_eq!(found(meaning(&reply, guessed, Method::Token)), want, "guessed {guessed:?}: {text}");
        }
    }

    #[track_caller]
    fn check(text: &str, stage: Stage, method: Method, want: (&str, &str, &str)) {
        let (reply, _) = find_reply(text).unwrap();
        let found = found(meaning(&reply, stage, method));
        assert_eq!((found.0.as_str(), found.1.as_str(), found.2.as_str()), want, "{text}");
    }

    #[test]
    fn no_trouble_of_an_account_condemns_a_message() {
        for Sentence(words, scope, next, _) in SENTENCES {
            assert!(!(*scope == Scope::Account && *next == NextStep::GiveUp), "{words:?}");
            assert!(words.iter().all(|word| *word == word.to_ascii_lowercase()), "{words:?}");
        }
    }

    #[test]
    fn a_refused_password_is_never_tried_again_by_itself() {
        check("535 5.7.3 Authentication unsuccessful [X]", Stage::Auth, Method::Password, ("hold", "account", "wrong-password"));
        check("535 5.7.8 Username and Password not accepted.", Stage::Auth, Method::Password, ("hold", "account", "wrong-password"));
    }

    #[test]
    fn the_reason_inside_a_reason_counts() {
        let text = "530 5.7.57 Client not authenticated to send mail. Error: 535 5.7.3 Authentication unsuccessful [X]";
        check(text, Stage::Mail, Method::Token, ("token", "account", "token-identity"));
        let text = "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM [X]";
        check(text, Stage::Mail, Method::None, ("hold", "account", "authentication-required"));
    }

    #[test]
    fn what_is_unknown_is_temporary_or_held() {
        use Method::Token;
        check("550 5.7.999 Never seen", Stage::Rcpt, Token, ("retry", "recipient", "recipient-refused"));
        check("550 5.7.999 Never seen", Stage::FinalReply, Token, ("retry", "message", "message-refused"));
        check("550 5.7.999 Never seen", Stage::Auth, Token, ("hold", "account", "account-refused"));
        check("550 Never seen", Stage::Mail, Token, ("hold", "account", "account-refused"));
        check("554 No SMTP service here", Stage::Greeting, Token, ("hold", "account", "account-refused"));
        check("451 Never seen", Stage::Rcpt, Token, ("retry", "recipient", "temporary"));
        check("421 4.4.1 Connection timed out", Stage::FinalReply, Token, ("retry", "upstream", "temporary"));
        check("535 5.7.139 A sentence of next year", Stage::Auth, Token, ("hold", "account", "account-refused"));
        check(
            "535 5.7.8 Error: authentication failed: Connection lost to authentication server",
            Stage::Auth,
            Token,
            ("retry", "upstream", "temporary"),
        );
    }

    #[test]
    fn only_a_servers_certainty_about_an_address_gives_it_up() {
        check("550 5.1.1 User unknown", Stage::Rcpt, Method::Token, ("give-up", "recipient", "bad-recipient"));
        check("450 5.1.2 Host lookup did not complete", Stage::Rcpt, Method::Token, ("retry", "recipient", "temporary"));
        check("421 5.1.1 Closing", Stage::Rcpt, Method::Token, ("retry", "upstream", "temporary"));
        check("452 Message size exceeds free space", Stage::Mail, Method::Token, ("retry", "upstream", "temporary"));
        check("452 4.2.2 Mailbox full", Stage::Rcpt, Method::Token, ("retry", "recipient", "temporary"));
        check("552 5.2.2 mailbox full", Stage::Rcpt, Method::Token, ("retry", "recipient", "recipient-refused"));
    }

    #[test]
    fn an_endpoint_is_believed_within_limits() {
        let paused = |seconds| {
            let error = TokenError::Throttled { retry_after: Some(Duration::from_secs(seconds)), reason: "HTTP 429".into() };
            no_token(&error).next
        };
        assert_eq!(paused(0), NextStep::Pause(pause::SHORTEST));
        assert_eq!(paused(30), NextStep::Pause(Duration::from_secs(30)));
        assert_eq!(paused(u64::MAX), NextStep::Pause(pause::LONGEST));
    }

    #[test]
    fn a_reply_is_found_inside_what_people_paste() {
        let (reply, stage) = find_reply("Error in copier log (2026): server said: 535 5.7.3 Authentication unsuccessful").unwrap();
        assert_eq!((reply.code(), reply.enhanced(), stage), (535, Some(Enhanced(5, 7, 3)), Stage::Auth));
        assert_eq!(find_reply("no code at all"), None);
        assert_eq!(find_reply("port 2525 and 192.168.100.1"), None);
    }
}
