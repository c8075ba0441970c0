//! The configuration as an administrator meets it: broken files with the words they get, and the example.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mailferry::clock::Clock;
use mailferry::config::{self, Config, LoadError, Network, Problems, RULES, SignIn, Surroundings};
use mailferry::listener::{ClientEntry, Tls};
use mailferry::message::Charset;
use mailferry::session::{Ehlo, Quirks};
use mailferry::tls::{TlsError, Trust};
use mailferry::upstream::{Credentials, TlsMode};

const FOLDER: &str = "tests/bad_configs";
/// Set, the expected words are written instead of compared: read the difference before committing it.
const REWRITE: &str = "REWRITE_EXPECTED";

fn surroundings() -> Surroundings {
    let now = Clock::system().now();
    Surroundings { hostname: "relay".to_owned(), user: rustix::process::geteuid().as_raw(), now, ..Surroundings::default() }
}

fn with_variables<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Surroundings {
    let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    Surroundings { variables, ..surroundings() }
}

fn read(text: &str) -> Result<Config, Problems> {
    config::read(text, "mailferry.yaml", Path::new(""), &surroundings())
}

fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|problems| panic!("{problems}\n\n{text}"))
}

/// Comments in a file of the folder say what surrounds it: `# env: NAME=VALUE`, `# env-octets: NAME=VALUE`
/// (with `\xfc` for octets), `# hostname: NAME`.
fn surroundings_of(text: &str) -> Surroundings {
    let mut surroundings = surroundings();
    for line in text.lines() {
        if let Some((name, value)) = line.strip_prefix("# env: ").and_then(|pair| pair.split_once('=')) {
            surroundings.variables.insert(name.into(), value.into());
        }
        if let Some((name, value)) = line.strip_prefix("# env-octets: ").and_then(|pair| pair.split_once('=')) {
            let value = value.replace("\\xfc", "\u{fc}").chars().map(|c| c as u8).collect();
            surroundings.variables.insert(name.into(), OsString::from_vec(value));
        }
        if let Some(name) = line.strip_prefix("# hostname: ") {
            surroundings.hostname = name.to_owned();
        }
    }
    surroundings
}

/// Establishes trust as far as a test needs it: a missing file is missing.
fn trust_nobody(trust: &Trust) -> Result<std::sync::Arc<tokio_rustls::rustls::ClientConfig>, TlsError> {
    match &trust.ca_file {
        Some(path) if !path.exists() => Err(TlsError::Read { path: path.clone(), source: std::io::Error::other("there is no such file") }),
        _ => Ok(std::sync::Arc::new(
            tokio_rustls::rustls::ClientConfig::builder()
                .with_root_certificates(tokio_rustls::rustls::RootCertStore::empty())
                .with_no_client_auth(),
        )),
    }
}

