//! Takes connections, and turns away those that may not talk.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use crate::message::Client;
use crate::session::{Farewell, Way};
use crate::sockets::Socket;

use super::admission::allowed;
use super::connection::Connection;
use super::door::Door;
use super::end::End;
use super::proxy;
use super::serve::{self, Admitted};
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

/// What octets pass through that come by these ends, before any TLS.
fn way<const N: usize>(ends: [Client; N]) -> Way {
    let on_this_machine = |end: &Client| end.address().is_none_or(|address| address.is_loopback());
    if ends.iter().all(on_this_machine) { Way::Local } else { Way::Clear }
}

impl Door {
    /// A place for one more connection; `None` when we are stopping. While there is none, one device waits with us and
    /// further ones with the kernel, instead of being refused: most come back only after minutes, or never.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(place) = self.connections.try_place() {
            return Some(place);
        }
        if self.connections.tell_of_fullness(Instant::now()) {
            let limit = self.settings.limits.connections;
            let remedy = "if so many devices are connected: raise `limits.connections`; otherwise look which client holds them";
            tracing::warn!(listener = %self.settings.name, limit, remedy, "all connections are in use");
        }
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
        self.judge(stream, client, way([client]), place);
    }

    /// Admits a client if the listener serves it.
    fn judge(self: &Arc<Self>, stream: Stream, client: Client, way: Way, place: OwnedSemaphorePermit) {
        match allowed(&self.settings, &self.bound, client) {
            true => self.admit(stream, client, way, place),
            false => self.turn_away(stream, client, place, Farewell::NotAllowed),
        }
    }

    /// Hears from a proxy who its client is, and treats that client as if it had come by itself. The proxy needs no entry in
    /// `allow` when it comes on its own behalf, but a client that it cannot name is only as good as the proxy's own address.
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
                self.judge(stream, client, way([proxy, client]), place);
            }
            Ok(proxy::Source::Unnamed) => {
                tracing::debug!(%proxy, listener = %self.settings.name, "a proxy brought a client without an address");
                self.judge(stream, proxy, Way::Clear, place);
            }
            Ok(proxy::Source::Itself) => {
                tracing::debug!(%proxy, listener = %self.settings.name, "a proxy comes on its own behalf");
                self.admit(stream, proxy, way([proxy]), place);
            }
            // Checks of a port connect and leave.
            Err(proxy::Wrong::Nothing) => tracing::debug!(%proxy, listener = %self.settings.name, "a proxy left without a word"),
            // There is nothing to say to a client that may not have been meant to come here.
            Err(wrong) => self.log_refused_client(proxy, End::Proxy(wrong)),
        }
    }

    fn admit(self: &Arc<Self>, stream: Stream, client: Client, way: Way, place: OwnedSemaphorePermit) {
        match self.connections.admit(client, self.settings.limits.connections_per_client, place) {
            Ok(admission) => {
                let connection = Connection::new(stream, &self.settings.limits);
                let admitted = Admitted { door: Arc::clone(self), connection, client, way, admission };
                self.group.spawn(serve::run(Box::new(admitted)));
            }
            Err(place) => self.turn_away(stream, client, place, Farewell::TooManyConnections),
        }
    }

    /// Tells a client why it is not served, in clear also where TLS comes first: a handshake is for those who are. Its place is
    /// free at once, for those who may be served; when many are turned away at the same moment, some are not told.
    fn turn_away(&self, stream: Stream, client: Client, place: OwnedSemaphorePermit, why: Farewell) {
        drop(place);
        self.log_refused_client(client, End::Farewell(why));
        let Some(word) = self.connections.last_word() else { return };
        let mut connection = Connection::new(stream, &self.settings.limits);
        connection.say(&why.reply());
        self.group.spawn(async move {
            connection.close().await;
            drop(word);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_leaves_this_machine_is_local() {
        let client = |text: &str| text.parse::<Client>().unwrap();
        for (ends, want) in [
            (["127.0.0.1", "unix:uid=1000"], Way::Local),
            (["::1", "127.0.0.2"], Way::Local),
            // A proxy elsewhere may say what it likes.
            (["10.0.0.5", "127.0.0.1"], Way::Clear),
            (["127.0.0.1", "192.168.10.21"], Way::Clear),
        ] {
            assert_eq!(way(ends.map(client)), want, "{ends:?}");
        }
    }
}
