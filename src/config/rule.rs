//! The rules of the configuration, each with the words for breaking it: what was found, and the remedy.
//!
//! Every wording about a configuration is here and nowhere else. No rule ever carries a secret's text.

use std::path::PathBuf;

/// A table of rules: name and fields, then what is said, then what to do.
macro_rules! rules {
    ($($(#[$why:meta])* $rule:ident $({ $($field:ident: $kind:ty),* $(,)? })? => $said:expr, $remedy:expr;)*) => {
        /// A rule that is broken.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) enum Rule { $($(#[$why])* $rule $({ $($field: $kind),* })?,)* }

        impl Rule {
            /// The rule's name.
            pub(super) fn name(&self) -> &'static str {
                match self { $(Self::$rule { .. } => stringify!($rule),)* }
            }

            /// What was found and what the rule is; and what to do.
            pub(super) fn words(&self) -> (String, String) {
                match self { $(Self::$rule $({ $($field),* })? => (String::from($said), String::from($remedy)),)* }
            }
        }

        /// The names of all rules, as [`Problem::rule`](super::Problem::rule) gives them.
        pub const RULES: &[&str] = &[$(stringify!($rule),)*];
    };
}

rules! {
    // ---- The text and its tree.

    Syntax { said: String } =>
        format!("this is not YAML: {said}"),
        "look at this line and the one above it: indentation (spaces, no tabs), closed quotes and brackets;\n\
         text that begins with one of * & @ [ { ! % or ` needs quotes around it, as in \"[::1]:25\" or \"*@old.local\"";
    DuplicateKey { key: String } =>
        format!("{} stands here twice", quoted(key)),
        "keep one of the two";
    TooComplex =>
        "this goes too deep, or is too large once its aliases (`*name`) are replaced",
        "write values out instead of repeating them with aliases";
    UnknownKey { nearest: Option<String>, known: Vec<&'static str> } =>
        format!("unknown key{}", did_you_mean(nearest)),
        format!("known here: {}", known.join(", "));
    /// A key of an earlier version; see `tables`.
    RenamedKey { new: &'static str } =>
        "this key has a new name",
        format!("write `{new}`");
    /// A documented key or value that this version does not act upon.
    NotYet { what: String, instead: &'static str } =>
        format!("{what} is not available in this version"),
        *instead;
    /// A documented key that is not acted upon, and whose absence changes no message's way.
    Ignored { what: String, instead: &'static str } =>
        format!("{what} is not available in this version, and is passed over"),
        *instead;
    /// A key that has no effect beside another.
    Useless { because: String } =>
        format!("this has no effect: {because}"),
        "remove it, or change the other";
    Missing { key: &'static str, example: String } =>
        format!("`{key}` is missing"),
        format!("add: {example}");
    WrongType { expected: &'static str, found: &'static str } =>
        format!("{expected} belongs here, not {found}"),
        "see config.example.yaml for the form of this key";

    // ---- Single values.

    NotANumber { found: String } =>
        format!("{} is not a whole number", quoted(found)),
        "write digits only, as in 25";
    OutOfRange { found: String, least: String, most: String } =>
        format!("{} is out of range", quoted(found)),
        format!("write a value from {least} to {most}");
    NoUnit { found: String, fixed: String } =>
        format!("{} has no unit", quoted(found)),
        format!("write {fixed}");
    BadDuration { found: String } =>
        format!("{} is not a duration", quoted(found)),
        "write a number with its unit: 500ms, 30s, 5m, 1h30m, 2d";
    BadSize { found: String } =>
        format!("{} is not a size", quoted(found)),
        "write a number with its unit: 512 KB, 64 KiB, 35 MB, 1 GB";
    BadChoice { found: String, choices: Vec<&'static str>, nearest: Option<String> } =>
        format!("{} is not one of the choices{}", quoted(found), did_you_mean(nearest)),
        format!("write one of: {}", choices.join(", "));
    BadText { why: &'static str } =>
        *why,
        "look for spaces, line ends and invisible characters that came with copying";
    BadMailbox { why: String } =>
        why.as_str(),
        "write the address alone, as in scanner@contoso.com";
    BadPattern { found: String } =>
        format!("{} can match no address: it has neither @ nor *", quoted(found)),
        format!("write a whole address, or *@{found} for all of a domain");
    BadHost { found: String } =>
        format!("{} is no host name", quoted(found)),
        "write a name of letters, digits, hyphens and dots, as in relay.contoso.local";
    BadNetwork { found: String, why: String } =>
        format!("{} is no network: {why}", quoted(found)),
        "write an address or a network, as in 192.168.10.21 or 192.168.10.0/24";
    BadSocketAddress { found: String, example: String } =>
        format!("{} is no address with a port", quoted(found)),
        format!("write IP:PORT, as in {example}, 0.0.0.0:2525 or \"[::1]:25\"");
    BadUnixPath { found: String, why: String } =>
        format!("{} cannot be the path of a socket: {why}", quoted(found)),
        "write it as in unix:/run/mailferry/smtp.sock";
    BadMode { found: String } =>
        format!("{} is no mode that a socket can have", quoted(found)),
        "write 0660 (the relay's user and group), 0600 (its user alone) or 0666 (every user of this machine)";
    BadSocketName { found: String } =>
        format!("{} is no name of an inherited socket", quoted(found)),
        "write the name that FileDescriptorName= gives it in the .socket unit, as in inherited:smtp; or inherited alone";
    BadUrl { found: String, why: &'static str } =>
        format!("{} cannot be used: {why}", quoted(found)),
        "write it as in https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token";
    BadTenant { found: String } =>
        format!("{} is no tenant in which a program can sign in by itself", quoted(found)),
        "write the tenant's own domain or its id: contoso.onmicrosoft.com, or the Directory (tenant) ID on the app registration's overview page";
    BadHash { why: String } =>
        format!("this is no password hash: {why}"),
        "write an argon2 or bcrypt hash in quotes; this prints one: htpasswd -nBC 12 '' | tr -d ':\\n'";

    BadCharset { found: String } =>
        format!("{} is no charset known here", quoted(found)),
        "write its usual name, as in windows-1252, iso-8859-2, shift_jis, gbk, euc-kr, koi8-r or utf-8";

    // ---- Secrets.

    SecretForm =>
        "a secret is text, { env: NAME } or { file: PATH }",
        "write one of: { file: /run/secrets/client_secret }, { env: CLIENT_SECRET }";
    SecretVariable { name: String } =>
        format!("the environment variable {} is not set, or is empty", quoted(name)),
        "set it where mailferry is started (systemd: Environment= or EnvironmentFile=; a container: -e or env:)";
    SecretFile { path: PathBuf, why: String } =>
        format!("cannot read {}: {why}", quoted(&path.to_string_lossy())),
        format!("the user who runs mailferry must be able to read it: ls -l {}", shell(path));
    SecretFileOpen { path: PathBuf, mode: u32 } =>
        format!("others can read or change {}: its mode is {mode:04o}", quoted(&path.to_string_lossy())),
        format!("chmod 600 {}\nfor a Kubernetes secret volume: defaultMode: 0400, with fsGroup when the relay is not root", shell(path));
    SecretText { why: &'static str } =>
        format!("the secret cannot be used: {why}"),
        "put the secret there, and nothing else; one line end behind it does no harm";

    // ---- Certificates of listeners.

    CertificateUnusable { why: String } =>
        why.as_str(),
        "write the server's own certificate there in PEM form, and behind it those between it and its authority";
    KeyUnusable { why: String } =>
        why.as_str(),
        "write the private key there in PEM form, without a password: openssl pkey -in KEY -out relay.key";
    NotAPair { why: String, certificate: PathBuf, key: PathBuf } =>
        why.as_str(),
        format!("these must print the same:\nopenssl x509 -noout -pubkey -in {}\nopenssl pkey -pubout -in {}", shell(certificate), shell(key));
    /// A notice.
    LenientNetwork { network: String } =>
        format!("every client of {} may end a message at LF . LF", quoted(network)),
        "whoever can put text into a message of theirs can add a second one: list the devices that need it by their own addresses";
    /// A notice.
    CertificateExpired { path: PathBuf, on: String } =>
        format!("a certificate in {} expired on {on}", quoted(&path.to_string_lossy())),
        "renew it, and restart the relay; devices that check certificates refuse this one";
    /// A notice.
    CertificateNotYet { path: PathBuf, until: String } =>
        format!("a certificate in {} is good only from {until} on", quoted(&path.to_string_lossy())),
        "set the clock of this machine right, or wait";
    /// A notice.
    CertificateExpires { path: PathBuf, on: String } =>
        format!("a certificate in {} expires on {on}", quoted(&path.to_string_lossy())),
        "renew it before, and restart the relay";

    // ---- Environment.

    VariableIndex { index: String, length: usize } =>
        format!("{} is no place in this list, which has {length}", quoted(index)),
        format!("write a number from 0 to {length}; {length} adds one");
    VariableAmbiguous { keys: Vec<String> } =>
        format!("this name fits several keys: {}", keys.join(", ")),
        "rename one of them, or write the value into the file";
    VariableText =>
        "the variable's value is not UTF-8",
        "set it anew in a UTF-8 locale, or write the value into the file";

    // ---- Checks across keys.

    HostnameUnusable { found: String } =>
        format!("this host's own name, {}, cannot be used to greet with", quoted(found)),
        "add: hostname: relay.contoso.local";
    NoListener =>
        "there is no listener, so no device could send anything",
        "add: listeners: [{ address: 127.0.0.1:25 }]";
    NoAccount =>
        "there is no account, so no message could go anywhere",
        "add an account under `accounts:`, as in config.example.yaml";
    AddressTaken { by: String } =>
        format!("this address is taken already by {by}"),
        "give each its own port, or path";
    /// `::` is bound for both families.
    TakesIpv4Too { by: String } =>
        format!("this address is taken already by {by}: [::] takes connections by IPv4, too"),
        "keep the one with [::] alone; or give each its own port";
    OpenListener { address: String } =>
        format!("{address} can be reached from other machines, and nothing says who may send"),
        "add the devices' networks: allow: [192.168.10.0/24]\nor demand a login: auth: users";
    AllowTooWide { addresses: String, most: &'static str } =>
        format!("these networks hold {addresses} public addresses, more than {most}: this would be an open relay"),
        "list the networks in which your devices really are; private networks (10.0.0.0/8, 192.168.0.0/16 …) may be listed whole\n\
         or demand a login: auth: users, without `allow`";
    ClientTwice { other: String } =>
        format!("{} means the same clients", quoted(other)),
        "make one entry of the two";
    ProxyTooWide { addresses: String, most: &'static str } =>
        format!("these networks hold {addresses} public addresses, more than {most}: each of them could claim to be any client"),
        "list the addresses of the proxies alone, as in 10.0.0.5";
    /// In a container; nothing is wrong with the text.
    GatewayAllowed { network: String, gateway: String } =>
        format!("{network} holds this container's gateway, {gateway}: where the container's engine hides clients behind it, everybody who reaches the port may send"),
        format!("{SEE_DEVICES}; or, if everything behind the gateway may send, list {gateway} itself");
    NoUsers =>
        "this listener demands a login, and there are no users",
        "add: users: { copier: \"$argon2id$…\" }, at the top level";
    NotLoopback { found: String } =>
        format!("{} can be reached from other machines, and the page has no login in this version", quoted(found)),
        "write a loopback address, as in 127.0.0.1:8025; another machine can reach it through ssh -L or a reverse proxy with a login";
    DuplicateName { other: String } =>
        format!("this name differs from {} only in the case of its letters", quoted(other)),
        "rename one of the two";
    DuplicateAlias { address: String } =>
        format!("{address} is listed twice for this account"),
        "remove it here; the mailbox itself needs no listing";
    BadAccountName { found: String } =>
        format!("{} is no name for an account", quoted(found)),
        "write letters, digits, `-`, `_` or `.`, at most 40, and a letter or digit first";
    /// Outlook.com and passwords.
    NoPasswordUpstream { instead: &'static str } =>
        "Outlook.com refuses passwords and app passwords for SMTP since September 2024",
        *instead;
    /// Providers where only a person can consent.
    PersonSignsIn { provider: &'static str, instead: &'static str } =>
        format!("with {provider} a person must sign in, which is not available in this version"),
        *instead;
    NoClientSecret =>
        "`client_secret` is missing, and signing in by device code is not available in this version",
        "add: client_secret: { file: /run/secrets/client_secret }\n\
         it is the secret's Value (not its ID) from Certificates & secrets of the app registration";
    NoLogin { provider: &'static str } =>
        format!("{provider} takes no mail without a login"),
        "write `method: oauth` or `method: password`; `none` is for `provider: custom`";
    ClearText =>
        "with `tls: { mode: none }` the password or token would travel in clear text",
        "write `mode: starttls` or `mode: implicit`; or, if the server takes mail without a login, `auth: { method: none }`";
    /// RFC 8314 section 3.3. Without this the relay would wait there for a greeting, and say nothing for minutes.
    TlsFromTheStart =>
        "port 465 speaks TLS from the first octet, and `mode: starttls` begins without",
        "write tls: { mode: implicit }; or, to use STARTTLS, port: 587";
    RetryOrder { first: String, longest: String } =>
        format!("the first pause, {first}, is longer than the longest, {longest}"),
        format!("write first: {longest} or less");

    // ---- Senders.

    UnknownAccount { found: String, known: Vec<String>, nearest: Option<String> } =>
        format!("there is no account {}{}", quoted(found), did_you_mean(nearest)),
        format!("accounts are: {}", known.join(", "));
    NotItsAddress { address: String, account: String, nearest: Option<String> } =>
        format!("{address} is neither the mailbox of `{account}` nor one of its aliases{}", did_you_mean(nearest)),
        format!("if the mailbox may send as it, add it to accounts.{account}.aliases");
    NobodysAddress { address: String, accounts: Vec<String>, nearest: Option<String> } =>
        format!("no account has {address} as its mailbox or alias{}", did_you_mean(nearest)),
        format!("if a mailbox may send as it, add it to that account's `aliases`; accounts are: {}", accounts.join(", "));
    TwoAccounts { address: String, accounts: Vec<String> } =>
        format!("several accounts list {address}: {}", accounts.join(", ")),
        format!("say which one sends: account: {}", accounts.first().map_or("", String::as_str));
    WhichAccount { accounts: Vec<String> } =>
        "this rule names neither an address nor an account",
        format!("add `from:` with an address, or `account:` with one of: {}", accounts.join(", "));
    Unreachable { rule: String } =>
        format!("no message can reach this rule: {rule} takes everything before it"),
        "move it above that rule, or remove it";
    NoCatchAll { mailbox: String } =>
        "no rule takes what the others leave: such messages would be refused",
        format!("add as the last rule: - from: {mailbox}");
    NoSenders { accounts: Vec<String>, mailbox: String } =>
        format!("there are several accounts ({}), and nothing says which one sends what", accounts.join(", ")),
        format!("add at least: senders: [{{ from: {mailbox} }}]");

    // ---- Trust, when it is established.

    TrustUnusable { why: String } =>
        format!("this cannot serve as roots of trust: {why}"),
        "give a file with the private roots' certificates in PEM form, readable for the user who runs mailferry";
}

/// How a container gets to see its clients' addresses, or can do without.
const SEE_DEVICES: &str = "use the host's network (docker run --network host; Kubernetes: externalTrafficPolicy: Local), put a proxy in front and list it under `proxy`, \
                           or demand a login: auth: users";

/// Characters of a found value that are shown.
const SHOWN: usize = 60;

/// Text from outside, between backquotes: shortened, and nothing in it can act upon a terminal.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    // What escape_debug does for Rust's own quotes only confuses here.
    format!("`{}`", shown.replace("\\\"", "\"").replace("\\'", "'"))
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

/// A path as a shell takes it.
fn shell(path: &std::path::Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The candidate that `text` was most probably meant to be, when one is near enough.
pub(super) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // The comparison takes memory in proportion to the product of both lengths; no key is as long.
    if text.len() > 4 * SHOWN {
        return None;
    }
    let text = text.to_lowercase().replace('-', "_");
    let distance = |candidate: &str| strsim::damerau_levenshtein(&text, &candidate.to_lowercase().replace('-', "_"));
    let (candidate, distance) = candidates.into_iter().map(|c| (c, distance(c))).min_by_key(|(_, distance)| *distance)?;
    // A third of the word may be wrong, but a word of one letter is no hint.
    (distance <= (text.chars().count().max(3) / 3)).then(|| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_found_and_what_is_not_is_not_guessed() {
        let keys = ["mailbox", "auth", "aliases", "messages_per_minute"];
        assert_eq!(nearest("mailbxo", keys).as_deref(), Some("mailbox"));
        assert_eq!(nearest("Messages-per-minute", keys).as_deref(), Some("messages_per_minute"));
        assert_eq!(nearest("password", keys), None);
    }

    #[test]
    fn found_text_cannot_act_upon_a_terminal() {
        assert_eq!(quoted("a\u{1b}[2J\"'"), "`a\\u{1b}[2J\"'`");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), SHOWN + 3);
        assert_eq!(shell(std::path::Path::new("/a b/c'd")), r"'/a b/c'\''d'");
    }
}
