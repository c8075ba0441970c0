//! YAML text in, a tree with the place of every key and value out.
//!
//! The tree knows nothing of the configuration's keys. A scalar stays the text that was written: whether `0123`
//! is a number or a password is for the reader to know, not for YAML's guesses.
//!
//! Always true of a tree: no mapping holds a key twice; it is at most [`DEPTH`] deep; aliases and merges (`<<`)
//! are replaced by what they stand for, and what they may grow to is bounded.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned, UserMessageFormatter};

use super::problem::{Place, Problem};
use super::rule::Rule;

/// Levels of nesting. The configuration needs seven; reading recurses once a level.
const DEPTH: usize = 32;
/// Nodes of one file, aliases replaced: a file of the largest size with one node in ten octets.
const NODES: usize = 100_000;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text as it was written, quotes and escapes undone.
    Scalar(String),
    /// `- a` or `[a]`.
    List(Vec<Node>),
    /// `a: b` or `{a: b}`.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Value {
    /// What it is, in words for a person.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads one YAML document.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    // Editors on Windows write a byte order mark; the parser would count it into its offsets.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! { max_depth: DEPTH, max_nodes: NODES, max_events: 3 * NODES, max_aliases: 1_000 },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: NODES },
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    match serde_yaml::from_str_with_options::<Raw>(text, options) {
        Ok(Raw(raw)) => Ok(located(raw, text)),
        Err(error) => Err(refused(&error)),
    }
}

/// The parser's complaint as a problem of ours.
fn refused(error: &serde_yaml::Error) -> Problem {
    let place = error.location().map_or(Place::Whole, place_of);
    let rule = match original(error) {
        serde_yaml::Error::DuplicateMappingKey { key, .. } => Rule::DuplicateKey { key: key.clone().unwrap_or_default() },
        serde_yaml::Error::Budget { .. }
        | serde_yaml::Error::AliasReplayLimitExceeded { .. }
        | serde_yaml::Error::AliasExpansionLimitExceeded { .. }
        | serde_yaml::Error::AliasReplayStackDepthExceeded { .. } => Rule::TooComplex,
        other => {
            let said = other.render_with_formatter(&UserMessageFormatter);
            // The place is told in front of the line already.
            let said = said.split(" at line ").next().unwrap_or_default().lines().next().unwrap_or_default();
            Rule::Syntax { said: said.trim().trim_end_matches('.').to_owned() }
        }
    };
    Problem::new(place, "", rule)
}

/// What is behind the wrappers that tell of an alias or show a piece of the text.
fn original(mut error: &serde_yaml::Error) -> &serde_yaml::Error {
    while let serde_yaml::Error::AliasError { error: inner, .. } | serde_yaml::Error::WithSnippet { error: inner, .. } = error {
        error = inner;
    }
    error
}

fn place_of(location: Location) -> Place {
    Place::File { line: location.line(), column: location.column() }
}

/// What the deserializer makes of a node: a scalar that YAML takes for a number or a truth value is looked up
/// in the source text afterwards, so that nothing of what was written is lost.
#[derive(Deserialize)]
#[serde(transparent)]
struct Raw(Spanned<RawValue>);

enum RawValue {
    Null,
    Text(String),
    Guessed(String),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

fn located(raw: Spanned<RawValue>, text: &str) -> Node {
    let written = || {
        let span = raw.defined.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
        text.get(start..end).map(|written| written.trim_end().to_owned())
    };
    let place = place_of(raw.defined);
    let value = match raw.value {
        RawValue::Null => Value::Null,
        RawValue::Text(text) => Value::Scalar(text),
        RawValue::Guessed(guess) => Value::Scalar(written().unwrap_or(guess)),
        RawValue::List(items) => Value::List(items.into_iter().map(|Raw(item)| located(item, text)).collect()),
        RawValue::Map(pairs) => {
            let pair =
                |(key, Raw(value)): (Spanned<String>, Raw)| (Key { text: key.value, place: place_of(key.defined) }, located(value, text));
            Value::Map(pairs.into_iter().map(pair).collect())
        }
    };
    Node { place, value }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_unit<E: de::Error>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(text.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Guessed(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Guessed(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Guessed(value.to_string()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<RawValue, E> {
        Ok(RawValue::Guessed(value.to_string()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<RawValue, E> {
        Ok(RawValue::Guessed(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Guessed(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(RawValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawValue, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(RawValue::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(node: &Node) -> String {
        let place = match &node.place {
            Place::File { line, column } => format!("{line}:{column}"),
            other => format!("{other:?}"),
        };
        match &node.value {
            Value::Null => format!("null@{place}"),
            Value::Scalar(text) => format!("{text:?}@{place}"),
            Value::List(items) => format!("[{}]@{place}", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Value::Map(pairs) => {
                let pair = |(key, value): &(Key, Node)| match &key.place {
                    Place::File { line, column } => format!("{}@{line}:{column}: {}", key.text, shown(value)),
                    other => format!("{other:?}"),
                };
                format!("{{{}}}@{place}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
        }
    }

    #[test]
    fn every_key_and_value_has_its_place() {
        let tree = parse("a: 1\nb:\n  - x\n  - c: 'y'\n").unwrap();
        assert_eq!(shown(&tree), r#"{a@1:1: "1"@1:4, b@2:1: ["x"@3:5, {c@4:5: "y"@4:8}@4:5]@3:3}@1:1"#);
    }

    #[test]
    fn a_scalar_stays_what_was_written() {
        let tree =
            parse("[0123, 1_000, 1e3, off, no, TRUE, 0x1f, '007', .5, 12:30, ~, \"é\", 99999999999999999999999999999999999999999999]")
                .unwrap();
        let Value::List(items) = tree.value else { panic!() };
        let texts: Vec<_> = items.iter().map(|item| if let Value::Scalar(text) = &item.value { text.as_str() } else { "-" }).collect();
        let want = "0123 1_000 1e3 off no TRUE 0x1f 007 .5 12:30 - é 99999999999999999999999999999999999999999999";
        assert_eq!(texts.join(" "), want);
    }

    #[test]
    fn a_number_behind_wide_characters_and_windows_line_ends_is_found() {
        let tree = parse("\u{feff}a: ö\r\nb: 0123 # why\r\nc: 0777\r\n").unwrap();
        assert_eq!(shown(&tree), r#"{a@1:1: "ö"@1:4, b@2:1: "0123"@2:4, c@3:1: "0777"@3:4}@1:1"#);
    }

    #[test]
    fn anchors_and_merges_are_replaced() {
        let tree = parse("a: &x\n  k: 0123\nb: *x\nc:\n  <<: *x\n  l: 2\n").unwrap();
        let text = shown(&tree);
        assert_eq!(text.matches(r#""0123""#).count(), 3, "{text}");
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 9].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        assert!(parse(&text).is_err());
        assert!(parse(&"[".repeat(10_000)).is_err());
        assert!(parse(&"- ".repeat(10_000)).is_err());
        assert!(parse(&format!("a: {}", "{b: ".repeat(100))).is_err());
    }

    #[test]
    fn what_is_no_plain_tree_is_refused() {
        for bad in ["a: [1\nb: 2", "a: b: c", "a: *x", "a: 'x", "--- a\n--- b\n", "? [a]\n: b", "a: !x y", "a: 1\na: 2"] {
            let problem = parse(bad).expect_err(bad);
            assert!(matches!(problem.place, Place::File { .. }), "{problem:?}");
        }
    }
}
