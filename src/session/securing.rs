//! STARTTLS (RFC 3207): between its 220 and the end of the handshake.

use super::conversation::Conversation;
use super::{Auth, Next, Session, State, Transaction, Way, replies};

/// A session that waits for TLS.
#[derive(Debug)]
pub struct Securing {
    conversation: Conversation,
}

impl Conversation {
    /// Whether STARTTLS would be taken now.
    pub(super) fn offers_starttls(&self) -> bool {
        self.policy.starttls && self.quirks.starttls && self.way != Way::Tls
    }

    /// Whether a password may travel now. RFC 4954 section 4 wants no plain passwords without TLS, and LOGIN and PLAIN are
    /// nothing else. Here that holds for passwords that we check, where TLS can be had: a device that cannot do it is helped by
    /// its quirk, and on the way within this machine nobody listens. What `accept-any` is told is no secret of ours, and
    /// devices that must log in often know no TLS.
    pub(super) fn takes_logins(&self) -> bool {
        match self.policy.auth {
            Auth::None => false,
            Auth::AcceptAny => true,
            Auth::Users(_) => self.way == Way::Local || !self.offers_starttls(),
        }
    }

    pub(super) fn start_tls(self, transaction: Transaction) -> Next {
        if self.way == Way::Tls {
            return self.complain(transaction, replies::tls_already());
        }
        if !self.offers_starttls() {
            return self.complain(transaction, replies::no_starttls());
        }
        Next::StartTls(Securing { conversation: self }, replies::start_tls())
    }
}

impl Securing {
    /// The handshake is done, and the conversation begins anew: what was said before it, anybody on the way could have said
    /// (RFC 3207 section 4.2). Only errors and failed logins stay counted.
    pub fn secured(self) -> Session {
        Session { conversation: self.conversation.begun_anew(Way::Tls), state: State::Listening(Transaction::None) }
    }
}
