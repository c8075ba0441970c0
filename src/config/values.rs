//! Single values: numbers, durations, sizes, choices, addresses, names.
//!
//! Each reader notes what is wrong with a value and returns `None`.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::message::Mailbox;

use super::reader::{Field, Reader};
use super::rule::{Rule, nearest};

/// Octets of one unit, the longest names first among those that end alike.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl Field<'_> {
    /// A whole number in a range.
    pub(super) fn number(&self, reader: &Reader<'_>, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(reader)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            self.note(reader, Rule::NotANumber { found: text.to_owned() });
            return None;
        }
        // More digits than fit are above every range.
        self.within(reader, text, text.parse().unwrap_or(u64::MAX), &range, |number| number.to_string())
    }

    /// A duration with its unit, in a range.
    pub(super) fn duration(&self, reader: &Reader<'_>, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text(reader)?;
        if is_bare_number(text) {
            self.note(reader, Rule::NoUnit { found: text.to_owned(), fixed: format!("{text}s for seconds, or {text}m for minutes") });
            return None;
        }
        match humantime::parse_duration(text) {
            Ok(duration) => self.within(reader, text, duration, &range, |duration| show_duration(*duration)),
            Err(_) => {
                self.note(reader, Rule::BadDuration { found: text.to_owned() });
                None
            }
        }
    }

    /// A size in octets with its unit, in a range.
    pub(super) fn size(&self, reader: &Reader<'_>, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(reader)?;
        if is_bare_number(text) {
            // A large number was meant as octets.
            let fixed = match text.parse() {
                Ok(octets @ 100_000..) => show_size(octets),
                _ => format!("{text} MB for megabytes, or {text} KB for kilobytes"),
            };
            self.note(reader, Rule::NoUnit { found: text.to_owned(), fixed });
            return None;
        }
        match parse_size(text) {
            Some(size) => self.within(reader, text, size, &range, |size| show_size(*size)),
            None => {
                self.note(reader, Rule::BadSize { found: text.to_owned() });
                None
            }
        }
    }

    fn within<T: PartialOrd>(
        &self,
        reader: &Reader<'_>,
        text: &str,
        value: T,
        range: &RangeInclusive<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        if range.contains(&value) {
            return Some(value);
        }
        self.note(reader, Rule::OutOfRange { found: text.to_owned(), least: show(range.start()), most: show(range.end()) });
        None
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, reader: &Reader<'_>, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(reader)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&'static str> = choices.iter().map(|(word, _)| *word).collect();
            let near = nearest(text, words.iter().copied());
            self.note(reader, Rule::BadChoice { found: text.to_owned(), choices: words, nearest: near });
        }
        found.map(|(_, value)| *value)
    }

    /// A mail address.
    pub(super) fn mailbox(&self, reader: &Reader<'_>) -> Option<Mailbox> {
        self.text(reader).and_then(|text| self.mailbox_of(reader, text))
    }

    /// A mail address that was found in this field.
    pub(super) fn mailbox_of(&self, reader: &Reader<'_>, text: &str) -> Option<Mailbox> {
        Mailbox::parse(text).map_err(|error| self.note(reader, Rule::BadMailbox { why: error.to_string() })).ok()
    }

    /// A name shown to people: one line.
    pub(super) fn line(&self, reader: &Reader<'_>) -> Option<String> {
        let text = self.text(reader)?;
        if text.chars().any(char::is_control) {
            self.note(reader, Rule::BadText { why: "line ends and control characters cannot stand here" });
            return None;
        }
        Some(text.to_owned())
    }

    /// Visible ASCII without spaces, for identifiers that travel in requests.
    pub(super) fn token(&self, reader: &Reader<'_>) -> Option<String> {
        let text = self.text(reader)?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.note(reader, Rule::BadText { why: "only letters, digits and signs of ASCII can stand here, without spaces" });
            return None;
        }
        Some(text.to_owned())
    }

    /// A host's name or address.
    pub(super) fn host(&self, reader: &Reader<'_>) -> Option<String> {
        let text = self.text(reader)?;
        if is_host_name(text) || text.parse::<IpAddr>().is_ok() {
            return Some(text.to_owned());
        }
        self.note(reader, Rule::BadHost { found: text.to_owned() });
        None
    }

    /// `IP:PORT`, or `localhost:PORT`.
    pub(super) fn socket_address(&self, reader: &Reader<'_>, example: &str) -> Option<SocketAddr> {
        let text = self.text(reader)?;
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let address = local.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|| text.parse().ok());
        if address.is_none() {
            self.note(reader, Rule::BadSocketAddress { found: text.to_owned(), example: example.to_owned() });
        }
        address
    }

    /// `https://…`, or `http://…` to this machine.
    pub(super) fn url(&self, reader: &Reader<'_>) -> Option<String> {
        let text = self.text(reader)?;
        match check_url(text) {
            Ok(()) => Some(text.to_owned()),
            Err(why) => {
                self.note(reader, Rule::BadUrl { found: text.to_owned(), why });
                None
            }
        }
    }
}

