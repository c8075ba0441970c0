//! The answers of the token endpoint, without a socket: client credentials (RFC 6749 section 4.4) as Entra ID
//! speaks them, errors included.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::smtp::sasl;

use super::fault::Fault;
use super::faults::Faults;
use super::tenant::Tenant;

/// Seconds that a token is good for; Entra gives 60 to 90 minutes.
const LIFE: u64 = 3_599;
/// The only scope that an application may ask for here.
const SCOPE: &str = "https://outlook.office365.com/.default";

/// What a client asks.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// The Authorization field.
    pub(super) authorization: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A status and a body.
    Http {
        status: u16,
        /// Retry-After, in seconds.
        retry_after: Option<u64>,
        content_type: &'static str,
        body: String,
    },
    /// Nothing, ever.
    Silence,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self::Http { status, retry_after: None, content_type: "application/json; charset=utf-8", body: body.to_string() }
    }
}

/// An error as Entra words it.
struct Aadsts {
    number: u32,
    status: u16,
    error: &'static str,
    text: Cow<'static, str>,
}

impl Aadsts {
    fn new(number: u32, status: u16, error: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { number, status, error, text: text.into() }
    }

    fn answer(&self, now: Timestamp) -> Answer {
        let (trace, correlation) = (guid(now, 1), guid(now, 2));
        let seconds = Timestamp::from_millis(now.as_secs() * 1000).to_string().replace('T', " ").replace(".000Z", "Z");
        let number = self.number;
        let text = format!("AADSTS{number}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {seconds}", self.text);
        let body = json!({
            "error": self.error,
            "error_description": text,
            "error_codes": [number],
            "timestamp": seconds,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
        });
        Answer::json(self.status, &body)
    }
}

/// Something of the shape of a GUID that differs from one answer to the next.
fn guid(now: Timestamp, kind: u64) -> String {
    let mixed = (now.as_millis().unsigned_abs() ^ (kind << 60)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", mixed >> 32, mixed & 0xFFFF, mixed >> 52, kind, mixed & 0xFFFF_FFFF_FFFF)
}

/// Answers one request.
pub(super) fn answer(request: &Request<'_>, tenant: &Tenant, faults: &Faults, now: Timestamp) -> Answer {
    let Some(name) = request.path.strip_prefix('/').and_then(|path| path.strip_suffix("/oauth2/v2.0/token")) else {
        return Answer::Http { status: 404, retry_after: None, content_type: "text/plain", body: "Not Found".into() };
    };
    if let Some(answer) = faults.take(|fault| spoiled(fault, tenant, now)) {
        return answer;
    }
    match granted(request, name, tenant) {
        Ok(()) => token(tenant, now),
        Err(error) => error.answer(now),
    }
}

/// The answer when this fault is planned; `None` when the fault lies elsewhere.
fn spoiled(fault: &Fault, tenant: &Tenant, now: Timestamp) -> Option<Answer> {
    let plain = |status, retry_after, body: &str| Answer::Http { status, retry_after, content_type: "text/html", body: body.into() };
    if let Fault::TokenThrottled(wait) = fault {
        return Some(plain(429, Some(wait.as_secs().max(1)), "Too Many Requests"));
    }
    if let Fault::Aadsts(number) = fault {
        return Some(known_error(*number, tenant).answer(now));
    }
    if *fault == Fault::TokenWrongSecret {
        return Some(wrong_secret(tenant).answer(now));
    }
    if *fault == Fault::TokenMalformed {
        return Some(plain(200, None, "<html><body>Sign in to the guest network</body></html>"));
    }
    if *fault == Fault::TokenSilent {
        return Some(Answer::Silence);
    }
    (*fault == Fault::TokenError).then(|| plain(500, None, "<html><body>Internal Server Error</body></html>"))
}

fn token(tenant: &Tenant, now: Timestamp) -> Answer {
    match tenant.issue(now, Duration::from_secs(LIFE)) {
        Ok(token) => {
            let body = json!({
                "token_type": "Bearer",
                "expires_in": LIFE,
                "ext_expires_in": LIFE,
                "access_token": token.reveal(),
            });
            Answer::json(200, &body)
        }
        Err(_) => known_error(90_033, tenant).answer(now),
    }
}

/// Whether a token may be given out.
fn granted(request: &Request<'_>, name: &str, tenant: &Tenant) -> Result<(), Aadsts> {
    if request.method != "POST" {
        let text = format!("The endpoint only accepts POST requests. Received a {} request.", request.method);
        return Err(Aadsts::new(900_561, 400, "invalid_request", text));
    }
    if !tenant.is_called(name) {
        let text = format!(
            "Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. \
             Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
        );
        return Err(Aadsts::new(90_002, 400, "invalid_request", text));
    }
    let form = Form::read(request.body);
    match form.required("grant_type")? {
        "client_credentials" => client(request, &form, tenant)?,
        other => {
            return Err(Aadsts::new(
                70_003,
                400,
                "unsupported_grant_type",
                format!("The app requested an unsupported grant type '{other}'."),
            ));
        }
    }
    match form.required("scope")? {
        SCOPE => Ok(()),
        scope if scope.ends_with("/.default") => {
            let resource = scope.trim_end_matches("/.default");
            let text = format!("The resource principal named {resource} was not found in the tenant named {name}.");
            Err(Aadsts::new(500_011, 400, "invalid_resource", text))
        }
        scope => {
            let text = format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
                 /.default suffixed to the resource identifier (application ID URI)."
            );
            Err(Aadsts::new(1_002_012, 400, "invalid_scope", text))
        }
    }
}

