//! What it costs to cut a message apart and to note what its body holds, while it arrives.

use divan::{Bencher, black_box, counter::BytesCount};
use mailferry::message::Splitter;

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
