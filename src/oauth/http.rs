//! One HTTPS request to a token endpoint, with a limit for everything.
//!
//! A connection serves one request: tokens are asked for once an hour. Redirects are not followed, because
//! a secret would travel with them; plain `http` goes to loopback addresses only, for the same reason.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, HeaderValue, RETRY_AFTER};
use hyper_util::rt::TokioIo;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// To find the endpoint and connect to it.
const CONNECT: Duration = Duration::from_secs(10);
/// For everything together.
const WHOLE: Duration = Duration::from_secs(30);
/// Octets of an answer. Tokens have up to 4 KB; this leaves room for what endpoints add.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("{0:?} is no https address")]
    Address(String),
    #[error("plain http goes to loopback addresses only, and {0} is none")]
    Unprotected(SocketAddr),
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the TLS handshake failed")]
    Tls(#[source] std::io::Error),
    #[error("the request broke off")]
    Exchange(#[source] hyper::Error),
    #[error("nothing came back in {0:?}")]
    Timeout(Duration),
    #[error("its answer is larger than {ANSWER_LIMIT} octets")]
    TooLarge,
    #[error("a redirect (HTTP {0}), which is not followed")]
    Redirect(u16),
    #[error("HTTP {status}")]
    Busy { status: u16, retry_after: Option<Duration> },
}

/// Carries requests of the `oauth2` crate.
#[derive(Debug)]
pub(super) struct Endpoint {
    tls: Arc<ClientConfig>,
    whole: Duration,
}

impl<'c> AsyncHttpClient<'c> for Endpoint {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move { timeout(self.whole, self.exchange(request)).await.unwrap_or(Err(HttpError::Timeout(self.whole))) })
    }
}

impl Endpoint {
    /// Trusts whom `tls` trusts.
    pub(super) fn new(tls: Arc<ClientConfig>) -> Self {
        Self { tls, whole: WHOLE }
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri = request.uri().clone();
        let bad = || HttpError::Address(uri.to_string());
        let host = uri.host().ok_or_else(bad)?.trim_start_matches('[').trim_end_matches(']');
        let protected = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(bad()),
        };
        let port = uri.port_u16().unwrap_or(if protected { 443 } else { 80 });
        let connecting = timeout(CONNECT, TcpStream::connect((host, port))).await;
        let stream = connecting.map_err(|_| HttpError::Timeout(CONNECT))?.map_err(HttpError::Connect)?;
        if protected {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| bad())?;
            let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await.map_err(HttpError::Tls)?;
            return send(stream, request).await;
        }
        let peer = stream.peer_addr().map_err(HttpError::Connect)?;
        if peer.ip().is_loopback() { send(stream, request).await } else { Err(HttpError::Unprotected(peer)) }
    }
}

/// Sends the request over a connection of its own and reads the answer whole.
async fn send<S>(stream: S, request: HttpRequest) -> Result<HttpResponse, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(HttpError::Exchange)?;
    let exchange = async move {
        let answer = sender.send_request(in_origin_form(request)?).await.map_err(HttpError::Exchange)?;
        let status = answer.status();
        if status.is_redirection() {
            return Err(HttpError::Redirect(status.as_u16()));
        }
        if status.as_u16() == 429 || status.is_server_error() {
            let retry_after = answer.headers().get(RETRY_AFTER).and_then(seconds);
            return Err(HttpError::Busy { status: status.as_u16(), retry_after });
        }
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await.map_err(broken_off)?.to_bytes();
        Ok(HttpResponse::from_parts(head, body.to_vec()))
    };
    // The connection has to be driven for the exchange to move; it may end first, when the answer is complete.
    let (mut exchange, connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        biased;
        done = &mut exchange => done,
        _ = connection => exchange.await,
    }
}

fn broken_off(error: Box<dyn std::error::Error + Send + Sync>) -> HttpError {
    match error.downcast::<hyper::Error>() {
        Ok(error) => HttpError::Exchange(*error),
        Err(error) if error.is::<LengthLimitError>() => HttpError::TooLarge,
        Err(error) => HttpError::Connect(std::io::Error::other(error)),
    }
}

/// Path and query in the request line, the host in a field of its own (RFC 9112 section 3.2.1).
fn in_origin_form(request: HttpRequest) -> Result<hyper::Request<Full<Bytes>>, HttpError> {
    let (mut head, body) = request.into_parts();
    let bad = |uri: &hyper::Uri| HttpError::Address(uri.to_string());
    let authority = head.uri.authority().ok_or_else(|| bad(&head.uri))?.as_str();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = HeaderValue::from_str(host).map_err(|_| bad(&head.uri))?;
    head.uri = head.uri.path_and_query().map(|path| path.clone().into()).unwrap_or_default();
    head.headers.insert(HOST, host);
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(hyper::Request::from_parts(head, Full::new(Bytes::from(body))))
}

/// Retry-After in seconds; its other form, a date, is not worth reading here: the caller has its own pause.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::testing::Endpoint as Scripted;
    use crate::tls;

    fn request(url: &str) -> HttpRequest {
        hyper::Request::post(url).body(b"a=b".to_vec()).unwrap()
    }

    async fn ask(url: &str, whole: Duration) -> Result<HttpResponse, HttpError> {
        let tls = tls::client(&tls::Trust::default()).unwrap();
        Endpoint { tls, whole }.call(request(url)).await
    }

    #[tokio::test]
    async fn a_silent_endpoint_is_left_in_time() {
        let scripted = Scripted::plain(vec![String::new()]).await;
        let error = ask(&scripted.url, Duration::from_millis(200)).await.unwrap_err();
        assert!(matches!(error, HttpError::Timeout(_)), "{error}");
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let long = "x".repeat(ANSWER_LIMIT + 1);
        let answers = [
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len()),
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{long}"),
        ];
        for answer in answers {
            let scripted = Scripted::plain(vec![answer]).await;
            let error = ask(&scripted.url, WHOLE).await.unwrap_err();
            assert!(matches!(error, HttpError::TooLarge), "{error}");
        }
    }

    #[tokio::test]
    async fn secrets_go_nowhere_without_protection() {
        for url in ["ftp://127.0.0.1/x", "/x"] {
            let error = ask(url, WHOLE).await.unwrap_err();
            assert!(matches!(error, HttpError::Address(_)), "{url}: {error}");
        }
        let scripted = Scripted::plain(vec!["HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:1/\r\n\r\n".into()]).await;
        let error = ask(&scripted.url, WHOLE).await.unwrap_err();
        assert!(matches!(error, HttpError::Redirect(307)), "{error}");
    }
}
