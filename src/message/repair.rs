//! What was wrong with a message, and was mended.
//!
//! Each kind has one name, in log, queue and metrics alike. Noticing and mending are done elsewhere: line ends where
//! content is read, the shape of a message where it is split, everything else where its header is rewritten.

use std::collections::BTreeSet;
use std::fmt;

/// One kind of thing that devices get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repair {
    /// Lines ended in LF alone.
    BareLf,
    /// Lines ended in CR alone.
    BareCr,
    /// Lines ended in several CRs and an LF.
    ExtraCr,
    /// An mbox `From ` line stood first; it was dropped.
    MboxLine,
    /// The empty line between header and body was missing; so it is when there is no header.
    NoSeparator,
    /// There was no From.
    NoFrom,
    /// There were several From fields, or several addresses in one.
    SeveralFrom,
    /// From held no address.
    BrokenFrom,
    /// There was no To and no Cc, or one of them was empty.
    NoTo,
    /// A field that may stand once (RFC 5322 section 3.6) stood there several times.
    RepeatedField,
    /// There was no Date.
    NoDate,
    /// Date could not be read, or came from a clock that was never set.
    BrokenDate,
    /// There was no Message-ID.
    NoMessageId,
    /// Message-ID had no form that others accept.
    BrokenMessageId,
    /// There was no MIME-Version although other fields need it.
    NoMimeVersion,
    /// The header held raw octets above 127, or Japanese in escape sequences; they were encoded.
    RawHeader,
    /// A line of the header was longer than 998 octets; it was folded.
    LongHeaderLine,
    /// A folded line of the header was only white space; it was left out.
    BlankHeaderLine,
    /// The header held NULs or other control octets; they were removed.
    HeaderControls,
    /// The body has octets above 127 and the header did not say in which charset, or that they are there.
    UndeclaredBody,
    /// The body had lines longer than 998 octets; they were encoded or folded.
    LongBodyLine,
    /// The body held NULs; they were encoded.
    BodyNul,
    /// The body has long lines or NULs where nothing may be changed; it passed as it was, and the upstream may refuse it.
    UnmendableBody,
}

impl Repair {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 23] = [
        Self::BareLf,
        Self::BareCr,
        Self::ExtraCr,
        Self::MboxLine,
        Self::NoSeparator,
        Self::NoFrom,
        Self::SeveralFrom,
        Self::BrokenFrom,
        Self::NoTo,
        Self::RepeatedField,
        Self::NoDate,
        Self::BrokenDate,
        Self::NoMessageId,
        Self::BrokenMessageId,
        Self::NoMimeVersion,
        Self::RawHeader,
        Self::LongHeaderLine,
        Self::BlankHeaderLine,
        Self::HeaderControls,
        Self::UndeclaredBody,
        Self::LongBodyLine,
        Self::BodyNul,
        Self::UnmendableBody,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BareLf => "bare-lf",
            Self::BareCr => "bare-cr",
            Self::ExtraCr => "extra-cr",
            Self::MboxLine => "mbox-line",
            Self::NoSeparator => "no-separator",
            Self::NoFrom => "no-from",
            Self::SeveralFrom => "several-from",
            Self::BrokenFrom => "broken-from",
            Self::NoTo => "no-to",
            Self::RepeatedField => "repeated-field",
            Self::NoDate => "no-date",
            Self::BrokenDate => "broken-date",
            Self::NoMessageId => "no-message-id",
            Self::BrokenMessageId => "broken-message-id",
            Self::NoMimeVersion => "no-mime-version",
            Self::RawHeader => "raw-header",
            Self::LongHeaderLine => "long-header-line",
            Self::BlankHeaderLine => "blank-header-line",
            Self::HeaderControls => "header-controls",
            Self::UndeclaredBody => "undeclared-body",
            Self::LongBodyLine => "long-body-line",
            Self::BodyNul => "body-nul",
            Self::UnmendableBody => "unmendable-body",
        }
    }

    /// The kind with this name; none if this program does not know it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|repair| repair.name() == name)
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was mended in one message: each kind once, however often it occurred.
///
/// They only inform. So names that this program does not know are passed over when they are read: a message that was stored by
/// another version must not become unreadable because of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Vec<String>")]
pub struct Repairs(BTreeSet<Repair>);

impl From<Vec<String>> for Repairs {
    fn from(names: Vec<String>) -> Self {
        names.iter().filter_map(|name| Repair::named(name)).collect()
    }
}

impl Repairs {
    /// Nothing had to be mended.
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Notes a repair.
    pub fn note(&mut self, repair: Repair) {
        self.0.insert(repair);
    }

    /// Notes a repair when there was one.
    pub fn note_if(&mut self, there: bool, repair: Repair) {
        if there {
            self.note(repair);
        }
    }

    /// Notes all of them.
    pub fn extend(&mut self, others: &Self) {
        self.0.extend(&others.0);
    }

    /// Whether nothing had to be mended.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this was among what was mended.
    pub fn contains(&self, repair: Repair) -> bool {
        self.0.contains(&repair)
    }

    /// Each kind, in the order of [`Repair::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Repair> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Repair> for Repairs {
    fn from_iter<I: IntoIterator<Item = Repair>>(repairs: I) -> Self {
        Self(repairs.into_iter().collect())
    }
}

/// Names with commas between them: `bare-lf, no-date`.
impl fmt::Display for Repairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, repair) in self.iter().enumerate() {
            write!(f, "{}{repair}", if number == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_words_and_in_the_spool() {
        for repair in Repair::ALL {
            assert_eq!(serde_json::to_value(repair).unwrap(), repair.name());
        }
        assert!(Repair::ALL.is_sorted(), "the order of the names is that of the kinds");
        let repairs = Repairs::from_iter([Repair::NoDate, Repair::BareLf, Repair::NoDate]);
        assert_eq!(repairs.to_string(), "bare-lf, no-date");
        assert_eq!(serde_json::to_string(&repairs).unwrap(), r#"["bare-lf","no-date"]"#);
    }

    #[test]
    fn names_of_another_version_are_passed_over() {
        let repairs: Repairs = serde_json::from_str(r#"["of-tomorrow","no-date","bare-lf"]"#).unwrap();
        assert_eq!(repairs, Repairs::from_iter([Repair::BareLf, Repair::NoDate]));
        assert_eq!(serde_json::from_value::<Repairs>(serde_json::to_value(&repairs).unwrap()).unwrap(), repairs);
    }

    #[test]
    fn each_is_documented() {
        let lines = include_str!("../../docs/repairs.md").lines();
        let names: Vec<&str> = lines.filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(name, _)| name).collect();
        assert_eq!(names, Repair::ALL.map(Repair::name), "docs/repairs.md has a row for each repair, in the same order");
    }
}
