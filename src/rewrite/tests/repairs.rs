//! What is wrong with fields, and what becomes of them.

use super::*;

const FROM: &str = "From: alerts@contoso.com\r\n";
/// A message that only lacks what is looked at.
const REST: &str = "From: alerts@contoso.com\r\nTo: a@b.test\r\n";

#[track_caller]
fn noted(header: &str, want: &[Repair]) {
    assert_eq!(case(header).repairs(), want.iter().copied().collect(), "in {header:?}");
}

#[test]
fn a_header_that_is_fine_needs_nothing() {
    noted(&format!("{COMPLETE}{FROM}"), &[]);
    noted(&format!("{DATED}From: Copier <dev@legacy.test>\r\nCc: a@b.test\r\nBcc: x@y.test\r\nSender: z@y.test\r\n"), &[]);
}

#[test]
fn from_is_told_apart() {
    for (from, want) in [
        ("", &[Repair::NoFrom][..]),
        ("From: \r\n", &[Repair::NoFrom]),
        ("From: Camera\r\n", &[Repair::BrokenFrom]),
        ("From: <>\r\n", &[Repair::BrokenFrom]),
        ("From: a@b, c@d\r\n", &[Repair::SeveralFrom]),
        ("From: Team: a@b, c@d;\r\n", &[Repair::SeveralFrom]),
        ("From: a@b\r\nFrom: a@b\r\n", &[Repair::SeveralFrom]),
        ("From: Scan, Front Office <a@b>\r\n", &[]),
        ("From: Team: a@b;\r\n", &[]),
    ] {
        noted(&format!("{COMPLETE}{from}"), want);
    }
}

#[test]
fn without_from_the_first_part_says_who_it_was() {
    let mut case = case(COMPLETE).reply_to(ReplyTo::Original);
    case.facts.inner_from = Some("Copier <dev@legacy.test>".into());
    case.clone().gives(&format!("{COMPLETE}From: \"Copier\" <alerts@contoso.com>\r\nReply-To: \"Copier\" <dev@legacy.test>\r\n"));
    assert_eq!(case.repairs(), Repairs::from_iter([Repair::NoFrom]));
    case.header.extend_from_slice(b"From: alerts@contoso.com\r\n");
    case.gives(&format!("{COMPLETE}From: alerts@contoso.com\r\n"));
}

#[test]
fn somebody_is_always_named() {
    use Repair::NoTo;
    case("Subject: x\r\n").mends(&[NoTo], &format!("Subject: x\r\n{TO}"));
    case("To: \r\nSubject: x\r\nCc: ,;\r\n").mends(&[NoTo], &format!("{TO}Subject: x\r\n"));
    case("To: <>\r\nCc: a@b.test\r\n").mends(&[NoTo], "Cc: a@b.test\r\n");
    case("To: a@b.test\r\nCC:\r\n").mends(&[NoTo], "To: a@b.test\r\n");
    case("Cc: a@b.test\r\n").mends(&[], "Cc: a@b.test\r\n");
    case(TO).mends(&[], TO);
}

#[test]
fn several_lists_become_one() {
    use Repair::RepeatedField;
    case("to: a@b.test,\r\nX: y\r\nTo: c@d.test\r\n\t, \"E, F\" <e@f.test>\r\nTO:\r\nCc: g@h.test\r\n")
        .mends(&[RepeatedField], "to: a@b.test,\r\n c@d.test\r\n\t, \"E, F\" <e@f.test>\r\nX: y\r\nCc: g@h.test\r\n");
    case("To: Team: a@b.test;\r\nTo: c@d.test;\r\n").mends(&[RepeatedField], "To: Team: a@b.test;,\r\n c@d.test;\r\n");
}

#[test]
fn of_fields_that_may_stand_once_the_first_that_says_something_stays() {
    use Repair::RepeatedField;
    for name in ["Subject", "In-Reply-To", "References", "Reply-To", "Mime-Version", "Content-Disposition", "Content-ID"] {
        let version = if name == "Content-Disposition" { "MIME-Version: 1.0\r\n" } else { "" };
        case(format!("To: a@b.test\r\n{version}{name}:\r\nX: y\r\n{name}: <1@a>\r\n{name}: <2@b>\r\n"))
            .mends(&[RepeatedField], &format!("To: a@b.test\r\n{version}{name}: <1@a>\r\nX: y\r\n"));
    }
    for name in ["Received", "Comments", "Keywords", "Resent-To", "X-Any"] {
        let twice = format!("To: a@b.test\r\n{name}: <1@a>\r\n{name}: <2@b>\r\n");
        case(twice.as_str()).mends(&[], &twice);
    }
    case("Subject:\r\nTo: a@b.test\r\n").mends(&[], "Subject:\r\nTo: a@b.test\r\n");
}

