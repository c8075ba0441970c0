//! Telnet's own octets at the front of a line (RFC 854): terminal programs send them unasked.

const IAC: u8 = 0xff;
const SUBNEGOTIATION: u8 = 0xfa;
const SUBNEGOTIATION_END: u8 = 0xf0;

/// The line without the negotiation, spaces and NULs in front of it.
pub(super) fn strip(mut line: &[u8]) -> &[u8] {
    loop {
        line = match line {
            [b' ' | b'\t' | 0, rest @ ..] => rest,
            [IAC, SUBNEGOTIATION, rest @ ..] => behind_subnegotiation(rest),
            // WILL, WON'T, DO and DON'T bring an option; what else there is stands alone.
            [IAC, 0xfb..=0xfe, _, rest @ ..] | [IAC, _, rest @ ..] | [IAC, rest @ ..] => rest,
            line => return line,
        };
    }
}

fn behind_subnegotiation(line: &[u8]) -> &[u8] {
    let end = line.windows(2).position(|pair| pair == [IAC, SUBNEGOTIATION_END]);
    end.map_or(&[], |end| &line[end + 2..])
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn takes_negotiation_off_and_nothing_else() {
        assert_eq!(strip(b"\xff\xfb\x1f\xff\xfd\x01EHLO x"), b"EHLO x");
        assert_eq!(strip(b"\xff\xfa\x18\x00xterm\xff\xf0\xff\xf1 \0NOOP"), b"NOOP");
        assert_eq!(strip(b"EHLO \xff\xfbx"), b"EHLO \xff\xfbx");
        for cut in [&b"\xff"[..], b"\xff\xfb", b"\xff\xfa\x18", b"\0\0", b""] {
            assert_eq!(strip(cut), b"");
        }
    }
}
