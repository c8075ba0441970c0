//! What becomes of octets, and that decoders give them back.

use super::*;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use proptest::prelude::*;

fn edited(body: &[u8], edits: &[Edit], chunk: usize) -> Vec<u8> {
    let (mut editor, mut out) = (Editor::new(BodyPlan::Edit(edits.to_vec())), Vec::new());
    body.chunks(chunk).for_each(|piece| editor.push(piece, &mut out));
    editor.finish(&mut out);
    out
}

/// The whole of it, in chunks of several sizes.
#[track_caller]
fn all(body: &[u8], with: &With) -> Vec<u8> {
    let edits = [Edit { range: 0..body.len() as u64, with: with.clone() }];
    let whole = edited(body, &edits, usize::MAX);
    for chunk in [1, 2, 3, 56, 57, 58] {
        assert_eq!(edited(body, &edits, chunk).escape_ascii().to_string(), whole.escape_ascii().to_string(), "in chunks of {chunk}");
    }
    whole
}

const QUOTED: With = With::QuotedPrintable { special: 0 };

#[track_caller]
fn check(body: &str, with: &With, want: &str) {
    assert_eq!(String::from_utf8(all(body.as_bytes(), with)).unwrap(), want);
}

#[test]
fn text_stays_readable() {
    check("", &QUOTED, "");
    check("one\r\ntwo\r\n\r\n", &QUOTED, "one\r\ntwo\r\n\r\n");
    check("a=b\tB\u{fc}ro\0\r\n", &QUOTED, "a=3Db\tB=C3=BCro=00\r\n");
    check("a \r\nb\t\t\r\n \r\nc ", &QUOTED, "a=20\r\nb\t=09\r\n=20\r\nc=20");
    check("From me\r\nFromage \r\n From\r\nFrom\r\n", &QUOTED, "From=20me\r\nFromage=20\r\n From\r\nFrom\r\n");
    check("--b\r\n- x\r\na-\r\n.\r\n", &QUOTED, "=2D-b\r\n=2D x\r\na-\r\n.\r\n");
    check("a\rb\nc \r", &QUOTED, "a=0Db=0Ac =0D");
}

#[test]
fn long_text_is_cut_softly() {
    let (line, rest) = ("x".repeat(75), "y".repeat(10));
    check(&format!("{line}{rest}\r\n"), &QUOTED, &format!("{line}=\r\n{rest}\r\n"));
    check(&format!("{line}--b\r\n"), &QUOTED, &format!("{line}=\r\n=2D-b\r\n"));
    check(&format!("{line}From x\r\n"), &QUOTED, &format!("{line}=\r\nFrom=20x\r\n"));
    let shorter = "x".repeat(73);
    check(&format!("{shorter}=\r\n"), &QUOTED, &format!("{shorter}=\r\n=3D\r\n"));
    check(&format!("{shorter} \r\n"), &QUOTED, &format!("{shorter}=\r\n=20\r\n"));
}

#[test]
fn base64_fills_its_lines() {
    check("", &With::Base64, "");
    check("abcd", &With::Base64, "YWJjZA==");
    check(&"a".repeat(57), &With::Base64, &"YWFh".repeat(19));
    check(&"a".repeat(58), &With::Base64, &format!("{}\r\nYQ==", "YWFh".repeat(19)));
}

#[test]
fn long_lines_of_base64_are_cut_and_short_ones_are_not() {
    let line = "YWFh".repeat(19);
    check(&format!("YWFh\r\n{line}{line}YQ==\r\n"), &With::FoldBase64, &format!("YWFh\r\n{line}\r\n{line}\r\nYQ==\r\n"));
    check(&format!("{line}\r\n"), &With::FoldBase64, &format!("{line}\r\n"));
    // Junk, which must not become a delimiter.
    check(&format!("{line}--b\0\r\n"), &With::FoldBase64, &format!("{line}\r\n --b \r\n"));
}

#[test]
fn long_lines_of_quoted_printable_are_cut_and_short_ones_are_not() {
    let line = "x".repeat(74);
    let with = With::FoldQuotedPrintable;
    check(&format!("a=\r\n{line}xx\r\n{line}x=\r\n"), &with, &format!("a=\r\n{line}xx\r\n{line}x=\r\n"));
    check(&format!("{line}xxx\r\n"), &with, &format!("{line}x=\r\nxx\r\n"));
    check(&format!("{line}=3D=3D\r\n"), &with, &format!("{line}=\r\n=3D=3D\r\n"));
    check(&format!("{line}x-\0z\r\n"), &with, &format!("{line}x=\r\n=2D=00z\r\n"));
}

