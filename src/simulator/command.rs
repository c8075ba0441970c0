//! Commands, read to the letter of RFC 5321: nothing that a device gets wrong is forgiven here.
//!
//! It shares no rule with `smtp::parse`, so a mistake of ours in a command that we send is refused instead
//! of being read by the same mistake.

use crate::message::{Mailbox, ReversePath};
use crate::secret::Secret;

use super::address;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo(String),
    Helo(String),
    StartTls,
    Auth { mechanism: String, initial: Option<Secret> },
    Mail(Sender),
    Rcpt(Mailbox),
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Expn,
    Help,
    Quit,
}

/// What MAIL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) path: ReversePath,
    /// SIZE=, in octets (RFC 1870).
    pub(super) size: Option<u64>,
    pub(super) body: BodyType,
    /// SMTPUTF8 (RFC 6531).
    pub(super) smtputf8: bool,
}

/// What BODY= declares (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyType {
    /// Nothing above 127; also when nothing was declared.
    #[default]
    SevenBit,
    /// Octets above 127 in lines.
    EightBit,
    /// Octets of any kind; only with BDAT.
    Binary,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// No command begins like this, or the line holds what no command may hold.
    Unrecognized,
    TooLong,
    /// What stands behind EHLO or HELO is no domain and no address in brackets.
    Domain,
    Sender,
    Recipient,
    /// Something is missing behind the command, or stands there although nothing may.
    Arguments,
    /// A parameter of MAIL or RCPT is unknown, doubled or malformed.
    Parameter,
}

/// Octets of a command with its CRLF (RFC 5321 section 4.5.3.1.4).
const LIMIT: usize = 512;
/// The same for MAIL and RCPT: RFC 3461 section 4 adds up to 500 for ORCPT, the other extensions less.
const LIMIT_WITH_PARAMETERS: usize = LIMIT + 500;

/// Reads one line, without its CRLF.
pub(super) fn parse(line: &[u8]) -> Result<Command, Mistake> {
    let line = std::str::from_utf8(line).map_err(|_| Mistake::Unrecognized)?;
    if line.chars().any(char::is_control) {
        return Err(Mistake::Unrecognized);
    }
    let (verb, rest) = match line.split_once(' ') {
        Some((verb, rest)) => (verb, Some(rest)),
        None => (line, None),
    };
    let verb = verb.to_ascii_uppercase();
    check_length(&verb, line)?;
    match (verb.as_str(), rest) {
        ("EHLO", Some(name)) => domain(name).map(Command::Ehlo),
        ("HELO", Some(name)) => domain(name).map(Command::Helo),
        ("EHLO" | "HELO", None) => Err(Mistake::Domain),
        ("MAIL", Some(rest)) => mail(rest).map(Command::Mail),
        ("RCPT", Some(rest)) => recipient(rest).map(Command::Rcpt),
        ("AUTH", Some(rest)) => auth(rest),
        // RFC 5321 section 4.1.1.9: the parameter of NOOP is passed over.
        ("NOOP", _) => Ok(Command::Noop),
        ("HELP", _) => Ok(Command::Help),
        ("VRFY", Some(_)) => Ok(Command::Vrfy),
        ("EXPN", Some(_)) => Ok(Command::Expn),
        ("BDAT", Some(_)) => Ok(Command::Bdat),
        ("STARTTLS", None) => Ok(Command::StartTls),
        ("DATA", None) => Ok(Command::Data),
        ("RSET", None) => Ok(Command::Rset),
        ("QUIT", None) => Ok(Command::Quit),
        ("MAIL" | "RCPT" | "AUTH" | "VRFY" | "EXPN" | "BDAT" | "STARTTLS" | "DATA" | "RSET" | "QUIT", _) => Err(Mistake::Arguments),
        _ => Err(Mistake::Unrecognized),
    }
}

fn check_length(verb: &str, line: &str) -> Result<(), Mistake> {
    let limit = match verb {
        "MAIL" | "RCPT" => LIMIT_WITH_PARAMETERS,
        // RFC 4954 section 4 holds an initial response to 512 octets; Exchange takes long ones, and clients rely on it.
        "AUTH" => super::wire::LINE_LIMIT,
        _ => LIMIT,
    };
    if line.len() + 2 > limit { Err(Mistake::TooLong) } else { Ok(()) }
}

