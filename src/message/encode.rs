//! Makes content fit for mail while it passes: base64, quoted-printable, and shorter lines for either.
//!
//! Always true:
//! - Chunks make no difference, and no more than a line is held.
//! - No line that comes out has more than 76 octets (RFC 2045 sections 6.7 and 6.8), nor begins with a hyphen that did not
//!   begin one before: what comes out can never be taken for the delimiter of a multipart.
//! - A decoder gives back exactly what went in, or, for shorter lines, what it would have given before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::facts::is_special;

/// Octets that a line may have (RFC 2045 sections 6.7 and 6.8), and those of base64 that fill it.
pub(super) const WIDTH: usize = 76;
pub(super) const GROUP: usize = WIDTH / 4 * 3;

/// An encoder at work.
#[derive(Debug)]
pub(super) enum Encoder {
    QuotedPrintable(QuotedPrintable),
    Base64(Base64),
    FoldBase64(FoldBase64),
    FoldQuotedPrintable(FoldQuotedPrintable),
}

impl Encoder {
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::QuotedPrintable(encoder) => octets.iter().for_each(|&octet| encoder.push(octet, out)),
            Self::Base64(encoder) => encoder.push(octets, out),
            Self::FoldBase64(encoder) => octets.iter().for_each(|&octet| encoder.push(octet, out)),
            Self::FoldQuotedPrintable(encoder) => octets.iter().for_each(|&octet| encoder.push(octet, out)),
        }
    }

    pub(super) fn finish(self, out: &mut Vec<u8>) {
        match self {
            Self::QuotedPrintable(encoder) => encoder.finish(out),
            Self::Base64(encoder) => encoder.finish(out),
            Self::FoldBase64(FoldBase64 { .. }) => {}
            Self::FoldQuotedPrintable(mut encoder) => encoder.flush(true, out),
        }
    }
}

/// Lines of base64, the last one without its end.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    /// Octets that do not fill a line yet.
    held: Vec<u8>,
    begun: bool,
}

impl Base64 {
    fn push(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            let (filling, rest) = octets.split_at(octets.len().min(GROUP - self.held.len()));
            self.held.extend_from_slice(filling);
            octets = rest;
            if self.held.len() < GROUP {
                return;
            }
            let line = std::mem::take(&mut self.held);
            self.line(&line, out);
        }
        let (lines, rest) = octets.as_chunks::<GROUP>();
        lines.iter().for_each(|line| self.line(line, out));
        self.held.extend_from_slice(rest);
    }

    fn line(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(b"\r\n");
        }
        let start = out.len();
        out.resize(start + WIDTH, 0);
        // It cannot fail: what fills a line fits into it.
        let written = STANDARD.encode_slice(octets, &mut out[start..]).unwrap_or(0);
        out.truncate(start + written);
    }

    fn finish(mut self, out: &mut Vec<u8>) {
        let last = std::mem::take(&mut self.held);
        if !last.is_empty() {
            self.line(&last, out);
        }
    }
}

/// Quoted-printable text (RFC 2045 section 6.7). Line ends stay line ends.
#[derive(Debug, Default)]
pub(super) struct QuotedPrintable {
    column: usize,
    /// A space or tab that must be written as three octets should it end its line.
    blank: Option<u8>,
    /// A CR, which is half of a line end only when an LF follows.
    cr: bool,
    /// How much of `From` the line is.
    from: usize,
}

impl QuotedPrintable {
    fn push(&mut self, octet: u8, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.cr) {
            if octet == b'\n' {
                return self.end_line(out);
            }
            self.settle(out);
            self.write_escaped(b'\r', out);
        }
        match octet {
            b'\r' => self.cr = true,
            b' ' | b'\t' => {
                self.settle(out);
                self.blank = Some(octet);
            }
            _ => {
                self.settle(out);
                self.write(octet, out);
            }
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.write_escaped(blank, out);
        }
        out.extend_from_slice(b"\r\n");
        (self.column, self.from) = (0, 0);
    }

    /// Writes the space or tab that turned out not to be the last of its line.
    fn settle(&mut self, out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.write(blank, out);
        }
    }

    fn write(&mut self, octet: u8, out: &mut Vec<u8>) {
        if self.column + 1 >= WIDTH {
            self.break_softly(out);
        }
        // RFC 2049 section 3: `From ` at the start of a line gets a `>` from some, and a hyphen could look like a delimiter.
        let risky = match octet {
            b'-' => self.column == 0,
            b' ' => self.column == 4 && self.from == 4,
            _ => false,
        };
        if risky || octet == b'\n' || is_special(octet) {
            return self.write_escaped(octet, out);
        }
        if self.column == self.from && b"From".get(self.from) == Some(&octet) {
            self.from += 1;
        }
        out.push(octet);
        self.column += 1;
    }

    fn write_escaped(&mut self, octet: u8, out: &mut Vec<u8>) {
        if self.column + 3 >= WIDTH {
            self.break_softly(out);
        }
        out.extend_from_slice(&escaped(octet));
        self.column += 3;
    }

    fn break_softly(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"=\r\n");
        (self.column, self.from) = (0, 0);
    }

    fn finish(mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.cr) {
            self.settle(out);
            self.write_escaped(b'\r', out);
        } else if let Some(blank) = self.blank.take() {
            self.write_escaped(blank, out);
        }
    }
}

/// `=XX`, in upper case as RFC 2045 section 6.7 asks.
fn escaped(octet: u8) -> [u8; 3] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [b'=', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]
}

/// Base64 whose lines are too long: they are cut. White space means nothing in it, so a NUL becomes a space.
#[derive(Debug, Default)]
pub(super) struct FoldBase64 {
    column: usize,
}

impl FoldBase64 {
    fn push(&mut self, octet: u8, out: &mut Vec<u8>) {
        if matches!(octet, b'\r' | b'\n') {
            self.column = 0;
            return out.push(octet);
        }
        if self.column == WIDTH {
            out.extend_from_slice(b"\r\n");
            self.column = 0;
            if octet == b'-' {
                out.push(b' ');
                self.column = 1;
            }
        }
        out.push(if octet == 0 { b' ' } else { octet });
        self.column += 1;
    }
}

/// Quoted-printable text whose lines are too long: soft line breaks cut them, never within `=XX`. A NUL, which must not
/// stand there, becomes `=00`.
#[derive(Debug, Default)]
pub(super) struct FoldQuotedPrintable {
    column: usize,
    /// One octet, or an equals sign and up to two that belong to it.
    unit: Vec<u8>,
}

impl FoldQuotedPrintable {
    fn push(&mut self, octet: u8, out: &mut Vec<u8>) {
        if matches!(octet, b'\r' | b'\n') {
            self.flush(true, out);
            self.column = 0;
            return out.push(octet);
        }
        let belongs = self.unit.first() == Some(&b'=') && self.unit.len() < 3 && !matches!(octet, b'=' | 0);
        if !belongs {
            self.flush(false, out);
        }
        match octet {
            0 => self.unit.extend_from_slice(&escaped(0)),
            _ => self.unit.push(octet),
        }
    }

    /// Writes the unit; `last` when its line ends behind it, and no room is needed for a soft line break.
    fn flush(&mut self, last: bool, out: &mut Vec<u8>) {
        let room = if last { WIDTH } else { WIDTH - 1 };
        if self.column + self.unit.len() > room {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
            if self.unit == b"-" {
                self.unit = escaped(b'-').to_vec();
            }
        }
        out.extend_from_slice(&self.unit);
        self.column += self.unit.len();
        self.unit.clear();
    }
}
