//! Holds our reading of commands against samotop's strict grammar: every command that it takes, ours takes
//! with the same meaning. samotop itself is in no shipped binary; docs/dependencies.md says why.

use mailferry::message::{Mailbox, ReversePath};
use mailferry::smtp::{self, Command};
use proptest::prelude::*;
use samotop_core::smtp::command::{SmtpCommand, SmtpMail, SmtpRcpt};
use samotop_core::smtp::{Parser, SmtpContext, SmtpHost, SmtpPath};
use samotop_parser::SmtpParserPeg;

/// What samotop makes of a line; `None` when it refuses it.
fn strict(line: &[u8]) -> Option<SmtpCommand> {
    let wire = [line, b"\r\n"].concat();
    let (used, command) = SmtpParserPeg.parse(&wire, &SmtpContext::default()).ok()?;
    // A backslash lets its strings swallow a line end; then it did not read this line alone.
    (used == wire.len()).then_some(command)
}

/// Says whether samotop takes the line, and panics when it does and we read something else.
#[track_caller]
fn compare(line: &[u8]) -> bool {
    let Some(theirs) = strict(line) else { return false };
    let shown = String::from_utf8_lossy(line).into_owned();
    let ours = smtp::parse(line);
    match (&theirs, &ours) {
        // LMTP (RFC 2033) answers the content once for each recipient: taking LHLO would break a promise.
        (SmtpCommand::Helo(helo), Ok(Command::Unknown(word))) if helo.verb == "LHLO" => assert_eq!(word.to_uppercase(), "LHLO"),
        (SmtpCommand::Helo(helo), Ok(Command::Helo(name))) if helo.verb == "HELO" => same_name(name.as_deref(), &helo.host, &shown),
        (SmtpCommand::Helo(helo), Ok(Command::Ehlo(name))) if helo.verb == "EHLO" => same_name(name.as_deref(), &helo.host, &shown),
        (SmtpCommand::Mail(mail), Ok(Command::Mail { sender, size, smtputf8 })) => {
            let (SmtpMail::Mail(path, words) | SmtpMail::Send(path, words) | SmtpMail::Saml(path, words) | SmtpMail::Soml(path, words)) =
                mail;
            same_sender(sender, path, &shown);
            let has = |wanted: &str| words.iter().any(|word| word.to_uppercase().starts_with(wanted));
            assert!(*smtputf8 || !words.iter().any(|word| word.eq_ignore_ascii_case("SMTPUTF8")), "{shown:?}");
            assert!(size.is_none() || has("SIZE="), "{shown:?}");
        }
        (SmtpCommand::Rcpt(SmtpRcpt(SmtpPath::Postmaster, _)), Ok(Command::RcptPostmaster)) => {}
        (SmtpCommand::Rcpt(SmtpRcpt(path, _)), Ok(Command::Rcpt(mailboxes))) => {
            assert_eq!(mailboxes.len(), 1, "{shown:?}");
            same_mailbox(&mailboxes[0], path, &shown);
        }
        // Their grammar takes paths that no server behind us could be given; a recipient is not made up.
        (SmtpCommand::Rcpt(SmtpRcpt(path, _)), Err(_)) => assert!(!deliverable(path), "{shown:?}: {path:?}"),
        (SmtpCommand::Data, Ok(Command::Data))
        | (SmtpCommand::Rset, Ok(Command::Rset))
        | (SmtpCommand::Noop(_), Ok(Command::Noop))
        | (SmtpCommand::Vrfy(_), Ok(Command::Vrfy))
        | (SmtpCommand::Expn(_), Ok(Command::Expn))
        | (SmtpCommand::Help(_), Ok(Command::Help))
        | (SmtpCommand::Turn, Ok(Command::Turn))
        | (SmtpCommand::Quit, Ok(Command::Quit)) => {}
        (theirs, ours) => panic!("{shown:?} is {theirs:?} for samotop, {ours:?} for us"),
    }
    true
}

/// HELO keeps the name as it was written; theirs is what the writing meant.
fn same_name(ours: Option<&str>, theirs: &SmtpHost, shown: &str) {
    let written = shown[4..].trim();
    assert_eq!(ours.unwrap_or_default(), written, "{shown:?}: {theirs:?}");
}

fn same_sender(ours: &ReversePath, theirs: &SmtpPath, shown: &str) {
    match (ours, theirs) {
        (ReversePath::Null, SmtpPath::Null) => {}
        (ReversePath::Mailbox(mailbox), path) => same_mailbox(mailbox, path, shown),
        (ReversePath::Other(_), path) => assert!(!deliverable(path), "{shown:?}: {path:?}"),
        (ours, theirs) => panic!("{shown:?}: {theirs:?} became {ours:?}"),
    }
}

fn same_mailbox(ours: &Mailbox, theirs: &SmtpPath, shown: &str) {
    let SmtpPath::Mailbox { name, host, .. } = theirs else { panic!("{shown:?}: {theirs:?} became {ours:?}") };
    assert_eq!(&plain_local(ours.local()), name, "{shown:?}");
    assert!(same_host(ours.domain(), host), "{shown:?}: {host:?} became {:?}", ours.domain());
}

