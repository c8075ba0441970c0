//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;

use super::rule::Rule;

/// Problems that are shown at once: a file with more of them is not a configuration of ours.
const SHOWN: usize = 100;

/// Where a key or value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the YAML text; both counted from 1, the column in characters.
    File {
        /// The line.
        line: u64,
        /// The column.
        column: u64,
    },
    /// In an environment variable of this name.
    Variable(String),
    /// Nowhere in particular.
    Whole,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Of which key, as in `accounts.office.mailbox`; empty when it concerns the whole text.
    pub path: String,
    /// The name of the rule that is broken, for tests and programs: `UnknownKey`.
    pub rule: &'static str,
    /// What was found and what the rule is, in one line.
    pub message: String,
    /// What to do, one or several lines.
    pub remedy: String,
}

impl Problem {
    pub(super) fn new(place: Place, path: &str, rule: Rule) -> Self {
        let (message, remedy) = rule.words();
        Self { place, path: path.to_owned(), rule: rule.name(), message, remedy }
    }

    fn write(&self, source: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { line, column } if source.is_empty() => write!(f, "{line}:{column}: ")?,
            Place::File { line, column } => write!(f, "{source}:{line}:{column}: ")?,
            Place::Variable(name) => write!(f, "{name}: ")?,
            Place::Whole if source.is_empty() => {}
            Place::Whole => write!(f, "{source}: ")?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.remedy.lines().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write("", f)
    }
}

/// All that is wrong with one configuration, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// What the text is called: a path, or `MAILFERRY_CONFIG`.
    pub source: String,
    /// At least one.
    pub list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(source: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by(|a, b| a.place.cmp(&b.place));
        Self { source: source.to_owned(), list }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.write(&self.source, f)?;
        }
        match self.list.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Problems {}
