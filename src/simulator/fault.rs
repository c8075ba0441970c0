//! What can be made to go wrong: names and arguments as the command line takes them.
//!
//! Only words are here. `faults` keeps what is planned, `words` has the replies, and each place that can go
//! wrong asks for its own.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::message::Mailbox;
use crate::smtp::{Enhanced, Reply};

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// AUTH: submission is off for the tenant.
    SmtpAuthOffTenant,
    /// AUTH: submission is off for the mailbox.
    SmtpAuthOffMailbox,
    /// AUTH LOGIN: passwords are off.
    BasicAuthOff,
    /// AUTH LOGIN: passwords are gone for good.
    BasicAuthRetired,
    /// AUTH LOGIN: the password is wrong.
    WrongPassword,
    /// AUTH: Conditional Access says no.
    ConditionalAccess,
    /// AUTH XOAUTH2: the token is not for this mailbox.
    TokenIdentity,
    /// AUTH XOAUTH2: refused in two steps, as Gmail, Postfix and Dovecot do.
    TokenChallenge,
    /// AUTH: the server has trouble of its own.
    Temporary,
    /// After the dot: too many connections.
    TooManyConnections,
    /// After the dot: too many messages a minute.
    RatePerMinute,
    /// After the dot: the mailbox's recipients of the day are used up.
    DailyRecipients,
    /// After the dot: the tenant's external recipients of the day are used up.
    TenantExternalLimit,
    /// After the dot: the alias, or each of them, may not be used.
    SendAsDenied(Option<Mailbox>),
    /// After the dot: Sent Items fill the mailbox.
    SentItemsFull,
    /// After the dot: the mailbox is blocked for spam.
    SenderBlocked,
    /// RCPT: recipients that match are answered so.
    Rcpt(Pattern, Reply),
    /// Instead of the greeting: 421.
    Greeting,
    /// The connection is lost at this point; at [`Stage::Final`] the message with it.
    Drop(Stage),
    /// The connection is lost behind the dot, and the message was taken.
    DropKept,
    /// Each answer comes so much later.
    Latency(Duration),
    /// EHLO does not offer STARTTLS.
    StartTlsMissing,
    /// The certificate is for another name.
    WrongCertificateName,
    /// The certificate was issued by somebody else.
    UntrustedCa,
    /// Token endpoint: 500.
    TokenError,
    /// Token endpoint: 429, to be tried again after so long.
    TokenThrottled(Duration),
    /// Token endpoint: no answer at all.
    TokenSilent,
    /// Token endpoint: the secret is wrong.
    TokenWrongSecret,
    /// Token endpoint: 200 with something that is no JSON.
    TokenMalformed,
    /// Token endpoint: the AADSTS error of this number.
    Aadsts(u32),
    /// Any negative reply at any stage.
    Reply(Stage, Reply),
}

/// How far a conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Connected; nothing said yet.
    Connect,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// Inside the content.
    Content,
    /// Behind the final dot.
    Final,
}

/// An address with `*` for any characters; the case of letters does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// A fault that is to happen: always, or so many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What goes wrong.
    pub fault: Fault,
    /// How often; `None` is always.
    pub uses: Option<NonZeroU32>,
}

/// The text names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFault {
    /// There is no fault of this name.
    #[error("there is no fault named {0:?}")]
    Unknown(String),
    /// The argument is missing or cannot be read.
    #[error("{name} is written {usage}")]
    Argument {
        /// The fault.
        name: &'static str,
        /// How it is written.
        usage: &'static str,
    },
}

/// A fault for help text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How it is written, argument and all.
    pub usage: &'static str,
    /// What happens, in one sentence.
    pub sentence: &'static str,
}

const fn entry(usage: &'static str, sentence: &'static str) -> Entry {
    Entry { usage, sentence }
}

