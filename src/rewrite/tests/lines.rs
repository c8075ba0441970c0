//! Lines that may not travel as they are, and what becomes of them.

use super::*;
use crate::message::Author;
use Repair::{BlankHeaderLine, HeaderControls, LongHeaderLine, RawHeader};

#[track_caller]
fn mends(repairs: &[Repair], lines: impl AsRef<[u8]>, want: &str) {
    case([b"To: a@b.test\r\n", lines.as_ref()].concat()).mends(repairs, &format!("To: a@b.test\r\n{want}"));
}

#[test]
fn raw_text_is_encoded() {
    for (raw, want) in [
        (&b"Subject: B\xc3\xbcro\r\n"[..], "Subject: =?utf-8?Q?B=C3=BCro?=\r\n"),
        (b"Subject: Scan im B\xfcro fertig\r\n", "Subject: Scan im =?utf-8?Q?B=C3=BCro?= fertig\r\n"),
        (b"subject:\xc3\xbcber uns\r\n\t\xc3\xbcberall\r\n", "subject: =?utf-8?Q?=C3=BCber_uns=09=C3=BCberall?=\r\n"),
        (b"Subject: =?utf-8?Q?a?= \xc3\xbc =?utf-8?Q?b?=\r\n", "Subject: =?utf-8?Q?a?= =?utf-8?Q?_=C3=BC_?= =?utf-8?Q?b?=\r\n"),
        (b"Subject: [\xb3\xb7\xbb\xd8\xd3\xca\xbc\xfe]\r\n", "Subject: =?utf-8?B?W+aSpOWbnumCruS7tl0=?=\r\n"),
        (b"Subject: \x1b$B%9%-%c%J\x1b(B 1\r\n", "Subject: =?utf-8?B?44K544Kt44Oj44OK?= 1\r\n"),
    ] {
        mends(&[RawHeader], raw, want);
    }
}

#[test]
fn the_charset_that_is_configured_is_read() {
    let mut case = case(&b"To: a@b.test\r\nSubject: \x83e\x83X\x83g\r\n"[..]);
    case.origin.charset = Charset::of("shift_jis");
    case.clone().mends(&[RawHeader], "To: a@b.test\r\nSubject: =?utf-8?B?44OG44K544OI?=\r\n");
    // What all of it is not is not believed.
    case.header = b"To: a@b.test\r\nSubject: \xfc\xfcb\r\n".to_vec();
    assert!(case.rewrite().header.windows(8).any(|part| part == b"=?utf-8?"));
}

#[test]
fn long_text_is_encoded_in_whole_characters() {
    let text = "\u{8907}\u{5408}\u{6a5f}".repeat(40);
    let sent = case(format!("Subject: {text}\r\n")).rewrite();
    let header = String::from_utf8(sent.header.to_vec()).unwrap();
    let subject = &header[header.find("Subject:").unwrap()..];
    let lines: Vec<&str> = subject.split("\r\n").take_while(|line| line.contains("=?")).collect();
    assert!(lines.len() > 5 && lines.iter().all(|line| line.len() <= 76), "{lines:?}");
    let words = lines.iter().map(|line| line.trim_start_matches("Subject:").trim());
    let decoded: String = words.map(|word| Author::read(format!("{word} <a@b>").as_bytes()).name.unwrap()).collect();
    assert_eq!(decoded, text);
}

#[test]
fn names_and_comments_are_encoded_and_addresses_stay() {
    for (list, want) in [
        ("B\u{fc}ro <a@b.test>, c@d.test", "=?utf-8?Q?B=C3=BCro?= <a@b.test>, c@d.test"),
        ("\"B\u{fc}ro, 1. OG\" <a@b.test>", "=?utf-8?Q?B=C3=BCro=2C_1=2E_OG?= <a@b.test>"),
        ("a@b.test (B\u{fc}ro (1))", "a@b.test (=?utf-8?Q?B=C3=BCro_=281=29?=)"),
        ("B\u{fc}ro<a@b.test>", "=?utf-8?Q?B=C3=BCro?= <a@b.test>"),
        ("B\u{fc}ro a@b.test", "=?utf-8?Q?B=C3=BCro?= a@b.test"),
        ("=?utf-8?Q?a?= B\u{fc}ro <a@b.test>", "=?utf-8?Q?a?= =?utf-8?Q?_B=C3=BCro?= <a@b.test>"),
        ("B\u{fc}ro: a@b.test, c@d.test;", "=?utf-8?Q?B=C3=BCro?= : a@b.test, c@d.test;"),
        // No address without SMTPUTF8.
        ("d\u{f6}r@b.test, c@d.test", "=?utf-8?Q?d=C3=B6r=40b=2Etest?= :;, c@d.test"),
        ("D <\"d\u{f6}r\"@b.test>", "=?utf-8?Q?D_=3C=22d=C3=B6r=22=40b=2Etest=3E?= :;"),
        ("\"d\u{f6}r\"@b.test", "=?utf-8?Q?d=C3=B6r=40b=2Etest?= :;"),
        ("G: d\u{f6}r@b.test, c@d.test;", "G: c@d.test;"),
        ("G: a@b.test, d\u{f6}r@b.test, \u{f6}@b.test; c@d.test", "G: a@b.test; c@d.test"),
        ("G: a@b.test, d\u{f6}r@b.test, c@d.test, ;", "G: a@b.test, c@d.test, ;"),
        ("G: d\u{f6}r@b.test;, c@d.test", "G:;, c@d.test"),
        ("B\u{fc}ro, D\u{f6}r;", "=?utf-8?Q?B=C3=BCro?= , =?utf-8?Q?D=C3=B6r?= ;"),
    ] {
        case(format!("To: {list}\r\n")).mends(&[RawHeader], &format!("To: {want}\r\n"));
        mends(&[RawHeader], format!("Resent-To:{list}\r\n"), &format!("Resent-To: {want}\r\n"));
    }
}

