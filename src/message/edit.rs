//! What becomes of a body on its way out: a plan made of facts before any octet of it is read, and the editor that obeys
//! it while the body passes.
//!
//! Always true: the same body and plan give the same octets, in chunks of any size; what no edit names leaves octet for
//! octet; an editor holds no more than a line.

use std::ops::Range;

use bytes::Bytes;

use super::encode::{Base64, Encoder, FoldBase64, FoldQuotedPrintable, GROUP, QuotedPrintable, WIDTH};

/// What becomes of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BodyPlan {
    /// It goes out octet for octet.
    #[default]
    Pass,
    /// These places change, in their order and apart from each other; all else goes out octet for octet.
    Edit(Vec<Edit>),
}

/// One change to a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The octets that change, counted from the body's first. Empty: something is put before that octet.
    pub range: Range<u64>,
    /// What becomes of them.
    pub with: With,
}

/// What becomes of a stretch of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum With {
    /// These octets take its place.
    Octets(Bytes),
    /// It is encoded as quoted-printable (RFC 2045 section 6.7).
    QuotedPrintable {
        /// Octets that must be written as three; only what is said about the size derives from it.
        special: u64,
    },
    /// It is encoded as base64 (RFC 2045 section 6.8), the last line without an end.
    Base64,
    /// It is base64 already, in lines that are too long: they are cut.
    FoldBase64,
    /// It is quoted-printable already, in lines that are too long: they are cut by soft line breaks.
    FoldQuotedPrintable,
}

impl BodyPlan {
    /// Octets that come out of a body of `length`; an estimate where text becomes quoted-printable or lines are cut, which
    /// is as much as RFC 1870 section 6.1 asks for.
    pub fn size(&self, length: u64) -> u64 {
        self.untouched(length) + self.edits().iter().map(Edit::size).sum::<u64>()
    }

    /// Octets of a body of `length` that stay as they are: fewer never come out.
    pub fn untouched(&self, length: u64) -> u64 {
        self.edits().iter().fold(length, |left, edit| left.saturating_sub(edit.length()))
    }

    fn edits(&self) -> &[Edit] {
        match self {
            Self::Pass => &[],
            Self::Edit(edits) => edits,
        }
    }
}

impl Edit {
    fn length(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn size(&self) -> u64 {
        let (length, width) = (self.length(), WIDTH as u64);
        match &self.with {
            With::Octets(octets) => octets.len() as u64,
            With::Base64 => length.div_ceil(3) * 4 + (length.div_ceil(GROUP as u64).saturating_sub(1)) * 2,
            // Each line of content gives up four octets to its soft line break, at most, and three octets are added.
            With::QuotedPrintable { special } => {
                let escaped = length + 2 * special;
                escaped + escaped / (width - 4) * 3
            }
            With::FoldBase64 => length + length / width * 2,
            With::FoldQuotedPrintable => length + length / (width - 4) * 3,
        }
    }
}

/// Edits a body as it passes.
#[derive(Debug)]
pub struct Editor {
    edits: std::vec::IntoIter<Edit>,
    next: Option<Edit>,
    /// There while it works on `next`.
    encoder: Option<Encoder>,
    /// Octets that have passed.
    passed: u64,
}

impl Editor {
    /// An editor at the start of a body.
    pub fn new(plan: BodyPlan) -> Self {
        let mut edits = match plan {
            BodyPlan::Pass => Vec::new(),
            BodyPlan::Edit(edits) => edits,
        }
        .into_iter();
        Self { next: edits.next(), edits, encoder: None, passed: 0 }
    }

    /// Takes the next octets of the body and appends what leaves to `out`.
    pub fn push(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        while !octets.is_empty() {
            let Some(edit) = &self.next else {
                out.extend_from_slice(octets);
                return;
            };
            let Range { start, end } = edit.range;
            if self.passed < start {
                let untouched = self.split(&mut octets, start);
                out.extend_from_slice(untouched);
                continue;
            }
            let changing = self.split(&mut octets, end);
            self.change(changing, out);
            if self.passed >= end {
                self.end_edit(out);
            }
        }
    }

    /// Takes octets up to this place in the body.
    fn split<'a>(&mut self, octets: &mut &'a [u8], place: u64) -> &'a [u8] {
        let length = usize::try_from(place.saturating_sub(self.passed)).unwrap_or(usize::MAX).min(octets.len());
        let (taken, rest) = octets.split_at(length);
        *octets = rest;
        self.passed += length as u64;
        taken
    }

    fn change(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if self.encoder.is_none() {
            self.encoder = self.next.as_ref().and_then(|edit| edit.with.encoder());
        }
        if let Some(encoder) = &mut self.encoder {
            encoder.push(octets, out);
        }
    }

    fn end_edit(&mut self, out: &mut Vec<u8>) {
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(out);
        }
        if let Some(Edit { with: With::Octets(octets), .. }) = &self.next {
            out.extend_from_slice(octets);
        }
        self.next = self.edits.next();
    }

    /// Ends the body: what is to stand at its end is put there.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        while self.next.is_some() {
            self.end_edit(out);
        }
    }
}

impl With {
    fn encoder(&self) -> Option<Encoder> {
        match self {
            Self::Octets(_) => None,
            Self::QuotedPrintable { .. } => Some(Encoder::QuotedPrintable(QuotedPrintable::default())),
            Self::Base64 => Some(Encoder::Base64(Base64::default())),
            Self::FoldBase64 => Some(Encoder::FoldBase64(FoldBase64::default())),
            Self::FoldQuotedPrintable => Some(Encoder::FoldQuotedPrintable(FoldQuotedPrintable::default())),
        }
    }
}

#[cfg(test)]
mod tests;
