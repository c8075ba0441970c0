//! Conversations with devices, as transcripts: `C:` the client, `S:` the server, and between them in brackets
//! what happens in the house.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::collections::HashMap;
use std::sync::Arc;

use mailferry::message::{EntryId, Mailbox, Receipt};
use mailferry::session::{
    Auth, Checked, Closing, Conditions, Ehlo, Next, Policy, Quirks, Receiving, Refusal, Scratch, Securing, Session, Way,
};
use mailferry::smtp::{Line, LineReader, Reply};
use proptest::prelude::*;

const MESSAGE_SIZE: u64 = 1000;

fn policy(auth: Auth) -> Policy {
    Policy {
        hostname: "relay.example".into(),
        message_size: MESSAGE_SIZE,
        recipients: 3,
        errors: 5,
        auth,
        starttls: false,
        postmaster: None,
    }
}

/// The users of `auth: users`: `scanner` with the password `geheim`.
fn users() -> Auth {
    Auth::Users(Arc::new(HashMap::from([("scanner".into(), bcrypt::hash("geheim", 4).unwrap())])))
}

/// Where a conversation stands.
enum Place {
    Commands(Session),
    Content(Receiving, Option<Refusal>),
    Securing(Securing),
    Closed(Closing),
}

/// Plays a transcript. Content between DATA and the dot is for the reader of content: here its lines pass by.
struct Play {
    place: Place,
    conditions: Conditions,
    said: Vec<String>,
}

impl Play {
    fn begin(policy: Policy) -> Self {
        Self::begin_with(policy, Quirks::default(), Way::Clear)
    }

    fn begin_with(policy: Policy, quirks: Quirks, way: Way) -> Self {
        let (session, greeting) = Session::new(Arc::new(policy), quirks, way);
        let mut play = Self { place: Place::Commands(session), conditions: Conditions::Ready, said: Vec::new() };
        play.hear(&greeting);
        play
    }

    fn hear(&mut self, reply: &Reply) {
        let mut wire = Vec::new();
        reply.write_to(&mut wire);
        for line in String::from_utf8(wire).unwrap().split_terminator("\r\n") {
            assert!(line.len() < 510 && line.is_ascii(), "{line:?}");
            self.said.push(line.to_owned());
        }
    }

    fn say(&mut self, line: &str) {
        // The far end of what a listener does with a socket.
        let mut buffer = bytes::BytesMut::from(format!("{line}\r\n").as_bytes());
        let line = LineReader::new(600).next(&mut buffer).unwrap_or(Line::TooLong);
        let place = std::mem::replace(&mut self.place, Place::Closed(Closing::Quit));
        self.place = match place {
            Place::Commands(session) => self.take(session.on_line(line, self.conditions)),
            Place::Content(receiving, refusal) if line == Line::Whole(b"."[..].into()) => {
                let (session, reply) = match refusal {
                    None => receiving.queued(Receipt::committed(EntryId::from_u64(1))),
                    Some(refusal) => receiving.refused(refusal),
                };
                self.hear(&reply);
                Place::Commands(session)
            }
            content @ Place::Content(..) => content,
            Place::Securing(_) => panic!("only TLS can go on"),
            Place::Closed(why) => panic!("the conversation is over ({why:?})"),
        };
    }

    fn take(&mut self, next: Next) -> Place {
        match next {
            Next::Reply(session, reply) => {
                self.hear(&reply);
                Place::Commands(session)
            }
            Next::Receive(receiving, reply) => {
                self.hear(&reply);
                Place::Content(receiving, None)
            }
            Next::Verify(verifying) => match verifying.verify(&mut Scratch::default()) {
                Checked::Right(next) | Checked::Wrong { next, .. } => self.take(next),
            },
            Next::StartTls(securing, reply) => {
                self.hear(&reply);
                Place::Securing(securing)
            }
            Next::Close(reply, why) => {
                self.hear(&reply);
                Place::Closed(why)
            }
        }
    }

