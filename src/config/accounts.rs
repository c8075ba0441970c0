//! Reads `accounts:` — who signs in where, as what, and within which limits.

use crate::message::{AccountName, Mailbox};
use crate::upstream::TlsMode;

use super::account::{Account, Application, Roots, SignIn};
use super::presets::{self, Preset, Token};
use super::problem::Place;
use super::reader::{Field, Reader, Section};
use super::rule::Rule;
use super::secrets;

/// Keys of an account.
pub(super) const KEYS: &[&str] = &["provider", "mailbox", "auth", "aliases", "host", "port", "tls", "limits"];
/// Keys of `auth`.
pub(super) const AUTH_KEYS: &[&str] = &["method", "tenant", "client_id", "client_secret", "password", "token_url", "scope", "ca_file"];
/// Keys of `tls`.
pub(super) const TLS_KEYS: &[&str] = &["mode", "ca_file"];
/// Keys of `limits`.
pub(super) const LIMIT_KEYS: &[&str] = &["connections", "messages_per_minute", "message_size"];

/// Characters of an account's name: it stands in log lines, tables and shell commands.
const LONGEST_NAME: usize = 40;
/// Tenants that stand for "whoever signs in": of no use where nobody does.
const NO_TENANTS: [&str; 3] = ["common", "organizations", "consumers"];
/// Of the simulator nothing can be preset but its host: it chooses its ports and makes its own certificate.
const TOLD_BY_SIMULATOR: &str = "…, as `mailferry simulate` prints it";
/// Connections at once; no provider allows as many.
const MOST_CONNECTIONS: u64 = 100;
/// Messages a minute; a thousand a second is beyond the spool.
const MOST_PER_MINUTE: u64 = 60_000;
/// The sizes a message may be limited to: from what holds any header to what no provider takes.
pub(super) const MESSAGE_SIZES: std::ops::RangeInclusive<u64> = 64 * 1024..=1_000_000_000;

/// An account as far as it could be read: senders refer to it even when something else about it is wrong.
pub(super) struct Declared {
    pub(super) name: String,
    /// The mailbox and the aliases; `None` when they could not be read whole.
    pub(super) addresses: Option<Vec<Mailbox>>,
    pub(super) account: Option<Account>,
}

/// How the host is reached.
struct Way {
    host: String,
    port: u16,
    tls: TlsMode,
    roots: Option<Roots>,
}

struct Limits {
    connections: usize,
    messages_per_minute: Option<u32>,
    message_size: Option<u64>,
}

/// Reads all accounts.
pub(super) fn read(reader: &Reader<'_>, root: &Section<'_>) -> Vec<Declared> {
    let mut accounts: Vec<Declared> = Vec::new();
    for (key, field) in root.get("accounts").map(|field| field.named(reader)).unwrap_or_default() {
        if !is_name(&key.text) {
            reader.note(&key.place, &field.path, Rule::BadAccountName { found: key.text.clone() });
        }
        if let Some(other) = accounts.iter().find(|other| other.name.eq_ignore_ascii_case(&key.text)) {
            reader.note(&key.place, &field.path, Rule::DuplicateName { other: other.name.clone() });
        }
        accounts.push(read_one(reader, &key.text, &field));
    }
    if root.get("accounts").is_none_or(Field::is_empty) {
        reader.note(&Place::Whole, "accounts", Rule::NoAccount);
    }
    accounts
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.len() <= LONGEST_NAME && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(inner)
}

fn read_one(reader: &Reader<'_>, name: &str, field: &Field<'_>) -> Declared {
    let section = field.section(reader, KEYS);
    let (auth, tls) = (section.inner(reader, "auth", AUTH_KEYS), section.inner(reader, "tls", TLS_KEYS));
    let provider = section.require(reader, "provider", "microsoft365");
    let preset = provider.and_then(|field| field.choice(reader, &presets::choices()));
    let mailbox = section.require(reader, "mailbox", "scanner@contoso.com").and_then(|field| field.mailbox(reader));
    let aliases = read_aliases(reader, &section, mailbox.as_ref());
    let sign_in = preset.and_then(|preset| read_sign_in(reader, &auth, preset));
    let way = preset.and_then(|preset| read_way(reader, &section, &tls, preset));
    let limits = preset.map(|preset| read_limits(reader, &section, preset));
    if let (Some(SignIn::Password(_) | SignIn::Application(_)), Some(TlsMode::None)) = (&sign_in, way.as_ref().map(|way| way.tls)) {
        tls.get("mode").unwrap_or(field).note(reader, Rule::ClearText);
    }
    let all = |mailbox: &Mailbox| aliases.as_ref().map(|aliases| std::iter::once(mailbox).chain(aliases).cloned().collect());
    let addresses = mailbox.as_ref().and_then(all);
    let account = || {
        let (way, limits) = (way?, limits?);
        Some(Account {
            name: AccountName::new(name),
            provider: preset?.name,
            mailbox: mailbox?,
            aliases: aliases?,
            host: way.host,
            port: way.port,
            tls: way.tls,
            roots: way.roots,
            sign_in: sign_in?,
            connections: limits.connections,
            messages_per_minute: limits.messages_per_minute,
            message_size: limits.message_size,
        })
    };
    Declared { name: name.to_owned(), addresses, account: account() }
}

