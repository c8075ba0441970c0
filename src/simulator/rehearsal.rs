//! A configuration that sends through the simulator: what the demo, `mailferry simulate`, tests and benchmarks run the relay with.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Simulator;

/// What a relay that sends through the simulator is to be like.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// Where the relay listens; port 0 for any free one.
    pub listener: SocketAddr,
    /// Where it answers health checks; `None` for nowhere.
    pub http: Option<SocketAddr>,
    /// Further lines for the account, already indented by four spaces (`    limits: { … }`).
    pub account: String,
    /// Further top-level lines.
    pub more: String,
}

impl Rehearsal {
    /// Writes `mailferry.yaml` into `dir`, with the simulator's root (`simulator-ca.pem`) and the application's secret
    /// (`client_secret`) beside it; the relay's data goes to `dir/data`. Gives the path of the configuration.
    pub fn write(&self, dir: &Path, simulator: &Simulator) -> io::Result<PathBuf> {
        let dir = std::path::absolute(dir)?;
        std::fs::create_dir_all(&dir)?;
        let (roots, secret, config) = (dir.join("simulator-ca.pem"), dir.join("client_secret"), dir.join("mailferry.yaml"));
        std::fs::write(&roots, simulator.ca_pem())?;
        write_private(&secret, simulator.organisation().client_secret.reveal())?;
        std::fs::write(&config, self.text(&dir, &roots, &secret, simulator))?;
        Ok(config)
    }

    fn text(&self, dir: &Path, roots: &Path, secret: &Path, simulator: &Simulator) -> String {
        let organisation = simulator.organisation();
        let Some(account) = organisation.accounts.first() else { return String::new() };
        let aliases: Vec<&str> = account.aliases.iter().map(|alias| alias.as_str()).collect();
        let first = aliases.first().copied().unwrap_or(account.mailbox.as_str());
        let (dir, roots, secret) = (quoted(&dir.join("data")), quoted(roots), quoted(secret));
        let http = self.http.map_or("off".to_owned(), |address| format!("{{ address: {address} }}"));
        format!(
            "# A relay that sends through the simulated Microsoft 365. Only the lines under the account that name hosts, ports
# and files differ from a real one.
hostname: relay.rehearsal.example
data_dir: {dir}
http: {http}

listeners:
  - address: {listener}

accounts:
  office:
    provider: simulator
    host: localhost
    port: {port}
    mailbox: {mailbox}
    auth:
      method: oauth
      tenant: {tenant}
      client_id: {client_id}
      client_secret: {{ file: {secret} }}
      token_url: {token_url}
      ca_file: {roots}
    tls: {{ ca_file: {roots} }}
    aliases: [{aliases}]
{more_of_account}
senders:
  - match: {{ from: \"*@printers.local\" }}
    from: {first}
  - from: {mailbox}
{more}",
            listener = self.listener,
            port = simulator.smtp_addr().port(),
            mailbox = account.mailbox,
            tenant = organisation.name,
            client_id = organisation.client_id,
            token_url = simulator.token_url(),
            aliases = aliases.join(", "),
            more_of_account = self.account,
            more = self.more,
        )
    }
}

/// A file that only its owner can read: `check` refuses secrets that others can.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// A path as a YAML scalar: JSON strings are YAML.
fn quoted(path: &Path) -> String {
    serde_json::to_string(&path.to_string_lossy()).unwrap_or_default()
}
