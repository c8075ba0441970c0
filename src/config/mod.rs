//! Reads the configuration file, checks all of it, and builds each room's settings.
//!
//! Text becomes a tree with places (`yaml`), the environment is laid over it (`overrides`), and the readers walk it and
//! collect every problem (`reader` and one module a section). Only a text without any problem becomes a [`Config`];
//! nothing is read again later, except the files of private roots, by [`Config::upstreams`].
//!
//! Always true of a [`Config`]: there is a listener and an account; no listener can be used by strangers; every
//! sender rule has an account that may send as its address, and the last one takes what the others leave.

mod account;
mod accounts;
mod address;
mod certificates;
mod clients;
mod container;
mod effective;
mod find;
mod general;
mod listeners;
mod networks;
mod overrides;
mod presets;
mod problem;
mod reader;
mod rule;
mod secrets;
mod senders;
mod surroundings;
mod tables;
mod values;
mod yaml;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::delivery::Advice;
use crate::listener;
use crate::scheduler::Retry;
use crate::senders::Senders;
use crate::spool;
use crate::upstream;

pub use account::{Account, Application, MakeClient, Roots, SignIn};
pub use container::Network;
pub use find::{LoadError, load};
pub use general::{Log, LogFormat};
pub use problem::{Place, Problem, Problems};
pub use rule::RULES;
pub use surroundings::Surroundings;

use problem::Place::Whole;
use reader::{Field, Reader};
use yaml::{Node, Value};

/// A configuration without problems.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the text is called: a path, or `MAILFERRY_CONFIG`.
    pub source: String,
    /// What a person should know although nothing is wrong: documented keys that this version passes over.
    pub notices: Problems,
    /// How we greet, on both sides.
    pub hostname: String,
    /// The spool's folder, and how much it may use.
    pub spool: spool::Settings,
    /// The listeners, at least one.
    pub listeners: Vec<listener::Settings>,
    /// What all listeners share: limits of connections and times,
    pub limits: listener::Limits,
    /// recipients of one message,
    pub recipients: usize,
    /// errors in one conversation,
    pub errors: u32,
    /// the users with their password hashes,
    pub users: Arc<HashMap<String, String>>,
    /// and what single clients need.
    pub clients: listener::Clients,
    /// The accounts, at least one.
    pub accounts: Vec<Account>,
    /// Which messages go out as whom.
    pub senders: Senders,
    /// The largest message in octets that the listeners take: no account's limit is smaller.
    pub message_size: u64,
    /// Where health, metrics and status are served, if at all. Always a loopback address.
    pub http: Option<SocketAddr>,
    /// How attempts are repeated.
    pub retry: Retry,
    /// How long sessions and attempts may take to finish when the program is to stop.
    pub stop_grace: Duration,
    /// What is logged, and how.
    pub log: Log,
}

/// Reads a configuration's text. `source` is what problems call it, `folder` what its relative paths are relative to.
pub fn read(text: &str, source: &str, folder: &Path, surroundings: &Surroundings) -> Result<Config, Problems> {
    let mut tree = yaml::parse(text).map_err(|problem| Problems::new(source, vec![problem]))?;
    if tree.value == Value::Null {
        tree = Node { place: Whole, value: Value::Map(Vec::new()) };
    }
    let reader = Reader::new(surroundings, folder);
    overrides::apply(&mut tree, &reader);
    let config = freeze(&reader, &tree, source);
    let (problems, notices) = reader.found();
    match config {
        Some(config) if problems.is_empty() => Ok(Config { notices: Problems::new(source, notices), ..config }),
        Some(_) | None => Err(Problems::new(source, problems)),
    }
}

