//! Conversations as transcripts: what the server says is fed to the dialogue, and what comes of it must be the
//! transcript again.

use bytes::{Bytes, BytesMut};

use super::*;
use crate::delivery::{Body, Outcome, Outgoing};
use crate::message::{EntryId, Mailbox};
use crate::smtp::{Extensions, Reply, ReplyReader};
use crate::upstream::TlsMode;
use crate::upstream::classify::Method;

/// The server's side of a transcript, and all that was said.
struct Talk<'a> {
    server: Vec<&'a str>,
    said: Vec<String>,
}

impl<'a> Talk<'a> {
    fn new(transcript: &'a str) -> Self {
        let server = lines(transcript).filter_map(|line| line.strip_prefix("S: ")).rev().collect();
        Self { server, said: Vec::new() }
    }

    fn reply(&mut self) -> Reply {
        let mut reader = ReplyReader::new();
        loop {
            let line = self.server.pop().expect("the server has no more to say");
            self.said.push(format!("S: {line}"));
            if let Some(reply) = reader.next(&mut BytesMut::from(format!("{line}\r\n").as_bytes())).unwrap() {
                return reply;
            }
        }
    }

    fn client(&mut self, flight: &Flight) {
        let text = std::str::from_utf8(flight.octets()).unwrap();
        self.said.extend(text.strip_suffix("\r\n").unwrap().split("\r\n").map(|line| format!("C: {line}").trim_end().to_owned()));
    }

    #[track_caller]
    fn compare(self, transcript: &str) {
        let want: Vec<_> = lines(transcript).collect();
        assert_eq!(self.said.join("\n"), want.join("\n"));
    }
}

fn lines(transcript: &str) -> impl DoubleEndedIterator<Item = &str> {
    transcript.lines().map(|line| line.trim_start()).filter(|line| !line.is_empty())
}

const TOKEN: &str = "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA";

#[track_caller]
fn check_opening(tls: TlsMode, login: Login<'_>, transcript: &str) {
    let terms = Terms { hostname: "relay.example", tls, user: "test@contoso.onmicrosoft.com", login };
    let (mut talk, mut opening) = (Talk::new(transcript), Opening::begin(tls));
    loop {
        let reply = talk.reply();
        let (flight, next) = match opening.on_reply(&reply, &terms) {
            Next::Say(flight, next) => (flight, next),
            Next::Handshake => {
                talk.said.push("TLS".into());
                Opening::encrypted(&terms)
            }
            Next::Ready(_) => {
                talk.said.push("= ready".into());
                break;
            }
            Next::Failed(failure) => {
                talk.said.push(format!("= {:?} {:?} {}: {}", failure.scope, failure.next, failure.cause, failure.detail));
                break;
            }
        };
        talk.client(&flight);
        opening = next;
    }
    talk.compare(transcript);
}

#[test]
fn signs_in_to_microsoft_365_word_for_word() {
    let token = Secret::new(TOKEN);
    check_opening(
        TlsMode::StartTls,
        Login::Token(&token),
        r"
        S: 220 LO4P302CA0005.outlook.office365.com Microsoft ESMTP MAIL Service ready at Thu, 10 Oct 2024 22:49:55 +0000 [08DCE8B62813AB2B]
        C: EHLO relay.example
        S: 250-LO4P302CA0005.outlook.office365.com Hello [203.0.113.7]
        S: 250-SIZE 157286400
        S: 250-PIPELINING
        S: 250-DSN
        S: 250-ENHANCEDSTATUSCODES
        S: 250-STARTTLS
        S: 250-8BITMIME
        S: 250-BINARYMIME
        S: 250-CHUNKING
        S: 250 SMTPUTF8
        C: STARTTLS
        S: 220 2.0.0 SMTP server ready
        TLS
        C: EHLO relay.example
        S: 250-LO4P302CA0005.outlook.office365.com Hello [203.0.113.7]
        S: 250-PIPELINING
        S: 250 AUTH LOGIN XOAUTH2
        C: AUTH XOAUTH2
        S: 334 
        C: dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==
        S: 235 2.7.0 Authentication successful
        = ready
    ",
    );
}