const ALL: &[Entry] = &[
    entry("smtp-auth-off-tenant", "AUTH is refused: authenticated SMTP is switched off for the whole tenant."),
    entry("smtp-auth-off-mailbox", "AUTH is refused: authenticated SMTP is switched off for the mailbox."),
    entry("basic-auth-off", "AUTH LOGIN is refused: passwords are switched off."),
    entry("basic-auth-retired", "AUTH LOGIN is refused: passwords are no longer supported at all."),
    entry("wrong-password", "AUTH LOGIN is refused: the password is wrong."),
    entry("conditional-access", "AUTH is refused by a Conditional Access policy."),
    entry("token-identity", "AUTH XOAUTH2 is refused: the token is not good for this mailbox."),
    entry("token-challenge", "AUTH XOAUTH2 is refused with a second challenge first, as Gmail and Dovecot do."),
    entry("temporary", "AUTH is answered with a temporary server error."),
    entry("too-many-connections", "After the dot: the mailbox has too many connections."),
    entry("rate-per-minute", "After the dot: too many messages a minute; the connection is closed."),
    entry("daily-recipients", "After the dot: the mailbox has reached its recipients of the day."),
    entry("tenant-external-limit", "After the dot: the tenant has reached its external recipients of the day."),
    entry("send-as-denied[=ADDRESS]", "After the dot: the alias (without ADDRESS: any alias) may not be used as From."),
    entry("sent-items-full", "After the dot: the mailbox is full."),
    entry("sender-blocked", "After the dot: the mailbox is blocked for sending spam."),
    entry(
        "rcpt=PATTERN:REPLY",
        "Recipients that match PATTERN (* stands for anything) are answered with REPLY, as in rcpt=*@old.example:550 5.1.1 No such user.",
    ),
    entry("greeting", "Instead of a greeting, 421 and the connection is closed."),
    entry(
        "drop=STAGE",
        "The connection is lost at connect, ehlo, starttls, auth, mail, rcpt, data, content, final (message lost) or final-kept (message taken).",
    ),
    entry("latency=TIME", "Each answer comes so much later, as in latency=40ms."),
    entry("starttls-missing", "EHLO does not offer STARTTLS."),
    entry("wrong-certificate-name", "The SMTP server shows a certificate for another name."),
    entry("untrusted-ca", "The SMTP server shows a certificate of an unknown authority."),
    entry("token-error", "The token endpoint answers 500."),
    entry("token-throttled[=TIME]", "The token endpoint answers 429 with Retry-After (without TIME: 30s)."),
    entry("token-silent", "The token endpoint takes the request and never answers."),
    entry("token-wrong-secret", "The token endpoint says that the client secret is wrong."),
    entry("token-malformed", "The token endpoint answers with something that is no JSON."),
    entry("aadsts=NUMBER", "The token endpoint refuses with this AADSTS error, as in aadsts=7000222."),
    entry("reply=STAGE:REPLY", "A negative REPLY at a stage (as under drop), as in reply=mail:451 4.3.2 Try later."),
];

/// Retry-After when none is named.
const THROTTLED: Duration = Duration::from_secs(30);

