//! Headers as devices send them, and what leaves.

mod lines;
mod repairs;
mod whole;

use super::*;
use crate::clock::Timestamp;
use crate::message::{Charset, DisplayName, Repair, ReplyTo, ReversePath};

/// 21 November 2025, 20:35:30 UTC.
const RECEIVED: Timestamp = Timestamp::from_millis(1_763_757_330_120);

/// The line that every message gets on top.
const TRACE: &str = "Received: from copier ([192.168.10.21])\r\n\tby relay.contoso.local (mailferry)\r\n\twith ESMTP id 1kam223p8000;\r\n\tFri, 21 Nov 2025 20:35:30 +0000\r\n";
const DATE: &str = "Date: Fri, 21 Nov 2025 20:35:30 +0000\r\n";
const MESSAGE_ID: &str = "Message-ID: <1kam223p8000@contoso.com>\r\n";
const TO: &str = "To: undisclosed-recipients:;\r\n";
/// What makes a header complete but for From and To.
const DATED: &str = "Date: Fri, 21 Nov 2025 21:35:28 +0100\r\nMessage-ID: <1@copier>\r\n";
/// What makes a header complete but for From.
const COMPLETE: &str = "Date: Fri, 21 Nov 2025 21:35:28 +0100\r\nMessage-ID: <1@copier>\r\nTo: <a@b.test>\r\n";

/// A message and the identity it goes out as.
#[derive(Clone, Debug)]
struct Case {
    origin: Origin,
    envelope: Envelope,
    header: Vec<u8>,
    facts: BodyFacts,
    identity: Identity,
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

fn case(header: impl Into<Vec<u8>>) -> Case {
    Case {
        origin: Origin {
            client: "192.168.10.21".parse().unwrap(),
            listener: "127.0.0.1:25".into(),
            helo: Some("copier".into()),
            esmtp: true,
            login: None,
            tls: false,
            charset: None,
            received: RECEIVED,
        },
        envelope: Envelope {
            sender: ReversePath::Mailbox(mailbox("dev@legacy.test")),
            recipients: vec![mailbox("a@b.test")],
            smtputf8: false,
        },
        header: header.into(),
        facts: BodyFacts::default(),
        identity: Identity { from: mailbox("alerts@contoso.com"), name: DisplayName::Original, reply_to: ReplyTo::Keep },
    }
}

impl Case {
    fn named(mut self, name: &str) -> Self {
        self.identity.name = DisplayName::Fixed(name.into());
        self
    }

    fn reply_to(mut self, reply_to: ReplyTo) -> Self {
        self.identity.reply_to = reply_to;
        self
    }

    fn source<'a>(&'a self, header: &'a HeaderBlock) -> Source<'a> {
        Source { origin: &self.origin, envelope: &self.envelope, header, facts: &self.facts, identity: &self.identity }
    }

    fn repairs(&self) -> Repairs {
        repairs(&self.source(&HeaderBlock::new(self.header.clone())))
    }

    fn rewrite(&self) -> Rewritten {
        rewrite(&Subject {
            id: EntryId::first_of(RECEIVED),
            source: self.source(&HeaderBlock::new(self.header.clone())),
            hostname: "relay.contoso.local",
        })
    }

    /// What was noted, and what leaves below our Received line in place of the fields of a complete header.
    #[track_caller]
    fn mends(mut self, repairs: &[Repair], want: &str) {
        self.header = [DATED.as_bytes(), b"From: alerts@contoso.com\r\n", &self.header].concat();
        assert_eq!(self.repairs(), repairs.iter().copied().collect(), "in {}", self.header.escape_ascii());
        self.gives(&[DATED, "From: alerts@contoso.com\r\n", want].concat());
    }

    /// What leaves below our Received line, without the empty line at the end.
    #[track_caller]
    fn gives(&self, want: &str) {
        let sent = self.rewrite();
        let header = String::from_utf8_lossy(&sent.header);
        let (_, below) = header.split_once("+0000\r\n").unwrap();
        assert_eq!(below.strip_suffix("\r\n").unwrap(), want, "from {}", self.header.escape_ascii());
        assert_eq!((sent.from, sent.body.eight_bit), (self.identity.from.clone(), self.facts.eight_bit));
        assert_eq!(self.rewrite().header, sent.header, "asked twice");
    }

