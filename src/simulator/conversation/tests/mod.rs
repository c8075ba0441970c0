//! The dialogue as transcripts.
//!
//! `C:` lines between two replies arrive in one segment; `\n`, `\r` and `\0` in them are those octets, and a `\`
//! at the end leaves the CRLF out. `…` in an `S:` line is any text. `{…}` stands for credentials (see [`fill`]).
//! `--` lines say what the driver is told: `tls`, `close`, `drop`.

mod dialogue;
mod planned;

use std::time::Duration;

use super::*;
use crate::secret::Secret;
use crate::simulator::Settings;
use crate::simulator::faults::Faults;
use crate::simulator::mailroom::{Keep, Mailroom, Received};
use crate::simulator::tenant::Tenant;
use crate::smtp::sasl;

const NOW: Timestamp = Timestamp::from_millis(1_795_293_330_120);
const MARK: &str = "[LO4P302CA0005.GBRP302.PROD.OUTLOOK.COM 2026-11-21T20:35:30.120Z 08DF6B0200920001]";

fn world(faults: &[&str]) -> Arc<World> {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let settings = Settings { faults, ..Settings::default() };
    world_of(settings)
}

fn world_of(settings: Settings) -> Arc<World> {
    let faults = Faults::default();
    faults.set(settings.faults);
    Arc::new(World { tenant: Tenant::new(settings.organisation, settings.limits), faults, mailroom: Mailroom::new(Keep::default()) })
}

/// Puts credentials in: `{token}`, `{token USER}`, `{base64 TEXT}`.
fn fill(line: &str, token: &Secret) -> String {
    let Some((before, rest)) = line.split_once('{') else { return line.to_owned() };
    let (inside, after) = rest.split_once('}').unwrap();
    let filled = match inside.split_once(' ') {
        None => sasl::xoauth2("scanner@contoso.com", token).reveal().to_owned(),
        Some(("token", user)) => sasl::xoauth2(user, token).reveal().to_owned(),
        Some((_, text)) => sasl::encode(text.as_bytes()),
    };
    format!("{before}{filled}{after}")
}

