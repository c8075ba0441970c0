//! `MAILFERRY_…` variables, applied to the tree before it is read.
//!
//! `MAILFERRY_ACCOUNTS__OFFICE__MAILBOX` is the key `mailbox` of `office` under `accounts`: two underscores between
//! keys, letters of any case, `_` also for the `-` and `.` of a name, list members by number from 0. What a variable
//! sets has the variable's name as its place.

use std::collections::BTreeSet;

use super::problem::Place;
use super::reader::Reader;
use super::rule::Rule;
use super::yaml::{Key, Node, Value};

const PREFIX: &str = "MAILFERRY_";
/// Keys that one name may go down; the configuration needs five, and setting recurses once a key.
const DEEPEST: usize = 16;
/// The variable that holds the whole text.
pub(super) const WHOLE: &str = "MAILFERRY_CONFIG";

/// Applies all overriding variables.
pub(super) fn apply(tree: &mut Node, reader: &Reader<'_>) {
    let mut overrides = collect(tree, reader);
    // Members of a list in their order, so that 10 comes behind 9.
    overrides.sort_by_key(|(_, segments, _)| segments.iter().map(|s| (s.parse::<u32>().unwrap_or(0), s.clone())).collect::<Vec<_>>());
    for (name, segments, value) in overrides {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let Err(rule) = set(tree, &segments, &name, value) {
            reader.note(&Place::Variable(name), "", rule);
        }
    }
}

/// Name, keys and value of each variable that overrides something.
fn collect(tree: &Node, reader: &Reader<'_>) -> Vec<(String, Vec<String>, String)> {
    let mut named = BTreeSet::new();
    named_by_secrets(tree, &mut named);
    let variables = &reader.surroundings.variables;
    for (name, value) in variables {
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.to_uppercase().ends_with("__ENV")) {
            named.extend(value.to_str());
        }
    }
    let mut found = Vec::new();
    for (name, value) in variables {
        let Some((name, keys)) = name.to_str().and_then(|name| Some((name, name.strip_prefix(PREFIX)?))) else { continue };
        if name == WHOLE || named.contains(name) || is_service_link(keys) {
            continue;
        }
        match value.to_str() {
            Some(_) if keys.split("__").count() > DEEPEST => reader.note(&Place::Variable(name.to_owned()), "", Rule::TooComplex),
            Some(value) => found.push((name.to_owned(), keys.split("__").map(str::to_lowercase).collect(), value.to_owned())),
            None => reader.note(&Place::Variable(name.to_owned()), "", Rule::VariableText),
        }
    }
    found
}

/// The names in `{ env: NAME }`: such a variable may be called `MAILFERRY_…` and is no override.
fn named_by_secrets<'t>(node: &'t Node, names: &mut BTreeSet<&'t str>) {
    match &node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::List(items) => items.iter().for_each(|item| named_by_secrets(item, names)),
        Value::Map(pairs) => {
            for (key, value) in pairs {
                match &value.value {
                    Value::Scalar(name) if key.text == "env" => {
                        names.insert(name);
                    }
                    Value::Null | Value::Scalar(_) | Value::List(_) | Value::Map(_) => named_by_secrets(value, names),
                }
            }
        }
    }
}

/// Whether Kubernetes (or Docker's links) made the variable for a service that is called mailferry too:
/// `MAILFERRY_SERVICE_HOST`, `MAILFERRY_SMTP_PORT_25_TCP_ADDR`, …
fn is_service_link(keys: &str) -> bool {
    let link = |part: &str| keys == part || keys.ends_with(&format!("_{part}")) || keys.starts_with(&format!("{part}_"));
    !keys.contains("__")
        && (["SERVICE_HOST", "SERVICE_PORT", "PORT"].into_iter().any(link) || keys.contains("_SERVICE_PORT_") || keys.contains("_PORT_"))
}

/// Sets the value at the end of `keys`, making what is missing on the way.
fn set(node: &mut Node, keys: &[&str], name: &str, value: String) -> Result<(), Rule> {
    let place = || Place::Variable(name.to_owned());
    let Some((first, rest)) = keys.split_first() else {
        *node = Node { place: place(), value: Value::Scalar(value) };
        return Ok(());
    };
    if matches!(node.value, Value::Null | Value::Scalar(_)) {
        let is_number = first.parse::<usize>().is_ok();
        *node = Node { place: place(), value: if is_number { Value::List(Vec::new()) } else { Value::Map(Vec::new()) } };
    }
    let empty = || Node { place: place(), value: Value::Null };
    match &mut node.value {
        Value::List(items) => {
            let length = items.len();
            let index = first.parse::<usize>().ok().filter(|index| *index <= length);
            let index = index.ok_or_else(|| Rule::VariableIndex { index: (*first).to_owned(), length })?;
            if index == length {
                items.push(empty());
            }
            set(&mut items[index], rest, name, value)
        }
        Value::Map(pairs) => {
            let fits: Vec<usize> = (0..pairs.len()).filter(|index| same(&pairs[*index].0.text, first)).collect();
            let index = match fits[..] {
                [] => {
                    pairs.push((Key { text: (*first).to_owned(), place: place() }, empty()));
                    pairs.len() - 1
                }
                [index] => index,
                [..] => return Err(Rule::VariableAmbiguous { keys: fits.iter().map(|index| pairs[*index].0.text.clone()).collect() }),
            };
            set(&mut pairs[index].1, rest, name, value)
        }
        // Both have become a list or a mapping above.
        Value::Null | Value::Scalar(_) => Ok(()),
    }
}

/// Whether a part of a variable's name, in lower case, means this key.
fn same(key: &str, part: &str) -> bool {
    let plain = |c: char| if matches!(c, '-' | '.' | ' ') { '_' } else { c.to_ascii_lowercase() };
    key.chars().map(plain).eq(part.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_an_orchestrator_makes_are_left_alone() {
        for link in ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_SMTP", "PORT", "PORT_2525_TCP_ADDR", "SMTP_SERVICE_HOST", "SMTP_PORT"] {
            assert!(is_service_link(link), "{link}");
        }
        for ours in ["HOSTNAME", "ACCOUNTS__OFFICE__PORT", "ACCOUNTS__OFFICE__TLS__MODE", "DATA_DIR", "REPORT"] {
            assert!(!is_service_link(ours), "{ours}");
        }
    }
}
