//! In which charset the raw octets of a header are read: one for all of it.
//!
//! UTF-8 when all of it is, then the one that is configured for the device, then what it looks like. Escape sequences of
//! ISO-2022-JP say themselves what they are.

use mail_parser::decoders::charsets::map::charset_decoder;

use crate::message::{Charset, HeaderBlock};

use super::{Raw, Text, unfolded};

/// How raw octets are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    charset: Option<Charset>,
}

impl Reading {
    /// Decides for one header; `configured` is what the device is known to write.
    pub(super) fn of(header: &HeaderBlock, configured: Option<Charset>) -> Self {
        let values: Vec<Vec<u8>> = header.fields().filter(|field| !field.value.is_ascii()).map(|field| unfolded(field.value)).collect();
        let all_are = |charset: &Charset| values.iter().all(|value| charset.decode(value).is_some());
        let known = Some(Charset::UTF_8).filter(all_are).or_else(|| configured.filter(all_are));
        // The detector sees where one field ends, so that no letter is made of two.
        let guessed = || Charset::guess(values.iter().flat_map(|value| [&value[..], b"\n"]));
        Self { charset: known.or_else(guessed) }
    }

    /// The text of raw octets, without controls.
    pub(super) fn text(self, octets: &[u8]) -> Text {
        let charsets = [self.charset, Some(Charset::UTF_8)];
        match charsets.into_iter().flatten().find_map(|charset| charset.decode(octets)) {
            Some(text) => utf8(&text),
            None => Text {
                octets: octets.iter().copied().filter(|octet| !octet.is_ascii_control() || *octet == b'\t').collect(),
                raw: Raw::Unknown,
            },
        }
    }

    /// The text of octets that are Japanese in escape sequences, without controls.
    pub(super) fn japanese(octets: &[u8]) -> Option<Text> {
        Charset::of("iso-2022-jp")?.decode(octets).map(|text| utf8(&text))
    }
}

fn utf8(text: &str) -> Text {
    let kept: String = text.chars().filter(|c| !c.is_control() || *c == '\t').collect();
    Text { octets: kept.into_bytes(), raw: Raw::Utf8 }
}

/// Octets as Windows-1252, which has a letter for each.
pub(super) fn as_latin(octets: &[u8]) -> String {
    charset_decoder(b"windows-1252").map_or_else(|| String::from_utf8_lossy(octets).into_owned(), |decoder| decoder(octets))
}