/// The aliases, or `None` when one of them is no address.
fn read_aliases(reader: &Reader<'_>, section: &Section<'_>, mailbox: Option<&Mailbox>) -> Option<Vec<Mailbox>> {
    let mut aliases = Some(Vec::new());
    for item in section.get("aliases").map(|field| field.items(reader)).unwrap_or_default() {
        match (item.field.mailbox_of(reader, item.text), &mut aliases) {
            (Some(alias), Some(list)) => {
                if Some(&alias) == mailbox || list.contains(&alias) {
                    item.field.note(reader, Rule::DuplicateAlias { address: alias.to_string() });
                }
                list.push(alias);
            }
            (Some(_), None) => {}
            (None, _) => aliases = None,
        }
    }
    aliases
}

#[derive(Clone, Copy)]
enum Method {
    OAuth,
    Password,
    None,
}

fn read_sign_in(reader: &Reader<'_>, auth: &Section<'_>, preset: &Preset) -> Option<SignIn> {
    let methods = [("oauth", Method::OAuth), ("password", Method::Password), ("none", Method::None)];
    let field = match preset.token {
        // A mistake here would hand mail over without a login, or a password to nobody knows whom.
        Token::Given if preset.host.is_none() => Some(auth.require(reader, "method", "password")?),
        Token::Tenant(_) | Token::Person | Token::Given => auth.get("method"),
    };
    let method = match field {
        Some(field) => field.choice(reader, &methods)?,
        None => Method::OAuth,
    };
    match method {
        Method::OAuth => read_application(reader, auth, preset),
        Method::Password => read_password(reader, auth, preset, field?),
        Method::None => {
            auth.useless(reader, &AUTH_KEYS[1..], "`method: none` signs in with nothing");
            let own_server = matches!(preset.token, Token::Given);
            if !own_server {
                field?.note(reader, Rule::NoLogin { provider: preset.name });
            }
            own_server.then_some(SignIn::None)
        }
    }
}

fn read_password(reader: &Reader<'_>, auth: &Section<'_>, preset: &Preset, method: &Field<'_>) -> Option<SignIn> {
    if preset.name == presets::OUTLOOK {
        method.note(reader, Rule::NoPasswordUpstream { instead: preset.instead_of_a_person });
        return None;
    }
    let others: Vec<&str> = AUTH_KEYS.iter().copied().filter(|key| !["method", "password"].contains(key)).collect();
    auth.useless(reader, &others, "`method: password` signs in with the password alone");
    let password = auth.require(reader, "password", "{ file: /run/secrets/password }")?;
    secrets::read(reader, password).map(SignIn::Password)
}

