//! Takes connections off a socket, each with the client at its other end.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpStream, UnixStream};

use crate::message::{Client, Process};
use crate::sockets::Socket;

use super::stream::Stream;

/// A connection that was just taken.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) client: Client,
}

/// Takes the next connection; an error may concern one connection only, or all.
pub(super) async fn accept(socket: &Socket) -> io::Result<Accepted> {
    match socket {
        Socket::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            by_tcp(stream, peer)
        }
        Socket::Unix(listener) => Ok(by_unix(listener.accept().await?)),
    }
}

fn by_tcp(stream: TcpStream, peer: SocketAddr) -> io::Result<Accepted> {
    // Replies are written whole: waiting to fill a segment could only delay them. It fails for connections that are gone.
    stream.set_nodelay(true).map_err(|error| io::Error::new(io::ErrorKind::ConnectionReset, error))?;
    // An IPv4 client of an IPv6 socket is judged, counted and logged as what it is.
    Ok(Accepted { stream: Stream::Tcp(stream), client: peer.ip().into() })
}

fn by_unix(stream: UnixStream) -> Accepted {
    let process = stream.peer_cred().ok().map(|peer| Process {
        user: peer.uid(),
        // 0 is a process of another PID namespace, which has no number here.
        id: peer.pid().and_then(|id| u32::try_from(id).ok()).filter(|id| *id != 0),
    });
    Accepted { stream: Stream::Unix(stream), client: Client::Local(process) }
}
