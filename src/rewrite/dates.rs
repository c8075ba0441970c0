//! Whether a Date field can be read, and believed (RFC 5322 sections 3.3 and 4.3).
//!
//! Strict where mail parsers are lenient: what one of them reads as best it can, another takes for a sign of spam.
//! Always true: whatever is written as the RFC allows, obsolete forms included, is read.

use super::comments::without_comments;

/// Seconds that a message may have been written before it came: a device's queue is not older, and a clock that was
/// never set shows 1970 or the year it was made.
const OLDEST: i64 = 10 * YEAR;
/// Seconds that its clock may be ahead.
const NEWEST: i64 = YEAR;
const YEAR: i64 = 365 * DAY;
const DAY: i64 = 86_400;

/// Octets of a date that are read; with comments in it one has less than a hundred.
const LONGEST: usize = 1000;

const DAY_NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// RFC 5322 section 4.3, with hours east of Greenwich.
const ZONES: [(&str, i64); 10] =
    [("UT", 0), ("GMT", 0), ("EDT", -4), ("EST", -5), ("CDT", -5), ("CST", -6), ("MDT", -6), ("MST", -7), ("PDT", -7), ("PST", -8)];

/// Whether a message that came at `received`, in seconds since the epoch, may have been written when its Date says.
pub(super) fn is_credible(value: &[u8], received: i64) -> bool {
    read(value).is_some_and(|written| (received.saturating_sub(OLDEST)..=received.saturating_add(NEWEST)).contains(&written))
}

/// The date, in seconds since the epoch.
fn read(value: &[u8]) -> Option<i64> {
    let text = without_comments(value.get(..LONGEST).unwrap_or(value))?;
    // White space may stand around each comma and colon (RFC 5322 section 4.3).
    let spaced = text.replace(',', " , ").replace(':', " : ");
    let mut words = spaced.split_ascii_whitespace().peekable();
    if words.peek()?.starts_with(|c: char| c.is_ascii_alphabetic()) {
        position(&DAY_NAMES, words.next()?)?;
        words.next().filter(|word| *word == ",")?;
    }
    let day = number(words.next()?, 1, 2)?;
    let month = position(&MONTHS, words.next()?)?;
    let year = year(words.next()?)?;
    let hour = number(words.next()?, 2, 2)?;
    words.next().filter(|word| *word == ":")?;
    let minute = number(words.next()?, 2, 2)?;
    let second = match words.next_if_eq(&":") {
        Some(_) => number(words.next()?, 2, 2)?,
        None => 0,
    };
    let east = zone(words.next()?)?;
    let is_time = hour < 24 && minute < 60 && second <= 60;
    let is_day = (1..=days_in(year, month)).contains(&day);
    let date = days_before(year, month) + day - 1;
    (words.next().is_none() && is_time && is_day).then_some(date * DAY + (hour * 60 + minute) * 60 + second - east)
}

fn position(names: &[&str], word: &str) -> Option<i64> {
    let found = names.iter().position(|name| name.eq_ignore_ascii_case(word))?;
    i64::try_from(found).ok()
}

/// A number of so many digits.
fn number(word: &str, fewest: usize, most: usize) -> Option<i64> {
    let fits = (fewest..=most).contains(&word.len()) && word.bytes().all(|octet| octet.is_ascii_digit());
    if fits { word.parse().ok() } else { None }
}

/// RFC 5322 section 4.3: of two digits, those up to 49 are of this century; of three, all count from 1900.
fn year(word: &str) -> Option<i64> {
    let year = number(word, 2, 4)?;
    Some(match word.len() {
        2 if year < 50 => year + 2000,
        2 | 3 => year + 1900,
        _ => year,
    })
    .filter(|year| *year >= 1900)
}