#[test]
fn no_line_with_encoded_words_has_more_than_76_octets() {
    for length in 1..160 {
        let name = format!("\u{fc}{}", "x".repeat(length));
        let lists = format!("a@b.test ({name}), {name}: a@b.test ({name});, {name}@c.test, {name}, c@d.test ({name})");
        let sent = case(format!("To: {lists}\r\n")).rewrite();
        let header = String::from_utf8(sent.header.to_vec()).unwrap();
        let long: Vec<&str> = header.lines().filter(|line| line.contains("=?") && line.len() > 76).collect();
        assert!(long.is_empty(), "{long:?}");
        assert!(!["?=,", "?=:", "?=;", "?=<"].iter().any(|ends| header.contains(ends)), "{header}");
    }
}

#[test]
fn parameters_are_encoded_for_receivers_that_read_names_of_files() {
    let version = "MIME-Version: 1.0\r\n";
    for (value, want) in [
        ("attachment; filename=\"B\u{fc}ro 1.pdf\"; size=3", "attachment; filename*=utf-8''B%C3%BCro%201.pdf; size=3"),
        ("attachment;\r\n\tfilename = B\u{fc}ro.pdf", "attachment; filename*=utf-8''B%C3%BCro.pdf"),
        ("B\u{fc}ro (\u{fc}); a=b", "B?ro (=?utf-8?B?w7w=?=); a=b"),
        ("attachment; filename*=utf-8''B\u{fc}ro", "attachment; filename*=utf-8''B?ro"),
        ("attachment; filename=\"B\u{fc}ro.pdf\"; filename*=utf-8''B%C3%BCro.pdf", "attachment; filename*=utf-8''B%C3%BCro.pdf"),
        ("attachment; FileName*0=B; filename*1=ro; filename=B\u{fc}ro", "attachment; FileName*0=B; filename*1=ro"),
        ("attachment; filename=\u{fc}; filename=\u{e4}; size=3;", "attachment; filename*=utf-8''%C3%BC; size=3;"),
        ("attachment; filename=u; filename=\u{fc}", "attachment; filename=u; filename*=utf-8''%C3%BC"),
    ] {
        mends(&[RawHeader], format!("{version}Content-Disposition: {value}\r\n"), &format!("{version}Content-Disposition: {want}\r\n"));
    }
    let long = format!("{version}Content-Type: image/png; name=\"{}\"\r\n", "\u{fc}".repeat(20));
    let (first, second) = ("%C3%BC".repeat(9), "%C3%BC".repeat(10));
    let want = format!("Content-Type: image/png;\r\n name*0*=utf-8''{first};\r\n name*1*={second};\r\n name*2*=%C3%BC\r\n");
    mends(&[RawHeader], long, &format!("{version}{want}"));
}

#[test]
fn a_boundary_stays_as_far_as_it_can() {
    for (boundary, repair, want) in [
        ("=_B\u{fc}ro", RawHeader, "\"=_B\""),
        ("\"a \\\"b\u{fc}ro\"", RawHeader, "\"a \\\"b\""),
        ("a\0b", HeaderControls, "\"a\""),
        ("\"a\r\n b \x1bc\"", HeaderControls, "\"a b\""),
        // Nothing of it can leave.
        ("\u{fc}b", RawHeader, "?b"),
    ] {
        let kind = |boundary: &str| format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={boundary}; type=x\r\n");
        mends(&[repair], kind(boundary), &kind(want));
    }
    let named = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"a b\"; name=";
    mends(&[RawHeader], format!("{named}\u{fc}\r\n"), &format!("{named}\r\n").replace("name=", "name*=utf-8''%C3%BC"));
}

