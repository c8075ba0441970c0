//! Takes connections, and turns away those that may not talk.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::intake::Intake;
use crate::message::Client;
use crate::session::Farewell;
use crate::tasks::Group;

use super::Settings;
use super::admission::{Connections, allowed};
use super::connection::Connection;
use super::door::Door;
use super::end::End;
use super::refusals::Refusals;
use super::serve;
use super::socket::{Accepted, Socket};

/// How long to wait after a failed accept: with no descriptors left, trying at once would only burn a processor.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until the group is asked to stop.
pub(super) async fn run(socket: Socket, settings: Arc<Settings>, intake: Intake, connections: Connections, group: Group) {
    let door = Arc::new(Door { settings, intake, connections, refusals: Refusals::default(), group });
    while let Some(place) = door.free_place().await {
        let accepted = tokio::select! {
            biased;
            () = door.group.stopping() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => door.receive(accepted, place),
            Err(error) if is_the_clients(&error) => tracing::debug!(%error, "connection lost before it was taken"),
            Err(error) => {
                tracing::warn!(
                    listener = %door.settings.name, %error,
                    remedy = "when too many files are open: raise the limit (`LimitNOFILE`, `ulimit -n`) or lower the limit of connections",
                    "cannot take a connection"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Errors that accept(2) reports although they concern one connection only.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

impl Door {
    /// A place for one more connection; `None` when we are stopping. While there is none, new devices wait with the
    /// kernel instead of being refused: most come back only after minutes, or never.
    async fn free_place(&self) -> Option<OwnedSemaphorePermit> {
        if self.group.is_stopping() {
            return None;
        }
        if let Some(place) = self.connections.try_place() {
            return Some(place);
        }
        tracing::warn!(listener = %self.settings.name, limit = self.settings.limits.connections, "all connections are in use");
        tokio::select! {
            biased;
            () = self.group.stopping() => None,
            place = self.connections.place() => place,
        }
    }

    fn receive(self: &Arc<Self>, accepted: Accepted, place: OwnedSemaphorePermit) {
        let Accepted { stream, client } = accepted;
        let connection = Connection::new(stream, &self.settings.limits);
        if !allowed(&self.settings, client) {
            return self.turn_away(connection, client, place, Farewell::NotAllowed);
        }
        match self.connections.admit(client, self.settings.limits.connections_per_client, place) {
            Ok(admission) => self.group.spawn(serve::run(Arc::clone(self), connection, client, admission)),
            Err(place) => self.turn_away(connection, client, place, Farewell::TooManyConnections),
        }
    }

    /// Tells a client why it is not served. It keeps its place as long as that takes.
    fn turn_away(&self, mut connection: Connection, client: Client, place: OwnedSemaphorePermit, why: Farewell) {
        self.log_refused_client(client, End::Farewell(why));
        connection.say(&why.reply());
        self.group.spawn(async move {
            connection.close().await;
            drop(place);
        });
    }
}