    fn happen(&mut self, what: &str) {
        let refuse = |place: &mut Place, refusal| match place {
            Place::Content(_, refused) => *refused = Some(refusal),
            Place::Commands(_) | Place::Securing(_) | Place::Closed(_) => panic!("no content is being received"),
        };
        match what {
            "the disk is full" => self.conditions = Conditions::Full,
            "the spool fails" => self.conditions = Conditions::Failing,
            "all is well" => self.conditions = Conditions::Ready,
            "the disk fills up" => refuse(&mut self.place, Refusal::DiskFull),
            "storing fails" => refuse(&mut self.place, Refusal::CannotStore),
            "it is too large" => refuse(&mut self.place, Refusal::TooLarge),
            "its header is too large" => refuse(&mut self.place, Refusal::HeaderTooLarge),
            "it goes round in circles" => refuse(&mut self.place, Refusal::Loop),
            "no rule matches" => refuse(&mut self.place, Refusal::NoSenderRule),
            "TLS begins" => {
                let Place::Securing(securing) = std::mem::replace(&mut self.place, Place::Closed(Closing::Quit)) else {
                    panic!("no TLS was to begin")
                };
                self.place = Place::Commands(securing.secured());
            }
            "closed" => assert!(matches!(self.place, Place::Closed(_)), "the conversation goes on"),
            other => panic!("{other:?} cannot happen"),
        }
    }
}

/// Plays a transcript that begins behind the greeting.
#[track_caller]
fn check_with(policy: Policy, transcript: &str) {
    check_play(Play::begin(policy), transcript);
}

#[track_caller]
fn check_play(mut play: Play, transcript: &str) {
    play.said.clear();
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(what) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            play.happen(what);
        } else if let Some(said) = line.strip_prefix("C:") {
            assert!(play.said.is_empty(), "before {line:?} the server also said {:?}", play.said);
            play.say(said.strip_prefix(' ').unwrap_or(said));
        } else {
            let wanted = line.strip_prefix("S:").unwrap_or_else(|| panic!("{line:?} is no line of a transcript")).trim();
            assert!(!play.said.is_empty(), "the server did not say {wanted:?}");
            assert_eq!(play.said.remove(0).trim_end(), wanted);
        }
    }
    assert!(play.said.is_empty(), "the server also said {:?}", play.said);
}

#[track_caller]
fn check(transcript: &str) {
    check_with(policy(Auth::None), transcript);
}

#[test]
fn greets_in_one_line() {
    assert_eq!(Play::begin(policy(Auth::None)).said, ["220 relay.example ESMTP mailferry"]);
}

#[test]
fn takes_a_message_and_then_another() {
    check(
        r"
        C: EHLO printer
        S: 250-relay.example
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250 ENHANCEDSTATUSCODES
        C: MAIL FROM:<scan@printer>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b.example>
        S: 250 2.1.5 Recipient OK
        C: RCPT TO:<a@b.example>
        S: 250 2.1.5 Recipient OK
        C: DATA
        S: 354 Send the message, then a line with a single dot
        C: Subject: x
        C:
        C: QUIT
        C: .
        S: 250 2.0.0 Queued as 000000000001
        C: MAIL FROM:<>
        S: 250 2.1.0 Sender OK
        C: QUIT
        S: 221 2.0.0 Bye
        [closed]
        ",
    );
}

#[test]
fn needs_no_greeting_and_takes_any() {
    check(
        r"
        C: MAIL FROM: scanner
        S: 250 2.1.0 Sender OK
        C: HELO
        S: 250 relay.example
        C: DATA
        S: 503 5.5.1 Say MAIL first
        C: HELO my printer!
        S: 250 relay.example
        ",
    );
}

#[test]
fn a_client_that_chokes_on_extensions_is_told_of_none() {
    let play = |ehlo| Play::begin_with(policy(Auth::AcceptAny), Quirks { ehlo, ..Quirks::default() }, Way::Clear);
    check_play(
        play(Ehlo::Minimal),
        r"
        C: EHLO camera
        S: 250 relay.example
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: dQ==
        S: 334 UGFzc3dvcmQ6
        C: cA==
        S: 235 2.7.0 Login OK
        ",
    );
    check_play(
        play(Ehlo::Off),
        r"
        C: MAIL FROM:<a@b>
        S: 250 2.1.0 Sender OK
        C: EHLO camera
        S: 502 5.5.1 EHLO is not taken here
        C: RCPT TO:<a@b>
        S: 250 2.1.5 Recipient OK
        C: HELO camera
        S: 250 relay.example
        C: DATA
        S: 503 5.5.1 Say MAIL first
        ",
    );
}

