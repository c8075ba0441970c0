//! What waits for the writer.
//!
//! Always true: at most [`LIMIT`] operations wait; whoever comes next waits for room.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

/// Operations that may wait: more than sessions and attempts there are at once in any sensible
/// configuration, and few enough that one commit of all of them stays short.
const LIMIT: usize = 4096;

/// Operations on their way to the writer.
#[derive(Debug)]
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    arrived: Condvar,
    room: Semaphore,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: Vec<T>,
    closed: bool,
}

/// What the writer was woken for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Woken<T> {
    /// These wait, in the order in which they came.
    For(Vec<T>),
    /// Nothing came for as long as it was willing to wait.
    ForNothing,
    /// Nothing waits, and nothing will come any more.
    ToEnd,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub(super) fn new() -> Self {
        let inner = Mutex::new(Inner { waiting: Vec::new(), closed: false });
        Self { inner, arrived: Condvar::new(), room: Semaphore::new(LIMIT) }
    }

    /// Adds an operation, when there is room. `Err` gives it back: the queue is closed.
    pub(super) async fn push(&self, operation: T) -> Result<(), T> {
        match self.room.acquire().await {
            // The writer gives the room back when it takes the operation.
            Ok(permit) => permit.forget(),
            Err(_) => return Err(operation),
        }
        let mut inner = self.lock();
        if inner.closed {
            return Err(operation);
        }
        inner.waiting.push(operation);
        // The writer only sleeps when nothing waits.
        if inner.waiting.len() == 1 {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Takes all that waits; sleeps while there is nothing, at most `patience`.
    pub(super) fn take(&self, patience: Option<Duration>) -> Woken<T> {
        let idle = |inner: &mut Inner<T>| inner.waiting.is_empty() && !inner.closed;
        let inner = self.lock();
        let mut inner = match patience {
            Some(patience) => self.arrived.wait_timeout_while(inner, patience, idle).unwrap_or_else(PoisonError::into_inner).0,
            None => self.arrived.wait_while(inner, idle).unwrap_or_else(PoisonError::into_inner),
        };
        if !inner.waiting.is_empty() {
            let waiting = std::mem::take(&mut inner.waiting);
            self.room.add_permits(waiting.len());
            return Woken::For(waiting);
        }
        if inner.closed { Woken::ToEnd } else { Woken::ForNothing }
    }

    /// Takes nothing more; what waits is still done.
    pub(super) fn close(&self) {
        self.room.close();
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Drops what waits and takes nothing more: nobody is there to do it.
    pub(super) fn abandon(&self) {
        self.close();
        self.lock().waiting.clear();
    }

    /// Nothing that can panic is done under this lock.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_all_that_waits_at_once_and_ends_when_closed() {
        let queue = Queue::new();
        queue.push(1).await.unwrap();
        queue.push(2).await.unwrap();
        assert_eq!(queue.take(None), Woken::For(vec![1, 2]));
        assert_eq!(queue.take(Some(Duration::ZERO)), Woken::ForNothing);
        queue.push(3).await.unwrap();
        queue.close();
        assert_eq!(queue.push(4).await, Err(4));
        assert_eq!(queue.take(None), Woken::For(vec![3]));
        assert_eq!(queue.take(None), Woken::ToEnd);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_writer_that_is_gone() {
        let queue = Queue::new();
        let (answer, answered) = tokio::sync::oneshot::channel::<()>();
        queue.push(answer).await.unwrap();
        queue.abandon();
        assert!(answered.await.is_err());
        let (late, _) = tokio::sync::oneshot::channel();
        assert!(queue.push(late).await.is_err());
    }

    #[tokio::test]
    async fn whoever_comes_when_it_is_full_waits() {
        let queue = Queue::new();
        for n in 0..LIMIT {
            queue.push(n).await.unwrap();
        }
        let mut late = Box::pin(queue.push(LIMIT));
        assert!(futures_util::poll!(&mut late).is_pending());
        assert!(matches!(queue.take(None), Woken::For(all) if all.len() == LIMIT));
        late.await.unwrap();
    }
}
