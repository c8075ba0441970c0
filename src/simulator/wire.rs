//! Lines and content as they come off the wire, to the letter: only CR LF ends a line, only CR LF . CR LF
//! ends content (RFC 5321 sections 2.3.8 and 4.1.1.4).
//!
//! Always true: a bare CR or LF never ends anything. In a line it stays where it is, and no command holds
//! one; in content it is passed through and remembered, because Microsoft 365 refuses such a message.

use bytes::BytesMut;
use memchr::{memchr2, memmem};

/// Octets of the longest line with its CRLF: RFC 4954 section 4 asks for that much in a response to AUTH.
pub(super) const LINE_LIMIT: usize = 12_288;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its CRLF.
    Whole(BytesMut),
    /// It was longer than [`LINE_LIMIT`], and was thrown away.
    TooLong,
}

/// Takes lines off the front of a buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct LineReader {
    discarding: bool,
}

impl LineReader {
    /// The next line, if the whole of it is there. The buffer never has to hold more than the limit and one read.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Option<Line> {
        if let Some(end) = memmem::find(buffer, b"\r\n") {
            let mut line = buffer.split_to(end + 2);
            if std::mem::take(&mut self.discarding) || line.len() > LINE_LIMIT {
                return Some(Line::TooLong);
            }
            line.truncate(end);
            return Some(Line::Whole(line));
        }
        if self.discarding || buffer.len() >= LINE_LIMIT {
            self.discarding = true;
            // The last octet may be the CR of the line's end.
            let spent = buffer.len().saturating_sub(1);
            let _ = buffer.split_to(spent);
        }
        None
    }
}

/// How far a [`ContentReader`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Octets of the input that belong to this message.
    pub(super) used: usize,
    /// CRLF . CRLF was seen.
    pub(super) ended: bool,
}

/// Reads the content of one message, in chunks of any size: takes stuffed dots away, changes nothing else.
#[derive(Clone, Debug)]
pub(super) struct ContentReader {
    at: At,
    bare: bool,
}

/// Where in a line the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Behind CRLF, or at the start of the content.
    Start,
    /// Behind a dot at the start of a line, which is not given out.
    Dot,
    /// Behind such a dot and a CR, neither given out.
    DotCr,
    /// Inside a line.
    Text,
    /// Behind a CR, which was given out.
    Cr,
}

impl ContentReader {
    /// A reader for what follows the 354.
    pub(super) fn new() -> Self {
        Self { at: At::Start, bare: false }
    }

    /// Whether a bare CR or LF was seen.
    pub(super) fn saw_bare_line_end(&self) -> bool {
        self.bare
    }

