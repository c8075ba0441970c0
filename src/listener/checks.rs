//! Checks of passwords: few at once, always in the same memory, and every client in its turn.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::session::{Checked, Scratch, Verifying};

/// Passwords checked at once, over all listeners: argon2 takes 19 MB and a processor for each.
const AT_ONCE: usize = 2;

/// The places where passwords are checked. Clones are the same places.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    places: Arc<Semaphore>,
    /// Memory that no check uses now; with what is in use at most [`AT_ONCE`] pieces, kept for good.
    idle: Arc<Mutex<Vec<Scratch>>>,
}

/// A client's turn. All its conversations share it, so of one client at most one check waits for a place: however many it
/// asks for, another client's is the next or the one after.
#[derive(Clone, Debug)]
pub(super) struct Turn(Arc<Semaphore>);

impl Turn {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// Leave to check one password.
#[derive(Debug)]
pub(super) struct Leave {
    idle: Arc<Mutex<Vec<Scratch>>>,
    _turn: Option<OwnedSemaphorePermit>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Checks {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), idle: Arc::default() }
    }

    /// Waits for the client's turn, then for a place.
    pub(super) async fn leave(&self, turn: &Turn) -> Leave {
        // Neither is ever closed.
        let turn = Arc::clone(&turn.0).acquire_owned().await.ok();
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        Leave { idle: Arc::clone(&self.idle), _turn: turn, _place: place }
    }
}

impl Leave {
    /// Checks the password. The place is free again only when that has ended, whoever still waits for it.
    pub(super) fn check(self, verifying: Verifying) -> Checked {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = idle().pop().unwrap_or_default();
        let checked = verifying.verify(&mut scratch);
        idle().push(scratch);
        checked
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::session::{Auth, Conditions, Next, Policy, Quirks, Session, Way};
    use crate::smtp::Line;

    fn verifying() -> Verifying {
        let hash = "$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$Y3Hm3GmtVtvzsKIVUGDSYhbkmxZJfNJ1e3sl/kTL9nM";
        let users = HashMap::from([("scanner".to_owned(), hash.to_owned())]);
        let (message_size, recipients, errors, postmaster) = (1, 1, 1, None);
        let auth = Auth::Users(Arc::new(users));
        let policy = Policy { hostname: "relay.example".into(), message_size, recipients, errors, auth, starttls: false, postmaster };
        let (session, _) = Session::new(Arc::new(policy), Quirks::default(), Way::Clear);
        match session.on_line(Line::Whole(b"AUTH PLAIN AHNjYW5uZXIAZ3Vlc3NlZA=="[..].into()), Conditions::Ready) {
            Next::Verify(verifying) => verifying,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_client_with_many_logins_does_not_hold_up_another() {
        let (checks, flood, device) = (Checks::new(), Turn::new(), Turn::new());
        let first = checks.leave(&flood).await;
        let mut others: Vec<_> = (0..50).map(|_| Box::pin(checks.leave(&flood))).collect();
        assert!(others.iter_mut().all(|other| other.now_or_never().is_none()), "each waits for its turn");
        let leave = checks.leave(&device).now_or_never().expect("a place is free for another client");
        drop((first, leave));
        let mut granted: Vec<_> = others.iter_mut().filter_map(|other| other.now_or_never()).collect();
        assert_eq!(granted.len(), 1, "one after the other");
        granted.push(checks.leave(&device).now_or_never().expect("the next client's turn comes before the flood's next"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn checks_on_many_threads_share_the_memory_of_two() {
        let checks = Checks::new();
        let tasks: Vec<_> = (0..40)
            .map(|_| {
                let checks = checks.clone();
                tokio::spawn(async move {
                    let leave = checks.leave(&Turn::new()).await;
                    tokio::task::spawn_blocking(move || leave.check(verifying())).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert!(matches!(task.await.unwrap(), Checked::Wrong { failures: 1, .. }));
        }
        let idle = checks.idle.lock().unwrap();
        assert!((1..=AT_ONCE).contains(&idle.len()), "{idle:?}");
        assert!(idle.iter().all(|scratch| format!("{scratch:?}") == "Scratch { octets: 1048576 }"), "{idle:?}");
    }
}