#[test]
fn edits_change_their_places_and_nothing_else() {
    let put = |range, octets| Edit { range, with: With::Octets(Bytes::from_static(octets)) };
    let edits = [
        put(0..0, &b"<"[..]),
        put(2..4, b"CHANGED"),
        put(4..5, b""),
        Edit { range: 6..9, with: With::Base64 },
        put(10..10, b">"),
        put(10..10, b"\r\n"),
    ];
    for chunk in 1..12 {
        assert_eq!(edited(b"0123456789", &edits, chunk), b"<01CHANGED5Njc49>\r\n");
    }
    assert_eq!(edited(b"", &edits[..1], 1), b"<");
    let plan = BodyPlan::Edit(edits.to_vec());
    assert_eq!((plan.size(10), plan.untouched(10)), (19, 4));
    assert_eq!((BodyPlan::Pass.size(10), BodyPlan::Pass.untouched(10)), (10, 10));
    let (mut editor, mut out) = (Editor::new(BodyPlan::Pass), Vec::new());
    editor.push(b"as it is", &mut out);
    editor.finish(&mut out);
    assert_eq!(out, b"as it is");
}

/// Octets that are hard on an encoder: line ends, white space, equals signs, hyphens, long runs.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b" ".to_vec()),
        Just(b"\t".to_vec()),
        Just(b"=".to_vec()),
        Just(b"--".to_vec()),
        Just(b"From ".to_vec()),
        (0_usize..160).prop_map(|length| vec![b'x'; length]),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Lines that end in CRLF, as far as a body of a message goes.
fn mended(octets: &[u8]) -> Vec<u8> {
    let (mut reader, mut out) = (crate::smtp::ContentReader::new(), Vec::new());
    // The line in front keeps a dot at the start from being taken for stuffing.
    reader.push(b"\n", &mut out);
    reader.push(octets, &mut out);
    out.split_off(2)
}

#[track_caller]
fn lines_are_short(encoded: &[u8]) {
    for line in encoded.split(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= WIDTH, "a line of {} octets: {}", line.len(), line.escape_ascii());
    }
}

/// Octets of an estimate that may be too many or too few: a line or two, and some of every hundred.
fn is_near(estimate: u64, exact: usize) -> bool {
    estimate.abs_diff(exact as u64) <= 160 + exact as u64 / 4
}

proptest! {
    #[test]
    fn base64_gives_back_what_went_in(octets in octets(), chunk in 1_usize..100) {
        let edit = Edit { range: 0..octets.len() as u64, with: With::Base64 };
        let encoded = edited(&octets, std::slice::from_ref(&edit), chunk);
        lines_are_short(&encoded);
        prop_assert_eq!(edit.size(), encoded.len() as u64);
        prop_assert_eq!(base64_decode(&encoded).unwrap(), octets);
    }

    #[test]
    fn quoted_printable_gives_back_what_went_in(octets in octets(), chunk in 1_usize..100) {
        let text = mended(&octets);
        let special = text.iter().filter(|&&octet| crate::message::facts::is_special(octet)).count() as u64;
        let edit = Edit { range: 0..text.len() as u64, with: With::QuotedPrintable { special } };
        let encoded = edited(&text, std::slice::from_ref(&edit), chunk);
        lines_are_short(&encoded);
        prop_assert!(encoded.is_ascii() && !encoded.contains(&0));
        prop_assert!(is_near(edit.size(), encoded.len()), "{} was said, {} came", edit.size(), encoded.len());
        prop_assert!(!encoded.starts_with(b"-") && memchr::memmem::find(&encoded, b"\n-").is_none());
        prop_assert_eq!(quoted_printable_decode(&encoded).unwrap(), text);
    }

    #[test]
    fn shorter_lines_of_base64_say_the_same(octets in octets(), cuts in proptest::collection::vec(1_usize..300, 1..6), chunk in 1_usize..100) {
        let whole = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &octets);
        let mut rest = whole.as_bytes();
        let mut lines = Vec::new();
        for cut in cuts.iter().cycle() {
            let (line, behind) = rest.split_at(rest.len().min(*cut));
            lines.extend_from_slice(line);
            lines.extend_from_slice(b"\r\n");
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        let folded = edited(&lines, &[Edit { range: 0..lines.len() as u64, with: With::FoldBase64 }], chunk);
        lines_are_short(&folded);
        prop_assert_eq!(base64_decode(&folded).unwrap(), octets);
    }

    #[test]
    fn shorter_lines_of_quoted_printable_say_the_same(octets in octets(), chunk in 1_usize..100) {
        // Encoded, and its soft line breaks taken out again.
        let encoded = edited(&mended(&octets), &[Edit { range: 0..u64::MAX, with: QUOTED }], usize::MAX);
        let long = String::from_utf8(encoded).unwrap().replace("=\r\n", "").into_bytes();
        let folded = edited(&long, &[Edit { range: 0..long.len() as u64, with: With::FoldQuotedPrintable }], chunk);
        lines_are_short(&folded);
        prop_assert_eq!(quoted_printable_decode(&folded), quoted_printable_decode(&long));
        let again = edited(&folded, &[Edit { range: 0..folded.len() as u64, with: With::FoldQuotedPrintable }], usize::MAX);
        prop_assert_eq!(again, folded);
    }
}