#[test]
fn every_broken_configuration_is_told_in_words() {
    fs::set_permissions(format!("{FOLDER}/files/open-secret"), fs::Permissions::from_mode(0o644)).unwrap();
    for closed in ["empty-secret", "listener-key", "another-key", "damaged-key"] {
        fs::set_permissions(format!("{FOLDER}/files/{closed}"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut broken = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let read = config::read(&text, name, Path::new(FOLDER), &surroundings_of(&text));
        let problems = match read.and_then(|config| config.upstreams(&trust_nobody)) {
            Ok(_) => panic!("{name} is not broken"),
            Err(problems) => problems,
        };
        broken.extend(problems.list.iter().map(|problem| problem.rule));
        let (found, expected) = (format!("{problems}\n"), path.with_extension("expected"));
        assert!(!found.contains("s3cret"), "{name} shows a secret");
        if std::env::var_os(REWRITE).is_some() {
            fs::write(&expected, &found).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{name} gives\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // No key was renamed yet; a unit test of the reader has an invented one. The others are told of, and nothing is broken.
    const NOTICES: [&str; 6] =
        ["Ignored", "LenientNetwork", "CertificateExpired", "CertificateExpires", "CertificateNotYet", "GatewayAllowed"];
    let missing: Vec<&&str> =
        RULES.iter().filter(|rule| !broken.contains(**rule) && !NOTICES.contains(*rule) && **rule != "RenamedKey").collect();
    assert!(missing.is_empty(), "no file in {FOLDER} breaks {missing:?}");
}

const LISTENERS: &str = "listeners: [{ address: 127.0.0.1:25 }]\n";
const OFFICE: &str = "
accounts:
  office:
    provider: microsoft365
    mailbox: scanner@contoso.com
    aliases: [noreply@contoso.com]
    auth: { tenant: contoso.onmicrosoft.com, client_id: 1111-2222, client_secret: s3cret }
";

fn office(more: &str) -> String {
    format!("{LISTENERS}{OFFICE}{more}")
}

fn secret_file(content: &str, mode: u32) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
    file
}

/// The example with a secret that can be read here.
fn example() -> (String, tempfile::NamedTempFile) {
    let file = secret_file("s3cret\n", 0o600);
    let text = fs::read_to_string("config.example.yaml").unwrap();
    (text.replace("/run/secrets/client_secret", file.path().to_str().unwrap()), file)
}

#[test]
fn the_example_is_a_configuration_and_the_defaults_it_shows_are_the_programs() {
    let (text, _secret) = example();
    let shown: Vec<&str> = text.lines().filter(|line| line.contains("# default")).collect();
    assert!(shown.len() > 25, "{}", shown.len());
    let uncommented: Vec<String> =
        text.lines().map(|line| if line.contains("# default") { line.replacen("# ", "", 1) } else { line.to_owned() }).collect();
    let (config, spelt_out) = (good(&text), good(&uncommented.join("\n")));
    assert_eq!(config.effective(), spelt_out.effective());
    assert_ne!(text, uncommented.join("\n"));
}

#[test]
fn the_effective_configuration_read_again_is_the_same_and_holds_no_secret() {
    let (text, _secret) = example();
    let text = format!(
        "{text}\nusers: {{ copier: $2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW }}\n\
         hostname: relay.contoso.local\n"
    );
    let effective = good(&text).effective();
    assert!(!effective.contains("s3cret") && !effective.contains("R9h/cIPz0gi"), "{effective}");
    assert!(effective.contains("client_secret: \"[redacted]\""), "{effective}");
    let again = effective.replace("copier\": \"[redacted]", "copier\": \"$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW");
    assert_eq!(good(&again).effective(), effective);
}

#[test]
fn debug_shows_no_secret() {
    let config = good(&office(""));
    let settings = config.upstreams(&trust_nobody).unwrap();
    assert!(!format!("{config:?}{settings:?}").contains("s3cret"));
}

/// RFC 5321 section 4.5.3.2.7.
#[test]
fn devices_may_think_for_five_minutes() {
    assert_eq!(good(&office("")).limits.idle.as_secs(), 300);
}

#[test]
fn a_provider_presets_the_way_and_the_token_endpoint() {
    let config = good(&office(""));
    let settings = config.upstreams(&trust_nobody).unwrap();
    let upstream = &settings[0];
    assert_eq!((upstream.host.as_str(), upstream.port, upstream.tls), ("smtp.office365.com", 587, TlsMode::StartTls));
    assert_eq!((upstream.hostname.as_str(), upstream.connections), ("relay", 3));
    let Credentials::Token(token) = &upstream.credentials else { panic!("{:?}", upstream.credentials) };
    assert_eq!(token.token_url, "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token");
    assert_eq!(token.scope, "https://outlook.office365.com/.default");
    assert_eq!(config.accounts[0].limits().messages_per_minute, Some(30));
    let rule = &config.senders.rules[0];
    assert_eq!((rule.account.as_str(), rule.identity.from.as_str()), ("office", "scanner@contoso.com"));
}

#[test]
fn each_provider_can_be_configured() {
    let auth = "auth: { tenant: contoso.cn, client_id: c, client_secret: s }";
    for (provider, rest, host, port) in [
        ("microsoft365-hve", auth, "smtp-hve.office365.com", 587),
        ("microsoft365-gcc-high", auth, "smtp.office365.us", 587),
        ("microsoft365-dod", auth, "smtp.office365.us", 587),
        ("microsoft365-china", auth, "smtp.partner.outlook.cn", 587),
        ("microsoft365", "auth: { method: password, password: x }", "smtp.office365.com", 587),
        ("google", "auth: { method: password, password: x }", "smtp.gmail.com", 587),
        ("custom", "host: mx.b.example\n    auth: { method: none }\n    tls: { mode: none }", "mx.b.example", 25),
        ("custom", "host: 10.1.2.3\n    auth: { method: password, password: x }\n    tls: { mode: implicit }", "10.1.2.3", 465),
        (
            "simulator",
            "port: 5587\n    tls: { ca_file: ca.pem }\n    auth: { token_url: 'https://127.0.0.1:5588/token', ca_file: ca.pem, client_id: c, client_secret: s }",
            "127.0.0.1",
            5587,
        ),
    ] {
        let config = good(&format!("{LISTENERS}accounts:\n  one:\n    provider: {provider}\n    mailbox: a@b.example\n    {rest}\n"));
        let account = &config.accounts[0];
        assert_eq!((account.provider, account.host.as_str(), account.port), (provider, host, port));
        assert_eq!(good(&config.effective()).effective(), config.effective());
    }
}

#[test]
fn the_smallest_limit_of_an_account_is_what_listeners_take() {
    let size = |more: &str| good(&office(more)).listeners[0].policy.message_size;
    assert_eq!(size(""), 35_000_000);
    assert_eq!(size("message_size: 10 MB"), 10_000_000);
    assert_eq!(size("message_size: 100 MB"), 35_000_000);
    assert_eq!(size("    limits: { message_size: none }\nmessage_size: 100 MB"), 100_000_000);
}

#[test]
fn a_scalar_is_what_was_written_even_when_yaml_sees_a_number() {
    let config = good(&office("").replace("s3cret", "0123").replace("1111-2222", "1e3"));
    let SignIn::Application(application) = &config.accounts[0].sign_in else { panic!() };
    assert_eq!((application.client_secret.reveal(), application.client_id.as_str()), ("0123", "1e3"));
}

#[test]
fn secrets_come_from_files_and_variables() {
    let secret = |text: &str, surroundings: &Surroundings| {
        let config = config::read(text, "mailferry.yaml", Path::new(""), surroundings).unwrap_or_else(|problems| panic!("{problems}"));
        let SignIn::Application(application) = &config.accounts[0].sign_in else { panic!() };
        application.client_secret.reveal().to_owned()
    };
    for content in ["from a file", "from a file\n", "from a file\r\n"] {
        let file = secret_file(content, 0o400);
        let text = office("").replace("s3cret", &format!("{{ file: {} }}", file.path().display()));
        assert_eq!(secret(&text, &surroundings()), "from a file");
    }
    // A variable that a secret names is not an override, whatever its name begins with.
    let text = office("").replace("s3cret", "{ env: MAILFERRY_SECRET }");
    assert_eq!(secret(&text, &with_variables([("MAILFERRY_SECRET", " of [a: variable ")])), " of [a: variable ");
    let overriding = with_variables([("MAILFERRY_ACCOUNTS__OFFICE__AUTH__CLIENT_SECRET", "{ not: yaml }")]);
    assert_eq!(secret(&office(""), &overriding), "{ not: yaml }");
}

#[test]
fn a_secret_file_that_is_too_large_or_open_is_refused() {
    let problem = |content: &str, mode| {
        let file = secret_file(content, mode);
        let problems = read(&office("").replace("s3cret", &format!("{{ file: {} }}", file.path().display()))).unwrap_err();
        assert_eq!(problems.list.len(), 1, "{problems}");
        problems.list[0].rule
    };
    assert_eq!(problem(&"x".repeat(65_537), 0o600), "SecretFile");
    for mode in [0o640, 0o604, 0o660, 0o602] {
        assert_eq!(problem("x", mode), "SecretFileOpen", "{mode:o}");
    }
}

#[test]
fn variables_override_single_values() {
    let surroundings = with_variables([
        ("MAILFERRY_ACCOUNTS__OFFICE__MAILBOX", "copier@contoso.com"),
        ("mailferry_hostname", "not ours"),
        ("MAILFERRY_HOSTNAME", "relay.contoso.local"),
        ("MAILFERRY_LISTENERS__0__ADDRESS", "0.0.0.0:2525"),
        ("MAILFERRY_LISTENERS__0__ALLOW", "10.0.0.0/8, 192.168.0.0/16"),
        ("MAILFERRY_LISTENERS__1__ADDRESS", "[::1]:2526"),
        ("MAILFERRY_LIMITS__IDLE", "7m"),
        ("MAILFERRY_HTTP", "off"),
        ("MAILFERRY_SERVICE_HOST", "10.96.0.1"),
        ("MAILFERRY_PORT_25_TCP", "tcp://10.96.0.1:25"),
    ]);
    let config = config::read(&office(""), "m", Path::new(""), &surroundings).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.accounts[0].mailbox.as_str(), "copier@contoso.com");
    assert_eq!(config.hostname, "relay.contoso.local");
    assert_eq!(config.listeners[0].address.to_string(), "0.0.0.0:2525");
    assert_eq!(config.listeners[0].allow.len(), 2);
    assert_eq!(config.listeners[1].address.to_string(), "[::1]:2526");
    assert_eq!(config.limits.idle.as_secs(), 420);
    assert_eq!(config.http, None);
}

#[test]
fn a_list_that_a_containers_gateway_makes_worthless_is_told_of() {
    let ip = |text: &str| text.parse().unwrap();
    let network = Network { bridged: true, gateways: vec![ip("172.17.0.1")], own: vec![ip("172.17.0.2")] };
    let notices = |listener: &str, network: &Network| {
        let surroundings = Surroundings { network: network.clone(), ..surroundings() };
        let text = office("").replace("{ address: 127.0.0.1:25 }", listener);
        let config = config::read(&text, "m", Path::new(""), &surroundings).unwrap_or_else(|problems| panic!("{problems}"));
        (config.notices.to_string(), config.listeners[0].hiding_places.len())
    };
    let (told, watched) = notices("{ address: '0.0.0.0:25', allow: [192.168.10.0/24, 172.16.0.0/12] }", &network);
    assert!(told.starts_with("m:1:45: listeners[0].allow: 172.16.0.0/12 holds this container's gateway, 172.17.0.1: where"), "{told}");
    assert!(told.contains("--network host") && told.contains("`proxy`") && told.contains("auth: users"), "{told}");
    assert_eq!(watched, 2);
    for quiet in [
        "{ address: 127.0.0.1:25, allow: [172.16.0.0/12] }",
        "{ address: 'unix:smtp.sock' }",
        "{ address: '0.0.0.0:25', allow: [172.17.0.1] }",
    ] {
        assert_eq!(notices(quiet, &network), (String::new(), 0), "{quiet}");
    }
    let host = Network { bridged: false, ..network };
    assert_eq!(notices("{ address: '0.0.0.0:25', allow: [192.168.10.0/24, 172.16.0.0/12] }", &host), (String::new(), 0));
}

#[test]
fn variables_alone_make_a_configuration() {
    let surroundings = with_variables([
        ("MAILFERRY_CONFIG", "{}"),
        ("MAILFERRY_LISTENERS__0__ADDRESS", "127.0.0.1:25"),
        ("MAILFERRY_ACCOUNTS__OFFICE__PROVIDER", "microsoft365"),
        ("MAILFERRY_ACCOUNTS__OFFICE__MAILBOX", "scanner@contoso.com"),
        ("MAILFERRY_ACCOUNTS__OFFICE__AUTH__TENANT", "contoso.onmicrosoft.com"),
        ("MAILFERRY_ACCOUNTS__OFFICE__AUTH__CLIENT_ID", "1111"),
        ("MAILFERRY_ACCOUNTS__OFFICE__AUTH__CLIENT_SECRET__ENV", "MAILFERRY_MY_SECRET"),
        ("MAILFERRY_MY_SECRET", "s"),
    ]);
    let config = config::load(None, &surroundings).unwrap();
    assert_eq!((config.source.as_str(), config.accounts[0].name.as_str()), ("MAILFERRY_CONFIG", "office"));
}

#[test]
fn the_configuration_is_looked_for_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let places: Vec<PathBuf> = ["here.yaml", "there.yaml"].map(|name| folder.path().join(name)).to_vec();
    let text = |name: &str| office(&format!("hostname: {name}\ndata_dir: state\n"));
    let mut surroundings = Surroundings { places: places.clone(), ..surroundings() };
    let load = |file: Option<&Path>, surroundings: &Surroundings| config::load(file, surroundings);

    let error = load(None, &surroundings).unwrap_err().to_string();
    assert!(error.contains("here.yaml nor ") && error.contains("there.yaml") && error.contains("mailferry demo"), "{error}");

    fs::write(&places[1], text("there")).unwrap();
    let config = load(None, &surroundings).unwrap();
    assert_eq!(config.hostname, "there");
    assert_eq!(config.data_dir(), &folder.path().join("state"), "paths are relative to the file");

    fs::write(&places[0], text("here")).unwrap();
    assert_eq!(load(None, &surroundings).unwrap().hostname, "here");
    surroundings.variables.insert("MAILFERRY_CONFIG".into(), text("variable").into());
    assert_eq!(load(None, &surroundings).unwrap().hostname, "variable");
    assert_eq!(load(Some(&places[1]), &surroundings).unwrap().hostname, "there");

    let missing = load(Some(&folder.path().join("nowhere.yaml")), &surroundings).unwrap_err();
    assert!(matches!(missing, LoadError::Read { .. }), "{missing}");
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.yaml");
    fs::write(&path, vec![b'#'; 1_000_001]).unwrap();
    assert!(matches!(config::load(Some(&path), &surroundings()), Err(LoadError::Read { .. })));
    fs::write(&path, b"hostname: b\xfcro\n").unwrap();
    assert!(matches!(config::load(Some(&path), &surroundings()), Err(LoadError::NotText(_))));
    fs::write(&path, "listners: []\n").unwrap();
    let Err(LoadError::Problems(problems)) = config::load(Some(&path), &surroundings()) else { panic!() };
    let first = problems.to_string();
    assert!(first.starts_with(&format!("{}:1:1: listners: unknown key; did you mean `listeners`?", path.display())), "{first}");
}

#[test]
fn what_asks_for_nothing_may_stay() {
    good(&office("clients: { 10.0.0.1: }\ndomains: []\noperator:\nusers: {}\nsenders: []\nlimits:\nhttp: {}\n"));
}

#[test]
fn listeners_are_read_as_they_are_written() {
    let text = office("").replace(
        "{ address: 127.0.0.1:25 }",
        "{ address: 'localhost:2525', auth: accept-any, tls: none, delivery: queued }, { address: '[::1]:25' }, { address: '0.0.0.0:26', allow: 10.1.2.3 }, { address: '127.0.0.1:0' }",
    );
    let config = good(&text);
    let found: Vec<String> =
        config.listeners.iter().map(|listener| format!("{} {} {:?}", listener.name, listener.address, listener.allow)).collect();
    assert_eq!(
        found,
        ["localhost:2525 127.0.0.1:2525 []", "[::1]:25 [::1]:25 []", "0.0.0.0:26 0.0.0.0:26 [10.1.2.3/32]", "127.0.0.1:0 127.0.0.1:0 []"]
    );
}

#[test]
fn clients_are_read_as_they_are_written_and_every_listener_knows_them() {
    let text = "clients:\n  192.168.10.0/24: { charset: shift_jis }\n  192.168.10.21: { charset: latin1, quirks: { ehlo: minimal } }\n  \"fd00::/8\": { quirks: { lf_ends_data: true } }\n";
    let config = good(&office(text));
    let found: Vec<_> = config.listeners[0].clients.iter().collect();
    let want = |network: &str, charset: Option<&str>, quirks| ClientEntry {
        network: network.parse().unwrap(),
        charset: charset.map(|label| Charset::of(label).unwrap()),
        quirks,
    };
    let plain = Quirks::default();
    assert_eq!(*found[0], want("192.168.10.21/32", Some("windows-1252"), Quirks { ehlo: Ehlo::Minimal, ..plain }));
    assert_eq!(*found[1], want("192.168.10.0/24", Some("shift_jis"), plain));
    assert_eq!(*found[2], want("fd00::/8", None, Quirks { lf_ends_data: true, ..plain }));
    assert_eq!(good(&config.effective()).effective(), config.effective());
}

/// A certificate that is good for so many days, and its key, in files.
fn certificate(folder: &Path, days: i64) -> (PathBuf, PathBuf) {
    let mut params = rcgen::CertificateParams::new(["relay.contoso.local".to_owned()]).unwrap();
    let now = std::time::SystemTime::now();
    params.not_before = now.into();
    params.not_after = (now + std::time::Duration::from_secs(days as u64 * 24 * 60 * 60)).into();
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let (certificate, key) = (folder.join("relay.pem"), folder.join("relay.key"));
    fs::write(&certificate, params.self_signed(&signing_key).unwrap().pem()).unwrap();
    fs::write(&key, signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    (certificate, key)
}

#[test]
fn a_listener_with_tls_has_its_certificate_ready_and_tells_when_that_will_end() {
    for (days, told) in [(31, &[][..]), (29, &["CertificateExpires"][..])] {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate(folder.path(), days);
        let text = |tls: &str| {
            let files = format!("certificate: {}, key: {}", certificate.display(), key.display());
            office("").replace("{ address: 127.0.0.1:25 }", &format!("{{ address: 127.0.0.1:25, tls: {tls}, {files} }}"))
        };
        let config = good(&text("starttls"));
        assert!(matches!(&config.listeners[0].tls, Tls::StartTls(made) if made.file == certificate && made.key == key));
        assert!(config.listeners[0].policy.starttls);
        assert_eq!(good(&config.effective()).effective(), config.effective());
        let notices: Vec<_> = config.notices.list.iter().map(|notice| notice.rule).collect();
        assert_eq!(notices, told);
        let config = good(&text("implicit"));
        assert!(matches!(config.listeners[0].tls, Tls::Implicit(_)) && !config.listeners[0].policy.starttls);
    }
}

#[test]
fn leniency_for_a_whole_network_is_told_of() {
    for (network, told) in [("192.168.10.21", 0), ("192.168.10.0/24", 0), ("10.0.0.0/16", 1), ("0.0.0.0/0", 1), ("\"fd00::/8\"", 1)] {
        let config = good(&format!("{}\nclients: {{ {network}: {{ quirks: {{ lf_ends_data: true }} }} }}", office("")));
        let notices: Vec<_> = config.notices.list.iter().map(|notice| notice.rule).collect();
        assert_eq!(notices, vec!["LenientNetwork"; told], "{network}");
    }
}

#[test]
fn a_certificate_that_is_out_of_time_is_told_of_and_keeps_no_relay_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path(), 31);
    let tls = format!("{{ address: 127.0.0.1:25, tls: implicit, certificate: {}, key: {} }}", certificate.display(), key.display());
    let text = office("").replace("{ address: 127.0.0.1:25 }", &tls);
    let real = surroundings().now;
    let month = std::time::Duration::from_secs(32 * 24 * 60 * 60);
    for (now, told) in [(real.after(month), "CertificateExpired"), (real.before(month), "CertificateNotYet")] {
        let surroundings = Surroundings { now, ..surroundings() };
        let config = config::read(&text, "m", Path::new(""), &surroundings).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.notices.list.iter().map(|notice| notice.rule).collect::<Vec<_>>(), [told]);
    }
}

