//! Carries one conversation: lines to the session, replies to the socket.

use std::net::IpAddr;
use std::sync::Arc;

use crate::intake::Storage;
use crate::session::{Closing, Conditions, Farewell, Next, Session, Verifying};
use crate::smtp::{Line, LineReader};

use super::accept::Door;
use super::admission::Admission;
use super::connection::Connection;
use super::foreign::{self, First, Foreign};
use super::receive;

/// Octets of one line. RFC 4954 section 4 wants this many for AUTH; the longest command else has 512 (RFC 5321
/// section 4.5.3.1.4) and what extensions add.
const LINE_LIMIT: usize = 12_288;

/// How a conversation ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The client closed or broke the connection.
    Gone,
    /// We end it, and say why.
    Farewell(Farewell),
    /// The session ended it; its last reply is among what was said.
    Closing(Closing),
    /// The client does not speak SMTP.
    Foreign(Foreign),
}

/// A conversation with what it needs from the house.
pub(super) struct Talk {
    pub(super) door: Arc<Door>,
    pub(super) client: IpAddr,
    pub(super) connection: Connection,
    lines: LineReader,
    /// What comes next is the beginning of a line, and may show that it is no text.
    fresh: bool,
}

/// Serves one connection to its end.
pub(super) async fn run(door: Arc<Door>, connection: Connection, client: IpAddr, admission: Admission) {
    let (session, greeting) = Session::new(Arc::clone(&door.settings.policy));
    let mut talk = Talk { door, client, connection, lines: LineReader::new(LINE_LIMIT), fresh: true };
    talk.connection.say(&greeting);
    let end = talk.converse(session).await;
    talk.finish(end).await;
    drop(admission);
}

impl Talk {
    async fn converse(&mut self, mut session: Session) -> End {
        loop {
            let taken = match self.next_line().await {
                Ok(line) => {
                    let next = session.on_line(line, self.conditions());
                    self.act(next).await
                }
                Err(end) => Err(end),
            };
            session = match taken {
                Ok(session) => session,
                Err(end) => return end,
            };
        }
    }

    /// The next line. What was said is sent as soon as there is nothing more to answer.
    async fn next_line(&mut self) -> Result<Line, End> {
        loop {
            if let Some(line) = self.lines.next(&mut self.connection.input) {
                return Ok(line);
            }
            self.connection.flush().await;
            self.fresh |= self.connection.input.is_empty();
            self.connection.wait_for_commands(self.door.group.stopping()).await?;
            if self.fresh {
                match foreign::judge(&self.connection.input) {
                    First::Text => self.fresh = false,
                    First::Unclear => {}
                    First::Foreign(foreign) => return Err(End::Foreign(foreign)),
                }
            }
        }
    }

    fn conditions(&self) -> Conditions {
        match self.door.intake.storage() {
            Storage::Ready => Conditions::Ready,
            Storage::Full => Conditions::Full,
            Storage::Failing => Conditions::Failing,
        }
    }

    /// Does what the session asks for, until it is back at commands.
    async fn act(&mut self, mut next: Next) -> Result<Session, End> {
        loop {
            match next {
                Next::Reply(session, reply) => {
                    self.connection.say(&reply);
                    if self.connection.has_said_much() {
                        self.connection.flush().await;
                    }
                    return Ok(session);
                }
                Next::Receive(receiving, reply) => {
                    self.connection.say(&reply);
                    // In a box of its own, so that an idle conversation does not carry the room for it.
                    let session = Box::pin(receive::message(self, receiving)).await;
                    self.lines.restart();
                    return session;
                }
                Next::Verify(verifying) => next = self.verify(verifying).await?,
                Next::Close(reply, why) => {
                    self.connection.say(&reply);
                    return Err(End::Closing(why));
                }
            }
        }
    }

    /// Checks a password where it holds nobody up, a few at a time over all conversations.
    async fn verify(&mut self, verifying: Verifying) -> Result<Next, End> {
        self.connection.flush().await;
        let leave = self.door.connections.check().await;
        let next = tokio::task::spawn_blocking(move || verifying.verify()).await;
        drop(leave);
        next.map_err(|error| {
            tracing::error!(client = %self.client, listener = %self.door.settings.name, %error, "checking a login failed");
            End::Gone
        })
    }

    async fn finish(mut self, end: End) {
        let (client, listener) = (self.client, self.door.settings.name.as_str());
        match end {
            // Health checks end like this all day long.
            End::Gone => tracing::debug!(%client, listener, "client left"),
            End::Farewell(why) => {
                tracing::debug!(%client, listener, reason = ?why, "ended session");
                self.connection.say(&why.reply());
                self.connection.close().await;
            }
            End::Closing(Closing::Quit) => {
                tracing::debug!(%client, listener, "client quit");
                self.connection.flush().await;
                if !self.connection.input.is_empty() {
                    self.connection.close().await;
                }
            }
            End::Closing(why) => {
                tracing::warn!(%client, listener, reason = ?why, remedy = remedy(why), "refused client");
                self.connection.close().await;
            }
            End::Foreign(foreign) => {
                tracing::warn!(%client, listener, reason = ?foreign, remedy = foreign.remedy(), "refused client");
                self.connection.close().await;
            }
        }
    }
}

/// What to do about a session that ended itself, for the log.
fn remedy(why: Closing) -> &'static str {
    match why {
        Closing::Quit => "",
        Closing::Http => "a web client speaks to the mail port: look at what runs on that machine",
        Closing::Bdat => "the device sends in chunks although that is not offered: turn CHUNKING (BDAT) off on it",
        Closing::TooManyErrors => "what it sends is mostly no SMTP: compare its mail settings with those of this listener",
    }
}
