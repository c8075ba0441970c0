//! Entries that were stored a moment ago, whole, so that sending them at once reads nothing from disk.
//!
//! Always true: an entry in here is as it was stored; when it changes, or may have changed, it leaves before
//! whoever changed it is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::row::untried;
use crate::clock::Timestamp;
use crate::delivery::Body;
use crate::message::EntryId;
use crate::spool::budget::{Budget, Share};
use crate::spool::{Entry, NewEntry, State};

/// Octets that an entry takes beside its header and body, roughly.
const OVERHEAD: usize = 2048;
/// How long an entry that nobody asks for may keep a newer one out: its account may be held.
const STALE: Duration = Duration::from_secs(30);

/// The entries.
#[derive(Debug)]
pub(super) struct Fresh {
    budget: Budget,
    entries: Mutex<BTreeMap<EntryId, Kept>>,
}

#[derive(Debug)]
struct Kept {
    message: NewEntry,
    body: Bytes,
    due: Timestamp,
    since: Instant,
    _share: Share,
}

impl Fresh {
    /// Room for entries of `limit` octets together.
    pub(super) fn new(limit: u64) -> Self {
        Self { budget: Budget::new(limit), entries: Mutex::default() }
    }

    /// Keeps an entry if there is room. What is kept is not pushed out by what comes later, as long as it
    /// is young: the oldest are sent first.
    pub(super) fn keep(&self, id: EntryId, message: NewEntry, body: Bytes, due: Timestamp) {
        let octets = (OVERHEAD + message.header.as_bytes().len() + body.len()) as u64;
        let mut share = self.budget.share();
        let mut entries = self.lock();
        while !share.grow(octets) {
            match entries.first_entry() {
                Some(oldest) if oldest.get().since.elapsed() > STALE => drop(oldest.remove()),
                Some(_) | None => return,
            }
        }
        entries.insert(id, Kept { message, body, due, since: Instant::now(), _share: share });
    }

    /// Gives an entry away. Whoever wants it again reads it from disk.
    pub(super) fn take(&self, id: EntryId) -> Option<Entry> {
        let Kept { message, body, due, .. } = self.lock().remove(&id)?;
        Some(stored(id, message, body, due))
    }

    /// An entry that stays in here.
    pub(super) fn look(&self, id: EntryId) -> Option<Entry> {
        let entries = self.lock();
        let Kept { message, body, due, .. } = entries.get(&id)?;
        Some(stored(id, message.clone(), body.clone(), *due))
    }

    /// Forgets an entry, because it changes.
    pub(super) fn forget(&self, id: EntryId) {
        self.lock().remove(&id);
    }

    /// Nothing that can panic is done under this lock.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<EntryId, Kept>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry as it was stored.
fn stored(id: EntryId, message: NewEntry, body: Bytes, due: Timestamp) -> Entry {
    let recipients = untried(&message.envelope);
    Entry { id, message, body: Body::Memory(body), state: State::Waiting(due), attempts: 0, recipients }
}
