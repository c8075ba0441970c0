//! The socket of one listener: connections come out of it as streams with their clients.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::message::{Client, Process};

use super::stream::Stream;

/// Connections that the kernel keeps until we take them; beyond it devices wait and try again by themselves.
const BACKLOG: u32 = 1024;

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Socket {
    /// On an address.
    Tcp(TcpListener),
    /// In the file system.
    Unix(UnixListener),
}

/// A connection that was just taken.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) client: Client,
}

impl Socket {
    /// Takes the next connection; an error may concern one connection only, or all.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                accepted_by_tcp(stream, peer)
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(accepted_by_unix(stream))
            }
        }
    }
}

fn accepted_by_tcp(stream: TcpStream, peer: SocketAddr) -> io::Result<Accepted> {
    // Replies are written whole: waiting to fill a segment could only delay them. It fails for connections that are gone.
    stream.set_nodelay(true).map_err(|error| io::Error::new(io::ErrorKind::ConnectionReset, error))?;
    // An IPv4 client of an IPv6 socket is judged, counted and logged as what it is.
    Ok(Accepted { stream: Stream::Tcp(stream), client: peer.ip().into() })
}

fn accepted_by_unix(stream: UnixStream) -> Accepted {
    let process = stream.peer_cred().ok().map(|peer| Process {
        user: peer.uid(),
        // 0 is a process of another PID namespace, which has no number here.
        id: peer.pid().and_then(|id| u32::try_from(id).ok()).filter(|id| *id != 0),
    });
    Accepted { stream: Stream::Unix(stream), client: Client::Local(process) }
}

/// Opens a socket on an address.
pub(super) fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Otherwise nobody could listen for a minute after a restart.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
