//! Fields as devices write them.

use super::*;
use proptest::prelude::*;

fn of(lines: &str) -> ContentFields {
    ContentFields::of(&HeaderBlock::new(lines.as_bytes().to_vec()))
}

fn boundary(value: &str) -> Option<String> {
    match of(&format!("Content-Type: {value}\r\n")).media {
        Some(Media::Multipart { boundary, .. }) => boundary.map(|octets| String::from_utf8(octets).unwrap()),
        media => panic!("{value} was read as {media:?}"),
    }
}

#[test]
fn reads_types_as_devices_write_them() {
    for (value, media) in [
        ("text/plain", Some(Media::Text)),
        (" TEXT / HTML ; charset=x", Some(Media::Text)),
        ("text", Some(Media::Text)),
        ("(a (b) \\) c) text/plain", Some(Media::Text)),
        ("\r\n\ttext/plain", Some(Media::Text)),
        ("message/rfc822", Some(Media::Message)),
        ("application/pdf; name=a.pdf", Some(Media::Other)),
        ("PDF", Some(Media::Other)),
        ("/plain", None),
        ("", None),
        (" ; charset=utf-8", None),
        ("(never closed", None),
    ] {
        assert_eq!(of(&format!("content-type:{value}\r\n")).media, media, "{value:?}");
    }
    assert_eq!(of("Subject: x\r\n"), ContentFields::default());
}

#[test]
fn reads_boundaries_as_devices_write_them() {
    for (value, want) in [
        ("multipart/mixed; boundary=abc", Some("abc")),
        ("multipart/mixed; boundary=\"a b:c\"", Some("a b:c")),
        ("multipart/mixed;\r\n\tBoundary = \"a\\\"b\"; x=y", Some("a\"b")),
        ("multipart/mixed boundary=abc", Some("abc")),
        ("multipart/mixed; type=\"text/html\" boundary=\"a;b\"", Some("a;b")),
        ("multipart/mixed; boundary=----=_Part(1)?=x;charset=y", Some("----=_Part(1)?=x")),
        ("multipart/mixed; boundary=\"abc", Some("abc")),
        ("multipart/mixed; boundary=\"a\r\n b\"", Some("a b")),
        ("multipart/mixed; boundary=\"abc  \"", Some("abc")),
        ("multipart/mixed; x=\"boundary=no\"; boundary=yes", Some("yes")),
        ("multipart/mixed; (boundary=no) boundary=yes", Some("yes")),
        ("multipart/mixed; boundary=first; boundary=second", Some("first")),
        ("multipart/mixed; boundary=", None),
        ("multipart/mixed; boundary", None),
        ("multipart/mixed;;; =x", None),
    ] {
        assert_eq!(boundary(value).as_deref(), want, "{value:?}");
    }
}

#[test]
fn reads_charsets_and_subtypes() {
    assert_eq!(of("Content-Type: text/plain; charset=\"ISO-8859-1\"\r\n").charset.as_deref(), Some("ISO-8859-1"));
    assert_eq!(of("Content-Type: text/plain; format=flowed; charset = utf-8 (ours)\r\n").charset.as_deref(), Some("utf-8"));
    assert_eq!(of("Content-Type: text/plain; charset=\"\"\r\n").charset, None);
    assert_eq!(of("Content-Type: text/plain; charset\r\n").charset, None);
    let signed = of("Content-Type: Multipart/SIGNED\r\n").media;
    assert_eq!(signed, Some(Media::Multipart { subtype: "signed".into(), boundary: None }));
}

#[test]
fn reads_encodings_as_devices_write_them() {
    for (value, want) in [
        ("7bit", Some(TransferEncoding::SevenBit)),
        (" 8-Bit", Some(TransferEncoding::EightBit)),
        ("8 bit", Some(TransferEncoding::EightBit)),
        ("BINARY", Some(TransferEncoding::Binary)),
        ("\"base64\"", Some(TransferEncoding::Base64)),
        ("(of course) base64 (what else)", Some(TransferEncoding::Base64)),
        ("\r\n\tQuoted-Printable;", Some(TransferEncoding::QuotedPrintable)),
        ("x-uuencode", Some(TransferEncoding::Unknown)),
        ("8bit base64", Some(TransferEncoding::Unknown)),
        ("", None),
        ("()", None),
    ] {
        assert_eq!(of(&format!("Content-Transfer-Encoding:{value}\r\n")).encoding, want, "{value:?}");
    }
}

#[test]
fn of_several_in_a_part_the_first_is_read_and_it_is_said() {
    let of_part = |lines: &str| ContentFields::of_part(lines.as_bytes());
    let fields = of_part("Content-Type: text/plain\r\nCONTENT-TYPE: image/png\r\n");
    assert_eq!((fields.media, fields.repeated), (Some(Media::Text), true));
    assert!(of_part("Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: base64\r\n").repeated);
    assert!(!of_part("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n").repeated);
}

#[test]
fn of_several_in_a_message_the_one_that_leaves_is_read() {
    let fields = of("Content-Type: \r\nContent-Type: text/plain\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n");
    assert_eq!((fields.media, fields.encoding, fields.repeated), (Some(Media::Text), Some(TransferEncoding::Base64), false));
}

#[test]
fn a_boundary_that_is_said_twice_is_not_trusted() {
    for (value, repeated) in [
        ("multipart/mixed; boundary=a; BOUNDARY=b", true),
        ("multipart/mixed; boundary=a; boundary=a", true),
        ("multipart/mixed; boundary=a; boundary*=utf-8''b", true),
        ("multipart/mixed; Boundary*0=a; boundary*1=b", true),
        ("multipart/mixed; boundary=a; boundaries=b", false),
        ("text/plain; boundary=a; boundary=b", false),
    ] {
        assert_eq!(of(&format!("Content-Type: {value}\r\n")).repeated, repeated, "{value:?}");
    }
}

proptest! {
    #[test]
    fn a_quoted_boundary_is_read_octet_for_octet(boundary in "[ -~]{0,69}[!-~]", folded in any::<bool>()) {
        let quoted = boundary.replace('\\', "\\\\").replace('"', "\\\"");
        let fold = if folded { "\r\n\t" } else { " " };
        prop_assert_eq!(super::tests::boundary(&format!("multipart/mixed;{fold}boundary=\"{quoted}\"")), Some(boundary));
    }

    #[test]
    fn anything_can_be_read(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        let line = [b"Content-Type: ", &value[..], b"\r\nContent-Transfer-Encoding: ", &value[..], b"\r\n"].concat();
        let fields = ContentFields::of(&HeaderBlock::new(line));
        prop_assert!(fields.charset.is_none_or(|label| (1..=LONGEST_CHARSET).contains(&label.len())));
    }
}
