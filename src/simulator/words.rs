//! The replies of Microsoft 365, word for word, with the addresses, times and session in hand filled in.

use std::net::IpAddr;

use mail_parser::DateTime;

use crate::clock::Timestamp;
use crate::message::Mailbox;
use crate::smtp::{Enhanced, Reply};

use super::command::Mistake;
use super::fault::Fault;

/// The front end's name.
const FRONT: &str = "LO4P302CA0005.outlook.office365.com";
/// The front end's name in brackets behind a refusal.
const PROXY: &str = "LO4P302CA0005.GBRP302.PROD.OUTLOOK.COM";
/// The server of the mailbox.
pub(super) const BACK: &str = "BYAPR17MB2920.namprd17.prod.outlook.com";
/// What SIZE announces: 150 MiB. A mailbox may send less.
pub(super) const ANNOUNCED_SIZE: u64 = 157_286_400;

/// One conversation's place in time and space, which many replies name.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Sixteen hexadecimal digits.
    pub(super) id: String,
    pub(super) peer: IpAddr,
}

impl Session {
    pub(super) fn new(number: u64, peer: IpAddr, now: Timestamp) -> Self {
        Self { id: format!("08DF{:08X}{:04X}", now.as_secs() & 0xFFFF_FFFF, number & 0xFFFF), peer }
    }

    /// `[HOST time session]`, which Microsoft's support asks for.
    fn mark(&self, now: Timestamp) -> String {
        format!("[{PROXY} {now} {}]", self.id)
    }

    pub(super) fn greeting(&self, now: Timestamp) -> Reply {
        let date = DateTime::from_timestamp(now.as_secs()).to_rfc822();
        Reply::plain(220, format!("{FRONT} Microsoft ESMTP MAIL Service ready at {date} [{}]", self.id))
    }

    pub(super) fn hello(&self) -> Reply {
        Reply::plain(250, format!("{FRONT} Hello [{}]", self.peer))
    }

    /// The answer to EHLO. `fifth` stands where Microsoft lists STARTTLS, and AUTH once TLS is there.
    pub(super) fn extensions(&self, fifth: Option<&str>) -> Reply {
        let mut lines = vec![format!("{FRONT} Hello [{}]", self.peer)];
        lines.extend([format!("SIZE {ANNOUNCED_SIZE}"), "PIPELINING".into(), "DSN".into(), "ENHANCEDSTATUSCODES".into()]);
        lines.extend(fifth.map(String::from));
        lines.extend(["8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8"].map(String::from));
        Reply::lines(250, lines)
    }

    /// A 535 with its mark.
    fn unsuccessful(&self, detail: u16, why: &str, now: Timestamp) -> Reply {
        Reply::new(535, Enhanced(5, 7, detail), format!("Authentication unsuccessful{why} {}", self.mark(now)))
    }

    pub(super) fn wrong_password(&self, now: Timestamp) -> Reply {
        self.unsuccessful(139, ", the user credentials were incorrect.", now)
    }

    pub(super) fn wrong_token(&self, now: Timestamp) -> Reply {
        self.unsuccessful(3, "", now)
    }

    /// What AUTH is answered when this fault is planned; `None` when the fault lies elsewhere.
    pub(super) fn auth_refusal(&self, fault: &Fault, now: Timestamp) -> Option<Reply> {
        let off = |whose: &str| {
            format!(", SmtpClientAuthentication is disabled for the {whose}. Visit https://aka.ms/smtp_auth_disabled for more information.")
        };
        if *fault == Fault::SmtpAuthOffTenant {
            return Some(self.unsuccessful(139, &off("Tenant"), now));
        }
        if *fault == Fault::SmtpAuthOffMailbox {
            return Some(self.unsuccessful(139, &off("Mailbox"), now));
        }
        if *fault == Fault::ConditionalAccess {
            let why = ", the request did not meet the criteria to be authenticated successfully. Contact your administrator.";
            return Some(self.unsuccessful(139, why, now));
        }
        let temporary = || Reply::new(451, Enhanced(4, 7, 0), format!("Temporary server error. Please try again later. PRX4 [{PROXY}]"));
        (*fault == Fault::Temporary).then(temporary)
    }

    /// The same for faults that only a password meets.
    pub(super) fn password_refusal(&self, fault: &Fault, now: Timestamp) -> Option<Reply> {
        if *fault == Fault::BasicAuthOff {
            return Some(self.unsuccessful(139, ", basic authentication is disabled.", now));
        }
        if *fault == Fault::BasicAuthRetired {
            return Some(Reply::new(550, Enhanced(5, 7, 30), "Basic authentication is not supported for Client Submission."));
        }
        (*fault == Fault::WrongPassword).then(|| self.wrong_password(now))
    }

    /// MAIL without AUTH; the last refusal of AUTH, if there was one, stands inside.
    pub(super) fn not_authenticated(&self, refused: Option<&Reply>, now: Timestamp) -> Reply {
        let text = match refused {
            Some(reply) => format!("Client not authenticated to send mail. Error: {reply}"),
            None => format!("Client not authenticated to send mail. {}", self.mark(now)),
        };
        Reply::new(530, Enhanced(5, 7, 57), text)
    }
}

