//! Names for new entries.
//!
//! Always true: an id is greater than every id before it, also across restarts and when the clock is set back.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::message::EntryId;

/// Hands out ids.
#[derive(Debug)]
pub(crate) struct Ids {
    clock: Clock,
    last: AtomicU64,
}

impl Ids {
    /// Ids above `last`, the largest that was ever seen.
    pub(crate) fn above(last: Option<EntryId>, clock: Clock) -> Self {
        Self { clock, last: AtomicU64::new(last.map_or(0, EntryId::as_u64)) }
    }

    /// A new id: the first of this millisecond, or the one after the last.
    pub(crate) fn next(&self) -> EntryId {
        let fresh = EntryId::first_of(self.clock.now()).as_u64();
        let after = |last: u64| EntryId::from_u64(last).next().as_u64().max(fresh);
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
        EntryId::from_u64(after(last.unwrap_or_else(|last| last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn ids_increase_within_a_millisecond_and_when_the_clock_is_set_back() {
        let ids = Ids::above(None, Clock::manual(Timestamp::from_millis(1_000)));
        let first = ids.next();
        assert_eq!(first, EntryId::first_of(Timestamp::from_millis(1_000)));
        assert_eq!(ids.next(), first.next());
        let late = EntryId::first_of(Timestamp::from_millis(5_000));
        let ids = Ids::above(Some(late), Clock::manual(Timestamp::from_millis(1_000)));
        assert_eq!(ids.next(), late.next());
    }
}
