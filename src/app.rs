//! Builds the rooms from a configuration, starts them, stops them.
//!
//! Everything a relay has hangs on its [`Relay`]: two of them run in one process without knowing of each other.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_rustls::rustls::ClientConfig;

use crate::clock::Clock;
use crate::config::{Account, Config, Problems};
use crate::control::{self, ControlError, Desk};
use crate::courier;
use crate::intake::Intake;
use crate::listener::{self, Connections, Listener};
use crate::message::AccountName;
use crate::scheduler::Scheduler;
use crate::sockets::{Bound, Inherited, ListenError};
use crate::spool::{OpenError, Recovery, Spool, SpoolError, SqliteSpool};
use crate::status::{self, StatusError};
use crate::tasks::{Group, Verdict};
use crate::tls::{self, TlsError, Trust};
use crate::upstream::Upstream;

/// New entries that may wait for the scheduler's attention. It finds the others in the spool.
const ARRIVALS: usize = 1024;
/// How long groups get that have nothing to finish.
const SHORT_GRACE: Duration = Duration::from_secs(5);

/// Why a relay could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file of private roots.
    #[error("{0}")]
    Configuration(Problems),
    /// The spool.
    #[error("cannot open the spool")]
    Open(#[from] OpenError),
    /// The spool was opened and then could not be read.
    #[error("cannot read the queue")]
    Read(#[from] SpoolError),
    /// A listener's socket.
    #[error("cannot start")]
    Listen(#[from] ListenError),
    /// The control socket.
    #[error("commands would not reach the relay")]
    Control(#[from] ControlError),
    /// The address for health checks.
    #[error("health checks would not reach the relay")]
    Status(#[from] StatusError),
}

/// A relay that runs.
pub struct Relay {
    listeners: Vec<Bound>,
    http: Option<SocketAddr>,
    desk: Desk,
    spool: Arc<dyn Spool>,
    courier: Arc<courier::Relay>,
    groups: Groups,
    grace: Duration,
}

/// The relay's tasks, in the order in which they stop.
struct Groups {
    listeners: Group,
    scheduler: Group,
    attempts: Group,
    control: Group,
}

impl Relay {
    /// Starts a relay: the spool first, because nothing may be accepted without it, and the listeners last.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        Self::start_with(config, clock, Inherited::none()).await
    }

    /// Starts a relay of which some listeners use sockets that are there already.
    pub async fn start_with(config: Config, clock: Clock, inherited: Inherited) -> Result<Self, StartError> {
        let upstreams = upstreams(&config, &clock)?;
        let (spool, recovery) = SqliteSpool::open(config.spool.clone(), clock.clone())?;
        tell(&recovery, &config.accounts);
        let spool: Arc<dyn Spool> = Arc::new(spool);
        let control = Group::new("control");
        match Self::start_over(&spool, upstreams, config, (clock, inherited), &control).await {
            Ok(relay) => Ok(relay),
            Err(error) => {
                // It may answer already, with the spool in its hands.
                control.stop(SHORT_GRACE).await;
                spool.close().await;
                Err(error)
            }
        }
    }

    async fn start_over(
        spool: &Arc<dyn Spool>,
        upstreams: HashMap<AccountName, Upstream>,
        config: Config,
        (clock, inherited): (Clock, Inherited),
        control: &Group,
    ) -> Result<Self, StartError> {
        let groups = Groups {
            listeners: Group::new("listeners"),
            scheduler: Group::new("scheduler"),
            attempts: Group::new("attempts"),
            control: control.clone(),
        };
        let bound = listen(&config, inherited)?;
        let listeners: Vec<Bound> = bound.iter().map(|listener| listener.bound().clone()).collect();

        let (arrivals_in, arrivals) = mpsc::channel(ARRIVALS);
        let limits: Vec<_> = config.accounts.iter().map(Account::limits).collect();
        let advice = config.advice();
        let courier = Arc::new(courier::Relay::new(spool.clone(), upstreams, config.hostname.clone()));
        let scheduler = Scheduler::new(
            &limits,
            (config.retry, advice.clone()),
            spool.clone(),
            courier.clone(),
            clock.clone(),
            arrivals,
            groups.attempts.clone(),
        )
        .await?;

        let names = listeners.iter().map(Bound::to_string).collect();
        let desk = Desk::new(spool.clone(), clock.clone(), advice).of_running(names, scheduler.status(), arrivals_in.clone());
        control::serve(&config.spool.dir, desk.clone(), &groups.control)?;
        let http = match config.http {
            Some(address) => Some(status::serve(address, desk.clone(), &groups.control).await?),
            None => None,
        };

        let stopping = groups.scheduler.clone();
        groups.scheduler.spawn(async move { scheduler.run(stopping.stopping()).await });
        let intake = Intake::new(spool.clone(), Arc::new(config.senders), clock, arrivals_in);
        let connections = Connections::new(config.limits.connections);
        for listener in bound {
            listener.serve(intake.clone(), connections.clone(), &groups.listeners);
        }
        Ok(Self { listeners, http, desk, spool: spool.clone(), courier, groups, grace: config.stop_grace })
    }

    /// The addresses on which it listens, in the order of the configuration; sockets in the file system have none.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(Bound::network).collect()
    }

    /// The address for health checks.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Answers what commands ask.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Stops: no new connections, sessions inside DATA may finish, nothing new is attempted, attempts in flight may
    /// finish, each within the grace period. Whatever does not finish in time is in the spool.
    pub async fn stop(self) -> Vec<Verdict> {
        let mut verdicts = vec![self.groups.listeners.stop(self.grace).await];
        verdicts.push(self.groups.scheduler.stop(SHORT_GRACE).await);
        verdicts.push(self.groups.attempts.stop(self.grace).await);
        self.courier.close().await;
        verdicts.push(self.groups.control.stop(SHORT_GRACE).await);
        self.spool.close().await;
        verdicts
    }
}

/// Each account's way to its upstream. Accounts that trust the same roots share them: a set of roots is a few hundred kilobytes.
fn upstreams(config: &Config, clock: &Clock) -> Result<HashMap<AccountName, Upstream>, StartError> {
    let made: RefCell<HashMap<Option<PathBuf>, Arc<ClientConfig>>> = RefCell::default();
    let client = |trust: &Trust| -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(known) = made.borrow().get(&trust.ca_file) {
            return Ok(known.clone());
        }
        let client = tls::client(trust)?;
        made.borrow_mut().insert(trust.ca_file.clone(), client.clone());
        Ok(client)
    };
    let settings = config.upstreams(&client).map_err(StartError::Configuration)?;
    Ok(settings.into_iter().map(|settings| (settings.account.clone(), Upstream::new(settings, clock.clone()))).collect())
}

/// All listeners, open but not served.
fn listen(config: &Config, inherited: Inherited) -> Result<Vec<Listener>, ListenError> {
    let heirs = inherited.share_out(config.listeners.iter().map(|settings| &settings.address))?;
    let open = |(settings, heir): (&listener::Settings, _)| match heir {
        Some(heir) => Listener::inherit(settings.clone(), heir),
        None => Listener::bind(settings.clone()),
    };
    config.listeners.iter().zip(heirs).map(open).collect()
}

/// What was set aside is in the log already.
fn tell(recovery: &Recovery, accounts: &[Account]) {
    if recovery.leftovers > 0 {
        tracing::info!(files = recovery.leftovers, "removed what unfinished messages left; none of them was promised");
    }
    for (account, entries) in &recovery.accounts {
        if accounts.iter().all(|known| known.name != *account) {
            let remedy = "put the account back under `accounts`, and start again";
            tracing::error!(%account, entries, remedy, "mail waits for an account that is not configured");
        }
    }
    tracing::info!(entries = recovery.entries, "opened the queue");
}
