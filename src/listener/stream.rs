//! The stream of one conversation, whatever carries it.
//!
//! A further kind of stream is one more variant, and one more arm in each of two functions. One that wraps another
//! answers [`Stream::poll_read_ready`] from its own buffer first, and else asks the stream below.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A stream of octets both ways.
#[derive(Debug)]
pub(super) enum Stream {
    /// Over the network.
    Tcp(TcpStream),
    /// From a program on this machine.
    Unix(UnixStream),
    /// Over TLS, on one of the others. In a box, so that a connection in clear does not carry the room for it.
    Tls(Box<TlsStream<Unread>>),
}

/// A stream of which something was read already, that is to be read again.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) octets: BytesMut,
    pub(super) stream: Stream,
}

/// What every kind of stream can do.
trait Octets: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Octets for T {}

impl Stream {
    /// Whether a read would find something: octets, the end or an error. It may be wrong in saying yes. No buffer is held
    /// while it is waited for, and idle connections are many.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Tls(stream) => {
                let (below, tls) = stream.get_ref();
                // It wants no more octets while it has text that was not read, or when there will be none.
                if !below.octets.is_empty() || !tls.wants_read() { Poll::Ready(Ok(())) } else { below.stream.poll_read_ready(cx) }
            }
        }
    }

    /// Waits until a read would find something.
    pub(super) async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_read_ready(cx)).await
    }

    /// Whether it protects what goes over it, and with what, for the log.
    pub(super) fn tls(&self) -> Option<String> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => None,
            Self::Tls(stream) => {
                let tls = stream.get_ref().1;
                Some(format!("{:?} {:?}", tls.protocol_version()?, tls.negotiated_cipher_suite()?.suite()))
            }
        }
    }

    fn octets(&mut self) -> Pin<&mut dyn Octets> {
        match self {
            Self::Tcp(stream) => Pin::new(stream),
            Self::Unix(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().octets().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().octets().poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().octets().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().octets().poll_shutdown(cx)
    }
}

impl AsyncRead for Unread {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { octets, stream } = self.get_mut();
        if octets.is_empty() {
            return Pin::new(stream).poll_read(cx, buffer);
        }
        let count = octets.len().min(buffer.remaining());
        buffer.put_slice(&octets[..count]);
        octets.advance(count);
        if octets.is_empty() {
            // Its memory goes, too.
            *octets = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Unread {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
