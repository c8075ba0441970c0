use proptest::prelude::*;

use super::*;

#[track_caller]
fn sender(line: &str) -> String {
    match parse(line.as_bytes()) {
        Ok(Command::Mail { sender, .. }) => format!("{sender:?}"),
        other => panic!("{line:?} was read as {other:?}"),
    }
}

#[track_caller]
fn recipients(line: &str) -> String {
    match parse(line.as_bytes()) {
        Ok(Command::Rcpt(mailboxes)) => mailboxes.iter().map(Mailbox::as_str).collect::<Vec<_>>().join(" "),
        other => panic!("{line:?} was read as {other:?}"),
    }
}

#[test]
fn takes_every_way_of_writing_the_same_sender() {
    for line in [
        "MAIL FROM:<a@b.example>",
        "mail from:<a@b.example>",
        "Mail From: <a@b.example>",
        "MAIL FROM:a@b.example",
        "MAIL FROM: a@b.example",
        "MAIL FROM a@b.example",
        "MAIL FROM <a@b.example>",
        "MAIL\tFROM\t:\t<a@b.example>",
        "MAIL FROM :<a@b.example>",
        "MAIL:FROM:<a@b.example>",
        "MAILFROM:<a@b.example>",
        "MAIL FROM:< a@b.example >",
        "MAIL FROM:<<a@b.example>>",
        "MAIL FROM:<a@b.example",
        "MAIL FROM:a@b.example>",
        "MAIL FROM:Scanner <a@b.example>",
        "MAIL FROM:\"Scan, 2nd <floor>\" <a@b.example>",
        "MAIL FROM:\"a@b.example\"",
        "MAIL FROM:'a@b.example'",
        "MAIL FROM:<\"a@b.example\">",
        "MAIL FROM:<mailto:a@b.example>",
        "MAIL FROM:<@relay.example,@other.example:a@b.example>",
        "MAIL FROM:<a@b.example> SIZE=10 XVENDOR AUTH=<>",
        "MAIL FROM:<a@b.example>SIZE=10",
        "MAIL FROM:a@b.example BODY=8BITMIME",
        "MAIL FROM:a@b.example AUTH=<>",
        " \0MAIL FROM:<a@b.example>\0",
        "SAML FROM:<a@b.example>",
    ] {
        assert_eq!(sender(line), "Mailbox(<a@b.example>)", "{line:?}");
    }
}

#[test]
fn a_sender_may_be_anything() {
    for line in ["MAIL FROM:<>", "MAIL FROM:", "MAIL FROM", "MAIL FROM: < >", "MAIL FROM:<> SIZE=1"] {
        assert_eq!(sender(line), "Null", "{line:?}");
    }
    assert_eq!(sender("MAIL FROM: <ESP-CAM_MJPEG>"), "Other(\"ESP-CAM_MJPEG\")");
    assert_eq!(sender("MAIL FROM:scanner"), "Other(\"scanner\")");
    assert_eq!(sender("MAIL FROM:<a@b,c@d>"), "Other(\"a@b,c@d\")");
    assert_eq!(sender("MAIL FROM:<ilo.@host>"), "Mailbox(<ilo.@host>)");
    assert_eq!(sender("MAIL FROM:<\"a b\"@c.example>"), "Mailbox(<\"a b\"@c.example>)");
    assert_eq!(sender("MAIL FROM:<b\u{fc}ro@b.example>"), "Mailbox(<b\u{fc}ro@b.example>)");
    let latin1 = parse(b"MAIL FROM:<b\xfcro@b.example>").unwrap();
    assert!(matches!(latin1, Command::Mail { sender: ReversePath::Other(_), .. }), "{latin1:?}");
    for line in ["MAIL", "MAIL TO:<a@b>", "MAIL a@b", "MAIL FROMAGE:a@b"] {
        assert_eq!(parse(line.as_bytes()), Err(CommandError::MailSyntax), "{line:?}");
    }
}

#[test]
fn reads_size_and_smtputf8_and_passes_over_the_rest() {
    let read = |line: &str| match parse(line.as_bytes()) {
        Ok(Command::Mail { size, smtputf8, .. }) => (size, smtputf8),
        other => panic!("{line:?} was read as {other:?}"),
    };
    assert_eq!(read("MAIL FROM:<a@b> SIZE=500 SMTPUTF8"), (Some(500), true));
    assert_eq!(read("mail from:a@b size=500 smtputf8"), (Some(500), true));
    assert_eq!(read("MAIL FROM:<a@b> SIZE= BODY=8BITMIME RET=HDRS ENVID=x"), (None, false));
    assert_eq!(read("MAIL FROM:<a@b> SIZE=99999999999999999999"), (Some(u64::MAX), false));
}

