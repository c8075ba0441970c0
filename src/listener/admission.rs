//! Who may talk, and how many at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::message::{Client, Counted};
use crate::session::Auth;
use crate::sockets::Bound;

use super::Settings;
use super::checks::{Checks, Leave, Turn};
use super::refusals::QUIET;

/// Clients that are told at the same moment why they are turned away. Each takes a second at most, and none takes the place of one
/// that may be served.
const LAST_WORDS: usize = 64;

/// Counts connections over all listeners, and logins that are being checked. Clones count together.
#[derive(Clone, Debug)]
pub struct Connections {
    places: Arc<Semaphore>,
    last_words: Arc<Semaphore>,
    told_of_fullness: Arc<Mutex<Option<Instant>>>,
    clients: Arc<Mutex<HashMap<Counted, Held>>>,
    checks: Checks,
}

/// What a client holds that has connections.
#[derive(Debug)]
struct Held {
    connections: usize,
    turn: Turn,
}

impl Connections {
    /// Room for `limit` connections at once.
    pub fn new(limit: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
            last_words: Arc::new(Semaphore::new(LAST_WORDS)),
            told_of_fullness: Arc::default(),
            clients: Arc::default(),
            checks: Checks::new(),
        }
    }

    /// A place, if one is free.
    pub(super) fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Leave to tell a client that is turned away why, if not too many are being told.
    pub(super) fn last_word(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.last_words).try_acquire_owned().ok()
    }

    /// Whether the log should tell that there is no place: once in [`QUIET`], over all listeners.
    pub(super) fn tell_of_fullness(&self, now: Instant) -> bool {
        let mut told = self.told_of_fullness.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = told.is_some_and(|told| now.saturating_duration_since(told) < QUIET);
        if !quiet {
            *told = Some(now);
        }
        !quiet
    }

    /// A place, as soon as one is free.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Counts one more connection of `client`, unless it has `limit` of them: then the place is given back.
    pub(super) fn admit(&self, client: Client, limit: usize, place: OwnedSemaphorePermit) -> Result<Admission, OwnedSemaphorePermit> {
        let client = client.counted();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = clients.entry(client).or_insert_with(|| Held { connections: 0, turn: Turn::new() });
        if counted.connections >= limit {
            return Err(place);
        }
        counted.connections += 1;
        Ok(Admission { connections: self.clone(), client, turn: counted.turn.clone(), _place: place })
    }
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    connections: Connections,
    client: Counted,
    turn: Turn,
    _place: OwnedSemaphorePermit,
}

impl Admission {
    /// Waits for leave to check a password.
    pub(super) async fn leave_to_check(&self) -> Leave {
        self.connections.checks.leave(&self.turn).await
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut clients = self.connections.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = clients.get_mut(&self.client) {
            counted.connections -= 1;
            if counted.connections == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

/// Whether the listener serves this client. For a local program its socket's mode has decided that already.
pub(super) fn allowed(settings: &Settings, bound: &Bound, client: Client) -> bool {
    let Some(client) = client.address() else { return true };
    if settings.allow.iter().any(|network| network.contains(&client)) {
        return true;
    }
    let logins_decide = settings.allow.is_empty() && matches!(settings.policy.auth, Auth::Users(_));
    (bound.is_local() && client.is_loopback()) || logins_decide
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};
    use std::time::Duration;

    use super::*;
    use crate::listener::{Clients, Limits, Tls};
    use crate::session::Policy;

    fn settings(address: &str, allow: &[&str], auth: Auth) -> Settings {
        Settings {
            address: address.parse::<SocketAddr>().unwrap().into(),
            name: address.into(),
            allow: allow.iter().map(|network| network.parse().unwrap()).collect(),
            proxy: Vec::new(),
            hiding_places: Vec::new(),
            tls: Tls::None,
            policy: Arc::new(Policy {
                hostname: "relay.example".into(),
                message_size: 1,
                recipients: 1,
                errors: 1,
                auth,
                starttls: false,
                postmaster: None,
            }),
            clients: Clients::default(),
            limits: Limits { connections: 1, connections_per_client: 1, idle: Duration::ZERO, session: Duration::ZERO },
        }
    }

    #[test]
    fn only_loopback_needs_no_list() {
        let client_of = |text: &str| text.parse::<Client>().unwrap();
        let users = || Auth::Users(Arc::default());
        for (settings, client, may) in [
            (settings("127.0.0.1:25", &[], Auth::None), "127.0.0.1", true),
            (settings("[::1]:25", &[], Auth::None), "::1", true),
            (settings("0.0.0.0:25", &[], Auth::None), "127.0.0.1", false),
            (settings("0.0.0.0:25", &[], Auth::AcceptAny), "10.0.0.1", false),
            (settings("[::]:25", &["10.0.0.0/8"], Auth::None), "::ffff:10.1.2.3", true),
            (settings("[::]:25", &["10.0.0.0/8"], Auth::None), "::ffff:192.168.0.1", false),
            (settings("0.0.0.0:25", &[], users()), "192.0.2.1", true),
            (settings("0.0.0.0:25", &["10.0.0.0/8"], users()), "192.0.2.1", false),
            (settings("0.0.0.0:25", &["10.0.0.0/8"], Auth::None), "unix:uid=1000", true),
        ] {
            let bound = Bound::Network(settings.address.network().unwrap());
            assert_eq!(allowed(&settings, &bound, client_of(client)), may, "{client} at {}", settings.name);
        }
    }

    #[test]
    fn who_is_turned_away_takes_no_place_of_those_who_are_served() {
        let connections = Connections::new(1);
        let words: Vec<_> = (0..1000).map_while(|_| connections.last_word()).collect();
        assert_eq!(words.len(), LAST_WORDS);
        assert!(connections.try_place().is_some());
        drop(words);
        assert!(connections.last_word().is_some());
    }

    #[test]
    fn that_there_is_no_place_is_told_once_a_minute() {
        let (connections, start) = (Connections::new(1), Instant::now());
        let at = |seconds| connections.clone().tell_of_fullness(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61].map(at), [true, false, false, true, false]);
    }

    #[test]
    fn counts_each_client_and_forgets_those_that_left() {
        let connections = Connections::new(10);
        let client = Client::from(IpAddr::from([10, 0, 0, 1]));
        let admit = || connections.admit(client, 2, connections.try_place().unwrap());
        let (first, second) = (admit().unwrap(), admit().unwrap());
        assert!(admit().is_err());
        drop(first);
        assert!(admit().is_ok());
        drop(second);
        assert!(connections.clients.lock().unwrap().is_empty());
        assert_eq!(connections.places.available_permits(), 10);
    }

    #[test]
    fn a_client_has_as_many_addresses_and_processes_as_it_likes() {
        let connections = Connections::new(10);
        let admit = |client: &str| connections.admit(client.parse().unwrap(), 1, connections.try_place().unwrap());
        let first = admit("2001:db8:1:2::1").unwrap();
        assert!(admit("2001:db8:1:2:ffff::2").is_err(), "another address of the same machine");
        let _neighbour = admit("2001:db8:1:3::1").expect("another network");
        drop(first);
        assert!(admit("2001:db8:1:2:ffff::2").is_ok());
        let _program = admit("unix:uid=1000,pid=7").unwrap();
        assert!(admit("unix:uid=1000,pid=8").is_err(), "another program of the same user");
    }
}
