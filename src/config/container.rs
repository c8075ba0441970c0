//! A container's way to other machines: the addresses behind which its engine may hide who connects.
//!
//! A container engine that publishes a port on its host often connects to the container itself, from the bridge between the two: then
//! every device has one and the same address there, and a list of networks says nothing about devices.
//! The files of /proc and /sys are read here; what they mean is judged by functions of text.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ipnet::IpNet;

/// What a process can see of its network. By default there is nothing to be said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Whether an engine made this container's interface, so that there is a bridge in between. Not so with the host's network or
    /// with an address of its own in the local network: devices are seen as they are there.
    pub bridged: bool,
    /// Where what is meant for other networks goes: the engine's end of the bridge.
    pub gateways: Vec<IpAddr>,
    /// Our own addresses; engines that run without root connect from these.
    pub own: Vec<IpAddr>,
}

impl Network {
    /// That of this process.
    pub(super) fn system(variables: &BTreeMap<OsString, OsString>) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists());
        if !marked && !variables.contains_key(OsStr::new("KUBERNETES_SERVICE_HOST")) && !is_containers(&read("/proc/1/cgroup")) {
            return Self::default();
        }
        let mut routes = routes_v4(&read("/proc/net/route"));
        routes.extend(routes_v6(&read("/proc/net/ipv6_route")));
        routes.retain(|route| is_made_by_an_engine(&route.interface));
        Self {
            bridged: !routes.is_empty(),
            gateways: routes.into_iter().map(|route| route.gateway).collect(),
            own: own_v4(&read("/proc/net/fib_trie")).into_iter().chain(own_v6(&read("/proc/net/if_inet6"))).collect(),
        }
    }

    /// The network of `allow` that lets in everybody whom the engine hides behind the gateway, and the gateway. One that is
    /// listed by itself was meant so.
    pub(super) fn lets_everybody_in(&self, allow: &[IpNet]) -> Option<(IpNet, IpAddr)> {
        let meant = |gateway: &IpAddr| allow.contains(&IpNet::from(*gateway));
        let hiding = self.gateways.iter().filter(|gateway| self.bridged && !meant(gateway));
        hiding.filter_map(|gateway| Some((*allow.iter().find(|network| network.contains(gateway))?, *gateway))).next()
    }

    /// The addresses behind which devices of other networks in `allow` may be hidden; none where there are no such networks.
    pub(super) fn hiding_places(&self, allow: &[IpNet]) -> Vec<IpAddr> {
        let places: Vec<IpAddr> = self.gateways.iter().chain(&self.own).copied().filter(|_| self.bridged).collect();
        let names_others = allow.iter().any(|network| !places.iter().any(|place| network.contains(place)));
        if names_others { places } else { Vec::new() }
    }
}

/// Whether the first process runs in a control group of an engine that publishes ports. System containers (LXC) are left
/// out: their bridges pass addresses on.
fn is_containers(cgroup: &str) -> bool {
    ["docker", "kubepods", "libpod", "containerd"].iter().any(|engine| cgroup.contains(engine))
}

/// Whether an interface is one end of a pair whose other end is outside (veth), or a tap of an engine that runs without root. Those of
/// a host, and those that give a container an address in the local network (macvlan, ipvlan), are not.
fn is_made_by_an_engine(interface: &str) -> bool {
    let read = |file: &str| fs::read_to_string(format!("/sys/class/net/{interface}/{file}")).unwrap_or_default();
    judge_interface(&read("ifindex"), &read("iflink"), &read("uevent"), &read("tun_flags"))
}

fn judge_interface(ifindex: &str, iflink: &str, uevent: &str, tun_flags: &str) -> bool {
    /// IFF_TAP of linux/if_tun.h; without it, it is a tunnel, as VPNs have.
    const TAP: u32 = 2;
    let pair = !ifindex.is_empty() && !iflink.is_empty() && ifindex != iflink && !uevent.contains("DEVTYPE=");
    let tap = tun_flags.trim().strip_prefix("0x").and_then(|flags| u32::from_str_radix(flags, 16).ok());
    pair || tap.is_some_and(|flags| flags & TAP != 0)
}

/// A way to everywhere.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    interface: String,
    gateway: IpAddr,
}

/// Default routes in /proc/net/route: interface, destination, gateway, flags …, with addresses as words of the machine.
fn routes_v4(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (interface, gateway) = (words.first()?, u32::from_str_radix(words.get(2)?, 16).ok()?);
        let everywhere = words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000") && gateway != 0;
        everywhere.then(|| Route { interface: (*interface).to_owned(), gateway: Ipv4Addr::from(gateway.to_ne_bytes()).into() })
    };
    text.lines().filter_map(route).collect()
}

/// Default routes in /proc/net/ipv6_route: destination, bits, source, bits, gateway … interface.
fn routes_v6(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (gateway, interface) = (address_v6(words.get(4)?)?, words.last()?);
        let everywhere = words.first().is_some_and(|word| address_v6(word) == Some(Ipv6Addr::UNSPECIFIED)) && words.get(1) == Some(&"00");
        (everywhere && !gateway.is_unspecified()).then(|| Route { interface: (*interface).to_owned(), gateway: gateway.into() })
    };
    text.lines().filter_map(route).collect()
}

