//! What is found in bodies, and what is left alone.

use super::*;
use crate::message::multiparts::{DEEPEST, LONGEST_BOUNDARY};
use crate::message::{HeaderBlock, Split, Splitter};
use proptest::prelude::*;

/// What was noted about a message, in chunks of several sizes.
#[track_caller]
fn split(message: &[u8]) -> Split {
    let split = |chunk| {
        let mut splitter = Splitter::new();
        for piece in message.chunks(chunk) {
            splitter.push(piece).unwrap();
        }
        splitter.finish()
    };
    let whole = split(usize::MAX);
    for chunk in [1, 2, 3, 7, 600] {
        assert_eq!(split(chunk), whole, "in chunks of {chunk}");
    }
    whole
}

const LONG: usize = 999;

/// A message in parts: `L` stands for a line that is too long, and all lines end in LF.
fn message(boundary: &str, body: &str) -> (Vec<u8>, usize) {
    let header = format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n");
    let body = body.replace('\n', "\r\n").replace("L\r", &format!("{}\r", "l".repeat(LONG)));
    ([header.as_bytes(), body.as_bytes()].concat(), header.len())
}

/// What is to be mended in such a message: for each part the field, and the content with its long lines as `L`.
#[track_caller]
fn check(boundary: &str, body: &str, want: &[(&str, &str)], unmendable: bool) {
    let (message, start) = message(boundary, body);
    let facts = split(&message).facts;
    let text = |range: &Range<u64>| {
        let octets = &message[start + range.start as usize..start + range.end as usize];
        String::from_utf8(octets.to_vec()).unwrap().replace(&"l".repeat(LONG), "L").replace("\r\n", "\n")
    };
    let found: Vec<_> = facts.parts.iter().map(|part| (text(&part.field), text(&part.content))).collect();
    let found: Vec<_> = found.iter().map(|(field, content)| (field.as_str(), content.as_str())).collect();
    assert_eq!(found, want, "{body}");
    let rest = if facts.parts.is_empty() { facts.measure() } else { facts.rest };
    assert_eq!(rest.must_be_mended(), unmendable, "{body}");
    assert!(facts.measure().longest_line >= LONG as u64);
}

#[test]
fn finds_parts_where_they_are() {
    check("b", "--b\n\nL\n--b--\n", &[("", "L")], false);
    check("b", "--b\nA: b\n\nL\n\n--b--\n", &[("", "L\n")], false);
    check(
        "b",
        "before\n--b\n\nx\n--b \t\nContent-Transfer-Encoding: 8bit\n\nL\nL\n--b--  \nafter\n",
        &[("Content-Transfer-Encoding: 8bit\n", "L\nL")],
        false,
    );
    check(
        "b",
        "--b\nContent-TYPE: image/png\ncontent-transfer-encoding:\n base64\nX: y\n\nL\n--b--\n",
        &[("content-transfer-encoding:\n base64\n", "L")],
        false,
    );
    // Two of them, and one that has no end.
    check("a b", "--a b\n\nL\n--a b\n\nL\n", &[("", "L"), ("", "L\n")], false);
    // Nothing stands between header and delimiter.
    check("b", "--b\nA: b\n\n--b\n\nL\n--b\nA: b\n--b--\n", &[("", "L")], false);
}

#[test]
fn text_that_only_looks_like_a_delimiter_is_text() {
    check("bound", "--bound\n\nL\n--boun\n --bound\n-- bound\n-\n--bound--\n", &[("", "L\n--boun\n --bound\n-- bound\n-")], false);
}

#[test]
fn goes_into_parts_in_parts() {
    let inner = "Content-Type: multipart/alternative; boundary=i\n\n";
    check("o", &format!("--o\n{inner}--i\n\nL\n--i\n\nx\n--i--\nepilogue\n--o\n\nL\n--o--\n"), &[("", "L"), ("", "L")], false);
    // The outer delimiter ends the inner multipart as well.
    check("o", &format!("--o\n{inner}--i\n\nL\n--o\n\n--i\nL\n--o--\n"), &[("", "L"), ("", "--i\nL")], false);
    let deep = |depth: usize| {
        let open: String =
            (1..depth).map(|level| format!("--{}\nContent-Type: multipart/mixed; boundary={level}\n\n", level - 1)).collect();
        format!("{open}--{}\n\nL\n--0--\n", depth - 1)
    };
    check("0", &deep(DEEPEST), &[("", "L")], false);
    check("0", &deep(DEEPEST + 1), &[], true);
}

