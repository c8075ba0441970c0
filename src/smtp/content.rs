//! Message content on the wire: the end of data, stuffed dots, line ends (RFC 5321 sections 4.1.1.4, 4.5.2).
//!
//! Always true:
//! - Only CR LF . CR LF ends a message (RFC 5321 section 2.3.8 forbids any other reading). Servers that
//!   also end at LF . LF, LF . CRLF or CRLF . CR CRLF let one message become two. The one exception is a reader that was
//!   made by [`ContentReader::with_bare_lf`], for a client that cannot write CRLF.
//! - What [`ContentReader`] gives out holds no CR and no LF but in CRLF, and is empty or ends in CRLF.
//! - A dot is unstuffed only behind a real CRLF. Clients that send bare LF never stuffed behind it (curl
//!   with an LF file), so taking a dot away there would take text away. Here, too, `with_bare_lf` is the exception.
//! - What [`ContentWriter`] writes does not depend on how the message came.

use memchr::{memchr2, memmem};

use crate::message::{Repair, Repairs};

/// Line ends that had to be mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LineEnds {
    /// LF without CR before it.
    pub bare_lf: u64,
    /// CR without LF behind it.
    pub bare_cr: u64,
    /// More than one CR before an LF; counts as one line end.
    pub extra_cr: u64,
}

impl LineEnds {
    /// The kinds of it.
    pub fn repairs(&self) -> Repairs {
        let mut repairs = Repairs::none();
        repairs.note_if(self.bare_lf > 0, Repair::BareLf);
        repairs.note_if(self.bare_cr > 0, Repair::BareCr);
        repairs.note_if(self.extra_cr > 0, Repair::ExtraCr);
        repairs
    }

    /// Whether nothing had to be mended.
    pub fn were_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// How far a [`ContentReader`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Octets of the input that belong to this message; the rest belongs to the next command.
    pub used: usize,
    /// The end was seen.
    pub ended: bool,
}

/// Reads the content of one message as it arrives, in chunks of any size.
#[derive(Clone, Debug)]
pub struct ContentReader {
    at: At,
    /// A bare LF ends a line as CRLF does.
    bare_lf: bool,
    line_ends: LineEnds,
}

/// Where in a line the reader stands, and what it holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the start of a line. `wire` when what ended the last one is a line end on the wire, too: only there dots are stuffed.
    Start { wire: bool },
    /// Behind such a line end and a dot, which is held back.
    Dot,
    /// Behind such a line end, a dot and a CR, both held back.
    DotCr,
    /// Inside a line.
    Text,
    /// Behind text and this many CRs, held back.
    Crs(u8),
}

/// CRs held back before an LF must come; what more of them there are become line ends one by one.
const MOST_CRS: u8 = 8;

impl Default for ContentReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ContentReader {
    /// A reader for the content that follows a 354.
    pub fn new() -> Self {
        Self { at: At::Start { wire: true }, bare_lf: false, line_ends: LineEnds::default() }
    }

    /// The same for a client that writes LF where CRLF belongs: the message also ends at LF . LF, LF . CRLF and CRLF . LF, and
    /// dots are unstuffed behind LF, for such a client stuffs there. A message of anybody else's that passes through that client
    /// may hold such an end in its text, and become two: so this is for clients that the configuration names.
    pub fn with_bare_lf() -> Self {
        Self { bare_lf: true, ..Self::new() }
    }

    /// The line ends mended so far.
    pub fn line_ends(&self) -> LineEnds {
        self.line_ends
    }