/// What the final dot is answered when this fault is planned; `None` when the fault lies elsewhere.
pub(super) fn final_refusal(fault: &Fault) -> Option<Reply> {
    if *fault == Fault::TooManyConnections {
        return Some(too_many_connections());
    }
    if *fault == Fault::RatePerMinute {
        return Some(rate_exceeded());
    }
    if *fault == Fault::DailyRecipients {
        let text = format!(
            "STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with \
             message [BeginDiagnosticData]The message can't be submitted because the sender's submission quota was \
             exceeded.[EndDiagnosticData] [Hostname={BACK}]"
        );
        return Some(Reply::new(554, Enhanced(5, 2, 0), text));
    }
    if *fault == Fault::TenantExternalLimit {
        let text = "- Your message can't be sent because your tenant exceeded its daily limit for sending email to external recipients \
                    (tenant external recipient rate limit)";
        return Some(Reply::new(550, Enhanced(5, 7, 233), text));
    }
    if *fault == Fault::SentItemsFull {
        let text = "mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; \
                    Failed to process message due to a permanent exception";
        return Some(Reply::new(554, Enhanced(5, 2, 2), text));
    }
    (*fault == Fault::SenderBlocked).then(|| Reply::new(550, Enhanced(5, 1, 8), "Access denied, bad outbound sender AS(42004)"))
}

pub(super) fn too_many_connections() -> Reply {
    let text = "Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.";
    Reply::new(432, Enhanced(4, 3, 2), format!("{text} [Hostname={BACK}]"))
}

pub(super) fn rate_exceeded() -> Reply {
    Reply::new(421, Enhanced(4, 4, 2), "Message submission rate for this client has exceeded the configured limit")
}

/// `sender` as the client gave it: a reverse path may be empty.
pub(super) fn send_as_denied(mailbox: &Mailbox, sender: &str) -> Reply {
    let text = format!(
        "SendAsDenied; {mailbox} not allowed to send as {sender}; \
         STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; \
         Failed to process message due to a permanent exception with message \
         [BeginDiagnosticData]Cannot submit message. 0.35250:0A00AF84[EndDiagnosticData] [Hostname={BACK}]"
    );
    Reply::new(554, Enhanced(5, 2, 252), text)
}

pub(super) fn bare_line_ends() -> Reply {
    let text = "SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, which cannot be sent via DATA \
                and receiving system does not support BDAT";
    Reply::new(550, Enhanced(5, 6, 11), text)
}

pub(super) fn bad_from() -> Reply {
    Reply::new(550, Enhanced(5, 7, 512), "Access denied, message must be RFC 5322 section 3.6.2 compliant")
}

pub(super) fn several_from() -> Reply {
    Reply::new(550, Enhanced(5, 1, 20), "Multiple From addresses are not allowed without Sender address")
}

pub(super) fn message_too_large() -> Reply {
    Reply::new(552, Enhanced(5, 3, 4), "Message size exceeds fixed maximum message size")
}

pub(super) fn header_too_large() -> Reply {
    Reply::new(552, Enhanced(5, 3, 4), "Header size exceeds fixed maximum size")
}

pub(super) fn too_many_recipients() -> Reply {
    Reply::new(452, Enhanced(4, 5, 3), "Too many recipients")
}

pub(super) fn taken(message_id: &str) -> Reply {
    Reply::new(250, Enhanced(2, 0, 0), format!("OK {message_id} [Hostname={BACK}]"))
}

pub(super) fn unavailable() -> Reply {
    Reply::new(421, Enhanced(4, 3, 2), "Service not available")
}

pub(super) fn timed_out() -> Reply {
    Reply::new(421, Enhanced(4, 4, 1), "Connection timed out")
}

pub(super) fn too_many_errors() -> Reply {
    Reply::new(421, Enhanced(4, 7, 0), "Too many errors on this connection, closing transmission channel")
}

/// RFC 4954 section 4.
pub(super) fn response_too_long() -> Reply {
    Reply::new(500, Enhanced(5, 5, 6), "Authentication exchange line is too long")
}

/// 503: the command is good, and comes too early or too often.
pub(super) fn out_of_order(text: &str) -> Reply {
    Reply::new(503, Enhanced(5, 5, 2), text)
}

/// What a line that is no good command is answered.
pub(super) fn mistake(mistake: Mistake) -> Reply {
    match mistake {
        Mistake::Unrecognized => Reply::new(500, Enhanced(5, 3, 3), "Unrecognized command"),
        Mistake::TooLong => Reply::new(500, Enhanced(5, 5, 2), "Command too long"),
        Mistake::Domain => Reply::new(501, Enhanced(5, 5, 4), "Invalid domain name"),
        Mistake::Sender => Reply::new(501, Enhanced(5, 1, 7), "Invalid address"),
        Mistake::Recipient => Reply::new(501, Enhanced(5, 1, 3), "Invalid address"),
        Mistake::Arguments => Reply::new(501, Enhanced(5, 5, 4), "Invalid arguments"),
        Mistake::Parameter => Reply::new(501, Enhanced(5, 5, 4), "Unrecognized parameter"),
    }
}