#[test]
fn takes_any_name_behind_the_greeting() {
    for name in [
        "",
        " ",
        " \t ",
        " my_printer",
        " ilo.@host",
        " 192.168.1.30",
        " fe80::1",
        " [192.168.1.30] ",
        " [IPv6:fe80::1]",
        " scan@legacy.test",
        " B\u{fc}ro",
        " a b c",
        "  two",
        " localhost.localdomain",
        " -",
        " \u{1b}[31m",
    ] {
        let transcript = format!("C: HELO{name}\nS: 250 relay.example\nC: MAIL FROM:<a@b>\nS: 250 2.1.0 Sender OK");
        check(&transcript);
        check_play(
            Play::begin_with(policy(Auth::None), Quirks { ehlo: Ehlo::Minimal, ..Quirks::default() }, Way::Clear),
            &transcript.replace("HELO", "EHLO"),
        );
    }
    check(
        "C: EHLO\nS: 250-relay.example\nS: 250-PIPELINING\nS: 250-SIZE 1000\nS: 250-8BITMIME\nS: 250-SMTPUTF8\nS: 250 ENHANCEDSTATUSCODES\nC: HELO\nS: 250 relay.example",
    );
}

#[test]
fn takes_senders_and_recipients_as_devices_write_them() {
    check(
        r"
        C: mail from: scanner
        S: 250 2.1.0 Sender OK
        C: MAIL FROM:<<a@b.example>> BODY=8BITMIME X-VENDOR=1
        S: 250 2.1.0 Sender OK
        C: Mail From : 2nd floor <a@b.example>
        S: 250 2.1.0 Sender OK
        C: rcpt to:mailto:a@b.example;
        S: 250 2.1.5 Recipient OK
        C: RCPT TO <A@B.example>, c@d.example
        S: 250 2.1.5 Recipient OK
        C: RCPT TO:<@relay.example:e@f.example> NOTIFY=NEVER
        S: 250 2.1.5 Recipient OK
        C: RCPT TO:<g@h.example>
        S: 452 4.5.3 Too many recipients: send to the rest in another message
        C: data
        S: 354 Send the message, then a line with a single dot
        ",
    );
}

#[test]
fn forgets_a_transaction_that_was_reset() {
    for reset in ["RSET", "HELO again"] {
        let ok = if reset == "RSET" { "250 2.0.0 OK" } else { "250 relay.example" };
        for before in [
            "",
            "C: MAIL FROM:<>\nS: 250 2.1.0 Sender OK",
            "C: MAIL FROM:<>\nS: 250 2.1.0 Sender OK\nC: RCPT TO:<a@b>\nS: 250 2.1.5 Recipient OK",
        ] {
            check(&format!(
                "{before}\nC: {reset}\nS: {ok}\nC: RCPT TO:<a@b>\nS: 503 5.5.1 Say MAIL first\nC: DATA\nS: 503 5.5.1 Say MAIL first\n\
                 C: MAIL FROM:<>\nS: 250 2.1.0 Sender OK\nC: DATA\nS: 503 5.5.1 Say RCPT first: no recipient was taken"
            ));
        }
    }
}

#[test]
fn a_second_sender_replaces_the_first_only_without_recipients() {
    check(
        r"
        C: MAIL FROM:<a@b>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<admin>
        S: 553 5.1.3 '<admin>' is no mail address: each recipient is written as name@domain
        C: MAIL FROM:<c@d>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b>
        S: 250 2.1.5 Recipient OK
        C: MAIL FROM:<e@f>
        S: 503 5.5.1 A message is under way: say DATA or RSET first
        C: DATA
        S: 354 Send the message, then a line with a single dot
        "
        .replace('\'', "\"")
        .as_str(),
    );
}

