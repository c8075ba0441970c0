//! A spool that says yes to everything and keeps nothing: what a relay costs without one.

use std::sync::atomic::{AtomicU64, Ordering};

use mailferry::clock::Timestamp;
use mailferry::delivery::Later;
use mailferry::message::{AccountName, EntryId, Receipt};
use mailferry::spool::{BodyWriter, Due, Entry, NewEntry, Order, Record, Spool, SpoolError, Storage, Summary, Totals, Usage, WrittenBody};

/// The spool.
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

    fn look(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>> {
        self.load(id)
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