#[test]
fn the_longer_of_two_boundaries_is_meant() {
    let inner = |boundary: &str| format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\n\n--{boundary}\n\nL\n--{boundary}--\n");
    check("b", &format!("--b\n{}--b\n\nL\n--b--\n", inner("b1")), &[("", "L"), ("", "L")], false);
    check("b1", &format!("--b1\n{}--b1\n\nL\n--b1--\n", inner("b")), &[("", "L"), ("", "L")], false);
    // `--b--` closes one and begins a part of the other.
    check("b", &format!("--b\n\nL\n--b\n{}--b\n\nL\n--b--\n", inner("b--")), &[("", "L")], true);
    check("b", &format!("--b\n\nL\n--b\n{}", inner("b")), &[("", "L")], true);
}

#[test]
fn leaves_alone_what_readers_would_not_agree_on() {
    // A boundary with text behind it: the end of the part to some, text to others.
    check("b", "--b\n\nL\n--b\n\nL\n--bx\nL\n--b--\n", &[("", "L")], true);
    let padded = format!("--b\n\nL\n--b{}\n\nL\n--b--\n", " ".repeat(LONGEST_DELIMITER));
    check("b", &padded, &[], true);
    for header in [
        "no field\n",
        " indented: x\n",
        "A: b\n \nContent-Type: text/plain\n",
        "Content-Type: text/plain\nContent-Type: text/html\n",
        "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: x-uuencode\n",
        "Content-Type: message/rfc822\n",
        "Content-Type: multipart/mixed\n",
    ] {
        check("b", &format!("--b\n{header}\nL\n--b\n\nL\n--b--\n"), &[("", "L")], true);
    }
}

#[test]
fn leaves_alone_what_is_signed_or_encoded_as_a_whole() {
    for inner in [
        "Content-Type: multipart/signed; boundary=i\n",
        "Content-Type: multipart/encrypted; boundary=i\n",
        "Content-Type: multipart/mixed; boundary=i\nContent-Transfer-Encoding: base64\n",
    ] {
        let deeper = "Content-Type: multipart/mixed; boundary=ii\n\n--ii\n\nL\n--ii--\n";
        check("b", &format!("--b\n{inner}\n--i\n\nL\n--i\n{deeper}--i--\n--b\n\nL\n--b--\n"), &[("", "L")], true);
    }
    let digest = "Content-Type: multipart/digest; boundary=i\n";
    check("b", &format!("--b\n{digest}\n--i\n\nL\n--i\nContent-Type: text/plain\n\nL\n--i--\n--b--\n"), &[("", "L")], true);
}

#[test]
fn leaves_alone_what_belongs_to_no_part() {
    check("b", "L\n--b\n\nL\n--b--\n", &[("", "L")], true);
    check("b", "--b\n\nL\n--b--\nL\n--b\n\nL\n", &[("", "L")], true);
    check("b", "--b\nX: L\n\nL\n--b--\n", &[("", "L")], true);
    check("b", "L\nno boundary\n", &[], true);
    for boundary in ["b".repeat(LONGEST_BOUNDARY + 1), "\u{fc}".into()] {
        check(&boundary, &format!("--{boundary}\n\nL\n--{boundary}--\n"), &[], true);
    }
}

#[test]
fn keeps_so_many_parts_and_no_more() {
    let (message, _) = message("b", &"--b\n\nL\n".repeat(MOST_PARTS + 1));
    let facts = split(&message).facts;
    assert_eq!(facts.parts.len(), MOST_PARTS);
    assert!(facts.rest.must_be_mended());
    assert!(serde_json::to_string(&facts).unwrap().len() < 16 * 1024, "it is kept in the entry's row");
}

#[test]
fn notes_what_each_part_holds() {
    let (mut message, _) = message("b", "--b\n\n=N\n\u{fc}\n--b\nContent-Type: image/png\n\n=N\n--b\n\n\u{fc}\n--b--\n");
    message.iter_mut().filter(|octet| **octet == b'N').for_each(|octet| *octet = 0);
    let facts = split(&message).facts;
    let measures: Vec<_> = facts.parts.iter().map(|part| part.measure).collect();
    let text = Measure { eight_bit: true, nul: true, longest_line: 2, special: 4 };
    assert_eq!(measures, [text, Measure { eight_bit: false, special: 0, ..text }]);
    assert_eq!(facts.parts.iter().map(|part| part.text).collect::<Vec<_>>(), [true, false]);
    assert!(facts.rest.eight_bit && !facts.rest.nul);
}

