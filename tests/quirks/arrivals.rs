//! What left for the upstream, as text that a person can compare.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use mailferry::message::Mailbox;
use mailferry::simulator::Received;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::dialogue::Case;

/// What the log says of an accepted message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) entry: String,
    pub(crate) client: String,
    repaired: String,
    event: String,
}

/// Recipients that are shown; the others are counted.
const SHOWN: usize = 5;

impl Accepted {
    /// Whether this is what arrived of it.
    pub(crate) fn left_as(&self, received: &Received) -> bool {
        // Our Received stands first.
        let start = &received.content[..received.content.len().min(1_000)];
        memchr::memmem::find(start, format!("id {};\r\n", self.entry).as_bytes()).is_some()
    }
}

/// Collects the accepted messages out of the relay's log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Accepted>>>);

impl Log {
    pub(crate) fn accepted(&self) -> Vec<Accepted> {
        self.0.lock().unwrap().clone()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut accepted = Accepted::default();
        event.record(&mut accepted);
        // The simulator has an event of this name, too.
        if accepted.event == "accepted" && !accepted.entry.is_empty() {
            self.0.lock().unwrap().push(accepted);
        }
    }
}

impl Visit for Accepted {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = match field.name() {
            "entry" => &mut self.entry,
            "client" => &mut self.client,
            "repaired" => &mut self.repaired,
            "message" => &mut self.event,
            _ => return,
        };
        *text = format!("{value:?}").trim_matches('"').to_owned();
    }
}

/// What arrived of an accepted message, with what differs from run to run made the same.
pub(crate) fn describe(case: &Case, client: &str, accepted: &Accepted, received: &[Arc<Received>]) -> String {
    let mine: Vec<_> = received.iter().filter(|received| accepted.left_as(received)).collect();
    let Some(message) = mine.first() else { panic!("{}: entry {} never arrived", case.id, accepted.entry) };
    check(case, &message.content);

    let mut text = String::from("\n");
    if !accepted.repaired.is_empty() {
        let _ = writeln!(text, "repaired: {}", accepted.repaired);
    }
    // More recipients than the upstream takes at once are several messages there: the same to each, and each recipient once.
    assert!(mine.iter().all(|other| other.content == message.content), "{}: the messages differ", case.id);
    let mut recipients: Vec<_> = mine.iter().flat_map(|message| &message.envelope.recipients).map(Mailbox::as_str).collect();
    recipients.sort();
    assert!(recipients.windows(2).all(|pair| pair[0] != pair[1]), "{}: a recipient got it twice", case.id);
    let _ = writeln!(text, "MAIL FROM:{} BODY={:?}", message.envelope.sender, message.body);
    for recipient in recipients.iter().take(SHOWN) {
        let _ = writeln!(text, "RCPT TO:<{recipient}>");
    }
    if recipients.len() > SHOWN {
        let _ = writeln!(text, "({} more)", recipients.len() - SHOWN);
    }
    text.push_str("DATA\n");
    let (content, arrival) = readable(&message.content);
    text.push_str(&content.replace(client, "CLIENT").replace(&arrival, "ARRIVAL"));
    text
}

/// What is true of every message, whatever its device sent.
fn check(case: &Case, content: &[u8]) {
    let header = &content[..memchr::memmem::find(content, b"\r\n\r\n").unwrap_or_else(|| panic!("{}: no header", case.id)) + 2];
    let count = |name: &str| {
        let starts = |line: &&[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
        header.split_inclusive(|&octet| octet == b'\n').filter(starts).count()
    };
    for name in ["From:", "Date:", "Message-ID:"] {
        assert_eq!(count(name), 1, "{}: {name}\n{}", case.id, header.escape_ascii());
    }
    assert_eq!(count("Bcc:") + count("Sender:"), 0, "{}", case.id);
    let bare = memchr::memchr2_iter(b'\r', b'\n', content).any(|at| match content[at] {
        b'\r' => content.get(at + 1) != Some(&b'\n'),
        _ => at == 0 || content[at - 1] != b'\r',
    });
    assert!(!bare, "{}: a line end that is not CRLF", case.id);
}

/// Each line of the content as text, and the time at which the message arrived.
fn readable(content: &[u8]) -> (String, String) {
    let lines = content.split_inclusive(|&octet| octet == b'\n').map(|line| line.strip_suffix(b"\r\n").unwrap_or(line));
    // The fourth line of our Received.
    let arrival = lines.clone().nth(3).map(|line| shown(line.trim_ascii_start())).unwrap_or_default();
    (in_runs(lines, |line| format!("| {}\n", shown(line))), arrival)
}

/// Lines one below the other; of many equal ones the first, and how many there are.
pub(crate) fn in_runs<L: PartialEq>(lines: impl Iterator<Item = L>, write: impl Fn(&L) -> String) -> String {
    let mut runs: Vec<(L, usize)> = Vec::new();
    for line in lines {
        match runs.last_mut() {
            Some((last, times)) if *last == line => *times += 1,
            Some(_) | None => runs.push((line, 1)),
        }
    }
    let run =
        |(line, times): &(L, usize)| if *times <= 3 { write(line).repeat(*times) } else { format!("{}({times} times)\n", write(line)) };
    match runs.len().checked_sub(MOST_RUNS) {
        None | Some(0) => runs.iter().map(run).collect(),
        Some(_) => {
            let (head, tail) = (&runs[..MOST_RUNS / 2], &runs[MOST_RUNS / 2..]);
            let (middle, tail) = tail.split_at(tail.len() - MOST_RUNS / 2);
            let text: Vec<String> = [head, middle, tail].map(|runs| runs.iter().map(run).collect()).into();
            format!("{}({} more, of CRC-32 {:08x})\n{}", text[0], middle.len(), crc32fast::hash(text[1].as_bytes()), text[2])
        }
    }
}

/// Different lines that are shown; of more, those in the middle are told by their checksum.
const MOST_RUNS: usize = 200;

/// ASCII as it is, but for the backslash and what cannot be seen.
fn shown(line: &[u8]) -> String {
    let mut text = String::new();
    for &octet in line {
        match octet {
            b'\\' => text.push_str("\\\\"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(octet)),
            _ => {
                let _ = write!(text, "\\x{octet:02x}");
            }
        }
    }
    text
}
