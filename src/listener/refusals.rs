//! Which refused clients the log tells of.
//!
//! A client that comes back at once each time it is refused would fill the disk with lines that all say the same. Always
//! true: of one client, for one reason, there is at most one line in [`QUIET`], and it tells how many were passed over
//! since the last; what is remembered has a limit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::message::{Client, Counted};

use super::end::End;

/// How long nothing more is told of a client and a reason.
pub(super) const QUIET: Duration = Duration::from_secs(60);
/// Clients and reasons that are remembered, in some 100 KB: more than refused devices of one site, however badly it is set up.
const REMEMBERED: usize = 1024;

/// What the log told of last.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// By client and reason; all for whom there is no room share `None`.
    told: Mutex<HashMap<Option<(Counted, End)>, Told>>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    suppressed: u64,
}

impl Refusals {
    /// Whether the log should tell of this one; then how many were passed over since it last did. What was passed over
    /// of clients that stayed away is forgotten when their room is needed.
    pub(super) fn tell(&self, client: Client, why: End, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |told: &Told| now.saturating_duration_since(told.at) < QUIET;
        let mut key = Some((client.counted(), why));
        if told.len() >= REMEMBERED && !told.contains_key(&key) {
            told.retain(|_, told| quiet(told));
            key = key.filter(|_| told.len() < REMEMBERED);
        }
        match told.entry(key) {
            Entry::Occupied(mut entry) if quiet(entry.get()) => {
                entry.get_mut().suppressed += 1;
                None
            }
            Entry::Occupied(mut entry) => Some(entry.insert(Told { at: now, suppressed: 0 }).suppressed),
            Entry::Vacant(entry) => {
                entry.insert(Told { at: now, suppressed: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    use crate::session::Farewell;

    const WHY: End = End::Farewell(Farewell::NotAllowed);

    #[test]
    fn tells_of_a_client_once_a_minute_and_then_how_often_it_came() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let client = Client::from(IpAddr::from([10, 0, 0, 1]));
        let at = |seconds| refusals.tell(client, WHY, start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61].map(at), [Some(0), None, None, Some(2), None]);
        assert_eq!(refusals.tell(client, End::Farewell(Farewell::TooManyConnections), start), Some(0), "another reason");
        assert_eq!(refusals.tell(IpAddr::from([10, 0, 0, 2]).into(), WHY, start), Some(0), "another client");
        assert_eq!(at(600), Some(1));
    }

    #[test]
    fn remembers_only_so_many() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let clients = |refusals: &Refusals, now| {
            (0..10_000u32).filter_map(|number| refusals.tell(IpAddr::V4(number.into()).into(), WHY, now)).collect::<Vec<_>>()
        };
        assert_eq!(clients(&refusals, start).len(), REMEMBERED + 1, "those without room share one line");
        assert_eq!(refusals.told.lock().unwrap().len(), REMEMBERED + 1);
        clients(&refusals, start + QUIET);
        assert_eq!(refusals.told.lock().unwrap().len(), REMEMBERED + 1);
    }
}