/// Time in proportion to the square of a line's length would let one device hold all others up: this is some
/// ten billion steps where each space is looked at with all before it.
#[test]
fn long_runs_of_spaces_take_no_time() {
    let spaces = " ".repeat(100_000);
    for line in [format!("MAIL FROM:a{spaces}b"), format!("MAIL FROM:<a@b.example>{spaces}b@"), format!("MAIL FROM:a{spaces}SIZE=1")] {
        let begun = std::time::Instant::now();
        assert!(matches!(parse(line.as_bytes()), Ok(Command::Mail { .. })));
        assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{} took {:?}", &line[..30], begun.elapsed());
    }
}

#[test]
fn splits_recipients_and_keeps_each_once() {
    for (line, want) in [
        ("RCPT TO:<a@b.example>", "a@b.example"),
        ("rcpt to: a@b.example", "a@b.example"),
        ("RCPT TO <a@b.example>", "a@b.example"),
        ("RCPTTO:<a@b.example>", "a@b.example"),
        ("RCPT TO:\"Joe\" <a@b.example>", "a@b.example"),
        ("RCPT TO:\"x@y.example\" <a@b.example>", "a@b.example"),
        ("RCPT TO:<mailto:a@b.example>", "a@b.example"),
        ("RCPT TO:<SMTP:a@b.example>", "a@b.example"),
        ("RCPT TO:<a@b.example;>", "a@b.example"),
        ("RCPT TO:a@b.example;", "a@b.example"),
        ("RCPT TO:<a@b.example>;", "a@b.example"),
        ("RCPT TO:<a@b.example,c@d.example>", "a@b.example c@d.example"),
        ("RCPT TO:<a@b.example>, <c@d.example> ;", "a@b.example c@d.example"),
        ("RCPT TO:a@b.example; c@d.example", "a@b.example c@d.example"),
        ("RCPT TO:Joe <a@b.example>, \"Doe, J\" <c@d.example>", "a@b.example c@d.example"),
        ("RCPT TO:<a@b.example,A@B.example,a@b.example>", "a@b.example"),
        ("RCPT TO:<a@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y", "a@b.example"),
        ("RCPT TO:a@b.example NOTIFY=NEVER", "a@b.example"),
        ("RCPT TO:<a=b@c.example>", "a=b@c.example"),
        ("RCPT TO:a=b@c.example, d=e@f.example", "a=b@c.example d=e@f.example"),
        ("RCPT TO:<@one.example,@two.example:a@b.example>", "a@b.example"),
        ("RCPT TO:<\"a,b\"@c.example>", "\"a,b\"@c.example"),
        ("RCPT TO:<a\\,b@c.example>", "\"a\\,b\"@c.example"),
        ("RCPT TO:<a@[IPv6:::1]>", "a@[IPv6:::1]"),
        ("RCPT TO:<a@#2130706433>", "a@[127.0.0.1]"),
        ("RCPT TO:<postmaster@b.example>", "postmaster@b.example"),
    ] {
        assert_eq!(recipients(line), want, "{line:?}");
    }
    for line in ["RCPT TO:<postmaster>", "rcpt to: PostMaster", "RCPT TO:<Postmaster> NOTIFY=NEVER"] {
        assert_eq!(parse(line.as_bytes()), Ok(Command::RcptPostmaster), "{line:?}");
    }
}

#[test]
fn never_guesses_a_recipient() {
    for (line, bad) in [
        ("RCPT TO:<admin>", "<admin>"),
        ("RCPT TO:<a@b.example,admin>", "admin>"),
        ("RCPT TO:Doe, John <a@b.example>", "Doe"),
        ("RCPT TO:<a@b.example> c@d.example", "<a@b.example> c@d.example"),
        ("RCPT TO:x@y.example <a@b.example>", "x@y.example <a@b.example>"),
        ("RCPT TO:a@b.example c@d.example", "a@b.example c@d.example"),
        ("RCPT TO:<mailto:a@b.example?subject=x>", "<mailto:a@b.example?subject=x>"),
        ("RCPT TO:<a@b.example> SIZE=1 <c@d.example>", "<c@d.example>"),
        ("RCPT TO:<a@b.example> SIZE=1 c@d.example", "c@d.example"),
        ("RCPT TO:<a@b.example> NOTIFY=NEVER,<admin>", "NOTIFY=NEVER,<admin>"),
        ("RCPT TO:a@b.example ORCPT=rfc822;x@y,c@d.example", "ORCPT=rfc822;x@y,c@d.example"),
        ("RCPT TO:<postmaster> SIZE=1 <c@d.example>", "<c@d.example>"),
        ("RCPT TO:<\"a<b\"@c.example>", "<\"a<b\"@c.example>"),
        ("RCPT TO:<\"a>b\"@c.example>", "<\"a>b\"@c.example>"),
    ] {
        assert_eq!(parse(line.as_bytes()), Err(CommandError::BadRecipient(bad.into())), "{line:?}");
    }
    assert!(matches!(parse(b"RCPT TO:<b\xfcro@b.example>"), Err(CommandError::BadRecipient(_))));
    for line in ["RCPT", "RCPT TO:", "RCPT TO:<>", "RCPT TO:;", "RCPT <a@b>"] {
        assert_eq!(parse(line.as_bytes()), Err(CommandError::RcptSyntax), "{line:?}");
    }
}

