//! One TCP connection to an upstream: finds and dials it, makes it secret, moves octets.
//!
//! Knows no commands beyond QUIT; what to say is the dialogue's. Every wait has a limit from [`super::Waits`], and the
//! buffer for replies holds at most what [`ReplyReader`] takes.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::classify::{broken, malformed, unconnected, unprotected};
use crate::cause::Cause;
use crate::delivery::{Failure, Stage};
use crate::smtp::{Reply, ReplyReader};

/// Octets read at once; a reply of Exchange has some hundred.
const READ: usize = 4096;
/// Addresses that are tried. Microsoft's name has sixteen; when six do not answer, the trouble is on our side.
const ADDRESSES: usize = 6;
/// How long a goodbye may take: nobody waits for it.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection, secret or not.
#[derive(Debug)]
pub(super) struct Connection {
    wire: Wire,
    incoming: BytesMut,
    replies: ReplyReader,
    /// When it was made.
    pub(super) since: Instant,
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Secret(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Dials the host's addresses one after the other until one answers.
    pub(super) async fn dial(host: &str, port: u16, wait: Duration) -> Result<Self, Failure> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in resolve(host, port, wait).await? {
            let tried = timeout(wait, TcpStream::connect(address)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            match tried.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                Ok(stream) => {
                    tracing::debug!(%address, "connected");
                    return Ok(Self::new(Wire::Plain(stream)));
                }
                Err(error) => {
                    tracing::debug!(%address, %error, "could not connect");
                    last = error;
                }
            }
        }
        Err(unconnected(&last, host, port))
    }

    fn new(wire: Wire) -> Self {
        Self { wire, incoming: BytesMut::new(), replies: ReplyReader::new(), since: Instant::now() }
    }

    /// Makes the connection secret, and checks that the host is who it says it is.
    pub(super) async fn protect(self, host: &str, trust: &Arc<ClientConfig>, wait: Duration) -> Result<Self, Failure> {
        let Wire::Plain(stream) = self.wire else {
            return Err(broken(Cause::TlsFailed, Stage::Tls, "the connection is secret already"));
        };
        if !self.incoming.is_empty() {
            // RFC 3207 section 4.2 and CVE-2011-0411: what was sent in the clear must not count as secret.
            return Err(broken(Cause::StarttlsInjected, Stage::Tls, "data came between STARTTLS and the handshake"));
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| broken(Cause::CertificateWrongName, Stage::Tls, &format!("{host:?} is no name that a certificate can carry")))?;
        let connecting = TlsConnector::from(Arc::clone(trust)).connect(name, stream);
        match timeout(wait, connecting).await {
            Ok(Ok(stream)) => Ok(Self { wire: Wire::Secret(Box::new(stream)), ..self }),
            Ok(Err(error)) => Err(unprotected(&error, host)),
            Err(_) => Err(broken(Cause::ReplyTimeout, Stage::Tls, &format!("the TLS handshake took longer than {wait:?}"))),
        }
    }

    /// Sends octets in one write.
    pub(super) async fn write(&mut self, octets: &[u8], stage: Stage, wait: Duration) -> Result<(), Failure> {
        let writing = async {
            self.wire.write_all(octets).await?;
            self.wire.flush().await
        };
        match timeout(wait, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(lost(stage, &error)),
            Err(_) => Err(broken(Cause::ReplyTimeout, stage, &format!("the upstream took nothing for {wait:?}"))),
        }
    }

    /// Sends a piece of content, unless the upstream speaks up or goes away meanwhile; then says so.
    pub(super) async fn write_content(&mut self, piece: &[u8], wait: Duration) -> Result<Written, Failure> {
        let mut left = piece;
        let (wire, incoming) = (&mut self.wire, &mut self.incoming);
        let mut seen = [0; READ];
        let writing = std::future::poll_fn(|cx| {
            loop {
                let mut seen = ReadBuf::new(&mut seen);
                if let Poll::Ready(read) = Pin::new(&mut *wire).poll_read(cx, &mut seen) {
                    incoming.extend_from_slice(seen.filled());
                    let closed =
                        read.and_then(|()| if seen.filled().is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) });
                    return Poll::Ready(closed.map(|()| Written::Interrupted));
                }
                if left.is_empty() {
                    return Pin::new(&mut *wire).poll_flush(cx).map_ok(|()| Written::Whole);
                }
                match Pin::new(&mut *wire).poll_write(cx, left) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(written)) => left = &left[written..],
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        match timeout(wait, writing).await {
            Ok(Ok(written)) => Ok(written),
            Ok(Err(error)) => Err(lost(Stage::Data, &error)),
            Err(_) => Err(broken(Cause::ReplyTimeout, Stage::Data, &format!("the upstream took no content for {wait:?}"))),
        }
    }

