//! How log lines look: for people on a terminal, JSON otherwise.
//!
//! One line an event, on standard error. A line about an entry begins with the entry's id. Text from outside cannot
//! break a line or move a cursor: control characters are escaped here, whoever logs them.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::output::{acts, inert};
use crate::clock::Clock;
use crate::config::{Log, LogFormat};

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs: an object a line.
    Json,
}

impl Format {
    /// Text on a terminal, JSON otherwise.
    pub(super) fn fitting() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Starts logging as the configuration wants it.
pub(super) fn start_as(log: &Log) {
    let format = match log.format {
        LogFormat::Auto => Format::fitting(),
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    start(format, log.level);
}

/// Starts logging events of our own code at `level` and above, of libraries only warnings. May be called once.
pub(super) fn start(format: Format, level: Level) {
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target("mailferry", level);
    let layer = tracing_subscriber::fmt::layer().event_format(Lines { format, clock: Clock::system() }).with_writer(std::io::stderr);
    // A second start (two relays in one test process) keeps the first one's settings.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}

/// Writes one event as one line.
struct Lines {
    format: Format,
    clock: Clock,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut found = Found::default();
        event.record(&mut found);
        let line = match self.format {
            Format::Text => found.text(&self.clock, *event.metadata().level()),
            Format::Json => found.json(&self.clock, *event.metadata().level()),
        };
        writeln!(writer, "{line}")
    }
}

/// What an event carries.
#[derive(Default)]
struct Found {
    entry: Option<String>,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

enum Value {
    Text(String),
    Bare(String),
}

impl Found {
    fn take(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            "entry" => self.entry = Some(text),
            name => self.fields.push((name, Value::Text(text))),
        }
    }

    fn bare(&mut self, field: &Field, text: String) {
        self.fields.push((field.name(), Value::Bare(text)));
    }

    /// `2026-11-21T20:35:30.120Z INFO  1qvx… accepted client=192.168.10.21 size=2048`
    fn text(&self, clock: &Clock, level: Level) -> String {
        let mut line = format!("{} {level:<5} ", clock.now());
        if let Some(entry) = &self.entry {
            push_escaped(&mut line, entry);
            line.push(' ');
        }
        push_escaped(&mut line, &self.message);
        for (name, value) in &self.fields {
            let _ = write!(line, " {name}=");
            match value {
                Value::Bare(text) => line.push_str(text),
                Value::Text(text) if text.is_empty() || text.contains([' ', '"', '=', '\\']) => {
                    line.push('"');
                    push_escaped(&mut line, &text.replace('\\', "\\\\").replace('"', "\\\""));
                    line.push('"');
                }
                Value::Text(text) => push_escaped(&mut line, text),
            }
        }
        line
    }

    /// `{"time":"…","level":"info","entry":"…","event":"accepted","client":"192.168.10.21","size":2048}`
    fn json(&self, clock: &Clock, level: Level) -> String {
        let mut line = format!("{{\"time\":\"{}\",\"level\":\"{}\"", clock.now(), level.as_str().to_ascii_lowercase());
        if let Some(entry) = &self.entry {
            let _ = write!(line, ",\"entry\":{}", quoted(entry));
        }
        let _ = write!(line, ",\"event\":{}", quoted(&self.message));
        for (name, value) in &self.fields {
            match value {
                Value::Bare(text) => _ = write!(line, ",{}:{text}", quoted(name)),
                Value::Text(text) => _ = write!(line, ",{}:{}", quoted(name), quoted(text)),
            }
        }
        line.push('}');
        line
    }
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value.to_string());
    }
}

/// Appends text with what would act on a terminal escaped.
fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        if acts(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

fn quoted(text: &str) -> String {
    inert(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn found() -> Found {
        Found {
            entry: Some("1qvx00000001".into()),
            message: "accepted".into(),
            fields: vec![
                ("helo", Value::Text("my\u{1b}[31m \"x\"\u{9b}".into())),
                ("to", Value::Text("a@b".into())),
                ("size", Value::Bare("12".into())),
            ],
        }
    }

    #[test]
    fn a_line_for_people_begins_with_the_entry_and_cannot_be_broken() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let want = "1970-01-01T00:00:00.000Z INFO  1qvx00000001 accepted helo=\"my\\u{1b}[31m \\\"x\\\"\\u{9b}\" to=a@b size=12";
        assert_eq!(found().text(&clock, Level::INFO), want);
    }

    #[test]
    fn no_value_can_end_before_its_quote() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let fields = vec![("from", Value::Text("x\\\" level=error y=\\".into()))];
        let line = Found { entry: None, message: "refused".into(), fields }.text(&clock, Level::INFO);
        assert!(line.ends_with(r#" from="x\\\" level=error y=\\""#), "{line}");
    }

    #[test]
    fn a_line_for_programs_is_json() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let line = found().json(&clock, Level::WARN);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((value["event"].as_str(), value["size"].as_u64(), value["level"].as_str()), (Some("accepted"), Some(12), Some("warn")));
        assert!(!line.contains(['\u{1b}', '\u{9b}']));
    }
}
