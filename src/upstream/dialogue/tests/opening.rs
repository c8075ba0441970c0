//! From the greeting to the sign-in.

use super::*;

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
