//! Networks: how they are written, and whether a list of them would make an open relay.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// How many public addresses a list may hold.
pub(super) struct Width {
    v4: u128,
    v6: u128,
    words: [&'static str; 2],
}

/// Who may send: at most a /8 and a /16.
pub(super) const CLIENTS: Width = Width { v4: 1 << 24, v6: 1 << 112, words: ["a /8 of IPv4", "a /16 of IPv6"] };
/// Who may say where a client is: proxies have few addresses, and each of them could claim to be anybody.
pub(super) const PROXIES: Width = Width { v4: 1 << 8, v6: 1 << 80, words: ["a /24 of IPv4", "a /48 of IPv6"] };

/// An address or a network. IPv4 in IPv6 form (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2) is read as the IPv4 it is,
/// for so clients are judged too.
pub(super) fn parse(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_| "it is neither an address nor address/bits".to_owned())?),
    };
    let net = as_v4(net)?;
    if net.addr() != net.network() {
        return Err(format!("bits are set behind the prefix; {} is meant, or {}", net.trunc(), net.addr()));
    }
    Ok(net)
}

fn as_v4(net: IpNet) -> Result<IpNet, String> {
    let IpNet::V6(v6) = net else { return Ok(net) };
    let Some(v4) = v6.addr().to_ipv4_mapped() else { return Ok(net) };
    let bits = v6.prefix_len().checked_sub(96).ok_or("IPv4 in IPv6 form needs a prefix of 96 or more")?;
    Ipv4Net::new(v4, bits).map(IpNet::V4).map_err(|error| error.to_string())
}

/// How many public addresses the union of `nets` holds, and of which allowance that is too many; `None` when it is fine.
pub(super) fn too_wide(nets: &[IpNet], most: &Width) -> Option<(String, &'static str)> {
    let (mut v4, mut v6) = (0, 0_u128);
    // Aggregated, no two overlap: many small networks count like the large one they make up.
    for net in IpNet::aggregate(&nets.to_vec()) {
        match net {
            IpNet::V4(net) => v4 += public(size(32, net.prefix_len()), net.into(), &PRIVATE_V4.map(IpNet::from)),
            IpNet::V6(net) => v6 = v6.saturating_add(public(size(128, net.prefix_len()), net.into(), &PRIVATE_V6.map(IpNet::from))),
        }
    }
    if v4 > most.v4 {
        Some((v4.to_string(), most.words[0]))
    } else if v6 > most.v6 {
        Some((format!("about 2^{}", v6.ilog2()), most.words[1]))
    } else {
        None
    }
}

/// Addresses of a network; one less than true for the whole of IPv6, which changes no verdict.
fn size(width: u8, prefix: u8) -> u128 {
    1_u128.checked_shl(u32::from(width - prefix)).unwrap_or(u128::MAX)
}

/// What remains of `size` addresses of `net` without the private ones. Two networks either nest or are apart.
fn public(size_of_net: u128, net: IpNet, private: &[IpNet]) -> u128 {
    if private.iter().any(|private| private.contains(&net)) {
        return 0;
    }
    let width = net.max_prefix_len();
    let inside = private.iter().filter(|private| net.contains(*private)).map(|private| size(width, private.prefix_len()));
    inside.fold(size_of_net, u128::saturating_sub)
}

/// RFC 1918, RFC 6598 (carrier-grade NAT), loopback, link-local.
const PRIVATE_V4: [Ipv4Net; 6] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
];

/// RFC 4193 (unique local), link-local, loopback.
const PRIVATE_V6: [Ipv6Net; 3] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|text| parse(text).unwrap()).collect()
    }

    #[test]
    fn the_union_counts() {
        for fine in [
            &["8.0.0.0/8"][..],
            &["8.0.0.0/8", "8.0.0.0/9", "8.1.2.3"],
            &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "fc00::/7", "fe80::/10"],
            &["2001::/16"],
            &["8.0.0.0/8", "2001::/16"],
        ] {
            assert_eq!(too_wide(&nets(fine), &CLIENTS), None, "{fine:?}");
        }
        for wide in [
            &["0.0.0.0/0"][..],
            &["0.0.0.0/1", "128.0.0.0/1"],
            &["8.0.0.0/8", "9.9.9.9"],
            &["::ffff:0:0/96"],
            &["::/0"],
            &["::/1", "8000::/1"],
            &["2001::/16", "2002::1"],
        ] {
            assert!(too_wide(&nets(wide), &CLIENTS).is_some(), "{wide:?}");
        }
        // A /8 of public addresses beside a private half: 10/8 within 10/7 does not count.
        assert_eq!(too_wide(&nets(&["10.0.0.0/7"]), &CLIENTS), None);
        assert_eq!(
            too_wide(&nets(&["0.0.0.0/0"]), &CLIENTS).unwrap().0,
            (1_u64 << 32).checked_sub(16_777_216 * 2 + 1_048_576 + 4_194_304 + 65_536 * 2).unwrap().to_string()
        );
    }

    #[test]
    fn proxies_are_few() {
        for (list, wide) in [
            (&["10.0.0.0/8", "203.0.113.0/24", "fd00::/8", "2001:db8::/48"][..], false),
            (&["203.0.113.0/24", "198.51.100.7"], true),
            (&["2001:db8::/47"], true),
            (&["0.0.0.0/0"], true),
        ] {
            assert_eq!(too_wide(&nets(list), &PROXIES).is_some(), wide, "{list:?}");
        }
    }

    #[test]
    fn many_small_networks_do_not_hide_a_large_one() {
        let list: Vec<IpNet> =
            (0..=255_u8).flat_map(|a| [(a, 0), (a, 128)]).map(|(a, b)| Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), 9).into()).collect();
        assert!(too_wide(&list, &CLIENTS).is_some());
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_eq!(parse("::ffff:192.168.1.0/120").unwrap().to_string(), "192.168.1.0/24");
        assert_eq!(parse("::ffff:192.168.1.7").unwrap().to_string(), "192.168.1.7/32");
        assert!(parse("::ffff:0:0/90").is_err());
        assert!(parse("192.168.1.7/24").unwrap_err().contains("192.168.1.0/24"));
        assert!(parse("192.168.1").is_err());
        assert!(parse("192.168.1.0/33").is_err());
    }
}