#[test]
fn reads_only_so_many_recipients_of_one_command() {
    let line = |count: usize| format!("RCPT TO:{}", (0..count).map(|n| format!("{n}@b,")).collect::<String>());
    assert_eq!(recipients(&line(1000)).split(' ').count(), 1000);
    assert_eq!(parse(line(1001).as_bytes()), Err(CommandError::TooManyRecipients));
    assert_eq!(parse("RCPT TO:".bytes().chain(b"a@b,".repeat(1001)).collect::<Vec<_>>().as_slice()), Err(CommandError::TooManyRecipients));
}

#[test]
fn reads_greetings_of_any_kind() {
    let helo = |name: &str| Ok(Command::Helo(Some(name.into())));
    for line in ["HELO", "HELO ", "helo\t \t", "HELO\0"] {
        assert_eq!(parse(line.as_bytes()), Ok(Command::Helo(None)), "{line:?}");
    }
    assert_eq!(parse(b"HELO my_printer"), helo("my_printer"));
    assert_eq!(parse(b"HELO  scan@b.example "), helo("scan@b.example"));
    assert_eq!(parse(b"HELO B\xfcro"), helo("B\u{fffd}ro"));
    assert_eq!(parse(b" ehlo [127.0.0.1] "), Ok(Command::Ehlo(Some("[127.0.0.1]".into()))));
    assert_eq!(parse(b"\xff\xfb\x1f\xff\xfd\x03EHLO dev"), Ok(Command::Ehlo(Some("dev".into()))));
}

#[test]
fn reads_auth_in_any_case_with_and_without_response() {
    let auth = |mechanism: &str, initial: Option<&str>| {
        Ok(Command::Auth { mechanism: mechanism.into(), initial: initial.map(|text| text.as_bytes().to_vec()) })
    };
    assert_eq!(parse(b"AUTH LOGIN"), auth("LOGIN", None));
    assert_eq!(parse(b"auth login dQ=="), auth("LOGIN", Some("dQ==")));
    assert_eq!(parse(b"AUTH  plain  AHUAcA== "), auth("PLAIN", Some("AHUAcA==")));
    assert_eq!(parse(b"AUTH PLAIN ="), auth("PLAIN", Some("")));
    assert_eq!(parse(b"AUTH=LOGIN"), auth("LOGIN", None));
    assert_eq!(parse(b"AUTH"), Err(CommandError::AuthSyntax));
}

#[test]
fn knows_the_other_words_and_the_strangers() {
    for (line, command) in [
        ("data", Command::Data),
        ("RSET ", Command::Rset),
        ("NOOP anything", Command::Noop),
        ("VRFY a@b", Command::Vrfy),
        ("expn list", Command::Expn),
        ("Help", Command::Help),
        ("quit\0", Command::Quit),
        ("StartTLS", Command::StartTls),
        ("BDAT 55 LAST", Command::Bdat(Some(55))),
        ("BDAT", Command::Bdat(None)),
        ("ETRN b.example", Command::Turn),
        ("GET / HTTP/1.1", Command::Http),
        ("post /", Command::Http),
        ("FROB / HTTP/1.0", Command::Http),
        ("PROXY TCP4 10.0.0.1 10.0.0.2 42273 25", Command::Proxy),
        ("", Command::Unknown("".into())),
        ("Data: see below", Command::Unknown("Data:".into())),
        ("XYZZY now", Command::Unknown("XYZZY".into())),
    ] {
        assert_eq!(parse(line.as_bytes()), Ok(command), "{line:?}");
    }
    assert_eq!(parse(&[b'x'; 100]), Ok(Command::Unknown("x".repeat(40))));
}

proptest! {
    #[test]
    fn survives_everything(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&line);
    }

    #[test]
    fn survives_everything_behind_a_verb(verb in "(MAIL FROM:|RCPT TO:|AUTH |HELO )", rest in r#"([<>"\\@,;: =a\x00é#\[]|SIZE|mailto:){0,30}"#) {
        let _ = parse(format!("{verb}{rest}").as_bytes());
    }
}
