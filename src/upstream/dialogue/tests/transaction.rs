//! One message on a connection that is signed in.

use super::*;

fn outgoing(recipients: &[&str]) -> Outgoing {
    Outgoing {
        entry: EntryId::from_u64(1),
        from: Mailbox::parse("alerts@contoso.com").unwrap(),
        recipients: recipients.iter().map(|text| Mailbox::parse(text).unwrap()).collect(),
        header: Bytes::from_static(b"Subject: x\r\n\r\n"),
        body: Body::Memory(Bytes::from_static(b"body\r\n")),
        plan: BodyPlan::Pass,
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

/// An estimate is never more than the upstream takes: only what is certain is a reason to refuse.
#[test]
fn a_body_that_grows_is_not_refused_by_an_estimate() {
    let edit = |with| BodyPlan::Edit(vec![Edit { range: 0..6, with }]);
    let message = Outgoing { plan: edit(With::QuotedPrintable { special: 5 }), ..outgoing(&["a@b.example"]) };
    for (offer, size) in [("SIZE", 30), ("SIZE 30", 30), ("SIZE 25", 25), ("SIZE 14", 14)] {
        let transcript = format!(
            r"
            C: MAIL FROM:<alerts@contoso.com> SIZE={size}
            C: RCPT TO:<a@b.example>
            C: DATA
            S: 452 4.3.1 Insufficient system resources
            S: 503 5.5.1 MAIL first
            S: 503 5.5.1 MAIL first
            = a@b.example deferred, Upstream Retry temporary: 452 4.3.1 Insufficient system resources
            = Reset
        "
        );
        check_message(&["PIPELINING", offer], &message, &transcript);
    }
    let message = Outgoing { plan: edit(With::Base64), ..message };
    check_message(
        &["SIZE 13"],
        &message,
        r"
        = a@b.example refused, Message too-large: the message has 22 octets, the upstream takes at most 13
        = Reuse
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
