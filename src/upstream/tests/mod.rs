//! Whole attempts against a scripted server: TLS, reuse, second chances, and trouble at every step.

mod server;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::ServerConfig;

use super::*;
use crate::clock::Timestamp;
use crate::delivery::{Body, Scope};
use crate::message::{BodyPlan, EntryId};
use crate::oauth::testing::{Endpoint, json, token};
use crate::tls;
use server::Server;

/// An authority, and what it signs.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn server(&self, name: &str, expired: bool) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if expired {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
            params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        tls::server_from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    fn trust(&self) -> Arc<ClientConfig> {
        tls::client_with_roots(self.pem.as_bytes()).unwrap()
    }
}

const WAITS: Waits = Waits {
    connect: Duration::from_secs(10),
    reply: Duration::from_secs(10),
    final_reply: Duration::from_secs(10),
    idle: Duration::from_secs(60),
    age: Duration::from_secs(600),
    messages: 50,
};

fn settings(port: u16, trust: Arc<ClientConfig>) -> Settings {
    Settings {
        account: AccountName::new("office"),
        host: "localhost".into(),
        port,
        hostname: "relay.example".into(),
        tls: TlsMode::StartTls,
        trust,
        mailbox: Mailbox::parse("scanner@contoso.com").unwrap(),
        credentials: Credentials::None,
        connections: 2,
        waits: WAITS,
    }
}

/// A server with these scripts, and an upstream that goes to it with the settings that `change` leaves.
async fn start(scripts: &[String], change: impl FnOnce(&mut Settings)) -> (Server, Upstream) {
    let authority = Authority::new();
    let server = Server::start(&authority.server("localhost", false), scripts).await;
    let mut settings = settings(server.port, authority.trust());
    change(&mut settings);
    let upstream = Upstream::new(settings, Clock::manual(Timestamp::from_millis(1_800_000_000_000)));
    (server, upstream)
}

fn outgoing(recipients: &[&str]) -> Outgoing {
    Outgoing {
        entry: EntryId::from_u64(1),
        from: Mailbox::parse("alerts@contoso.com").unwrap(),
        recipients: recipients.iter().map(|text| Mailbox::parse(text).unwrap()).collect(),
        header: Bytes::from_static(b"Subject: x\r\n\r\n"),
        body: Body::Memory(Bytes::from_static(b".hidden\r\nbody\r\n")),
        plan: BodyPlan::Pass,
        eight_bit: false,
        smtputf8: false,
    }
}

fn message() -> Outgoing {
    outgoing(&["a@b.example"])
}

/// The content that [`message`] has on the wire.
const CONTENT: &str = "Subject: x\r\n\r\n..hidden\r\nbody\r\n.\r\n";

const GREETING: &str =
    "S: 220 upstream.example ESMTP\nC: EHLO relay.example\nS: 250-upstream.example\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n";
const SECURED: &str = "TLS\nC: EHLO relay.example\nS: 250-upstream.example\nS: 250-PIPELINING\nS: 250 AUTH LOGIN XOAUTH2\n";
const ENVELOPE: &str = "C: MAIL FROM:<alerts@contoso.com>\nC: RCPT TO:<a@b.example>\nC: DATA\n";
const GO: &str = "S: 250 2.1.0 OK\nS: 250 2.1.5 OK\nS: 354 go\n";
const TAKEN: &str = "CONTENT\nS: 250 2.0.0 OK <1@contoso.com>\n";
const BYE: &str = "C: QUIT\nS: 221 2.0.0 bye\nEND\n";

fn script(parts: &[&str]) -> String {
    parts.concat()
}

/// A connection that takes this many messages and then waits for QUIT.
fn takes(messages: usize) -> String {
    script(&[GREETING, SECURED, &script(&[ENVELOPE, GO, TAKEN]).repeat(messages), BYE])
}

#[track_caller]
fn delivered(report: &Report) {
    let all = report.outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Delivered("250 2.0.0 OK <1@contoso.com>".into()));
    assert!(all, "{report:?}");
}