    /// Reads one reply.
    pub(super) async fn reply(&mut self, stage: Stage, wait: Duration) -> Result<Reply, Failure> {
        // Most replies of a flight are here already: they need no timer.
        if let Some(reply) = self.next(stage)? {
            return Ok(reply);
        }
        let reading = async {
            loop {
                self.incoming.reserve(READ);
                match self.wire.read_buf(&mut self.incoming).await {
                    Ok(0) => return Err(lost(stage, &io::ErrorKind::UnexpectedEof.into())),
                    Ok(_) => {}
                    Err(error) => return Err(lost(stage, &error)),
                }
                if let Some(reply) = self.next(stage)? {
                    return Ok(reply);
                }
            }
        };
        match timeout(wait, reading).await {
            Ok(result) => result,
            Err(_) => Err(broken(Cause::ReplyTimeout, stage, &format!("no reply came within {wait:?}"))),
        }
    }

    fn next(&mut self, stage: Stage) -> Result<Option<Reply>, Failure> {
        let reply = self.replies.next(&mut self.incoming).map_err(|error| malformed(&error, stage))?;
        if let Some(reply) = &reply {
            tracing::debug!(reply = %crate::cause::detail(&reply.to_string()), "heard");
        }
        Ok(reply)
    }

    /// Whether nothing has come that nobody asked for: a server that closes a connection says 421 or nothing.
    /// What has come stays to be read as a reply.
    pub(super) async fn is_quiet(&mut self) -> bool {
        let mut seen = [0; READ];
        let (wire, incoming) = (&mut self.wire, &mut self.incoming);
        let silent = std::future::poll_fn(|cx| {
            let mut seen = ReadBuf::new(&mut seen);
            let read = Pin::new(&mut *wire).poll_read(cx, &mut seen);
            incoming.extend_from_slice(seen.filled());
            Poll::Ready(read.is_pending())
        });
        silent.await && self.incoming.is_empty()
    }

    /// Gives buffers back before the connection waits for its next message.
    pub(super) fn rest(&mut self) {
        self.incoming = BytesMut::new();
    }

    /// Says goodbye; whether that works is of no matter.
    pub(super) async fn quit(mut self) {
        let goodbye = async {
            self.wire.write_all(b"QUIT\r\n").await?;
            self.wire.flush().await?;
            self.incoming.reserve(READ);
            self.wire.read_buf(&mut self.incoming).await?;
            self.wire.shutdown().await
        };
        if let Ok(Err(error)) = timeout(GOODBYE, goodbye).await {
            tracing::debug!(%error, "could not say goodbye");
        }
    }
}

/// How far writing a piece of content came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of it is on its way.
    Whole,
    /// The upstream spoke before it was told that the message ends; what it said is there to be read.
    Interrupted,
}

fn lost(stage: Stage, error: &io::Error) -> Failure {
    match error.kind() {
        // The library's words for a missing goodbye of TLS point to its manual.
        io::ErrorKind::UnexpectedEof => broken(Cause::ConnectionLost, stage, "the upstream closed the connection"),
        _ => broken(Cause::ConnectionLost, stage, &format!("the connection broke off: {error}")),
    }
}

/// The host's addresses, IPv6 and IPv4 by turns: where one of the two leads nowhere, the other is next.
async fn resolve(host: &str, port: u16, wait: Duration) -> Result<Vec<SocketAddr>, Failure> {
    let unknown = |why: &str| broken(Cause::NameNotFound, Stage::Resolve, &format!("cannot find {host}: {why}"));
    let found = timeout(wait, tokio::net::lookup_host((host, port))).await.map_err(|_| unknown("no answer in time"))?;
    let addresses: Vec<_> = found.map_err(|error| unknown(&error.to_string()))?.collect();
    if addresses.is_empty() {
        return Err(unknown("it has no address"));
    }
    let first_is_v6 = addresses[0].is_ipv6();
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let longest = first.len().max(second.len());
    let by_turns = (0..longest).flat_map(|at| [first.get(at), second.get(at)]).flatten().copied();
    Ok(by_turns.take(ADDRESSES).collect())
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Secret(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Secret(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secret(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secret(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
