//! Reads `listeners:` and `users:` — where devices connect, and who may.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::listener::{Clients, Limits, Settings, Tls};
use crate::session::{Auth, Policy};
use crate::sockets::Address;

use super::address;
use super::certificates;
use super::networks;
use super::problem::Place;
use super::reader::{Field, Reader, Section};
use super::rule::Rule;
use super::secrets;

/// Keys of a listener.
pub(super) const KEYS: &[&str] = &["address", "mode", "allow", "proxy", "auth", "tls", "certificate", "key", "delivery"];

/// Password hashes by name.
pub(super) type Users = Arc<HashMap<String, String>>;

/// What all listeners have in common.
pub(super) struct Common {
    pub(super) hostname: String,
    pub(super) message_size: u64,
    pub(super) recipients: usize,
    pub(super) errors: u32,
    pub(super) limits: Limits,
    pub(super) users: Users,
    pub(super) clients: Clients,
    /// Whether the configuration lists any, right or wrong.
    pub(super) has_users: bool,
}

/// Reads all listeners; `http` is the page's address.
pub(super) fn read(reader: &Reader<'_>, root: &Section<'_>, common: &Common, http: Option<SocketAddr>) -> Vec<Settings> {
    let members = root.get("listeners").map(|field| field.members(reader)).unwrap_or_default();
    if root.get("listeners").is_none_or(Field::is_empty) {
        reader.note(&Place::Whole, "listeners", Rule::NoListener);
    }
    let mut taken: Vec<(Address, String)> = http.map(|address| (address.into(), "`http`".to_owned())).into_iter().collect();
    members.iter().filter_map(|member| read_one(reader, member, common, &mut taken)).collect()
}

fn read_one(reader: &Reader<'_>, member: &Field<'_>, common: &Common, taken: &mut Vec<(Address, String)>) -> Option<Settings> {
    let section = member.section(reader, KEYS);
    read_later(reader, &section);
    let auth = section.or("auth", Auth::None, |field| read_auth(reader, field, common));
    let allow = read_allow(reader, &section, &auth);
    let proxy = read_proxy(reader, &section);
    let (address, field) = address::read(reader, &section)?;
    note_if_taken(reader, field, &address, taken);
    taken.push((address.clone(), format!("`{}`", member.path)));
    let demands_login = matches!(auth, Auth::Users(_));
    let reachable = address.network().is_some_and(|address| !address.ip().to_canonical().is_loopback());
    if reachable && section.get("allow").is_none_or(Field::is_empty) && !demands_login {
        field.note(reader, Rule::OpenListener { address: address.to_string() });
    }
    let only_local =
        address.network().is_some_and(|address| address.ip().to_canonical().is_loopback()) || matches!(address, Address::Unix(_));
    let hiding_places = if only_local || demands_login { Vec::new() } else { see_container(reader, &section, &allow) };
    let tls = certificates::read_tls(reader, &section);
    let policy = Policy {
        hostname: common.hostname.clone(),
        message_size: common.message_size,
        recipients: common.recipients,
        errors: common.errors,
        auth,
        starttls: matches!(tls, Tls::StartTls(_)),
        // Nobody reads mail to `postmaster` until an operator can be named.
        postmaster: None,
    };
    Some(Settings {
        address,
        name: field.text(reader)?.to_owned(),
        allow,
        proxy,
        hiding_places,
        tls,
        policy: Arc::new(policy),
        clients: common.clients.clone(),
        limits: common.limits,
    })
}

/// `delivery`, of whose values only one works yet.
fn read_later(reader: &Reader<'_>, section: &Section<'_>) {
    let Some(field) = section.get("delivery") else { return };
    if field.choice(reader, &[("queued", true), ("direct", false)]) == Some(false) {
        field.note(reader, Rule::NotYet { what: "`delivery: direct`".to_owned(), instead: "write `delivery: queued`" });
    }
}

#[derive(Clone, Copy)]
enum Demand {
    Nothing,
    Anything,
    User,
}

fn read_auth(reader: &Reader<'_>, field: &Field<'_>, common: &Common) -> Option<Auth> {
    let choices = [("none", Demand::Nothing), ("accept-any", Demand::Anything), ("users", Demand::User)];
    Some(match field.choice(reader, &choices)? {
        Demand::Nothing => Auth::None,
        Demand::Anything => Auth::AcceptAny,
        Demand::User => {
            if !common.has_users {
                field.note(reader, Rule::NoUsers);
            }
            Auth::Users(Arc::clone(&common.users))
        }
    })
}

fn read_allow(reader: &Reader<'_>, section: &Section<'_>, auth: &Auth) -> Vec<IpNet> {
    let Some(field) = section.get("allow") else { return Vec::new() };
    let nets = networks_of(reader, field);
    // A login protects as well as a list does; anything else would relay for strangers.
    if let (Auth::None | Auth::AcceptAny, Some((addresses, most))) = (auth, networks::too_wide(&nets, &networks::CLIENTS)) {
        field.note(reader, Rule::AllowTooWide { addresses, most });
    }
    nets
}

/// In a container: tells when the list lets in whoever is behind the gateway, and gives the addresses that the listener is to look out for.
fn see_container(reader: &Reader<'_>, section: &Section<'_>, allow: &[IpNet]) -> Vec<IpAddr> {
    let network = &reader.surroundings.network;
    if let (Some(field), Some((listed, gateway))) = (section.get("allow"), network.lets_everybody_in(allow)) {
        let rule = Rule::GatewayAllowed { network: listed.to_string(), gateway: gateway.to_string() };
        reader.tell(&field.node.place, &field.path, rule);
    }
    network.hiding_places(allow)
}

