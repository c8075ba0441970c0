//! What it costs to cut a message apart and to note what its body holds while it arrives, and to mend a body while it is
//! sent. Whatever comes, the time is in proportion to the octets: none of the hostile ones may fall far behind.

use divan::{Bencher, black_box, counter::BytesCount};
use mailferry::message::{BodyPlan, Edit, Editor, Splitter, With};

/// Octets that the listener brings at a time.
const CHUNK: usize = 64 * 1024;

fn main() {
    divan::main();
}

/// A scan: a text of one line, and an attachment of 25 MB in base64.
fn scan(content_type: &str) -> Vec<u8> {
    let mut message = format!("From: dev@legacy.test\r\nSubject: Scan\r\nMIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n");
    message.push_str("--=_scan\r\nContent-Type: text/plain\r\n\r\nSee attachment.\r\n");
    message.push_str("--=_scan\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    message.push_str(&"JVBERi0xLjQKJeLjz9MKMyAwIG9iago8PC9UeXBlL1hPYmplY3QvU3VidHlwZS9JbWFnZS9XaWR0aCA3\r\n".repeat(25_000_000 / 78));
    message.push_str("--=_scan--\r\n");
    message.into_bytes()
}

fn split(message: &[u8]) -> u64 {
    let mut splitter = Splitter::new();
    for chunk in message.chunks(CHUNK) {
        black_box(splitter.push(chunk).expect("a small header"));
    }
    splitter.finish().facts.longest_line
}

#[divan::bench]
fn multipart(bencher: Bencher<'_, '_>) {
    let message = scan("multipart/mixed; boundary=\"=_scan\"");
    bencher.counter(BytesCount::of_slice(&message)).bench_local(|| split(black_box(&message)));
}

/// The same octets with nothing to look for.
#[divan::bench]
fn single(bencher: Bencher<'_, '_>) {
    let message = scan("application/octet-stream");
    bencher.counter(BytesCount::of_slice(&message)).bench_local(|| split(black_box(&message)));
}

/// Octets of a hostile message.
const HOSTILE: usize = 35_000_000;

/// Messages that are meant to take long: sixteen multiparts are open, and each of their boundaries is 70 hyphens but for its
/// end, or the shortest there is.
#[divan::bench(args = ["one line", "hyphens", "almost delimiters", "delimiters", "parts", "header lines", "8-bit"])]
fn hostile(bencher: Bencher<'_, '_>, what: &str) {
    let dashes = "-".repeat(68);
    let mut message = format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"{dashes}00\"\r\n\r\n").into_bytes();
    for level in 1..16 {
        let boundary = format!("--{dashes}{:02}\r\nContent-Type: multipart/mixed; boundary=\"{dashes}{level:02}\"\r\n\r\n", level - 1);
        message.extend_from_slice(boundary.as_bytes());
    }
    message.extend_from_slice(format!("--{dashes}15\r\n\r\n").as_bytes());
    let piece = match what {
        "one line" => "x".to_owned(),
        "hyphens" => "-".to_owned(),
        "almost delimiters" => format!("--{dashes}99\r\n"),
        "delimiters" => format!("--{dashes}15\r\n"),
        "parts" => format!("--{dashes}15\r\nA: b\r\n\r\nx\0\r\n"),
        "header lines" => format!("--{dashes}15\r\n{}\r\n", "A: b\r\n c\r\n".repeat(1000)),
        _ => "\u{fc}\u{fd}=".to_owned(),
    };
    message.extend_from_slice(piece.repeat(HOSTILE / piece.len()).as_bytes());
    message.extend_from_slice(b"\r\n");
    bencher.counter(BytesCount::of_slice(&message)).bench_local(|| split(black_box(&message)));
}

#[divan::bench(args = ["quoted-printable", "base64", "shorter lines of base64", "shorter lines of quoted-printable"])]
fn edit(bencher: Bencher<'_, '_>, what: &str) {
    let body = "One line of a text that has no end, and = 1 sign that must be written as three octets. ".repeat(100_000);
    let with = match what {
        "quoted-printable" => With::QuotedPrintable { special: 100_000 },
        "base64" => With::Base64,
        "shorter lines of base64" => With::FoldBase64,
        _ => With::FoldQuotedPrintable,
    };
    let plan = BodyPlan::Edit(vec![Edit { range: 0..body.len() as u64, with }]);
    bencher.counter(BytesCount::of_str(&body)).bench_local(|| {
        let (mut editor, mut out) = (Editor::new(plan.clone()), Vec::new());
        for chunk in black_box(body.as_bytes()).chunks(CHUNK) {
            out.clear();
            editor.push(chunk, &mut out);
        }
        editor.finish(&mut out);
        out.len()
    });
}
