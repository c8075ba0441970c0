//! Recognises clients that do not speak SMTP by the first octets they send.

use super::proxy::START_V2;

/// What the first octets show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Something that the session can read.
    Text,
    /// Too few to tell.
    Unclear,
    /// Something else.
    Foreign(Foreign),
}

/// What else it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Foreign {
    /// A ClientHello of TLS or SSL 3 (RFC 8446 section 5.1), or of SSL 2.
    Tls,
    /// The same where STARTTLS is waited for.
    EarlyTls,
    /// The binary header of the PROXY protocol, version 2.
    Proxy,
}

/// Judges what came first on a connection, or first after a complete line. No line of text begins with an octet
/// that is looked at here; telnet's 0xFF is the session's affair.
pub(super) fn judge(octets: &[u8]) -> First {
    match octets {
        [0x16, 0x03, ..] => First::Foreign(Foreign::Tls),
        // A length with its highest bit set, CLIENT-HELLO, and a version that exists: 0.2 or 3.x.
        [0x80..=0xfe, _, 0x01, 0x00 | 0x03, ..] => First::Foreign(Foreign::Tls),
        [0x16] | [0x80..=0xfe] | [0x80..=0xfe, _] | [0x80..=0xfe, _, 0x01] => First::Unclear,
        _ if octets.starts_with(START_V2) => First::Foreign(Foreign::Proxy),
        _ => First::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_strangers_from_devices() {
        for (octets, want) in [
            (&b"\x16\x03\x01\x00\x75\x01"[..], First::Foreign(Foreign::Tls)),
            (b"\x80\x2e\x01\x00\x02\x00", First::Foreign(Foreign::Tls)),
            (b"\x80\x2e\x01\x03\x01\x00", First::Foreign(Foreign::Tls)),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", First::Foreign(Foreign::Proxy)),
            (b"\x16", First::Unclear),
            (b"\x80\x2e", First::Unclear),
            (b"\xff\xfb\x01\x00", First::Text),
            (b"E", First::Text),
            (b"\r\n", First::Text),
            (b"\xc3\xa4\xc3\xb6", First::Text),
        ] {
            assert_eq!(judge(octets), want, "{octets:?}");
        }
    }
}