#[test]
fn dates_that_nobody_can_read_or_believe_are_replaced() {
    const ID: &str = "Message-ID: <1@copier>\r\n";
    for date in ["05/03/19 10:42 AM +00:00 (GMT+00:00)", "Fri Nov 21 20:35:30 2025", "Thu, 01 Jan 1970 00:00:12 +0000"] {
        let header = format!("Date: {date}\r\n{REST}{ID}");
        noted(&header, &[Repair::BrokenDate]);
        case(header).gives(&format!("{DATE}{REST}{ID}X-Original-Date: {date}\r\n"));
    }
    let encoded = "X-Original-Date: mar.,  7 =?utf-8?Q?ao=C3=BBt?= 2018 10:55:41 +0200 (CEST)\r\n";
    case(format!("Date: mar.,  7 ao\u{fb}t 2018 10:55:41 +0200 (CEST)\r\n{REST}{ID}")).gives(&format!("{DATE}{REST}{ID}{encoded}"));
    let zone = "Date: Fri, 21 Nov 2025 21:35:28 +0100 (=?utf-8?Q?Mitteleurop=C3=A4ische?=\r\n =?utf-8?Q?_Zeit?=)\r\n";
    case(&b"Date: Fri, 21 Nov 2025 21:35:28 +0100 (Mitteleurop\xe4ische Zeit)\r\nTo: a@b.test\r\nMessage-ID: <1@copier>\r\n"[..])
        .named("Copier")
        .gives(&format!("{zone}To: a@b.test\r\n{ID}From: \"Copier\" <alerts@contoso.com>\r\n"));
    let good = "Date: Fri, 21 Nov 25 20:35 GMT\r\n";
    noted(&format!("Date: now\r\n{good}{REST}{ID}"), &[Repair::RepeatedField]);
    case(format!("Date: now\r\n{good}{REST}{ID}")).gives(&format!("{good}{REST}{ID}"));
}

#[test]
fn message_ids_get_a_form_that_others_accept() {
    for (id, want) in [
        ("1@copier", "Message-ID: <1@copier>\r\n"),
        ("12345", "Message-ID: <1kam223p8000@contoso.com>\r\n"),
        ("<a b@c>", "Message-ID: <1kam223p8000@contoso.com>\r\n"),
    ] {
        let header = format!("Message-Id: {id}\r\n{REST}{DATE}");
        let original = if id.starts_with('1') && id.contains('@') { String::new() } else { format!("X-Original-Message-ID: {id}\r\n") };
        noted(&header, &[Repair::BrokenMessageId]);
        case(header).gives(&format!("{want}{REST}{DATE}{original}"));
    }
    let odd = format!("message-id:<Odd..1.@copier>\r\n{REST}{DATE}");
    case(odd.as_str()).gives(&odd);
}

#[test]
fn mime_has_a_version() {
    use Repair::NoMimeVersion;
    let html = "To: a@b.test\r\nContent-Type: text/html\r\n";
    case(html).mends(&[NoMimeVersion], &format!("{html}MIME-Version: 1.0\r\n"));
    case(format!("mime-version:\r\n{html}")).mends(&[NoMimeVersion], &format!("MIME-Version: 1.0\r\n{html}"));
    case(format!("mime-version: 1.0 (ours)\r\n{html}")).mends(&[], &format!("mime-version: 1.0 (ours)\r\n{html}"));
    let disposition = "To: a@b.test\r\nContent-Disposition: inline\r\n";
    case(disposition).mends(&[NoMimeVersion], &format!("{disposition}MIME-Version: 1.0\r\n"));
}

