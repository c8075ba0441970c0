//! How a body is made fit for the wire, from its header and what was noted about it. No octet of it is seen here.
//!
//! Lines of more than 998 octets and NULs are what others refuse. Text becomes quoted-printable, which leaves it readable;
//! all else, and text with many octets that would need three there, becomes base64. What is encoded already gets shorter
//! lines. What must not be changed, or could be misread then, passes as it is.
//!
//! Always true: a body that others take passes octet for octet, and so does one that was mended before.

use bytes::Bytes;

use crate::message::{
    BodyFacts, BodyPlan, ContentFields, Edit, HeaderBlock, LONGEST_LINE, Measure, Media, PartFacts, Repair, Repairs, TransferEncoding, With,
};

/// What was decided about a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// What becomes of it.
    pub plan: BodyPlan,
    /// What the message's own Content-Transfer-Encoding must say; `None` when it stays as it is.
    pub transfer_encoding: Option<TransferEncoding>,
    /// Octets above 127 are left in it.
    pub eight_bit: bool,
    /// What is mended by the plan, or cannot be.
    pub repairs: Repairs,
}

/// The field that says how content is encoded.
pub(super) fn encoding_field(name: &str) -> Vec<u8> {
    format!("Content-Transfer-Encoding: {name}\r\n").into_bytes()
}

/// How content is mended.
struct Mending {
    with: With,
    /// How it is encoded then, when that is not how it came.
    encoding: Option<TransferEncoding>,
}

/// Decides what becomes of the body behind this header.
pub fn decide(header: &HeaderBlock, facts: &BodyFacts) -> Decided {
    decide_for(header, header, facts)
}

/// Decides what becomes of the body that came with one header and leaves with another, whose lines were mended. What is said
/// of it then is what counts; but its parts are those that the first one names.
pub(super) fn decide_for(leaves: &HeaderBlock, came: &HeaderBlock, facts: &BodyFacts) -> Decided {
    let whole = facts.measure();
    if !whole.must_be_mended() {
        return Decided { eight_bit: facts.eight_bit, ..Decided::default() };
    }
    let said = ContentFields::of(leaves);
    let decided = match said.media {
        Some(Media::Multipart { .. }) if said.media == ContentFields::of(came).media => in_parts(facts),
        Some(Media::Multipart { .. } | Media::Message) => None,
        None | Some(Media::Text | Media::Other) => {
            mending(said.is_text(), said.encoding, &whole, facts.size).map(|mending| as_one(mending, &whole, facts.size))
        }
    };
    decided.unwrap_or_else(|| Decided {
        eight_bit: facts.eight_bit,
        repairs: Repairs::from_iter([Repair::UnmendableBody]),
        ..Decided::default()
    })
}

/// A body that is one piece.
fn as_one(mending: Mending, whole: &Measure, size: u64) -> Decided {
    let eight_bit = whole.eight_bit && mending.encoding.is_none();
    let mut edits = vec![Edit { range: 0..size, with: mending.with }];
    if edits[0].with == With::Base64 {
        // Its last line has no end, and a message must not end within a line.
        edits.push(Edit { range: size..size, with: With::Octets(Bytes::from_static(b"\r\n")) });
    }
    Decided { plan: BodyPlan::Edit(edits), transfer_encoding: mending.encoding, eight_bit, repairs: repairs(whole) }
}

/// A body in parts; `None` when nothing in it can be mended.
fn in_parts(facts: &BodyFacts) -> Option<Decided> {
    let (mut edits, mut mended, mut eight_bit) = (Vec::new(), Repairs::none(), facts.rest.eight_bit);
    mended.note_if(facts.rest.must_be_mended(), Repair::UnmendableBody);
    for PartFacts { field, content, text, encoding, measure } in &facts.parts {
        let Mending { with, encoding } = mending(*text, *encoding, measure, content.end - content.start)?;
        eight_bit |= measure.eight_bit && encoding.is_none();
        if let Some(name) = encoding.and_then(TransferEncoding::name) {
            edits.push(Edit { range: field.clone(), with: With::Octets(encoding_field(name).into()) });
        }
        edits.push(Edit { range: content.clone(), with });
        mended.extend(&repairs(measure));
    }
    if !facts.unended.is_empty() {
        // Without it some readers take what is encoded for the text itself.
        let ends: String = facts.unended.iter().map(|boundary| format!("\r\n--{boundary}--")).collect();
        edits.push(Edit { range: facts.size..facts.size, with: With::Octets((ends + "\r\n").into()) });
    }
    (!edits.is_empty()).then_some(Decided { plan: BodyPlan::Edit(edits), transfer_encoding: None, eight_bit, repairs: mended })
}

/// How content of this length is mended; `None` when it is encoded in a way that we cannot read.
fn mending(text: bool, encoding: Option<TransferEncoding>, measure: &Measure, length: u64) -> Option<Mending> {
    let (with, encoding) = match encoding.unwrap_or(TransferEncoding::SevenBit) {
        TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary => match text && is_readable(measure, length) {
            true => (With::QuotedPrintable { special: measure.special }, Some(TransferEncoding::QuotedPrintable)),
            false => (With::Base64, Some(TransferEncoding::Base64)),
        },
        TransferEncoding::QuotedPrintable => (With::FoldQuotedPrintable, None),
        TransferEncoding::Base64 => (With::FoldBase64, None),
        TransferEncoding::Unknown => return None,
    };
    Some(Mending { with, encoding })
}

/// Whether text is left readable by quoted-printable, which is larger than base64 when more than a sixth is written as
/// three octets.
fn is_readable(measure: &Measure, length: u64) -> bool {
    measure.special <= length / 6
}

/// What is mended where content holds this.
fn repairs(measure: &Measure) -> Repairs {
    let mut repairs = Repairs::none();
    repairs.note_if(measure.longest_line > LONGEST_LINE as u64, Repair::LongBodyLine);
    repairs.note_if(measure.nul, Repair::BodyNul);
    repairs
}

#[cfg(test)]
mod tests;
