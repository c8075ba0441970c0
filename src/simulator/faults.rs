//! The faults that are planned now. Each place that can go wrong asks for its own; a counted fault is gone
//! after so many answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::fault::{Fault, Planned};

/// What is planned. Asking costs one load while nothing is.
#[derive(Debug, Default)]
pub(super) struct Faults {
    any: AtomicBool,
    planned: Mutex<Vec<Planned>>,
}

impl Faults {
    /// Plans these in the place of all others.
    pub(super) fn set(&self, planned: Vec<Planned>) {
        let mut here = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(!planned.is_empty(), Ordering::Release);
        *here = planned;
    }

    /// What is planned now, with the uses that are left.
    pub(super) fn list(&self) -> Vec<Planned> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses up the first planned fault for which `pick` gives something, and gives that.
    pub(super) fn take<T>(&self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, found) = planned.iter().enumerate().find_map(|(at, planned)| Some((at, pick(&planned.fault)?)))?;
        if let Some(uses) = planned[at].uses {
            match std::num::NonZeroU32::new(uses.get() - 1) {
                Some(left) => planned[at].uses = Some(left),
                None => drop(planned.remove(at)),
            }
        }
        Some(found)
    }

    /// Uses up `fault`, if it is planned.
    pub(super) fn happens(&self, fault: &Fault) -> bool {
        self.take(|planned| (planned == fault).then_some(())).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_is_used_up() {
        let faults = Faults::default();
        assert!(!faults.happens(&Fault::Temporary));
        faults.set(vec!["temporary=2".parse().unwrap(), Fault::Greeting.into()]);
        assert_eq!([(); 3].map(|()| faults.happens(&Fault::Temporary)), [true, true, false]);
        assert!(faults.happens(&Fault::Greeting) && faults.happens(&Fault::Greeting));
        assert_eq!(faults.list(), [Planned::from(Fault::Greeting)]);
    }
}
