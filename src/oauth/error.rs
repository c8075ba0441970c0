//! Why there is no token.

use std::sync::Arc;
use std::time::Duration;

/// Why there is no token. Cheap to clone: all who wait for one request get its error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The endpoint said no, and would again (RFC 6749 section 5.2).
    #[error("the token endpoint refused: {error}: {description}")]
    Refused {
        /// The error's name, as in `invalid_client`; escaped.
        error: String,
        /// The error in words, escaped, on one line.
        description: String,
        /// Microsoft's numbers (AADSTS) for it.
        codes: Vec<u32>,
        /// What Microsoft's support asks for.
        trace_id: Option<String>,
        /// What Microsoft's support asks for.
        correlation_id: Option<String>,
    },
    /// The endpoint wants a pause, or has trouble of its own.
    #[error("the token endpoint is busy: {reason}")]
    Throttled {
        /// How long to wait, if it said so.
        retry_after: Option<Duration>,
        /// What it said: a status, or an error in words, escaped.
        reason: String,
    },
    /// The endpoint could not be reached.
    #[error("cannot reach the token endpoint {endpoint}")]
    Unreachable {
        /// Host and port, or the text that is no address.
        endpoint: String,
        /// Why.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// What came back is neither a token nor an error of OAuth.
    #[error("the token endpoint answered {what}")]
    Malformed {
        /// What it was, without any of its text: there may be a token in it.
        what: String,
    },
}
