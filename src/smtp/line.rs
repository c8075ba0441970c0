//! Lines of commands and replies, with a limit.
//!
//! A line ends at LF; CRs before it belong to the end, because devices end commands in CRLF, LF or
//! CR CRLF. That is safe for commands and replies, and only there: content has [`super::ContentReader`].

use bytes::BytesMut;

/// One line that a [`LineReader`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The line without its end.
    Whole(BytesMut),
    /// The line had more octets than the limit; they were thrown away.
    TooLong,
}

/// Takes lines off the front of a buffer.
#[derive(Clone, Debug)]
pub struct LineReader {
    limit: usize,
    discarding: bool,
    /// Octets at the front of the buffer that are known to hold no LF.
    seen: usize,
}

impl LineReader {
    /// A reader that takes lines of at most `limit` octets, their end not counted.
    pub fn new(limit: usize) -> Self {
        Self { limit, discarding: false, seen: 0 }
    }

    /// The next line, if the whole of it is there. The buffer never has to hold more than the limit and
    /// what one read brings: what belongs to a line that is too long is dropped as it comes.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Option<Line> {
        let Some(end) = memchr::memchr(b'\n', &buffer[self.seen..]).map(|at| self.seen + at) else {
            self.seen = buffer.len();
            // The end may still be CRs that are not part of the line.
            if self.discarding || buffer.len() > self.limit + 2 {
                self.discarding = true;
                self.seen = 0;
                buffer.clear();
            }
            return None;
        };
        self.seen = 0;
        let mut line = buffer.split_to(end + 1);
        let text = line.iter().rposition(|&byte| byte != b'\r' && byte != b'\n').map_or(0, |at| at + 1);
        line.truncate(text);
        if std::mem::take(&mut self.discarding) || line.len() > self.limit {
            return Some(Line::TooLong);
        }
        Some(Line::Whole(line))
    }

    /// Whether the beginning of a line was thrown away already, and its end has not come.
    pub fn is_discarding(&self) -> bool {
        self.discarding
    }

    /// Forgets what was seen of the buffer: to be called when somebody else took octets off it.
    pub fn restart(&mut self) {
        self.seen = 0;
        self.discarding = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], chunk: usize) -> Vec<Line> {
        let (mut reader, mut buffer, mut found) = (LineReader::new(8), BytesMut::new(), Vec::new());
        for piece in input.chunks(chunk) {
            buffer.extend_from_slice(piece);
            while let Some(line) = reader.next(&mut buffer) {
                found.push(line);
            }
            assert!(buffer.len() <= 10 + chunk);
        }
        found
    }

    #[test]
    fn takes_every_kind_of_end_and_drops_what_is_too_long() {
        let whole = |text: &str| Line::Whole(BytesMut::from(text.as_bytes()));
        for chunk in [1, 3, 100] {
            let found = lines(b"NOOP\r\nRSET\n\r\nHELO\r\r\n12345678\r\n123456789\r\n1234567890123456789\r\nQUIT\r\nhal", chunk);
            let want =
                [whole("NOOP"), whole("RSET"), whole(""), whole("HELO"), whole("12345678"), Line::TooLong, Line::TooLong, whole("QUIT")];
            assert_eq!(found, want);
        }
    }
}