#[test]
fn grammar_keeps_no_raw_octets_but_in_comments() {
    mends(&[RawHeader], "Received: from b\u{fc}ro (B\u{fc}ro);\r\n\tdate\r\n", "Received: from b?ro (=?utf-8?Q?B=C3=BCro?=);\tdate\r\n");
}

#[test]
fn a_header_in_utf_8_stays_when_it_was_asked_for() {
    let lines = "To: d\u{f6}r@b.test\r\nSubject: B\u{fc}ro\r\nContent-Disposition: attachment; filename=\u{fc}\r\nMIME-Version: 1.0\r\n";
    let mut case = case(lines);
    case.envelope.smtputf8 = true;
    case.clone().mends(&[], lines);
    case.header = [lines.as_bytes(), b"X-A: \xfc\r\n"].concat();
    assert!(case.repairs().contains(RawHeader) && case.rewrite().header.is_ascii());
}

#[test]
fn controls_and_blank_lines_go() {
    mends(&[HeaderControls], "Subject: a\0\x01\x1b[31mb\x7f\r\n", "Subject: a[31mb\r\n");
    mends(&[BlankHeaderLine], "X-A: b\r\n \r\nSubject: q\r\n", "X-A: b\r\nSubject: q\r\n");
    mends(&[BlankHeaderLine], "X-A:\r\n\t\r\n b\r\n \t\r\n", "X-A:\r\n b\r\n");
    mends(&[HeaderControls], "X-A: b\r\n \0\r\n c\r\n", "X-A: b\r\n c\r\n");
    case("From: a\0@b.test\r\n").complete_gives("From: <alerts@contoso.com>\r\n");
}

#[test]
fn long_lines_are_folded_where_they_may() {
    let words = "word ".repeat(300);
    let folded: Vec<String> = [13].into_iter().chain([15; 19]).chain([2]).map(|count| ["word"; 15][..count].join(" ")).collect();
    mends(&[LongHeaderLine], format!("Subject: {words}\r\n"), &format!("Subject: {}\r\n", folded.join("\r\n ")));

    let fits = format!("X-A: {}\r\n", "x".repeat(993));
    mends(&[], &fits, &fits);
    let token = "x".repeat(985);
    mends(&[LongHeaderLine], format!("X-Something-Long: {token}\r\n"), &format!("X-Something-Long:\r\n {token}\r\n"));
}

#[test]
fn what_has_no_place_to_fold_is_encoded_in_text_and_split_in_grammar() {
    let header = |lines: String| String::from_utf8(case(lines).rewrite().header.to_vec()).unwrap();
    let sent = header(format!("X-Long: {}\r\n", "x".repeat(10_000)));
    let words: Vec<&str> = sent.lines().filter_map(|line| line.split_once("=?utf-8?Q?")?.1.strip_suffix("?=")).collect();
    assert_eq!(words.concat(), "x".repeat(10_000));

    let sent = header(format!("References: {}\r\n", "<a@b>".repeat(400)));
    assert_eq!(sent.matches("<a@b>").count(), 400);
    assert!(sent.lines().all(|line| line.len() <= 998));

    let sent = header(format!("{}: v\r\n", "X".repeat(2000)));
    assert!(sent.contains("X-Original-Field: =?utf-8?Q?XXXX"), "{sent}");
}

/// The largest that a device can send, made to be looked at again and again: this test would take hours if the time grew
/// faster than the size.
#[test]
fn hostile_headers_take_no_time() {
    const SIZE: usize = 256 * 1024;
    let fill = |name: &str, piece: &[u8]| [name.as_bytes(), b": ", &piece.repeat(SIZE / piece.len()), b"\r\n"].concat();
    let mut headers: Vec<Vec<u8>> = vec![b"To: \xfc\r\n".repeat(SIZE / 7), b"a:\r\n".repeat(SIZE / 4), b"Date: x\r\n".repeat(SIZE / 9)];
    for name in ["To", "From", "Subject", "Content-Type", "Received", "Date", "Message-ID"] {
        for piece in [
            &b"("[..],
            b"\"",
            b"<",
            b"(\xfc",
            b"\xfc ",
            b"\xfc, ",
            b"=?a?b?c?= \xfc ",
            b"x",
            b" ",
            b"\r\n ",
            b"\\",
            b";\xfc=\xfc",
            b";a=\xfc",
            b"; boundary=a\xfc",
            b"a@\xfc,",
            b"\x1b$B",
            b"a (b) ",
            b"\"a\"",
        ] {
            headers.push(fill(name, piece));
        }
    }
    for header in &headers {
        assert!(!case(header.as_slice()).rewrite().header.is_empty());
    }
}
