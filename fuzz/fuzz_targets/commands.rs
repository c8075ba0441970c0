//! Command lines: whatever a device sends, in pieces of any size, is read within bounds and without panic.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mailferry::smtp::{self, Command, Line, LineReader};

/// Octets of a line, as small as to be reached often.
const LIMIT: usize = 128;

fn lines(input: &[u8], chunk: usize) -> Vec<Line> {
    let (mut reader, mut buffer, mut found) = (LineReader::new(LIMIT), BytesMut::new(), Vec::new());
    for piece in input.chunks(chunk) {
        buffer.extend_from_slice(piece);
        while let Some(line) = reader.next(&mut buffer) {
            found.push(line);
        }
        assert!(buffer.len() <= LIMIT + 2, "the buffer grows beyond the limit");
    }
    found
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, input)) = data.split_first() else { return };
    let found = lines(input, usize::from(first) + 1);
    for line in &found {
        let Line::Whole(line) = line else { continue };
        assert!(line.len() <= LIMIT && !line.contains(&b'\n') && !line.ends_with(b"\r"));
        let command = smtp::parse(line);
        assert_eq!(command, smtp::parse(line), "one line, two meanings");
        if let Ok(Command::Rcpt(mailboxes)) = command {
            assert!(!mailboxes.is_empty());
            // What is written into a command to the upstream must not be able to end it.
            assert!(mailboxes.iter().all(|mailbox| !mailbox.as_str().contains(['\r', '\n', '\0'])));
        }
    }
});
