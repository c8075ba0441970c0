//! What becomes of each field: what is there is looked at once, then each kind of field that may change has its
//! [`Change`].

use crate::message::{Author, Field, HeaderBlock, Mailbox, ReplyTo};

use super::{Subject, mailboxes, trace};

/// The fields that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    From,
    Sender,
    ReplyTo,
    Date,
    MessageId,
    /// Bcc and Resent-Bcc.
    Bcc,
    Other,
}

impl Kind {
    pub(super) fn of(field: &Field<'_>) -> Self {
        const KINDS: [(&str, Kind); 7] = [
            ("From", Kind::From),
            ("Sender", Kind::Sender),
            ("Reply-To", Kind::ReplyTo),
            ("Date", Kind::Date),
            ("Message-ID", Kind::MessageId),
            ("Bcc", Kind::Bcc),
            ("Resent-Bcc", Kind::Bcc),
        ];
        KINDS.iter().find(|(name, _)| field.is(name)).map_or(Self::Other, |&(_, kind)| kind)
    }
}

/// What the device's header holds.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    /// How many From fields there are, and the first.
    from: Option<(u32, Field<'a>)>,
    /// Whether a Reply-To has an address.
    reply_to: bool,
    /// Whether a Date says anything.
    date: bool,
    /// Whether a Message-ID says anything.
    message_id: bool,
}

impl<'a> Found<'a> {
    pub(super) fn in_header(header: &'a HeaderBlock) -> Self {
        let mut found = Self::default();
        for field in header.fields() {
            let says_something = !field.value.trim_ascii().is_empty();
            match Kind::of(&field) {
                Kind::From => found.from = Some(found.from.map_or((1, field), |(count, first)| (count + 1, first))),
                Kind::ReplyTo => found.reply_to |= says_something && Author::read(field.value).mailbox.is_some(),
                Kind::Date => found.date |= says_something,
                Kind::MessageId => found.message_id |= says_something,
                Kind::Sender | Kind::Bcc | Kind::Other => {}
            }
        }
        found
    }
}

/// What becomes of the fields of one kind.
#[derive(Debug)]
pub(super) enum Change {
    /// All of them stay.
    Keep,
    /// None of them stays.
    Remove,
    /// These octets take the place of the first, or the end of the header when there is none.
    Put(Vec<u8>),
}

impl Change {
    /// Writes what this field becomes.
    pub(super) fn write(&mut self, field: &Field<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Keep => copy(field, out),
            Self::Remove => {}
            Self::Put(line) => {
                out.extend_from_slice(line);
                *self = Self::Remove;
            }
        }
    }

    fn unless(there: bool, line: impl FnOnce() -> Vec<u8>) -> Self {
        if there { Self::Keep } else { Self::Put(line()) }
    }
}

/// What becomes of the fields that may change.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) from: Change,
    pub(super) reply_to: Change,
    pub(super) date: Change,
    pub(super) message_id: Change,
}

impl Changes {
    pub(super) fn plan(subject: &Subject<'_>, found: &Found<'_>) -> Self {
        let author = Author::of(subject.header);
        Self {
            from: from(subject, found, &author),
            reply_to: reply_to(subject, found, &author),
            date: Change::unless(found.date, || trace::date_field(subject.origin)),
            message_id: Change::unless(found.message_id, || trace::message_id_field(subject)),
        }
    }

    /// Writes the fields that have found no place: those that the device left out.
    pub(super) fn write_missing(self, out: &mut Vec<u8>) {
        for change in [self.date, self.from, self.message_id, self.reply_to] {
            if let Change::Put(line) = change {
                out.extend_from_slice(&line);
            }
        }
    }
}

fn from(subject: &Subject<'_>, found: &Found<'_>, author: &Author) -> Change {
    let name = mailboxes::name(&subject.identity.name, author);
    match &found.from {
        Some((1, field)) if mailboxes::says(field, name.as_deref(), author, &subject.identity.from) => Change::Keep,
        _ => Change::Put(mailboxes::field("From", name.as_deref(), &subject.identity.from)),
    }
}

/// A Reply-To that would repeat From is not added, nor one that needs SMTPUTF8 when nobody asked for that: the
/// message would be lost for it where the upstream cannot do SMTPUTF8.
fn reply_to(subject: &Subject<'_>, found: &Found<'_>, author: &Author) -> Change {
    let useful = |mailbox: &&Mailbox| **mailbox != subject.identity.from && (subject.envelope.smtputf8 || !mailbox.needs_smtputf8());
    match &subject.identity.reply_to {
        ReplyTo::Keep => Change::Keep,
        ReplyTo::None => Change::Remove,
        ReplyTo::Address(mailbox) => Change::Put(mailboxes::field("Reply-To", None, mailbox)),
        ReplyTo::Original if found.reply_to => Change::Keep,
        ReplyTo::Original => match author.mailbox.as_ref().filter(useful) {
            Some(mailbox) => {
                let name = author.name.as_deref().and_then(mailboxes::clean);
                Change::Put(mailboxes::field("Reply-To", name.as_deref(), mailbox))
            }
            None => Change::Remove,
        },
    }
}

/// Copies a field octet for octet, with a line end where the last one lacks it.
pub(super) fn copy(field: &Field<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(field.raw);
    if !field.raw.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}
