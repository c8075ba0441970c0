//! What Microsoft 365 does of its own accord.

use super::*;
use crate::simulator::tenant::Limits;
use crate::simulator::{BodyType, Mechanism};

#[test]
fn the_whole_dialogue() {
    let received = check(
        &[],
        &(signed_in()
            + "
        C: NOOP
        S: 250 2.0.0 OK
        C: MAIL FROM:<alerts@contoso.com> SIZE=120 BODY=8BITMIME
        S: 250 2.1.0 Sender OK
        C: RCPT TO:<a@b.example>
        S: 250 2.1.5 Recipient OK
        C: RCPT TO:<c@d.example> NOTIFY=NEVER
        S: 250 2.1.5 Recipient OK
        C: DATA
        S: 354 Start mail input; end with <CRLF>.<CRLF>
        C: From: \"Copier, 2nd floor\" <alerts@contoso.com>
        C: Subject: Scan
        C: 
        C: ..a dot
        C: .
        S: 250 2.0.0 OK <08DF6B0200920001.0@BYAPR17MB2920.namprd17.prod.outlook.com> [Hostname=BYAPR17MB2920.namprd17.prod.outlook.com]
        C: QUIT
        S: 221 2.0.0 Service closing transmission channel
        -- close
    "),
    );
    let message = &received[0];
    assert_eq!(message.content, "From: \"Copier, 2nd floor\" <alerts@contoso.com>\r\nSubject: Scan\r\n\r\n.a dot\r\n");
    assert_eq!(message.envelope.sender.to_string(), "<alerts@contoso.com>");
    assert_eq!(message.envelope.recipients.len(), 2);
    assert_eq!((message.body, message.declared_size, message.at), (BodyType::EightBit, Some(120), NOW));
    assert_eq!(message.mailbox.as_str(), "scanner@contoso.com");
    assert_eq!((message.session.helo.as_str(), message.session.tls.as_deref()), ("relay.example", Some("TLSv1_3 test")));
    assert_eq!((message.session.connection, message.session.mechanism), (1, Mechanism::Xoauth2));
}

#[test]
fn starttls_drops_what_came_behind_it_in_plain() {
    check(
        &[],
        &([GREETING, EHLO_PLAIN].concat()
            + "
        C: STARTTLS\\r\\nNOOP\\r\\n\\
        S: 220 2.0.0 SMTP server ready
        -- tls
        C: NOOP
        S: 250 2.0.0 OK
        C: MAIL FROM:<scanner@contoso.com>
        S: 503 5.5.2 Send hello first
        C: STARTTLS
        S: 503 5.5.2 Only one STARTTLS command can be issued per session
    "),
    );
}

#[test]
fn nothing_goes_before_tls_and_auth() {
    check(
        &[],
        &(GREETING.to_owned()
            + "
        C: STARTTLS
        S: 503 5.5.2 Send hello first
        C: MAIL FROM:<scanner@contoso.com>
        S: 503 5.5.2 Send hello first
        C: AUTH LOGIN
        S: 503 5.5.2 Send hello first
    " + EHLO_PLAIN
            + "
        C: AUTH LOGIN
        S: 504 5.7.4 Unrecognized authentication type
        C: MAIL FROM:<scanner@contoso.com>
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 530 5.7.57 Client not authenticated to send mail. [MARK]
        S: 503 5.5.2 Need mail command
        S: 503 5.5.2 Need mail command
    " + STARTTLS
            + EHLO_TLS
            + "
        C: MAIL FROM:<scanner@contoso.com>
        S: 530 5.7.57 Client not authenticated to send mail. [MARK]
        C: AUTH PLAIN AGEAYg==
        S: 504 5.7.4 Unrecognized authentication type
    "),
    );
}

#[test]
fn signing_in_by_password() {
    let signed_in = "S: 235 2.7.0 Authentication successful";
    for dialogue in [
        format!(
            "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: {{base64 scanner@contoso.com}}\nS: 334 UGFzc3dvcmQ6\nC: {{base64 rehearsal-password}}\n{signed_in}"
        ),
        format!("C: AUTH login {{base64 Scanner@Contoso.com}}\nS: 334 UGFzc3dvcmQ6\nC: {{base64 rehearsal-password}}\n{signed_in}"),
    ] {
        let received = check(&[], &(to_tls() + &dialogue + "\nC: AUTH LOGIN\nS: 503 5.5.2 Already authenticated" + &good(TAKEN)));
        assert_eq!(received[0].session.mechanism, Mechanism::Login);
    }
    check(
        &[],
        &(to_tls()
            + "
        C: AUTH LOGIN {base64 scanner@contoso.com}
        S: 334 UGFzc3dvcmQ6
        C: {base64 rehearsal-passwort}
        S: 535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [MARK]
        C: AUTH LOGIN {base64 noreply@contoso.com}
        S: 334 UGFzc3dvcmQ6
        C: {base64 rehearsal-password}
        S: 535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [MARK]
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: *
        S: 501 5.7.0 Authentication cancelled
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: not base64
        S: 501 5.5.2 Cannot decode the response
    "),
    );
}

#[test]
fn signing_in_by_token() {
    check(&[], &(to_tls() + "C: AUTH XOAUTH2 {token}\nS: 235 2.7.0 Authentication successful" + &good(TAKEN)));
    check(
        &[],
        &(to_tls()
            + "
        C: AUTH XOAUTH2 {token noreply@contoso.com}
        S: 535 5.7.3 Authentication unsuccessful [MARK]
        C: AUTH XOAUTH2 =
        S: 501 5.5.127 Invalid XOAUTH2 auth data
        C: AUTH XOAUTH2 {base64 user=scanner@contoso.com}
        S: 501 5.5.127 Invalid XOAUTH2 auth data
        C: AUTH XOAUTH2
        S: 334 …
        C: {token}
        S: 235 2.7.0 Authentication successful
    "),
    );
    let world = world(&[]);
    let mut check = Check::new(&world, 1, 100);
    world.tenant.revoke_tokens();
    check.run(&(to_tls() + "C: AUTH XOAUTH2 {token}\nS: 535 5.7.3 Authentication unsuccessful [MARK]"));
}

#[test]
fn commands_out_of_order_and_out_of_grammar() {
    check(
        &[],
        &(signed_in()
            + "
        C: RCPT TO:<a@b.example>
        S: 503 5.5.2 Need mail command
        C: DATA
        S: 503 5.5.2 Need mail command
        C: MAIL FROM:<scanner@contoso.com>
        S: 250 2.1.0 Sender OK
        C: MAIL FROM:<scanner@contoso.com>
        S: 503 5.5.2 Sender already specified
        C: DATA
        S: 503 5.5.2 Need rcpt command
        C: RCPT TO:<my printer>
        S: 501 5.1.3 Invalid address
        C: RCPT TO:<dör@b.example>
        S: 501 5.1.3 Invalid address
        C: RSET
        S: 250 2.0.0 Resetting
        C: MAIL FROM:<scanner@contoso.com> SIZE=157286401
        S: 552 5.3.4 Message size exceeds fixed maximum message size
        C: MAIL FROM:<scanner@contoso.com> BODY=BINARYMIME
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 503 5.5.2 BINARYMIME needs BDAT
        C: VRFY scanner
        S: 252 2.1.5 Cannot VRFY user
        C: HELP
        S: 214-This server supports the following commands:
        S: 214 HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH
        C: XYZZY
        S: 500 5.3.3 Unrecognized command
        C: MAIL FROM: <scanner@contoso.com>
        S: 501 5.1.7 Invalid address
        C: NOOP\\nNOOP
        S: 500 5.3.3 Unrecognized command
        C: DATA now
        S: 501 5.5.4 Invalid arguments
        C: EHLO my_printer
        S: 501 5.5.4 Invalid domain name
        C: MAIL FROM:<scanner@contoso.com> X=Y
        S: 501 5.5.4 Unrecognized parameter
        S: 421 4.7.0 Too many errors on this connection, closing transmission channel
        -- close
    "),
    );
    check(&[], &(signed_in() + "C: BDAT 3 LAST\\r\\nabc\\\nS: 502 5.3.3 Command not implemented\n-- close"));
    let long = format!("C: AUTH XOAUTH2\nS: 334 …\nC: {}\nS: 500 5.5.6 Authentication exchange line is too long\n", "x".repeat(12_300));
    check(&[], &(to_tls() + &long + AUTH));
    let long = format!("C: NOOP {}\nS: 500 5.5.2 Command too long\nC: NOOP\nS: 250 2.0.0 OK", "x".repeat(20_000));
    check(&[], &(GREETING.to_owned() + &long));
}

#[test]
fn a_bare_line_end_neither_ends_content_nor_passes() {
    for content in ["a\\n.\\nb", "a\\n.\\r\\nMAIL FROM:<x@y.example>", "a\\r\\n.\\nb", "a\\r.\\rb", "a\\r\\r\\n.\\r\\r\\nb", "a\\nb"] {
        let refusal = "550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, \
                       which cannot be sent via DATA and receiving system does not support BDAT";
        let dialogue = format!(
            "
            C: MAIL FROM:<scanner@contoso.com>
            C: RCPT TO:<a@b.example>
            C: DATA
            S: 250 2.1.0 Sender OK
            S: 250 2.1.5 Recipient OK
            S: 354 Start mail input; end with <CRLF>.<CRLF>
            C: From: scanner@contoso.com\\r\\n\\r\\n{content}
            C: .
            S: {refusal}
        "
        );
        assert!(check(&[], &(signed_in() + &dialogue)).is_empty(), "{content}");
    }
}

#[test]
fn send_as_is_decided_behind_the_dot() {
    let denied = |address: &str| {
        format!(
            "554 5.2.252 SendAsDenied; scanner@contoso.com not allowed to send as {address}; STOREDRV.Submission.Exception:\
             SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message \
             [BeginDiagnosticData]Cannot submit message. 0.35250:0A00AF84[EndDiagnosticData] \
             [Hostname=BYAPR17MB2920.namprd17.prod.outlook.com]"
        )
    };
    let (mailbox, alias, other) = ("scanner@contoso.com", "Alerts@contoso.com", "boss@contoso.com");
    let plain = &[][..];
    let cases: &[(&[&str], &str, &str, String)] = &[
        (plain, mailbox, mailbox, TAKEN.into()),
        (plain, mailbox, alias, TAKEN.into()),
        (plain, alias, "Alarm <alerts@contoso.com>", TAKEN.into()),
        (plain, alias, mailbox, TAKEN.into()),
        (plain, mailbox, other, denied(other)),
        (plain, other, mailbox, denied(other)),
        (plain, other, other, denied(other)),
        (plain, "", mailbox, denied("")),
        (plain, mailbox, "scanner+tag@contoso.com", denied("scanner+tag@contoso.com")),
        (
            plain,
            mailbox,
            "Copier, 2nd floor <scanner@contoso.com>",
            "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant".into(),
        ),
        (
            plain,
            mailbox,
            "scanner@contoso.com, info@contoso.com",
            "550 5.1.20 Multiple From addresses are not allowed without Sender address".into(),
        ),
        (&["send-as-denied"], mailbox, mailbox, TAKEN.into()),
        (&["send-as-denied"], mailbox, "info@contoso.com", denied("info@contoso.com")),
        (&["send-as-denied=alerts@contoso.com"], mailbox, "info@contoso.com", TAKEN.into()),
        (&["send-as-denied=alerts@contoso.com"], alias, "alerts@contoso.com", denied("alerts@contoso.com")),
    ];
    for (faults, from, header_from, reply) in cases {
        check(faults, &(signed_in() + &message(from, header_from, reply) + &good(TAKEN)));
    }
}

#[test]
fn a_refused_message_leaves_the_connection_good_and_the_next_flight_may_stand_behind_the_dot() {
    check(
        &["sent-items-full=1"],
        &(signed_in()
            + "
        C: MAIL FROM:<scanner@contoso.com>
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 354 Start mail input; end with <CRLF>.<CRLF>
        C: From: scanner@contoso.com
        C: 
        C: .
        C: MAIL FROM:<info@contoso.com>
        C: RCPT TO:<c@d.example>
        C: DATA
        S: 554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Failed to process message due to a permanent exception
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 354 Start mail input; end with <CRLF>.<CRLF>
        C: From: info@contoso.com
        C: 
        C: .
        C: QUIT
        S: 250 2.0.0 OK <…> [Hostname=…]
        S: 221 2.0.0 Service closing transmission channel
        -- close
    "),
    );
}

#[test]
fn limits_of_a_mailbox() {
    let limits = Limits { recipients_per_message: 2, message_size: 200, messages_per_minute: Some(2), ..Limits::default() };
    let world = world_of(Settings { limits, ..Settings::default() });
    let mut checks: Vec<_> = (1..=4).map(|number| Check::new(&world, number, 64)).collect();
    for check in &mut checks {
        let steps = signed_in();
        check.run(&steps.replace("08DF6B0200920001", "…").replace("S: 220 LO4P302CA0005", "S: 220 …"));
    }
    let busy = "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. \
                [Hostname=BYAPR17MB2920.namprd17.prod.outlook.com]";
    checks[3].run(&good(busy));
    drop(checks.remove(0));
    checks[2].run(&good(TAKEN));
    let large = format!("scanner@contoso.com (\r\n {})", "x".repeat(200)).replace("\r\n", "\\r\\n");
    checks[0].run(&message("scanner@contoso.com", &large, "552 5.3.4 Message size exceeds fixed maximum message size"));
    checks[0].run(
        "
        C: MAIL FROM:<scanner@contoso.com>
        C: RCPT TO:<a@b.example>
        C: RCPT TO:<b@b.example>
        C: RCPT TO:<c@b.example>
        C: RSET
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 250 2.1.5 Recipient OK
        S: 452 4.5.3 Too many recipients
        S: 250 2.0.0 Resetting
    ",
    );
    checks[1].run(&good(TAKEN));
    checks[1].run(&(good("421 4.4.2 Message submission rate for this client has exceeded the configured limit") + "-- close"));
    assert_eq!((world.mailroom.counts().messages, world.mailroom.counts().refused), (2, 3));
}

#[test]
fn the_driver_may_end_a_conversation() {
    for stopped in [false, true] {
        let mut check = Check::new(&world(&[]), 1, 100);
        check.run(GREETING);
        let next = if stopped { check.conversation.stopped() } else { check.conversation.timed_out() };
        assert_eq!(next, Next::Close);
        check.run(if stopped { "S: 421 4.3.2 Service not available" } else { "S: 421 4.4.1 Connection timed out" });
    }
}
