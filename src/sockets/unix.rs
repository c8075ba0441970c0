//! Sockets in the file system.
//!
//! A socket can be connected to only once it listens, so its mode is set between bind(2) and listen(2): at no moment does the
//! process's umask decide who gets in, and it need not be changed, which would reach every file of the process.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use tokio::net::{UnixListener, UnixStream};

use super::{BACKLOG, LONGEST_PATH, UnixError};

/// A socket's place in the file system, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFile {
    /// Its path.
    pub path: PathBuf,
    /// Its permission bits, as in 0660: who may write to it may connect.
    pub mode: u32,
}

/// A socket that listens in the file system. Its file is removed with it, when we made it.
#[derive(Debug)]
pub struct UnixSocket {
    // Goes first: a file without a listener would only look like a relay that does not answer.
    _file: Option<OwnFile>,
    listener: UnixListener,
}

impl UnixSocket {
    /// Makes the socket. What an earlier process left there is replaced. Must be called within a tokio runtime.
    pub fn open(file: &SocketFile) -> Result<Self, UnixError> {
        let octets = file.path.as_os_str().as_bytes().len();
        if octets > LONGEST_PATH {
            return Err(UnixError::TooLong { path: file.path.clone(), octets });
        }
        make_room(&file.path)?;
        bind(file).map_err(|source| failed(&file.path, source))
    }

    /// A socket that somebody else made, and whose file is not ours to remove.
    pub(super) fn inherited(listener: UnixListener) -> Self {
        Self { _file: None, listener }
    }

    /// Takes the next connection.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

fn bind(file: &SocketFile) -> io::Result<UnixSocket> {
    let socket = tokio::net::UnixSocket::new_stream()?;
    socket.bind(&file.path)?;
    let own = OwnFile::at(&file.path)?;
    fs::set_permissions(&file.path, Permissions::from_mode(file.mode))?;
    Ok(UnixSocket { _file: Some(own), listener: socket.listen(BACKLOG)? })
}

fn failed(path: &Path, source: io::Error) -> UnixError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => UnixError::NoFolder { path, source },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => UnixError::NotPermitted { path, source },
        // It came between our look and our bind.
        io::ErrorKind::AddrInUse => UnixError::InUse { path },
        _ => UnixError::Failed { path, source },
    }
}

/// Removes a socket on which nobody listens: a process that was killed leaves it behind.
fn make_room(path: &Path) -> Result<(), UnixError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(path, source)),
        Ok(facts) if !facts.file_type().is_socket() => return Err(UnixError::NotASocket { path: path.to_owned() }),
        Ok(_) => {}
    }
    match knock(path) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(|source| failed(path, source)),
        // It went by itself.
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::ACCESS | Errno::PERM) => {
            Err(UnixError::NotPermitted { path: path.to_owned(), source: io::ErrorKind::PermissionDenied.into() })
        }
        // A full backlog (EAGAIN), or a socket of another kind (EPROTOTYPE): somebody has it.
        Ok(()) | Err(_) => Err(UnixError::InUse { path: path.to_owned() }),
    }
}

/// Connects and leaves, without ever waiting.
fn knock(path: &Path) -> rustix::io::Result<()> {
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    ioctl_fionbio(&socket, true)?;
    connect(&socket, &SocketAddrUnix::new(path)?)
}

/// A file that we made.
#[derive(Debug)]
struct OwnFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OwnFile {
    fn at(path: &Path) -> io::Result<Self> {
        let facts = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: facts.dev(), inode: facts.ino() })
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        // Another process may have put its own there meanwhile.
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|facts| (facts.dev(), facts.ino()) == (self.device, self.inode));
        if ours {
            // Best effort: one that is left over is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}
