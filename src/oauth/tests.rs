use super::testing::{Endpoint, json, token};
use super::*;
use crate::cause::chain;
use crate::tls;

const SECRET: &str = "s3cr3t~value";

fn source(url: &str, tls: Arc<ClientConfig>, clock: &Clock) -> TokenSource {
    let grant = Grant::ClientCredentials { client_id: "11111111-2222".into(), client_secret: Secret::new(SECRET) };
    let settings = Settings { token_url: url.into(), scope: "https://outlook.office365.com/.default".into(), grant, tls };
    TokenSource::new(settings, clock.clone())
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(1_800_000_000_000))
}

fn trust() -> Arc<ClientConfig> {
    tls::client(&tls::Trust::default()).unwrap()
}

/// A source behind an endpoint that gives these answers.
async fn scripted(answers: Vec<String>) -> (TokenSource, Endpoint, Clock) {
    let (endpoint, clock) = (Endpoint::plain(answers).await, clock());
    (source(&endpoint.url, trust(), &clock), endpoint, clock)
}

async fn error(answer: String) -> TokenError {
    scripted(vec![answer]).await.0.token().await.unwrap_err()
}

#[tokio::test]
async fn asks_as_microsoft_wants_it() {
    let (source, endpoint, _) = scripted(vec![token("abc")]).await;
    assert_eq!(source.token().await.unwrap().reveal(), "abc");
    let request = &endpoint.requests()[0];
    assert!(request.starts_with("POST /tenant/oauth2/v2.0/token HTTP/1.1\r\n"), "{request}");
    let body = request.split_once("\r\n\r\n").unwrap().1;
    let mut fields: Vec<_> = body.split('&').collect();
    fields.sort_unstable();
    let want = [
        "client_id=11111111-2222",
        "client_secret=s3cr3t%7Evalue",
        "grant_type=client_credentials",
        "scope=https%3A%2F%2Foutlook.office365.com%2F.default",
    ];
    assert_eq!(fields, want);
}

#[tokio::test]
async fn a_token_is_used_until_ten_minutes_before_its_end() {
    let (source, endpoint, clock) = scripted(vec![token("first"), token("second")]).await;
    assert_eq!(source.token().await.unwrap().reveal(), "first");
    clock.advance(Duration::from_secs(3000 - 1));
    assert_eq!(source.token().await.unwrap().reveal(), "first");
    clock.advance(Duration::from_secs(1));
    assert_eq!(source.token().await.unwrap().reveal(), "second");
    assert_eq!(endpoint.requests().len(), 2);
}

