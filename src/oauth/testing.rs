//! A token endpoint for tests: answers one connection after the other with what it was told, and keeps the requests.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A scripted token endpoint on a loopback address.
pub(crate) struct Endpoint {
    /// Where it is.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// An answer with a body of JSON.
pub(crate) fn json(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An answer with a token that lives for an hour.
pub(crate) fn token(token: &str) -> String {
    json(200, &format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{token}"}}"#))
}

impl Endpoint {
    /// Plain HTTP; an empty answer is none at all.
    pub(crate) async fn plain(answers: Vec<String>) -> Self {
        Self::start(answers, None).await
    }

    /// HTTPS.
    pub(crate) async fn tls(answers: Vec<String>, config: Arc<ServerConfig>) -> Self {
        Self::start(answers, Some(config)).await
    }

    async fn start(answers: Vec<String>, config: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (scheme, host) = if config.is_some() { ("https", "localhost") } else { ("http", "127.0.0.1") };
        let url = format!("{scheme}://{host}:{}/tenant/oauth2/v2.0/token", listener.local_addr().unwrap().port());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for answer in answers {
                let (stream, _) = listener.accept().await.unwrap();
                match &config {
                    None => serve(stream, &answer, &seen).await,
                    // A client that does not trust us goes away: then there is nobody to serve.
                    Some(config) => match TlsAcceptor::from(Arc::clone(config)).accept(stream).await {
                        Ok(stream) => serve(stream, &answer, &seen).await,
                        Err(_) => continue,
                    },
                }
            }
        });
        Self { url, requests }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str, seen: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    while !complete(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            break;
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    if answer.is_empty() {
        // Says nothing until the client goes away.
        while stream.read_buf(&mut request).await.unwrap_or(0) > 0 {}
    }
    // The client may have gone away in the midst of a long answer.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()));
    body.len() >= length.unwrap_or(0)
}