/// Reads every section; `None` only beside a problem.
fn freeze(reader: &Reader<'_>, tree: &Node, source: &str) -> Option<Config> {
    let root = Field::root(tree).section(reader, general::KEYS);
    if !matches!(tree.value, Value::Map(_)) {
        return None;
    }
    let general = general::read(reader, &root);
    let declared = accounts::read(reader, &root);
    let limits = declared.iter().filter_map(|account| account.account.as_ref()?.message_size);
    // What an account would refuse is refused while the device still listens.
    let message_size = limits.fold(general.message_size, u64::min);
    let common = listeners::Common {
        hostname: general.hostname.clone(),
        message_size,
        recipients: general.recipients,
        errors: general.errors,
        limits: general.limits,
        users: listeners::read_users(reader, &root),
        clients: clients::read(reader, &root),
        has_users: !root.get("users").is_none_or(Field::is_empty),
    };
    let listeners = listeners::read(reader, &root, &common, general.http);
    let senders = senders::read(reader, &root, &declared);
    Some(Config {
        source: source.to_owned(),
        notices: Problems::new(source, Vec::new()),
        hostname: general.hostname,
        spool: general.spool,
        listeners,
        limits: common.limits,
        recipients: common.recipients,
        errors: common.errors,
        users: common.users,
        clients: common.clients,
        accounts: declared.into_iter().map(|declared| declared.account).collect::<Option<_>>()?,
        senders,
        message_size,
        http: general.http,
        retry: general.retry,
        stop_grace: general.stop_grace,
        log: general.log,
    })
}

impl Config {
    /// Where spool and tokens are kept.
    pub fn data_dir(&self) -> &PathBuf {
        &self.spool.dir
    }

    /// Each account's way to its upstream. The files of private roots are read now, by `client`
    /// ([`crate::tls::client`], unless a test brings its own); one that cannot be used is a problem like any other.
    pub fn upstreams(&self, client: MakeClient<'_>) -> Result<Vec<upstream::Settings>, Problems> {
        let (mut settings, mut problems) = (Vec::new(), Vec::new());
        for account in &self.accounts {
            match account.upstream(&self.hostname, client) {
                Ok(made) => settings.push(made),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(settings) } else { Err(Problems::new(&self.source, problems)) }
    }

    /// What to do about failures, with each account's own values.
    pub fn advice(&self) -> Advice {
        Advice::new(self.accounts.iter().map(|account| (account.name.clone(), account.values())).collect())
    }

    /// The whole configuration as it is in effect, as YAML: defaults filled in, every secret `[redacted]`.
    /// Read again (with the secrets put back), it gives the same configuration.
    pub fn effective(&self) -> String {
        effective::write(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key at this stage, by its section.
    const SECTIONS: &[&[&str]] = &[
        general::KEYS,
        general::HTTP_KEYS,
        general::LIMIT_KEYS,
        general::SPOOL_KEYS,
        general::RETRY_KEYS,
        general::LOG_KEYS,
        accounts::KEYS,
        accounts::AUTH_KEYS,
        accounts::TLS_KEYS,
        accounts::LIMIT_KEYS,
        listeners::KEYS,
        clients::KEYS,
        clients::QUIRK_KEYS,
        senders::KEYS,
        senders::MATCH_KEYS,
    ];

    #[test]
    fn every_key_is_in_the_example_and_in_the_documents() {
        let example = include_str!("../../config.example.yaml");
        let document = include_str!("../../docs/configuration.md");
        for key in SECTIONS.concat() {
            assert!(example.contains(&format!("{key}:")), "{key} is not in config.example.yaml");
            assert!(document.contains(&format!("`{key}`")), "{key} is not in docs/configuration.md");
        }
    }

    #[test]
    fn a_key_that_works_is_not_announced_for_later() {
        for later in tables::LATER {
            let (section, key) = later.path.rsplit_once('.').unwrap_or(("", later.path));
            let keys = match section {
                "" => general::KEYS,
                "listeners[]" => listeners::KEYS,
                "clients.*" => clients::KEYS,
                "accounts.*.auth" => accounts::AUTH_KEYS,
                "accounts.*.limits" => accounts::LIMIT_KEYS,
                other => panic!("{other} is no section"),
            };
            assert!(!keys.contains(&key), "{}", later.path);
        }
    }
}
