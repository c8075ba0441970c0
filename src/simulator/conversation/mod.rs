//! The server's side of one conversation, without a socket: octets in, replies out.
//!
//! `server` reads and writes; `command` and `wire` read to the letter; `words` has the replies. Signing in is in
//! `sign_in`, messages are in `transaction`.
//!
//! Always true: nothing is sent before TLS and AUTH; every command is answered once, in order, so whole flights
//! of them (RFC 2920) need no care.

mod sign_in;
#[cfg(test)]
mod tests;
mod transaction;

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::BytesMut;

use crate::clock::Timestamp;
use crate::message::Mailbox;
use crate::smtp::{Enhanced, Reply};

use super::World;
use super::command::{self, Command, Mistake, Sender};
use super::content::Receiving;
use super::fault::{Fault, Stage};
use super::wire::{Line, LineReader};
use super::words::{self, Session};

use sign_in::{Exchange, Login};

/// Mistakes that are answered before the connection is closed, as Exchange does by default.
const MOST_MISTAKES: u8 = 5;

/// What the driver does next; the replies so far go out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read more.
    Read,
    /// Begin TLS, and tell with [`Conversation::secured`].
    StartTls,
    /// Close the connection in good order.
    Close,
    /// Lose the connection.
    Drop,
}

/// Whether the conversation goes on with what is there.
type Flow = ControlFlow<Next>;

/// What protects the connection.
#[derive(Clone, Debug)]
enum Channel {
    /// Nothing. `offered` when EHLO named STARTTLS.
    Plain { offered: bool },
    /// TLS: version and cipher suite.
    Tls(String),
}

/// What the next octets are.
#[derive(Debug)]
enum Expecting {
    Command,
    /// A line that answers a 334.
    Response(Exchange),
    Content(Box<Receiving>),
}

/// How much of an envelope there is.
#[derive(Debug)]
enum Transaction {
    None,
    Sender(Sender),
    /// At least one recipient.
    Recipients(Sender, Vec<Mailbox>),
}

/// One conversation.
#[derive(Debug)]
pub(super) struct Conversation {
    world: Arc<World>,
    /// The connection's number.
    number: u64,
    session: Session,
    channel: Channel,
    /// What the client called itself; nothing before EHLO, and again nothing behind STARTTLS.
    helo: Option<String>,
    login: Option<Login>,
    /// The last refusal of AUTH: MAIL repeats it.
    refused: Option<Reply>,
    transaction: Transaction,
    expecting: Expecting,
    lines: LineReader,
    mistakes: u8,
    out: Vec<u8>,
}

impl Conversation {
    /// A conversation that begins, and what comes first.
    pub(super) fn begin(world: Arc<World>, number: u64, peer: IpAddr, now: Timestamp) -> (Self, Next) {
        let mut conversation = Self {
            world,
            number,
            session: Session::new(number, peer, now),
            channel: Channel::Plain { offered: false },
            helo: None,
            login: None,
            refused: None,
            transaction: Transaction::None,
            expecting: Expecting::Command,
            lines: LineReader::default(),
            mistakes: 0,
            out: Vec::new(),
        };
        let next = match conversation.greet(now) {
            ControlFlow::Continue(()) => Next::Read,
            ControlFlow::Break(next) => next,
        };
        (conversation, next)
    }

    fn greet(&mut self, now: Timestamp) -> Flow {
        if let Some(flow) = self.intervene(Stage::Connect) {
            return flow;
        }
        if self.world.faults.happens(&Fault::Greeting) {
            return self.say(words::unavailable());
        }
        self.say(self.session.greeting(now))
    }

    /// Goes on with what is in `buffer`, as far as that goes.
    pub(super) fn advance(&mut self, buffer: &mut BytesMut, now: Timestamp) -> Next {
        loop {
            let flow = match std::mem::replace(&mut self.expecting, Expecting::Command) {
                Expecting::Content(receiving) => self.content(receiving, buffer, now),
                Expecting::Command => match self.lines.next(buffer) {
                    None => ControlFlow::Break(Next::Read),
                    Some(Line::TooLong) => self.scold(words::mistake(Mistake::TooLong)),
                    Some(Line::Whole(line)) => self.command(&line, now),
                },
                Expecting::Response(exchange) => match self.lines.next(buffer) {
                    None => {
                        self.expecting = Expecting::Response(exchange);
                        ControlFlow::Break(Next::Read)
                    }
                    Some(Line::TooLong) => self.scold(words::response_too_long()),
                    Some(Line::Whole(line)) => self.response(exchange, &line, now),
                },
            };
            if let ControlFlow::Break(next) = flow {
                if next == Next::StartTls {
                    // RFC 3207 section 4.2: what came in plain behind STARTTLS may be an attacker's.
                    buffer.clear();
                }
                return next;
            }
        }
    }

    /// Tells that TLS is there. What was known of the client is forgotten (RFC 3207 section 4.2).
    pub(super) fn secured(&mut self, facts: String) {
        self.channel = Channel::Tls(facts);
        self.helo = None;
        self.transaction = Transaction::None;
    }

    /// Tells that the client was silent for too long.
    pub(super) fn timed_out(&mut self) -> Next {
        words::timed_out().write_to(&mut self.out);
        Next::Close
    }