/// A message with octets above 127 in its body, and what is said of it.
#[track_caller]
fn declares(charset: Option<&str>, configured: Option<&str>, said: &str, want: &str) {
    let version = "To: a@b.test\r\nMIME-Version: 1.0\r\n";
    let mut case = case(format!("{version}{said}"));
    case.facts = BodyFacts { eight_bit: true, charset: charset.and_then(Charset::of), ..BodyFacts::default() };
    case.origin.charset = configured.and_then(Charset::of);
    let repairs: &[Repair] = if said == want { &[] } else { &[Repair::UndeclaredBody] };
    case.mends(repairs, &format!("{version}{want}"));
}

const EIGHT: &str = "Content-Transfer-Encoding: 8bit\r\n";

#[test]
fn a_body_says_its_charset() {
    for (found, configured, want) in [
        (Some("utf-8"), None, "utf-8"),
        (Some("utf-8"), Some("latin1"), "utf-8"),
        (Some("windows-1252"), Some("shift_jis"), "Shift_JIS"),
        (Some("gbk"), None, "GBK"),
        (None, None, "unknown-8bit"),
    ] {
        declares(found, configured, "", &format!("Content-Type: text/plain; charset={want}\r\n{EIGHT}"));
    }
    let check = |said: &str, want: &str| declares(Some("utf-8"), None, &format!("{said}{EIGHT}"), &format!("{want}{EIGHT}"));
    check("Content-Type: text/html\r\n", "Content-Type: text/html; charset=utf-8\r\n");
    check("content-type:text/plain;\r\n format=flowed\r\n", "content-type:text/plain; charset=utf-8;\r\n format=flowed\r\n");
    check("Content-Type: text/plain;\r\n", "Content-Type: text/plain; charset=utf-8\r\n");
    check("Content-Type: text/plain; charset=\"US-ASCII\"; x=y\r\n", "Content-Type: text/plain; charset=\"utf-8\"; x=y\r\n");
    for label in
        ["ANSI_X3.4-1968", "ansi_x3.4-1986", "ISO_646.irv:1991", "ISO646-US", "us", "IBM367", "cp367", "csASCII", "ascii", "iso-ir-6"]
    {
        check(&format!("Content-Type: text/plain; charset={label}\r\n"), "Content-Type: text/plain; charset=utf-8\r\n");
    }
    check("Content-Type: text/html (never closed\r\n", "Content-Type: text/html; charset=utf-8\r\n");
    check("Content-Type: text/html (a;b); format=flowed\r\n", "Content-Type: text/html; charset=utf-8\r\n");
    check("Content-Type: \r\n", "Content-Type: text/plain; charset=utf-8\r\n");
    for fine in
        ["Content-Type: text/plain; charset=gbk\r\n", "Content-Type: image/png\r\n", "Content-Type: multipart/mixed; boundary=x\r\n"]
    {
        check(fine, fine);
    }
}

#[test]
fn a_body_says_that_it_is_8bit() {
    for media in [
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n",
        "Content-Type: message/rfc822\r\n",
        "Content-Type: application/pdf\r\n",
    ] {
        declares(None, None, media, &format!("{media}{EIGHT}"));
        declares(None, None, &format!("content-transfer-encoding: 7BIT\r\n{media}"), &format!("{EIGHT}{media}"));
        let binary = format!("{media}Content-Transfer-Encoding: binary\r\n");
        declares(None, None, &binary, &binary);
    }
    for fine in [
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "Content-Type: message/partial\r\nContent-Transfer-Encoding: 7bit\r\n",
    ] {
        declares(None, None, fine, fine);
    }
}

#[test]
fn a_body_that_is_encoded_says_so() {
    let mut case = case("To: a@b.test\r\nContent-Transfer-Encoding: 7bit\r\nSubject: x\r\n");
    case.facts = BodyFacts { size: 5000, eight_bit: true, longest_line: 4998, charset: Some(Charset::UTF_8), ..BodyFacts::default() };
    case.header = [DATED.as_bytes(), FROM.as_bytes(), &case.header].concat();
    let sent = case.rewrite();
    let header = String::from_utf8_lossy(&sent.header);
    let said =
        "Content-Transfer-Encoding: quoted-printable\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
    assert!(header.contains(said) && !sent.body.eight_bit, "{header}");
    let want = [Repair::NoMimeVersion, Repair::UndeclaredBody, Repair::LongBodyLine];
    assert_eq!(case.repairs(), Repairs::from_iter(want));
}
