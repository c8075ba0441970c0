//! Takes one message: content from the socket to `intake`, and the answer to the dot.
//!
//! Whatever goes wrong on our side, content is read up to its end before the answer: a device takes a connection
//! that breaks in the middle for a broken network, and tries again for ever.

use std::fmt::Write as _;

use bytes::Buf as _;
use memchr::memmem;

use crate::cause::chain;
use crate::intake::{self, Accepted, Incoming, SpoolError};
use crate::message::{Client, Envelope, Mailbox, Origin};
use crate::session::{self, Farewell, Receiving, Session};
use crate::smtp::ContentReader;

use super::clients::entry_with;
use super::door::Talk;
use super::end::End;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the message is larger than {limit} octets")]
    TooLarge { limit: u64 },
    #[error(transparent)]
    Intake(#[from] intake::Refusal),
}

impl Refused {
    /// What the device is told: the one place where trouble in the house becomes a reply.
    fn for_the_wire(&self) -> session::Refusal {
        match self {
            Self::TooLarge { .. } => session::Refusal::TooLarge,
            Self::Intake(intake::Refusal::Spool(SpoolError::Full { .. })) => session::Refusal::DiskFull,
            Self::Intake(intake::Refusal::Spool(
                SpoolError::Busy { .. } | SpoolError::Failed { .. } | SpoolError::NoSuchEntry(_) | SpoolError::Damaged { .. },
            )) => session::Refusal::CannotStore,
            Self::Intake(intake::Refusal::Header(_)) => session::Refusal::HeaderTooLarge,
            Self::Intake(intake::Refusal::Loop { .. }) => session::Refusal::Loop,
            Self::Intake(intake::Refusal::NoRule(_)) => session::Refusal::NoSenderRule,
        }
    }
}

/// A message on its way in.
struct Arrival {
    reader: ContentReader,
    /// Content with its line ends mended, on its way from reader to intake.
    mended: Vec<u8>,
    /// The last octets of all content so far, fewer than [`LONE_DOT`] has; before the first there is a line end.
    tail: Vec<u8>,
    /// A line of a single dot has passed.
    lone_dot: bool,
    size: u64,
    limit: u64,
    fate: Result<Incoming, Refused>,
}

/// A line of a single dot, and the end of the line before it.
const LONE_DOT: &[u8] = b"\r\n.\r\n";

impl Arrival {
    /// Reads content; says how many octets of `input` belong to it, and whether it has ended.
    async fn take(&mut self, input: &[u8]) -> (usize, bool) {
        self.mended.clear();
        let progress = self.reader.push(input, &mut self.mended);
        self.size += self.mended.len() as u64;
        self.look_for_a_lone_dot();
        if let Ok(incoming) = &mut self.fate {
            let written = match self.size > self.limit {
                true => Err(Refused::TooLarge { limit: self.limit }),
                false => incoming.write(&self.mended).await.map_err(Refused::Intake),
            };
            if let Err(refused) = written {
                // What was stored so far is dropped here and now; the rest is read and forgotten.
                self.fate = Err(refused);
            }
        }
        (progress.used, progress.ended)
    }

    fn look_for_a_lone_dot(&mut self) {
        if self.lone_dot || self.reader.line_ends().bare_lf == 0 {
            return;
        }
        let start = &self.mended[..self.mended.len().min(LONE_DOT.len())];
        let seam = [&self.tail[..], start].concat();
        self.lone_dot = memmem::find(&seam, LONE_DOT).is_some() || memmem::find(&self.mended, LONE_DOT).is_some();
        self.tail.extend_from_slice(&self.mended[self.mended.len().saturating_sub(LONE_DOT.len())..]);
        self.tail.drain(..self.tail.len().saturating_sub(LONE_DOT.len() - 1));
    }
}