#[test]
fn takes_recipients_up_to_the_limit_and_the_rest_later() {
    check(
        r"
        C: MAIL FROM:<>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b, c@d; e@f, g@h>
        S: 452 4.5.3 Too many recipients: send to the rest in another message
        C: DATA
        S: 503 5.5.1 Say RCPT first: no recipient was taken
        C: RCPT TO:<a@b, c@d; A@B>
        S: 250 2.1.5 Recipient OK
        C: RCPT TO:<e@f>
        S: 250 2.1.5 Recipient OK
        C: RCPT TO:<g@h>
        S: 452 4.5.3 Too many recipients: send to the rest in another message
        C: DATA
        S: 354 Send the message, then a line with a single dot
        C: .
        S: 250 2.0.0 Queued as 000000000001
        ",
    );
}

#[test]
fn postmaster_is_the_operator() {
    let with = Policy { postmaster: Some(Mailbox::parse("it@contoso.com").unwrap()), ..policy(Auth::None) };
    check_with(with, "C: MAIL FROM:<>\nS: 250 2.1.0 Sender OK\nC: RCPT TO:<Postmaster>\nS: 250 2.1.5 Recipient OK");
    check(
        r"
        C: MAIL FROM:<>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<postmaster>
        S: 550 5.1.1 Nobody is postmaster here: send to an address with a domain
        ",
    );
}

#[test]
fn says_no_when_the_spool_cannot_take_anything() {
    check(
        r"
        [the disk is full]
        C: MAIL FROM:<>
        S: 452 4.3.1 The disk of the relay is full: try again later
        [the spool fails]
        C: MAIL FROM:<>
        S: 451 4.3.0 Cannot store the message now: try again later
        [all is well]
        C: MAIL FROM:<>
        S: 250 2.1.0 Sender OK
        ",
    );
}

#[test]
fn every_refusal_has_its_reply_and_the_session_goes_on() {
    for (what, reply) in [
        ("the disk fills up", "452 4.3.1 The disk of the relay is full: try again later"),
        ("storing fails", "451 4.3.0 Cannot store the message now: try again later"),
        ("it is too large", "552 5.3.4 The message is larger than 1000 octets"),
        ("its header is too large", "554 5.6.0 The header of the message is too large"),
        ("it goes round in circles", "554 5.4.6 The message goes round in circles: too many Received fields"),
        ("no rule matches", "550 5.7.1 The relay has no rule for this sender: one can be added under `senders`"),
    ] {
        check(&format!(
            "C: MAIL FROM:<>\nS: 250 2.1.0 Sender OK\nC: RCPT TO:<a@b>\nS: 250 2.1.5 Recipient OK\nC: DATA\n\
             S: 354 Send the message, then a line with a single dot\nC: text\n[{what}]\nC: .\nS: {reply}\n\
             C: DATA\nS: 503 5.5.1 Say MAIL first"
        ));
    }
}

#[test]
fn refuses_an_announced_size_and_takes_a_lie() {
    check(
        r"
        C: MAIL FROM:<> SIZE=1001
        S: 552 5.3.4 The message is larger than 1000 octets
        C: MAIL FROM:<> SIZE=1000
        S: 250 2.1.0 Sender OK
        C: MAIL FROM:<> SIZE=0
        S: 250 2.1.0 Sender OK
        C: MAIL FROM:<> SIZE=99999999999999999999999
        S: 552 5.3.4 The message is larger than 1000 octets
        ",
    );
}

#[test]
fn answers_the_smaller_words() {
    check(
        r"
        C: NOOP
        S: 250 2.0.0 OK
        C: VRFY a@b.example
        S: 252 2.1.5 Addresses are not verified here: try sending
        C: HELP
        S: 214 HELO EHLO MAIL RCPT DATA RSET NOOP AUTH VRFY HELP QUIT
        C: EXPN list
        S: 502 5.5.1 EXPN is not taken here
        C: TURN
        S: 502 5.5.1 TURN is not taken here
        C: STARTTLS
        S: 502 5.5.1 STARTTLS is not offered here: turn TLS off on the device
        C: XYZZY
        S: 500 5.5.2 That is no command known here: HELP names those that are
        C:
        S: 500 5.5.2 That is no command known here: HELP names those that are
        ",
    );
}

