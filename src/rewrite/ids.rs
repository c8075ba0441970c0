//! What a Message-ID field is good for (RFC 5322 section 3.6.4).

use super::comments::without_comments;

/// What becomes of a Message-ID.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has a form that others accept.
    Good,
    /// It only lacks its brackets: this is what belongs between them.
    Bare(String),
    /// It names nothing.
    Broken,
}

/// Octets between the brackets; no line may have more than 998.
const LONGEST: usize = 900;

/// Judges a value. Lenient: what matters is that whoever compares it takes it for one word, and that servers which refuse
/// mail for its Message-ID (Gmail) see brackets and an `@` between two sides.
pub(super) fn judge(value: &[u8]) -> Verdict {
    let Some(text) = without_comments(value).or_else(|| String::from_utf8(value.to_vec()).ok()) else { return Verdict::Broken };
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    match text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        Some(inside) if is_id(inside) => Verdict::Good,
        None if is_id(text) => Verdict::Bare(text.to_owned()),
        Some(_) | None => Verdict::Broken,
    }
}

fn is_id(text: &str) -> bool {
    let sides = text.split_once('@').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains('@'));
    sides
        && text.len() <= LONGEST
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '(' | ')' | ','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_what_devices_write() {
        for good in ["<1@copier>", "\r\n <1@copier>", "<1@[10.0.0.1]> (ours)", "<a..b.@c_d>", "<\"a\"@b>", "<d\u{f6}r@b>"] {
            assert_eq!(judge(good.as_bytes()), Verdict::Good, "{good:?}");
        }
        assert_eq!(judge(b" 1@copier "), Verdict::Bare("1@copier".into()));
        for broken in [
            "",
            "12345",
            "<12345>",
            "<@b>",
            "<a@>",
            "<a@b@c>",
            "<a @b>",
            "<a@b> <c@d>",
            "<a@b",
            "a@b>",
            "<<a@b>>",
            "a@b, c@d",
            "a b@c",
            "<a(@b>",
        ] {
            assert_eq!(judge(broken.as_bytes()), Verdict::Broken, "{broken:?}");
        }
        assert_eq!(judge(b"<\xfc@b>"), Verdict::Broken);
        assert_eq!(judge(format!("<{}@b>", "a".repeat(900)).as_bytes()), Verdict::Broken);
    }
}
