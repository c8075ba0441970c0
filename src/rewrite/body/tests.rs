//! Bodies as devices send them, and what leaves.

use super::*;
use crate::message::{Editor, Split, Splitter};
use crate::smtp::ContentReader;
use mail_parser::{MessageParser, MimeHeaders as _};
use proptest::prelude::*;

/// What leaves of a message.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    message: Vec<u8>,
    body: Vec<u8>,
    decided: Decided,
    /// Octets of the body that came.
    size: u64,
}

/// Sends a message, in chunks of this size.
fn send(message: &[u8], chunk: usize) -> Sent {
    let (mut splitter, mut body) = (Splitter::new(), Vec::new());
    for piece in message.chunks(chunk) {
        body.extend_from_slice(&splitter.push(piece).unwrap());
    }
    let Split { header, facts, .. } = splitter.finish();
    let decided = decide(&header, &facts);
    let mut out = Vec::new();
    for field in header.fields().filter(|field| decided.transfer_encoding.is_none() || !field.is("Content-Transfer-Encoding")) {
        out.extend_from_slice(field.raw);
    }
    if let Some(name) = decided.transfer_encoding.and_then(TransferEncoding::name) {
        if header.first("MIME-Version").is_none() {
            out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        }
        out.extend_from_slice(&encoding_field(name));
    }
    out.extend_from_slice(b"\r\n");
    let start = out.len();
    let mut editor = Editor::new(decided.plan.clone());
    body.chunks(chunk).for_each(|piece| editor.push(piece, &mut out));
    editor.finish(&mut out);
    Sent { body: out[start..].to_vec(), message: out, decided, size: facts.size }
}

/// What leaves must be, whatever came: fit for the wire, or said not to be.
#[track_caller]
fn check_sound(message: &[u8], sent: &Sent) {
    let Sent { body, decided, size, .. } = sent;
    assert!(body.is_empty() || body.ends_with(b"\r\n"), "the body ends within a line: {}", body.escape_ascii());
    assert!(body.iter().enumerate().all(|(at, &octet)| octet != b'\n' || body[..at].ends_with(b"\r")));
    assert!(body.iter().enumerate().all(|(at, &octet)| octet != b'\r' || body.get(at + 1) == Some(&b'\n')));
    let fit = !body.contains(&0) && body.split(|&octet| octet == b'\n').all(|line| line.len() <= 999);
    assert_eq!(fit, !decided.repairs.contains(Repair::UnmendableBody), "{}", body.escape_ascii());
    assert_eq!(decided.eight_bit, !body.is_ascii());
    assert_eq!(decided.plan == BodyPlan::Pass, message.ends_with(body), "what others take passes octet for octet");
    assert!(decided.plan.untouched(*size) <= body.len() as u64);
    let estimate = decided.plan.size(*size);
    assert!(estimate.abs_diff(body.len() as u64) <= 200 + body.len() as u64 / 4, "{estimate} was said, {} came", body.len());
    let again = send(&sent.message, usize::MAX);
    assert_eq!(again.decided.plan, BodyPlan::Pass, "mended twice: {}", sent.message.escape_ascii());
    assert_eq!(again.decided.repairs.is_empty(), fit);
}

/// A message with lines that end in LF and `L` for a line that is too long. What leaves, written in the same way, where
/// base64 is too long to be shown.
#[track_caller]
fn check(message: &str, want: &str, repairs: &[Repair]) {
    let long = "long ".repeat(200);
    let message = message.replace('\n', "\r\n").replace("L\r", &format!("{}\r", long.trim_end()));
    let sent = send(message.as_bytes(), usize::MAX);
    let text = String::from_utf8(sent.message.clone()).unwrap().replace("=\r\n", "").replace("\r\n", "\n");
    let text = text.replace(long.trim_end(), "L");
    assert_eq!(text, want);
    assert_eq!(sent.decided.repairs, repairs.iter().copied().collect());
    check_sound(message.as_bytes(), &sent);
    for chunk in [1, 2, 3, 1000] {
        assert!(send(message.as_bytes(), chunk) == sent, "in chunks of {chunk}");
    }
    assert_eq!(decoded(&sent.message), decoded(message.as_bytes()), "{text}");
}

/// What another reader makes of the parts of a message.
fn decoded(message: &[u8]) -> Vec<(Option<String>, Vec<u8>)> {
    let message = MessageParser::default().parse(message).unwrap();
    let media = |part: &mail_parser::MessagePart<'_>| part.content_type().map(|media| format!("{}/{:?}", media.c_type, media.c_subtype));
    message.parts.iter().map(|part| (media(part), part.contents().to_vec())).collect()
}

const MIME: &str = "MIME-Version: 1.0\n";

