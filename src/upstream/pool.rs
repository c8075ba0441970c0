//! Signed-in connections between two messages: kept, handed out newest first, closed in time.
//!
//! Always true:
//! - No more connections are in use or kept than the account may have.
//! - A connection that is too old, served too many messages or has something to say is not handed out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::Waits;
use super::drive::Signed;
use crate::tasks::Group;

/// The connections of one account.
#[derive(Debug)]
pub(super) struct Pool {
    waits: Waits,
    slots: Semaphore,
    kept: Mutex<Kept>,
    group: Group,
}

#[derive(Debug, Default)]
struct Kept {
    /// Oldest first.
    idle: Vec<Idle>,
    /// A task is there that closes what was idle for too long.
    sweeping: bool,
}

#[derive(Debug)]
struct Idle {
    signed: Signed,
    since: Instant,
}

impl Pool {
    /// An empty pool for `connections` at once, at least one.
    pub(super) fn new(connections: usize, waits: Waits) -> Self {
        Self { waits, slots: Semaphore::new(connections.max(1)), kept: Mutex::default(), group: Group::new("upstream connections") }
    }

    /// Leave to use one connection; waits until another attempt gives its own back.
    pub(super) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        // Nothing closes the semaphore, so there is always a permit in the end.
        self.slots.acquire().await.ok()
    }

    /// The connection that was used last and is still good.
    pub(super) async fn take(&self) -> Option<Signed> {
        loop {
            let mut idle = self.kept().idle.pop()?;
            if idle.since.elapsed() < self.waits.idle && self.is_young(&idle.signed) && idle.signed.connection.is_quiet().await {
                return Some(idle.signed);
            }
            tracing::debug!("closed a connection that was no longer good");
        }
    }

    /// Keeps a connection for the next message, or closes it when it has served its time.
    pub(super) async fn keep(self: &Arc<Self>, mut signed: Signed) {
        if self.group.is_stopping() || !self.is_young(&signed) {
            return signed.connection.quit().await;
        }
        signed.connection.rest();
        let mut kept = self.kept();
        kept.idle.push(Idle { signed, since: Instant::now() });
        if !std::mem::replace(&mut kept.sweeping, true) {
            let pool = Arc::clone(self);
            self.group.spawn(async move { pool.sweep().await });
        }
    }

    /// Says goodbye on every idle connection; the others are closed when they come back.
    pub(super) async fn close(&self) {
        self.group.ask_to_stop();
        let idle = std::mem::take(&mut self.kept().idle);
        futures_util::future::join_all(idle.into_iter().map(|idle| idle.signed.connection.quit())).await;
    }

    fn is_young(&self, signed: &Signed) -> bool {
        signed.messages < self.waits.messages && signed.connection.since.elapsed() < self.waits.age
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes connections that were idle for too long, until none is left.
    async fn sweep(&self) {
        while let Some(next) = self.next_to_close() {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.group.stopping() => return,
            }
            while let Some(idle) = self.overdue() {
                idle.signed.connection.quit().await;
            }
        }
    }

    /// When the oldest idle connection has to be closed. Without any the sweeping ends.
    fn next_to_close(&self) -> Option<Instant> {
        let mut kept = self.kept();
        let next = kept.idle.first().map(|idle| idle.since + self.waits.idle);
        kept.sweeping = next.is_some();
        next
    }

    fn overdue(&self) -> Option<Idle> {
        let mut kept = self.kept();
        let due = kept.idle.first().is_some_and(|idle| idle.since.elapsed() >= self.waits.idle);
        due.then(|| kept.idle.remove(0))
    }
}
