//! MAIL, RCPT, DATA, the content and the verdict behind the dot.

use std::ops::ControlFlow;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::clock::Timestamp;
use crate::message::{Envelope, Mailbox, ReversePath};
use crate::simulator::command::{BodyType, Mistake, Sender};
use crate::simulator::content::{Claims, Objection, Receiving};
use crate::simulator::fault::{Fault, Stage};
use crate::simulator::mailroom::{Keep, Received, SessionFacts, count};
use crate::simulator::tenant::{AccountNumber, Reached};
use crate::simulator::words;
use crate::smtp::{Enhanced, Reply};

use super::{Channel, Conversation, Expecting, Flow, Login, Next, Transaction};

impl Conversation {
    /// MAIL is good whoever is named: whether the address may be used is said behind the dot.
    pub(super) fn mail(&mut self, sender: Sender, now: Timestamp) -> Flow {
        if self.helo.is_none() {
            return self.say(words::out_of_order("Send hello first"));
        }
        if self.login.is_none() {
            let reply = self.session.not_authenticated(self.refused.as_ref(), now);
            return self.say(reply);
        }
        if !matches!(self.transaction, Transaction::None) {
            return self.say(words::out_of_order("Sender already specified"));
        }
        if sender.size.is_some_and(|size| size > words::ANNOUNCED_SIZE) {
            return self.say(words::message_too_large());
        }
        self.transaction = Transaction::Sender(sender);
        self.say(Reply::new(250, Enhanced(2, 1, 0), "Sender OK"))
    }

