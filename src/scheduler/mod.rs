//! Decides when to try what within the limits (`plan`, pure), and a small loop that obeys.

use std::time::Duration;

use crate::message::AccountName;

/// What one account may do.
#[derive(Clone, Debug)]
pub struct AccountLimits {
    /// The account.
    pub account: AccountName,
    /// Attempts at once.
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
