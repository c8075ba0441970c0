//! Asking for a token: the `oauth2` crate, behind our own types.
//!
//! The crate builds the request and reads the answer. Nothing of it is seen outside this folder, so that
//! it can be replaced, and so that the other grants need no second way in.

use std::fmt;
use std::sync::Arc;

use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenResponse};
use oauth2::{AuthType, ClientId, ClientSecret, RequestTokenError, Scope, StandardRevocableToken, TokenResponse as _, TokenUrl};

use super::http::{Endpoint, HttpError};
use super::{Grant, Granted, Settings, TokenError};
use crate::cause::{codes_in, detail};
use crate::secret::Secret;

/// AADSTS numbers that mean trouble of the endpoint's own, or too many requests: 90055, 50033, 90033, 50196.
const PASSING: [u32; 4] = [90_055, 50_033, 90_033, 50_196];

type Client =
    oauth2::Client<Refusal, BasicTokenResponse, BasicTokenIntrospectionResponse, StandardRevocableToken, BasicRevocationErrorResponse>;

/// The endpoint's error: RFC 6749 section 5.2 and what Microsoft adds.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.error)
    }
}

impl oauth2::ErrorResponse for Refusal {}

/// Asks for a token, once.
pub(super) async fn request(settings: &Settings) -> Result<Granted, TokenError> {
    let Grant::ClientCredentials { client_id, client_secret } = &settings.grant;
    let url = TokenUrl::new(settings.token_url.clone()).map_err(|error| unreachable(&settings.token_url, error))?;
    let endpoint = Endpoint::new(Arc::clone(&settings.tls));
    let answer = Client::new(ClientId::new(client_id.clone()))
        .set_client_secret(ClientSecret::new(client_secret.reveal().to_owned()))
        // Microsoft's documents send the secret in the body; Google takes it there, too.
        .set_auth_type(AuthType::RequestBody)
        .set_token_uri(url)
        .exchange_client_credentials()
        .add_scope(Scope::new(settings.scope.clone()))
        .request_async(&endpoint)
        .await;
    let answer = answer.map_err(|error| understood(error, &settings.token_url, client_secret))?;
    let token = Secret::new(answer.access_token().secret().as_str());
    // It goes into a SASL message whose parts are divided by control characters.
    if token.is_empty() || !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Malformed { what: "with a token that cannot be one".into() });
    }
    Ok(Granted { token, life: answer.expires_in() })
}

fn understood(error: RequestTokenError<HttpError, Refusal>, url: &str, secret: &Secret) -> TokenError {
    match error {
        RequestTokenError::ServerResponse(refusal) => refused(refusal, secret),
        RequestTokenError::Request(HttpError::Busy { status, retry_after }) => {
            TokenError::Throttled { retry_after, reason: format!("HTTP {status}") }
        }
        RequestTokenError::Request(error @ (HttpError::TooLarge | HttpError::Redirect(_))) => {
            TokenError::Malformed { what: format!("with {error}") }
        }
        RequestTokenError::Request(error) => unreachable(url, error),
        // The parser's words may quote the answer, and the answer may hold a token.
        RequestTokenError::Parse(_, answer) => {
            TokenError::Malformed { what: format!("with {} octets that are no JSON of OAuth", answer.len()) }
        }
        RequestTokenError::Other(what) => TokenError::Malformed { what: shown(&what, secret) },
    }
}

fn refused(refusal: Refusal, secret: &Secret) -> TokenError {
    let mut codes = refusal.error_codes;
    if codes.is_empty() {
        codes = codes_in(&refusal.error_description);
    }
    let (error, mut description) = (shown(&refusal.error, secret), shown(&refusal.error_description, secret));
    if codes.iter().any(|code| PASSING.contains(code)) {
        return TokenError::Throttled { retry_after: None, reason: format!("{error}: {description}") };
    }
    // Where the words leave the number out, it is added: what to do is looked up by it.
    for code in codes.iter().filter(|code| !codes_in(&refusal.error_description).contains(code)) {
        description.push_str(&format!(" (AADSTS{code})"));
    }
    let short = |id: Option<String>| id.map(|id| shown(&id, secret));
    TokenError::Refused { error, description, codes, trace_id: short(refusal.trace_id), correlation_id: short(refusal.correlation_id) }
}

/// Text of the endpoint as a detail, without the secret should it be echoed.
fn shown(text: &str, secret: &Secret) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if secret.is_empty() { detail(&one_line) } else { detail(&one_line.replace(secret.reveal(), "[redacted]")) }
}

fn unreachable(url: &str, error: impl std::error::Error + Send + Sync + 'static) -> TokenError {
    TokenError::Unreachable { endpoint: host_of(url), source: Arc::new(error) }
}

/// Host and port of a URL; all of it, escaped, when it has none.
fn host_of(url: &str) -> String {
    match url.parse::<hyper::Uri>() {
        Ok(uri) => uri.authority().map_or_else(|| detail(url), |authority| authority.to_string()),
        Err(_) => detail(url),
    }
}