#[test]
fn ends_a_conversation_of_errors() {
    let error = "C: XYZZY\nS: 500 5.5.2 That is no command known here: HELP names those that are\n";
    check(&format!(
        "{}C: NOOP\nS: 250 2.0.0 OK\nC: XYZZY\nS: 421 4.7.0 Too many errors: closing the connection\n[closed]",
        error.repeat(5)
    ));
}

#[test]
fn a_line_without_end_is_one_error() {
    check(&format!("C: MAIL FROM:<{}>\nS: 500 5.5.2 The line is too long\nC: NOOP\nS: 250 2.0.0 OK", "x".repeat(1000)));
}

#[test]
fn turns_strangers_away() {
    for verb in ["GET / HTTP/1.1", "POST / HTTP/1.1", "CONNECT example:443 HTTP/1.1"] {
        check(&format!("C: {verb}\nS: 554 5.5.0 This is a mail server, not a web server\n[closed]"));
    }
    check(
        r"
        C: PROXY TCP4 10.0.0.1 10.0.0.2 42273 25
        S: 500 5.5.1 PROXY headers are taken from proxies that are listed under `proxy`: list it, or turn them off there
        C: EHLO x
        S: 503 5.5.1 Nothing but QUIT is taken on this connection any more
        C: MAIL FROM:<a@b>
        S: 503 5.5.1 Nothing but QUIT is taken on this connection any more
        C: QUIT
        S: 221 2.0.0 Bye
        [closed]
        ",
    );
    check(
        r"
        C: MAIL FROM:<>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b>
        S: 250 2.1.5 Recipient OK
        C: BDAT 55 LAST
        S: 502 5.5.1 BDAT is not offered here: use DATA
        [closed]
        ",
    );
}

#[test]
fn without_logins_auth_is_refused_and_the_session_goes_on() {
    check(
        r"
        C: HELO camera
        S: 250 relay.example
        C: AUTH LOGIN
        S: 502 5.5.1 No login is needed here: turn authentication off on the device
        C: MAIL FROM:<cam@b>
        S: 250 2.1.0 Sender OK
        ",
    );
}

#[test]
fn takes_any_login_where_devices_insist_on_one() {
    for dialogue in [
        "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dQ==\nS: 334 UGFzc3dvcmQ6\nC: cA==",
        "C: AUTH LOGIN dQ==\nS: 334 UGFzc3dvcmQ6\nC: cA==",
        "C: auth login dQ\nS: 334 UGFzc3dvcmQ6\nC: cA",
        "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC:\nS: 334 UGFzc3dvcmQ6\nC:",
        "C: AUTH PLAIN AHUAcA==",
        "C: AUTH PLAIN\nS: 334\nC: AHUAcA==",
        "C: AUTH PLAIN dQB1AHA=",
        "C: AUTH PLAIN AAA=",
        "C: HELO x\nS: 250 relay.example\nC: AUTH PLAIN dQAAcA==\nS: 235 2.7.0 Login OK\nC: AUTH PLAIN AAA=",
    ] {
        check_with(policy(Auth::AcceptAny), &format!("{dialogue}\nS: 235 2.7.0 Login OK\nC: MAIL FROM:<>\nS: 250 2.1.0 Sender OK"));
    }
}

#[test]
fn a_failed_login_does_not_end_the_session() {
    check_with(
        policy(Auth::AcceptAny),
        r"
        C: AUTH CRAM-MD5
        S: 504 5.5.4 That way of logging in is not offered: use LOGIN or PLAIN
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: *
        S: 501 5.7.0 The login was cancelled
        C: AUTH PLAIN
        S: 334
        C: %%%
        S: 501 5.5.2 The credentials cannot be read
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: bXluYW1l
        S: 334 UGFzc3dvcmQ6
        C: MAIL FROM:<a@b>
        S: 250 2.1.0 Sender OK
        C: AUTH LOGIN
        S: 503 5.5.1 AUTH is not taken now
        C: RCPT TO:<a@b>
        S: 250 2.1.5 Recipient OK
        ",
    );
}

