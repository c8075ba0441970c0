//! What goes wrong on request.

use super::*;

#[test]
fn planned_refusals_of_auth() {
    let unsuccessful = "535 5.7.139 Authentication unsuccessful";
    let off = |whose: &str| {
        format!(
            "{unsuccessful}, SmtpClientAuthentication is disabled for the {whose}. Visit https://aka.ms/smtp_auth_disabled for more information. [MARK]"
        )
    };
    let policy = format!(
        "{unsuccessful}, the request did not meet the criteria to be authenticated successfully. Contact your administrator. [MARK]"
    );
    let temporary = "451 4.7.0 Temporary server error. Please try again later. PRX4 [LO4P302CA0005.GBRP302.PROD.OUTLOOK.COM]".to_owned();
    let both = [
        ("smtp-auth-off-tenant", off("Tenant")),
        ("smtp-auth-off-mailbox", off("Mailbox")),
        ("conditional-access", policy),
        ("temporary", temporary),
    ];
    let password_only = [
        ("basic-auth-off", format!("{unsuccessful}, basic authentication is disabled. [MARK]")),
        ("basic-auth-retired", "550 5.7.30 Basic authentication is not supported for Client Submission.".to_owned()),
        ("wrong-password", format!("{unsuccessful}, the user credentials were incorrect. [MARK]")),
    ];
    let token_only = [("token-identity", "535 5.7.3 Authentication unsuccessful [MARK]".to_owned())];
    let (fine, token) = ("S: 235 2.7.0 Authentication successful", "\nC: AUTH XOAUTH2 {token}\n");
    let password = "\nC: AUTH LOGIN {base64 scanner@contoso.com}\nS: 334 UGFzc3dvcmQ6\nC: {base64 rehearsal-password}\n";
    for (fault, reply) in both.iter().chain(&password_only) {
        check(&[&format!("{fault}=1")], &(to_tls() + password + "S: " + reply + password + fine));
    }
    for (fault, reply) in both.iter().chain(&token_only) {
        check(&[&format!("{fault}=1")], &(to_tls() + token + "S: " + reply + token + fine));
    }
    for (fault, _) in &password_only {
        check(&[fault], &(to_tls() + token + fine));
    }
    check(&["token-identity"], &(to_tls() + password + fine));
    check(
        &["token-challenge"],
        &(to_tls()
            + token
            + "S: 334 {base64 {\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"https://outlook.office.com/\"}}
        C: \\r\\n\\
        S: 535 5.7.3 Authentication unsuccessful [MARK]
    ")
        .replace("{base64 {\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":\"https://outlook.office.com/\"}}", "eyJ…"),
    );
    let inner = off("Tenant");
    check(
        &["smtp-auth-off-tenant"],
        &(to_tls()
            + token
            + "S: "
            + &inner
            + "\nC: MAIL FROM:<scanner@contoso.com>\nS: 530 5.7.57 Client not authenticated to send mail. Error: "
            + &inner),
    );
}

#[test]
fn planned_refusals_behind_the_dot() {
    let cases = [
        (
            "too-many-connections",
            "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname=…]",
        ),
        (
            "daily-recipients",
            "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent \
             exception with message [BeginDiagnosticData]The message can't be submitted because the sender's submission quota was \
             exceeded.[EndDiagnosticData] [Hostname=…]",
        ),
        (
            "tenant-external-limit",
            "550 5.7.233 - Your message can't be sent because your tenant exceeded its daily limit for sending email to external \
             recipients (tenant external recipient rate limit)",
        ),
        ("sender-blocked", "550 5.1.8 Access denied, bad outbound sender AS(42004)"),
        ("reply=final:451 4.3.0 Try later", "451 4.3.0 Try later"),
    ];
    for (fault, reply) in cases {
        let received = check(&[&format!("{fault}*1")], &(signed_in() + &good(reply) + &good(TAKEN)));
        assert_eq!(received.len(), 1, "{fault}");
    }
    let rate = good("421 4.4.2 Message submission rate for this client has exceeded the configured limit") + "-- close";
    check(&["rate-per-minute"], &(signed_in() + &rate));
}

#[test]
fn planned_refusals_of_recipients_and_stages() {
    check(
        &["rcpt=*@old.example:550 5.1.1 No such user", "reply=mail:451 4.3.2 Later*1"],
        &(signed_in()
            + "
        C: MAIL FROM:<scanner@contoso.com>
        S: 451 4.3.2 Later
        C: MAIL FROM:<scanner@contoso.com>
        C: RCPT TO:<a@OLD.example>
        C: RCPT TO:<a@new.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 550 5.1.1 No such user
        S: 250 2.1.5 Recipient OK
        S: 354 Start mail input; end with <CRLF>.<CRLF>
        C: From: scanner@contoso.com
        C: .
        S: 250 2.0.0 OK <…> [Hostname=…]
    "),
    );
    check(&["greeting"], "S: 421 4.3.2 Service not available\n-- close");
    check(&["reply=connect:554 5.7.1 Go away"], "S: 554 5.7.1 Go away\n-- close");
    let without = EHLO_PLAIN.replace("    S: 250-STARTTLS\n", "");
    check(&["starttls-missing"], &(GREETING.to_owned() + &without + "C: STARTTLS\nS: 500 5.3.3 Unrecognized command"));
    let cut = "
        C: MAIL FROM:<scanner@contoso.com>
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 354 Start mail input; end with <CRLF>.<CRLF>
        C: From: scanner@contoso.com
        S: 421 4.3.2 Bye
        -- close
    ";
    check(&["reply=content:421 4.3.2 Bye"], &(signed_in() + cut));
}

#[test]
fn connections_lost_at_every_stage() {
    let begun = "C: MAIL FROM:<scanner@contoso.com>\nS: 250 2.1.0 Sender OK\n";
    let addressed = begun.to_owned() + "C: RCPT TO:<a@b.example>\nS: 250 2.1.5 Recipient OK\n";
    let content = addressed.clone() + "C: DATA\nS: 354 Start mail input; end with <CRLF>.<CRLF>\n";
    let cases = [
        ("connect", String::new()),
        ("ehlo", GREETING.to_owned() + "C: EHLO relay.example\n"),
        ("starttls", [GREETING, EHLO_PLAIN, "C: STARTTLS\n"].concat()),
        ("auth", to_tls() + "C: AUTH XOAUTH2\n"),
        ("mail", signed_in() + "C: MAIL FROM:<scanner@contoso.com>\n"),
        ("rcpt", signed_in() + begun + "C: RCPT TO:<a@b.example>\n"),
        ("data", signed_in() + &addressed + "C: DATA\n"),
        ("content", signed_in() + &content + "C: From: scanner@contoso.com\n"),
        ("final", signed_in() + &content + "C: From: scanner@contoso.com\nC: .\n"),
        ("final-kept", signed_in() + &content + "C: From: scanner@contoso.com\nC: .\n"),
    ];
    for (stage, dialogue) in cases {
        let received = check(&[&format!("drop={stage}")], &(dialogue + "-- drop"));
        assert_eq!(received.len(), usize::from(stage == "final-kept"), "{stage}");
    }
}
