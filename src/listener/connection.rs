//! One socket with its buffers, its limits and its waits.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::session::Farewell;
use crate::smtp::Reply;

use super::Limits;
use super::end::End;
use super::stream::{Stream, Unread};

/// Octets read at once between commands, and the first time in content: more than a scanner's commands or a
/// small message take. Held only while there is something in it.
const SMALL_READ: usize = 4 * 1024;
/// Octets read at once when the small ones came full.
const LARGE_READ: usize = 64 * 1024;
/// Octets of replies that are collected before they are sent, however much a client pipelines.
const REPLIES_LIMIT: usize = 16 * 1024;
/// How long a client may take to make room for replies; it had the whole idle time to read the others.
const WRITE_WAIT: Duration = Duration::from_secs(60);
/// How long, and for how many octets, we listen after a last word, so that the client's kernel does not throw the
/// word away when it finds the connection reset.
const LINGER_WAIT: Duration = Duration::from_secs(1);
const LINGER_OCTETS: usize = 256 * 1024;

/// A connection with what was read and not used yet, and what was said and not sent yet.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    pub(super) input: BytesMut,
    output: Vec<u8>,
    idle: Duration,
    end: Instant,
    /// Octets that the next read in content asks for.
    next_read: usize,
    /// The client takes no replies any more: what it still sends, or has sent, is read all the same.
    deaf: bool,
}

impl Connection {
    pub(super) fn new(stream: Stream, limits: &Limits) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Vec::new(),
            idle: limits.idle,
            end: Instant::now() + limits.session,
            next_read: SMALL_READ,
            deaf: false,
        }
    }

    /// This connection with TLS on it, once the client has said its part; until then without a limit of time. What was read
    /// is read again as the beginning of that. When it fails, the client has been sent an alert.
    pub(super) async fn secured(self, server: &Arc<ServerConfig>) -> Result<Self, (io::Error, Self)> {
        let Self { stream, input, output, idle, end, next_read, deaf } = self;
        let with = |stream| Self { stream, input: BytesMut::new(), output, idle, end, next_read, deaf };
        let unread = Unread { octets: input, stream };
        match TlsAcceptor::from(Arc::clone(server)).accept(unread).into_fallible().await {
            Ok(stream) => Ok(with(Stream::Tls(Box::new(stream)))),
            Err((error, unread)) => Err((error, with(unread.stream))),
        }
    }

    /// What protects it, if anything does; for the log.
    pub(super) fn tls(&self) -> Option<String> {
        self.stream.tls()
    }

    /// Adds a reply to what will be sent before the next wait: replies to pipelined commands leave together
    /// (RFC 2920 section 3.2).
    pub(super) fn say(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }

    /// Whether so much was said that it must be sent before more is.
    pub(super) fn has_said_much(&self) -> bool {
        self.output.len() >= REPLIES_LIMIT
    }

    /// Sends what was said, in one write where the kernel takes it. A client that is gone may have left a whole
    /// message behind, which is still to be read: so a reply that cannot be sent ends nothing.
    pub(super) async fn flush(&mut self) {
        // Between two waits nothing is kept for replies.
        let output = std::mem::take(&mut self.output);
        if output.is_empty() || self.deaf {
            return;
        }
        let write = async {
            self.stream.write_all(&output).await?;
            // TLS may have taken more than the kernel has.
            self.stream.flush().await
        };
        let sent = timeout(WRITE_WAIT, write).await;
        self.deaf = !matches!(sent, Ok(Ok(())));
    }

    /// Waits for commands, or for `stop`.
    pub(super) async fn wait_for_commands(&mut self, stop: impl Future<Output = ()>) -> Result<(), End> {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.next_read = SMALL_READ;
        tokio::select! {
            biased;
            () = stop => Err(End::Farewell(Farewell::Stopping)),
            waited = self.wait(SMALL_READ) => waited,
        }
    }

    /// Waits for the beginning of a TLS handshake, unless something is there already.
    pub(super) async fn wait_for_hello(&mut self) -> Result<(), End> {
        if self.input.is_empty() { self.wait(SMALL_READ).await } else { Ok(()) }
    }

    /// Waits for content. Nothing but its limits interrupts it: a message under way may finish.
    pub(super) async fn wait_for_content(&mut self) -> Result<(), End> {
        let (room, before) = (self.next_read, self.input.len());
        let waited = self.wait(room).await;
        if self.input.len() - before >= room {
            self.next_read = LARGE_READ;
        }
        waited
    }

    async fn wait(&mut self, room: usize) -> Result<(), End> {
        let now = Instant::now();
        let (until, late) = match now + self.idle {
            idle if idle < self.end => (idle, Farewell::Idle),
            _ => (self.end, Farewell::Expired),
        };
        let Self { stream, input, .. } = self;
        let read = async {
            stream.readable().await?;
            // Only now that something is there.
            input.reserve(room);
            stream.read_buf(input).await
        };
        match timeout_at(until, read).await {
            Ok(Ok(0) | Err(_)) => Err(End::Gone),
            Ok(Ok(_)) => Ok(()),
            Err(_) => Err(End::Farewell(late)),
        }
    }

    /// Sends what was said and closes, without losing the last word to input that nobody reads.
    pub(super) async fn close(mut self) {
        self.flush().await;
        // TLS has a last word of its own, for which a client that reads nothing makes no room.
        if self.deaf || !matches!(timeout(LINGER_WAIT, self.stream.shutdown()).await, Ok(Ok(()))) {
            return;
        }
        let mut left = LINGER_OCTETS;
        let drain = async {
            while left > 0 {
                self.input.clear();
                self.input.reserve(SMALL_READ);
                match self.stream.read_buf(&mut self.input).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => left = left.saturating_sub(count),
                }
            }
        };
        let _ = timeout(LINGER_WAIT, drain).await;
    }
}