fn same_host(ours: &str, theirs: &SmtpHost) -> bool {
    let inside = ours.trim_start_matches('[').trim_end_matches(']');
    match theirs {
        SmtpHost::Domain(name) => ours == name,
        SmtpHost::Ipv4(ip) => inside.split('.').map(|part| part.parse::<u8>().ok()).eq(ip.octets().map(Some)),
        SmtpHost::Ipv6(ip) => inside.get(5..).is_some_and(|text| text.parse() == Ok(*ip)),
        SmtpHost::Invalid { literal, .. } | SmtpHost::Other { literal, .. } => inside.ends_with(literal.as_str()),
    }
}

/// The local part without quotes and backslashes, as samotop keeps it.
fn plain_local(local: &str) -> String {
    let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return local.to_owned() };
    let mut plain = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// Whether RFC 5321 lets a path stand in a command to the next server: RFC 821's grammar, which samotop follows,
/// also takes an empty local part, control characters, lengths without limit and hosts of no known form.
fn deliverable(path: &SmtpPath) -> bool {
    match path {
        SmtpPath::Null | SmtpPath::Postmaster => true,
        SmtpPath::Mailbox { name, host, .. } => {
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
            let host = match host {
                SmtpHost::Domain(name) => name.clone(),
                SmtpHost::Ipv4(ip) => format!("[{ip}]"),
                SmtpHost::Ipv6(ip) => format!("[IPv6:{ip}]"),
                SmtpHost::Invalid { .. } | SmtpHost::Other { .. } => return false,
            };
            !name.is_empty() && Mailbox::parse(&format!("\"{quoted}\"@{host}")).is_ok()
        }
    }
}

#[test]
fn reads_what_the_strict_grammar_reads() {
    for line in [
        "HELO relay.example",
        "ehlo [192.168.0.1]",
        "EHLO IPv6:::1",
        "HELO #2130706433",
        "lhlo relay.example",
        "MAIL FROM:<>",
        "mail from:<a.b@c.example>",
        "MAIL FROM:<@one.example,@two.example:a@b.example>",
        "MAIL FROM:<@one.example:@two.example:a@b.example>",
        "MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME SMTPUTF8",
        "MAIL FROM:<\"a b\"@c.example>",
        "MAIL FROM:<\"a>b\"@c.example> SIZE=3",
        "MAIL FROM:<a\\>b@c.example>",
        "SEND FROM:<a@b.example>",
        "SOML FROM:<a@b.example>",
        "SAML FROM:<a@b.example>",
        "RCPT TO:<postmaster>",
        "rcpt to:<PostMaster>",
        "RCPT TO:<a@b.example>",
        "RCPT TO:<a@[127.0.0.1]> NOTIFY=NEVER",
        "RCPT TO:<a\\,b@c.example>",
        "RCPT TO:<\"a,b\"@c.example>",
        "RCPT TO:<a@#2130706433>",
        "RCPT TO:<a@IPv6:::1>",
        "RCPT TO:<@one.example:a@IPv6:::1>",
        "DATA",
        "RSET",
        "NOOP",
        "NOOP one two",
        "VRFY someone",
        "EXPN list",
        "HELP",
        "HELP MAIL",
        "TURN",
        "QUIT",
    ] {
        assert!(compare(line.as_bytes()), "samotop refuses {line:?}: the list is wrong");
    }
}

/// Commands, most of them good, made of the pieces that the grammar knows.
fn command() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "[a-zA-Z0-9][a-zA-Z0-9-]{0,8}(\\.[a-z0-9][a-z0-9-]{0,8}){0,3}",
        "\\[[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\]",
        "#[0-9]{1,11}",
        "IPv6:[0-9a-f:]{1,12}",
    ];
    let local = prop_oneof![
        "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,10}(\\.[a-z0-9]{1,4}){0,2}",
        "[a-z.]{1,5}(\\\\[ -~]){0,3}[a-z]{0,3}",
        "\"([ !#-\\[\\]-~]|\\\\[ -~]){0,10}\"",
        "[a-z]{0,3}\u{fc}[a-z]{0,3}",
    ];
    let route = prop::collection::vec(host.clone(), 0..3);
    let path = (route, local, host.clone()).prop_map(|(route, local, host)| {
        let hosts = route.iter().map(|host| format!("@{host}")).collect::<Vec<_>>().join(",");
        format!("<{hosts}{}{local}@{host}>", if route.is_empty() { "" } else { ":" })
    });
    let words = "( [a-zA-Z0-9=-]{1,10}| SIZE=[0-9]{1,5}| smtputf8){0,3}";
    prop_oneof![
        ("(helo|EHLO|Ehlo)", host).prop_map(|(verb, host)| format!("{verb} {host}")),
        ("(mail|MAIL|Send|SOML|saml)", "( from:| FROM:)", path.clone(), words)
            .prop_map(|(verb, from, path, words)| format!("{verb}{from}{path}{words}")),
        ("(rcpt to:|RCPT TO:)", path, words).prop_map(|(verb, path, words)| format!("{verb}{path}{words}")),
        ("(noop|HELP|vrfy|EXPN|rset|DATA|quit|turn)", words).prop_map(|(verb, words)| format!("{verb}{words}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reads_whatever_the_strict_grammar_reads(line in command()) {
        compare(line.as_bytes());
    }
}
