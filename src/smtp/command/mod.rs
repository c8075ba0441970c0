//! What a client may say (RFC 5321 section 4.1.1), read the way devices write it.
//!
//! Verbs in any case, arguments with spaces, tabs and colons out of place, rubbish before the verb: whatever
//! has one plain meaning is taken. Whether a command fits the conversation is for the session to judge;
//! how long a line may be, for [`super::LineReader`].
//! Always true: no input panics, and a recipient is never guessed. What could be read in two ways, or
//! would drop an address that somebody wrote, is an error.

mod path;
mod telnet;

use crate::message::{Mailbox, ReversePath};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO and the name behind it, when there is one.
    Helo(Option<String>),
    /// EHLO and the name behind it, when there is one.
    Ehlo(Option<String>),
    /// MAIL FROM.
    Mail {
        /// The sender, whatever the device calls so.
        sender: ReversePath,
        /// SIZE=, in octets (RFC 1870).
        size: Option<u64>,
        /// SMTPUTF8 was asked for (RFC 6531).
        smtputf8: bool,
    },
    /// RCPT TO, with at least one address, each only once: devices put several into one command.
    Rcpt(Vec<Mailbox>),
    /// `RCPT TO:<postmaster>`: the one recipient that needs no domain (RFC 5321 section 4.1.1.3).
    RcptPostmaster,
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// QUIT.
    Quit,
    /// STARTTLS.
    StartTls,
    /// AUTH: the mechanism in capitals and the initial response as it came.
    Auth {
        /// The mechanism's name in capitals.
        mechanism: String,
        /// The initial response, still in base64; empty text means an empty response (`=`).
        initial: Option<Vec<u8>>,
    },
    /// BDAT with the octets it announces, when they can be read. They follow without waiting for a reply.
    Bdat(Option<u64>),
    /// TURN, ETRN or ATRN: asks for mail in the other direction (RFC 821, RFC 1985, RFC 2645).
    Turn,
    /// A verb of HTTP: some program takes us for a web server.
    Http,
    /// The header of the PROXY protocol, version 1.
    Proxy,
    /// Any other word, up to 40 characters of it.
    Unknown(String),
}

/// A command that is known but cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No sender behind MAIL.
    #[error("MAIL without FROM:<address>")]
    MailSyntax,
    /// No address behind RCPT.
    #[error("RCPT without TO:<address>")]
    RcptSyntax,
    /// What stands behind RCPT TO is no address; the first 80 characters of it.
    #[error("{0:?} is no mail address")]
    BadRecipient(String),
    /// More addresses behind one RCPT TO than are read.
    #[error("too many addresses behind one RCPT TO")]
    TooManyRecipients,
    /// AUTH without mechanism.
    #[error("AUTH without mechanism")]
    AuthSyntax,
}

/// Characters of a name behind HELO that are kept (RFC 5321 section 4.5.3.1.2).
const NAME_LIMIT: usize = 255;
/// Characters of an unknown word that are kept.
const WORD_LIMIT: usize = 40;
/// Addresses that are read behind one RCPT TO. As many real ones do not fit a line of 12 KB, so only their time would be lost.
const RECIPIENTS_LIMIT: usize = 1000;
/// Characters of a recipient that is none, for the reply: it must fit a line of 512 octets.
const QUOTED_LIMIT: usize = 80;

/// Reads one line, without its end.
pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let line = trim(telnet::strip(line));
    if is_http(line) {
        return Ok(Command::Http);
    }
    let end = line.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(line.len());
    let (verb, rest) = line.split_at(end);
    let verb = verb.to_ascii_uppercase();
    // What may follow the verb without a space: devices put the colon there, or the bracket.
    let glued = rest.first().is_some_and(|byte| !is_space(*byte));
    match verb.as_slice() {
        b"HELO" => Ok(Command::Helo(name(rest))),
        b"EHLO" => Ok(Command::Ehlo(name(rest))),
        // RFC 821 section 3.4 lets a server answer the two others by mail; nobody has a terminal to send to.
        b"MAIL" | b"SEND" | b"SOML" | b"SAML" => mail(word(rest, b"FROM").ok_or(CommandError::MailSyntax)?),
        b"MAILFROM" => mail(rest),
        b"RCPT" => rcpt(word(rest, b"TO").ok_or(CommandError::RcptSyntax)?),
        b"RCPTTO" => rcpt(rest),
        b"AUTH" => auth(rest),
        _ if glued => Ok(unknown(line)),
        b"DATA" => Ok(Command::Data),
        b"RSET" => Ok(Command::Rset),
        b"NOOP" => Ok(Command::Noop),
        b"VRFY" => Ok(Command::Vrfy),
        b"EXPN" => Ok(Command::Expn),
        b"HELP" => Ok(Command::Help),
        b"QUIT" => Ok(Command::Quit),
        b"STARTTLS" => Ok(Command::StartTls),
        b"BDAT" => Ok(Command::Bdat(number(trim(rest)))),
        b"TURN" | b"ETRN" | b"ATRN" => Ok(Command::Turn),
        b"PROXY" => Ok(Command::Proxy),
        _ => Ok(unknown(line)),
    }
}