fn read_application(reader: &Reader<'_>, auth: &Section<'_>, preset: &Preset) -> Option<SignIn> {
    auth.useless(reader, &["password"], "without `method: password`, the account signs in with a token");
    if auth.get("password").is_some() && auth.get("method").is_none() {
        return None;
    }
    if matches!(preset.token, Token::Person) && auth.get("token_url").is_none() {
        let instead = preset.instead_of_a_person;
        reader.note(&auth.place, &auth.path, Rule::PersonSignsIn { provider: preset.name, instead });
        return None;
    }
    let tenant = auth.get("tenant").map(|field| read_tenant(reader, field));
    let given_url = auth.get("token_url").map(|field| field.url(reader));
    let token_url = match (given_url, preset.token) {
        (Some(url), _) => url,
        (None, Token::Tenant(authority)) => {
            let tenant = match &tenant {
                Some(tenant) => tenant.clone(),
                None => {
                    auth.require(reader, "tenant", "contoso.onmicrosoft.com");
                    None
                }
            };
            tenant.map(|tenant| format!("{authority}/{tenant}/oauth2/v2.0/token"))
        }
        (None, Token::Person | Token::Given) => {
            auth.require(reader, "token_url", if preset.name == presets::SIMULATOR { TOLD_BY_SIMULATOR } else { "https://…/token" });
            None
        }
    };
    let client_id = auth.require(reader, "client_id", "11111111-2222-3333-4444-555555555555").and_then(|field| field.token(reader));
    let client_secret = match auth.get("client_secret") {
        Some(field) => secrets::read(reader, field),
        None => {
            reader.note(&auth.place, &auth.path, Rule::NoClientSecret);
            None
        }
    };
    let scope = match (auth.get("scope"), preset.scope) {
        (Some(field), _) => field.line(reader),
        (None, Some(scope)) => Some(scope.to_owned()),
        (None, None) => auth.require(reader, "scope", "…").and_then(|field| field.line(reader)),
    };
    Some(SignIn::Application(Box::new(Application {
        tenant: tenant.flatten(),
        client_id: client_id?,
        client_secret: client_secret?,
        token_url: token_url?,
        scope: scope?,
        roots: read_roots(reader, auth),
    })))
}

/// A tenant's domain or id; it becomes a part of the token endpoint's path.
fn read_tenant(reader: &Reader<'_>, field: &Field<'_>) -> Option<String> {
    let text = field.text(reader)?;
    if super::values::is_host_name(text) && !NO_TENANTS.contains(&text.to_ascii_lowercase().as_str()) {
        return Some(text.to_owned());
    }
    field.note(reader, Rule::BadTenant { found: text.to_owned() });
    None
}

fn read_roots(reader: &Reader<'_>, section: &Section<'_>) -> Option<Roots> {
    let field = section.get("ca_file")?;
    let file = reader.path(field.text(reader)?);
    Some(Roots { file, place: field.node.place.clone(), path: field.path.clone() })
}

fn read_way(reader: &Reader<'_>, section: &Section<'_>, tls: &Section<'_>, preset: &Preset) -> Option<Way> {
    let modes = [("starttls", TlsMode::StartTls), ("implicit", TlsMode::Implicit), ("none", TlsMode::None)];
    let mode = tls.or("mode", TlsMode::StartTls, |field| field.choice(reader, &modes));
    let host = match (section.get("host"), preset.host) {
        (Some(field), _) => field.host(reader),
        (None, Some(host)) => Some(host.to_owned()),
        (None, None) => section.require(reader, "host", "smtp.example.com").and_then(|field| field.host(reader)),
    };
    let usual = match mode {
        TlsMode::StartTls => 587,
        TlsMode::Implicit => 465,
        TlsMode::None => 25,
    };
    if preset.name == presets::SIMULATOR {
        section.require(reader, "port", TOLD_BY_SIMULATOR);
        tls.require(reader, "ca_file", TOLD_BY_SIMULATOR);
    }
    let port = section.or("port", usual, |field| field.number(reader, 1..=65_535));
    if let Some(field) = section.get("port").filter(|_| port == 465 && mode == TlsMode::StartTls) {
        field.note(reader, Rule::TlsFromTheStart);
    }
    if mode == TlsMode::None {
        tls.useless(reader, &["ca_file"], "`mode: none` uses no TLS");
    }
    Some(Way { host: host?, port: u16::try_from(port).ok()?, tls: mode, roots: read_roots(reader, tls) })
}

fn read_limits(reader: &Reader<'_>, section: &Section<'_>, preset: &Preset) -> Limits {
    let limits = section.inner(reader, "limits", LIMIT_KEYS);
    let connections = limits.or("connections", preset.connections, |field| field.number(reader, 1..=MOST_CONNECTIONS));
    let per_minute = |field: &Field<'_>| match field.text(reader)? {
        "none" => Some(None),
        _ => field.number(reader, 1..=MOST_PER_MINUTE).map(|number| u32::try_from(number).ok()),
    };
    let size = |field: &Field<'_>| match field.text(reader)? {
        "none" => Some(None),
        _ => field.size(reader, MESSAGE_SIZES).map(Some),
    };
    Limits {
        connections: usize::try_from(connections).unwrap_or(1),
        messages_per_minute: limits.or("messages_per_minute", preset.messages_per_minute, per_minute),
        message_size: limits.or("message_size", preset.message_size, size),
    }
}