#[test]
fn text_with_long_lines_becomes_quoted_printable() {
    let encoding = "Content-Transfer-Encoding: quoted-printable\n";
    check("A: b\n\nL\n", &format!("A: b\n{MIME}{encoding}\nL\n"), &[Repair::LongBodyLine]);
    let header = format!("{MIME}Content-Type: text/html; charset=utf-8\n");
    let came = format!("{header}content-transfer-encoding: 8bit\nX: y\n\n<p>\u{fc}=\nL\n");
    check(&came, &format!("{header}X: y\n{encoding}\n<p>=C3=BC=3D\nL\n"), &[Repair::LongBodyLine]);
}

#[test]
fn a_nul_is_encoded() {
    let encoding = "Content-Transfer-Encoding: quoted-printable\n";
    check("A: b\n\nThe disk is\0full.\n", &format!("A: b\n{MIME}{encoding}\nThe disk is=00full.\n"), &[Repair::BodyNul]);
    let base64 = "Content-Transfer-Encoding: base64\n";
    check("A: b\n\na\0b\0\n", &format!("A: b\n{MIME}{base64}\nYQBiAA0K\n"), &[Repair::BodyNul]);
}

#[test]
fn what_is_no_text_becomes_base64() {
    let header = format!("{MIME}Content-Type: application/octet-stream\n");
    check(
        &format!("{header}Content-Transfer-Encoding: binary\n\n%PD\0\n"),
        &format!("{header}Content-Transfer-Encoding: base64\n\nJVBEAA0K\n"),
        &[Repair::BodyNul],
    );
}

#[test]
fn only_the_part_that_needs_it_is_mended() {
    let came = "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\nfine\n--b\nContent-Type: text/plain\n\nL\n--b\nContent-Transfer-Encoding: 7bit\nContent-Type: image/png\n\nxy\0\n--b\n\nfine\n--b--\nepilogue\n";
    let left = "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\nfine\n--b\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nL\n--b\nContent-Transfer-Encoding: base64\nContent-Type: image/png\n\neHkA\n--b\n\nfine\n--b--\nepilogue\n";
    check(came, left, &[Repair::LongBodyLine, Repair::BodyNul]);
}

#[test]
fn a_part_without_end_is_mended_and_gets_one() {
    let header = "Content-Type: multipart/mixed; boundary=b\n\n";
    check(
        &format!("{header}--b\nContent-Type: image/png\n\nxyz\0\n"),
        &format!("{header}--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\neHl6AA0K\n--b--\n"),
        &[Repair::BodyNul],
    );
    check(
        &format!("{header}--b\n\nL\n"),
        &format!("{header}--b\nContent-Transfer-Encoding: quoted-printable\n\nL\n\n--b--\n"),
        &[Repair::LongBodyLine],
    );
}

#[test]
fn what_is_encoded_already_gets_shorter_lines() {
    let header = format!("{MIME}Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n");
    let (line, long) = ("YWFh".repeat(19), "YWFh".repeat(19 * 14));
    check(&format!("{header}{long}\n"), &format!("{header}{}", format!("{line}\n").repeat(14)), &[Repair::LongBodyLine]);
    let header = format!("{MIME}Content-Transfer-Encoding: quoted-printable\n\n");
    check(&format!("{header}a=3Db\nL\n"), &format!("{header}a=3Db\nL\n"), &[Repair::LongBodyLine]);
}

#[test]
fn what_cannot_be_mended_passes_as_it_is() {
    for came in [
        "Content-Type: message/rfc822\n\nA: b\n\nL\n",
        "Content-Transfer-Encoding: x-uuencode\n\nL\n",
        "Content-Type: multipart/mixed; boundary=b; boundary=c\n\n--b\n\nL\n--b--\n",
        "Content-Type: multipart/mixed; boundary*=us-ascii''b; boundary=b\n\n--b\n\nL\n--b--\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\nContent-Type: text/html\n\nL\n--b--\n",
        "Content-Type: multipart/mixed\n\nL\n",
        "Content-Type: multipart/signed; boundary=b\n\n--b\n\nL\n--b--\n",
        "Content-Type: multipart/mixed; boundary=b\n\nL\n--b\n\nx\n--b--\n",
    ] {
        check(came, came, &[Repair::UnmendableBody]);
    }
    let header = "Content-Type: multipart/mixed; boundary=b\n\nL\n--b\n";
    let left = format!("{header}Content-Transfer-Encoding: quoted-printable\n\nL\n--b--\n");
    check(&format!("{header}\nL\n--b--\n"), &left, &[Repair::LongBodyLine, Repair::UnmendableBody]);
}

#[test]
fn what_others_take_passes_octet_for_octet() {
    for came in ["", "A: b\n\n", "A: b\n\nB\u{fc}ro \n\n.\n", "Content-Transfer-Encoding: junk\nContent-Type: multipart/mixed\n\n--b\n"] {
        let message = came.replace('\n', "\r\n");
        let sent = send(message.as_bytes(), usize::MAX);
        assert_eq!(sent.decided, Decided { eight_bit: came.contains('\u{fc}'), ..Decided::default() });
        assert!(message.as_bytes().ends_with(&sent.body));
    }
}

