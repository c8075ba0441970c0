//! Sockets on addresses.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket};

use super::{BACKLOG, ListenError};

/// Opens the socket, and says where it really listens.
pub(super) fn open(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    try_open(address).map_err(|source| {
        if source.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error()) {
            return ListenError::NoIpv6 { address, source };
        }
        match source.kind() {
            io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address, source },
            io::ErrorKind::AddrInUse => ListenError::InUse { address, source },
            // With IPv6 turned off by sysctl, sockets can be made and no address is there, not even that for all.
            io::ErrorKind::AddrNotAvailable if address.is_ipv6() && (address.ip().is_unspecified() || address.ip().is_loopback()) => {
                ListenError::NoIpv6 { address, source }
            }
            io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress { address, source },
            _ => ListenError::Failed { address, source },
        }
    })
}

fn try_open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.is_ipv6() {
        // `[::]` is meant as everywhere, whatever the machine's `net.ipv6.bindv6only` says.
        sockopt::set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
    }
    // Otherwise nobody could listen for a minute after a restart.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