/// The one failure of a report with one recipient.
#[track_caller]
fn deferred(report: Report) -> Failure {
    match report.outcomes.into_iter().next() {
        Some((_, Outcome::Deferred(failure))) => failure,
        other => panic!("{other:?}"),
    }
}

/// Delivers one message over connections with these scripts; scope, next step, cause and stage must be these.
async fn check(scripts: &[String], want: (Scope, NextStep, Cause, Stage)) {
    let (server, upstream) = start(scripts, |_| {}).await;
    let failure = deferred(upstream.deliver(&message()).await);
    assert_eq!((failure.scope, failure.next, failure.cause, failure.stage), want, "{failure:?}");
    upstream.close().await;
    server.done().await;
}

fn broken(cause: Cause, stage: Stage) -> (Scope, NextStep, Cause, Stage) {
    (Scope::Upstream, NextStep::Retry, cause, stage)
}

#[tokio::test]
async fn one_connection_serves_many_messages() {
    let (server, upstream) = start(&[takes(3)], |_| {}).await;
    for _ in 0..3 {
        delivered(&upstream.deliver(&message()).await);
    }
    upstream.close().await;
    assert_eq!(server.done().await, [CONTENT; 3]);
}

#[tokio::test]
async fn connections_are_recycled_after_their_messages() {
    let (server, upstream) = start(&[takes(2), takes(1)], |settings| settings.waits.messages = 2).await;
    for _ in 0..3 {
        delivered(&upstream.deliver(&message()).await);
    }
    upstream.close().await;
    server.done().await;
}

#[tokio::test]
async fn connections_are_recycled_when_they_are_old() {
    let (server, upstream) = start(&[takes(1), takes(1)], |settings| settings.waits.age = Duration::ZERO).await;
    delivered(&upstream.deliver(&message()).await);
    delivered(&upstream.deliver(&message()).await);
    server.done().await;
}

#[tokio::test]
async fn idle_connections_are_closed_politely() {
    let (server, upstream) = start(&[takes(1)], |settings| settings.waits.idle = Duration::from_millis(50)).await;
    delivered(&upstream.deliver(&message()).await);
    // Ends when the server has got QUIT.
    server.done().await;
    drop(upstream);
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let one = script(&[GREETING, SECURED, &script(&[ENVELOPE, GO, TAKEN]).repeat(4), BYE]);
    let (server, upstream) = start(&[one], |settings| settings.connections = 1).await;
    let message = message();
    let reports = futures_util::future::join_all((0..4).map(|_| upstream.deliver(&message))).await;
    reports.iter().for_each(delivered);
    upstream.close().await;
    server.done().await;
}

#[tokio::test]
async fn a_failed_transaction_is_reset_before_the_next() {
    let refused = "S: 250 2.1.0 OK\nS: 550 5.1.1 unknown\nS: 503 5.5.1 no recipients\nC: RSET\nS: 250 2.0.0 OK\n";
    let (server, upstream) = start(&[script(&[GREETING, SECURED, ENVELOPE, refused, ENVELOPE, GO, TAKEN, BYE])], |_| {}).await;
    let report = upstream.deliver(&message()).await;
    assert!(matches!(&report.outcomes[0].1, Outcome::Refused(failure) if failure.cause == Cause::BadRecipient), "{report:?}");
    delivered(&upstream.deliver(&message()).await);
    upstream.close().await;
    server.done().await;
}