/// Whether the application is who it says.
fn client(request: &Request<'_>, form: &Form, tenant: &Tenant) -> Result<(), Aadsts> {
    let (id, secret) = match request.authorization.and_then(basic) {
        Some((id, secret)) => (id, Some(secret)),
        None => (form.required("client_id")?.to_owned(), form.get("client_secret").map(Secret::new)),
    };
    let organisation = tenant.organisation();
    if !id.eq_ignore_ascii_case(&organisation.client_id) {
        let text = format!(
            "Application with identifier '{id}' was not found in the directory '{}'. This can happen if the application has not been \
             installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your \
             authentication request to the wrong tenant.",
            organisation.name
        );
        return Err(Aadsts::new(700_016, 400, "unauthorized_client", text));
    }
    match secret {
        None => Err(known_error(7_000_218, tenant)),
        Some(secret) if secret != organisation.client_secret => Err(wrong_secret(tenant)),
        Some(_) => Ok(()),
    }
}

/// Id and secret of HTTP's basic authentication; RFC 6749 section 2.3.1 has them form-encoded inside.
fn basic(authorization: &str) -> Option<(String, Secret)> {
    let (scheme, value) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(sasl::decode(value.as_bytes()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decode(id), Secret::new(decode(secret))))
}

fn wrong_secret(tenant: &Tenant) -> Aadsts {
    known_error(7_000_215, tenant)
}

/// The error of this number in Entra's words, as far as we know them.
fn known_error(number: u32, tenant: &Tenant) -> Aadsts {
    let id = &tenant.organisation().client_id;
    let (status, error, text) = match number {
        7_000_215 => (
            401,
            "invalid_client",
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client \
                 secret ID, for a secret added to app '{id}'."
            ),
        ),
        7_000_222 => (401, "invalid_client", format!("The provided client secret keys for app '{id}' are expired.")),
        7_000_218 => {
            (401, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.".into())
        }
        7_000_112 => (400, "unauthorized_client", format!("Application '{id}' is disabled.")),
        700_024 => (401, "invalid_client", "Client assertion is not within its valid time range.".into()),
        700_027 => (401, "invalid_client", "The certificate with identifier used to sign the client assertion is not registered.".into()),
        53_003 => (400, "invalid_grant", "Access has been blocked by Conditional Access policies.".into()),
        90_033 => (503, "temporarily_unavailable", "A transient error has occurred. Please try again.".into()),
        _ => (400, "invalid_request", "The request was refused.".into()),
    };
    Aadsts::new(number, status, error, text)
}

/// The parameters of a request's body.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| (decode(name), decode(value))).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, Aadsts> {
        self.get(name).ok_or_else(|| {
            Aadsts::new(900_144, 400, "invalid_request", format!("The request body must contain the following parameter: '{name}'."))
        })
    }
}

