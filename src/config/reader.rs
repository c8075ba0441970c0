//! Walks the tree: hands out fields by name, reads single values, and collects every problem on the way.
//!
//! A value that is wrong is noted and read as `None`, so that reading goes on; nobody may build anything from
//! what was read before the problems that [`Reader::found`] gives turned out to be empty.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::problem::{Place, Problem};
use super::rule::{Rule, nearest};
use super::surroundings::Surroundings;
use super::tables;
use super::yaml::{Key, Node, Value};

/// What reading needs, and what it finds wrong.
pub(super) struct Reader<'a> {
    pub(super) surroundings: &'a Surroundings,
    /// Relative paths in the configuration are relative to this folder.
    folder: PathBuf,
    renamed: &'a [tables::Renamed],
    problems: RefCell<Vec<Problem>>,
    notices: RefCell<Vec<Problem>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(surroundings: &'a Surroundings, folder: &Path) -> Self {
        Self {
            surroundings,
            folder: folder.to_owned(),
            renamed: tables::RENAMED,
            problems: RefCell::default(),
            notices: RefCell::default(),
        }
    }

    /// Notes that a rule is broken.
    pub(super) fn note(&self, place: &Place, path: &str, rule: Rule) {
        self.problems.borrow_mut().push(Problem::new(place.clone(), path, rule));
    }

    /// Keeps what a person should know although nothing is wrong.
    pub(super) fn tell(&self, place: &Place, path: &str, rule: Rule) {
        self.notices.borrow_mut().push(Problem::new(place.clone(), path, rule));
    }

    /// All that was noted, and all that is only to be told.
    pub(super) fn found(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.notices.into_inner())
    }

    /// A path of the configuration, made independent of where the program was started.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }
}

/// A value together with what it is called: `accounts.office.mailbox`.
#[derive(Clone)]
pub(super) struct Field<'t> {
    pub(super) path: String,
    pub(super) node: &'t Node,
}

impl<'t> Field<'t> {
    pub(super) fn root(node: &'t Node) -> Self {
        Self { path: String::new(), node }
    }

    /// Notes that this value breaks a rule.
    pub(super) fn note(&self, reader: &Reader<'_>, rule: Rule) {
        reader.note(&self.node.place, &self.path, rule);
    }

    /// Keeps what a person should know of this value although it breaks no rule.
    pub(super) fn tell(&self, reader: &Reader<'_>, rule: Rule) {
        reader.tell(&self.node.place, &self.path, rule);
    }

    fn child(&self, key: &Key, node: &'t Node) -> Self {
        Self { path: join(&self.path, &key.text), node }
    }

    fn wrong_type(&self, reader: &Reader<'_>, expected: &'static str) {
        self.note(reader, Rule::WrongType { expected, found: self.node.value.kind() });
    }

