//! Leads the dialogues over a connection: writes what they say, reads what they wait for, decides nothing.

use std::time::Duration;

use super::classify::{self, Method};
use super::connection::{Connection, Written};
use super::content::{Content, Piece};
use super::dialogue::{Awaiting, Done, Flight, Next, Opening, Plan, Terms, Then, Turn};
use super::{Settings, TlsMode, Waits};
use crate::cause::{Cause, detail};
use crate::delivery::{Failure, NextStep, Outgoing, Stage};
use crate::smtp::Extensions;

/// How long the upstream may take to say why it interrupts, or to forget a transaction: nobody should wait for
/// that longer, the outcome is known.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A connection that is signed in, with what the upstream offers on it.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) connection: Connection,
    offers: Extensions,
    /// Messages that were tried on it.
    pub(super) messages: u32,
}

/// Dials and signs in.
pub(super) async fn open(settings: &Settings, terms: &Terms<'_>) -> Result<Signed, Failure> {
    let (host, waits) = (&settings.host, &settings.waits);
    let mut connection = Connection::dial(host, settings.port, waits.connect).await?;
    if settings.tls == TlsMode::Implicit {
        connection = connection.protect(host, &settings.trust, waits.reply).await?;
    }
    let mut opening = Opening::begin(settings.tls);
    loop {
        let reply = connection.reply(opening.stage(), waits.reply).await?;
        let (flight, next) = match opening.on_reply(&reply, terms) {
            Next::Say(flight, next) => (flight, next),
            Next::Handshake => {
                connection = connection.protect(host, &settings.trust, waits.reply).await?;
                Opening::encrypted(terms)
            }
            Next::Ready(offers) => return Ok(Signed { connection, offers, messages: 0 }),
            Next::Failed(failure) => {
                goodbye(connection, &failure).await;
                return Err(failure);
            }
        };
        say(&mut connection, &flight, next.stage(), waits).await?;
        opening = next;
    }
}

/// A server that refused us is told that we go; one that is gone, or that we do not trust, is not.
async fn goodbye(connection: Connection, failure: &Failure) {
    if failure.stage == Stage::Auth || failure.stage == Stage::Greeting {
        connection.quit().await;
    }
}

impl Signed {
    /// Sends one message. The connection may be used again as `Done::then` says.
    pub(super) async fn send(&mut self, outgoing: &Outgoing, content: Content, method: Method, waits: &Waits) -> Done {
        self.messages += 1;
        let (plan, flight, awaiting) = match Plan::begin(outgoing, &self.offers, method) {
            Ok(begun) => begun,
            Err(done) => return done,
        };
        let mut turn = Turn::Say(flight, awaiting);
        let mut content = Some(content);
        loop {
            let awaiting = match turn {
                Turn::Say(flight, awaiting) => match say(&mut self.connection, &flight, awaiting.stage(), waits).await {
                    Ok(()) => awaiting,
                    Err(failure) => return awaiting.lost(failure),
                },
                Turn::Listen(awaiting) => awaiting,
                Turn::Content(answers) => match self.write(content.take(), waits).await {
                    Ok(()) => Awaiting::Final(answers),
                    Err(failure) => return Awaiting::Data(answers).lost(failure),
                },
                Turn::Done(done) => return done,
            };
            let stage = awaiting.stage();
            let wait = if stage == Stage::FinalReply { waits.final_reply } else { waits.reply };
            turn = match self.connection.reply(stage, wait).await {
                Ok(reply) => awaiting.on_reply(&reply, &plan),
                Err(failure) => return awaiting.lost(in_doubt(failure)),
            };
        }
    }

    /// Writes header, body and the final dot.
    async fn write(&mut self, content: Option<Content>, waits: &Waits) -> Result<(), Failure> {
        let Some(content) = content else {
            return Err(classify::broken(Cause::Protocol, Stage::Data, "the upstream asked for the content twice"));
        };
        let mut piece = content.begin().await?;
        loop {
            piece = match piece {
                Piece::Part(writing) => match self.connection.write_content(writing.octets(), waits.reply).await {
                    Ok(Written::Whole) => writing.next().await?,
                    Ok(Written::Interrupted) => return Err(self.last_words(None).await),
                    Err(failure) => return Err(self.last_words(Some(failure)).await),
                },
                // Whoever spoke or went away before the final dot was sent has not taken the message.
                Piece::Last(_) if !self.connection.is_quiet().await => return Err(self.last_words(None).await),
                // From here on nobody can say whether the upstream has got the final dot.
                Piece::Last(octets) => {
                    tracing::debug!(octets = octets.len(), "sent content");
                    return self.connection.write(&octets, Stage::FinalReply, waits.reply).await.map_err(in_doubt);
                }
            }
        }
    }

    /// Why the upstream spoke, or went away, before the message was complete.
    async fn last_words(&mut self, failure: Option<Failure>) -> Failure {
        match (self.connection.reply(Stage::Data, LAST_WORDS).await, failure) {
            // The token and the connection were good a moment ago; whatever it is, it ends this connection.
            (Ok(reply), _) => {
                classify::failure(&reply, Stage::Data, Method::None).unwrap_or_else(|| classify::out_of_step(&reply, Stage::Data))
            }
            (Err(_), Some(failure)) => failure,
            (Err(failure), None) => failure,
        }
    }

    /// Puts the connection in order for its next message; whether that worked.
    pub(super) async fn reset(&mut self, then: Then, waits: &Waits) -> bool {
        match then {
            Then::Close => false,
            Then::Reuse => true,
            Then::Reset => {
                let flight = Flight::rset();
                say(&mut self.connection, &flight, Stage::Mail, waits).await.is_ok()
                    && self.connection.reply(Stage::Mail, LAST_WORDS).await.is_ok_and(|reply| reply.is_positive())
            }
        }
    }
}

async fn say(connection: &mut Connection, flight: &Flight, stage: Stage, waits: &Waits) -> Result<(), Failure> {
    tracing::debug!(command = %flight, "said");
    connection.write(flight.octets(), stage, waits.reply).await
}

/// Between the final dot and its reply a broken connection leaves open whether the message was taken.
fn in_doubt(failure: Failure) -> Failure {
    match failure.stage {
        Stage::FinalReply => Failure {
            cause: Cause::FinalReplyLost,
            next: NextStep::Retry,
            detail: detail(&format!("{} (after the whole message was sent: it may be sent twice)", failure.detail)),
            ..failure
        },
        Stage::Local
        | Stage::Resolve
        | Stage::Connect
        | Stage::Greeting
        | Stage::Tls
        | Stage::Token
        | Stage::Auth
        | Stage::Mail
        | Stage::Rcpt
        | Stage::Data => failure,
    }
}