/// Takes one message and says what became of it.
pub(super) async fn message(talk: &mut Talk, receiving: Receiving) -> Result<Session, End> {
    let incoming = talk.door.intake.begin(origin(talk, &receiving), receiving.envelope().clone());
    let limit = receiving.message_size();
    let reader = if receiving.lf_ends_data() { ContentReader::with_bare_lf() } else { ContentReader::new() };
    let mut arrival = Arrival { reader, mended: Vec::new(), tail: b"\r\n".to_vec(), lone_dot: false, size: 0, limit, fate: Ok(incoming) };
    loop {
        let (used, ended) = arrival.take(&talk.connection.input).await;
        talk.connection.input.advance(used);
        if ended {
            break;
        }
        talk.connection.flush().await;
        if let Err(end) = talk.connection.wait_for_content().await {
            log_unfinished(talk, &arrival, end);
            return Err(end);
        }
    }
    let line_ends = arrival.reader.line_ends();
    // From here on nothing is waited for but the disk: the device may be gone, its message is kept.
    let stored = match arrival.fate {
        Ok(incoming) => incoming.finish(line_ends.repairs()).await.map_err(Refused::Intake),
        Err(refused) => Err(refused),
    };
    let (session, reply) = match stored {
        Ok(accepted) => {
            log_accepted(talk, &receiving, &accepted);
            receiving.queued(accepted.receipt)
        }
        Err(refused) => {
            log_refused(talk, &receiving, &refused);
            receiving.refused(refused.for_the_wire())
        }
    };
    talk.connection.say(&reply);
    Ok(session)
}

fn origin(talk: &Talk, receiving: &Receiving) -> Origin {
    let introduction = receiving.introduction();
    Origin {
        client: talk.client,
        listener: talk.door.settings.name.clone(),
        helo: introduction.helo.clone(),
        esmtp: introduction.esmtp,
        login: introduction.login.clone(),
        tls: introduction.tls,
        charset: talk.charset,
        received: talk.door.intake.clock().now(),
    }
}

fn log_accepted(talk: &Talk, receiving: &Receiving, accepted: &Accepted) {
    let Envelope { sender, recipients, .. } = receiving.envelope();
    tracing::info!(
        entry = %accepted.receipt.entry(),
        client = %talk.client,
        listener = %talk.door.settings.name,
        helo = receiving.introduction().helo.as_deref(),
        tls = receiving.introduction().tls.then_some(true),
        from = %sender.as_str().escape_debug(),
        // Counted from one, as people count the rules in a file.
        rule = accepted.rule + 1,
        send_as = %accepted.from,
        account = %accepted.account,
        recipients = recipients.len(),
        to = %shown(recipients),
        size = accepted.size,
        repaired = (!accepted.repairs.is_empty()).then(|| accepted.repairs.to_string()),
        "accepted"
    );
}

fn log_refused(talk: &Talk, receiving: &Receiving, refused: &Refused) {
    let Envelope { sender, recipients, .. } = receiving.envelope();
    tracing::warn!(
        client = %talk.client,
        listener = %talk.door.settings.name,
        helo = receiving.introduction().helo.as_deref(),
        from = %sender.as_str().escape_debug(),
        recipients = recipients.len(),
        to = %shown(recipients),
        reason = chain(refused),
        "refused message"
    );
}

fn log_unfinished(talk: &Talk, arrival: &Arrival, end: End) {
    let remedy = match end {
        // It may have waited, gone on with commands, or left: LF . LF, for it the end, ends nothing here.
        End::Gone | End::Farewell(Farewell::Idle | Farewell::Expired) if arrival.lone_dot => Some(remedy_for_bare_lf(talk.client)),
        End::Gone | End::Farewell(_) | End::Closing(_) | End::Foreign(_) | End::Handshake(_) | End::Proxy(_) => None,
    };
    tracing::warn!(
        client = %talk.client, listener = %talk.door.settings.name, octets = arrival.size, reason = %end, remedy,
        "message was not finished"
    );
}

fn remedy_for_bare_lf(client: Client) -> String {
    let mut remedy = "the device ended its message with LF . LF, and only CRLF . CRLF ends one: set its line ends to CRLF".to_owned();
    if let Some(entry) = entry_with(client, "lf_ends_data: true") {
        let _ = write!(remedy, "; if that cannot be, add to the configuration: {entry}");
    }
    remedy
}

/// Recipients that a log line names; the others are counted.
const SHOWN: usize = 3;

fn shown(recipients: &[Mailbox]) -> String {
    let mut text = String::new();
    for (number, mailbox) in recipients.iter().take(SHOWN).enumerate() {
        let _ = write!(text, "{}{}", if number == 0 { "" } else { ", " }, mailbox.as_str().escape_debug());
    }
    if recipients.len() > SHOWN {
        let _ = write!(text, ", +{}", recipients.len() - SHOWN);
    }
    text
}