fn check_url(text: &str) -> Result<(), &'static str> {
    let url: hyper::Uri = text.parse().map_err(|_| "it is no URL")?;
    let authority = url.authority().ok_or("it is no whole URL")?;
    if authority.as_str().contains('@') {
        return Err("a URL with a login in it would show up in logs");
    }
    if text.contains('#') {
        return Err("a part behind # is never sent");
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    match url.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) => Ok(()),
        Some("http") => Err("the secret would travel in clear text; only https, or http to this machine, will do"),
        _ => Err("it must begin with https://"),
    }
}

/// A name of letters, digits and hyphens (RFC 1123 section 2.1), as EHLO and TLS need it.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_bare_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || "._".contains(c))
}

/// `35 MB`, `1.5 GB`, `64KiB`: up to three digits behind the point.
fn parse_size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((lower.strip_suffix(&name.to_ascii_lowercase())?, *unit)))?;
    let (whole, part) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
    let part = part.parse::<u64>().ok()?.checked_mul(unit)? / scale;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part)
}

/// A size in the largest unit that says it exactly.
pub(super) fn show_size(size: u64) -> String {
    let mut units: Vec<(&str, u64)> = UNITS.to_vec();
    // Decimal before binary, and each from large to small: 35 MB rather than 34179.6875 KiB.
    units.sort_by_key(|(name, unit)| (name.contains('i'), std::cmp::Reverse(*unit)));
    let exact = |limit: &str| units.iter().find(|(name, unit)| *name != limit && size > 0 && size.is_multiple_of(*unit));
    exact("B").map_or_else(|| format!("{size} B"), |(name, unit)| format!("{} {name}", size / unit))
}

/// A duration as the configuration writes it.
pub(super) fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

/// Writes a list for people.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, octets, shown) in [
            ("35 MB", 35_000_000, "35 MB"),
            ("512KB", 512_000, "512 KB"),
            ("64 KiB", 65_536, "64 KiB"),
            ("1.5 gb", 1_500_000_000, "1500 MB"),
            ("35882577 B", 35_882_577, "35882577 B"),
            ("0 B", 0, "0 B"),
        ] {
            assert_eq!(parse_size(text), Some(octets), "{text}");
            assert_eq!(show_size(octets), shown);
            assert_eq!(parse_size(shown), Some(octets));
        }
        for bad in ["", "MB", "-1 MB", "1 M", "1,5 MB", "1.2345 MB", ".5 MB", "5. MB", "1 0 MB", "99999999999 TB", "1e3 B"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_shown_as_they_are_written() {
        assert_eq!(show_duration(Duration::from_secs(5400)), "1h30m");
        assert_eq!(humantime::parse_duration("1h30m").unwrap(), Duration::from_secs(5400));
    }

    #[test]
    fn host_names() {
        for good in ["relay", "relay.contoso.local", "a1-b2", "127.0.0.1", "xn--bro-hoa.example"] {
            assert!(is_host_name(good), "{good}");
        }
        for bad in ["", "my_host", "a..b", "-a", "a-", "a b", "büro", ".", "a."] {
            assert!(!is_host_name(bad), "{bad}");
        }
    }

    #[test]
    fn urls() {
        for good in
            ["https://login.microsoftonline.com/t/oauth2/v2.0/token", "http://127.0.0.1:9/t", "http://[::1]:9/t", "http://localhost/t"]
        {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in ["", "login.microsoftonline.com/x", "http://login.example/t", "ftp://a/b", "https://u:p@a/b", "https://a/b#c", "/token"]
        {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
