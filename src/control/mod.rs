//! How commands reach a relay: a Unix socket in `data_dir` that only its owner can open.
//!
//! One request a connection, one line of JSON each way ([`protocol`]). The [`Desk`] answers; it serves a running relay's
//! socket ([`serve`]) and, when no relay runs, a command that has opened the spool itself.

mod client;
mod desk;
pub mod protocol;
mod server;

pub use client::{AskError, ask};
pub use desk::Desk;
pub use server::{ControlError, serve};

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Octets of one answer: an entry with the most recipients that a configuration allows (10,000), each with a reply of the
/// greatest length. A page of the queue list stays below it, too.
const LINE_LIMIT: u64 = 64 * 1024 * 1024;
/// How long either side waits for the other.
const WAIT: Duration = Duration::from_secs(30);

/// Where the socket of the relay with this `data_dir` is.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}