#[test]
fn finds_a_from_that_stands_in_the_first_part() {
    let from = |header: &str, part: &str| {
        let message = format!(
            "{header}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}\r\nx\r\n--b\r\nFrom: second@b\r\n\r\n--b--\r\n"
        );
        split(message.as_bytes()).facts.inner_from
    };
    assert_eq!(from("To: a@b\r\n", "From: Copier\r\n <c@d>\r\n").as_deref(), Some("Copier\r\n <c@d>"));
    assert_eq!(from("From: a@b\r\n", "From: c@d\r\n"), None);
    assert_eq!(from("To: a@b\r\n", "A: b\r\n"), None);
    assert_eq!(from("", &format!("From: {}\r\n", "x".repeat(LONGEST_FROM))), None);
}

#[test]
fn notes_what_the_last_part_leaves_open() {
    let unended = |body: &str| split(&message("b", body).0).facts.unended;
    let inner = "--b\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nL\n";
    assert_eq!(unended(inner), ["i", "b"]);
    assert_eq!(unended(&format!("{inner}--i--\n")), [""; 0]);
    assert_eq!(unended(&format!("{inner}--i\n\nx\n")), [""; 0]);
}

/// What comes is held only as far as it may matter, and looked at so often: the rest is counted where it passes.
#[test]
fn memory_is_bounded_whatever_comes() {
    let boundary = "-".repeat(70);
    let header = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n");
    let said = ContentFields::of(&HeaderBlock::new(header));
    let nested =
        (0..100).map(|level| format!("--{boundary}\r\nContent-Type: multipart/mixed; boundary={level}\r\n\r\n")).collect::<String>();
    for piece in [
        vec![b'-'; 8192],
        [b"-".repeat(72), b"\r\n".to_vec()].concat(),
        [b"-".repeat(71), b"\r\n".to_vec()].concat(),
        [b"-".repeat(72), b"\r\nA: b\r\n\r\nx\0\r\n".to_vec()].concat(),
        [b"-".repeat(72), b"\r\nA: b\r\n".to_vec(), b" c\r\n".repeat(1000)].concat(),
        [b"-".repeat(72), b"\r\nA: ".to_vec(), b"c".repeat(8192)].concat(),
        nested.into_bytes(),
        vec![b'x'; 8192],
    ] {
        let mut scanner = Scanner::new(&said);
        for _ in 0..200 {
            for chunk in piece.chunks(1000) {
                scanner.push(chunk);
                let header = match &scanner.place {
                    Place::Header(header) => header.lines.capacity(),
                    Place::Whole { .. } | Place::Between | Place::Sealed | Place::Content(_) => 0,
                };
                assert!(header <= 2 * LONGEST_HEADER && scanner.held.capacity() <= 2 * LONGEST_HEADER + 2000);
                assert!(scanner.parts.len() <= MOST_PARTS);
            }
        }
    }
}

proptest! {
    /// Splits bodies made of what matters to a scanner, in chunks of all sizes; the places are in order and apart.
    #[test]
    fn places_are_in_order_and_chunks_make_no_difference(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "--b\n", "--b--\n", "--b", "--bb\n", "--b--", "-", "\n", "\n\n", "x", " ", "L\n", "\0", "A: b\n", "\u{fc}",
            "Content-Type: multipart/mixed; boundary=bb\n", "Content-Transfer-Encoding: base64\n", "From: a@b\n",
        ]), 0..60),
        chunk in 1_usize..20,
    ) {
        let (message, _) = message("b", &(pieces.concat() + "\n"));
        let whole = split(&message);
        let mut splitter = Splitter::new();
        message.chunks(chunk).for_each(|piece| drop(splitter.push(piece).unwrap()));
        prop_assert_eq!(&splitter.finish(), &whole);
        let mut end = 0;
        for part in &whole.facts.parts {
            prop_assert!(end <= part.field.start && part.field.start <= part.field.end && part.field.end < part.content.start);
            prop_assert!(part.content.start < part.content.end && part.measure.must_be_mended());
            end = part.content.end;
        }
        prop_assert!(end <= whole.facts.size);
    }
}
