//! The server side of one SMTP conversation, without a socket.
//!
//! Lines go in, [`Next`]s come out; `listener` does the reading and writing.
//! Invariants:
//! - A state holds exactly what the client has established so far.
//! - The only way to say 250 to a message is [`Receiving::queued`], and it takes a receipt.

use std::collections::HashMap;
use std::sync::Arc;

/// What a listener offers and allows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How we greet.
    pub hostname: String,
    /// The largest message in octets, after line-end repair.
    pub message_size: u64,
    /// Recipients of one message.
    pub recipients: usize,
    /// Errors in one conversation before it is ended.
    pub errors: u32,
    /// Who must sign in.
    pub auth: Auth,
}

/// Whether devices sign in.
#[derive(Clone, Debug)]
pub enum Auth {
    /// AUTH is not offered.
    None,
    /// AUTH is offered and every name and password is taken: for devices that cannot leave them out.
    AcceptAny,
    /// Only after a login: names with password hashes in PHC form (argon2, bcrypt).
    Users(Arc<HashMap<String, String>>),
}