/// The proxies whose word is taken for where a client is.
fn read_proxy(reader: &Reader<'_>, section: &Section<'_>) -> Vec<IpNet> {
    let Some(field) = section.get("proxy") else { return Vec::new() };
    let nets = networks_of(reader, field);
    if let Some((addresses, most)) = networks::too_wide(&nets, &networks::PROXIES) {
        field.note(reader, Rule::ProxyTooWide { addresses, most });
    }
    nets
}

/// The networks that a field lists.
pub(super) fn networks_of(reader: &Reader<'_>, field: &Field<'_>) -> Vec<IpNet> {
    let read = |item: super::reader::Item<'_>| {
        networks::parse(item.text).map_err(|why| item.field.note(reader, Rule::BadNetwork { found: item.text.to_owned(), why })).ok()
    };
    field.items(reader).into_iter().filter_map(read).collect()
}

/// Notes that a listener cannot have its address beside what took one before.
fn note_if_taken(reader: &Reader<'_>, field: &Field<'_>, address: &Address, taken: &[(Address, String)]) {
    let Some((other, by)) = taken.iter().find(|(other, _)| same_place(other, address)) else { return };
    let families = |a: &Address, b: &Address| Some(a.network()?.is_ipv4() != b.network()?.is_ipv4());
    field.note(
        reader,
        match families(address, other) {
            Some(true) => Rule::TakesIpv4Too { by: by.clone() },
            Some(false) | None => Rule::AddressTaken { by: by.clone() },
        },
    );
}

fn same_place(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Network(a), Address::Network(b)) => same_port(*a, *b),
        (Address::Unix(a), Address::Unix(b)) => a.path == b.path,
        // Sockets of one name may be several; whether there are enough shows at the start.
        (Address::Network(_) | Address::Unix(_) | Address::Inherited(_), _) => false,
    }
}

/// Whether two sockets cannot both be bound: the same port on the same address, or on all of them; `[::]` is all of IPv4
/// as well. Port 0 is any free one.
fn same_port(a: SocketAddr, b: SocketAddr) -> bool {
    let (ip, other) = (a.ip().to_canonical(), b.ip().to_canonical());
    let covers = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    a.port() == b.port() && a.port() != 0 && (ip == other || covers(ip, other) || covers(other, ip))
}

/// Reads the users with their password hashes.
pub(super) fn read_users(reader: &Reader<'_>, root: &Section<'_>) -> Users {
    let mut users = HashMap::new();
    for (key, field) in root.get("users").map(|field| field.named(reader)).unwrap_or_default() {
        let Some(hash) = secrets::read(reader, &field) else { continue };
        match check_hash(hash.reveal().trim()) {
            Ok(()) => {
                users.insert(key.text.clone(), hash.reveal().trim().to_owned());
            }
            Err(why) => field.note(reader, Rule::BadHash { why }),
        }
    }
    Arc::new(users)
}

/// Whether a hash can be checked against: argon2 in PHC form, or bcrypt.
fn check_hash(hash: &str) -> Result<(), String> {
    if !hash.starts_with('$') {
        return Err("it does not begin with $ (a password in clear text is not taken)".to_owned());
    }
    if hash.starts_with("$argon2") {
        let parsed = argon2::PasswordHash::new(hash).map_err(|error| format!("as argon2 it is malformed ({error})"))?;
        argon2::Params::try_from(&parsed).map_err(|error| format!("its parameters cannot be used ({error})"))?;
        return if parsed.hash.is_some() && parsed.salt.is_some() { Ok(()) } else { Err("its salt or hash is missing".to_owned()) };
    }
    if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) {
        return bcrypt::HashParts::from_str(hash).map(drop).map_err(|_| "as bcrypt it is malformed".to_owned());
    }
    Err("it is neither argon2 nor bcrypt".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_exclude_each_other() {
        let same = |a: &str, b: &str| same_port(a.parse().unwrap(), b.parse().unwrap());
        assert!(same("127.0.0.1:25", "127.0.0.1:25"));
        assert!(same("0.0.0.0:25", "127.0.0.1:25"));
        assert!(same("[::]:25", "[::1]:25"));
        assert!(same("[::]:25", "0.0.0.0:25"));
        assert!(same("192.168.10.1:25", "[::]:25"));
        assert!(same("[::ffff:127.0.0.1]:25", "127.0.0.1:25"));
        assert!(!same("127.0.0.1:25", "127.0.0.2:25"));
        assert!(!same("127.0.0.1:25", "127.0.0.1:26"));
        assert!(!same("127.0.0.1:0", "127.0.0.1:0"));
        assert!(!same("0.0.0.0:25", "[::1]:25"));
    }

    #[test]
    fn hashes() {
        let argon2 = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Y3Hm3GmtVtvzsKIVUGDSYhbkmxZJfNJ1e3sl/kTL9nM";
        let bcrypt = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
        for good in [argon2, bcrypt] {
            assert_eq!(check_hash(good), Ok(()), "{good}");
        }
        for bad in
            ["hunter2", "$1$abc$def", "$argon2id$v=19$m=1", "$argon2id$v=19$m=0,t=0,p=0$c29tZXNhbHQ$aGFzaGhhc2g", "$2b$12$short", "$"]
        {
            assert!(check_hash(bad).is_err(), "{bad}");
        }
    }
}
