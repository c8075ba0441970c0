//! Entries as rows, and back.
//!
//! Always true: what comes out of a row equals what went in, or there is a reason why it is damaged.

use std::borrow::Cow;
use std::path::Path;

use bytes::Bytes;
use rusqlite::Row;

use crate::clock::Timestamp;
use crate::delivery::Body;
use crate::message::{BodyFacts, Decision, EntryId, Envelope, HeaderBlock, Origin, Repairs, ReversePath};
use crate::spool::body::body_path;
use crate::spool::{Entry, NewEntry, Progress, Recipient, State, Summary};

/// What the column `message` holds: all of a message that is small and never changes. The recipients are in
/// a column of their own, with what came of them.
#[derive(serde::Serialize, serde::Deserialize)]
struct Message<'a> {
    origin: Cow<'a, Origin>,
    sender: Cow<'a, ReversePath>,
    smtputf8: bool,
    facts: Cow<'a, BodyFacts>,
    #[serde(default, skip_serializing_if = "Repairs::is_empty")]
    repairs: Cow<'a, Repairs>,
    decision: Cow<'a, Decision>,
}

/// The text of the column `message`.
pub(super) fn encode_message(entry: &NewEntry) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Message {
        origin: Cow::Borrowed(&entry.origin),
        sender: Cow::Borrowed(&entry.envelope.sender),
        smtputf8: entry.envelope.smtputf8,
        facts: Cow::Borrowed(&entry.facts),
        repairs: Cow::Borrowed(&entry.repairs),
        decision: Cow::Borrowed(&entry.decision),
    })
}

/// The recipients of a message that was never tried.
pub(super) fn untried(envelope: &Envelope) -> Vec<Recipient> {
    envelope.recipients.iter().map(|mailbox| Recipient { mailbox: mailbox.clone(), progress: Progress::Open(None) }).collect()
}

/// How many recipients are still to be delivered.
pub(super) fn count_open(recipients: &[Recipient]) -> u32 {
    let open = recipients.iter().filter(|recipient| matches!(recipient.progress, Progress::Open(_))).count();
    u32::try_from(open).unwrap_or(u32::MAX)
}

/// The column `due` of a state.
pub(super) fn due_of(state: State) -> Option<i64> {
    match state {
        State::Waiting(at) => Some(at.as_millis()),
        State::Held => None,
    }
}

fn state_of(due: Option<i64>) -> State {
    due.map_or(State::Held, |millis| State::Waiting(Timestamp::from_millis(millis)))
}

/// The key of an id: sixty bits, so that it is never negative.
pub(super) fn key(id: EntryId) -> i64 {
    i64::try_from(id.as_u64()).unwrap_or(i64::MAX)
}

/// The id of a key.
pub(super) fn id_of(key: i64) -> EntryId {
    EntryId::from_u64(u64::try_from(key).unwrap_or(0))
}

/// Columns of [`entry`], from `entries` and `contents`.
pub(super) const ENTRY: &str = "SELECT e.id, e.due, e.attempts, e.recipients, e.message, e.length, e.checksum, e.header_checksum, \
     e.in_file, c.header, c.body FROM entries e LEFT JOIN contents c ON c.id = e.id WHERE e.id = ?1";

/// Reads a whole entry and checks it. `Ok(Err(why))` when it is damaged.
pub(super) fn entry(row: &Row<'_>, bodies: &Path) -> Result<Result<Entry, String>, rusqlite::Error> {
    let id = id_of(row.get(0)?);
    let header = match row.get_ref(9)?.as_blob() {
        Ok(header) if crc32fast::hash(header) == row.get::<_, u32>(7)? => Bytes::copy_from_slice(header),
        Ok(_) => return Ok(Err("its header does not match its checksum".into())),
        Err(_) => return Ok(Err("its content is missing".into())),
    };
    let length = row.get::<_, i64>(5)?.unsigned_abs();
    let body = if row.get::<_, bool>(8)? {
        // That the disk did not answer now does not make the entry a damaged one.
        body_in_file(bodies, id, length).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?
    } else {
        let octets = row.get_ref(10)?.as_blob_or_null()?.unwrap_or(&[]);
        body_in_row(octets, length, row.get(6)?)
    };
    let body = match body {
        Ok(body) => body,
        Err(why) => return Ok(Err(why)),
    };
    let (recipients, message) = (row.get_ref(3)?.as_str()?, row.get_ref(4)?.as_str()?);
    Ok(decode(recipients, message)
        .map(|(recipients, message)| Entry {
            id,
            message: whole(message, &recipients, HeaderBlock::new(header)),
            body,
            state: state_of(row.get(1).unwrap_or(None)),
            attempts: row.get(2).unwrap_or(0),
            recipients,
        })
        .map_err(|error| format!("its row cannot be read: {error}")))
}

