//! Carries one conversation: lines to the session, replies to the socket.

use std::sync::Arc;
use std::time::Duration;

use crate::intake::Storage;
use crate::message::Client;
use crate::session::{Checked, Closing, Conditions, Farewell, Next, Securing, Session, Verifying, Way};
use crate::smtp::{Line, LineReader, Reply};

use super::Tls;
use super::admission::Admission;
use super::connection::Connection;
use super::door::{Door, Talk};
use super::end::End;
use super::foreign::{self, First, Foreign};
use super::handshake::{Begin, Unsecured};
use super::receive;

/// Octets of one line. RFC 4954 section 4 wants this many for AUTH; the longest command else has 512 (RFC 5321
/// section 4.5.3.1.4) and what extensions add.
const LINE_LIMIT: usize = 12_288;
/// Refused commands of one conversation that the log tells of, before it says that there are more: not all of them count
/// as errors, which would end the conversation.
const REFUSALS_LOGGED: u32 = 5;
/// The pause before a failed login is answered for the first time; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer: devices give up on a server that is silent for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A connection of a client that was admitted. In a box wherever it goes: a future keeps room for each place that a value
/// moves through, and idle connections are many.
pub(super) struct Admitted {
    pub(super) door: Arc<Door>,
    pub(super) connection: Connection,
    pub(super) client: Client,
    /// How its octets come here.
    pub(super) way: Way,
    pub(super) admission: Admission,
}

/// Serves one connection to its end.
pub(super) async fn run(mut admitted: Box<Admitted>) {
    if matches!(admitted.door.settings.tls, Tls::Implicit(_)) {
        // In a box of its own, as everything that an idle conversation in clear does not need.
        admitted = match Box::pin(admitted.secure()).await {
            Ok(admitted) => admitted,
            Err(unsecured) => return Box::pin(unsecured.close()).await,
        };
    }
    let (talk, session) = admitted.greet();
    talk.serve(session).await;
}

impl Admitted {
    /// The same client, over TLS from the start.
    async fn secure(mut self: Box<Self>) -> Result<Box<Self>, Unsecured> {
        if let Tls::Implicit(certificate) = &self.door.settings.tls {
            self.connection = self.door.secure(self.connection, self.client, Begin::AtOnce, certificate).await?;
            self.way = Way::Tls;
        }
        Ok(self)
    }

    fn greet(self: Box<Self>) -> (Box<Talk>, Session) {
        let Self { door, connection, client, way, admission } = *self;
        let entry = door.settings.clients.of(client);
        let network = entry.map(|entry| tracing::field::display(entry.network));
        tracing::debug!(%client, listener = door.settings.name, entry = network, "connected");
        let charset = entry.and_then(|entry| entry.charset);
        let quirks = entry.map(|entry| entry.quirks).unwrap_or_default();
        let (session, greeting) = Session::new(Arc::clone(&door.settings.policy), quirks, way);
        let lines = LineReader::new(LINE_LIMIT);
        let mut talk = Talk { door, client, charset, admission, connection, lines, refused: 0, fresh: true };
        talk.connection.say(&greeting);
        (Box::new(talk), session)
    }
}

/// How long a client waits for the answer when so many logins have failed.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST_PAUSE)
}

/// Why a conversation does not go on as it was.
enum Break {
    /// It is over.
    End(End),
    /// It begins anew when TLS has begun.
    StartTls(Box<Securing>),
}

impl From<End> for Break {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl Talk {
    async fn serve(mut self: Box<Self>, mut session: Session) {
        loop {
            let securing = match self.converse(session).await {
                Break::End(end) => return Box::pin(self.finish(end)).await,
                Break::StartTls(securing) => securing,
            };
            self = match Box::pin(self.secure()).await {
                Ok(talk) => talk,
                Err(unsecured) => return Box::pin(unsecured.close()).await,
            };
            session = securing.secured();
        }
    }

    /// The same client, over TLS.
    async fn secure(mut self: Box<Self>) -> Result<Box<Self>, Unsecured> {
        let certificate = match &self.door.settings.tls {
            Tls::StartTls(certificate) => certificate,
            // A session offers STARTTLS only where there is a certificate for it.
            Tls::None | Tls::Implicit(_) => return Err(Unsecured::lost(End::Gone)),
        };
        self.connection = self.door.secure(self.connection, self.client, Begin::BehindStartTls, certificate).await?;
        self.lines = LineReader::new(LINE_LIMIT);
        self.fresh = true;
        Ok(self)
    }

