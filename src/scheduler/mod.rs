//! Decides when to try what within the limits, and obeys.
//!
//! `lane` holds what is decided for one account, pure; `settle` says what an attempt's report means for the
//! entry and for the account, pure; `engine` is the loop that obeys both. The scheduler knows neither SMTP nor
//! what is in a message: it hands entries to a [`Courier`](crate::delivery::Courier) and records outcomes.
//!
//! Always true:
//! - An entry is in one attempt at a time.
//! - While an outcome cannot be recorded, no attempt is started: what was sent could be sent again without anybody knowing.
//! - An account or upstream in trouble is tried with one message at a time, and no message pays for it with its own time.

mod engine;
mod lane;
mod settle;

use std::time::Duration;

pub use engine::{Scheduler, Status};
pub use lane::LaneState;

use crate::message::AccountName;

/// What one account may do.
#[derive(Clone, Debug)]
pub struct AccountLimits {
    /// The account.
    pub account: AccountName,
    /// Attempts at once; at least one.
    pub connections: usize,
    /// Messages within any sixty seconds; `None` for no limit.
    pub messages_per_minute: Option<u32>,
}

/// How attempts are repeated.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// The pause after the first failure; each further one doubles it.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Retry {
    /// The pause after `failures` failures in a row (at least one), spread by up to a fifth either way so that what
    /// failed together doesn't come back together. `entropy` is any number; the same one gives the same pause.
    pub fn pause(&self, failures: u32, entropy: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let pause = self.first.saturating_mul(1 << doublings).min(self.longest);
        let spread = (entropy % 401) as u32 + 800;
        pause.saturating_mul(spread) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_spread_by_a_fifth() {
        let retry = Retry { first: Duration::from_secs(30), longest: Duration::from_secs(3600) };
        let pauses: Vec<_> = [1, 2, 3, 8, 40].map(|failures| retry.pause(failures, 200).as_secs()).to_vec();
        assert_eq!(pauses, [30, 60, 120, 3600, 3600]);
        assert_eq!(retry.pause(1, 0), Duration::from_secs(24));
        assert_eq!(retry.pause(1, 400), Duration::from_secs(36));
    }
}
