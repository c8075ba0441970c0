//! The header block of a message, as octets and as fields.

use bytes::Bytes;

/// The header block: complete lines, each ended by CRLF, without the empty line behind them.
///
/// Always true when a [`super::Splitter`] made it: it is empty, or begins with a field; every line is a
/// field or the continuation of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderBlock(Bytes);

/// One field of a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, without the space that some devices put before the colon.
    pub name: &'a [u8],
    /// What follows the colon, folded as it came, without the last CRLF.
    pub value: &'a [u8],
    /// The whole field with its last CRLF.
    pub raw: &'a [u8],
}

impl HeaderBlock {
    /// Takes lines that a splitter, or the spool, knows to be a header block.
    pub fn new(lines: impl Into<Bytes>) -> Self {
        Self(lines.into())
    }

    /// All lines as octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// All lines as shared octets.
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// The fields in their order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        fields(&self.0)
    }

    /// The first field of this name, whatever its case.
    pub fn first(&self, name: &str) -> Option<Field<'_>> {
        self.fields().find(|field| field.is(name))
    }
}

impl Field<'_> {
    /// Whether this is the field's name, whatever its case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of these lines in their order.
pub(super) fn fields(lines: &[u8]) -> impl Iterator<Item = Field<'_>> {
    Fields { rest: lines }
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = end_of_field(self.rest);
        let (raw, rest) = self.rest.split_at(end);
        self.rest = rest;
        let text = raw.strip_suffix(b"\r\n").unwrap_or(raw);
        // Without a colon the whole line is its name: nothing is hidden from whoever copies it.
        let (name, value) = match memchr::memchr(b':', text) {
            Some(colon) => (&text[..colon], &text[colon + 1..]),
            None => (text, &text[text.len()..]),
        };
        Some(Field { name: name.trim_ascii_end(), value, raw })
    }
}

/// Where the field at the start of `lines` ends: behind the first CRLF that no space or tab follows.
fn end_of_field(lines: &[u8]) -> usize {
    let ends = memchr::memchr_iter(b'\n', lines).filter(|&at| lines[..at].ends_with(b"\r"));
    ends.map(|at| at + 1).find(|&next| !matches!(lines.get(next), Some(b' ' | b'\t'))).unwrap_or(lines.len())
}

/// Whether a line, without its end, can be the first of a field: a name of printable ASCII (RFC 5322
/// section 3.6.8), perhaps spaces, and a colon.
pub(super) fn begins_field(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    let name = line[..colon].trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_fields_as_devices_write_them() {
        let block = HeaderBlock::new(&b"From : a@b\r\nsubject:no space\r\nTo: x@y,\r\n\tz@y\r\nX:\r\n"[..]);
        let fields: Vec<_> = block.fields().map(|field| (field.name, field.value)).collect();
        let want: [(&[u8], &[u8]); 4] = [(b"From", b" a@b"), (b"subject", b"no space"), (b"To", b" x@y,\r\n\tz@y"), (b"X", b"")];
        assert_eq!(fields, want);
        assert_eq!(block.first("FROM").unwrap().raw, b"From : a@b\r\n");
        assert_eq!(block.fields().map(|field| field.raw.len()).sum::<usize>(), block.as_bytes().len());
    }
}
