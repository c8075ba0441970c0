//! The simulator as a whole: real sockets, real TLS, its own certificates.

use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::*;
use crate::smtp::sasl;
use crate::tls;

const LIMIT: Duration = Duration::from_secs(30);

async fn start(faults: &[&str]) -> Simulator {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    Simulator::start(Settings { faults, ..Settings::default() }, Clock::system()).await.unwrap()
}

async fn tls<S: AsyncRead + AsyncWrite + Unpin>(simulator: &Simulator, name: &'static str, stream: S) -> std::io::Result<TlsStream<S>> {
    let config = tls::client_with_roots(simulator.ca_pem().as_bytes()).unwrap();
    TlsConnector::from(config).connect(ServerName::try_from(name).unwrap(), stream).await
}

/// Sends `said` and reads until a line begins with `until`.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, said: &str, until: &str) -> String {
    stream.get_mut().write_all(said.as_bytes()).await.unwrap();
    stream.get_mut().flush().await.unwrap();
    let mut read = String::new();
    loop {
        let before = read.len();
        assert!(stream.read_line(&mut read).await.unwrap() > 0, "the connection ended behind {read:?}, before {until:?}");
        if read[before..].starts_with(until) {
            return read;
        }
    }
}

/// A connection up to TLS.
async fn secured(simulator: &Simulator, name: &'static str) -> std::io::Result<BufReader<TlsStream<TcpStream>>> {
    let mut plain = BufReader::new(TcpStream::connect(simulator.smtp_addr()).await?);
    exchange(&mut plain, "", "220 ").await;
    exchange(&mut plain, "EHLO relay.example\r\n", "250 ").await;
    exchange(&mut plain, "STARTTLS\r\n", "220 ").await;
    Ok(BufReader::new(tls(simulator, name, plain.into_inner()).await?))
}

/// A connection that may send.
async fn signed_in(simulator: &Simulator) -> BufReader<TlsStream<TcpStream>> {
    let mut stream = secured(simulator, "localhost").await.unwrap();
    exchange(&mut stream, "EHLO relay.example\r\n", "250 ").await;
    let token = simulator.issue_token(Duration::from_secs(600)).unwrap();
    let blob = sasl::xoauth2("scanner@contoso.com", &token);
    exchange(&mut stream, "AUTH XOAUTH2\r\n", "334 ").await;
    exchange(&mut stream, &format!("{}\r\n", blob.reveal()), "235 ").await;
    stream
}

const FLIGHT: &str = "MAIL FROM:<scanner@contoso.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n";
const CONTENT: &str = "From: scanner@contoso.com\r\nMessage-ID: <1@contoso.com>\r\n\r\nHello\r\n.\r\n";

