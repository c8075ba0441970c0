//! Patterns for addresses, as rules write them.

/// An address with `*` for any run of characters; the case of letters does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as the configuration writes it.
    pub fn new(text: &str) -> Self {
        Self(lower(text))
    }

    /// Whether the whole of `text` matches. Takes time in proportion to the text: each piece between two
    /// stars is looked for once, and where it is found first is always good enough.
    pub fn matches(&self, text: &str) -> bool {
        let text = lower(text);
        let Some((head, behind)) = self.0.split_once('*') else { return self.0 == text };
        let (middle, tail) = behind.rsplit_once('*').unwrap_or(("", behind));
        let Some(rest) = text.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)) else { return false };
        let mut pieces = middle.split('*');
        pieces.try_fold(rest, |rest, piece| rest.find(piece).map(|at| &rest[at + piece.len()..])).is_some()
    }
}

/// The text of the pattern, in lower case.
impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letter by letter, so that where a letter stands makes no difference.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = Pattern::new(pattern);
        matching.iter().for_each(|text| assert!(pattern.matches(text), "{pattern:?} must match {text:?}"));
        others.iter().for_each(|text| assert!(!pattern.matches(text), "{pattern:?} must not match {text:?}"));
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        check("*@old.local", &["a@old.local", "A.B@OLD.local", "@old.local"], &["a@old.local.evil", "old.local", "a@cold.local"]);
        check("scan*@*.test", &["scanner@a.test", "scan@b.c.test"], &["scan@test", "xscan@a.test", "scan.test"]);
        check("*", &["", "anything", "a@b"], &[]);
        check("**a**", &["a", "bab"], &["", "b"]);
        check("a*a", &["aa", "aba"], &["a", ""]);
        check("a*b*b", &["abb", "axbxb"], &["ab", "b"]);
        check("info@contoso.com", &["INFO@Contoso.com"], &["xinfo@contoso.com", "info@contoso.comx", ""]);
        check("", &[""], &["a"]);
        check("D\u{d6}R@*", &["d\u{f6}r@b"], &["dor@b"]);
    }

    #[test]
    fn takes_linear_time() {
        assert!(!Pattern::new(&"a*".repeat(200)).matches(&"a".repeat(199)));
        assert!(!Pattern::new(&format!("{}b", "*a".repeat(500))).matches(&"a".repeat(50_000)));
    }

    /// What a pattern means, said as plainly as possible.
    fn meaning(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some((b'*', rest)), _) => (0..=text.len()).any(|at| meaning(rest, &text[at..])),
            (Some((a, rest)), Some((b, behind))) => a == b && meaning(rest, behind),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn means_what_it_says(pattern in "[ab*]{0,7}", text in "[ab]{0,9}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), meaning(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