    async fn converse(&mut self, mut session: Session) -> Break {
        loop {
            let taken = match self.next_line().await {
                Ok(line) => {
                    let next = session.on_line(line, self.conditions());
                    self.act(next).await
                }
                Err(end) => Err(end.into()),
            };
            session = match taken {
                Ok(session) => session,
                Err(over) => return over,
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
                    First::Foreign(Foreign::Tls) if matches!(self.door.settings.tls, Tls::StartTls(_)) => {
                        return Err(End::Foreign(Foreign::EarlyTls));
                    }
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
    async fn act(&mut self, mut next: Next) -> Result<Session, Break> {
        loop {
            match next {
                Next::Reply(session, reply) => {
                    self.note(&reply);
                    self.connection.say(&reply);
                    if self.connection.has_said_much() {
                        self.connection.flush().await;
                    }
                    return Ok(session);
                }
                Next::Receive(receiving, reply) => {
                    self.connection.say(&reply);
                    let session = Box::pin(receive::message(self, receiving)).await;
                    self.lines.restart();
                    return Ok(session?);
                }
                Next::Verify(verifying) => next = Box::pin(self.verify(verifying)).await?,
                Next::StartTls(securing, reply) => {
                    self.forget_what_came_in_clear();
                    self.connection.say(&reply);
                    self.connection.flush().await;
                    return Err(Break::StartTls(Box::new(securing)));
                }
                Next::Close(reply, why) => {
                    self.connection.say(&reply);
                    return Err(End::Closing(why).into());
                }
            }
        }
    }

    /// What stands behind STARTTLS in clear may be somebody else's, who wants it to be taken for what comes over TLS
    /// (CVE-2011-0411).
    fn forget_what_came_in_clear(&mut self) {
        let octets = self.connection.input.len();
        if octets > 0 {
            tracing::info!(client = %self.client, listener = self.door.settings.name, octets, "discarded what was sent in clear behind STARTTLS");
            self.connection.input.clear();
        }
    }

    /// Leaves a trace of a command that was refused: often all that a person has to find out what a device does wrong.
    fn note(&mut self, reply: &Reply) {
        if !reply.is_transient() && !reply.is_permanent() {
            return;
        }
        let (client, listener) = (self.client, &self.door.settings.name);
        self.refused = self.refused.saturating_add(1);
        if self.refused > REFUSALS_LOGGED {
            if self.refused == REFUSALS_LOGGED + 1 {
                tracing::info!(%client, %listener, "further refused commands are not logged");
            }
            return;
        }
        let remedy = match self.door.intake.storage() {
            Storage::Full => Some("make room in data_dir, or lower spool: reserve"),
            Storage::Failing => Some("look for the last error of the spool in this log"),
            Storage::Ready => None,
        };
        match remedy {
            Some(remedy) if reply.is_transient() => tracing::warn!(%client, %listener, %reply, remedy, "refused command"),
            Some(_) | None => tracing::info!(%client, %listener, %reply, "refused command"),
        }
    }

    /// Checks a password where it holds nobody up, a few at a time over all conversations.
    async fn verify(&mut self, verifying: Verifying) -> Result<Next, End> {
        self.connection.flush().await;
        let leave = self.unless_stopping(self.admission.leave_to_check()).await?;
        match tokio::task::spawn_blocking(move || leave.check(verifying)).await {
            Ok(Checked::Right(next)) => Ok(next),
            Ok(Checked::Wrong { next, failures }) => {
                // Before the answer: after it, a client would only have to connect again.
                self.unless_stopping(tokio::time::sleep(pause(failures))).await?;
                Ok(next)
            }
            Err(error) => {
                tracing::error!(client = %self.client, listener = %self.door.settings.name, %error, "checking a login failed");
                Err(End::Gone)
            }
        }
    }

    /// Waits, unless the relay is stopping.
    async fn unless_stopping<T>(&self, wait: impl Future<Output = T>) -> Result<T, End> {
        tokio::select! {
            biased;
            () = self.door.group.stopping() => Err(End::Farewell(Farewell::Stopping)),
            waited = wait => Ok(waited),
        }
    }

    async fn finish(mut self: Box<Self>, end: End) {
        let (client, listener) = (self.client, self.door.settings.name.as_str());
        match end {
            // Health checks end like this all day long.
            End::Gone | End::Closing(Closing::Quit) | End::Farewell(_) => {
                tracing::debug!(%client, listener, reason = %end, "ended session")
            }
            End::Closing(_) | End::Foreign(_) | End::Handshake(_) | End::Proxy(_) => self.door.log_refused_client(client, end),
        }
        if let End::Farewell(why) = end {
            self.connection.say(&why.reply());
        }
        match end {
            End::Gone => {}
            // The usual end: nothing that could be lost, so one system call less. TLS has an end of its own.
            End::Closing(Closing::Quit) if self.connection.input.is_empty() && self.connection.tls().is_none() => {
                self.connection.flush().await
            }
            End::Closing(_) | End::Farewell(_) | End::Foreign(_) | End::Handshake(_) | End::Proxy(_) => self.connection.close().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room<A, F>(_: fn(A) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle connections are ten thousand of these.
    #[test]
    fn a_conversation_takes_little_room() {
        assert!(room(run) <= 2048, "{} octets", room(run));
    }

    #[test]
    fn pauses_grow_to_their_limit() {
        assert_eq!([1, 2, 3, 4, 5, 6, u32::MAX].map(|failures| pause(failures).as_secs()), [1, 2, 4, 8, 10, 10, 10]);
    }
}