/// One request to the token endpoint; the whole answer.
async fn post(simulator: &Simulator, body: &str) -> String {
    let (host, path) =
        simulator.token_url().strip_prefix("https://").unwrap().split_once('/').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap();
    let stream = TcpStream::connect(&host).await.unwrap();
    let mut stream = tls(simulator, "127.0.0.1", stream).await.unwrap();
    let request = format!("POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

const GRANT: &str = "grant_type=client_credentials&client_id=11111111-2222-3333-4444-555555555555\
                     &client_secret=rehearsal-secret&scope=https%3A%2F%2Foutlook.office365.com%2F.default";

#[tokio::test]
async fn a_token_from_the_endpoint_sends_messages_over_tls() {
    let simulator = start(&[]).await;
    let answer = post(&simulator, GRANT).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let blob = sasl::xoauth2("scanner@contoso.com", &Secret::new(body["access_token"].as_str().unwrap()));
    let mut stream = secured(&simulator, "smtp.office365.com").await.unwrap();
    let extensions = exchange(&mut stream, "EHLO relay.example\r\n", "250 ").await;
    assert!(extensions.contains("250-AUTH LOGIN XOAUTH2\r\n") && !extensions.contains("STARTTLS"), "{extensions}");
    exchange(&mut stream, &format!("AUTH XOAUTH2 {}\r\n", blob.reveal()), "235 ").await;
    exchange(&mut stream, FLIGHT, "354 ").await;
    // The next flight stands behind the dot.
    let replies = exchange(&mut stream, &(CONTENT.to_owned() + FLIGHT), "354 ").await;
    assert!(replies.starts_with("250 2.0.0 OK <1@contoso.com> [Hostname="), "{replies}");
    exchange(&mut stream, &(CONTENT.to_owned() + "QUIT\r\n"), "221 ").await;
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    assert!(simulator.wait_for(2, LIMIT).await && !simulator.wait_for(3, Duration::from_millis(1)).await);
    let received = simulator.received();
    assert_eq!(received[1].content, CONTENT.strip_suffix(".\r\n").unwrap());
    assert!(received[0].session.tls.as_deref().unwrap().starts_with("TLSv1_3 TLS13_"), "{:?}", received[0].session);
    assert_eq!(received[0].session.peer, IpAddr::from(Ipv4Addr::LOCALHOST));
    let counts = simulator.counts();
    let want =
        Counts { connections: 1, handshakes: 1, sign_ins: 1, messages: 2, octets: counts.octets, token_requests: 1, ..Counts::default() };
    assert_eq!(counts, want);
    assert_eq!(simulator.stop(LIMIT).await.left, 0);
}

#[tokio::test]
async fn certificates_that_must_not_be_trusted() {
    let simulator = start(&["wrong-certificate-name=1", "untrusted-ca=1"]).await;
    let error = secured(&simulator, "localhost").await.unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    let error = secured(&simulator, "localhost").await.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{error}");
    assert!(simulator.faults().is_empty());
    assert!(secured(&simulator, "localhost").await.is_ok());
}

#[tokio::test]
async fn the_endpoint_fails_as_planned() {
    let simulator = start(&["token-throttled=7s*1", "token-error=1", "token-malformed=1", "token-wrong-secret=1"]).await;
    let answer = post(&simulator, GRANT).await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 7\r\n"), "{answer}");
    assert!(post(&simulator, GRANT).await.starts_with("HTTP/1.1 500 "));
    assert!(post(&simulator, GRANT).await.contains("<html>"));
    let answer = post(&simulator, GRANT).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("AADSTS7000215"), "{answer}");
    assert!(post(&simulator, GRANT).await.starts_with("HTTP/1.1 200 "));
    simulator.set_faults(vec![Fault::TokenSilent.into()]);
    assert!(tokio::time::timeout(Duration::from_millis(300), post(&simulator, GRANT)).await.is_err());
    assert_eq!(simulator.stop(LIMIT).await.left, 0, "a silent answer does not keep it from stopping");
}

#[tokio::test]
async fn waiting_clients_are_told_that_it_stops() {
    let simulator = start(&[]).await;
    let mut stream = signed_in(&simulator).await;
    let (verdict, reply) = tokio::join!(simulator.stop(LIMIT), exchange(&mut stream, "", "421 "));
    assert_eq!((verdict.left, reply.as_str()), (0, "421 4.3.2 Service not available\r\n"));
}

#[tokio::test]
async fn a_lost_reply_can_mean_that_the_message_was_taken() {
    let simulator = start(&["drop=final-kept*1", "drop=final*1"]).await;
    for taken in [0, 1] {
        let mut stream = signed_in(&simulator).await;
        exchange(&mut stream, FLIGHT, "354 ").await;
        stream.get_mut().write_all(CONTENT.as_bytes()).await.unwrap();
        // A lost connection ends without the word that TLS has for a good end.
        assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
        assert_eq!(simulator.counts().messages, taken);
    }
}

#[tokio::test]
async fn a_refusal_inside_the_content_reaches_the_client() {
    let simulator = start(&["reply=content:421 4.3.2 Bye"]).await;
    let mut stream = signed_in(&simulator).await;
    exchange(&mut stream, FLIGHT, "354 ").await;
    // As much as is sent before anybody reads a reply.
    let content = format!("From: scanner@contoso.com\r\n\r\n{}", "x\r\n".repeat(100_000));
    let reply = exchange(&mut stream, &content, "421 ").await;
    assert_eq!(reply, "421 4.3.2 Bye\r\n");
}

#[tokio::test]
async fn latency_counts_flights() {
    let simulator = start(&[]).await;
    let mut stream = signed_in(&simulator).await;
    let late = Duration::from_millis(80);
    simulator.set_faults(vec![Fault::Latency(late).into()]);
    let begin = std::time::Instant::now();
    exchange(&mut stream, FLIGHT, "354 ").await;
    assert!(begin.elapsed() >= late, "three replies in one flight");
    exchange(&mut stream, CONTENT, "250 ").await;
    assert!(begin.elapsed() >= late * 2);
}

#[tokio::test]
async fn keeps_the_latest_or_nothing() {
    let keep = |keep| Simulator::start(Settings { keep, ..Settings::default() }, Clock::system());
    for (keep, left) in [(keep(Keep::Latest { messages: 2, octets: 1 << 20 }).await, 2), (keep(Keep::Nothing).await, 0)] {
        let simulator = keep.unwrap();
        let mut stream = signed_in(&simulator).await;
        for _ in 0..3 {
            exchange(&mut stream, FLIGHT, "354 ").await;
            exchange(&mut stream, CONTENT, "250 ").await;
        }
        assert_eq!((simulator.counts().messages, simulator.received().len()), (3, left));
        let numbers = |seen| simulator.received_after(seen).iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!((numbers(0), numbers(2)), if left == 0 { (vec![], vec![]) } else { (vec![2, 3], vec![3]) });
    }
}

#[tokio::test]
async fn the_authoritys_certificate_goes_where_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    let settings = Settings { ca_file: Some(ca_file.clone()), ..Settings::default() };
    let simulator = Simulator::start(settings.clone(), Clock::system()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&ca_file).unwrap(), simulator.ca_pem());
    let taken = Settings { smtp: simulator.smtp_addr(), ..Settings::default() };
    let error = Simulator::start(taken, Clock::system()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the simulator cannot listen on {}", simulator.smtp_addr()));
    let nowhere = Settings { ca_file: Some(dir.path().join("no/ca.pem")), ..settings };
    assert!(matches!(Simulator::start(nowhere, Clock::system()).await, Err(StartError::WriteCa { .. })));
}
