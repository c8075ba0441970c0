//! Writes a configuration as it is in effect.
//!
//! Every key is written, with defaults and presets filled in, and no secret: `Secret` is not even asked. Text is
//! always quoted, so that nothing in it can be taken for YAML.

use std::fmt::{Display, Write as _};

use crate::listener::{Certificate, ClientEntry, Tls};
use crate::message::{DisplayName, ReplyTo};
use crate::senders::Rule;
use crate::session::Auth;
use crate::sockets::Address;
use crate::upstream::TlsMode;

use super::account::{Account, Application, Roots, SignIn};
use super::clients::EHLO;
use super::general::{FORMATS, LEVELS};
use super::values::{show_duration, show_size};
use super::{Config, listener};

const REDACTED: &str = "\"[redacted]\"";

/// Lines of YAML with their indentation.
#[derive(Default)]
struct Lines {
    text: String,
    depth: usize,
    /// The next line begins a member of a list.
    member: bool,
}

impl Lines {
    fn key(&mut self, key: &str, value: impl Display) {
        let indent = "  ".repeat(self.depth);
        let dash = if std::mem::take(&mut self.member) { format!("{}- ", &indent[2..]) } else { indent };
        // Writing into a String cannot fail.
        let _ = writeln!(self.text, "{}", format!("{dash}{key}: {value}").trim_end());
    }

