//! Every reply that we say, in one place.
//!
//! Always true: errors are one line (devices stop at the first), a line has fewer than 512 octets, and what a
//! client sent is repeated only escaped and shortened. RCPT is answered 250 and never 251: devices compare digits.

use crate::message::EntryId;
use crate::smtp::{CommandError, Enhanced, Reply};

use super::{Policy, Refusal};

/// Why a conversation ends although the client did not ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Farewell {
    /// The client was silent for too long.
    Idle,
    /// The conversation has lasted for too long.
    Expired,
    /// We are stopping.
    Stopping,
    /// This client has too many connections.
    TooManyConnections,
    /// This client may not send here.
    NotAllowed,
}

impl Farewell {
    /// What the client is told.
    pub fn reply(self) -> Reply {
        let (code, enhanced, text) = match self {
            Self::Idle => (421, Enhanced(4, 4, 2), "Nothing was sent for too long: closing the connection"),
            Self::Expired => (421, Enhanced(4, 4, 2), "The connection has lasted too long: closing it"),
            Self::Stopping => (421, Enhanced(4, 3, 2), "The relay is stopping: try again soon"),
            Self::TooManyConnections => (421, Enhanced(4, 7, 0), "Too many connections from your address: try again later"),
            Self::NotAllowed => (554, Enhanced(5, 7, 1), "Your address may not send mail here: ask for it to be added to `allow`"),
        };
        Reply::new(code, enhanced, text)
    }
}

/// What a client is told, in clear, that speaks without TLS where TLS begins with the first octet. RFC 5248: 5.7.10, encryption
/// needed.
pub fn tls_needed() -> Reply {
    Reply::new(554, Enhanced(5, 7, 10), "This port speaks TLS from the first octet: turn TLS (SSL) on, or use another port")
}

/// The answer to the dot of a message that is not taken.
pub(super) fn refused(refusal: Refusal, message_size: u64) -> Reply {
    match refusal {
        Refusal::DiskFull => disk_full(),
        Refusal::CannotStore => cannot_store(),
        Refusal::TooLarge => too_large(message_size),
        Refusal::HeaderTooLarge => Reply::new(554, Enhanced(5, 6, 0), "The header of the message is too large"),
        Refusal::Loop => Reply::new(554, Enhanced(5, 4, 6), "The message goes round in circles: too many Received fields"),
        Refusal::NoSenderRule => {
            Reply::new(550, Enhanced(5, 7, 1), "The relay has no rule for this sender: one can be added under `senders`")
        }
    }
}

pub(super) fn queued(entry: EntryId) -> Reply {
    Reply::new(250, Enhanced(2, 0, 0), format!("Queued as {entry}"))
}

pub(super) fn disk_full() -> Reply {
    Reply::new(452, Enhanced(4, 3, 1), "The disk of the relay is full: try again later")
}

pub(super) fn cannot_store() -> Reply {
    Reply::new(451, Enhanced(4, 3, 0), "Cannot store the message now: try again later")
}

pub(super) fn too_large(message_size: u64) -> Reply {
    Reply::new(552, Enhanced(5, 3, 4), format!("The message is larger than {message_size} octets"))
}

pub(super) fn greeting(hostname: &str) -> Reply {
    Reply::plain(220, format!("{hostname} ESMTP mailferry"))
}

pub(super) fn helo(hostname: &str) -> Reply {
    Reply::plain(250, hostname)
}

pub(super) fn ehlo(policy: &Policy, starttls: bool, logins: bool) -> Reply {
    let mut lines = vec![
        policy.hostname.clone(),
        "PIPELINING".into(),
        format!("SIZE {}", policy.message_size),
        "8BITMIME".into(),
        "SMTPUTF8".into(),
        "ENHANCEDSTATUSCODES".into(),
    ];
    if starttls {
        lines.push("STARTTLS".into());
    }
    if logins {
        lines.push("AUTH LOGIN PLAIN".into());
    }
    Reply::lines(250, lines)
}

pub(super) fn ok() -> Reply {
    Reply::new(250, Enhanced(2, 0, 0), "OK")
}

pub(super) fn sender_ok() -> Reply {
    Reply::new(250, Enhanced(2, 1, 0), "Sender OK")
}

pub(super) fn recipient_ok() -> Reply {
    Reply::new(250, Enhanced(2, 1, 5), "Recipient OK")
}

pub(super) fn go_ahead() -> Reply {
    Reply::plain(354, "Send the message, then a line with a single dot")
}

pub(super) fn bye() -> Reply {
    Reply::new(221, Enhanced(2, 0, 0), "Bye")
}

/// RFC 5321 section 3.5.3: 252 is the answer of a server that will take the mail but knows no users.
pub(super) fn cannot_verify() -> Reply {
    Reply::new(252, Enhanced(2, 1, 5), "Addresses are not verified here: try sending")
}

pub(super) fn help() -> Reply {
    Reply::plain(214, "HELO EHLO MAIL RCPT DATA RSET NOOP AUTH VRFY HELP QUIT")
}

