//! One message: MAIL, RCPT, DATA, the content, the final reply.
//!
//! With PIPELINING (RFC 2920) the commands go out together and their replies are read one after the other;
//! without it, one at a time. The states are the same.

use std::fmt::Write as _;

use super::Flight;
use crate::cause::{Cause, detail};
use crate::delivery::{Failure, NextStep, Outcome, Outgoing, Scope, Stage};
use crate::message::Mailbox;
use crate::smtp::{Extensions, Reply};
use crate::upstream::classify::{self, Method};

/// What one transaction is about; the same from its beginning to its end.
#[derive(Debug)]
pub(in crate::upstream) struct Plan<'a> {
    outgoing: &'a Outgoing,
    mail: String,
    /// The recipients that the upstream can be told, by their place in the envelope.
    told: Vec<usize>,
    pipelining: bool,
    method: Method,
}

/// What came of each recipient of the envelope so far: `None` while nothing speaks against it.
pub(in crate::upstream) type Answers = Vec<Option<Failure>>;

/// Which reply is awaited.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Awaiting {
    /// To MAIL.
    Mail(Answers),
    /// To this RCPT, counted from 0 among those that are told.
    Rcpt(usize, Answers),
    /// To DATA.
    Data(Answers),
    /// MAIL was refused; this many replies to the rest of the flight still come, the last of them to DATA.
    Rest(usize, Answers),
    /// To the lone dot that ends a message nobody is to get (RFC 2920 section 3.1).
    LoneDot(Answers),
    /// To the final dot.
    Final(Answers),
}

/// What is to happen next.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Turn {
    /// Send this, then read one reply.
    Say(Flight, Awaiting),
    /// Read one more reply.
    Listen(Awaiting),
    /// Send header, body and the final dot, then read one reply for [`Awaiting::Final`].
    Content(Answers),
    /// The transaction is over.
    Done(Done),
}

/// How a transaction ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Done {
    /// One outcome for each recipient of the envelope, in its order.
    pub(in crate::upstream) outcomes: Vec<Outcome>,
    /// What the connection is good for.
    pub(in crate::upstream) then: Then,
}

/// What a connection is good for after a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Then {
    /// The next message.
    Reuse,
    /// The next message, after RSET: Postfix answers `503 nested MAIL` otherwise.
    Reset,
    /// Nothing.
    Close,
}

impl<'a> Plan<'a> {
    /// Begins a transaction, unless the upstream's offers already rule it out for all recipients.
    pub(in crate::upstream) fn begin(
        outgoing: &'a Outgoing,
        offers: &Extensions,
        method: Method,
    ) -> Result<(Self, Flight, Awaiting), Done> {
        let mut answers: Answers = outgoing.recipients.iter().map(|mailbox| speakable(mailbox, offers)).collect();
        if let Some(failure) = too_large(outgoing, offers).or_else(|| speakable(&outgoing.from, offers)) {
            answers.fill(Some(Failure { scope: Scope::Message, ..failure }));
        }
        let told: Vec<usize> = (0..answers.len()).filter(|&at| answers[at].is_none()).collect();
        if told.is_empty() {
            return Err(done(answers, Then::Reuse));
        }
        let plan = Self { outgoing, mail: mail(outgoing, offers), told, pipelining: offers.pipelining, method };
        let flight = plan.first_flight();
        Ok((plan, flight, Awaiting::Mail(answers)))
    }

    fn first_flight(&self) -> Flight {
        let mut text = self.mail.clone();
        if self.pipelining {
            for &at in &self.told {
                self.write_rcpt(&mut text, at);
            }
            text.push_str("DATA\r\n");
        }
        Flight::Open(text.into_bytes())
    }

    fn write_rcpt(&self, text: &mut String, at: usize) {
        // Writing to a String cannot fail.
        let _ = write!(text, "RCPT TO:<{}>\r\n", self.outgoing.recipients[at]);
    }

    /// The command before which a RCPT of this number, counted from 0, or DATA is due.
    fn step(&self, number: usize, answers: Answers) -> Turn {
        let awaiting = if number < self.told.len() { Awaiting::Rcpt(number, answers) } else { Awaiting::Data(answers) };
        if self.pipelining {
            return Turn::Listen(awaiting);
        }
        let mut text = String::new();
        match (self.told.get(number), &awaiting) {
            (Some(&at), _) => self.write_rcpt(&mut text, at),
            // Nobody is left to get the message: no DATA.
            (None, Awaiting::Data(answers)) if answers.iter().all(Option::is_some) => return over(awaiting.answers(), Then::Reset),
            (None, _) => text.push_str("DATA\r\n"),
        }
        Turn::Say(Flight::Open(text.into_bytes()), awaiting)
    }

    fn failure(&self, reply: &Reply, stage: Stage) -> Failure {
        classify::failure(reply, stage, self.method).unwrap_or_else(|| classify::out_of_step(reply, stage))
    }
}

impl Awaiting {
    /// How far the attempt has come, should the reply never arrive.
    pub(in crate::upstream) fn stage(&self) -> Stage {
        match self {
            Self::Mail(_) => Stage::Mail,
            Self::Rcpt(..) | Self::Rest(..) => Stage::Rcpt,
            Self::Data(_) | Self::LoneDot(_) => Stage::Data,
            Self::Final(_) => Stage::FinalReply,
        }
    }