proptest::proptest! {
    /// Whatever is typed into it, reading comes to an end with a configuration or with problems.
    #[test]
    fn no_text_breaks_the_reader(
        cut in 0..4000_usize,
        insert in "[ \\-:*&!|>\\[\\]{}#'\"\\n\\t@a-c0-9é]{0,12}",
        skip in 0..60_usize,
    ) {
        let (text, _secret) = example();
        let chars: Vec<char> = text.chars().collect();
        let cut = cut.min(chars.len());
        let behind = (cut + skip).min(chars.len());
        let text: String = chars[..cut].iter().copied().chain(insert.chars()).chain(chars[behind..].iter().copied()).collect();
        if let Err(problems) = read(&text) {
            proptest::prop_assert!(!problems.list.is_empty());
            proptest::prop_assert!(!problems.to_string().contains("s3cret"));
        }
    }
}

#[test]
fn a_thousand_mistakes_are_not_a_thousand_lines() {
    let text: String = (0..1000).map(|number| format!("key{number}: {number}\n")).collect();
    let problems = read(&text).unwrap_err();
    assert_eq!(problems.list.len(), 1002);
    assert!(problems.to_string().ends_with("\nand 902 more"));
}

#[test]
fn a_password_without_its_method_is_told_once() {
    let text = office("").replace("tenant: contoso.onmicrosoft.com, client_id: 1111-2222, client_secret: s3cret", "password: s3cret");
    let problems = read(&text).unwrap_err();
    assert_eq!((problems.list.len(), problems.list[0].rule), (1, "Useless"), "{problems}");
}

#[test]
fn a_variable_that_is_no_text_is_not_passed_over() {
    let mut surroundings = surroundings();
    surroundings.variables.insert("MAILFERRY_CONFIG".into(), OsString::from_vec(vec![0xfc]));
    assert!(matches!(config::load(None, &surroundings), Err(LoadError::NotText(_))));
}

#[test]
fn documented_keys_that_only_a_later_version_needs_are_told_and_passed_over() {
    let clients = "clients: { 10.0.0.0/8: { messages_per_minute: 5 } }";
    let config = good(&office(&format!("domains: [contoso.com]\noperator: {{ address: it@contoso.com }}\n{clients}\n")));
    let told: Vec<_> = config.notices.list.iter().map(|notice| (notice.path.as_str(), notice.rule)).collect();
    assert_eq!(told, [("domains", "Ignored"), ("operator", "Ignored"), ("clients.10.0.0.0/8.messages_per_minute", "Ignored")]);
}