pub(super) fn prompt(text: &str) -> Reply {
    Reply::plain(334, text)
}

pub(super) fn logged_in() -> Reply {
    Reply::new(235, Enhanced(2, 7, 0), "Login OK")
}

/// A command that cannot be read.
pub(super) fn unreadable(error: &CommandError) -> Reply {
    match error {
        CommandError::MailSyntax | CommandError::RcptSyntax | CommandError::AuthSyntax => {
            Reply::new(501, Enhanced(5, 5, 4), error.to_string())
        }
        CommandError::TooManyRecipients => too_many_recipients(),
        CommandError::BadRecipient(text) => Reply::new(553, Enhanced(5, 1, 3), bad_recipient(text)),
    }
}

/// The text in printable ASCII: a reply may hold nothing else unless the client asked for SMTPUTF8.
fn bad_recipient(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    format!("\"{shown}\" is no mail address: each recipient is written as name@domain")
}

pub(super) fn unknown_command() -> Reply {
    Reply::new(500, Enhanced(5, 5, 2), "That is no command known here: HELP names those that are")
}

pub(super) fn line_too_long() -> Reply {
    Reply::new(500, Enhanced(5, 5, 2), "The line is too long")
}

pub(super) fn say_mail_first() -> Reply {
    Reply::new(503, Enhanced(5, 5, 1), "Say MAIL first")
}

pub(super) fn say_rcpt_first() -> Reply {
    Reply::new(503, Enhanced(5, 5, 1), "Say RCPT first: no recipient was taken")
}

pub(super) fn nested_mail() -> Reply {
    Reply::new(503, Enhanced(5, 5, 1), "A message is under way: say DATA or RSET first")
}

pub(super) fn too_many_recipients() -> Reply {
    Reply::new(452, Enhanced(4, 5, 3), "Too many recipients: send to the rest in another message")
}

pub(super) fn no_postmaster() -> Reply {
    Reply::new(550, Enhanced(5, 1, 1), "Nobody is postmaster here: send to an address with a domain")
}

pub(super) fn not_taken(verb: &str) -> Reply {
    Reply::new(502, Enhanced(5, 5, 1), format!("{verb} is not taken here"))
}

pub(super) fn no_starttls() -> Reply {
    Reply::new(502, Enhanced(5, 5, 1), "STARTTLS is not offered here: turn TLS off on the device")
}

pub(super) fn start_tls() -> Reply {
    Reply::new(220, Enhanced(2, 0, 0), "Go ahead with TLS")
}

pub(super) fn tls_already() -> Reply {
    Reply::new(503, Enhanced(5, 5, 1), "TLS protects this connection already")
}

pub(super) fn no_bdat() -> Reply {
    Reply::new(502, Enhanced(5, 5, 1), "BDAT is not offered here: use DATA")
}

pub(super) fn no_http() -> Reply {
    Reply::new(554, Enhanced(5, 5, 0), "This is a mail server, not a web server")
}

pub(super) fn no_proxy() -> Reply {
    Reply::new(
        500,
        Enhanced(5, 5, 1),
        "PROXY headers are taken from proxies that are listed under `proxy`: list it, or turn them off there",
    )
}

pub(super) fn dismissed() -> Reply {
    Reply::new(503, Enhanced(5, 5, 1), "Nothing but QUIT is taken on this connection any more")
}

pub(super) fn too_many_errors() -> Reply {
    Reply::new(421, Enhanced(4, 7, 0), "Too many errors: closing the connection")
}

pub(super) fn no_login_needed() -> Reply {
    Reply::new(502, Enhanced(5, 5, 1), "No login is needed here: turn authentication off on the device")
}

pub(super) fn no_login_now() -> Reply {
    Reply::new(503, Enhanced(5, 5, 1), "AUTH is not taken now")
}

pub(super) fn login_required() -> Reply {
    Reply::new(530, Enhanced(5, 7, 0), "A login is needed here: say AUTH first")
}

pub(super) fn tls_and_login_required() -> Reply {
    Reply::new(530, Enhanced(5, 7, 0), "A login is needed here: say STARTTLS first, then AUTH")
}

/// RFC 5248: 538 and 5.7.11, encryption required for this way of logging in.
pub(super) fn no_login_in_clear() -> Reply {
    Reply::new(538, Enhanced(5, 7, 11), "A password is not taken in clear: say STARTTLS first")
}

pub(super) fn unknown_mechanism() -> Reply {
    Reply::new(504, Enhanced(5, 5, 4), "That way of logging in is not offered: use LOGIN or PLAIN")
}

pub(super) fn malformed_credentials() -> Reply {
    Reply::new(501, Enhanced(5, 5, 2), "The credentials cannot be read")
}

pub(super) fn login_cancelled() -> Reply {
    Reply::new(501, Enhanced(5, 7, 0), "The login was cancelled")
}

pub(super) fn wrong_login() -> Reply {
    Reply::new(535, Enhanced(5, 7, 8), "The name or the password is wrong")
}
