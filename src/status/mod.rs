//! What orchestrators and monitors ask over HTTP: `/healthz`, `/readyz` and `/metrics`. Reads, and changes nothing.
//!
//! `/healthz` says that the process is alive. `/readyz` says whether a device's message would be taken, and tells how the
//! accounts are without letting that decide: an orchestrator would restart a relay that waits for a person.
//! Always true: a probe is answered at once, however many connections say nothing. Each is for one request, and when
//! there are too many the oldest goes, which had the most time to ask.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::control::Desk;
use crate::tasks::Group;

/// Connections at once. A probe needs one, for some milliseconds: in that time nobody opens as many others.
const CONNECTIONS: usize = 128;
/// A request's header must come within this.
const HEADER_WAIT: Duration = Duration::from_secs(2);
/// No connection lives longer: probes do not wait longer for their answer either.
const CONNECTION_AGE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// The page cannot be offered.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for health checks; another program may have it (`sudo ss -ltnp` names it): set `http.address`, or `http: off`"
)]
pub struct StatusError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// What answers are made of.
#[derive(Clone)]
struct Sources {
    desk: Desk,
    metrics: Arc<Registry>,
}

/// Listens on `address` and answers there until the group stops; gives the address that was bound.
pub async fn serve(address: SocketAddr, desk: Desk, metrics: Registry, group: &Group) -> Result<SocketAddr, StatusError> {
    let failed = |source| StatusError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let (tasks, sources) = (group.clone(), Sources { desk, metrics: Arc::new(metrics) });
    group.spawn(async move {
        tokio::select! {
            () = tasks.stopping() => {}
            () = accept(&listener, &sources, &tasks) => {}
        }
    });
    Ok(bound)
}

async fn accept(listener: &TcpListener, sources: &Sources, group: &Group) {
    // The oldest first; a connection ends when its sender is dropped.
    let mut open: VecDeque<oneshot::Sender<Infallible>> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_closed());
                if open.len() == CONNECTIONS {
                    open.pop_front();
                }
                let (keep, dropped) = oneshot::channel();
                open.push_back(keep);
                let (sources, tasks) = (sources.clone(), group.clone());
                group.spawn(async move {
                    tokio::select! {
                        () = tasks.stopping() => {}
                        _ = dropped => {}
                        () = converse(stream, sources) => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a health check");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, sources: Sources) {
    let service = service_fn(move |request| {
        let sources = sources.clone();
        async move { Ok::<_, Infallible>(respond(&request, &sources).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEADER_WAIT)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    // What a prober does to its connection is its own business.
    let _ = tokio::time::timeout(CONNECTION_AGE, connection).await;
}

async fn respond(request: &Request<Incoming>, sources: &Sources) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET and HEAD are answered here\n".into());
    }
    match request.uri().path() {
        "/healthz" => answer(StatusCode::OK, "text/plain", "alive\n".into()),
        "/readyz" => ready(&sources.desk).await,
        "/metrics" if names_this_machine(request) => metrics(&sources.metrics),
        "/metrics" => answer(StatusCode::MISDIRECTED_REQUEST, "text/plain", "ask for it as localhost, or by an address\n".into()),
        _ => answer(StatusCode::NOT_FOUND, "text/plain", "here are /healthz, /readyz and /metrics\n".into()),
    }
}

async fn ready(desk: &Desk) -> Response<Full<Bytes>> {
    let unavailable = |error: String| answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", error + "\n");
    match desk.health().await {
        Ok(health) => {
            let code = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            serde_json::to_string(&health)
                .map_or_else(|error| unavailable(error.to_string()), |text| answer(code, "application/json", text + "\n"))
        }
        Err(error) => unavailable(error.to_string()),
    }
}

/// Whether the Host header is one that only who means this machine writes. A web page could have its own name point to
/// 127.0.0.1 and read with its visitor's browser what is answered here (DNS rebinding).
fn names_this_machine(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|c| c.is_ascii_digit())).map_or(host, |(host, _)| host);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// The OpenMetrics text format, which Prometheus reads, too.
fn metrics(registry: &Registry) -> Response<Full<Bytes>> {
    let mut shown = String::new();
    match text::encode(&mut shown, registry) {
        Ok(()) => answer(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", shown),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("cannot write the metrics: {error}\n")),
    }
}

fn answer(code: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