    /// Reads `input` up to its end or the end of the message and appends the mended content to `out`:
    /// at most twice the length of `input`, and a few octets held back before.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Progress {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            match (self.at, byte) {
                (At::Start { wire: true }, b'.') => {
                    self.at = At::Dot;
                    used += 1;
                }
                (At::Start { .. } | At::Text, _) => used += self.text(&input[used..], out),
                (At::Dot, b'\r') => {
                    self.at = At::DotCr;
                    used += 1;
                }
                (At::Dot, b'\n') if self.bare_lf => {
                    return Progress { used: used + 1, ended: true };
                }
                // A lone dot that a bare LF ends was never stuffed: it is text.
                (At::Dot, b'\n') => {
                    out.push(b'.');
                    self.at = At::Text;
                }
                // RFC 5321 section 4.5.2: with more text on the line, the first dot goes.
                (At::Dot, _) => self.at = At::Text,
                (At::DotCr, b'\n') => {
                    return Progress { used: used + 1, ended: true };
                }
                (At::DotCr, _) => {
                    out.push(b'.');
                    self.at = At::Crs(1);
                }
                (At::Crs(crs), b'\n') => {
                    self.line_ends.extra_cr += u64::from(crs > 1);
                    self.end_line(out, true);
                    used += 1;
                }
                (At::Crs(crs), b'\r') => {
                    if crs < MOST_CRS {
                        self.at = At::Crs(crs + 1);
                    } else {
                        self.line_ends.bare_cr += 1;
                        out.extend_from_slice(b"\r\n");
                    }
                    used += 1;
                }
                (At::Crs(crs), _) => {
                    self.line_ends.bare_cr += u64::from(crs);
                    (0..crs).for_each(|_| self.end_line(out, false));
                }
            }
        }
        Progress { used, ended: false }
    }

    /// Takes text up to the next CR or LF, and that octet; says how many octets it took.
    fn text(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let Some(end) = memchr2(b'\r', b'\n', input) else {
            out.extend_from_slice(input);
            self.at = At::Text;
            return input.len();
        };
        out.extend_from_slice(&input[..end]);
        if input[end] == b'\r' {
            self.at = At::Crs(1);
        } else {
            self.line_ends.bare_lf += 1;
            self.end_line(out, self.bare_lf);
        }
        end + 1
    }

    fn end_line(&mut self, out: &mut Vec<u8>, wire: bool) {
        out.extend_from_slice(b"\r\n");
        self.at = At::Start { wire };
    }
}

/// Writes content for the wire: stuffs dots and ends the message. Its input has CRLF line ends only, as
/// [`ContentReader`] gives them.
#[derive(Clone, Debug)]
pub struct ContentWriter {
    /// The last octets written, as far as they matter: how much of CRLF they are.
    tail: Tail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    LineStart,
    Cr,
    Text,
}

impl Default for ContentWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ContentWriter {
    /// A writer at the start of a message.
    pub fn new() -> Self {
        Self { tail: Tail::LineStart }
    }