    fn under(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.key(key, "");
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    fn member(&mut self, write: impl FnOnce(&mut Self)) {
        self.depth += 1;
        self.member = true;
        write(self);
        self.depth -= 1;
    }
}

/// Text in double quotes (YAML 1.2 section 7.3.1: JSON's escapes are a part of YAML's).
fn quoted(text: impl Display) -> String {
    serde_json::Value::from(text.to_string()).to_string()
}

fn flow<T: Display>(items: &[T]) -> String {
    format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// The word for a value among a key's choices.
fn word<T: PartialEq>(choices: &[(&'static str, T)], value: &T) -> &'static str {
    choices.iter().find(|(_, choice)| choice == value).map_or("", |(word, _)| word)
}

/// The whole configuration.
pub(super) fn write(config: &Config) -> String {
    let mut lines = Lines::default();
    lines.key("hostname", quoted(&config.hostname));
    lines.key("data_dir", quoted(config.data_dir().display()));
    lines.under("listeners", |lines| config.listeners.iter().for_each(|listener| write_listener(lines, listener)));
    lines.under("accounts", |lines| config.accounts.iter().for_each(|account| write_account(lines, account)));
    lines.under("senders", |lines| config.senders.rules.iter().for_each(|rule| write_rule(lines, rule)));
    write_users(&mut lines, config);
    write_clients(&mut lines, config);
    lines.key("message_size", show_size(config.message_size));
    match config.http {
        Some(address) => lines.under("http", |lines| lines.key("address", quoted(address))),
        None => lines.key("http", "off"),
    }
    write_limits(&mut lines, config);
    lines.under("spool", |lines| {
        lines.key("reserve", show_size(config.spool.reserve));
        lines.key("memory", show_size(config.spool.memory));
    });
    lines.under("retry", |lines| {
        lines.key("first", show_duration(config.retry.first));
        lines.key("longest", show_duration(config.retry.longest));
    });
    lines.key("stop_grace", show_duration(config.stop_grace));
    lines.under("log", |lines| {
        lines.key("format", word(&FORMATS, &config.log.format));
        lines.key("level", word(&LEVELS, &config.log.level));
    });
    lines.text
}

fn write_listener(lines: &mut Lines, listener: &listener::Settings) {
    let auth = match listener.policy.auth {
        Auth::None => "none",
        Auth::AcceptAny => "accept-any",
        Auth::Users(_) => "users",
    };
    lines.member(|lines| {
        lines.key("address", quoted(&listener.name));
        if let Address::Unix(file) = &listener.address {
            lines.key("mode", format!("{:04o}", file.mode));
        } else {
            lines.key("allow", flow(&listener.allow));
            lines.key("proxy", flow(&listener.proxy));
        }
        lines.key("auth", auth);
        match &listener.tls {
            Tls::None => lines.key("tls", "none"),
            Tls::StartTls(certificate) => write_certificate(lines, "starttls", certificate),
            Tls::Implicit(certificate) => write_certificate(lines, "implicit", certificate),
        }
        lines.key("delivery", "queued");
    });
}

fn write_certificate(lines: &mut Lines, tls: &str, certificate: &Certificate) {
    lines.key("tls", tls);
    lines.key("certificate", quoted(certificate.file.display()));
    lines.key("key", quoted(certificate.key.display()));
}

fn write_account(lines: &mut Lines, account: &Account) {
    lines.under(&quoted(&account.name), |lines| {
        lines.key("provider", account.provider);
        lines.key("mailbox", quoted(&account.mailbox));
        lines.key("aliases", flow(&account.aliases));
        lines.key("host", quoted(&account.host));
        lines.key("port", account.port);
        lines.under("tls", |lines| {
            lines.key(
                "mode",
                match account.tls {
                    TlsMode::StartTls => "starttls",
                    TlsMode::Implicit => "implicit",
                    TlsMode::None => "none",
                },
            );
            write_roots(lines, account.roots.as_ref());
        });
        lines.under("auth", |lines| write_sign_in(lines, &account.sign_in));
        lines.under("limits", |lines| {
            lines.key("connections", account.connections);
            lines.key("messages_per_minute", account.messages_per_minute.map_or("none".to_owned(), |limit| limit.to_string()));
            lines.key("message_size", account.message_size.map_or("none".to_owned(), show_size));
        });
    });
}

fn write_sign_in(lines: &mut Lines, sign_in: &SignIn) {
    match sign_in {
        SignIn::None => lines.key("method", "none"),
        SignIn::Password(_) => {
            lines.key("method", "password");
            lines.key("password", REDACTED);
        }
        SignIn::Application(application) => write_application(lines, application),
    }
}

fn write_application(lines: &mut Lines, application: &Application) {
    lines.key("method", "oauth");
    if let Some(tenant) = &application.tenant {
        lines.key("tenant", quoted(tenant));
    }
    lines.key("client_id", quoted(&application.client_id));
    lines.key("client_secret", REDACTED);
    lines.key("token_url", quoted(&application.token_url));
    lines.key("scope", quoted(&application.scope));
    write_roots(lines, application.roots.as_ref());
}

fn write_roots(lines: &mut Lines, roots: Option<&Roots>) {
    if let Some(roots) = roots {
        lines.key("ca_file", quoted(roots.file.display()));
    }
}

fn write_rule(lines: &mut Lines, rule: &Rule) {
    lines.member(|lines| {
        if !rule.when.client.is_empty() || !rule.when.from.is_empty() {
            lines.under("match", |lines| {
                if !rule.when.client.is_empty() {
                    lines.key("client", flow(&rule.when.client));
                }
                if !rule.when.from.is_empty() {
                    lines.key("from", flow(&rule.when.from));
                }
            });
        }
        lines.key("account", quoted(&rule.account));
        lines.key("from", quoted(&rule.identity.from));
        lines.key(
            "name",
            match &rule.identity.name {
                DisplayName::Original => "original".to_owned(),
                DisplayName::Fixed(name) => quoted(name),
            },
        );
        lines.key(
            "reply_to",
            match &rule.identity.reply_to {
                ReplyTo::Keep => "keep".to_owned(),
                ReplyTo::Original => "original".to_owned(),
                ReplyTo::None => "none".to_owned(),
                ReplyTo::Address(address) => quoted(address),
            },
        );
    });
}

/// The names alone; a password hash is worth guessing at.
fn write_users(lines: &mut Lines, config: &Config) {
    if config.users.is_empty() {
        return lines.key("users", "{}");
    }
    let mut names: Vec<&String> = config.users.keys().collect();
    names.sort();
    lines.under("users", |lines| names.iter().for_each(|name| lines.key(&quoted(name), REDACTED)));
}

fn write_clients(lines: &mut Lines, config: &Config) {
    if config.clients.iter().next().is_none() {
        return lines.key("clients", "{}");
    }
    lines.under("clients", |lines| config.clients.iter().for_each(|entry| write_client(lines, entry)));
}

fn write_client(lines: &mut Lines, entry: &ClientEntry) {
    lines.under(&quoted(entry.network), |lines| {
        if let Some(charset) = entry.charset {
            lines.key("charset", quoted(charset));
        }
        lines.under("quirks", |lines| {
            lines.key("ehlo", word(&EHLO, &entry.quirks.ehlo));
            lines.key("lf_ends_data", entry.quirks.lf_ends_data);
            lines.key("starttls", entry.quirks.starttls);
        });
    });
}

fn write_limits(lines: &mut Lines, config: &Config) {
    lines.under("limits", |lines| {
        lines.key("connections", config.limits.connections);
        lines.key("connections_per_client", config.limits.connections_per_client);
        lines.key("recipients", config.recipients);
        lines.key("errors", config.errors);
        lines.key("idle", show_duration(config.limits.idle));
        lines.key("session", show_duration(config.limits.session));
    });
}
