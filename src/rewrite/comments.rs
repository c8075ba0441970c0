//! Comments in structured fields (RFC 5322 section 3.2.2): where they end, and fields without them.

/// Where a comment ends whose first parenthesis stands at the start of `text`: behind the last one. `None` when it
/// is never closed.
pub(super) fn end_of_comment(text: &[u8]) -> Option<usize> {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, octet) in text.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at + 1),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The text of a field in which only comments may hold anything but plain words, with a space for each comment. `None`
/// when a comment is never closed, or what is left is no text.
pub(super) fn without_comments(value: &[u8]) -> Option<String> {
    let mut kept = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = memchr::memchr(b'(', rest) {
        kept.extend_from_slice(&rest[..start]);
        kept.push(b' ');
        rest = &rest[start + end_of_comment(&rest[start..])?..];
    }
    kept.extend_from_slice(rest);
    String::from_utf8(kept).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_taken_out_with_all_that_is_in_them() {
        assert_eq!(without_comments(b"a (b (c) \\) d)e").as_deref(), Some("a  e"));
        assert_eq!(without_comments(b"a (b (c) d"), None);
        assert_eq!(without_comments(b"a \xfc"), None);
        assert_eq!(without_comments(b"a (\xfc)").as_deref(), Some("a  "));
    }
}
