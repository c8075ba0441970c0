//! Takes connections, and turns away those that may not talk.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::message::Client;
use crate::session::Farewell;
use crate::sockets::Socket;

use super::admission::allowed;
use super::connection::Connection;
use super::door::Door;
use super::end::End;
use super::proxy;
use super::serve;
use super::socket::{Accepted, accept};
use super::stream::Stream;

/// How long to wait after a failed accept: with no descriptors left, trying at once would only burn a processor.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until the group is asked to stop.
pub(super) async fn run(socket: Socket, door: Arc<Door>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = door.group.stopping() => return,
            accepted = accept(&socket) => accepted,
        };
        match accepted {
            // Only then: a place that waited here for a device would be missing at another listener.
            Ok(accepted) => match door.place().await {
                Some(place) => door.receive(accepted, place),
                None => return,
            },
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
    /// A place for one more connection; `None` when we are stopping. While there is none, one device waits with us and
    /// further ones with the kernel, instead of being refused: most come back only after minutes, or never.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
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
        let by_proxy = client.address().is_some_and(|peer| self.settings.proxy.iter().any(|network| network.contains(&peer)));
        if by_proxy {
            self.group.spawn(Arc::clone(self).receive_from_proxy(stream, client, place));
            return;
        }
        self.watch_for_a_gateway(client);
        if allowed(&self.settings, &self.bound, client) {
            self.admit(stream, client, place);
        } else {
            self.turn_away(stream, client, place, Farewell::NotAllowed);
        }
    }

    /// Hears from a proxy who its client is, and treats that client as if it had come by itself. The proxy needs no entry in
    /// `allow`; when it comes on its own behalf, it is served.
    async fn receive_from_proxy(self: Arc<Self>, mut stream: Stream, proxy: Client, place: OwnedSemaphorePermit) {
        let heard = tokio::select! {
            biased;
            () = self.group.stopping() => return,
            heard = proxy::hear(&mut stream) => heard,
        };
        match heard {
            Ok(proxy::Source::Client(address)) => {
                let client = Client::from(address);
                tracing::debug!(%client, %proxy, listener = %self.settings.name, "a proxy brought a client");
                match allowed(&self.settings, &self.bound, client) {
                    true => self.admit(stream, client, place),
                    false => self.turn_away(stream, client, place, Farewell::NotAllowed),
                }
            }
            Ok(proxy::Source::Itself) => {
                tracing::debug!(%proxy, listener = %self.settings.name, "a proxy comes on its own behalf");
                self.admit(stream, proxy, place);
            }
            // Checks of a port connect and leave.
            Err(proxy::Wrong::Nothing) => tracing::debug!(%proxy, listener = %self.settings.name, "a proxy left without a word"),
            // There is nothing to say to a client that may not have been meant to come here.
            Err(wrong) => self.log_refused_client(proxy, End::Proxy(wrong)),
        }
    }

    fn admit(self: &Arc<Self>, stream: Stream, client: Client, place: OwnedSemaphorePermit) {
        match self.connections.admit(client, self.settings.limits.connections_per_client, place) {
            Ok(admission) => {
                let connection = Connection::new(stream, &self.settings.limits);
                self.group.spawn(serve::run(Arc::clone(self), connection, client, admission));
            }
            Err(place) => self.turn_away(stream, client, place, Farewell::TooManyConnections),
        }
    }

    /// Tells a client why it is not served, in clear also where TLS comes first: a handshake is for those who are. It keeps its
    /// place as long as that takes.
    fn turn_away(&self, stream: Stream, client: Client, place: OwnedSemaphorePermit, why: Farewell) {
        self.log_refused_client(client, End::Farewell(why));
        let mut connection = Connection::new(stream, &self.settings.limits);
        connection.say(&why.reply());
        self.group.spawn(async move {
            connection.close().await;
            drop(place);
        });
    }
}
