//! What becomes of each field: decided whole, then written.
//!
//! A plan is made from a header whose lines are fit to travel. It knows what it mends before it writes anything, so what is
//! told at acceptance and what is done at each attempt cannot differ.

use std::borrow::Cow;

use crate::message::{Author, Field, HeaderBlock, Mailbox, Repair, Repairs, ReplyTo};

use super::body::{self, Decided};
use super::content::Content;
use super::fields::{Found, Kind, Seen, copy};
use super::ids::{self, Verdict};
use super::{Source, Subject, dates, lines, mailboxes, recipients, trace};

/// What becomes of the fields of one kind.
#[derive(Debug, Default)]
pub(super) enum Change<'a> {
    /// All of them stay.
    #[default]
    Keep,
    /// None of them stays.
    Remove,
    /// This takes the place of the first, or stands at the end of the header when there is none.
    Put(Line<'a>),
}

/// A field to be written.
#[derive(Debug)]
pub(super) enum Line<'a> {
    /// As it came.
    Came(Field<'a>),
    /// A field with one address.
    Mailbox { field: &'static str, name: Option<String>, mailbox: Cow<'a, Mailbox> },
    /// Date: when the message came.
    Arrival,
    /// Message-ID: a name that derives from the entry's.
    EntryId,
    /// To: nobody who is named.
    Nobody,
    /// These octets, with their line end; fit to travel.
    Octets(Vec<u8>),
}

impl Line<'_> {
    fn write(&self, subject: &Subject<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Came(field) => copy(field, out),
            Self::Mailbox { field, name, mailbox } => out.extend_from_slice(&mailboxes::field(field, name.as_deref(), mailbox)),
            Self::Arrival => out.extend_from_slice(&trace::date_field(subject.source.origin)),
            Self::EntryId => out.extend_from_slice(&trace::message_id_field(subject)),
            // RFC 5322 section 3.4: a group may be empty. It is what people are used to see there.
            Self::Nobody => out.extend_from_slice(b"To: undisclosed-recipients:;\r\n"),
            Self::Octets(octets) => out.extend_from_slice(octets),
        }
    }
}

/// What becomes of a header.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    header: &'a HeaderBlock,
    changes: [Change<'a>; Kind::COUNT],
    /// What was replaced, under other names.
    originals: Vec<Vec<u8>>,
    /// What becomes of the body.
    pub(super) body: Decided,
    /// All that is mended: lines, fields and body.
    pub(super) repairs: Repairs,
}

/// The order in which fields stand that the device left out.
const ORDER: [Kind; 9] = [
    Kind::Date,
    Kind::From,
    Kind::To,
    Kind::Cc,
    Kind::MessageId,
    Kind::ReplyTo,
    Kind::MimeVersion,
    Kind::ContentType,
    Kind::ContentTransferEncoding,
];

impl<'a> Plan<'a> {
    /// Decides for a header whose lines are fit.
    pub(super) fn of(lines: &'a lines::Lines, source: &Source<'a>) -> Self {
        let found = Found::in_header(&lines.header);
        let body = body::decide_for(&lines.header, source.header, source.facts);
        let mut repairs = lines.repairs.clone();
        repairs.extend(&body.repairs);
        let mut plan = Self { header: &lines.header, changes: Default::default(), originals: Vec::new(), body, repairs };
        // RFC 5322 section 3.6.3: Bcc names recipients that the others shall not see. With one From there is no need for a
        // Sender, and Microsoft refuses one that is another mailbox.
        plan.set(Kind::Bcc, Change::Remove);
        plan.set(Kind::Sender, Change::Remove);
        plan.set_author(source, &found);
        let (to, cc) = recipients::plan(plan.header, &found, &mut plan.repairs);
        plan.set(Kind::To, to);
        plan.set(Kind::Cc, cc);
        for kind in Kind::ONCE {
            plan.set_once(kind, &found.of(kind));
        }
        plan.set_date(source, &found.of(Kind::Date));
        plan.set_message_id(&found.of(Kind::MessageId));
        plan.set_once(Kind::MimeVersion, &found.of(Kind::MimeVersion));
        let content = Content::plan(&found, source, &plan.body, &mut plan.repairs);
        for (kind, change) in
            [(Kind::MimeVersion, content.version), (Kind::ContentType, content.media), (Kind::ContentTransferEncoding, content.encoding)]
        {
            if let Some(change) = change {
                plan.set(kind, change);
            }
        }
        plan
    }

    /// Writes the header block.
    pub(super) fn write(&self, subject: &Subject<'_>, out: &mut Vec<u8>) {
        let mut written = [false; Kind::COUNT];
        for field in self.header.fields() {
            let kind = Kind::of(&field) as usize;
            match self.changes.get(kind) {
                None | Some(Change::Keep) => copy(&field, out),
                Some(Change::Put(line)) if !std::mem::replace(&mut written[kind], true) => line.write(subject, out),
                Some(Change::Remove | Change::Put(_)) => {}
            }
        }
        for kind in ORDER {
            if let Change::Put(line) = &self.changes[kind as usize]
                && !written[kind as usize]
            {
                line.write(subject, out);
            }
        }
        self.originals.iter().for_each(|line| out.extend_from_slice(line));
    }