fn octets(line: &str) -> Vec<u8> {
    let (line, end) = line.strip_suffix('\\').map_or((line, "\r\n"), |line| (line, ""));
    format!("{}{end}", line.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0")).into_bytes()
}

fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let parts: Vec<_> = parts.collect();
    for (number, part) in parts.iter().enumerate() {
        let last = number + 1 == parts.len();
        let at = if last { rest.strip_suffix(part).map(|head| head.len()) } else { rest.find(part) };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// One conversation that a transcript is held against.
struct Check {
    conversation: Conversation,
    next: Next,
    waiting: Vec<u8>,
    chunk: usize,
    token: Secret,
}

impl Check {
    fn new(world: &Arc<World>, number: u64, chunk: usize) -> Self {
        let (conversation, next) = Conversation::begin(Arc::clone(world), number, [203, 0, 113, 7].into(), NOW);
        let token = world.tenant.issue(NOW, Duration::from_secs(3600)).unwrap();
        Self { conversation, next, waiting: Vec::new(), chunk, token }
    }

    /// Lets what the client said arrive, in pieces.
    fn deliver(&mut self) {
        let mut buffer = BytesMut::new();
        for piece in std::mem::take(&mut self.waiting).chunks(self.chunk) {
            if self.next != Next::Read {
                return;
            }
            buffer.extend_from_slice(piece);
            self.next = self.conversation.advance(&mut buffer, NOW);
        }
    }

    fn run(&mut self, transcript: &str) {
        for line in transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            match line.split_at(line.len().min(3)) {
                ("C: ", said) => self.waiting.extend(octets(&fill(said, &self.token))),
                ("S: ", wanted) => {
                    self.deliver();
                    let out = self.conversation.out();
                    let end = memchr::memmem::find(out, b"\r\n").unwrap_or_else(|| panic!("no reply, but wanted {wanted:?}"));
                    let said = String::from_utf8(out.drain(..end + 2).collect()).unwrap();
                    let wanted = fill(wanted, &self.token).replace("[MARK]", MARK);
                    assert!(fits(&wanted, said.trim_end_matches("\r\n")), "wanted {wanted:?}, got {said:?}, in\n{transcript}");
                }
                ("-- ", event) => {
                    self.deliver();
                    self.quiet(transcript);
                    match (event, self.next) {
                        ("tls", Next::StartTls) => self.conversation.secured("TLSv1_3 test".into()),
                        ("close", Next::Close) | ("drop", Next::Drop) => continue,
                        other => panic!("{other:?} in\n{transcript}"),
                    }
                    self.next = Next::Read;
                }
                other => panic!("{other:?}"),
            }
        }
        self.deliver();
        self.quiet(transcript);
    }

    fn quiet(&mut self, transcript: &str) {
        let out = self.conversation.out();
        assert!(out.is_empty(), "not foreseen: {:?} in\n{transcript}", String::from_utf8_lossy(out));
    }
}

/// Runs a transcript in whole segments and octet by octet; gives what was received.
fn check(faults: &[&str], transcript: &str) -> Vec<Arc<Received>> {
    let found = [usize::MAX, 1].map(|chunk| {
        let world = world(faults);
        Check::new(&world, 1, chunk).run(transcript);
        world.mailroom.received()
    });
    let contents = |index: usize| found[index].iter().map(|message| &message.content).collect::<Vec<_>>();
    assert_eq!(contents(0), contents(1));
    found.into_iter().next().unwrap()
}

const GREETING: &str = "
    S: 220 LO4P302CA0005.outlook.office365.com Microsoft ESMTP MAIL Service ready at Sat, 21 Nov 2026 20:35:30 +0000 [08DF6B0200920001]
";
const EHLO_PLAIN: &str = "
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
";
const EHLO_TLS: &str = "
    C: EHLO relay.example
    S: 250-LO4P302CA0005.outlook.office365.com Hello [203.0.113.7]
    S: 250-SIZE 157286400
    S: 250-PIPELINING
    S: 250-DSN
    S: 250-ENHANCEDSTATUSCODES
    S: 250-AUTH LOGIN XOAUTH2
    S: 250-8BITMIME
    S: 250-BINARYMIME
    S: 250-CHUNKING
    S: 250 SMTPUTF8
";
const STARTTLS: &str = "
    C: STARTTLS
    S: 220 2.0.0 SMTP server ready
    -- tls
";
const AUTH: &str = "
    C: AUTH XOAUTH2
    S: 334 …
    C: {token}
    S: 235 2.7.0 Authentication successful
";

/// Up to where AUTH is offered.
fn to_tls() -> String {
    [GREETING, EHLO_PLAIN, STARTTLS, EHLO_TLS].concat()
}

/// Up to where mail may be sent.
fn signed_in() -> String {
    to_tls() + AUTH
}

/// One message as a flight of commands and its content.
fn message(from: &str, header_from: &str, reply: &str) -> String {
    format!(
        "
        C: MAIL FROM:<{from}>
        C: RCPT TO:<a@b.example>
        C: DATA
        S: 250 2.1.0 Sender OK
        S: 250 2.1.5 Recipient OK
        S: 354 Start mail input; end with <CRLF>.<CRLF>
        C: From: {header_from}
        C: Message-ID: <20260921.1@contoso.com>
        C: 
        C: Hello
        C: .
        S: {reply}
    "
    )
}

const TAKEN: &str = "250 2.0.0 OK <20260921.1@contoso.com> [Hostname=BYAPR17MB2920.namprd17.prod.outlook.com]";

/// A message that is good by itself.
fn good(reply: &str) -> String {
    message("scanner@contoso.com", "scanner@contoso.com", reply)
}