    /// Tells that the server stops.
    pub(super) fn stopped(&mut self) -> Next {
        words::unavailable().write_to(&mut self.out);
        Next::Close
    }

    /// Replies that are to be sent; to be cleared by whoever sent them.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Answers. 421 is the end of a connection (RFC 5321 section 3.8).
    fn say(&mut self, reply: Reply) -> Flow {
        reply.write_to(&mut self.out);
        if reply.code() == 421 { ControlFlow::Break(Next::Close) } else { ControlFlow::Continue(()) }
    }

    /// Answers a mistake; after some of them the connection is closed.
    fn scold(&mut self, reply: Reply) -> Flow {
        self.mistakes += 1;
        self.say(reply)?;
        if self.mistakes < MOST_MISTAKES { ControlFlow::Continue(()) } else { self.say(words::too_many_errors()) }
    }

    /// What a planned fault makes of this stage; `None` when nothing is planned.
    fn intervene(&mut self, stage: Stage) -> Option<Flow> {
        let planned = self.world.faults.take(|fault| {
            if let Fault::Reply(at, reply) = fault
                && *at == stage
            {
                return Some(Some(reply.clone()));
            }
            (*fault == Fault::Drop(stage)).then_some(None)
        })?;
        Some(match planned {
            Some(reply) if stage == Stage::Connect => {
                let _ = self.say(reply);
                ControlFlow::Break(Next::Close)
            }
            Some(reply) => self.say(reply),
            None => ControlFlow::Break(Next::Drop),
        })
    }

    fn command(&mut self, line: &[u8], now: Timestamp) -> Flow {
        let command = match command::parse(line) {
            Ok(command) => command,
            // An address may be any device's fault; the rest is the client's own.
            Err(mistake @ (Mistake::Sender | Mistake::Recipient)) => return self.say(words::mistake(mistake)),
            Err(mistake) => return self.scold(words::mistake(mistake)),
        };
        if let Some(flow) = stage_of(&command).and_then(|stage| self.intervene(stage)) {
            return flow;
        }
        match command {
            Command::Ehlo(name) => self.ehlo(name),
            Command::Helo(name) => self.hello(name),
            Command::StartTls => self.start_tls(),
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial, now),
            Command::Mail(sender) => self.mail(sender, now),
            Command::Rcpt(recipient) => self.rcpt(recipient),
            Command::Data => self.data(),
            Command::Bdat => self.bdat(),
            Command::Rset => self.reset(),
            Command::Noop => self.say(Reply::new(250, Enhanced(2, 0, 0), "OK")),
            Command::Vrfy => self.say(Reply::new(252, Enhanced(2, 1, 5), "Cannot VRFY user")),
            Command::Expn => self.say(Reply::new(502, Enhanced(5, 3, 3), "Command not implemented")),
            Command::Help => self.say(Reply::lines(
                214,
                vec!["This server supports the following commands:".into(), "HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH".into()],
            )),
            Command::Quit => {
                self.say(Reply::new(221, Enhanced(2, 0, 0), "Service closing transmission channel"))?;
                ControlFlow::Break(Next::Close)
            }
        }
    }

    fn ehlo(&mut self, name: String) -> Flow {
        self.helo = Some(name);
        self.transaction = Transaction::None;
        let missing = matches!(self.channel, Channel::Plain { .. }) && self.world.faults.happens(&Fault::StartTlsMissing);
        let fifth = match &mut self.channel {
            Channel::Tls(_) => Some("AUTH LOGIN XOAUTH2"),
            Channel::Plain { offered } => {
                *offered = !missing;
                offered.then_some("STARTTLS")
            }
        };
        self.say(self.session.extensions(fifth))
    }

    fn hello(&mut self, name: String) -> Flow {
        self.helo = Some(name);
        self.transaction = Transaction::None;
        self.say(self.session.hello())
    }

    fn start_tls(&mut self) -> Flow {
        match self.channel {
            Channel::Tls(_) => self.say(words::out_of_order("Only one STARTTLS command can be issued per session")),
            Channel::Plain { .. } if self.helo.is_none() => self.say(words::out_of_order("Send hello first")),
            Channel::Plain { offered: false } => self.scold(words::mistake(Mistake::Unrecognized)),
            Channel::Plain { offered: true } => {
                self.say(Reply::new(220, Enhanced(2, 0, 0), "SMTP server ready"))?;
                ControlFlow::Break(Next::StartTls)
            }
        }
    }
}

/// The stage at which a planned fault may meet this command.
fn stage_of(command: &Command) -> Option<Stage> {
    match command {
        Command::Ehlo(_) | Command::Helo(_) => Some(Stage::Ehlo),
        Command::StartTls => Some(Stage::StartTls),
        Command::Auth { .. } => Some(Stage::Auth),
        Command::Mail(_) => Some(Stage::Mail),
        Command::Rcpt(_) => Some(Stage::Rcpt),
        Command::Data => Some(Stage::Data),
        Command::Bdat | Command::Rset | Command::Noop | Command::Vrfy | Command::Expn | Command::Help | Command::Quit => None,
    }
}
