//! AUTH: LOGIN with Microsoft's prompts and XOAUTH2, with or without initial response (RFC 4954).

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::simulator::World;
use crate::simulator::fault::Fault;
use crate::simulator::mailroom::{Mechanism, count};
use crate::simulator::tenant::AccountNumber;
use crate::simulator::words;
use crate::smtp::{Enhanced, Reply, sasl};

use super::{Channel, Conversation, Expecting, Flow, Transaction};

/// Which answer AUTH waits for.
#[derive(Debug)]
pub(super) enum Exchange {
    /// LOGIN: the name.
    Username,
    /// LOGIN: the password for this name.
    Password(String),
    /// XOAUTH2: name and token.
    Token,
    /// XOAUTH2: an empty line that takes note of the refusal.
    Acknowledgement,
}

/// A client that signed in. It counts as one of the mailbox's connections until it is dropped.
#[derive(Debug)]
pub(super) struct Login {
    world: Arc<World>,
    connection: u64,
    pub(super) account: AccountNumber,
    pub(super) mechanism: Mechanism,
}

impl Drop for Login {
    fn drop(&mut self) {
        self.world.tenant.leave(self.account, self.connection);
    }
}

/// What Gmail's second challenge says, in base64.
const CHALLENGE: &str = r#"{"status":"400","schemes":"Bearer","scope":"https://outlook.office.com/"}"#;

impl Conversation {
    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<Secret>, now: Timestamp) -> Flow {
        if self.helo.is_none() {
            return self.say(words::out_of_order("Send hello first"));
        }
        // RFC 4954 section 4: not twice, and not inside a transaction.
        if self.login.is_some() {
            return self.say(words::out_of_order("Already authenticated"));
        }
        if !matches!(self.transaction, Transaction::None) {
            return self.say(words::out_of_order("Sender already specified"));
        }
        let exchange = match (&self.channel, mechanism) {
            (Channel::Tls(_), "XOAUTH2") => Exchange::Token,
            (Channel::Tls(_), "LOGIN") => Exchange::Username,
            (Channel::Tls(_) | Channel::Plain { .. }, _) => {
                return self.scold(Reply::new(504, Enhanced(5, 7, 4), "Unrecognized authentication type"));
            }
        };
        match initial {
            // RFC 4954 section 4: a lone equals sign is an initial response of no length.
            Some(response) if response.reveal() == "=" => self.response(exchange, b"", now),
            Some(response) => self.response(exchange, response.reveal().as_bytes(), now),
            None => self.ask(exchange),
        }
    }

    fn ask(&mut self, exchange: Exchange) -> Flow {
        let prompt = match exchange {
            Exchange::Username => sasl::PROMPT_USERNAME.to_owned(),
            Exchange::Password(_) => sasl::PROMPT_PASSWORD.to_owned(),
            Exchange::Token => String::new(),
            Exchange::Acknowledgement => sasl::encode(CHALLENGE.as_bytes()),
        };
        self.expecting = Expecting::Response(exchange);
        self.say(Reply::plain(334, prompt))
    }

    /// Takes the answer to a 334, or an initial response.
    pub(super) fn response(&mut self, exchange: Exchange, line: &[u8], now: Timestamp) -> Flow {
        if line == b"*" {
            return self.scold(Reply::new(501, Enhanced(5, 7, 0), "Authentication cancelled"));
        }
        let Some(answer) = decode(line) else {
            return self.scold(Reply::new(501, Enhanced(5, 5, 2), "Cannot decode the response"));
        };
        match exchange {
            Exchange::Username => self.ask(Exchange::Password(String::from_utf8_lossy(&answer).into_owned())),
            Exchange::Password(user) => self.password(&user, &Secret::new(String::from_utf8_lossy(&answer)), now),
            Exchange::Token => self.token(line, now),
            Exchange::Acknowledgement => self.refuse(self.session.wrong_token(now)),
        }
    }

    fn password(&mut self, user: &str, password: &Secret, now: Timestamp) -> Flow {
        let (faults, session) = (&self.world.faults, &self.session);
        let planned = faults.take(|fault| session.auth_refusal(fault, now).or_else(|| session.password_refusal(fault, now)));
        if let Some(reply) = planned {
            return self.refuse(reply);
        }
        match self.world.tenant.check_password(user, password) {
            Some(account) => self.signed_in(account, Mechanism::Login),
            None => self.refuse(self.session.wrong_password(now)),
        }
    }

    fn token(&mut self, line: &[u8], now: Timestamp) -> Flow {
        let Ok(credentials) = sasl::decode_xoauth2(line) else {
            return self.scold(Reply::new(501, Enhanced(5, 5, 127), "Invalid XOAUTH2 auth data"));
        };
        if let Some(reply) = self.world.faults.take(|fault| self.session.auth_refusal(fault, now)) {
            return self.refuse(reply);
        }
        if self.world.faults.happens(&Fault::TokenChallenge) {
            return self.ask(Exchange::Acknowledgement);
        }
        if self.world.faults.happens(&Fault::TokenIdentity) {
            return self.refuse(self.session.wrong_token(now));
        }
        match self.world.tenant.check_token(&credentials.username, &credentials.password, now) {
            Some(account) => self.signed_in(account, Mechanism::Xoauth2),
            None => self.refuse(self.session.wrong_token(now)),
        }
    }

    fn refuse(&mut self, reply: Reply) -> Flow {
        count(&self.world.mailroom.counters.sign_ins_refused);
        tracing::info!(connection = self.number, %reply, "refused sign-in");
        if reply.code() == 535 {
            self.refused = Some(reply.clone());
        }
        self.scold(reply)
    }

    fn signed_in(&mut self, account: AccountNumber, mechanism: Mechanism) -> Flow {
        self.world.tenant.join(account, self.number);
        self.login = Some(Login { world: Arc::clone(&self.world), connection: self.number, account, mechanism });
        count(&self.world.mailroom.counters.sign_ins);
        tracing::debug!(connection = self.number, ?mechanism, "signed in");
        self.say(Reply::new(235, Enhanced(2, 7, 0), "Authentication successful"))?;
        ControlFlow::Continue(())
    }
}

/// Reads base64 with its padding and nothing else (RFC 4954 section 4).
fn decode(line: &[u8]) -> Option<Vec<u8>> {
    let text = sasl::decode(line).ok()?;
    (sasl::encode(&text).as_bytes() == line).then_some(text)
}
