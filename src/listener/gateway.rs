//! Notices when every client turns out to be a container's gateway. Pure.
//!
//! Then the listener's list of networks, which names others, is about devices that it never gets to see.

use std::net::IpAddr;

/// Connections after which it is certain enough: more than the health checks of a container's first minutes.
const ENOUGH: u32 = 20;

/// What was seen so far. It speaks once at most.
#[derive(Debug)]
pub(super) enum Watch {
    /// All clients so far had one of these addresses; so many came.
    Looking { places: Vec<IpAddr>, seen: u32 },
    /// There is nothing to say, or it was said.
    Done,
}

impl Watch {
    /// Watches for clients that all hide at these places; there may be none.
    pub(super) fn new(places: &[IpAddr]) -> Self {
        match places {
            [] => Self::Done,
            [..] => Self::Looking { places: places.to_vec(), seen: 0 },
        }
    }

    /// One more client; whether to tell of it. Those on loopback tell nothing: health checks come from there.
    pub(super) fn saw(&mut self, client: IpAddr) -> bool {
        let Self::Looking { places, seen } = self else { return false };
        if client.is_loopback() {
            return false;
        }
        if !places.contains(&client) {
            // Others are seen as they are.
            *self = Self::Done;
            return false;
        }
        *seen += 1;
        let enough = *seen >= ENOUGH;
        if enough {
            *self = Self::Done;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 17, 0, 1));

    fn told(watch: &mut Watch, clients: impl IntoIterator<Item = IpAddr>) -> Vec<u32> {
        clients.into_iter().zip(1..).filter_map(|(client, number)| watch.saw(client).then_some(number)).collect()
    }

    #[test]
    fn speaks_once_when_nobody_but_the_gateway_came() {
        let many = || std::iter::repeat_n(GATEWAY, 100);
        let health = || std::iter::repeat_n(IpAddr::from([127, 0, 0, 1]), 100);
        assert_eq!(told(&mut Watch::new(&[GATEWAY]), many()), [20]);
        assert_eq!(told(&mut Watch::new(&[GATEWAY]), health().chain(many())), [120]);
        assert!(told(&mut Watch::new(&[GATEWAY]), std::iter::once(IpAddr::from([192, 168, 10, 21])).chain(many())).is_empty());
        assert!(told(&mut Watch::new(&[]), many()).is_empty());
    }
}
