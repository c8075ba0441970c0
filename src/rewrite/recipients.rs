//! To and Cc: whom the message says it is for. Who gets it is the envelope's affair.

use crate::message::{Field, HeaderBlock, Repair, Repairs};

use super::fields::{Found, Kind};
use super::lines;
use super::plan::{Change, Line};

/// What becomes of To and Cc. One of both is left (RFC 5322 section 3.6 does not ask for it, but filters do), and there
/// is one field of each (Gmail refuses more): all addresses stay, in their order.
pub(super) fn plan<'a>(header: &'a HeaderBlock, found: &Found<'a>, repairs: &mut Repairs) -> (Change<'a>, Change<'a>) {
    let named = |kind: Kind| found.of(kind).count > 0 && header.fields().any(|field| Kind::of(&field) == kind && names_somebody(&field));
    let (to, cc) = (named(Kind::To), named(Kind::Cc));
    if !to && !cc {
        repairs.note(Repair::NoTo);
        return (Change::Put(Line::Nobody), Change::Remove);
    }
    (one(header, found, Kind::To, to, repairs), one(header, found, Kind::Cc, cc, repairs))
}

fn one<'a>(header: &'a HeaderBlock, found: &Found<'a>, kind: Kind, named: bool, repairs: &mut Repairs) -> Change<'a> {
    let seen = found.of(kind);
    repairs.note_if(seen.count > 1, Repair::RepeatedField);
    if !named {
        // A list must not be empty (RFC 5322 section 3.4).
        repairs.note_if(seen.count > 0, Repair::NoTo);
        return Change::Remove;
    }
    if seen.count == 1 { Change::Keep } else { Change::Put(Line::Octets(joined(header, kind))) }
}

/// Whether there is more than what stands between addresses.
fn names_somebody(field: &Field<'_>) -> bool {
    field.value.iter().any(|octet| !is_between(octet) && !matches!(octet, b'<' | b'>'))
}

fn is_between(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b',' | b';')
}

/// All fields of a kind as one. What each says stays as it is but for the white space and commas around it, and for
/// folds where those make a line too long.
fn joined(header: &HeaderBlock, kind: Kind) -> Vec<u8> {
    let mut line = Vec::new();
    for field in header.fields().filter(|field| Kind::of(field) == kind && names_somebody(field)) {
        if line.is_empty() {
            line.extend_from_slice(field.name);
            line.extend_from_slice(b": ");
        } else {
            line.extend_from_slice(b",\r\n ");
        }
        line.extend_from_slice(within(field.value));
    }
    line.extend_from_slice(b"\r\n");
    lines::fit(&line)
}

/// A list without what stands before its first and behind its last address. A semicolon at its end may end a group.
fn within(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|octet| !is_between(octet)).unwrap_or(value.len());
    let end = value.iter().rposition(|octet| !is_between(octet) || *octet == b';').map_or(start, |last| last + 1);
    &value[start..end.max(start)]
}