    fn set(&mut self, kind: Kind, change: Change<'a>) {
        if let Some(place) = self.changes.get_mut(kind as usize) {
            *place = change;
        }
    }

    /// Of several fields the first that says something stays: it is the one that most receivers show, and an empty one
    /// before it would hide it.
    fn set_once(&mut self, kind: Kind, seen: &Seen<'a>) {
        let Some(chosen) = seen.chosen.filter(|_| seen.count > 1) else { return };
        self.repairs.note(Repair::RepeatedField);
        self.set(kind, Change::Put(Line::Came(chosen)));
    }

    fn set_author(&mut self, source: &Source<'a>, found: &Found<'a>) {
        let seen = found.of(Kind::From);
        let author = match (seen.telling(), &source.facts.inner_from) {
            (Some(_), _) => Author::of(self.header),
            // Some devices write it into the header of the first part.
            (None, Some(inner)) => Author::read(inner.as_bytes()),
            (None, None) => Author::default(),
        };
        match seen.telling() {
            None => self.repairs.note(Repair::NoFrom),
            Some(_) => self.repairs.note_if(author.mailbox.is_none(), Repair::BrokenFrom),
        }
        self.repairs.note_if(seen.count > 1 || author.several, Repair::SeveralFrom);
        self.set(Kind::From, from(source, &seen, &author));
        let reply_to = self.reply_to(source, &found.of(Kind::ReplyTo), author);
        self.set(Kind::ReplyTo, reply_to);
    }

    /// A Reply-To that would repeat From is not added, nor one that needs SMTPUTF8 when nobody asked for that: the message
    /// would be lost for it where the upstream cannot do SMTPUTF8.
    fn reply_to(&mut self, source: &Source<'a>, seen: &Seen<'a>, author: Author) -> Change<'a> {
        self.repairs.note_if(seen.count > 1, Repair::RepeatedField);
        let keep = |field| if seen.count == 1 { Change::Keep } else { Change::Put(Line::Came(field)) };
        let useful = |mailbox: &Mailbox| *mailbox != source.identity.from && (source.envelope.smtputf8 || !mailbox.needs_smtputf8());
        match &source.identity.reply_to {
            ReplyTo::Keep => seen.chosen.map_or(Change::Keep, keep),
            ReplyTo::None => Change::Remove,
            ReplyTo::Address(mailbox) => Change::Put(Line::Mailbox { field: "Reply-To", name: None, mailbox: Cow::Borrowed(mailbox) }),
            ReplyTo::Original => {
                let mut own = self.header.fields().filter(|field| Kind::of(field) == Kind::ReplyTo);
                if let Some(field) = own.find(|field| Author::read(field.value).mailbox.is_some()) {
                    return keep(field);
                }
                let name = author.name.as_deref().and_then(mailboxes::clean);
                match author.mailbox.filter(useful) {
                    Some(mailbox) => Change::Put(Line::Mailbox { field: "Reply-To", name, mailbox: Cow::Owned(mailbox) }),
                    None => Change::Remove,
                }
            }
        }
    }

    /// A Date that cannot be read or believed makes mail look like spam, and sorts it where nobody finds it.
    fn set_date(&mut self, source: &Source<'a>, seen: &Seen<'a>) {
        let Some(telling) = seen.telling() else {
            self.repairs.note(Repair::NoDate);
            return self.set(Kind::Date, Change::Put(Line::Arrival));
        };
        self.repairs.note_if(seen.count > 1, Repair::RepeatedField);
        let mut dates = self.header.fields().filter(|field| Kind::of(field) == Kind::Date);
        match dates.find(|field| dates::is_credible(field.value, source.origin.received.as_secs())) {
            Some(_) if seen.count == 1 => {}
            Some(field) => self.set(Kind::Date, Change::Put(Line::Came(field))),
            None => {
                self.repairs.note(Repair::BrokenDate);
                self.originals.push(lines::renamed("X-Original-Date", telling.value));
                self.set(Kind::Date, Change::Put(Line::Arrival));
            }
        }
    }

    fn set_message_id(&mut self, seen: &Seen<'a>) {
        self.set_once(Kind::MessageId, seen);
        let Some(telling) = seen.telling() else {
            self.repairs.note(Repair::NoMessageId);
            return self.set(Kind::MessageId, Change::Put(Line::EntryId));
        };
        let line = match ids::judge(telling.value) {
            Verdict::Good => return,
            Verdict::Bare(id) => Line::Octets(format!("Message-ID: <{id}>\r\n").into_bytes()),
            Verdict::Broken => {
                self.originals.push(lines::renamed("X-Original-Message-ID", telling.value));
                Line::EntryId
            }
        };
        self.repairs.note(Repair::BrokenMessageId);
        self.set(Kind::MessageId, Change::Put(line));
    }
}

fn from<'a>(source: &Source<'a>, seen: &Seen<'a>, author: &Author) -> Change<'a> {
    let name = mailboxes::name(&source.identity.name, author);
    let says = |field: &Field<'_>| mailboxes::says(field, name.as_deref(), author, &source.identity.from);
    match &seen.chosen {
        Some(field) if seen.count == 1 && says(field) => Change::Keep,
        _ => Change::Put(Line::Mailbox { field: "From", name, mailbox: Cow::Borrowed(&source.identity.from) }),
    }
}