#[tokio::test]
async fn a_connection_that_cannot_be_reset_is_not_used_again() {
    let refused = "CONTENT\nS: 451 4.3.0 Not now\nC: RSET\nS: 502 5.5.1 what?\nEND\n";
    let (server, upstream) = start(&[script(&[GREETING, SECURED, ENVELOPE, GO, refused]), takes(1)], |_| {}).await;
    assert_eq!(deferred(upstream.deliver(&message()).await).cause, Cause::Temporary);
    delivered(&upstream.deliver(&message()).await);
    upstream.close().await;
    server.done().await;
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced_without_a_word() {
    let closes = script(&[GREETING, SECURED, ENVELOPE, GO, TAKEN]);
    let says_421 = script(&[&closes, "S: 421 4.4.2 Connection timed out\n"]);
    let says_421_at_mail = script(&[&closes, ENVELOPE, "S: 421 4.4.2 Connection timed out\n"]);
    let closes_at_mail = script(&[&closes, ENVELOPE]);
    for first in [closes, says_421, says_421_at_mail, closes_at_mail] {
        let (server, upstream) = start(&[first, takes(1)], |_| {}).await;
        delivered(&upstream.deliver(&message()).await);
        delivered(&upstream.deliver(&message()).await);
        upstream.close().await;
        assert_eq!(server.done().await.len(), 2);
    }
}

#[tokio::test]
async fn lost_step_is_mended_once_on_a_new_connection() {
    let lost = script(&[GREETING, SECURED, ENVELOPE, "S: 503 5.5.2 Send hello first\nS: 503 5.5.2 x\nS: 503 5.5.2 x\nEND\n"]);
    let (server, upstream) = start(&[lost.clone(), takes(1)], |_| {}).await;
    delivered(&upstream.deliver(&message()).await);
    upstream.close().await;
    server.done().await;
    check(&[lost.clone(), lost], broken(Cause::Protocol, Stage::Mail)).await;
}

#[tokio::test]
async fn trouble_at_every_step_is_temporary_and_named() {
    let end = |stage| broken(Cause::ConnectionLost, stage);
    check(&[String::new()], end(Stage::Greeting)).await;
    check(&[script(&["S: 220 x\nC: EHLO relay.example\n"])], end(Stage::Greeting)).await;
    check(&[script(&["S: 220 x\nC: EHLO relay.example\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\n"])], end(Stage::Tls)).await;
    check(&[script(&[GREETING])], broken(Cause::TlsFailed, Stage::Tls)).await;
    check(&[script(&[GREETING, "TLS\n"])], end(Stage::Greeting)).await;
    check(&[script(&[GREETING, SECURED, ENVELOPE])], end(Stage::Mail)).await;
    check(&[script(&[GREETING, SECURED, ENVELOPE, "S: 250 OK\n"])], end(Stage::Rcpt)).await;
    check(&[script(&[GREETING, SECURED, ENVELOPE, "S: 250 OK\nS: 250 OK\n"])], end(Stage::Data)).await;
    check(&[script(&[GREETING, SECURED, ENVELOPE, GO, "CONTENT\n"])], broken(Cause::FinalReplyLost, Stage::FinalReply)).await;
    check(&["S: HTTP/1.1 400 Bad Request\nEND\n".into()], broken(Cause::ReplyMalformed, Stage::Greeting)).await;
    check(&["S: 421 4.3.2 Service not available\n".into()], broken(Cause::Temporary, Stage::Greeting)).await;
    let garbage = script(&[GREETING, SECURED, ENVELOPE, "S: 250 OK\nS: \u{1}\u{2}\n"]);
    check(&[garbage], broken(Cause::ReplyMalformed, Stage::Rcpt)).await;
}

#[tokio::test]
async fn a_lost_final_reply_says_that_the_message_may_come_twice() {
    let (server, upstream) = start(&[script(&[GREETING, SECURED, ENVELOPE, GO, "CONTENT\n"])], |_| {}).await;
    let failure = deferred(upstream.deliver(&message()).await);
    assert!(failure.detail.contains("may be sent twice"), "{}", failure.detail);
    assert_eq!(server.done().await.len(), 1);
}

#[tokio::test]
async fn a_silent_server_is_left_in_time() {
    let steps = [
        (String::new(), Cause::ReplyTimeout, Stage::Greeting),
        (GREETING.to_owned(), Cause::ReplyTimeout, Stage::Tls),
        (script(&[GREETING, SECURED, ENVELOPE]), Cause::ReplyTimeout, Stage::Mail),
        (script(&[GREETING, SECURED, ENVELOPE, GO, "CONTENT\n"]), Cause::FinalReplyLost, Stage::FinalReply),
    ];
    for (before, cause, stage) in steps {
        // Never answers the handshake either: `READ` takes its octets for nothing.
        let silent = if stage == Stage::Tls { script(&[&before, "READ 1\nREAD 1000000\n"]) } else { script(&[&before, "END\n"]) };
        let (_server, upstream) = start(&[silent], |settings| {
            settings.waits.reply = Duration::from_millis(300);
            settings.waits.final_reply = Duration::from_millis(300);
        })
        .await;
        let failure = deferred(upstream.deliver(&message()).await);
        assert_eq!((failure.cause, failure.stage, failure.next), (cause, stage, NextStep::Retry), "{failure:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_apart() {
    let (server, upstream) = start(&[], |_| {}).await;
    server.done().await;
    let failure = deferred(upstream.deliver(&message()).await);
    assert_eq!((failure.cause, failure.stage, failure.scope), (Cause::ConnectRefused, Stage::Connect, Scope::Upstream), "{failure:?}");
    let (_server, upstream) = start(&[], |settings| settings.host = "no such name".into()).await;
    let failure = deferred(upstream.deliver(&message()).await);
    assert_eq!((failure.cause, failure.stage), (Cause::NameNotFound, Stage::Resolve), "{failure:?}");
}

#[tokio::test]
async fn certificates_are_checked() {
    let authority = Authority::new();
    let cases = [
        (authority.server("other.example", false), authority.trust(), Cause::CertificateWrongName),
        (authority.server("localhost", true), authority.trust(), Cause::CertificateExpired),
        (authority.server("localhost", false), Authority::new().trust(), Cause::CertificateUntrusted),
        (authority.server("localhost", false), tls::client(&tls::Trust::default()).unwrap(), Cause::CertificateUntrusted),
    ];
    for (config, trust, cause) in cases {
        let server = Server::start(&config, &[script(&[GREETING, "TLS\n"])]).await;
        let upstream = Upstream::new(settings(server.port, trust), Clock::system());
        let failure = deferred(upstream.deliver(&message()).await);
        assert_eq!((failure.cause, failure.stage, failure.next), (cause, Stage::Tls, NextStep::Retry), "{failure:?}");
        server.done().await;
    }
}

#[tokio::test]
async fn starttls_that_is_missing_or_injected_ends_it() {
    let missing = "S: 220 x\nC: EHLO relay.example\nS: 250-x\nS: 250 PIPELINING\nEND\n".to_owned();
    check(&[missing], broken(Cause::NoStarttls, Stage::Tls)).await;
    let injected = "S: 220 x\nC: EHLO relay.example\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\nRAW 220 go\\r\\n250 injected\\r\\n\nEND\n";
    check(&[injected.to_owned()], broken(Cause::StarttlsInjected, Stage::Tls)).await;
}

#[tokio::test]
async fn tls_from_the_first_octet() {
    let (server, upstream) =
        start(&[script(&["TLS\nS: 220 x\nC: EHLO relay.example\nS: 250-x\nS: 250 PIPELINING\n", ENVELOPE, GO, TAKEN, BYE])], |settings| {
            settings.tls = TlsMode::Implicit;
        })
        .await;
    delivered(&upstream.deliver(&message()).await);
    upstream.close().await;
    server.done().await;
}

/// A body of `lines` lines, some of which begin with a dot.
fn long_body(lines: usize) -> String {
    (0..lines).map(|number| format!("{}line {number} {}\r\n", if number % 3 == 0 { "." } else { "" }, "x".repeat(60))).collect()
}

fn in_file(folder: &tempfile::TempDir, body: &str) -> Body {
    let path = folder.path().join("body");
    std::fs::write(&path, body).unwrap();
    Body::File { path, length: body.len() as u64 }
}

#[tokio::test]
async fn large_bodies_stream_from_memory_and_from_files() {
    let body = long_body(20_000);
    let folder = tempfile::tempdir().unwrap();
    let stuffed = format!("Subject: x\r\n\r\n{}.\r\n", body.replace("\r\n.", "\r\n..").replacen('.', "..", 1));
    let (server, upstream) = start(&[takes(2)], |_| {}).await;
    for body in [Body::Memory(Bytes::from(body.clone())), in_file(&folder, &body)] {
        delivered(&upstream.deliver(&Outgoing { body, ..message() }).await);
    }
    upstream.close().await;
    for content in server.done().await {
        assert!(content == stuffed, "{} octets instead of {}", content.len(), stuffed.len());
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_not_begun_and_never_half_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let body = long_body(20_000);
    let Body::File { path, length } = in_file(&folder, &body) else { panic!("a file") };
    for body in [
        Body::File { path: folder.path().join("missing"), length },
        Body::File { path: path.clone(), length: length + 1 },
        Body::File { path: path.clone(), length: length - 1 },
    ] {
        // No script: nobody is even dialled.
        let (_server, upstream) = start(&[], |_| {}).await;
        let failure = deferred(upstream.deliver(&Outgoing { body, ..message() }).await);
        assert_eq!((failure.cause, failure.stage, failure.scope), (Cause::SpoolUnreadable, Stage::Local, Scope::Message), "{failure:?}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_or_goes_in_the_midst_of_the_content_is_noticed() {
    let body = Body::Memory(Bytes::from(long_body(400_000)));
    let large = Outgoing { body, ..message() };
    let refuses = script(&[GREETING, SECURED, ENVELOPE, GO, "READ 100000\nS: 552 5.3.4 Message size exceeds fixed maximum message size\n"]);
    let (server, upstream) = start(&[refuses], |_| {}).await;
    let report = upstream.deliver(&large).await;
    assert!(matches!(&report.outcomes[0].1, Outcome::Refused(failure) if failure.cause == Cause::TooLarge), "{report:?}");
    server.done().await;
    let goes = script(&[GREETING, SECURED, ENVELOPE, GO, "READ 100000\n"]);
    let (server, upstream) = start(&[goes], |_| {}).await;
    let failure = deferred(upstream.deliver(&large).await);
    assert_eq!((failure.cause, failure.stage), (Cause::ConnectionLost, Stage::Data), "{failure:?}");
    server.done().await;
}

#[tokio::test]
async fn each_recipient_gets_its_outcome_in_order() {
    let envelope =
        "C: MAIL FROM:<alerts@contoso.com>\nC: RCPT TO:<a@b.example>\nC: RCPT TO:<c@b.example>\nC: RCPT TO:<d@b.example>\nC: DATA\n";
    let mixed = "S: 250 OK\nS: 250 OK\nS: 550 5.1.1 unknown\nS: 451 4.3.0 later\nS: 354 go\n";
    let (server, upstream) = start(&[script(&[GREETING, SECURED, envelope, mixed, TAKEN, BYE])], |_| {}).await;
    let outgoing = outgoing(&["a@b.example", "c@b.example", "d@b.example"]);
    let report = upstream.deliver(&outgoing).await;
    let names: Vec<_> = report.outcomes.iter().map(|(mailbox, _)| mailbox.clone()).collect();
    assert_eq!(names, outgoing.recipients);
    assert!(matches!(&report.outcomes[0].1, Outcome::Delivered(_)));
    assert!(matches!(&report.outcomes[1].1, Outcome::Refused(_)));
    assert!(matches!(&report.outcomes[2].1, Outcome::Deferred(_)));
    upstream.close().await;
    server.done().await;
}

fn with_tokens(url: &str) -> impl FnOnce(&mut Settings) + use<> {
    let url = url.to_owned();
    move |settings| {
        let grant = oauth::Grant::ClientCredentials { client_id: "id".into(), client_secret: Secret::new("s3cr3t") };
        let tls = tls::client(&tls::Trust::default()).unwrap();
        settings.credentials = Credentials::Token(oauth::Settings { token_url: url, scope: "scope".into(), grant, tls });
    }
}

/// A sign-in with this token.
fn signs_in(token: &str) -> String {
    let blob = crate::smtp::sasl::xoauth2("scanner@contoso.com", &Secret::new(token));
    format!("{GREETING}{SECURED}C: AUTH XOAUTH2\nS: 334 \nC: {}\n", blob.reveal())
}

const REFUSED: &str = "S: 535 5.7.3 Authentication unsuccessful [X]\nC: QUIT\nS: 221 bye\nEND\n";

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let endpoint = Endpoint::plain(vec![token("old"), token("new")]).await;
    let scripts = [script(&[&signs_in("old"), REFUSED]), script(&[&signs_in("new"), "S: 235 2.7.0 OK\n", ENVELOPE, GO, TAKEN, BYE])];
    let (server, upstream) = start(&scripts, with_tokens(&endpoint.url)).await;
    delivered(&upstream.deliver(&message()).await);
    upstream.close().await;
    server.done().await;
}

#[tokio::test]
async fn a_token_that_is_refused_twice_holds_the_account() {
    let endpoint = Endpoint::plain(vec![token("old"), token("new")]).await;
    let scripts = [script(&[&signs_in("old"), REFUSED]), script(&[&signs_in("new"), REFUSED])];
    let (server, upstream) = start(&scripts, with_tokens(&endpoint.url)).await;
    let failure = deferred(upstream.deliver(&message()).await);
    let want = (Scope::Account, NextStep::Hold, Cause::TokenIdentity, Stage::Auth);
    assert_eq!((failure.scope, failure.next, failure.cause, failure.stage), want, "{failure:?}");
    server.done().await;
}

#[tokio::test]
async fn a_sign_in_that_lapsed_on_a_kept_connection_is_made_again() {
    let endpoint = Endpoint::plain(vec![token("one"), token("two")]).await;
    let lapsed =
        "S: 530 5.7.57 Client not authenticated to send mail. Error: 535 5.7.3 Authentication unsuccessful [X]\nS: 503 x\nS: 503 x\nEND\n";
    let signed = |name: &str| script(&[&signs_in(name), "S: 235 2.7.0 OK\n", ENVELOPE]);
    let scripts = [
        script(&[&signed("one"), GO, TAKEN, ENVELOPE, lapsed]),
        script(&[&signs_in("one"), REFUSED]),
        script(&[&signed("two"), GO, TAKEN, BYE]),
    ];
    let (server, upstream) = start(&scripts, with_tokens(&endpoint.url)).await;
    delivered(&upstream.deliver(&message()).await);
    delivered(&upstream.deliver(&message()).await);
    upstream.close().await;
    server.done().await;
}

#[tokio::test]
async fn a_token_that_is_not_given_is_the_accounts_trouble() {
    let body = r#"{"error":"invalid_client","error_description":"AADSTS7000222: The secret has expired."}"#;
    let endpoint = Endpoint::plain(vec![json(401, body)]).await;
    let (_server, upstream) = start(&[], with_tokens(&endpoint.url)).await;
    let failure = deferred(upstream.deliver(&message()).await);
    let want = (Scope::Account, NextStep::Hold, Cause::TokenRefused, Stage::Token);
    assert_eq!((failure.scope, failure.next, failure.cause, failure.stage), want, "{failure:?}");
    assert!(failure.detail.contains("AADSTS7000222"), "{}", failure.detail);
    let (_server, upstream) = start(&[], with_tokens("http://127.0.0.1:1/token")).await;
    let failure = deferred(upstream.deliver(&message()).await);
    assert_eq!((failure.next, failure.cause), (NextStep::Retry, Cause::TokenEndpointUnreachable), "{failure:?}");
}

#[tokio::test]
async fn a_check_signs_in_and_the_first_message_uses_it() {
    let (server, upstream) = start(&[takes(1)], |_| {}).await;
    upstream.check().await.unwrap();
    delivered(&upstream.deliver(&message()).await);
    upstream.close().await;
    server.done().await;
}
