//! The fields that say where and when: Received, Date, Message-ID.

use std::fmt::Write as _;
use std::net::IpAddr;

use mail_builder::headers::date::Date;

use crate::message::{Client, Origin};

use super::Subject;

/// The last second of the year 9999: RFC 5322 section 3.3 has years of four digits.
const LAST_SECOND: i64 = 253_402_300_799;

/// Characters of a HELO that are told; RFC 5321 section 4.5.3.1.2 allows 255 for a domain.
const LONGEST_HELO: usize = 255;

/// Writes the line that tells what we did (RFC 5321 section 4.4). It has no `for` clause: that would show
/// recipients to one another.
pub(super) fn write_received(out: &mut Vec<u8>, subject: &Subject<'_>) {
    let origin = subject.source.origin;
    let line = format!(
        "Received: from {helo} ({client})\r\n\tby {hostname} (mailferry)\r\n\twith {with} id {id};\r\n\t{date}\r\n",
        helo = origin.helo.as_deref().and_then(helo).unwrap_or_else(|| place(origin.client)),
        client = place(origin.client),
        hostname = domain(subject.hostname).unwrap_or_else(|| "localhost".into()),
        with = protocol(origin, subject.source.envelope.smtputf8),
        id = subject.id,
        date = date(origin.received.as_secs()),
    );
    out.extend_from_slice(line.as_bytes());
}

/// RFC 3848 and RFC 6531 section 4.3: what was extended, then S for TLS, then A for a login. Without EHLO there are no words for either.
fn protocol(origin: &Origin, smtputf8: bool) -> &'static str {
    match (origin.esmtp, smtputf8, origin.tls, origin.login.is_some()) {
        (false, ..) => "SMTP",
        (true, false, false, false) => "ESMTP",
        (true, false, false, true) => "ESMTPA",
        (true, false, true, false) => "ESMTPS",
        (true, false, true, true) => "ESMTPSA",
        (true, true, false, false) => "UTF8SMTP",
        (true, true, false, true) => "UTF8SMTPA",
        (true, true, true, false) => "UTF8SMTPS",
        (true, true, true, true) => "UTF8SMTPSA",
    }
}

/// What a device calls itself, made into a domain or an address literal; `None` when there is nothing to tell.
fn helo(text: &str) -> Option<String> {
    let text = text.trim();
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => &inside[5..],
        _ => inside,
    };
    address.parse().ok().map(literal).or_else(|| domain(text))
}

/// Text as a domain: letters, digits, dots, hyphens, and the underscores that devices use. Anything else
/// becomes a hyphen.
fn domain(text: &str) -> Option<String> {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' };
    let text: String = text.chars().take(LONGEST_HELO).map(safe).collect();
    text.contains(|c: char| c.is_ascii_alphanumeric()).then_some(text)
}

/// Where a message came from. Of a local program the world needs to know no more.
fn place(client: Client) -> String {
    client.address().map_or_else(|| "localhost".to_owned(), literal)
}

/// RFC 5321 section 4.1.3.
fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// RFC 5322 section 3.3, of seconds since the epoch, in UTC: the zone of whoever reads it is his own affair.
fn date(seconds: i64) -> String {
    Date::new(seconds.clamp(0, LAST_SECOND)).to_rfc822()
}

/// The Date field for a message that came without: when it began to arrive.
pub(super) fn date_field(origin: &Origin) -> Vec<u8> {
    format!("Date: {}\r\n", date(origin.received.as_secs())).into_bytes()
}

/// The Message-ID field for a message that came without. It derives from the entry, so that a message whose
/// fate is unknown is recognised when it is sent again.
pub(super) fn message_id_field(subject: &Subject<'_>) -> Vec<u8> {
    let mut line = String::from("Message-ID: ");
    let domain = subject.source.identity.from.domain();
    // An absolute name's last dot is no part of a dot-atom (RFC 5322 section 3.6.4).
    let _ = write!(line, "<{}@{}>\r\n", subject.id, domain.strip_suffix('.').unwrap_or(domain));
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_helo_safely() {
        for (said, told) in [
            ("copier", Some("copier")),
            ("PRINTER_01.office.local", Some("PRINTER_01.office.local")),
            ("192.168.1.30", Some("[192.168.1.30]")),
            ("[192.168.1.30]", Some("[192.168.1.30]")),
            ("FE80::1", Some("[IPv6:fe80::1]")),
            ("[IPv6:fe80::1]", Some("[IPv6:fe80::1]")),
            ("B\u{fc}ro-Drucker", Some("B-ro-Drucker")),
            ("dev@legacy.test", Some("dev-legacy.test")),
            ("a)\r\nBcc: x", Some("a---Bcc--x")),
            ("", None),
            ("()", None),
        ] {
            assert_eq!(helo(said).as_deref(), told, "{said:?}");
        }
    }

    #[test]
    fn dates_stay_within_four_digits() {
        assert_eq!(date(1_763_757_330), "Fri, 21 Nov 2025 20:35:30 +0000");
        assert_eq!(date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 +0000");
        assert_eq!(date(i64::MIN), "Thu, 1 Jan 1970 00:00:00 +0000");
    }
}