impl Fault {
    /// Every fault, for help text. Behind each, `*COUNT` lets it happen so many times only; where there is no
    /// argument, `=COUNT` says the same.
    pub fn all() -> &'static [Entry] {
        ALL
    }

    /// The name, without argument.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SmtpAuthOffTenant => "smtp-auth-off-tenant",
            Self::SmtpAuthOffMailbox => "smtp-auth-off-mailbox",
            Self::BasicAuthOff => "basic-auth-off",
            Self::BasicAuthRetired => "basic-auth-retired",
            Self::WrongPassword => "wrong-password",
            Self::ConditionalAccess => "conditional-access",
            Self::TokenIdentity => "token-identity",
            Self::TokenChallenge => "token-challenge",
            Self::Temporary => "temporary",
            Self::TooManyConnections => "too-many-connections",
            Self::RatePerMinute => "rate-per-minute",
            Self::DailyRecipients => "daily-recipients",
            Self::TenantExternalLimit => "tenant-external-limit",
            Self::SendAsDenied(_) => "send-as-denied",
            Self::SentItemsFull => "sent-items-full",
            Self::SenderBlocked => "sender-blocked",
            Self::Rcpt(..) => "rcpt",
            Self::Greeting => "greeting",
            Self::Drop(_) | Self::DropKept => "drop",
            Self::Latency(_) => "latency",
            Self::StartTlsMissing => "starttls-missing",
            Self::WrongCertificateName => "wrong-certificate-name",
            Self::UntrustedCa => "untrusted-ca",
            Self::TokenError => "token-error",
            Self::TokenThrottled(_) => "token-throttled",
            Self::TokenSilent => "token-silent",
            Self::TokenWrongSecret => "token-wrong-secret",
            Self::TokenMalformed => "token-malformed",
            Self::Aadsts(_) => "aadsts",
            Self::Reply(..) => "reply",
        }
    }

    /// The fault that needs no argument and has this name.
    fn plain(name: &str) -> Option<Self> {
        let plain = [
            Self::SmtpAuthOffTenant,
            Self::SmtpAuthOffMailbox,
            Self::BasicAuthOff,
            Self::BasicAuthRetired,
            Self::WrongPassword,
            Self::ConditionalAccess,
            Self::TokenIdentity,
            Self::TokenChallenge,
            Self::Temporary,
            Self::TooManyConnections,
            Self::RatePerMinute,
            Self::DailyRecipients,
            Self::TenantExternalLimit,
            Self::SendAsDenied(None),
            Self::SentItemsFull,
            Self::SenderBlocked,
            Self::Greeting,
            Self::StartTlsMissing,
            Self::WrongCertificateName,
            Self::UntrustedCa,
            Self::TokenError,
            Self::TokenThrottled(THROTTLED),
            Self::TokenSilent,
            Self::TokenWrongSecret,
            Self::TokenMalformed,
        ];
        plain.into_iter().find(|fault| fault.name() == name)
    }

    fn with_argument(name: &str, argument: &str) -> Option<Self> {
        match name {
            "send-as-denied" => Mailbox::parse(argument).ok().map(|alias| Self::SendAsDenied(Some(alias))),
            "rcpt" => {
                let (pattern, reply) = argument.split_once(':')?;
                (!pattern.is_empty()).then_some(())?;
                Some(Self::Rcpt(Pattern(pattern.to_owned()), negative_reply(reply)?))
            }
            "drop" if argument == "final-kept" => Some(Self::DropKept),
            "drop" => Stage::named(argument).map(Self::Drop),
            "latency" => humantime::parse_duration(argument).ok().map(Self::Latency),
            "token-throttled" => humantime::parse_duration(argument).ok().map(Self::TokenThrottled),
            "aadsts" => argument.parse().ok().map(Self::Aadsts),
            "reply" => {
                let (stage, reply) = argument.split_once(':')?;
                Some(Self::Reply(Stage::named(stage)?, negative_reply(reply)?))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::SendAsDenied(Some(alias)) => write!(f, "={alias}"),
            Self::Rcpt(pattern, reply) => write!(f, "={}:{reply}", pattern.0),
            Self::Drop(stage) => write!(f, "={stage}"),
            Self::DropKept => f.write_str("=final-kept"),
            Self::Latency(wait) => write!(f, "={}", humantime::format_duration(*wait)),
            Self::TokenThrottled(wait) => write!(f, "={}", humantime::format_duration(*wait)),
            Self::Aadsts(number) => write!(f, "={number}"),
            Self::Reply(stage, reply) => write!(f, "={stage}:{reply}"),
            Self::SmtpAuthOffTenant
            | Self::SmtpAuthOffMailbox
            | Self::BasicAuthOff
            | Self::BasicAuthRetired
            | Self::WrongPassword
            | Self::ConditionalAccess
            | Self::TokenIdentity
            | Self::TokenChallenge
            | Self::Temporary
            | Self::TooManyConnections
            | Self::RatePerMinute
            | Self::DailyRecipients
            | Self::TenantExternalLimit
            | Self::SendAsDenied(None)
            | Self::SentItemsFull
            | Self::SenderBlocked
            | Self::Greeting
            | Self::StartTlsMissing
            | Self::WrongCertificateName
            | Self::UntrustedCa
            | Self::TokenError
            | Self::TokenSilent
            | Self::TokenWrongSecret
            | Self::TokenMalformed => Ok(()),
        }
    }
}

impl FromStr for Fault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let (name, argument) = match text.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let known = ALL.iter().find(|entry| entry.usage.split(['=', '[']).next() == Some(name));
        let usage = known.ok_or_else(|| InvalidFault::Unknown(text.chars().take(60).collect()))?.usage;
        let fault = match argument {
            None => Self::plain(name),
            Some(argument) => Self::with_argument(name, argument),
        };
        let name = usage.split(['=', '[']).next().unwrap_or(usage);
        fault.ok_or(InvalidFault::Argument { name, usage })
    }
}

impl FromStr for Planned {
    type Err = InvalidFault;