/// Seconds east of Greenwich. A name that nobody can know says nothing, and counts as UTC (RFC 5322 section 4.3).
fn zone(word: &str) -> Option<i64> {
    if let Some(digits) = word.strip_prefix(['+', '-']) {
        let number = number(digits, 4, 4)?;
        let (hours, minutes) = (number / 100, number % 100);
        let seconds = (hours * 60 + minutes) * 60;
        return (minutes < 60).then_some(if word.starts_with('-') { -seconds } else { seconds });
    }
    let named = ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    let is_name = (1..=5).contains(&word.len()) && word.bytes().all(|octet| octet.is_ascii_alphabetic());
    is_name.then(|| named.map_or(0, |(_, hours)| hours * 3600))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month, which counts from 0.
fn days_in(year: i64, month: i64) -> i64 {
    match month {
        1 => 28 + i64::from(is_leap(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days from the epoch to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400;
    // 719,162 days lie between the first of the year 1 and the epoch.
    let january = before * 365 + leap_days - 719_162;
    january + (0..month).map(|month| days_in(year, month)).sum::<i64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_rfc_allows() {
        for (value, want) in [
            ("Fri, 21 Nov 2025 20:35:30 +0000", 1_763_757_330),
            ("\r\n\tFri, 21 Nov 2025 21:35:30 +0100 (CET)", 1_763_757_330),
            ("fri , 21 nov 2025 15:35:30 EST", 1_763_757_330),
            ("21 Nov 2025 20:35:30 GMT", 1_763_757_330),
            ("Fri,21 Nov 25 20 : 35 : 30 Z", 1_763_757_330),
            ("Fri, 21 Nov 125 20:35:30 CEST", 1_763_757_330),
            ("Fri(day), (a (b) \\) c) 21 Nov 2025 20:35:30 -0000", 1_763_757_330),
            ("Fri, 21 Nov 2025 20:35 UT", 1_763_757_300),
            ("Thu, 1 Jan 1970 00:00:00 +0000", 0),
            ("Thu, 01 Jan 70 00:00:12 +0000", 12),
            ("Tue, 29 Feb 2000 12:00:00 -0130", 951_831_000),
            ("Sat, 31 Dec 2016 23:59:60 +0000", 1_483_228_800),
            ("Mon, 1 Jan 1900 00:00:00 +0000", -2_208_988_800),
            ("Fri, 31 Dec 9999 23:59:59 +0000", 253_402_300_799),
        ] {
            assert_eq!(read(value.as_bytes()), Some(want), "{value:?}");
        }
    }

    #[test]
    fn reads_nothing_into_other_forms() {
        for value in [
            "",
            "05/03/19 10:42 AM +00:00 (GMT+00:00)",
            "Fri Nov 21 20:35:30 2025",
            "Fri Nov 21 20:35:30 UTC 2025",
            "mar.,  7 ao\u{fb}t 2018 10:55:41 +0200 (CEST)",
            "2025-11-21T20:35:30Z",
            "2025-11-21 20:35:30",
            "Freitag, 21. November 2025 20:35:30",
            "Fri, 21 Nov 2025 20:35:30",
            "Fri, 21 Nov 2025 20:35:30 +01:00",
            "Fri, 21 Nov 2025 20:35:30 GMT+1",
            "Fri, 21 Nov 2025 20:35:30 +0160",
            "Fri 21 Nov 2025 20:35:30 +0000",
            "Fri, 21 Nov 2025 8:35:30 PM +0000",
            "Fri, 21 Nov 2025 8:35:30 +0000",
            "Fri, 21 Nov 2025 24:00:00 +0000",
            "Fri, 31 Nov 2025 20:35:30 +0000",
            "Fri, 29 Feb 1900 20:35:30 +0000",
            "Fri, 0 Nov 2025 20:35:30 +0000",
            "Fri, 21 Nov 2025 20:35:30 +0000 and more",
            "Fri, 21 Nov 2025 20:35:30 +0000 (open",
            "1763757330",
            "now",
        ] {
            assert_eq!(read(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn believes_no_clock_that_was_never_set() {
        let received = 1_763_757_330;
        for (value, credible) in [
            ("Thu, 01 Jan 1970 00:00:12 +0000", false),
            ("Sat, 1 Jan 2000 00:00:00 +0000", false),
            ("Wed, 18 Nov 2015 00:00:00 +0000", false),
            ("Sun, 29 Nov 2015 00:00:00 +0000", true),
            ("Fri, 21 Nov 2025 20:35:30 +0000", true),
            ("Fri, 20 Nov 2026 20:35:30 +0000", true),
            ("Sun, 22 Nov 2026 20:35:30 +0000", false),
            ("Fri, 01 Jan 2038 00:00:00 +0000", false),
        ] {
            assert_eq!(is_credible(value.as_bytes(), received), credible, "{value}");
        }
        assert!(!is_credible(b"Fri, 21 Nov 2025 20:35:30 +0000", i64::MAX));
    }
}
