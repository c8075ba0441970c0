//! What the configuration takes from outside its text: the environment, files, the host's name and network, the time.
//!
//! It is handed to the reader, so that a test brings its own and nothing reads the process's state elsewhere.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::clock::{Clock, Timestamp};

use super::container::Network;

/// The process's surroundings, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The environment.
    pub variables: BTreeMap<OsString, OsString>,
    /// The host's name.
    pub hostname: String,
    /// The user who runs the program: a file of another's is judged by what *we* need to read it.
    pub user: u32,
    /// The time, against which certificates are held.
    pub now: Timestamp,
    /// What can be seen of the network.
    pub network: Network,
    /// Where a configuration is looked for when none is named.
    pub places: Vec<PathBuf>,
}

/// A file that was read, with what decides whether others can read it too.
pub(super) struct FileRead {
    pub(super) content: Vec<u8>,
    /// The permission bits, as in 0640.
    pub(super) mode: u32,
    pub(super) owner: u32,
}

impl Surroundings {
    /// Those of this process.
    pub fn system() -> Self {
        let variables = std::env::vars_os().collect();
        Self {
            network: Network::system(&variables),
            variables,
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            user: rustix::process::geteuid().as_raw(),
            now: Clock::system().now(),
            places: vec!["mailferry.yaml".into(), "/etc/mailferry/mailferry.yaml".into()],
        }
    }

    /// A variable's text, when it is set, not empty, and UTF-8.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(std::ffi::OsStr::new(name)).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }
}

/// Reads a file of at most `limit` octets.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<FileRead> {
    // Without O_NONBLOCK, opening a pipe would wait for somebody to write.
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    // Of the open file, so that nobody can put another in its place in between.
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} octets")));
    }
    Ok(FileRead { content, mode: facts.mode() & 0o7777, owner: facts.uid() })
}

/// An I/O error in the words a person knows, without the number.
pub(super) fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
