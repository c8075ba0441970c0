//! Charsets: how octets above 127 are to be read.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::Encoding;

use super::guess::Guess;

/// A charset that can be decoded: one of the WHATWG Encoding Standard's, which has those that devices use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);

    /// The charset of this label (`latin1`, `Shift_JIS`, `windows-1252`…), whatever its case. Labels that stand for a
    /// charset which decodes nothing, or that is not a superset of ASCII, are unknown.
    pub fn of(label: &str) -> Option<Self> {
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
        (encoding.is_ascii_compatible() || encoding == encoding_rs::ISO_2022_JP).then_some(Self(encoding))
    }

    /// The charset that text in these pieces seems to be written in: UTF-8 when all of it is. `None` for ASCII.
    pub fn guess<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut guess = Guess::default();
        pieces.into_iter().for_each(|piece| guess.note(piece));
        guess.finish()
    }

    /// The charset of an encoding that a detector found.
    pub const fn found(encoding: &'static Encoding) -> Self {
        Self(encoding)
    }

    /// Its name, as it stands in a header.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The text of these octets; `None` when some of them are no text in this charset.
    pub fn decode(self, octets: &[u8]) -> Option<Cow<'_, str>> {
        self.0.decode_without_bom_handling_and_without_replacement(octets)
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Charset {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Charset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let label = Cow::<'_, str>::deserialize(deserializer)?;
        Self::of(&label).ok_or_else(|| serde::de::Error::custom(format!("there is no charset {label:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_devices_write_and_nothing_else() {
        assert_eq!(Charset::of("latin1").unwrap().decode(b"B\xfcro").as_deref(), Some("Büro"));
        assert_eq!(Charset::of(" Shift_JIS ").unwrap().decode(b"\x83e\x83X\x83g").as_deref(), Some("テスト"));
        assert_eq!(Charset::UTF_8.decode(b"B\xfcro"), None);
        assert_eq!(Charset::of("utf-16le"), None);
        assert_eq!(Charset::of("hz-gb-2312"), None);
        let stored = serde_json::to_string(&Charset::of("gbk")).unwrap();
        assert_eq!(stored, r#""GBK""#);
        assert_eq!(serde_json::from_str::<Option<Charset>>(&stored).unwrap(), Charset::of("GBK"));
    }
}
