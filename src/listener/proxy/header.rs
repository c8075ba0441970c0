//! The header of the PROXY protocol, versions 1 and 2, as haproxy's `proxy-protocol.txt` specifies it. Pure.
//!
//! It is read in pieces of any size: [`read`] says how many octets may be read next without going beyond its end. Ports,
//! the address that was connected to, checksums and other extensions (TLVs) tell us nothing, and are passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of a version 1 header with its CRLF (section 2.1).
const LONGEST_V1: usize = 107;
/// Octets of the shortest one, `PROXY UNKNOWN`.
const SHORTEST_V1: usize = 15;
/// How a version 1 header begins.
const START_V1: &[u8] = b"PROXY ";
/// How a version 2 header begins (section 2.2).
pub(in crate::listener) const START_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of a version 2 header before addresses and extensions.
const FIXED_V2: usize = 16;
/// Octets of addresses and extensions: with these the header is as long as the 536 octets that fit into any segment, for
/// which the specification allows to be strict (section 2.2), and a little more. Cloud providers' extensions take some 100.
const LONGEST_V2: usize = 536;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::listener) enum Source {
    /// A client's with this address.
    Client(IpAddr),
    /// The proxy's own: a health check (LOCAL of version 2).
    Itself,
    /// One whose origin the proxy cannot say: UNKNOWN of version 1, a Unix socket or an unknown family of version 2.
    Unnamed,
}

/// How far the header has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is not whole; so many octets at least are still to come.
    More(usize),
    /// It is whole, and ends with the last octet.
    Done(Source),
}

/// What was wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::listener) enum Wrong {
    /// The connection ended before anything came.
    Nothing,
    /// The connection ended in it.
    Unfinished,
    /// It did not come in time.
    Late,
    /// Something else came.
    Missing,
    /// It is not as the specification says.
    Malformed,
    /// It is longer than we take.
    TooLong,
}

/// Reads the octets that came so far.
pub(super) fn read(octets: &[u8]) -> Result<Progress, Wrong> {
    if begins_like(octets, START_V1) {
        read_v1(octets)
    } else if begins_like(octets, START_V2) {
        read_v2(octets)
    } else {
        Err(Wrong::Missing)
    }
}

fn begins_like(octets: &[u8], start: &[u8]) -> bool {
    octets.iter().zip(start).all(|(octet, wanted)| octet == wanted)
}

fn read_v1(octets: &[u8]) -> Result<Progress, Wrong> {
    let Some(end) = octets.iter().position(|octet| *octet == b'\n') else {
        let missing = if octets.ends_with(b"\r") { 1 } else { 2 };
        return match octets.len() {
            count @ 0..SHORTEST_V1 => Ok(Progress::More((SHORTEST_V1 - count).max(missing))),
            count if count + missing <= LONGEST_V1 => Ok(Progress::More(missing)),
            _ => Err(Wrong::TooLong),
        };
    };
    let line = octets[..end].strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok());
    let whole = end + 1 == octets.len();
    line.filter(|_| whole).and_then(source_v1).map(Progress::Done).ok_or(Wrong::Malformed)
}

fn source_v1(line: &str) -> Option<Source> {
    let words: Vec<&str> = line.split(' ').collect();
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    match words.as_slice() {
        // What stands behind it is to be ignored.
        ["PROXY", "UNKNOWN", ..] => Some(Source::Unnamed),
        ["PROXY", "TCP4", from, to, from_port, to_port] if port(from_port) && port(to_port) => {
            to.parse::<Ipv4Addr>().ok()?;
            Some(Source::Client(from.parse::<Ipv4Addr>().ok()?.into()))
        }
        ["PROXY", "TCP6", from, to, from_port, to_port] if port(from_port) && port(to_port) => {
            to.parse::<Ipv6Addr>().ok()?;
            Some(Source::Client(from.parse::<Ipv6Addr>().ok()?.into()))
        }
        [..] => None,
    }
}