/// Facts that an earlier version noted name no parts.
#[test]
fn facts_without_parts_mend_nothing() {
    let header = HeaderBlock::new(&b"Content-Type: multipart/mixed; boundary=b\r\n"[..]);
    let facts = BodyFacts { size: 5000, longest_line: 4000, ..BodyFacts::default() };
    assert_eq!(decide(&header, &facts), Decided { repairs: [Repair::UnmendableBody].into_iter().collect(), ..Decided::default() });
}

/// Text with what is hard about it; none of it looks like a delimiter to a lenient reader.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b" \r\n".to_vec()),
        Just(b"From ".to_vec()),
        Just(b"\r\n--".to_vec()),
        Just(b"\r\n-- \r\n.\r\n..\r\n".to_vec()),
        Just(b"=3D".to_vec()),
        Just(b"\0".to_vec()),
        Just("B\u{fc}ro ".as_bytes().to_vec()),
        (0_usize..2000).prop_map(|length| vec![b'x'; length]),
        proptest::collection::vec(any::<u8>().prop_filter("part of a boundary", |octet| !b"-ioc".contains(octet)), 0..30),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// A part, header and all.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let kinds = ["", "Content-Type: text/plain; charset=utf-8\r\n", "Content-Type: image/png\r\n"];
    let encodings = ["", "Content-Transfer-Encoding: 8bit\r\n", "content-transfer-encoding: BINARY\r\nX-After: y\r\n"];
    let plain = (proptest::sample::select(kinds.to_vec()), proptest::sample::select(encodings.to_vec()), content())
        .prop_map(|(kind, encoding, content)| [kind.as_bytes(), encoding.as_bytes(), b"\r\n", &content].concat());
    let base64 = (proptest::collection::vec(any::<u8>(), 0..3000), 60_usize..2000).prop_map(|(octets, width)| {
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, octets);
        let lines: Vec<&[u8]> = text.as_bytes().chunks(width).collect();
        [b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n", &lines.join(&b"\r\n"[..])[..]].concat()
    });
    let quoted = proptest::collection::vec("(=[0-9A-F]{2}|[a-z]{1,9}){0,300}", 0..4)
        .prop_map(|lines| format!("Content-Transfer-Encoding: quoted-printable\r\n\r\n{}", lines.join("\r\n")).into_bytes());
    prop_oneof![4 => plain, 1 => base64, 1 => quoted]
}

fn multipart(boundary: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n").into_bytes();
    for part in parts {
        out.extend_from_slice(&[b"--", boundary.as_bytes(), b"\r\n", part, b"\r\n"].concat());
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

/// A message whose boundaries all readers find.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let parts = || proptest::collection::vec(part(), 1..4);
    let nested = (parts(), parts()).prop_map(|(mut outer, inner)| {
        outer.push(multipart("inner boundary", &inner));
        multipart("outer boundary", &outer)
    });
    let message = prop_oneof![part(), parts().prop_map(|parts| multipart("outer boundary", &parts)), nested];
    message.prop_map(|message| crlf(&[b"Subject: x\r\nMIME-Version: 1.0\r\n", &message[..], b"\r\n"].concat()))
}

/// With CRLF line ends only, as content comes from a reader.
fn crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stuffed = crate::smtp::ContentWriter::new();
    let mut wire = Vec::new();
    stuffed.push(octets, &mut wire);
    stuffed.finish(&mut wire);
    ContentReader::new().push(&wire, &mut out);
    out
}

proptest! {
    #[test]
    fn readers_get_the_same_parts(message in message(), chunk in 1_usize..3000) {
        let sent = send(&message, chunk);
        prop_assert_eq!(&sent, &send(&message, usize::MAX));
        check_sound(&message, &sent);
        prop_assert!(!sent.decided.repairs.contains(Repair::UnmendableBody));
        let (came, left) = (decoded(&message), decoded(&sent.message));
        prop_assert_eq!(came.len(), left.len());
        for (came, left) in came.iter().zip(&left) {
            prop_assert!(came == left, "{:?} {} became {}", came.0, came.1.escape_ascii(), left.1.escape_ascii());
        }
    }

    #[test]
    fn anything_leaves_sound(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            &b"--b\r\n"[..], b"--b--\r\n", b"--b", b"--bb\r\n", b"--b ", b"-", b"\r\n", b"x", b" ", b"\0", b"\xfc", b"=", b"A: b\r\n",
            b"Content-Type: multipart/mixed; boundary=bb\r\n", b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: text/html\r\n",
            b"Content-Transfer-Encoding: quoted-printable\r\n", b"Content-Type: image/png\r\n", &[b'x'; 600], &[b'\t'; 999], &[b'-'; 999],
        ]), 0..60),
        whole in any::<bool>(),
        chunk in 1_usize..600,
    ) {
        let header: &[u8] = if whole { b"" } else { b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" };
        let message = crlf(&[header, &pieces.concat()].concat());
        let sent = send(&message, chunk);
        prop_assert_eq!(&sent, &send(&message, usize::MAX));
        check_sound(&message, &sent);
    }
}