#[test]
fn the_empty_prompt_keeps_its_space() {
    let mut play = Play::begin(policy(Auth::AcceptAny));
    play.say("AUTH PLAIN");
    assert_eq!(play.said[1], "334 ");
}

#[test]
fn users_must_sign_in() {
    check_with(
        policy(users()),
        r"
        C: EHLO x
        S: 250-relay.example
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-ENHANCEDSTATUSCODES
        S: 250 AUTH LOGIN PLAIN
        C: MAIL FROM:<a@b>
        S: 530 5.7.0 A login is needed here: say AUTH first
        C: AUTH PLAIN AHNjYW5uZXIAZ3Vlc3NlZA==
        S: 535 5.7.8 The name or the password is wrong
        C: AUTH PLAIN AG5vYm9keQBnZWhlaW0=
        S: 535 5.7.8 The name or the password is wrong
        C: MAIL FROM:<a@b>
        S: 530 5.7.0 A login is needed here: say AUTH first
        C: AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt
        S: 235 2.7.0 Login OK
        C: AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt
        S: 503 5.5.1 AUTH is not taken now
        C: RSET
        S: 250 2.0.0 OK
        C: MAIL FROM:<a@b>
        S: 250 2.1.0 Sender OK
        ",
    );
}

/// With STARTTLS.
fn protected(auth: Auth) -> Policy {
    Policy { starttls: true, ..policy(auth) }
}

#[test]
fn behind_starttls_the_conversation_begins_anew() {
    check_with(
        protected(Auth::AcceptAny),
        r"
        C: EHLO x
        S: 250-relay.example
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-ENHANCEDSTATUSCODES
        S: 250-STARTTLS
        S: 250 AUTH LOGIN PLAIN
        C: MAIL FROM:<a@b>
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b>
        S: 250 2.1.5 Recipient OK
        C: STARTTLS
        S: 220 2.0.0 Go ahead with TLS
        [TLS begins]
        C: DATA
        S: 503 5.5.1 Say MAIL first
        C: STARTTLS
        S: 503 5.5.1 TLS protects this connection already
        C: EHLO x
        S: 250-relay.example
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-ENHANCEDSTATUSCODES
        S: 250 AUTH LOGIN PLAIN
        ",
    );
}

#[test]
fn where_tls_can_be_had_no_password_is_checked_in_clear() {
    let needs_tls = r"
        C: EHLO x
        S: 250-relay.example
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-ENHANCEDSTATUSCODES
        S: 250 STARTTLS
        C: AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt
        S: 538 5.7.11 A password is not taken in clear: say STARTTLS first
        C: MAIL FROM:<a@b>
        S: 530 5.7.0 A login is needed here: say STARTTLS first, then AUTH
        C: STARTTLS
        S: 220 2.0.0 Go ahead with TLS
        [TLS begins]
        C: MAIL FROM:<a@b>
        S: 530 5.7.0 A login is needed here: say AUTH first
        C: AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt
        S: 235 2.7.0 Login OK
        C: MAIL FROM:<a@b>
        S: 250 2.1.0 Sender OK
        ";
    check_with(protected(users()), needs_tls);
    let takes_it = "C: AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt\nS: 235 2.7.0 Login OK\nC: MAIL FROM:<a@b>\nS: 250 2.1.0 Sender OK";
    // Within the machine, and where the operator has said that this device cannot do TLS, or that none can.
    check_play(Play::begin_with(protected(users()), Quirks::default(), Way::Local), takes_it);
    check_play(Play::begin_with(protected(users()), Quirks { starttls: false, ..Quirks::default() }, Way::Clear), takes_it);
    check_play(Play::begin_with(policy(users()), Quirks::default(), Way::Clear), takes_it);
    check_play(Play::begin_with(policy(users()), Quirks::default(), Way::Tls), takes_it);
    check_with(protected(Auth::AcceptAny), "C: AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt\nS: 235 2.7.0 Login OK");
}