fn domain(name: &str) -> Result<String, Mistake> {
    let sound = address::is_domain(name, false) || address::is_literal(name);
    if sound { Ok(name.to_owned()) } else { Err(Mistake::Domain) }
}

fn auth(rest: &str) -> Result<Command, Mistake> {
    let (mechanism, initial) = match rest.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial)),
        None => (rest, None),
    };
    // RFC 4422 section 3.1: 1 to 20 letters, digits, hyphens and underscores.
    let named = (1..=20).contains(&mechanism.len()) && mechanism.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let told = initial.is_none_or(|text| !text.is_empty() && !text.contains(' '));
    if !(named && told) {
        return Err(Mistake::Arguments);
    }
    Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial: initial.map(Secret::new) })
}

/// What follows `keyword` at the start of `text`, whatever its case.
fn behind<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(keyword.len())?;
    start.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// RFC 5321 section 4.1.1.2: no space stands behind the colon.
fn mail(rest: &str) -> Result<Sender, Mistake> {
    let rest = behind(rest, "FROM:").ok_or(Mistake::Arguments)?;
    let (inside, parameters) = address::path(rest).ok_or(Mistake::Sender)?;
    let path = match inside {
        "" => ReversePath::Null,
        text => ReversePath::Mailbox(address::parse(text, true).ok_or(Mistake::Sender)?),
    };
    let mut sender = Sender { path, size: None, body: BodyType::SevenBit, smtputf8: false };
    let mut seen = Vec::new();
    for (name, value) in split_parameters(parameters)? {
        if seen.contains(&name) {
            return Err(Mistake::Parameter);
        }
        mail_parameter(&mut sender, &name, value)?;
        seen.push(name);
    }
    match &sender.path {
        ReversePath::Mailbox(mailbox) if mailbox.needs_smtputf8() && !sender.smtputf8 => Err(Mistake::Sender),
        ReversePath::Mailbox(_) | ReversePath::Null | ReversePath::Other(_) => Ok(sender),
    }
}

fn mail_parameter(sender: &mut Sender, name: &str, value: Option<&str>) -> Result<(), Mistake> {
    match (name, value) {
        // RFC 1870 section 4: up to 20 digits.
        ("SIZE", Some(size)) if size.len() <= 20 && size.bytes().all(|b| b.is_ascii_digit()) => {
            sender.size = Some(size.parse().map_err(|_| Mistake::Parameter)?);
        }
        ("BODY", Some(kind)) => {
            sender.body = match kind.to_ascii_uppercase().as_str() {
                "7BIT" => BodyType::SevenBit,
                "8BITMIME" => BodyType::EightBit,
                "BINARYMIME" => BodyType::Binary,
                _ => return Err(Mistake::Parameter),
            }
        }
        ("SMTPUTF8", None) => sender.smtputf8 = true,
        ("RET", Some(what)) if what.eq_ignore_ascii_case("FULL") || what.eq_ignore_ascii_case("HDRS") => {}
        ("ENVID" | "AUTH", Some(_)) => {}
        _ => return Err(Mistake::Parameter),
    }
    Ok(())
}

fn recipient(rest: &str) -> Result<Mailbox, Mistake> {
    let rest = behind(rest, "TO:").ok_or(Mistake::Arguments)?;
    let (inside, parameters) = address::path(rest).ok_or(Mistake::Recipient)?;
    let mailbox = address::parse(inside, true).ok_or(Mistake::Recipient)?;
    for (name, value) in split_parameters(parameters)? {
        if !(matches!(name.as_str(), "NOTIFY" | "ORCPT") && value.is_some()) {
            return Err(Mistake::Parameter);
        }
    }
    Ok(mailbox)
}

/// One parameter: its keyword in capitals, and what stands behind the equals sign.
type Parameter<'a> = (String, Option<&'a str>);

/// RFC 5321 section 4.1.2: each parameter behind exactly one space, a value is printable ASCII without `=`.
fn split_parameters(text: &str) -> Result<Vec<Parameter<'_>>, Mistake> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let text = text.strip_prefix(' ').ok_or(Mistake::Arguments)?;
    text.split(' ').map(parameter).collect()
}