#[tokio::test]
async fn a_short_life_is_used_to_four_fifths() {
    let short = json(200, r#"{"token_type":"Bearer","expires_in":300,"access_token":"short"}"#);
    let (source, _endpoint, clock) = scripted(vec![short, token("next")]).await;
    source.token().await.unwrap();
    clock.advance(Duration::from_secs(239));
    assert_eq!(source.token().await.unwrap().reveal(), "short");
    clock.advance(Duration::from_secs(1));
    assert_eq!(source.token().await.unwrap().reveal(), "next");
}

#[tokio::test]
async fn however_many_wait_one_asks() {
    let (source, endpoint, _) = scripted(vec![token("abc"), token("never")]).await;
    let tokens = futures_util::future::join_all((0..20).map(|_| source.token())).await;
    assert!(tokens.iter().all(|token| token.as_ref().unwrap().reveal() == "abc"));
    assert_eq!(endpoint.requests().len(), 1);
}

#[tokio::test]
async fn however_many_wait_one_is_refused_and_the_next_asks_again() {
    let (source, endpoint, _) = scripted(vec![json(400, r#"{"error":"invalid_client"}"#), token("abc")]).await;
    let answers = futures_util::future::join_all((0..20).map(|_| source.token())).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(TokenError::Refused { .. }))));
    assert_eq!(endpoint.requests().len(), 1);
    assert_eq!(source.token().await.unwrap().reveal(), "abc");
}

#[tokio::test]
async fn a_discarded_token_is_not_given_out_again() {
    let (source, _endpoint, _) = scripted(vec![token("first"), token("second")]).await;
    let first = source.token().await.unwrap();
    source.discard(&first);
    assert_eq!(source.token().await.unwrap().reveal(), "second");
    // The first was replaced already: whoever comes late with it does no harm.
    source.discard(&first);
    assert_eq!(source.token().await.unwrap().reveal(), "second");
}

#[tokio::test]
async fn a_token_that_lives_serves_while_the_endpoint_has_trouble() {
    let (source, endpoint, clock) = scripted(vec![token("old"), "HTTP/1.1 503 x\r\n\r\n".into(), token("new")]).await;
    source.token().await.unwrap();
    clock.advance(Duration::from_secs(3001));
    assert_eq!(source.token().await.unwrap().reveal(), "old");
    assert_eq!(source.token().await.unwrap().reveal(), "old");
    assert_eq!(endpoint.requests().len(), 2);
    clock.advance(RENEW_AGAIN);
    assert_eq!(source.token().await.unwrap().reveal(), "new");
}

#[tokio::test]
async fn a_dead_token_does_not_serve() {
    let (source, _endpoint, clock) = scripted(vec![token("old"), "HTTP/1.1 503 x\r\n\r\n".into()]).await;
    source.token().await.unwrap();
    clock.advance(Duration::from_secs(3590));
    assert!(matches!(source.token().await, Err(TokenError::Throttled { .. })));
}

#[tokio::test]
async fn a_refusal_keeps_what_support_asks_for_and_no_secret() {
    let body = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret s3cr3t~value provided.\r\nTrace ID: t1\u001b[2J",
        "error_codes":[7000215],"trace_id":"t1","correlation_id":"c1"}"#;
    let error = error(json(401, body)).await;
    let TokenError::Refused { codes, trace_id, correlation_id, .. } = &error else { panic!("{error}") };
    assert_eq!((codes.as_slice(), trace_id.as_deref(), correlation_id.as_deref()), (&[7_000_215][..], Some("t1"), Some("c1")));
    let want =
        r"the token endpoint refused: invalid_client: AADSTS7000215: Invalid client secret [redacted] provided. Trace ID: t1\u{1b}[2J";
    assert_eq!(error.to_string(), want);
}

#[tokio::test]
async fn the_endpoints_own_trouble_is_a_pause() {
    let busy = |error: TokenError| match error {
        TokenError::Throttled { retry_after, .. } => retry_after,
        other => panic!("{other:?}"),
    };
    let answer = "HTTP/1.1 429 x\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n".to_owned();
    assert_eq!(busy(error(answer).await), Some(Duration::from_secs(17)));
    assert_eq!(busy(error("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n".into()).await), None);
    let answer = json(400, r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033: A transient error"}"#);
    assert_eq!(busy(error(answer).await), None);
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_quoting_it() {
    let answers = [
        json(200, r#"{"token_type":"Bearer","access_token":"hidden"#),
        json(200, r#"{"token_type":"Bearer","access_token":"hid den"}"#),
        json(200, r#"{"token_type":"Bearer","access_token":""}"#),
        json(200, r#"{"access_token":"hidden","token_type":7}"#),
        json(404, "<html>hidden</html>"),
        "HTTP/1.1 200 x\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nhidden".into(),
        "HTTP/1.1 302 x\r\nLocation: https://elsewhere.example/hidden\r\nContent-Length: 0\r\n\r\n".into(),
    ];
    for answer in answers {
        let error = error(answer.clone()).await;
        assert!(matches!(error, TokenError::Malformed { .. }), "{answer}: {error:?}");
        assert!(!chain(&error).contains("hidden") && !format!("{error:?}").contains("hid"), "{error:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let clock = clock();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = source(&format!("http://{address}/token"), trust(), &clock).token().await.unwrap_err();
    assert!(chain(&error).starts_with(&format!("cannot reach the token endpoint {address}: cannot connect: ")), "{}", chain(&error));
    let error = source("not a url", trust(), &clock).token().await.unwrap_err();
    assert!(matches!(error, TokenError::Unreachable { .. }), "{error:?}");
    for garbage in ["garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort"] {
        let (source, _endpoint, _) = scripted(vec![garbage.into()]).await;
        assert!(matches!(source.token().await, Err(TokenError::Unreachable { .. })));
    }
}

#[tokio::test]
async fn https_needs_a_certificate_that_is_trusted() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let server = tls::server_from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let endpoint = Endpoint::tls(vec![token("abc"), token("abc")], server).await;
    let error = source(&endpoint.url, trust(), &clock()).token().await.unwrap_err();
    assert!(chain(&error).contains("the TLS handshake failed"), "{}", chain(&error));
    let trusting = tls::client_with_roots(made.cert.pem().as_bytes()).unwrap();
    assert_eq!(source(&endpoint.url, trusting, &clock()).token().await.unwrap().reveal(), "abc");
}
