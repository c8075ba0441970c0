//! The name of an entry.

use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;

/// Names one entry of one spool: in the 250 to the device, in the log, in every queue command.
///
/// Sixty bits, printed as twelve lower-case characters of Crockford's base 32: 45 bits of
/// milliseconds since the epoch (until the year 3084) and 15 bits of a counter within the
/// millisecond. So ids sort by age, and are short enough to read out on the telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u64);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 12;
const COUNTER_BITS: u32 = 15;

impl EntryId {
    /// The smallest id of the millisecond `time`.
    pub fn first_of(time: Timestamp) -> Self {
        Self((u64::try_from(time.as_millis()).unwrap_or(0) << COUNTER_BITS) & Self::MASK)
    }

    const MASK: u64 = (1 << 60) - 1;

    /// The id after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self((self.0 + 1) & Self::MASK)
    }

    /// The number behind the name; what a database keeps as its key.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The id with this number; bits above the sixtieth are dropped.
    pub fn from_u64(number: u64) -> Self {
        Self(number & Self::MASK)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; LENGTH];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or(""))
    }
}

/// The text is no entry id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no entry id: those have 12 letters and digits, as `mailferry queue list` shows them")]
pub struct InvalidEntryId(String);

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    /// Reads what [`fmt::Display`] wrote; capitals, and `o`, `i`, `l` for 0 and 1, are taken too, as
    /// Crockford's alphabet intends.
    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let invalid = || InvalidEntryId(text.chars().take(40).collect());
        if text.len() != LENGTH {
            return Err(invalid());
        }
        text.bytes().try_fold(Self(0), |id, byte| {
            let byte = match byte.to_ascii_lowercase() {
                b'o' => b'0',
                b'i' | b'l' => b'1',
                other => other,
            };
            let digit = ALPHABET.iter().position(|&c| c == byte).ok_or_else(invalid)?;
            Ok(Self((id.0 << 5) | digit as u64))
        })
    }
}

impl serde::Serialize for EntryId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for EntryId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_printing() {
        let early = EntryId::first_of(Timestamp::from_millis(1_763_757_330_120));
        let late = EntryId::first_of(Timestamp::from_millis(1_763_757_330_121));
        assert!(early < early.next() && early.next() < late);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.next().to_string().parse::<EntryId>().unwrap(), early.next());
        assert_eq!(early.to_string().len(), 12);
    }

    #[test]
    fn reads_what_a_person_typed_and_refuses_the_rest() {
        let id = EntryId::from_u64(1);
        assert_eq!("OOOOOOOOOOOL".parse::<EntryId>().unwrap(), id);
        assert!("00000000000u".parse::<EntryId>().is_err());
        assert!("0000".parse::<EntryId>().is_err());
    }
}