    /// Reads `NAME`, `NAME=ARGUMENT`, and either with `*COUNT` behind it; `NAME=COUNT` where no argument is needed.
    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        if let Some((name, count)) = text.split_once('=')
            && let (Ok(uses), Some(fault)) = (count.parse(), Fault::plain(name))
        {
            return Ok(Self { fault, uses: Some(uses) });
        }
        match text.rsplit_once('*').map(|(rest, count)| (rest, count.parse())) {
            Some((rest, Ok(uses))) => Ok(Self { fault: rest.parse()?, uses: Some(uses) }),
            Some((_, Err(_))) | None => Ok(Self { fault: text.parse()?, uses: None }),
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.uses {
            Some(uses) => write!(f, "{}*{uses}", self.fault),
            None => write!(f, "{}", self.fault),
        }
    }
}

impl From<Fault> for Planned {
    fn from(fault: Fault) -> Self {
        Self { fault, uses: None }
    }
}

/// Reads `CODE TEXT` or `CODE X.Y.Z TEXT`. A positive reply would promise what does not happen.
fn negative_reply(text: &str) -> Option<Reply> {
    let (code, text) = text.split_once(' ')?;
    let code = code.parse().ok().filter(|code| (400..600).contains(code))?;
    if text.chars().any(char::is_control) {
        return None;
    }
    Some(match Enhanced::parse_prefix(text) {
        Some((enhanced, text)) => Reply::new(code, enhanced, text),
        None => Reply::plain(code, text),
    })
}

impl Stage {
    const ALL: [Self; 9] =
        [Self::Connect, Self::Ehlo, Self::StartTls, Self::Auth, Self::Mail, Self::Rcpt, Self::Data, Self::Content, Self::Final];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.to_string() == name)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Ehlo => "ehlo",
            Self::StartTls => "starttls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Content => "content",
            Self::Final => "final",
        })
    }
}

impl Pattern {
    /// Whether the address is meant.
    pub fn matches(&self, mailbox: &Mailbox) -> bool {
        glob(self.0.to_ascii_lowercase().as_bytes(), mailbox.as_str().to_ascii_lowercase().as_bytes())
    }
}

/// Whether `text` is `pattern` with any octets for each `*`. Takes time in proportion to both lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // The last star takes one octet more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_reads_as_it_prints() {
        let examples = [
            ("ADDRESS", "noreply@contoso.com"),
            ("PATTERN:REPLY", "*@old.example:550 5.1.1 No such user"),
            ("STAGE:REPLY", "mail:451 4.3.2 Try later"),
            ("STAGE", "final-kept"),
            ("TIME", "40ms"),
            ("NUMBER", "7000222"),
        ];
        for entry in Fault::all() {
            let plain = entry.usage.split('[').next().unwrap().to_owned();
            let full = entry.usage.replace(['[', ']'], "");
            let full = match full.split_once('=') {
                Some((name, argument)) => format!("{name}={}", examples.iter().find(|(word, _)| *word == argument).unwrap().1),
                None => full.clone(),
            };
            assert_eq!(full.parse::<Fault>().map(|fault| fault.to_string()), Ok(full.clone()));
            let counted: Planned = format!("{full}*3").parse().unwrap();
            assert_eq!((counted.uses, counted.to_string()), (NonZeroU32::new(3), format!("{full}*3")));
            if !plain.contains('=') {
                assert_eq!(format!("{plain}=2").parse::<Planned>().unwrap().uses, NonZeroU32::new(2), "{plain}");
                assert_eq!(plain.parse::<Planned>().unwrap().uses, None);
            }
            assert!(entry.sentence.ends_with('.'), "{}", entry.usage);
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_name() {
        let wrong = |text: &str| text.parse::<Planned>().unwrap_err().to_string();
        assert_eq!(wrong("smtp-auth"), "there is no fault named \"smtp-auth\"");
        assert_eq!(wrong("drop=lunch"), "drop is written drop=STAGE");
        assert_eq!(wrong("reply=mail:250 2.1.0 Fine"), "reply is written reply=STAGE:REPLY");
        assert_eq!(wrong("latency"), "latency is written latency=TIME");
        assert_eq!(wrong("temporary=0"), "temporary is written temporary");
    }

    #[test]
    fn patterns_match_addresses() {
        let matches = |pattern: &str, address: &str| Pattern(pattern.into()).matches(&Mailbox::parse(address).unwrap());
        assert!(matches("*@old.example", "Anybody@OLD.example") && matches("*", "a@b") && matches("a*c@*.example", "abcbc@x.example"));
        assert!(!matches("*@old.example", "a@new.example") && !matches("a", "a@b") && !matches("*x", "a@b"));
    }
}
