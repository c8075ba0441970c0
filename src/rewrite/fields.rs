//! The fields that may change, and what a header holds of them.

use crate::message::{Field, HeaderBlock};

/// The fields that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Kind {
    From,
    Sender,
    ReplyTo,
    To,
    Cc,
    /// Bcc and Resent-Bcc.
    Bcc,
    Date,
    MessageId,
    InReplyTo,
    References,
    Subject,
    MimeVersion,
    ContentType,
    ContentTransferEncoding,
    ContentDisposition,
    ContentId,
    ContentDescription,
    Other,
}

impl Kind {
    /// How many there are, [`Kind::Other`] left out.
    pub(super) const COUNT: usize = Self::Other as usize;

    /// Those that may stand in a header once and of which one says all (RFC 5322 section 3.6, RFC 2045 section 3).
    pub(super) const ONCE: [Self; 8] = [
        Self::InReplyTo,
        Self::References,
        Self::Subject,
        Self::ContentType,
        Self::ContentTransferEncoding,
        Self::ContentDisposition,
        Self::ContentId,
        Self::ContentDescription,
    ];

    const NAMES: [(&str, Self); 18] = [
        ("From", Self::From),
        ("Sender", Self::Sender),
        ("Reply-To", Self::ReplyTo),
        ("To", Self::To),
        ("Cc", Self::Cc),
        ("Bcc", Self::Bcc),
        ("Resent-Bcc", Self::Bcc),
        ("Date", Self::Date),
        ("Message-ID", Self::MessageId),
        ("In-Reply-To", Self::InReplyTo),
        ("References", Self::References),
        ("Subject", Self::Subject),
        ("MIME-Version", Self::MimeVersion),
        ("Content-Type", Self::ContentType),
        ("Content-Transfer-Encoding", Self::ContentTransferEncoding),
        ("Content-Disposition", Self::ContentDisposition),
        ("Content-ID", Self::ContentId),
        ("Content-Description", Self::ContentDescription),
    ];

    pub(super) fn of(field: &Field<'_>) -> Self {
        Self::NAMES.iter().find(|(name, _)| field.is(name)).map_or(Self::Other, |&(_, kind)| kind)
    }
}

/// What a header holds of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen<'a> {
    pub(super) count: usize,
    /// The first that says something, or the first of all.
    pub(super) chosen: Option<Field<'a>>,
    /// Some say nothing.
    pub(super) empty: bool,
}

impl<'a> Seen<'a> {
    fn note(&mut self, field: Field<'a>) {
        let empty = says_nothing(&field);
        if self.chosen.is_none_or(|chosen| says_nothing(&chosen) && !empty) {
            self.chosen = Some(field);
        }
        self.count += 1;
        self.empty |= empty;
    }

    /// The first that says something.
    pub(super) fn telling(&self) -> Option<Field<'a>> {
        self.chosen.filter(|field| !says_nothing(field))
    }
}

fn says_nothing(field: &Field<'_>) -> bool {
    field.value.trim_ascii().is_empty()
}

/// What a header holds.
#[derive(Debug, Default)]
pub(super) struct Found<'a>([Seen<'a>; Kind::COUNT]);

impl<'a> Found<'a> {
    pub(super) fn in_header(header: &'a HeaderBlock) -> Self {
        let mut found = Self::default();
        for field in header.fields() {
            if let Some(seen) = found.0.get_mut(Kind::of(&field) as usize) {
                seen.note(field);
            }
        }
        found
    }

    /// What it holds of a kind; nothing of [`Kind::Other`].
    pub(super) fn of(&self, kind: Kind) -> Seen<'a> {
        self.0.get(kind as usize).copied().unwrap_or_default()
    }
}

/// Copies a field octet for octet, with a line end where the last one lacks it.
pub(super) fn copy(field: &Field<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(field.raw);
    if !field.raw.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}