/// Thirty-two digits without colons.
fn address_v6(text: &str) -> Option<Ipv6Addr> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from_bits)).flatten()
}

/// Local addresses in /proc/net/fib_trie: a line with the address, and below it `/32 host LOCAL`.
fn own_v4(text: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for (line, below) in text.lines().zip(text.lines().skip(1)) {
        let address = line.trim_start().strip_prefix("|-- ").and_then(|text| text.parse::<Ipv4Addr>().ok());
        let Some(address) = address.filter(|address| below.trim() == "/32 host LOCAL" && !address.is_loopback()) else { continue };
        if !found.contains(&address.into()) {
            found.push(address.into());
        }
    }
    found
}

/// Local addresses in /proc/net/if_inet6: the address first.
fn own_v6(text: &str) -> Vec<IpAddr> {
    let addresses = text.lines().filter_map(|line| address_v6(line.split_whitespace().next()?));
    addresses.filter(|address| !address.is_loopback()).map(IpAddr::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                         eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                         eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    const ROUTE_V6: &str = "\
        fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
    const FIB_TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.1
              /32 host LOCAL
        +-- 172.17.0.0/30 2 0 2
           |-- 172.17.0.0
              /16 link UNICAST
           |-- 172.17.0.2
              /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
Local:
           |-- 172.17.0.2
              /32 host LOCAL
";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|text| super::super::networks::parse(text).unwrap()).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_files_of_the_system_are_read() {
        let eth0 = |gateway| vec![Route { interface: "eth0".into(), gateway: ip(gateway) }];
        assert_eq!(routes_v4(ROUTE), eth0("172.17.0.1"));
        assert_eq!(routes_v6(ROUTE_V6), eth0("fd00::1"));
        assert_eq!(own_v4(FIB_TRIE), [ip("172.17.0.2")]);
        let own = own_v6("fd000000000000000000000000000002 04 40 00 00     eth0\n00000000000000000000000000000001 01 80 10 80       lo\n");
        assert_eq!(own, [ip("fd00::2")]);
        for nonsense in ["", "\n\n", "eth0 x", "eth0 00000000 zz 3", "| |-- /32 host LOCAL", "\u{e9}\u{e9}"] {
            assert!(
                routes_v4(nonsense).is_empty()
                    && routes_v6(nonsense).is_empty()
                    && own_v4(nonsense).is_empty()
                    && own_v6(nonsense).is_empty()
            );
        }
    }

    #[test]
    fn an_engines_interface_is_told_from_a_hosts() {
        for (what, ifindex, iflink, uevent, tun_flags, made) in [
            ("veth of Docker", "2\n", "7\n", "INTERFACE=eth0\nIFINDEX=2\n", "", true),
            ("tap of slirp4netns", "2\n", "2\n", "INTERFACE=tap0\n", "0x1002\n", true),
            ("a network card", "2\n", "2\n", "INTERFACE=eth0\n", "", false),
            ("a VLAN of the host", "5\n", "2\n", "DEVTYPE=vlan\nINTERFACE=eth0.7\n", "", false),
            ("macvlan", "5\n", "2\n", "DEVTYPE=macvlan\nINTERFACE=eth0\n", "", false),
            ("a VPN", "9\n", "9\n", "INTERFACE=tun0\n", "0x1001\n", false),
            ("not to be seen", "", "", "", "", false),
        ] {
            assert_eq!(judge_interface(ifindex, iflink, uevent, tun_flags), made, "{what}");
        }
        assert!(is_containers("0::/system.slice/docker-0123.scope"));
        assert!(!is_containers("0::/init.scope"));
    }

    #[test]
    fn only_a_list_that_a_bridge_makes_worthless_is_told_of() {
        let bridged = Network { bridged: true, gateways: vec![ip("172.17.0.1")], own: vec![ip("172.17.0.2")] };
        let host = Network { bridged: false, ..bridged.clone() };
        let (private, devices, gateway) = ("172.16.0.0/12", "192.168.10.0/24", "172.17.0.1/32");
        for (allow, in_by, hidden) in [
            (&[private][..], Some(private), false),
            (&[devices, private], Some(private), true),
            (&[devices], None, true),
            (&[gateway], None, false),
            (&[gateway, private], None, false),
            (&[gateway, devices], None, true),
            (&[], None, false),
        ] {
            let allow = nets(allow);
            assert_eq!(bridged.lets_everybody_in(&allow).map(|(network, _)| network.to_string()).as_deref(), in_by, "{allow:?}");
            assert_eq!(!bridged.hiding_places(&allow).is_empty(), hidden, "{allow:?}");
            assert_eq!((host.lets_everybody_in(&allow), host.hiding_places(&allow)), (None, Vec::new()));
            assert_eq!((Network::default().lets_everybody_in(&allow), Network::default().hiding_places(&allow)), (None, Vec::new()));
        }
    }
}