fn body_in_row(octets: &[u8], length: u64, checksum: u32) -> Result<Body, String> {
    if octets.len() as u64 != length {
        return Err(format!("its body has {} octets instead of {length}", octets.len()));
    }
    if crc32fast::hash(octets) != checksum {
        return Err("its body does not match its checksum".into());
    }
    Ok(Body::Memory(Bytes::copy_from_slice(octets)))
}

/// Looks whether the body file of an entry is there, with the length it had. `Ok(Err(why))` when it is damaged; an error when
/// the disk does not say.
pub(super) fn body_in_file(bodies: &Path, id: EntryId, length: u64) -> std::io::Result<Result<Body, String>> {
    let path = body_path(bodies, id);
    match std::fs::metadata(&path) {
        Ok(found) if found.len() == length => Ok(Ok(Body::File { path, length })),
        Ok(found) => Ok(Err(format!("its body file has {} octets instead of {length}", found.len()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Err("its body file is missing".into())),
        Err(error) => Err(error),
    }
}

fn decode<'a>(recipients: &str, message: &str) -> Result<(Vec<Recipient>, Message<'a>), serde_json::Error> {
    Ok((serde_json::from_str(recipients)?, serde_json::from_str(message)?))
}

/// Reads the column `recipients`.
pub(super) fn decode_recipients(text: &str) -> Result<Vec<Recipient>, rusqlite::Error> {
    serde_json::from_str(text).map_err(|error| unreadable(3, error))
}

fn unreadable(column: usize, error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

fn whole(message: Message<'_>, recipients: &[Recipient], header: HeaderBlock) -> NewEntry {
    let recipients = recipients.iter().map(|recipient| recipient.mailbox.clone()).collect();
    let envelope = Envelope { sender: message.sender.into_owned(), recipients, smtputf8: message.smtputf8 };
    NewEntry {
        origin: message.origin.into_owned(),
        envelope,
        header,
        facts: message.facts.into_owned(),
        repairs: message.repairs.into_owned(),
        decision: message.decision.into_owned(),
    }
}

/// Columns of [`summary`].
pub(super) const SUMMARY: &str = "SELECT id, due, attempts, recipients, message, size FROM entries WHERE id > ?1 ORDER BY id LIMIT ?2";

/// Reads what lists show of an entry.
pub(super) fn summary(row: &Row<'_>) -> Result<Summary, rusqlite::Error> {
    let (recipients, message) = (row.get_ref(3)?.as_str()?, row.get_ref(4)?.as_str()?);
    let (recipients, message) = decode(recipients, message).map_err(|error| unreadable(4, error))?;
    let decision = message.decision.into_owned();
    Ok(Summary {
        id: id_of(row.get(0)?),
        account: decision.account,
        from: decision.identity.from,
        origin: message.origin.into_owned(),
        size: row.get::<_, i64>(5)?.unsigned_abs(),
        state: state_of(row.get(1)?),
        attempts: row.get(2)?,
        recipients,
    })
}

/// When a message arrived, of its column `message`.
pub(super) fn received(message: &str) -> Result<Timestamp, rusqlite::Error> {
    let message: Message<'_> = serde_json::from_str(message).map_err(|error| unreadable(0, error))?;
    Ok(message.origin.received)
}
