//! What to do about a failure, with the account's own values in it.

use std::collections::HashMap;
use std::sync::Arc;

use super::Failure;
use crate::cause::Values;
use crate::message::{AccountName, Mailbox};

/// Knows each account's own values, so that a remedy can be copied into a shell. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Advice(Arc<HashMap<AccountName, Values>>);

impl Advice {
    /// Advice for these accounts.
    pub fn new(accounts: HashMap<AccountName, Values>) -> Self {
        Self(Arc::new(accounts))
    }

    /// Whether the configuration has this account. An entry keeps the name that its account had when it was accepted.
    pub fn knows(&self, account: &AccountName) -> bool {
        self.0.contains_key(account)
    }

    /// What to do about a failure of `account`, a line each; commands stand on lines of their own. `from` is the address
    /// that was to be used, where that matters. Empty when there is nothing to do but wait.
    pub fn remedy(&self, account: &AccountName, from: Option<&Mailbox>, failure: &Failure) -> Vec<String> {
        let mut values = self.0.get(account).cloned().unwrap_or_default();
        values.from = from.map(Mailbox::to_string);
        values.detail = Some(failure.detail.clone());
        failure.cause.remedy(&values)
    }
}
