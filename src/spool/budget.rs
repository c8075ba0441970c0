//! How much memory the bodies of all sessions together may take.
//!
//! Always true: what is counted as used is the sum of all shares that exist, and never more than the limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A limit on octets held at once. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    /// A budget of `limit` octets.
    pub(crate) fn new(limit: u64) -> Self {
        Self(Arc::new(Counter { limit, used: AtomicU64::new(0) }))
    }

    /// Octets that are held now.
    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// A share of nothing, to be grown.
    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), octets: 0 }
    }
}

/// Octets taken from a [`Budget`], given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    octets: u64,
}

impl Share {
    /// Octets of this share.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Another share of the same budget, of nothing.
    pub(crate) fn sibling(&self) -> Self {
        self.budget.share()
    }

    /// Grows to `octets`, unless the budget has not as many left: then the share stays as it is.
    pub(crate) fn grow(&mut self, octets: u64) -> bool {
        let Some(more) = octets.checked_sub(self.octets) else { return true };
        let counter = &self.budget.0;
        let within = |used: u64| used.checked_add(more).filter(|sum| *sum <= counter.limit);
        let granted = counter.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok();
        if granted {
            self.octets = octets;
        }
        granted
    }

    /// Gives back what is more than `octets`.
    pub(crate) fn shrink(&mut self, octets: u64) {
        let less = self.octets.saturating_sub(octets);
        self.budget.0.used.fetch_sub(less, Ordering::Relaxed);
        self.octets -= less;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_exceed_the_budget_and_come_back() {
        let budget = Budget::new(100);
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.grow(60) && !two.grow(41) && two.grow(40));
        one.shrink(10);
        assert_eq!(budget.used(), 50);
        assert!(one.grow(60) && one.grow(5));
        assert_eq!(one.octets(), 60);
        drop((one, two));
        assert_eq!(budget.used(), 0);
    }
}
