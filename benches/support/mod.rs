//! What benchmarks share: a spool that keeps nothing, messages, and the time the processor worked.

use std::sync::atomic::{AtomicU64, Ordering};

use mailferry::clock::Timestamp;
use mailferry::delivery::Later;
use mailferry::message::{AccountName, Decision, DisplayName, EntryId, Envelope, Identity, Mailbox, Origin, ReplyTo, ReversePath};
use mailferry::message::{BodyFacts, HeaderBlock, Receipt};
use mailferry::spool::{BodyWriter, Due, Entry, NewEntry, Order, Record, Spool, SpoolError, Storage, Summary, Totals, Usage, WrittenBody};

/// A spool that says yes to everything and keeps nothing: what a relay costs without one.
#[derive(Debug, Default)]
pub(crate) struct Discard {
    last: AtomicU64,
}

fn later<'a, T: Send + 'a>(value: T) -> Later<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Spool for Discard {
    fn storage(&self) -> Storage {
        Storage::Ready
    }

    fn begin_body(&self) -> BodyWriter {
        BodyWriter::in_memory()
    }

    fn store(&self, _: NewEntry, _: WrittenBody) -> Later<'_, Result<Receipt, SpoolError>> {
        let id = EntryId::from_u64(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        later(Ok(Receipt::committed(id)))
    }

    fn load(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>> {
        later(Err(SpoolError::NoSuchEntry(id)))
    }

    fn due(&self, _: AccountName, _: Timestamp, _: Vec<EntryId>, _: usize) -> Later<'_, Result<Vec<Due>, SpoolError>> {
        later(Ok(Vec::new()))
    }

    fn next_due(&self, _: AccountName, _: Vec<EntryId>) -> Later<'_, Result<Option<Timestamp>, SpoolError>> {
        later(Ok(None))
    }

    fn record(&self, _: Record) -> Later<'_, Result<(), SpoolError>> {
        later(Ok(()))
    }

    fn usage(&self, _: AccountName, _: Timestamp) -> Later<'_, Result<Usage, SpoolError>> {
        later(Ok(Usage::default()))
    }

    fn list(&self, _: Option<EntryId>, _: usize) -> Later<'_, Result<Vec<Summary>, SpoolError>> {
        later(Ok(Vec::new()))
    }

    fn totals(&self) -> Later<'_, Result<Totals, SpoolError>> {
        later(Ok(Totals::default()))
    }

    fn order(&self, id: EntryId, _: Order) -> Later<'_, Result<(), SpoolError>> {
        later(Err(SpoolError::NoSuchEntry(id)))
    }

    fn close(&self) -> Later<'_, ()> {
        later(())
    }
}

/// The account of [`message`].
pub(crate) fn account() -> AccountName {
    AccountName::new("office")
}

/// A message like a scanner's, to one recipient, whose body has `size` octets.
pub(crate) fn message(size: u64, received: Timestamp) -> NewEntry {
    let mailbox = |text| Mailbox::parse(text).expect("a good address");
    NewEntry {
        origin: Origin {
            client: [192, 168, 10, 21].into(),
            listener: "0.0.0.0:2525".into(),
            helo: Some("copier-2".into()),
            esmtp: true,
            login: None,
            received,
        },
        envelope: Envelope {
            sender: ReversePath::Mailbox(mailbox("scanner@old.local")),
            recipients: vec![mailbox("someone@contoso.com")],
            smtputf8: false,
        },
        header: HeaderBlock::new(
            &b"From: Scanner <scanner@old.local>\r\nTo: someone@contoso.com\r\nSubject: Scan from the second floor\r\n\
               Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@old.local>\r\nMIME-Version: 1.0\r\n\
               Content-Type: multipart/mixed; boundary=\"=_scan\"\r\n"[..],
        ),
        facts: BodyFacts { size, longest_line: 76, ..BodyFacts::default() },
        decision: Decision {
            account: account(),
            identity: Identity { from: mailbox("noreply@contoso.com"), name: DisplayName::Original, reply_to: ReplyTo::Keep },
        },
    }
}

/// Seconds that the processor worked for this process, in steps of the kernel's clock tick.
pub(crate) fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