#[test]
fn reads_why_google_and_postfix_refuse_a_token() {
    let token = Secret::new("x");
    check_opening(
        TlsMode::Implicit,
        Login::Token(&token),
        r#"
        S: 220 smtp.example ESMTP
        C: EHLO relay.example
        S: 250-smtp.example
        S: 250 AUTH XOAUTH2 PLAIN
        C: AUTH XOAUTH2
        S: 334 
        C: dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIHgBAQ==
        S: 334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiQmVhcmVyIn0=
        C:
        S: 535-5.7.8 Username and Password not accepted. For more information, go to
        S: 535 5.7.8  https://support.google.com/mail/?p=BadCredentials
        = Account Token token-identity: 535 5.7.8 Username and Password not accepted. For more information, go to / https://support.google.com/mail/?p=BadCredentials ({"status":"401","schemes":"Bearer"})
    "#,
    );
}

#[test]
fn signs_in_with_a_password_by_what_is_offered() {
    let password = Secret::new("geheim");
    check_opening(
        TlsMode::Implicit,
        Login::Password(&password),
        r"
        S: 220 smtp.example ESMTP
        C: EHLO relay.example
        S: 250-smtp.example
        S: 250 AUTH LOGIN XOAUTH2
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: dGVzdEBjb250b3NvLm9ubWljcm9zb2Z0LmNvbQ==
        S: 334 UGFzc3dvcmQ6
        C: Z2VoZWlt
        S: 235 2.7.0 Authentication successful
        = ready
    ",
    );
    check_opening(
        TlsMode::Implicit,
        Login::Password(&password),
        r"
        S: 220 smtp.example ESMTP
        C: EHLO relay.example
        S: 250-smtp.example
        S: 250 AUTH LOGIN PLAIN
        C: AUTH PLAIN AHRlc3RAY29udG9zby5vbm1pY3Jvc29mdC5jb20AZ2VoZWlt
        S: 535 5.7.8 Error: authentication failed
        = Account Hold wrong-password: 535 5.7.8 Error: authentication failed
    ",
    );
}

#[test]
fn sends_nothing_without_the_protection_that_was_asked_for() {
    let password = Secret::new("geheim");
    check_opening(
        TlsMode::StartTls,
        Login::Password(&password),
        r"
        S: 220 smtp.example ESMTP
        C: EHLO relay.example
        S: 250-smtp.example
        S: 250 AUTH PLAIN
        = Upstream Retry no-starttls: the upstream does not offer STARTTLS; nothing was sent
    ",
    );
    check_opening(
        TlsMode::StartTls,
        Login::None,
        r"
        S: 220 smtp.example ESMTP
        C: EHLO relay.example
        S: 250-smtp.example
        S: 250 STARTTLS
        C: STARTTLS
        S: 454 4.7.0 TLS not available due to local problem
        = Upstream Retry temporary: 454 4.7.0 TLS not available due to local problem
    ",
    );
    check_opening(
        TlsMode::None,
        Login::Password(&password),
        r"
        S: 220 smtp.example ESMTP
        C: EHLO relay.example
        S: 250-smtp.example
        S: 250 AUTH PLAIN
        = Account Hold no-starttls: the account has credentials, which are never sent without TLS
    ",
    );
}

#[test]
fn makes_do_with_old_servers_and_refuses_odd_ones() {
    check_opening(
        TlsMode::None,
        Login::None,
        r"
        S: 220 old.example
        C: EHLO relay.example
        S: 500 what?
        C: HELO relay.example
        S: 250 old.example
        = ready
    ",
    );
    check_opening(
        TlsMode::None,
        Login::None,
        r"
        S: 554 5.7.1 No SMTP service here
        = Account Hold account-refused: 554 5.7.1 No SMTP service here
    ",
    );
    check_opening(
        TlsMode::None,
        Login::None,
        r"
        S: 250 not a greeting
        = Upstream Reconnect protocol: unexpected reply: 250 not a greeting
    ",
    );
    let token = Secret::new("x");
    check_opening(
        TlsMode::Implicit,
        Login::Token(&token),
        r#"
        S: 220 smtp.example ESMTP
        C: EHLO relay.example
        S: 250-smtp.example
        S: 250 AUTH PLAIN
        = Account Hold no-usable-auth: the upstream offers no XOAUTH2; it offers ["PLAIN"]
    "#,
    );
}

