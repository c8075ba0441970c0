//! How many messages were accepted, and what had to be mended in them, by the device that sent them.
//!
//! Always true: however many clients there are, what is remembered has a limit.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::message::{Client, Counted, Repair, Repairs};

/// Clients that are told apart ([`Client::counted`]), in at most some 2 MB with all that can be wrong with what each of them sends;
/// those that come later are counted together.
const CLIENTS: usize = 500;

/// Counts since the start. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    accepted: Family<Sent, Counter>,
    repairs: Family<Mended, Counter>,
    known: Arc<Mutex<HashSet<Counted>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sent {
    client: Sender,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Mended {
    client: Sender,
    repair: Kind,
}

/// A client as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sender {
    Known(Counted),
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind(Repair);

impl EncodeLabelValue for Sender {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self {
            Self::Known(client) => client.to_string().encode(encoder),
            Self::Other => "other".encode(encoder),
        }
    }
}

impl EncodeLabelValue for Kind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.name().encode(encoder)
    }
}

impl Counts {
    /// Has `registry` show them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("messages_accepted", "Messages that were answered with 250", self.accepted.clone());
        registry.register("message_repairs", "Messages in which something had to be mended, by what it was", self.repairs.clone());
    }

    /// Counts an accepted message.
    pub(super) fn count(&self, client: Client, repairs: &Repairs) {
        let client = self.sender(client);
        self.accepted.get_or_create(&Sent { client }).inc();
        for repair in repairs.iter() {
            self.repairs.get_or_create(&Mended { client, repair: Kind(repair) }).inc();
        }
    }

    fn sender(&self, client: Client) -> Sender {
        let client = client.counted();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&client) || (known.len() < CLIENTS && known.insert(client)) { Sender::Known(client) } else { Sender::Other }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn shown(counts: &Counts) -> String {
        let (mut registry, mut text) = (Registry::with_prefix("mailferry"), String::new());
        counts.register(&mut registry);
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn each_device_is_counted_with_what_is_wrong_with_its_mail() {
        let counts = Counts::default();
        let copier = Client::Address(IpAddr::from([192, 168, 10, 21]));
        counts.count(copier, &[Repair::NoDate, Repair::BareLf].into_iter().collect());
        counts.count(copier, &[Repair::NoDate].into_iter().collect());
        counts.count("unix:uid=33,pid=7".parse().unwrap(), &Repairs::none());
        counts.count("unix:uid=33,pid=8".parse().unwrap(), &Repairs::none());
        counts.count("2001:db8::1".parse().unwrap(), &Repairs::none());
        counts.count("2001:db8::2".parse().unwrap(), &Repairs::none());
        let text = shown(&counts);
        for line in [
            r#"mailferry_messages_accepted_total{client="192.168.10.21"} 2"#,
            r#"mailferry_messages_accepted_total{client="unix:uid=33"} 2"#,
            r#"mailferry_messages_accepted_total{client="2001:db8::/64"} 2"#,
            r#"mailferry_message_repairs_total{client="192.168.10.21",repair="no-date"} 2"#,
            r#"mailferry_message_repairs_total{client="192.168.10.21",repair="bare-lf"} 1"#,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_flood_of_clients_is_counted_together() {
        let counts = Counts::default();
        for number in 0..10_000_u32 {
            counts.count(Client::Address(IpAddr::V4(number.into())), &Repairs::none());
        }
        let text = shown(&counts);
        assert!(text.contains(r#"{client="other"} 9500"#), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("mailferry_messages_accepted_total")).count(), CLIENTS + 1);
    }
}