    /// Reads `input` up to its end or the end of the message, and appends the content to `out`.
    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Progress {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            match (self.at, byte) {
                (At::Start, b'.') => self.at = At::Dot,
                (At::Start | At::Text, _) => {
                    used += self.text(&input[used..], out);
                    continue;
                }
                (At::Cr, b'\n') => {
                    out.push(b'\n');
                    self.at = At::Start;
                }
                (At::Cr, _) => {
                    self.bare = true;
                    self.at = At::Text;
                    continue;
                }
                (At::Dot, b'\r') => self.at = At::DotCr,
                // RFC 5321 section 4.5.2: with more on the line, the first dot goes.
                (At::Dot, _) => {
                    self.at = At::Text;
                    continue;
                }
                (At::DotCr, b'\n') => return Progress { used: used + 1, ended: true },
                (At::DotCr, _) => {
                    out.push(b'\r');
                    self.at = At::Cr;
                    continue;
                }
            }
            used += 1;
        }
        Progress { used, ended: false }
    }

    /// Takes whole lines and text, up to where a dot could start a line or the input ends.
    fn text(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut end = 0;
        self.at = At::Text;
        while let Some(found) = memchr2(b'\r', b'\n', &input[end..]) {
            let at = end + found;
            match (input[at], input.get(at + 1), input.get(at + 2)) {
                (b'\r', Some(b'\n'), Some(next)) if *next != b'.' => end = at + 2,
                (b'\r', Some(b'\n'), _) => {
                    end = at + 2;
                    self.at = At::Start;
                    break;
                }
                (b'\r', None, _) => {
                    end = at + 1;
                    self.at = At::Cr;
                    break;
                }
                _ => {
                    self.bare = true;
                    end = at + 1;
                }
            }
        }
        if self.at == At::Text {
            end = input.len();
        }
        out.extend_from_slice(&input[..end]);
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content, whether a bare CR or LF was seen, and what was left for the next command; `None` when it never ended.
    fn read(input: &[u8], chunk: usize) -> Option<(Vec<u8>, bool, Vec<u8>)> {
        let (mut reader, mut out, mut taken) = (ContentReader::new(), Vec::new(), 0);
        for piece in input.chunks(chunk) {
            let progress = reader.push(piece, &mut out);
            taken += progress.used;
            if progress.ended {
                return Some((out, reader.saw_bare_line_end(), input[taken..].to_vec()));
            }
            assert_eq!(progress.used, piece.len());
        }
        None
    }

    #[test]
    fn only_crlf_dot_crlf_ends_content_however_it_is_cut() {
        // What arrives, the content in it, whether a bare CR or LF is seen, and what is left for the next command.
        type Case = (&'static [u8], &'static [u8], bool, &'static [u8]);
        let cases: &[Case] = &[
            (b".\r\nQUIT\r\n", b"", false, b"QUIT\r\n"),
            (b"a\r\n.\r\n", b"a\r\n", false, b""),
            (b"a\r\n..b\r\n...\r\n.\r\nRSET\r\n", b"a\r\n.b\r\n..\r\n", false, b"RSET\r\n"),
            (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", true, b""),
            (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n", true, b""),
            (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n", true, b""),
            (b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n", true, b""),
            (b"a\r\n.\r\r\nb\r\n.\r\n", b"a\r\n\r\r\nb\r\n", true, b""),
            (b"a\r\r\n.\r\n", b"a\r\r\n", true, b""),
            (b"a\r\n\r.\r\nb\r\n.\r\n", b"a\r\n\r.\r\nb\r\n", true, b""),
            (b"a\r\n.b\r\n.\r\n", b"a\r\nb\r\n", false, b""),
            (b"\n\n.\r\n\r\n.\r\n", b"\n\n.\r\n\r\n", true, b""),
        ];
        for (input, content, bare, rest) in cases {
            for chunk in [1, 2, 3, 5, 100] {
                let found = read(input, chunk);
                assert_eq!(found, Some((content.to_vec(), *bare, rest.to_vec())), "{:?} by {chunk}", input.escape_ascii().to_string());
            }
        }
        for endless in [&b"a\n.\n"[..], b"a\r\n.\n", b"a\n.\r\n", b"a\r.\r", b"a\r\n.\r", b"a\r\n. \r\n", b"a.\r\n", b"a\r\n.\r\r\n"] {
            assert_eq!(read(endless, 2), None, "{:?}", endless.escape_ascii().to_string());
        }
    }

    #[test]
    fn only_crlf_ends_a_line_and_long_ones_are_dropped() {
        let (mut reader, mut buffer) = (LineReader::default(), BytesMut::from(&b"NOOP\r\nA\nB\rC\r\nQ"[..]));
        assert_eq!(reader.next(&mut buffer), Some(Line::Whole(BytesMut::from("NOOP"))));
        assert_eq!(reader.next(&mut buffer), Some(Line::Whole(BytesMut::from("A\nB\rC"))));
        assert_eq!(reader.next(&mut buffer), None);
        for _ in 0..4 {
            buffer.extend_from_slice(&[b'x'; 5000]);
            assert_eq!(reader.next(&mut buffer), None);
            assert!(buffer.len() < LINE_LIMIT);
        }
        buffer.extend_from_slice(b"\r");
        assert_eq!(reader.next(&mut buffer), None);
        buffer.extend_from_slice(b"\nQUIT\r\n");
        assert_eq!(reader.next(&mut buffer), Some(Line::TooLong));
        assert_eq!(reader.next(&mut buffer), Some(Line::Whole(BytesMut::from("QUIT"))));
    }
}