/// NULs count as space: programs in C send the end of their strings, too.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c | 0)
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// The verbs of HTTP, and any other behind which a version of HTTP is named.
fn is_http(line: &[u8]) -> bool {
    const VERBS: [&[u8]; 10] = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH", b"TRACE", b"PRI"];
    let mut words = line.split(|byte| is_space(*byte));
    let verb = words.next().unwrap_or_default();
    VERBS.iter().any(|known| verb.eq_ignore_ascii_case(known)) || words.next_back().is_some_and(|version| version.starts_with(b"HTTP/"))
}

fn name(rest: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(trim(rest));
    (!text.is_empty()).then(|| text.chars().take(NAME_LIMIT).collect())
}

fn unknown(line: &[u8]) -> Command {
    let word = line.split(|byte| is_space(*byte)).next().unwrap_or_default();
    Command::Unknown(String::from_utf8_lossy(word).chars().take(WORD_LIMIT).collect())
}

/// What follows the word `expected` at the start of `text`, whatever its case and whatever spaces and
/// colons stand around it.
fn word<'a>(text: &'a [u8], expected: &[u8]) -> Option<&'a [u8]> {
    let start = text.iter().position(|&byte| !is_space(byte) && byte != b':')?;
    let (found, rest) = text[start..].split_at_checked(expected.len())?;
    let ends = !rest.first().is_some_and(u8::is_ascii_alphanumeric);
    (found.eq_ignore_ascii_case(expected) && ends).then_some(rest)
}

/// Octets as a text of digits; more of them than fit are the largest number there is.
fn number(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let digits = &text[..end];
    (!digits.is_empty())
        .then(|| digits.iter().fold(0u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

fn mail(rest: &[u8]) -> Result<Command, CommandError> {
    let text = String::from_utf8_lossy(rest);
    let argument = path::Argument::read(&text);
    let (mut size, mut smtputf8) = (None, false);
    for parameter in argument.parameters.split_whitespace() {
        let (keyword, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match keyword.to_ascii_uppercase().as_str() {
            "SIZE" => size = number(value.as_bytes()),
            "SMTPUTF8" => smtputf8 = true,
            // BODY= says what the content itself will show. What else there is, devices send because
            // their library does, not because anything depends on it.
            _ => {}
        }
    }
    Ok(Command::Mail { sender: path::sender(argument.addresses), size, smtputf8 })
}

fn rcpt(rest: &[u8]) -> Result<Command, CommandError> {
    let text = String::from_utf8_lossy(rest);
    let argument = path::Argument::read(&text);
    let bad = |piece: &str| CommandError::BadRecipient(piece.trim().chars().take(QUOTED_LIMIT).collect());
    if let Some(word) = path::dropped_recipient(argument.parameters) {
        return Err(bad(word));
    }
    if path::is_postmaster(argument.addresses) {
        return Ok(Command::RcptPostmaster);
    }
    let mailboxes = path::recipients(argument.addresses, RECIPIENTS_LIMIT).map_err(|unusable| match unusable {
        path::Unusable::Piece(piece) => bad(piece),
        path::Unusable::TooMany => CommandError::TooManyRecipients,
    })?;
    if mailboxes.is_empty() { Err(CommandError::RcptSyntax) } else { Ok(Command::Rcpt(mailboxes)) }
}

fn auth(rest: &[u8]) -> Result<Command, CommandError> {
    // `AUTH=LOGIN` is how servers offered it before RFC 2554; some clients send it back like that.
    let rest = trim(rest.strip_prefix(b"=").unwrap_or(rest));
    let end = rest.iter().position(|byte| is_space(*byte)).unwrap_or(rest.len());
    let (mechanism, response) = (&rest[..end], trim(&rest[end..]));
    if mechanism.is_empty() {
        return Err(CommandError::AuthSyntax);
    }
    let initial = match response {
        b"" => None,
        // RFC 4954 section 4: an equals sign stands for an empty response.
        b"=" => Some(Vec::new()),
        response => Some(response.to_vec()),
    };
    let mechanism = String::from_utf8_lossy(mechanism).chars().take(WORD_LIMIT).collect::<String>().to_ascii_uppercase();
    Ok(Command::Auth { mechanism, initial })
}

#[cfg(test)]
mod tests;
