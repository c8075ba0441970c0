//! The sockets: moves octets between connections and conversations, and between HTTPS and `token`.
//!
//! It decides nothing. Every wait ends: by what it waits for, by its limit, or because the simulator stops.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

use crate::clock::Clock;
use crate::tasks::Group;

use super::World;
use super::ca::Certificates;
use super::conversation::{Conversation, Next};
use super::fault::Fault;
use super::mailroom::count;
use super::token::{self, Answer};

/// Connections at once to one of the two servers; who comes later waits in the system's queue.
const CONNECTIONS: usize = 4_096;
/// Between two pieces of what a client sends; Exchange closes after five minutes.
const IDLE: Duration = Duration::from_secs(300);
/// Behind the last reply, for the client to close.
const LINGER: Duration = Duration::from_secs(2);
/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Octets that are read at once: a TLS record holds as many.
const PIECE: usize = 16 << 10;
/// Octets of a request to the token endpoint.
const REQUEST: usize = 64 << 10;
/// Behind a failed `accept`, for the system to find what it lacks.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What every connection needs.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) world: Arc<World>,
    pub(super) certificates: Certificates,
    pub(super) clock: Clock,
    pub(super) group: Group,
}

/// Which of the two servers a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Smtp,
    Token,
}

impl Service {
    /// Accepts connections until the simulator stops.
    pub(super) async fn listen(self, listener: TcpListener, door: Door) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The permit comes first: a connection that nobody serves stays in the system's queue.
            let accepted = tokio::select! {
                () = self.group.stopping() => return,
                accepted = async {
                    let permit = Arc::clone(&permits).acquire_owned().await;
                    (listener.accept().await, permit)
                } => accepted,
            };
            let (stream, peer, permit) = match accepted {
                (Ok((stream, peer)), permit) => (stream, peer, permit),
                (Err(error), _) => {
                    tracing::warn!(%error, ?door, "could not accept a connection");
                    tokio::time::sleep(AFTER_FAILURE).await;
                    continue;
                }
            };
            let service = self.clone();
            self.group.spawn(async move {
                match door {
                    Door::Smtp => service.smtp(stream, peer).await,
                    Door::Token => service.https(stream).await,
                }
                drop(permit);
            });
        }
    }

    /// One SMTP connection.
    async fn smtp(&self, mut stream: TcpStream, peer: SocketAddr) {
        let number = count(&self.world.mailroom.counters.connections);
        if let Err(error) = self.converse(&mut stream, number, peer).await {
            tracing::debug!(connection = number, %error, "lost connection");
        }
    }

    async fn converse(&self, stream: &mut TcpStream, number: u64, peer: SocketAddr) -> std::io::Result<()> {
        // Replies are small and are waited for: never hold one back.
        stream.set_nodelay(true)?;
        let (mut conversation, next) = Conversation::begin(Arc::clone(&self.world), number, peer.ip(), self.clock.now());
        match self.talk(stream, &mut conversation, next).await? {
            Ended::StartTls => {}
            Ended::Closed => return Ok(()),
        }
        let acceptor = TlsAcceptor::from(self.certificate());
        let mut stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
        count(&self.world.mailroom.counters.handshakes);
        conversation.secured(facts(stream.get_ref().1));
        self.talk(&mut stream, &mut conversation, Next::Read).await?;
        Ok(())
    }

    /// The certificate to show, as planned.
    fn certificate(&self) -> Arc<ServerConfig> {
        if self.world.faults.happens(&Fault::WrongCertificateName) {
            Arc::clone(&self.certificates.other_name)
        } else if self.world.faults.happens(&Fault::UntrustedCa) {
            Arc::clone(&self.certificates.unknown_ca)
        } else {
            Arc::clone(&self.certificates.good)
        }
    }

    /// Carries the conversation until its channel ends.
    async fn talk<S>(&self, stream: &mut S, conversation: &mut Conversation, first: Next) -> std::io::Result<Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut buffer = BytesMut::with_capacity(PIECE);
        let mut next = first;
        loop {
            self.send(stream, conversation.out()).await?;
            match next {
                Next::Read => {}
                Next::StartTls => return Ok(Ended::StartTls),
                Next::Drop => return Ok(Ended::Closed),
                Next::Close => {
                    timeout(IDLE, stream.shutdown()).await??;
                    self.linger(stream, &mut buffer).await;
                    return Ok(Ended::Closed);
                }
            }
            buffer.reserve(PIECE);
            let read = tokio::select! {
                read = timeout(IDLE, stream.read_buf(&mut buffer)) => Some(read),
                () = self.group.stopping() => None,
            };
            next = match read {
                Some(Ok(Ok(0))) => return Ok(Ended::Closed),
                Some(Ok(Ok(_))) => conversation.advance(&mut buffer, self.clock.now()),
                Some(Ok(Err(error))) => return Err(error),
                Some(Err(_)) => conversation.timed_out(),
                None => conversation.stopped(),
            };
        }
    }

    /// Reads on until the client has closed, too: closing with unread octets resets the connection, and the last
    /// reply may be lost with it.
    async fn linger<S: AsyncRead + Unpin>(&self, stream: &mut S, buffer: &mut BytesMut) {
        let drain = async {
            while stream.read_buf(buffer).await.is_ok_and(|read| read > 0) {
                buffer.clear();
            }
        };
        tokio::select! {
            _ = timeout(LINGER, drain) => {}
            () = self.group.stopping() => {}
        }
    }

    /// Sends a flight of replies, late when that is planned.
    async fn send<S: AsyncWrite + Unpin>(&self, stream: &mut S, out: &mut Vec<u8>) -> std::io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let latency = |fault: &Fault| if let Fault::Latency(wait) = fault { Some(*wait) } else { None };
        if let Some(wait) = self.world.faults.take(latency) {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.group.stopping() => {}
            }
        }
        timeout(IDLE, async {
            stream.write_all(out).await?;
            stream.flush().await
        })
        .await??;
        out.clear();
        Ok(())
    }

    /// One connection to the token endpoint.
    async fn https(&self, stream: TcpStream) {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.certificates.good));
        let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "lost connection to the token endpoint"),
            Err(_) => return,
        };
        let answer = hyper::service::service_fn(|request| self.token(request));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .serve_connection(TokioIo::new(stream), answer);
        tokio::select! {
            served = connection => {
                if let Err(error) = served {
                    tracing::debug!(%error, "lost connection to the token endpoint");
                }
            }
            () = self.group.stopping() => {}
        }
    }

    async fn token(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        count(&self.world.mailroom.counters.token_requests);
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, REQUEST).collect().await else {
            return Ok(respond(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", None, String::new()));
        };
        let asked = token::Request {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            authorization: parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()),
            body: &body.to_bytes(),
        };
        match token::answer(&asked, &self.world.tenant, &self.world.faults, self.clock.now()) {
            Answer::Http { status, retry_after, content_type, body } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                tracing::debug!(%status, "answered token request");
                Ok(respond(status, content_type, retry_after, body))
            }
            Answer::Silence => {
                // Longer than any client waits.
                tokio::time::sleep(IDLE).await;
                Ok(respond(StatusCode::GATEWAY_TIMEOUT, "text/plain", None, String::new()))
            }
        }
    }
}

/// How the talk on one channel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// TLS is to begin.
    StartTls,
    /// The connection is to go.
    Closed,
}

fn respond(status: StatusCode, content_type: &'static str, retry_after: Option<u64>, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Version and cipher suite, as in `TLSv1_3 TLS13_AES_256_GCM_SHA384`.
fn facts(connection: &ServerConnection) -> String {
    let version = connection.protocol_version().map(|version| format!("{version:?}"));
    let suite = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    [version, suite].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