    pub(super) fn rcpt(&mut self, recipient: Mailbox) -> Flow {
        let (sender, mut recipients) = match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None => return self.say(words::out_of_order("Need mail command")),
            Transaction::Sender(sender) => (sender, Vec::new()),
            Transaction::Recipients(sender, recipients) => (sender, recipients),
        };
        let refusal = self.recipient_refusal(&sender, recipients.len(), &recipient);
        if refusal.is_none() {
            recipients.push(recipient);
        }
        self.transaction = if recipients.is_empty() { Transaction::Sender(sender) } else { Transaction::Recipients(sender, recipients) };
        match refusal {
            Some(reply) => {
                count(&self.world.mailroom.counters.recipients_refused);
                self.say(reply)
            }
            None => self.say(Reply::new(250, Enhanced(2, 1, 5), "Recipient OK")),
        }
    }

    fn recipient_refusal(&self, sender: &Sender, already: usize, recipient: &Mailbox) -> Option<Reply> {
        // RFC 6531 section 3.4: not without SMTPUTF8 at MAIL.
        if recipient.needs_smtputf8() && !sender.smtputf8 {
            return Some(words::mistake(Mistake::Recipient));
        }
        if already >= self.world.tenant.limits().recipients_per_message {
            return Some(words::too_many_recipients());
        }
        self.world.faults.take(|fault| {
            if let Fault::Rcpt(pattern, reply) = fault
                && pattern.matches(recipient)
            {
                return Some(reply.clone());
            }
            None
        })
    }

    pub(super) fn data(&mut self) -> Flow {
        let (sender, recipients) = match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::Recipients(sender, recipients) => (sender, recipients),
            Transaction::Sender(sender) => {
                self.transaction = Transaction::Sender(sender);
                return self.say(words::out_of_order("Need rcpt command"));
            }
            Transaction::None => return self.say(words::out_of_order("Need mail command")),
        };
        // RFC 3030 section 3: BINARYMIME goes with BDAT only.
        if sender.body == BodyType::Binary {
            return self.say(words::out_of_order("BINARYMIME needs BDAT"));
        }
        let keep = self.world.mailroom.keep() != Keep::Nothing;
        let limit = self.world.tenant.limits().message_size;
        self.expecting = Expecting::Content(Box::new(Receiving::new(sender, recipients, limit, keep)));
        self.say(Reply::plain(354, "Start mail input; end with <CRLF>.<CRLF>"))
    }

    /// CHUNKING is announced because Microsoft announces it. A relay should not use it, so it is refused here,
    /// and what follows the command could be anything: the connection ends.
    pub(super) fn bdat(&mut self) -> Flow {
        self.say(Reply::new(502, Enhanced(5, 3, 3), "Command not implemented"))?;
        ControlFlow::Break(Next::Close)
    }

    pub(super) fn reset(&mut self) -> Flow {
        self.transaction = Transaction::None;
        self.say(Reply::new(250, Enhanced(2, 0, 0), "Resetting"))
    }

    /// Takes content as far as it is there.
    pub(super) fn content(&mut self, mut receiving: Box<Receiving>, buffer: &mut BytesMut, now: Timestamp) -> Flow {
        if buffer.is_empty() {
            self.expecting = Expecting::Content(receiving);
            return ControlFlow::Break(Next::Read);
        }
        if let Some(flow) = self.intervene(Stage::Content) {
            flow?;
            // A reply inside the content can only be the last thing that is said.
            return ControlFlow::Break(Next::Close);
        }
        let progress = receiving.push(buffer);
        buffer.advance(progress.used);
        if progress.ended {
            return self.finish(*receiving, now);
        }
        self.expecting = Expecting::Content(receiving);
        ControlFlow::Continue(())
    }

    /// Answers the final dot.
    fn finish(&mut self, receiving: Receiving, now: Timestamp) -> Flow {
        if let Some(flow) = self.intervene(Stage::Final) {
            count(&self.world.mailroom.counters.refused);
            return flow;
        }
        let taken = match &self.login {
            Some(login) => self.decide(receiving, login, now),
            None => Err(self.session.not_authenticated(None, now)),
        };
        match taken {
            Ok(message_id) => {
                if self.world.faults.happens(&Fault::DropKept) {
                    return ControlFlow::Break(Next::Drop);
                }
                self.say(words::taken(&message_id))
            }
            Err(reply) => {
                count(&self.world.mailroom.counters.refused);
                tracing::info!(connection = self.number, %reply, "refused message");
                self.say(reply)
            }
        }
    }

    /// Takes the message and gives its id, or the reply that refuses it.
    fn decide(&self, receiving: Receiving, login: &Login, now: Timestamp) -> Result<String, Reply> {
        let claims = self.verdict(&receiving, login.account, now)?;
        Ok(self.keep(receiving, claims, login, now))
    }

    /// What the header claims, or the reply that refuses the message.
    fn verdict(&self, receiving: &Receiving, account: AccountNumber, now: Timestamp) -> Result<Claims, Reply> {
        let claims = receiving.judge().map_err(|objection| match objection {
            Objection::BareLineEnds => words::bare_line_ends(),
            Objection::MessageTooLarge => words::message_too_large(),
            Objection::HeaderTooLarge => words::header_too_large(),
            Objection::BadFrom => words::bad_from(),
            Objection::SeveralFrom => words::several_from(),
        })?;
        if let Some(reply) = self.world.faults.take(words::final_refusal) {
            return Err(reply);
        }
        if let Some(denied) = self.denied(&receiving.sender.path, &claims, account) {
            return Err(words::send_as_denied(&self.world.tenant.account(account).mailbox, &denied));
        }
        self.world.tenant.count(account, self.number, now).map_err(|reached| match reached {
            Reached::Connections => words::too_many_connections(),
            Reached::MessagesPerMinute => words::rate_exceeded(),
        })?;
        Ok(claims)
    }

    /// The first address that the mailbox may not send as, if there is one: of From, Sender and MAIL FROM.
    fn denied(&self, path: &ReversePath, claims: &Claims, account: AccountNumber) -> Option<String> {
        let tenant = &self.world.tenant;
        let mut header = claims.from.iter().chain(&claims.sender);
        if let Some(address) = header.clone().find(|address| !tenant.may_send_as(account, address)) {
            return Some(address.to_string());
        }
        if !tenant.may_send_from(account, path) {
            return Some(path.as_str().to_owned());
        }
        let mailbox = &tenant.account(account).mailbox;
        let planned = |address: &Mailbox| {
            self.world.faults.take(|fault| {
                let Fault::SendAsDenied(which) = fault else { return None };
                which.as_ref().map_or(address != mailbox, |alias| alias == address).then_some(())
            })
        };
        header.find(|address| planned(address).is_some()).map(ToString::to_string)
    }

    /// Takes the message; gives its id.
    fn keep(&self, receiving: Receiving, claims: Claims, login: &Login, now: Timestamp) -> String {
        let octets = receiving.size();
        let number = self.world.mailroom.counters.messages.load(std::sync::atomic::Ordering::Relaxed);
        let message_id = claims.message_id.unwrap_or_else(|| format!("<{}.{number}@{}>", self.session.id, words::BACK));
        tracing::debug!(connection = self.number, octets, ?message_id, "accepted");
        self.world.mailroom.take(octets, || self.received(receiving, message_id.clone(), login, now));
        message_id
    }

    fn received(&self, receiving: Receiving, message_id: String, login: &Login, now: Timestamp) -> Received {
        let (sender, recipients, octets) = receiving.into_parts();
        let session = SessionFacts {
            connection: self.number,
            id: self.session.id.clone(),
            peer: self.session.peer,
            helo: self.helo.clone().unwrap_or_default(),
            tls: match &self.channel {
                Channel::Tls(facts) => Some(facts.clone()),
                Channel::Plain { .. } => None,
            },
            mechanism: login.mechanism,
        };
        Received {
            at: now,
            mailbox: self.world.tenant.account(login.account).mailbox.clone(),
            envelope: Envelope { sender: sender.path, recipients, smtputf8: sender.smtputf8 },
            body: sender.body,
            declared_size: sender.size,
            content: Bytes::from(octets),
            message_id,
            session,
        }
    }
}