    /// The same, for a header that lacks neither Date nor Message-ID nor To.
    #[track_caller]
    fn complete_gives(mut self, want: &str) {
        self.header = [COMPLETE.as_bytes(), &self.header].concat();
        self.gives(&[COMPLETE, want].concat());
    }
}

#[test]
fn a_copier_gets_what_it_left_out() {
    let header = "From: Copier <dev@legacy.test>\r\nTo: a@b.test\r\nSubject: Scan\r\n";
    let sent = case(header).rewrite();
    let want = format!("{TRACE}From: \"Copier\" <alerts@contoso.com>\r\nTo: a@b.test\r\nSubject: Scan\r\n{DATE}{MESSAGE_ID}\r\n");
    assert_eq!(String::from_utf8_lossy(&sent.header), want);
    assert!(!sent.smtputf8);
}

#[test]
fn a_message_without_header_gets_one() {
    case("").gives(&format!("{DATE}From: <alerts@contoso.com>\r\n{TO}{MESSAGE_ID}"));
}

#[test]
fn what_is_fine_stays_octet_for_octet() {
    for from in [
        "From: alerts@contoso.com\r\n",
        "From:<alerts@contoso.com>\r\n",
        "From: Copier <alerts@contoso.com>\r\n",
        "From: \"Copier,\r\n\t2nd floor\" <alerts@contoso.com>\r\n",
        "From: =?iso-8859-1?Q?B=FCro?=\r\n <alerts@contoso.com>\r\n",
    ] {
        let rest = "X-Odd :\tkept \r\nsubject:  =?utf-8?q?B=C3=BCro?=  \r\nX-Empty:\r\n";
        case(format!("{from}{rest}")).complete_gives(&format!("{from}{rest}"));
    }
}

#[test]
fn a_from_that_could_be_misread_is_written_anew() {
    for from in [
        "from:alerts@contoso.com",
        "From : alerts@contoso.com",
        "From: alerts@contoso.com, other@evil.test",
        "From: ALERTS@contoso.com",
        "From: Team: alerts@contoso.com;",
    ] {
        case(format!("{from}\r\n")).complete_gives("From: <alerts@contoso.com>\r\n");
    }
    case("From: alerts@contoso.com (Copier)\r\n").complete_gives("From: \"Copier\" <alerts@contoso.com>\r\n");
}

#[test]
fn names_are_kept_however_they_were_written() {
    for (written, name) in [
        ("Copier", "\"Copier\""),
        ("Scan, Front Office", "\"Scan, Front Office\""),
        ("\"Say \\\"hi\\\"\"", "\"Say \\\"hi\\\"\""),
        ("\"Scanner\"\r\n\t", "\"Scanner\""),
        ("=?ISO-2022-JP?B?GyRCSiM5ZzUhGyhC?=", "=?utf-8?B?6KSH5ZCI5qmf?="),
        ("=?utf-8?Q?a=0D=0ABcc:_x@evil.test?=", "\"a Bcc: x@evil.test\""),
    ] {
        case(format!("From: {written} <dev@legacy.test>\r\n")).complete_gives(&format!("From: {name} <alerts@contoso.com>\r\n"));
    }
    case(&b"From: B\xfcro <dev@legacy.test>\r\n"[..]).complete_gives("From: =?utf-8?B?QsO8cm8=?= <alerts@contoso.com>\r\n");
    case("From: DAFANG\r\n").complete_gives("From: \"DAFANG\" <alerts@contoso.com>\r\n");
}

#[test]
fn a_fixed_name_replaces_the_devices() {
    case("From: Copier <dev@legacy.test>\r\n")
        .named("Copier, 2nd floor")
        .complete_gives("From: \"Copier, 2nd floor\" <alerts@contoso.com>\r\n");
    case("From: alerts@contoso.com\r\n").named("Copier").complete_gives("From: \"Copier\" <alerts@contoso.com>\r\n");
    case("From: Copier <alerts@contoso.com>\r\n").named("").complete_gives("From: <alerts@contoso.com>\r\n");
}

#[test]
fn one_from_leaves_in_the_place_of_the_first() {
    case("X: 1\r\nFrom: dev@legacy.test\r\nY: 2\r\nfrom: Other <other@evil.test>\r\nZ: 3\r\n")
        .complete_gives("X: 1\r\nFrom: <alerts@contoso.com>\r\nY: 2\r\nZ: 3\r\n");
    case("From: alerts@contoso.com\r\nFrom: alerts@contoso.com\r\n").complete_gives("From: <alerts@contoso.com>\r\n");
}

#[test]
fn sender_and_bcc_go_with_all_their_lines() {
    case("From: alerts@contoso.com\r\nSender: root@legacy.test\r\nBCC: x@y.test,\r\n\tz@y.test\r\nresent-bcc : v@w.test\r\n")
        .complete_gives("From: alerts@contoso.com\r\n");
    case("Bcc: only@b.test\r\nFrom: alerts@contoso.com\r\n").complete_gives("From: alerts@contoso.com\r\n");
}

#[test]
fn empty_dates_and_message_ids_count_as_missing() {
    case("Date:\r\nFrom: alerts@contoso.com\r\nCc: a@b.test\r\nMessage-ID: \r\n")
        .gives(&format!("{DATE}From: alerts@contoso.com\r\nCc: a@b.test\r\n{MESSAGE_ID}"));
}

#[test]
fn reply_to_follows_the_identity() {
    let from = "From: Copier <dev@legacy.test>\r\n";
    let own = "Reply-To: help@legacy.test\r\n";
    let both = format!("{own}{from}");
    let sent = "From: \"Copier\" <alerts@contoso.com>\r\n";
    let other = ReplyTo::Address(mailbox("it@contoso.com"));

    case(both.as_str()).complete_gives(&format!("{own}{sent}"));
    case(from).complete_gives(sent);
    case(both.as_str()).reply_to(ReplyTo::None).complete_gives(sent);
    case(both.as_str()).reply_to(other.clone()).complete_gives(&format!("Reply-To: <it@contoso.com>\r\n{sent}"));
    case(from).reply_to(other).complete_gives(&format!("{sent}Reply-To: <it@contoso.com>\r\n"));
    case(both.as_str()).reply_to(ReplyTo::Original).complete_gives(&format!("{own}{sent}"));
    case(from).reply_to(ReplyTo::Original).complete_gives(&format!("{sent}Reply-To: \"Copier\" <dev@legacy.test>\r\n"));
    case(format!("Reply-To:\r\n{from}"))
        .reply_to(ReplyTo::Original)
        .complete_gives(&format!("Reply-To: \"Copier\" <dev@legacy.test>\r\n{sent}"));
}

#[test]
fn an_original_that_is_no_use_gives_no_reply_to() {
    for from in ["From: DAFANG\r\n", "From: alerts@contoso.com\r\n", "", "From: d\u{f6}r@legacy.test\r\n"] {
        let sent = case(from).reply_to(ReplyTo::Original).rewrite();
        assert!(!String::from_utf8_lossy(&sent.header).contains("Reply-To"), "{from:?}");
        assert!(!sent.smtputf8);
    }
}

#[test]
fn received_tells_how_the_message_came() {
    for (helo, esmtp, tls, login, smtputf8, client, want) in [
        (None, false, false, None, false, "10.0.0.1", "from [10.0.0.1] ([10.0.0.1])|with SMTP id"),
        (Some("x)\r\nEvil: 1"), true, false, Some("u"), false, "fd00::1", "from x---Evil--1 ([IPv6:fd00::1])|with ESMTPA id"),
        (Some("[127.0.0.1]"), true, false, None, true, "127.0.0.1", "from [127.0.0.1] ([127.0.0.1])|with UTF8SMTP id"),
        (Some("ups"), true, false, Some("u"), true, "127.0.0.1", "from ups ([127.0.0.1])|with UTF8SMTPA id"),
        (None, true, false, None, false, "unix:uid=1000,pid=7", "from localhost (localhost)|with ESMTP id"),
        (Some("ups"), false, false, Some("u"), true, "127.0.0.1", "from ups ([127.0.0.1])|with SMTP id"),
        (Some("ups"), true, true, None, false, "127.0.0.1", "from ups ([127.0.0.1])|with ESMTPS id"),
        (Some("ups"), true, true, Some("u"), false, "127.0.0.1", "from ups ([127.0.0.1])|with ESMTPSA id"),
        (Some("ups"), true, true, None, true, "127.0.0.1", "from ups ([127.0.0.1])|with UTF8SMTPS id"),
        (Some("ups"), true, true, Some("u"), true, "127.0.0.1", "from ups ([127.0.0.1])|with UTF8SMTPSA id"),
        (Some("ups"), false, true, None, true, "127.0.0.1", "from ups ([127.0.0.1])|with SMTP id"),
    ] {
        let mut case = case("");
        case.origin =
            Origin { helo: helo.map(Into::into), esmtp, tls, login: login.map(Into::into), client: client.parse().unwrap(), ..case.origin };
        case.envelope.smtputf8 = smtputf8;
        let header = String::from_utf8(case.rewrite().header.to_vec()).unwrap();
        let (from, with) = want.split_once('|').unwrap();
        assert!(header.starts_with(&format!("Received: {from}\r\n\tby relay.contoso.local (mailferry)\r\n\t{with} 1k")), "{header}");
    }
}

#[test]
fn smtputf8_is_needed_for_addresses_and_for_headers_that_were_sent_with_it() {
    let utf8 = "Subject: B\u{fc}ro\r\n";
    let asked = |header: Vec<u8>| {
        let mut case = case(header);
        case.envelope.smtputf8 = true;
        case.rewrite().smtputf8
    };
    assert!(asked(utf8.into()));
    assert!(!asked(b"Subject: B\xfcro\r\n".to_vec()));
    assert!(!asked(b"Subject: Buero\r\n".to_vec()));
    assert!(!case(utf8).rewrite().smtputf8);

    let mut to = case("");
    to.envelope.recipients.push(mailbox("d\u{f6}r@b.test"));
    assert!(to.rewrite().smtputf8);
    let mut from = case("");
    from.identity.from = mailbox("d\u{f6}r@contoso.com");
    assert!(from.rewrite().smtputf8);
    assert!(case("").reply_to(ReplyTo::Address(mailbox("a@b\u{fc}ro.test"))).rewrite().smtputf8);
}