#[test]
fn no_formatting_of_a_flight_shows_a_credential() {
    let flight = Flight::secret("AUTH PLAIN ", &Secret::new("geheim"));
    assert_eq!(format!("{flight} {flight:?}"), "[redacted] [redacted]");
    assert_eq!(Flight::line("EHLO x\r\nRSET").to_string(), "EHLO x | RSET");
}

fn outgoing(recipients: &[&str]) -> Outgoing {
    Outgoing {
        entry: EntryId::from_u64(1),
        from: Mailbox::parse("alerts@contoso.com").unwrap(),
        recipients: recipients.iter().map(|text| Mailbox::parse(text).unwrap()).collect(),
        header: Bytes::from_static(b"Subject: x\r\n\r\n"),
        body: Body::Memory(Bytes::from_static(b"body\r\n")),
        eight_bit: false,
        smtputf8: false,
    }
}

/// Leads one transaction; `offers` are the lines of an EHLO reply.
#[track_caller]
fn check_message(offers: &[&str], outgoing: &Outgoing, transcript: &str) {
    let offers = std::iter::once("host").chain(offers.iter().copied()).map(String::from).collect();
    let offers = Extensions::read(&Reply::lines(250, offers));
    let mut talk = Talk::new(transcript);
    let done = match Plan::begin(outgoing, &offers, Method::Token) {
        Err(done) => done,
        Ok((plan, flight, awaiting)) => lead(&mut talk, &plan, Turn::Say(flight, awaiting)),
    };
    assert_eq!(done.outcomes.len(), outgoing.recipients.len());
    for (mailbox, outcome) in outgoing.recipients.iter().zip(done.outcomes) {
        let text = match outcome {
            Outcome::Delivered(reply) => format!("delivered: {reply}"),
            Outcome::Deferred(failure) => format!("deferred, {:?} {:?} {}: {}", failure.scope, failure.next, failure.cause, failure.detail),
            Outcome::Refused(failure) => format!("refused, {:?} {}: {}", failure.scope, failure.cause, failure.detail),
        };
        talk.said.push(format!("= {mailbox} {text}"));
    }
    talk.said.push(format!("= {:?}", done.then));
    talk.compare(transcript);
}

fn lead(talk: &mut Talk<'_>, plan: &Plan<'_>, mut turn: Turn) -> Done {
    loop {
        let awaiting = match turn {
            Turn::Say(flight, awaiting) => {
                talk.client(&flight);
                awaiting
            }
            Turn::Listen(awaiting) => awaiting,
            Turn::Content(answers) => {
                talk.said.push("CONTENT".into());
                Awaiting::Final(answers)
            }
            Turn::Done(done) => return done,
        };
        turn = awaiting.on_reply(&talk.reply(), plan);
    }
}

