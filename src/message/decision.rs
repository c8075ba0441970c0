//! As whom a message goes out.

use std::fmt;
use std::sync::Arc;

use super::Mailbox;

/// The name of an account, as the configuration writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Arc<str>);

impl AccountName {
    /// An account's name. The configuration has checked its characters.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for AccountName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for AccountName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'_, str>::deserialize(deserializer).map(|name| Self::new(&name))
    }
}

/// The name shown beside the From address.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisplayName {
    /// The one the device wrote, if any.
    Original,
    /// This one, whatever the device wrote.
    Fixed(String),
}

/// What becomes of Reply-To.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyTo {
    /// The device's own Reply-To stays as it is; none is added. The default.
    Keep,
    /// Answers go where they would have gone without us: where the device's own Reply-To says, and without
    /// one to the device's From address, when that is an address.
    Original,
    /// There is no Reply-To.
    None,
    /// Answers go here.
    Address(Mailbox),
}

/// The address and name that a message goes out as.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// The From address, and the envelope's sender: the account's mailbox or one of its aliases.
    pub from: Mailbox,
    /// The name beside it.
    pub name: DisplayName,
    /// What becomes of Reply-To.
    pub reply_to: ReplyTo,
}

/// Which account hands a message over, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Decision {
    /// The account that signs in.
    pub account: AccountName,
    /// The identity it sends as.
    pub identity: Identity,
}
