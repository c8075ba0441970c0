//! Message content: one message in is one message out, for us and for every lenient server behind us.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailferry::message::{Repair, Split, Splitter};
use mailferry::smtp::{ContentReader, ContentWriter, LineEnds};
use memchr::memmem;

/// The first message in `wire`: its content, and how many octets it took. `None` when it does not end.
fn read(wire: &[u8], chunk: usize) -> Option<(Vec<u8>, usize, LineEnds)> {
    let (mut reader, mut out, mut used) = (ContentReader::new(), Vec::new(), 0);
    for piece in wire.chunks(chunk) {
        let before = out.len();
        let progress = reader.push(piece, &mut out);
        assert!(out.len() - before <= 2 * piece.len() + 32, "more came out than may");
        used += progress.used;
        if progress.ended {
            return Some((out, used, reader.line_ends()));
        }
        assert_eq!(progress.used, piece.len(), "octets were left although the message goes on");
    }
    None
}

fn write(content: &[u8], chunk: usize) -> Vec<u8> {
    let (mut writer, mut out) = (ContentWriter::new(), Vec::new());
    content.chunks(chunk).for_each(|piece| writer.push(piece, &mut out));
    writer.finish(&mut out);
    out
}

fn split(content: &[u8], chunk: usize) -> Option<(Split, Vec<u8>)> {
    let (mut splitter, mut body) = (Splitter::new(), Vec::new());
    for piece in content.chunks(chunk) {
        body.extend_from_slice(&splitter.push(piece).ok()?);
    }
    Some((splitter.finish(), body))
}

fn only_crlf(content: &[u8]) -> bool {
    content.iter().enumerate().all(|(at, &octet)| match octet {
        b'\r' => content.get(at + 1) == Some(&b'\n'),
        b'\n' => at > 0 && content[at - 1] == b'\r',
        _ => true,
    })
}

/// Where the most lenient server that we know of would end a message.
fn lenient_end(wire: &[u8]) -> Option<usize> {
    let ends: [&[u8]; 8] = [b"\r\n.\r\n", b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r\r\n", b"\n.\r"];
    ends.iter().filter_map(|end| memmem::find(wire, end).map(|at| at + end.len())).min()
}

fn check_wire(content: &[u8], chunk: usize) {
    let sent = write(content, chunk);
    assert_eq!(sent, write(content, usize::MAX), "chunks matter to the writer");
    let (again, used, ends) = read(&sent, usize::MAX).expect("what we send ends");
    assert!(used == sent.len() && ends.were_clean() && again == content, "content changed on its way");
    // The CRLF that ends the DATA command stands before it.
    let behind_data = [b"\r\n", &sent[..]].concat();
    assert!(lenient_end(&behind_data).is_none_or(|end| end + 1 >= behind_data.len()), "a lenient server sees an end too early");
}

fn check_split(content: &[u8], chunk: usize) {
    let whole = split(content, usize::MAX);
    assert_eq!(split(content, chunk), whole, "chunks matter to the splitter");
    let Some((Split { header, facts, repairs }, body)) = whole else { return };
    let header = header.as_bytes();
    assert_eq!(facts.size, body.len() as u64);
    assert_eq!(facts.eight_bit, !body.is_ascii());
    assert_eq!(facts.nul, body.contains(&0));
    assert!(content.ends_with(&body), "the body is not what stood behind the header");
    assert!(header.is_empty() || header.ends_with(b"\r\n"));
    let before = &content[..content.len() - body.len()];
    let separator: &[u8] = if repairs.contains(Repair::NoSeparator) { b"" } else { b"\r\n" };
    let without = before.strip_suffix(separator).unwrap_or(before);
    // All but an mbox line at the top is there; without a body the separator may be missing too.
    assert!(without.ends_with(header) || before.ends_with(header), "header lines were lost");
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, input)) = data.split_first() else { return };
    let chunk = usize::from(first) + 1;
    let wire = [input, b"\r\n.\r\n"].concat();
    let (content, used, ends) = read(&wire, usize::MAX).expect("CRLF . CRLF ends a message");
    let pieces = read(&wire, chunk).expect("in chunks too");
    assert_eq!(pieces, (content.clone(), used, ends), "chunks matter to the reader");
    assert!(wire[..used].ends_with(b"\r\n.\r\n") || &wire[..used] == b".\r\n", "something else ended the message");
    assert!(only_crlf(&content) && (content.is_empty() || content.ends_with(b"\r\n")));
    check_wire(&content, chunk);
    check_split(&content, chunk);
});