#[test]
fn sends_a_message_in_one_flight_or_step_by_step() {
    check_message(
        &["PIPELINING", "SIZE 1000"],
        &outgoing(&["a@b.example", "c@d.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com> SIZE=20
        C: RCPT TO:<a@b.example>
        C: RCPT TO:<c@d.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 250 2.1.5 Recipient OK
        S: 354 Start mail input; end with <CRLF>.<CRLF>
        CONTENT
        S: 250 2.0.0 OK <1@contoso.com> [Hostname=X]
        = a@b.example delivered: 250 2.0.0 OK <1@contoso.com> [Hostname=X]
        = c@d.example delivered: 250 2.0.0 OK <1@contoso.com> [Hostname=X]
        = Reuse
    ",
    );
    check_message(
        &[],
        &outgoing(&["a@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b.example>
        S: 250 2.1.5 Recipient OK
        C: DATA
        S: 354 go
        CONTENT
        S: 554 5.2.252 SendAsDenied; scanner@contoso.com not allowed to send as alerts@contoso.com
        = a@b.example deferred, Message ResendAs send-as-denied: 554 5.2.252 SendAsDenied; scanner@contoso.com not allowed to send as alerts@contoso.com
        = Reset
    ",
    );
}

#[test]
fn each_recipient_gets_its_own_outcome() {
    check_message(
        &["PIPELINING"],
        &outgoing(&["a@b.example", "nobody@b.example", "later@b.example", "d@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        C: RCPT TO:<a@b.example>
        C: RCPT TO:<nobody@b.example>
        C: RCPT TO:<later@b.example>
        C: RCPT TO:<d@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 550 5.1.1 User unknown
        S: 450 4.7.1 Greylisted
        S: 250 2.1.5 Recipient OK
        S: 354 go
        CONTENT
        S: 250 2.0.0 OK
        = a@b.example delivered: 250 2.0.0 OK
        = nobody@b.example refused, Recipient bad-recipient: 550 5.1.1 User unknown
        = later@b.example deferred, Recipient Retry temporary: 450 4.7.1 Greylisted
        = d@b.example delivered: 250 2.0.0 OK
        = Reuse
    ",
    );
    check_message(
        &["PIPELINING"],
        &outgoing(&["a@b.example", "c@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        C: RCPT TO:<a@b.example>
        C: RCPT TO:<c@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 452 4.5.3 Too many recipients
        S: 354 go
        CONTENT
        S: 250 2.0.0 OK
        = a@b.example delivered: 250 2.0.0 OK
        = c@b.example deferred, Message Split too-many-recipients: 452 4.5.3 Too many recipients
        = Reuse
    ",
    );
}

#[test]
fn nobody_to_get_it_means_no_content() {
    check_message(
        &["PIPELINING"],
        &outgoing(&["a@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 501 5.1.3 Invalid address
        S: 354 go
        C: .
        S: 554 5.5.1 No valid recipients
        = a@b.example refused, Recipient bad-recipient: 501 5.1.3 Invalid address
        = Reset
    ",
    );
    check_message(
        &["PIPELINING"],
        &outgoing(&["a@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 501 5.1.3 Invalid address
        S: 503 5.5.1 No valid recipients
        = a@b.example refused, Recipient bad-recipient: 501 5.1.3 Invalid address
        = Reset
    ",
    );
    check_message(
        &[],
        &outgoing(&["a@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b.example>
        S: 501 5.1.3 Invalid address
        = a@b.example refused, Recipient bad-recipient: 501 5.1.3 Invalid address
        = Reset
    ",
    );
}

#[test]
fn a_refused_sender_ends_it_after_the_rest_of_the_flight() {
    check_message(
        &["PIPELINING"],
        &outgoing(&["a@b.example", "c@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        C: RCPT TO:<a@b.example>
        C: RCPT TO:<c@b.example>
        C: DATA
        S: 451 4.3.0 Not now
        S: 503 5.5.1 MAIL first
        S: 503 5.5.1 MAIL first
        S: 354 go
        C: .
        S: 250 2.0.0 OK
        = a@b.example deferred, Upstream Retry temporary: 451 4.3.0 Not now
        = c@b.example deferred, Upstream Retry temporary: 451 4.3.0 Not now
        = Reset
    ",
    );
    check_message(
        &["PIPELINING"],
        &outgoing(&["a@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 503 5.5.2 Send hello first
        S: 503 5.5.2 Send hello first
        S: 503 5.5.2 Send hello first
        = a@b.example deferred, Upstream Reconnect protocol: 503 5.5.2 Send hello first
        = Close
    ",
    );
}

#[test]
fn a_421_ends_it_at_any_time() {
    check_message(
        &["PIPELINING"],
        &outgoing(&["nobody@b.example", "a@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        C: RCPT TO:<nobody@b.example>
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 550 5.1.1 User unknown
        S: 421 4.3.2 Service not available
        = nobody@b.example refused, Recipient bad-recipient: 550 5.1.1 User unknown
        = a@b.example deferred, Upstream Retry temporary: 421 4.3.2 Service not available
        = Close
    ",
    );
    check_message(
        &[],
        &outgoing(&["a@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b.example>
        S: 250 2.1.5 Recipient OK
        C: DATA
        S: 354 go
        CONTENT
        S: 421 4.4.2 Message submission rate for this client has exceeded the configured limit
        = a@b.example deferred, Account Pause(75s) rate-per-minute: 421 4.4.2 Message submission rate for this client has exceeded the configured limit
        = Close
    ",
    );
}

#[test]
fn what_the_upstream_cannot_take_is_not_sent() {
    check_message(
        &["SIZE 19"],
        &outgoing(&["a@b.example"]),
        r"
        = a@b.example refused, Message too-large: the message has 20 octets, the upstream takes at most 19
        = Reuse
    ",
    );
    check_message(
        &[],
        &outgoing(&["dör@b.example", "a@b.example"]),
        r"
        C: MAIL FROM:<alerts@contoso.com>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b.example>
        S: 250 2.1.5 Recipient OK
        C: DATA
        S: 354 go
        CONTENT
        S: 250 2.0.0 OK
        = dör@b.example refused, Recipient smtputf8-missing: dör@b.example is outside ASCII, and the upstream does not offer SMTPUTF8
        = a@b.example delivered: 250 2.0.0 OK
        = Reuse
    ",
    );
}

#[test]
fn parameters_are_named_where_they_are_needed_and_offered() {
    let message = Outgoing { eight_bit: true, smtputf8: true, ..outgoing(&["dör@b.example"]) };
    check_message(
        &["8BITMIME", "SMTPUTF8", "PIPELINING", "SIZE"],
        &message,
        r"
        C: MAIL FROM:<alerts@contoso.com> SIZE=20 BODY=8BITMIME SMTPUTF8
        C: RCPT TO:<dör@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 452 4.3.1 Insufficient system resources
        = dör@b.example deferred, Message Retry temporary: 452 4.3.1 Insufficient system resources
        = Reset
    ",
    );
}

proptest::proptest! {
    /// Whatever a server says, in whatever order, each recipient gets one outcome and no content is sent to nobody.
    #[test]
    fn every_recipient_gets_one_outcome(codes in proptest::collection::vec(200u16..600, 0..12), pipelining: bool, recipients in 1usize..4) {
        let addresses: Vec<_> = (0..recipients).map(|number| format!("a{number}@b.example")).collect();
        let message = outgoing(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
        let offers = Extensions { pipelining, ..Extensions::default() };
        let Ok((plan, flight, awaiting)) = Plan::begin(&message, &offers, Method::Token) else { panic!("nothing speaks against it") };
        let (mut turn, mut replies) = (Turn::Say(flight, awaiting), codes.into_iter());
        let done = loop {
            let awaiting = match turn {
                Turn::Say(_, awaiting) | Turn::Listen(awaiting) => awaiting,
                Turn::Content(answers) => {
                    assert!(answers.iter().any(Option::is_none));
                    Awaiting::Final(answers)
                }
                Turn::Done(done) => break done,
            };
            turn = match replies.next() {
                // Servers say yes more often than a random number does.
                Some(code) => awaiting.on_reply(&Reply::plain(if code < 300 { 250 } else if code < 400 { 354 } else { code }, "x"), &plan),
                None => {
                    let stage = awaiting.stage();
                    break awaiting.lost(crate::upstream::classify::broken(crate::cause::Cause::ConnectionLost, stage, "x"));
                }
            };
        };
        assert_eq!(done.outcomes.len(), recipients);
    }
}
