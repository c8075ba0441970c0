//! Rules against messages as devices write them.

use super::*;
use crate::clock::Timestamp;
use crate::message::{DisplayName, ReplyTo, ReversePath};

fn rule(client: &[&str], from: &[&str], identity: &str) -> Rule {
    Rule {
        when: Match {
            client: client.iter().map(|network| network.parse().unwrap()).collect(),
            from: from.iter().map(|pattern| Pattern::new(pattern)).collect(),
        },
        account: AccountName::new("office"),
        identity: Identity { from: Mailbox::parse(identity).unwrap(), name: DisplayName::Original, reply_to: ReplyTo::Keep },
    }
}

/// The rules of the example configuration.
fn example() -> Senders {
    Senders {
        rules: vec![
            rule(&["192.168.10.21/32"], &[], "noreply@contoso.com"),
            rule(&[], &["*@old.local"], "alerts@contoso.com"),
            rule(&["10.0.0.0/8", "fd00::/8"], &["ups@*", "nas@*"], "info@contoso.com"),
            rule(&[], &[], "scanner@contoso.com"),
        ],
    }
}

fn decide(rules: &Senders, client: &str, mail_from: &str, header: &'static str) -> Result<(usize, String), NoRule> {
    let origin = Origin {
        client: client.parse().unwrap(),
        listener: "127.0.0.1:25".into(),
        helo: None,
        esmtp: true,
        login: None,
        tls: false,
        charset: None,
        received: Timestamp::from_millis(0),
    };
    let sender = match mail_from {
        "" => ReversePath::Null,
        text => Mailbox::parse(text).map_or_else(|_| ReversePath::Other(text.into()), ReversePath::Mailbox),
    };
    let envelope = Envelope { sender, recipients: vec![Mailbox::parse("a@b.test").unwrap()], smtputf8: false };
    rules
        .decide(&origin, &envelope, &HeaderBlock::new(header))
        .map(|(number, decision)| (number, decision.identity.from.as_str().to_owned()))
}

#[track_caller]
fn check(client: &str, mail_from: &str, header: &'static str, number: usize, from: &str) {
    assert_eq!(decide(&example(), client, mail_from, header), Ok((number, from.to_owned())));
}

#[test]
fn the_first_rule_that_matches_decides() {
    check("192.168.10.21", "x@old.local", "From: x@old.local\r\n", 0, "noreply@contoso.com");
    check("192.168.10.22", "x@old.local", "From: x@old.local\r\n", 1, "alerts@contoso.com");
    check("192.168.10.22", "x@new.local", "From: x@new.local\r\n", 3, "scanner@contoso.com");
}

#[test]
fn all_conditions_of_a_rule_must_hold() {
    check("10.1.2.3", "", "From: UPS <ups@site.test>\r\n", 2, "info@contoso.com");
    check("fd00::5", "", "From: nas@site.test\r\n", 2, "info@contoso.com");
    check("10.1.2.3", "", "From: printer@site.test\r\n", 3, "scanner@contoso.com");
    check("172.16.0.1", "", "From: ups@site.test\r\n", 3, "scanner@contoso.com");
}

#[test]
fn a_local_program_is_in_no_network() {
    check("unix:uid=1000,pid=7", "", "From: UPS <ups@site.test>\r\n", 3, "scanner@contoso.com");
    check("unix", "x@old.local", "From: x@old.local\r\n", 1, "alerts@contoso.com");
}

#[test]
fn the_header_comes_before_the_envelope() {
    check("127.0.0.1", "root@old.local", "From: x@new.local\r\n", 3, "scanner@contoso.com");
    check("127.0.0.1", "root@new.local", "from:x@OLD.local\r\n", 1, "alerts@contoso.com");
}

#[test]
fn without_an_address_in_the_header_the_envelope_is_asked() {
    check("127.0.0.1", "root@old.local", "To: a@b.test\r\n", 1, "alerts@contoso.com");
    check("127.0.0.1", "root@old.local", "From: DAFANG\r\n", 1, "alerts@contoso.com");
    check("127.0.0.1", "root@old.local", "From: \"Name\" <>\r\n", 1, "alerts@contoso.com");
    check("10.1.2.3", "ups@", "From:\r\n", 2, "info@contoso.com");
    check("127.0.0.1", "", "", 3, "scanner@contoso.com");
}

#[test]
fn controls_hide_no_address_from_a_rule() {
    check("127.0.0.1", "", "From: x\0@old\x01.local\r\n", 1, "alerts@contoso.com");
}

#[test]
fn no_rule_is_told_with_what_was_looked_at() {
    let rules = Senders { rules: vec![rule(&[], &["*@contoso.com"], "info@contoso.com")] };
    let error = decide(&rules, "::1", "ups\u{1b}", "").unwrap_err();
    assert_eq!(error.to_string(), r#"no rule under `senders` matches client ::1, From "ups\u{1b}""#);
    assert!(decide(&Senders::default(), "::1", "", "").is_err());
}