    /// Takes the awaited reply.
    pub(in crate::upstream) fn on_reply(self, reply: &Reply, plan: &Plan<'_>) -> Turn {
        let stage = self.stage();
        if reply.code() == 421 {
            // RFC 5321 section 3.8: the server closes the connection; no other reply will come.
            return Turn::Done(self.lost(plan.failure(reply, stage)));
        }
        match (self, reply.code()) {
            (Self::Mail(answers), 200..=299) => plan.step(0, answers),
            (Self::Mail(answers), _) => plan.mail_refused(reply, answers),
            (Self::Rcpt(number, answers), 200..=299) => plan.step(number + 1, answers),
            (Self::Rcpt(number, mut answers), _) => {
                answers[plan.told[number]] = Some(plan.failure(reply, stage));
                plan.step(number + 1, answers)
            }
            (Self::Data(answers), 354) if answers.iter().all(Option::is_some) => lone_dot(answers),
            (Self::Data(answers), 354) => Turn::Content(answers),
            (Self::Data(answers), _) => over(filled(answers, plan.failure(reply, stage)), Then::Reset),
            (Self::Rest(1, answers), 354) => lone_dot(answers),
            (Self::Rest(1, answers), _) => over(answers, Then::Reset),
            (Self::Rest(left, answers), _) => Turn::Listen(Self::Rest(left - 1, answers)),
            (Self::LoneDot(answers), _) => over(answers, Then::Reset),
            (Self::Final(answers), 200..=299) => {
                let taken = detail(&reply.to_string());
                let outcomes = answers.into_iter().map(|answer| answer.map_or_else(|| Outcome::Delivered(taken.clone()), outcome));
                Turn::Done(Done { outcomes: outcomes.collect(), then: Then::Reuse })
            }
            (Self::Final(answers), _) => over(filled(answers, plan.failure(reply, stage)), Then::Reset),
        }
    }

    /// The connection is gone, or of no use any more: `failure` holds for all that were not refused before.
    pub(in crate::upstream) fn lost(self, failure: Failure) -> Done {
        done(filled(self.answers(), failure), Then::Close)
    }

    fn answers(self) -> Answers {
        match self {
            Self::Mail(answers)
            | Self::Rcpt(_, answers)
            | Self::Data(answers)
            | Self::Rest(_, answers)
            | Self::LoneDot(answers)
            | Self::Final(answers) => answers,
        }
    }
}

impl Plan<'_> {
    fn mail_refused(&self, reply: &Reply, answers: Answers) -> Turn {
        let answers = filled(answers, self.failure(reply, Stage::Mail));
        if self.pipelining { Turn::Listen(Awaiting::Rest(self.told.len() + 1, answers)) } else { over(answers, Then::Reset) }
    }
}

/// MAIL with the parameters that are offered and needed.
fn mail(outgoing: &Outgoing, offers: &Extensions) -> String {
    let mut text = format!("MAIL FROM:<{}>", outgoing.from);
    if let Some(limit) = offers.size {
        // An estimate never exceeds the limit: only what is certain may be refused for it. Writing to a String cannot fail.
        let _ = write!(text, " SIZE={}", limit.map_or(outgoing.size(), |limit| limit.min(outgoing.size())));
    }
    if outgoing.eight_bit && offers.eight_bit {
        text.push_str(" BODY=8BITMIME");
    }
    if outgoing.smtputf8 && offers.smtputf8 {
        text.push_str(" SMTPUTF8");
    }
    text.push_str("\r\n");
    text
}

/// RFC 1870 section 6.1: what is larger than the upstream's own number would be refused; why send it.
fn too_large(outgoing: &Outgoing, offers: &Extensions) -> Option<Failure> {
    let limit = offers.size.flatten().filter(|&limit| outgoing.least_size() > limit)?;
    let text = format!("the message has {} octets, the upstream takes at most {limit}", outgoing.size());
    Some(Failure { scope: Scope::Message, next: NextStep::GiveUp, cause: Cause::TooLarge, stage: Stage::Mail, detail: text })
}

/// RFC 6531 section 3.1: an address outside ASCII may only be said where SMTPUTF8 is offered.
fn speakable(mailbox: &Mailbox, offers: &Extensions) -> Option<Failure> {
    (mailbox.needs_smtputf8() && !offers.smtputf8).then(|| Failure {
        scope: Scope::Recipient,
        next: NextStep::GiveUp,
        cause: Cause::Smtputf8Missing,
        stage: Stage::Mail,
        detail: detail(&format!("{mailbox} is outside ASCII, and the upstream does not offer SMTPUTF8")),
    })
}

fn lone_dot(answers: Answers) -> Turn {
    Turn::Say(Flight::Open(b".\r\n".to_vec()), Awaiting::LoneDot(answers))
}

/// `failure` holds for all that nothing spoke against so far.
fn filled(answers: Answers, failure: Failure) -> Answers {
    answers.into_iter().map(|answer| Some(answer.unwrap_or_else(|| failure.clone()))).collect()
}

fn over(answers: Answers, then: Then) -> Turn {
    Turn::Done(done(answers, then))
}

/// The outcomes of recipients that have all got a failure.
fn done(answers: Answers, then: Then) -> Done {
    let useless = |failure: &Failure| matches!(failure.next, NextStep::Token | NextStep::Reconnect);
    let then = if answers.iter().flatten().any(useless) { Then::Close } else { then };
    Done { outcomes: answers.into_iter().flatten().map(outcome).collect(), then }
}

/// Only what can never be delivered is refused; the rest may do better later.
fn outcome(failure: Failure) -> Outcome {
    match failure.next {
        NextStep::GiveUp => Outcome::Refused(failure),
        NextStep::Retry
        | NextStep::Token
        | NextStep::Hold
        | NextStep::Pause(_)
        | NextStep::Split
        | NextStep::ResendAs
        | NextStep::Reconnect => Outcome::Deferred(failure),
    }
}