#[test]
fn starttls_wipes_no_count_of_errors() {
    let error = "C: XYZZY\nS: 500 5.5.2 That is no command known here: HELP names those that are\n";
    let tls = "C: STARTTLS\nS: 220 2.0.0 Go ahead with TLS\n[TLS begins]\n";
    let last = "C: XYZZY\nS: 421 4.7.0 Too many errors: closing the connection\n[closed]";
    check_with(protected(Auth::None), &format!("{}{tls}{}{last}", error.repeat(3), error.repeat(2)));
}

#[test]
fn a_client_that_fails_at_starttls_is_not_offered_it() {
    let quirks = Quirks { starttls: false, ..Quirks::default() };
    check_play(
        Play::begin_with(protected(Auth::None), quirks, Way::Clear),
        r"
        C: EHLO x
        S: 250-relay.example
        S: 250-PIPELINING
        S: 250-SIZE 1000
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250 ENHANCEDSTATUSCODES
        C: STARTTLS
        S: 502 5.5.1 STARTTLS is not offered here: turn TLS off on the device
        ",
    );
}

#[test]
fn few_logins_may_fail() {
    let failed = "C: AUTH PLAIN AHNjYW5uZXIAZ3Vlc3NlZA==\nS: 535 5.7.8 The name or the password is wrong\n".repeat(5);
    let policy = || Policy { errors: 20, ..policy(users()) };
    check_with(policy(), &format!("{failed}C: AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt\nS: 235 2.7.0 Login OK"));
    let sixth = "C: AUTH PLAIN AHNjYW5uZXIAZ3Vlc3NlZA==\nS: 421 4.7.0 Too many errors: closing the connection\n[closed]";
    check_with(policy(), &format!("{failed}{sixth}"));
}

#[test]
fn a_name_is_kept_only_when_it_was_verified() {
    for (auth, want) in [(Auth::AcceptAny, None), (users(), Some("scanner"))] {
        let mut play = Play::begin(policy(auth));
        for line in ["EHLO printer", "AUTH PLAIN AHNjYW5uZXIAZ2VoZWlt"] {
            play.say(line);
        }
        let Place::Commands(session) = play.place else { panic!("the conversation is over") };
        let introduction = session.introduction();
        assert_eq!((introduction.helo.as_deref(), introduction.esmtp, introduction.login.as_deref()), (Some("printer"), true, want));
        assert!(!introduction.tls);
        assert!(!format!("{session:?}").contains("geheim"));
    }
}

/// Lines that devices could send in any order, and lines that nobody should.
fn line() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "EHLO x",
        "HELO",
        "MAIL FROM:<>",
        "MAIL FROM:<> SIZE=5000",
        "RCPT TO:<a@b>",
        "RCPT TO:<c@d, e@f, g@h>",
        "RCPT TO:<postmaster>",
        "DATA",
        ".",
        "RSET",
        "AUTH LOGIN",
        "AUTH PLAIN AAA=",
        "dQ==",
        "*",
        "PROXY TCP4 a b 1 2",
        "NOOP",
    ]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => "[ -~\u{e4}\u{0}\u{1b}]{0,700}"]
}

proptest! {
    /// Each line gets one reply until the conversation ends, and [`Play::hear`] finds each fit to be sent.
    #[test]
    fn answers_anything_in_any_order(lines in prop::collection::vec(line(), 0..60)) {
        let mut play = Play::begin(Policy { errors: 1000, ..policy(Auth::AcceptAny) });
        for line in lines {
            let in_content = matches!(play.place, Place::Content(..)) && line != ".";
            play.said.clear();
            play.say(&line);
            prop_assert_eq!(play.said.is_empty(), in_content, "{:?} was answered by {:?}", line, play.said);
            prop_assert!(!play.said.iter().any(|said| said.starts_with("250 2.0.0 Queued")) || line == ".");
            if matches!(play.place, Place::Closed(_)) {
                break;
            }
        }
    }
}
