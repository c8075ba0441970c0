//! What can be wrong with octets of a header, whatever they mean, and how most of it goes.

use crate::message::{LONGEST_LINE, Repair, Repairs};

/// What is wrong with some lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ills {
    /// Octets above 127.
    pub(super) raw: bool,
    /// Control octets but TAB and the ends of lines.
    pub(super) controls: bool,
    /// ESC is among them.
    pub(super) escapes: bool,
    /// A line is too long.
    pub(super) long: bool,
    /// A line is nothing but white space: some servers take it for the end of the header (RFC 5322 section 4.2).
    pub(super) blank: bool,
}

impl Ills {
    pub(super) fn of(lines: &[u8]) -> Self {
        let mut ills = Self::default();
        for line in lines_of(lines) {
            ills.long |= line.len() > LONGEST_LINE;
            ills.blank |= line.first().is_some_and(is_space) && line.iter().all(is_space);
            // Nearly all lines are fine, and are seen to be so quickly.
            if !line.iter().all(|octet| matches!(octet, b' '..=b'~')) {
                ills.raw |= !line.is_ascii();
                ills.controls |= line.iter().any(is_control);
                ills.escapes |= line.contains(&0x1b);
            }
        }
        ills
    }

    pub(super) const fn any(self) -> bool {
        self.raw || self.controls || self.long || self.blank
    }

    /// What is certain to be mended for them. Escape sequences may turn out to be text.
    pub(super) fn repairs(self) -> Repairs {
        let mut repairs = Repairs::none();
        repairs.note_if(self.raw, Repair::RawHeader);
        repairs.note_if(self.controls, Repair::HeaderControls);
        repairs.note_if(self.long, Repair::LongHeaderLine);
        repairs.note_if(self.blank, Repair::BlankHeaderLine);
        repairs
    }
}

/// The lines of a header, without the CRLF that ends each but perhaps the last.
fn lines_of(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr_iter(b'\n', rest).find(|&at| at > 0 && rest[at - 1] == b'\r');
        let (line, behind) = end.map_or((rest, &rest[rest.len()..]), |at| (&rest[..at - 1], &rest[at + 1..]));
        rest = behind;
        Some(line)
    })
}

fn is_space(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

fn is_control(octet: &u8) -> bool {
    (*octet < b' ' && *octet != b'\t') || *octet == 0x7f
}

/// Lines without controls and without those that are blank. Each keeps its CRLF; the last one gets one.
pub(super) fn without(lines: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(lines.len() + 2);
    for line in lines_of(lines) {
        let start = kept.len();
        kept.extend(line.iter().copied().filter(|octet| !is_control(octet)));
        if kept[start..].iter().all(is_space) {
            kept.truncate(start);
        } else {
            kept.extend_from_slice(b"\r\n");
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_each_ill() {
        let none = Ills::default();
        for (lines, want) in [
            ("A: b\r\n\tc\r\n", none),
            ("A: b\r\n \r\n", Ills { blank: true, ..none }),
            ("A: \r\nB:\r\n", none),
            ("A: \0\r\n", Ills { controls: true, ..none }),
            ("A: \x1b\r\n", Ills { controls: true, escapes: true, ..none }),
            ("A: \r \r\n", Ills { controls: true, ..none }),
            ("A: \u{fc}", Ills { raw: true, ..none }),
        ] {
            assert_eq!(Ills::of(lines.as_bytes()), want, "{lines:?}");
        }
        let line = |length: usize| format!("A: b\r\n {}\r\n", "x".repeat(length));
        assert!(!Ills::of(line(997).as_bytes()).any());
        assert_eq!(Ills::of(line(998).as_bytes()), Ills { long: true, ..none });
    }

    #[test]
    fn takes_out_controls_and_blank_lines() {
        for (lines, want) in [
            ("A: a\0\x01\x1b[31mb\x7f\r\n", "A: a[31mb\r\n"),
            ("A: b\r\n \r\n\t\0\t\r\n c", "A: b\r\n c\r\n"),
            ("A: b\r\n \r\n", "A: b\r\n"),
            ("A: a\rb\nc\td\r\n", "A: abc\td\r\n"),
        ] {
            assert_eq!(without(lines.as_bytes()), want.as_bytes(), "{lines:?}");
        }
    }
}