    /// Appends `input` to `out` with a dot added before every dot that starts a line.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let Some(&last) = input.last() else { return };
        let starts_line = match (self.tail, input) {
            (Tail::LineStart, [b'.', ..]) => true,
            (Tail::Cr, [b'\n', b'.', ..]) => {
                out.push(b'\n');
                return self.stuffed(&input[1..], out);
            }
            _ => false,
        };
        if starts_line {
            return self.stuffed(input, out);
        }
        let mut copied = 0;
        for found in memmem::find_iter(input, b"\r\n.") {
            out.extend_from_slice(&input[copied..found + 2]);
            out.push(b'.');
            copied = found + 2;
        }
        out.extend_from_slice(&input[copied..]);
        self.tail = match (last, self.tail) {
            (b'\r', _) => Tail::Cr,
            (b'\n', Tail::Cr) if input.len() == 1 => Tail::LineStart,
            (b'\n', _) if input.ends_with(b"\r\n") => Tail::LineStart,
            _ => Tail::Text,
        };
    }

    /// The same for input that begins with a dot at the start of a line.
    fn stuffed(&mut self, input: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"..");
        self.tail = Tail::Text;
        self.push(&input[1..], out);
    }

    /// Ends the message: CRLF where the last line lacks it, then the dot.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.tail {
            Tail::LineStart => {}
            Tail::Cr => out.push(b'\n'),
            Tail::Text => out.extend_from_slice(b"\r\n"),
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The content of the first message in `wire`, whether it ended, and what was left over.
    fn read(wire: &[u8], chunk: usize) -> (Vec<u8>, bool, Vec<u8>, LineEnds) {
        read_with(ContentReader::new(), wire, chunk)
    }

    fn read_with(mut reader: ContentReader, wire: &[u8], chunk: usize) -> (Vec<u8>, bool, Vec<u8>, LineEnds) {
        let (mut out, mut done) = (Vec::new(), 0);
        for piece in wire.chunks(chunk.max(1)) {
            let progress = reader.push(piece, &mut out);
            done += progress.used;
            if progress.ended {
                return (out, true, wire[done..].to_vec(), reader.line_ends());
            }
            assert_eq!(progress.used, piece.len());
        }
        (out, false, Vec::new(), reader.line_ends())
    }

    fn write(content: &[u8], chunk: usize) -> Vec<u8> {
        let (mut writer, mut out) = (ContentWriter::new(), Vec::new());
        content.chunks(chunk.max(1)).for_each(|piece| writer.push(piece, &mut out));
        writer.finish(&mut out);
        out
    }

    #[track_caller]
    fn check(wire: &str, content: &str) {
        for chunk in [1, 2, 3, 7, 4096] {
            let (out, ended, rest, _) = read(wire.as_bytes(), chunk);
            assert!(ended, "{wire:?} must end");
            assert_eq!(String::from_utf8_lossy(&out), content, "in chunks of {chunk}");
            assert_eq!(rest, b"", "{wire:?}");
        }
    }

    #[test]
    fn mends_line_ends() {
        check("a\r\nb\r\n.\r\n", "a\r\nb\r\n");
        check("a\nb\n\r\n.\r\n", "a\r\nb\r\n\r\n");
        check("a\rb\r\n.\r\n", "a\r\nb\r\n");
        check("a\r\r\nb\r\r\n.\r\n", "a\r\nb\r\n");
        check("a\r\rb\r\n.\r\n", "a\r\n\r\nb\r\n");
        check(".\r\n", "");
        check("\r\n.\r\n", "\r\n");
    }

    #[test]
    fn unstuffs_dots_only_behind_crlf() {
        check("..a\r\n...\r\n.\r\n", ".a\r\n..\r\n");
        check("x\n.dot\n..two\nend\n\r\n.\r\n", "x\r\n.dot\r\n..two\r\nend\r\n\r\n");
        check(".x\r\n.\r\n", "x\r\n");
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_ends_a_message() {
        for almost in ["a\n.\n", "a\n.\r\n", "a\r\n.\n", "a\r\n.\r", "a\r.\r", "a\r.\r\n", "a\r\n.\r\r\n", "a\r\n.\r.\r\n", "a\n\r.\r\n"] {
            for chunk in [1, 4096] {
                assert!(!read(almost.as_bytes(), chunk).1, "{almost:?} ended a message");
            }
        }
        check("a\r\n.\r\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n");
        check("a\n.\nMAIL FROM:<x@y>\r\n.\r\n", "a\r\n.\r\nMAIL FROM:<x@y>\r\n");
    }

    #[test]
    fn leaves_what_follows_to_the_next_command() {
        let (_, ended, rest, _) = read(b"a\r\n.\r\nQUIT\r\n", 4096);
        assert!(ended);
        assert_eq!(rest, b"QUIT\r\n");
    }

    #[test]
    fn counts_what_it_mended() {
        let (.., ends) = read(b"a\nb\rc\r\r\nd\r\n.\r\n", 4096);
        assert_eq!(ends, LineEnds { bare_lf: 1, bare_cr: 1, extra_cr: 1 });
    }

    #[test]
    fn a_flood_of_crs_is_bounded() {
        let (mut reader, mut out) = (ContentReader::new(), Vec::new());
        reader.push(&[b'\r'; 10_000], &mut out);
        assert!(out.len() <= 20_000);
        assert!(out.chunks(2).all(|pair| pair == b"\r\n"));
    }

    #[test]
    fn for_a_client_without_crlf_a_bare_lf_ends_lines() {
        for (wire, content, rest) in [
            ("a\n.\n", "a\r\n", ""),
            ("a\n.\r\nQUIT", "a\r\n", "QUIT"),
            ("a\r\n.\nQUIT", "a\r\n", "QUIT"),
            ("a\r\n.\r\nQUIT", "a\r\n", "QUIT"),
            (".\n", "", ""),
            ("a\n..b\n..\n.\n", "a\r\n.b\r\n.\r\n", ""),
        ] {
            for chunk in [1, 2, 4096] {
                let (found, ended, left, _) = read_with(ContentReader::with_bare_lf(), wire.as_bytes(), chunk);
                assert_eq!((String::from_utf8_lossy(&found), ended), (content.into(), true), "{wire:?}");
                assert!(rest.as_bytes().starts_with(&left), "{wire:?}");
            }
        }
        for almost in ["a\r.\r", "a\r.\r\n", "a\n.\r", "a\n.\r\r\n", "a\n.\r.\n"] {
            assert!(!read_with(ContentReader::with_bare_lf(), almost.as_bytes(), 1).1, "{almost:?} ended a message");
        }
    }

    /// Ends a message wherever any server we know of would.
    fn lenient_end(wire: &[u8]) -> Option<usize> {
        let ends: [&[u8]; 8] = [b"\r\n.\r\n", b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r\r\n", b"\n.\r"];
        ends.iter().filter_map(|end| memmem::find(wire, end).map(|at| at + end.len())).min()
    }

    proptest! {
        #[test]
        fn content_survives_the_wire(wire in "[a.\r\n]{0,60}", chunk in 1usize..9, bare_lf in any::<bool>()) {
            let mut whole = wire.into_bytes();
            whole.extend_from_slice(b"\r\n.\r\n");
            let reader = || if bare_lf { ContentReader::with_bare_lf() } else { ContentReader::new() };
            let (content, ended, ..) = read_with(reader(), &whole, chunk);
            prop_assert!(ended);
            prop_assert_eq!(&content, &read_with(reader(), &whole, 4096).0);
            prop_assert!(content.is_empty() || content.ends_with(b"\r\n"));
            let bare = content.iter().enumerate().any(|(i, &b)| match b {
                b'\r' => content.get(i + 1) != Some(&b'\n'),
                b'\n' => i == 0 || content[i - 1] != b'\r',
                _ => false,
            });
            prop_assert!(!bare, "{content:?}");
            let sent = write(&content, chunk);
            let (again, ended, rest, ends) = read(&sent, 4096);
            prop_assert!(ended && rest.is_empty() && ends.were_clean());
            prop_assert_eq!(&again, &content);
            let mut behind_data = b"\r\n".to_vec();
            behind_data.extend_from_slice(&sent);
            prop_assert!(lenient_end(&behind_data).is_none_or(|end| end + 1 >= behind_data.len()), "{:?}", sent);
        }

        #[test]
        fn a_client_without_crlf_is_understood_and_what_leaves_is_strict(content in "([a.]{0,4}\r\n){0,12}", chunk in 1usize..9) {
            let wire: Vec<u8> = write(content.as_bytes(), 4096).into_iter().filter(|&octet| octet != b'\r').collect();
            let (found, ended, rest, _) = read_with(ContentReader::with_bare_lf(), &wire, chunk);
            prop_assert!(ended && rest.is_empty());
            prop_assert_eq!(String::from_utf8_lossy(&found), content.as_str());
            prop_assert!(read(&write(&found, chunk), 4096).1);
        }

        #[test]
        fn the_writer_does_not_care_about_chunks(content in "([a.]{0,4}\r\n){0,12}", chunk in 1usize..9) {
            prop_assert_eq!(write(content.as_bytes(), chunk), write(content.as_bytes(), 4096));
        }
    }
}