    /// The value as text.
    pub(super) fn text(&self, reader: &Reader<'_>) -> Option<&'t str> {
        match &self.node.value {
            Value::Scalar(text) if !text.trim().is_empty() => Some(text.trim()),
            Value::Scalar(_) | Value::Null => {
                self.note(reader, Rule::WrongType { expected: "a value", found: "nothing" });
                None
            }
            Value::List(_) | Value::Map(_) => {
                self.wrong_type(reader, "a single value");
                None
            }
        }
    }

    /// The items of a list; a single value counts as a list of one. A variable's text is split at commas and spaces.
    pub(super) fn items(&self, reader: &Reader<'_>) -> Vec<Item<'t>> {
        match (&self.node.value, &self.node.place) {
            (Value::Null, _) => Vec::new(),
            (Value::List(nodes), _) => nodes
                .iter()
                .enumerate()
                .filter_map(|(index, node)| {
                    let field = Field { path: format!("{}[{index}]", self.path), node };
                    field.text(reader).map(|text| Item { text, field })
                })
                .collect(),
            (Value::Scalar(text), Place::Variable(_)) => {
                let separate = |c: char| c == ',' || c.is_whitespace();
                text.split(separate).filter(|item| !item.is_empty()).map(|text| Item { text, field: self.clone() }).collect()
            }
            (Value::Scalar(_), _) => self.text(reader).map(|text| Item { text, field: self.clone() }).into_iter().collect(),
            (Value::Map(_), _) => {
                self.wrong_type(reader, "a list");
                Vec::new()
            }
        }
    }

    /// The members of a list of mappings.
    pub(super) fn members(&self, reader: &Reader<'_>) -> Vec<Field<'t>> {
        match &self.node.value {
            Value::List(nodes) => {
                let member = |(index, node)| Field { path: format!("{}[{index}]", self.path), node };
                nodes.iter().enumerate().map(member).collect()
            }
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::Map(_) => {
                self.wrong_type(reader, "a list (lines that begin with `- `)");
                Vec::new()
            }
        }
    }

    /// The pairs of a mapping whose keys are names that the user chooses.
    pub(super) fn named(&self, reader: &Reader<'_>) -> Vec<(&'t Key, Field<'t>)> {
        match &self.node.value {
            Value::Map(pairs) => pairs.iter().map(|(key, node)| (key, self.child(key, node))).collect(),
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::List(_) => {
                self.wrong_type(reader, "a mapping (lines of `key: value`)");
                Vec::new()
            }
        }
    }

    /// Whether there is nothing in it: no value, `[]` or `{}`.
    pub(super) fn is_empty(&self) -> bool {
        match &self.node.value {
            Value::Null => true,
            Value::Scalar(_) => false,
            Value::List(items) => items.is_empty(),
            Value::Map(pairs) => pairs.is_empty(),
        }
    }

    /// The mapping with these keys and no others; each key that is not known, or not yet, is noted.
    pub(super) fn section(&self, reader: &Reader<'_>, keys: &'static [&'static str]) -> Section<'t> {
        let (mut pairs, mut meant, mut whole) = (Vec::new(), Vec::new(), true);
        for (key, field) in self.named(reader) {
            if keys.contains(&key.text.as_str()) {
                pairs.push((key.text.as_str(), field));
            } else {
                whole = false;
                meant.extend(nearest(&key.text, keys.iter().copied()));
                refuse_key(reader, key, &field, keys);
            }
        }
        Section { path: self.path.clone(), place: self.node.place.clone(), pairs, meant, whole }
    }
}

/// Notes what is wrong with a key that is not among those known at its place.
fn refuse_key(reader: &Reader<'_>, key: &Key, field: &Field<'_>, keys: &'static [&'static str]) {
    let general = tables::general(&field.path);
    if let Some(later) = tables::LATER.iter().find(|later| later.path == general) {
        // Empty, it asks for nothing.
        if !field.is_empty() {
            let (what, instead) = (format!("`{}`", key.text), later.instead);
            if later.harmless {
                reader.tell(&key.place, &field.path, Rule::Ignored { what, instead });
            } else {
                reader.note(&key.place, &field.path, Rule::NotYet { what, instead });
            }
        }
        return;
    }
    let rule = match reader.renamed.iter().find(|renamed| renamed.old == general) {
        Some(renamed) => Rule::RenamedKey { new: renamed.new },
        None => Rule::UnknownKey { nearest: nearest(&key.text, keys.iter().copied()), known: keys.to_vec() },
    };
    reader.note(&key.place, &field.path, rule);
}

/// One item of a list, and the field to blame when it is wrong.
pub(super) struct Item<'t> {
    pub(super) text: &'t str,
    pub(super) field: Field<'t>,
}

/// A mapping whose keys are known.
pub(super) struct Section<'t> {
    pub(super) path: String,
    pub(super) place: Place,
    pairs: Vec<(&'t str, Field<'t>)>,
    /// Keys that were probably meant by unknown ones: they are not missing as well.
    meant: Vec<String>,
    /// Every key was known.
    whole: bool,
}

impl<'t> Section<'t> {
    /// The field of this name; a key without a value counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Field<'t>> {
        let (_, field) = self.pairs.iter().find(|(name, _)| *name == key)?;
        (field.node.value != Value::Null).then_some(field)
    }

    /// Whether every key was known. Otherwise nobody can say what the section was to be as a whole.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The field of this name, or a note that it is missing, with the line to add.
    pub(super) fn require(&self, reader: &Reader<'_>, key: &'static str, example: &str) -> Option<&Field<'t>> {
        let field = self.get(key);
        if field.is_none() && !self.meant.iter().any(|meant| meant == key) {
            reader.note(&self.place, &self.path, Rule::Missing { key, example: format!("{key}: {example}") });
        }
        field
    }

    /// A field read by `read`, or the default when it is absent (or wrong, which is noted).
    pub(super) fn or<T>(&self, key: &str, default: T, read: impl FnOnce(&Field<'t>) -> Option<T>) -> T {
        self.get(key).and_then(read).unwrap_or(default)
    }

    /// Another section inside this one; an empty one when the key is absent.
    pub(super) fn inner(&self, reader: &Reader<'_>, key: &str, keys: &'static [&'static str]) -> Section<'t> {
        match self.get(key) {
            Some(field) => field.section(reader, keys),
            None => Section { path: join(&self.path, key), place: self.place.clone(), pairs: Vec::new(), meant: Vec::new(), whole: true },
        }
    }

    /// Notes that these keys have no effect, where they are set.
    pub(super) fn useless(&self, reader: &Reader<'_>, keys: &[&str], because: &str) {
        for field in keys.iter().filter_map(|key| self.get(key)) {
            field.note(reader, Rule::Useless { because: because.to_owned() });
        }
    }
}

fn join(path: &str, key: &str) -> String {
    // A key is text from outside.
    let key: String = key.chars().take(80).flat_map(char::escape_debug).collect();
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn a_renamed_key_tells_its_new_name() {
        let surroundings = Surroundings::default();
        let mut reader = Reader::new(&surroundings, Path::new("."));
        reader.renamed = &[tables::Renamed { old: "listeners[].bind", new: "address" }];
        let tree = yaml::parse("listeners:\n  - bind: 127.0.0.1:25\n").unwrap();
        let listeners = Field::root(&tree).section(&reader, &["listeners"]);
        for member in listeners.get("listeners").unwrap().members(&reader) {
            member.section(&reader, &["address"]);
        }
        let problems = reader.found().0;
        assert_eq!(problems[0].to_string(), "2:5: listeners[0].bind: this key has a new name\n    write `address`");
    }
}