fn parameter(text: &str) -> Result<Parameter<'_>, Mistake> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let named = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let valued = value.is_none_or(|value| !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'='));
    if named && valued { Ok((name.to_ascii_uppercase(), value)) } else { Err(Mistake::Parameter) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_rfc_allows() {
        assert_eq!(parse(b"ehlo relay.example"), Ok(Command::Ehlo("relay.example".into())));
        assert_eq!(parse(b"EHLO [192.0.2.1]"), Ok(Command::Ehlo("[192.0.2.1]".into())));
        assert_eq!(parse(b"NOOP whatever"), Ok(Command::Noop));
        assert_eq!(parse(b"auth xoauth2 dXNl"), Ok(Command::Auth { mechanism: "XOAUTH2".into(), initial: Some(Secret::new("dXNl")) }));
        let path = ReversePath::Mailbox(Mailbox::parse("a@b.example").unwrap());
        assert_eq!(
            parse(b"MAIL FROM:<a@b.example> SIZE=1234 BODY=8BITMIME SMTPUTF8"),
            Ok(Command::Mail(Sender { path, size: Some(1234), body: BodyType::EightBit, smtputf8: true }))
        );
        assert!(matches!(parse(b"Mail From:<>"), Ok(Command::Mail(Sender { path: ReversePath::Null, .. }))));
        assert!(matches!(parse(b"RCPT TO:<\"a b\"@c.example> NOTIFY=NEVER"), Ok(Command::Rcpt(_))));
        assert!(matches!(parse("MAIL FROM:<dör@büro.example> SMTPUTF8".as_bytes()), Ok(Command::Mail(_))));
    }

    #[test]
    fn refuses_what_devices_do() {
        let cases: &[(&[u8], Mistake)] = &[
            (b"EHLO", Mistake::Domain),
            (b"EHLO my_printer", Mistake::Domain),
            (b"HELO a b", Mistake::Domain),
            (b"EHLO relay.example ", Mistake::Domain),
            (b"MAIL FROM: <a@b.example>", Mistake::Sender),
            (b"MAIL FROM:a@b.example", Mistake::Sender),
            (b"MAIL FROM:<a@b.example", Mistake::Sender),
            (b"MAIL FROM:<ilo.@host>", Mistake::Sender),
            ("MAIL FROM:<dör@büro.example>".as_bytes(), Mistake::Sender),
            (b"MAIL TO:<a@b.example>", Mistake::Arguments),
            (b"MAIL FROM:<a@b.example>SIZE=1", Mistake::Arguments),
            (b"MAIL FROM:<a@b.example>  SIZE=1", Mistake::Parameter),
            (b"MAIL FROM:<a@b.example> SIZE=one", Mistake::Parameter),
            (b"MAIL FROM:<a@b.example> SIZE=1 SIZE=1", Mistake::Parameter),
            (b"MAIL FROM:<a@b.example> X=1", Mistake::Parameter),
            (b"MAIL FROM:<a@b.example> ", Mistake::Parameter),
            (b"RCPT TO:<>", Mistake::Recipient),
            (b"RCPT TO:<a@b.example>,<c@d.example>", Mistake::Arguments),
            (b"RCPT TO:<@relay:a@b.example>", Mistake::Recipient),
            (b"DATA ", Mistake::Arguments),
            (b"DATA\n", Mistake::Unrecognized),
            (b"QUIT now", Mistake::Arguments),
            (b"AUTH", Mistake::Arguments),
            (b"AUTH LOGIN a b", Mistake::Arguments),
            (b"", Mistake::Unrecognized),
            (b"XYZZY", Mistake::Unrecognized),
            (b"MAIL\tFROM:<a@b.example>", Mistake::Unrecognized),
            (b"NOOP \xff", Mistake::Unrecognized),
        ];
        for (line, mistake) in cases {
            assert_eq!(parse(line), Err(*mistake), "{:?}", String::from_utf8_lossy(line));
        }
        let long = format!("NOOP {}", "x".repeat(506));
        assert_eq!(parse(long.as_bytes()), Err(Mistake::TooLong));
        assert_eq!(parse(&long.as_bytes()[..510]), Ok(Command::Noop));
    }
}