fn read_v2(octets: &[u8]) -> Result<Progress, Wrong> {
    let Some((fixed, rest)) = octets.split_first_chunk::<FIXED_V2>() else { return Ok(Progress::More(FIXED_V2 - octets.len())) };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let (version_and_command, family_and_transport) = (fixed[12], fixed[13]);
    if !matches!(version_and_command, 0x20 | 0x21) {
        return Err(Wrong::Malformed);
    }
    if length > LONGEST_V2 {
        return Err(Wrong::TooLong);
    }
    match length.checked_sub(rest.len()) {
        Some(0) if version_and_command == 0x20 => Ok(Progress::Done(Source::Itself)),
        Some(0) => source_v2(family_and_transport, rest).map(Progress::Done).ok_or(Wrong::Malformed),
        Some(missing) => Ok(Progress::More(missing)),
        None => Err(Wrong::Malformed),
    }
}

fn source_v2(family_and_transport: u8, addresses: &[u8]) -> Option<Source> {
    match family_and_transport {
        // TCP over IPv4: both addresses, both ports.
        0x11 => addresses.first_chunk::<12>().map(|all| Source::Client(Ipv4Addr::new(all[0], all[1], all[2], all[3]).into())),
        // TCP over IPv6, likewise.
        0x21 => {
            let from = addresses.first_chunk::<36>()?.first_chunk::<16>()?;
            Some(Source::Client(Ipv6Addr::from(*from).into()))
        }
        // UDP, which cannot have become a stream.
        0x12 | 0x22 | 0x32 => None,
        // A Unix socket on the proxy's machine, or nothing that it could name: the connection's own end counts (section 2.2).
        _ => Some(Source::Unnamed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [START_V2, &[0x20 | command, family][..], &length, rest].concat()
    }

    /// Octet by octet, and then as large pieces as the reader asks for: it may never ask for what does not belong to the header.
    fn read_in_pieces(octets: &[u8]) -> Result<Source, Wrong> {
        let mut ends = Vec::new();
        for pieces in [1, usize::MAX] {
            let mut have = 0;
            ends.push(loop {
                match read(&octets[..have]) {
                    Ok(Progress::More(count)) => {
                        assert!(have + count <= octets.len(), "asks for {count} octets after {have} of {octets:?}");
                        have += count.min(pieces);
                    }
                    Ok(Progress::Done(source)) => {
                        assert_eq!(have, octets.len(), "stops before the end");
                        break Ok(source);
                    }
                    Err(wrong) => break Err(wrong),
                }
            });
        }
        assert_eq!(ends[0], ends[1]);
        ends[0]
    }

    fn client(text: &str) -> Result<Source, Wrong> {
        Ok(Source::Client(text.parse().unwrap()))
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_bounded(start in 0..3_usize, rest: Vec<u8>) {
            let octets = [[START_V1, START_V2, b""][start], &rest].concat();
            for have in 0..octets.len() {
                match read(&octets[..have]) {
                    Ok(Progress::More(count)) => assert!(count > 0 && have + count <= FIXED_V2 + LONGEST_V2),
                    Ok(Progress::Done(_)) | Err(_) => {}
                }
            }
        }
    }

    #[test]
    fn version_1() {
        let longest =
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n".as_bytes();
        assert_eq!(longest.len(), LONGEST_V1);
        for (octets, want) in [
            (&b"PROXY TCP4 192.168.10.21 10.0.0.5 56324 25\r\n"[..], client("192.168.10.21")),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 0 0\r\n", client("1.1.1.1")),
            (b"PROXY TCP6 fd00::21 fd00::5 56324 25\r\n", client("fd00::21")),
            (b"PROXY UNKNOWN\r\n", Ok(Source::Unnamed)),
            (longest, Ok(Source::Unnamed)),
            (b"PROXY TCP4 192.168.10.21 10.0.0.5 56324 65536\r\n", Err(Wrong::Malformed)),
            (b"PROXY TCP4 192.168.10.21 10.0.0.5 +1 25\r\n", Err(Wrong::Malformed)),
            (b"PROXY TCP4 192.168.10.21 10.0.0.5 56324\r\n", Err(Wrong::Malformed)),
            (b"PROXY TCP4  192.168.10.21 10.0.0.5 1 25\r\n", Err(Wrong::Malformed)),
            (b"PROXY TCP4 fd00::21 10.0.0.5 56324 25\r\n", Err(Wrong::Malformed)),
            (b"PROXY TCP6 192.168.10.21 10.0.0.5 1 25\r\n", Err(Wrong::Malformed)),
            (b"PROXY TCP4 192.168.10.021 10.0.0.5 1 25\r\n", Err(Wrong::Malformed)),
            (b"PROXY UDP4 192.168.10.21 10.0.0.5 1 25\r\n", Err(Wrong::Malformed)),
            (b"PROXY TCP4 192.168.10.21 10.0.0.5 1 25\n", Err(Wrong::Malformed)),
            (b"PROXY \xff\xff\xff\xff\xff\xff\xff\r\n", Err(Wrong::Malformed)),
            (b"EHLO printer\r\n", Err(Wrong::Missing)),
            (b"\x16\x03\x01", Err(Wrong::Missing)),
            (b"proxy TCP4 ", Err(Wrong::Missing)),
        ] {
            // What is wrong from its first octets on is not read to its end.
            let padded = [octets, if want.is_err() { &[b' '; LONGEST_V1][..] } else { b"" }].concat();
            assert_eq!(read_in_pieces(&padded), want, "{:?}", String::from_utf8_lossy(octets));
        }
        assert_eq!(read_in_pieces(&[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat()), Err(Wrong::TooLong));
    }

    #[test]
    fn version_2() {
        let v4 = [192, 168, 10, 21, 10, 0, 0, 5, 220, 4, 0, 25];
        let v6 = [&[0xfd][..], &[0; 14], &[0x21], &[0xfd], &[0; 14], &[0x05], &[220, 4, 0, 25]].concat();
        let tlvs = b"\x03\x00\x04\xde\xad\xbe\xef\xea\x00\x17\x01vpce-0123456789abcdef0\0\0";
        for (octets, want) in [
            (v2(1, 0x11, &v4), client("192.168.10.21")),
            (v2(1, 0x11, &[&v4[..], tlvs].concat()), client("192.168.10.21")),
            (v2(1, 0x21, &v6), client("fd00::21")),
            (v2(1, 0x11, &[&v4[..], &[0; LONGEST_V2 - 12]].concat()), client("192.168.10.21")),
            (v2(1, 0x31, &[0; 216]), Ok(Source::Unnamed)),
            (v2(1, 0x00, b""), Ok(Source::Unnamed)),
            (v2(0, 0x00, b""), Ok(Source::Itself)),
            (v2(0, 0x11, &v4), Ok(Source::Itself)),
            (v2(1, 0x11, &v4[..11]), Err(Wrong::Malformed)),
            (v2(1, 0x21, &v6[..35]), Err(Wrong::Malformed)),
            (v2(1, 0x12, &v4), Err(Wrong::Malformed)),
            (v2(2, 0x11, &v4), Err(Wrong::Malformed)),
            (v2(1, 0x11, &[0; LONGEST_V2 + 1]), Err(Wrong::TooLong)),
        ] {
            assert_eq!(read_in_pieces(&octets), want, "{octets:?}");
        }
        let mut version_3 = v2(1, 0x11, &v4);
        version_3[12] = 0x31;
        assert_eq!(read_in_pieces(&version_3), Err(Wrong::Malformed));
        assert_eq!(read(b"\r\n\r\n\0\r\nQUIX"), Err(Wrong::Missing));
    }
}