/// Undoes `application/x-www-form-urlencoded`. A percent sign without two digits stays as it is.
fn decode(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let coded = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match (byte, coded.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::super::tenant::Limits;
    use super::*;

    const GOOD: &str = "grant_type=client_credentials&client_id=11111111-2222-3333-4444-555555555555\
                        &client_secret=rehearsal%2Dsecret&scope=https%3A%2F%2Foutlook.office365.com%2F.default";
    const PATH: &str = "/contoso.onmicrosoft.com/oauth2/v2.0/token";

    fn ask(path: &str, authorization: Option<&str>, body: &str, faults: &[&str]) -> (u16, String) {
        let tenant = Tenant::new(Settings::default().organisation, Limits::default());
        let planned = Faults::default();
        planned.set(faults.iter().map(|fault| fault.parse().unwrap()).collect());
        let request = Request { method: "POST", path, authorization, body: body.as_bytes() };
        match answer(&request, &tenant, &planned, Timestamp::from_millis(1_795_293_330_120)) {
            Answer::Http { status, body, .. } => (status, body),
            Answer::Silence => (0, String::new()),
        }
    }

    /// Status, `error` and the only number of `error_codes`.
    fn refused(path: &str, body: &str, faults: &[&str]) -> (u16, String, u64) {
        let (status, body) = ask(path, None, body, faults);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error_codes"].as_array().unwrap().len(), 1);
        let number = body["error_codes"][0].as_u64().unwrap();
        let text = body["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{number}: ")) && text.contains("Trace ID: "), "{text}");
        assert_eq!(body["timestamp"], "2026-11-21 20:35:30Z");
        assert!(body["trace_id"].is_string() && body["correlation_id"].is_string());
        (status, body["error"].as_str().unwrap().to_owned(), number)
    }

    #[test]
    fn gives_a_token_to_whom_it_knows() {
        let basic = format!("Basic {}", sasl::encode(b"11111111-2222-3333-4444-555555555555:rehearsal%2Dsecret"));
        let without = "grant_type=client_credentials&scope=https://outlook.office365.com/.default";
        let guid = format!("/{}/oauth2/v2.0/token", Settings::default().organisation.id);
        for (path, authorization, body) in [(PATH, None, GOOD), (PATH, Some(basic.as_str()), without), (&guid, None, GOOD)] {
            let (status, body) = ask(path, authorization, body, &[]);
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(
                (status, &body["token_type"], &body["expires_in"], &body["ext_expires_in"]),
                (200, &json!("Bearer"), &json!(3599), &json!(3599))
            );
            assert!(body["access_token"].as_str().unwrap().len() > 1_900);
        }
    }

    #[test]
    fn refuses_as_entra_does() {
        let change = |from: &str, to: &str| GOOD.replace(from, to);
        let case = |body: &str| refused(PATH, body, &[]);
        let error = |status: u16, error: &str, number: u64| (status, error.to_owned(), number);
        assert_eq!(case(&change("rehearsal%2Dsecret", "x")), error(401, "invalid_client", 7_000_215));
        assert_eq!(case(&change("&client_secret=rehearsal%2Dsecret", "")), error(401, "invalid_client", 7_000_218));
        assert_eq!(case(&change("1111-2222", "1111-9999")), error(400, "unauthorized_client", 700_016));
        assert_eq!(refused("/fabrikam.com/oauth2/v2.0/token", GOOD, &[]), error(400, "invalid_request", 90_002));
        assert_eq!(case(&change("client_credentials", "password")), error(400, "unsupported_grant_type", 70_003));
        assert_eq!(case(""), error(400, "invalid_request", 900_144));
        assert_eq!(case(&change("%2F.default", "%2FSMTP.Send")), error(400, "invalid_scope", 1_002_012));
        assert_eq!(case(&change("outlook", "graph")), error(400, "invalid_resource", 500_011));
        assert_eq!(ask("/x", None, GOOD, &[]).0, 404);
    }

    #[test]
    fn fails_as_planned() {
        assert_eq!(refused(PATH, GOOD, &["token-wrong-secret"]), (401, "invalid_client".to_owned(), 7_000_215));
        assert_eq!(refused(PATH, GOOD, &["aadsts=7000222"]), (401, "invalid_client".to_owned(), 7_000_222));
        assert_eq!(ask(PATH, None, GOOD, &["token-error"]).0, 500);
        assert_eq!(ask(PATH, None, GOOD, &["token-throttled=5s"]).0, 429);
        assert_eq!(ask(PATH, None, GOOD, &["token-silent"]).0, 0);
        let (status, body) = ask(PATH, None, GOOD, &["token-malformed"]);
        assert!(status == 200 && serde_json::from_str::<Value>(&body).is_err());
    }
}
