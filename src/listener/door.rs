//! What a listener's conversations share, and what each has of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::intake::Intake;
use crate::message::{Charset, Client};
use crate::smtp::LineReader;
use crate::sockets::Bound;
use crate::tasks::Group;

use super::Settings;
use super::admission::{Admission, Connections};
use super::connection::Connection;
use super::end::End;
use super::gateway::Watch;
use super::refusals::Refusals;

/// What all conversations of a listener share.
pub(super) struct Door {
    pub(super) settings: Settings,
    /// Where it listens.
    pub(super) bound: Bound,
    pub(super) intake: Intake,
    pub(super) connections: Connections,
    pub(super) refusals: Refusals,
    pub(super) watch: Mutex<Watch>,
    pub(super) group: Group,
}

impl Door {
    /// Tells the log, once, when all clients come from a container's gateway although `allow` names other networks.
    pub(super) fn watch_for_a_gateway(&self, client: Client) {
        let Some(address) = client.address() else { return };
        if self.watch.lock().unwrap_or_else(PoisonError::into_inner).saw(address) {
            tracing::warn!(
                %client, listener = self.settings.name.as_str(),
                remedy = "use the host's network (docker run --network host; Kubernetes: externalTrafficPolicy: Local), put a proxy in front \
                          and list it under `proxy`, or demand a login (auth: users)",
                "every client has the address of this container's gateway, so `allow` cannot tell devices apart"
            );
        }
    }

    /// Tells the log of a client that is not served, unless it just did.
    pub(super) fn log_refused_client(&self, client: Client, why: End) {
        let Some(suppressed) = self.refusals.tell(client, why, Instant::now()) else { return };
        let suppressed = (suppressed > 0).then_some(suppressed);
        tracing::warn!(%client, listener = self.settings.name.as_str(), reason = %why, remedy = why.remedy(client), suppressed, "refused client");
    }
}

/// A conversation with what it needs from the house.
pub(super) struct Talk {
    pub(super) door: Arc<Door>,
    pub(super) client: Client,
    /// What it writes when it does not say, as the configuration has it.
    pub(super) charset: Option<Charset>,
    pub(super) admission: Admission,
    pub(super) connection: Connection,
    pub(super) lines: LineReader,
    /// Commands that were refused.
    pub(super) refused: u32,
    /// What comes next is the beginning of a line, and may show that it is no text.
    pub(super) fresh: bool,
}
