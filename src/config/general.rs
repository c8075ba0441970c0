//! Reads what is neither listener nor account nor sender: names, folders, limits, times, the log.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::listener::Limits;
use crate::scheduler::Retry;
use crate::spool;

use super::accounts::MESSAGE_SIZES;
use super::reader::{Field, Reader, Section};
use super::rule::{Rule, nearest};
use super::values::{is_host_name, show_duration};

/// Keys of the whole.
pub(super) const KEYS: &[&str] = &[
    "hostname",
    "data_dir",
    "listeners",
    "accounts",
    "senders",
    "users",
    "clients",
    "message_size",
    "http",
    "limits",
    "spool",
    "retry",
    "stop_grace",
    "log",
];
/// Keys of `http`.
pub(super) const HTTP_KEYS: &[&str] = &["address"];
/// Keys of `limits`.
pub(super) const LIMIT_KEYS: &[&str] = &["connections", "connections_per_client", "recipients", "errors", "idle", "session"];
/// Keys of `spool`.
pub(super) const SPOOL_KEYS: &[&str] = &["reserve", "memory"];
/// Keys of `retry`.
pub(super) const RETRY_KEYS: &[&str] = &["first", "longest"];
/// Keys of `log`.
pub(super) const LOG_KEYS: &[&str] = &["format", "level"];

/// Shorter pauses between attempts would be a load, not patience; tests and rehearsals want them short.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// More than any disk: a reserve of this much accepts nothing, which rehearses a full disk.
const EXABYTE: u64 = 1_000_000_000_000_000_000;
const TERABYTE: u64 = 1_000_000_000_000;

/// Bodies up to this go into the database's row: a file of its own costs more than a row of this size.
const INLINE: u64 = 64 * 1024;

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// In which form.
    pub format: LogFormat,
    /// The least important level that is written.
    pub level: tracing::Level,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The choices of `log.format`.
pub(super) const FORMATS: [(&str, LogFormat); 3] = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
/// The choices of `log.level`.
pub(super) const LEVELS: [(&str, tracing::Level); 5] = [
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

/// What this module reads.
pub(super) struct General {
    pub(super) hostname: String,
    pub(super) message_size: u64,
    pub(super) http: Option<SocketAddr>,
    pub(super) limits: Limits,
    pub(super) recipients: usize,
    pub(super) errors: u32,
    pub(super) spool: spool::Settings,
    pub(super) retry: Retry,
    pub(super) stop_grace: Duration,
    pub(super) log: Log,
}

/// Reads it.
pub(super) fn read(reader: &Reader<'_>, root: &Section<'_>) -> General {
    let section = root.inner(reader, "limits", LIMIT_KEYS);
    let count = |key, default, most| section.or(key, default, |field| field.number(reader, 1..=most));
    let time = |key, default, most| section.or(key, default, |field| field.duration(reader, SECOND..=most));
    let limits = Limits {
        connections: to_usize(count("connections", 1_000, 100_000)),
        connections_per_client: to_usize(count("connections_per_client", 50, 100_000)),
        // RFC 5321 section 4.5.3.2.7: at least five minutes, and devices do take them.
        idle: time("idle", 5 * MINUTE, HOUR),
        session: time("session", HOUR, DAY),
    };
    General {
        hostname: read_hostname(reader, root),
        message_size: root.or("message_size", 35_000_000, |field| field.size(reader, MESSAGE_SIZES)),
        http: read_http(reader, root),
        limits,
        // RFC 5321 section 4.5.3.1.8: at least a hundred.
        recipients: to_usize(count("recipients", 1_000, 10_000)),
        errors: u32::try_from(count("errors", 20, 1_000)).unwrap_or(u32::MAX),
        spool: read_spool(reader, root),
        retry: read_retry(reader, root),
        stop_grace: root.or("stop_grace", 30 * SECOND, |field| field.duration(reader, Duration::ZERO..=HOUR)),
        log: read_log(reader, root),
    }
}

/// The ranges above fit everywhere.
fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn read_hostname(reader: &Reader<'_>, root: &Section<'_>) -> String {
    if let Some(field) = root.get("hostname") {
        let Some(text) = field.text(reader) else { return String::new() };
        if !can_greet(text) {
            field.note(reader, Rule::BadHost { found: text.to_owned() });
        }
        return text.to_owned();
    }
    let own = &reader.surroundings.hostname;
    if !can_greet(own) {
        reader.note(&super::Place::Whole, "hostname", Rule::HostnameUnusable { found: own.clone() });
    }
    own.clone()
}

/// A domain or an address literal (RFC 5321 section 4.1.3), as EHLO takes it.
fn can_greet(text: &str) -> bool {
    let literal = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match literal {
        Some(v6) if v6.starts_with("IPv6:") => v6["IPv6:".len()..].parse::<std::net::Ipv6Addr>().is_ok(),
        Some(v4) => v4.parse::<std::net::Ipv4Addr>().is_ok(),
        None => is_host_name(text),
    }
}

fn read_http(reader: &Reader<'_>, root: &Section<'_>) -> Option<SocketAddr> {
    let usual = Some(SocketAddr::from(([127, 0, 0, 1], 8025)));
    let Some(field) = root.get("http") else { return usual };
    if let super::Value::Scalar(text) = &field.node.value {
        if text.trim() != "off" {
            let (choices, found) = (vec!["off", "{ address: 127.0.0.1:8025 }"], text.trim().to_owned());
            let near = nearest(&found, ["off"]);
            field.note(reader, Rule::BadChoice { found, choices, nearest: near });
        }
        return None;
    }
    let section = field.section(reader, HTTP_KEYS);
    let Some(field) = section.get("address") else { return usual };
    let address = field.socket_address(reader, "127.0.0.1:8025")?;
    if !address.ip().to_canonical().is_loopback() {
        field.note(reader, Rule::NotLoopback { found: address.to_string() });
    }
    Some(address)
}

fn read_spool(reader: &Reader<'_>, root: &Section<'_>) -> spool::Settings {
    let section = root.inner(reader, "spool", SPOOL_KEYS);
    let dir = |field: &Field<'_>| field.line(reader).map(|text| reader.path(&text));
    spool::Settings {
        dir: root.or("data_dir", PathBuf::from("/var/lib/mailferry"), dir),
        reserve: section.or("reserve", 200_000_000, |field| field.size(reader, 1_000_000..=EXABYTE)),
        memory: section.or("memory", 32_000_000, |field| field.size(reader, 1_000_000..=TERABYTE)),
        inline: INLINE,
    }
}

fn read_retry(reader: &Reader<'_>, root: &Section<'_>) -> Retry {
    let section = root.inner(reader, "retry", RETRY_KEYS);
    let time = |key, default| section.or(key, default, |field| field.duration(reader, SHORTEST_PAUSE..=DAY));
    let retry = Retry { first: time("first", 30 * SECOND), longest: time("longest", HOUR) };
    if retry.first > retry.longest
        && let Some(field) = section.get("first").or_else(|| section.get("longest"))
    {
        let rule = Rule::RetryOrder { first: show_duration(retry.first), longest: show_duration(retry.longest) };
        field.note(reader, rule);
    }
    retry
}

fn read_log(reader: &Reader<'_>, root: &Section<'_>) -> Log {
    let section = root.inner(reader, "log", LOG_KEYS);
    Log {
        format: section.or("format", LogFormat::Auto, |field| field.choice(reader, &FORMATS)),
        level: section.or("level", tracing::Level::INFO, |field| field.choice(reader, &LEVELS)),
    }
}
