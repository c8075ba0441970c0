//! A spool that does what a test tells it to, and keeps in memory what it was given.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub(crate) mod log;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailferry::clock::Timestamp;
use mailferry::delivery::Later;
use mailferry::message::{AccountName, EntryId, Receipt};
use mailferry::spool::{BodyWriter, Due, Entry, NewEntry, Order, Record, Spool, SpoolError, Storage, Summary, Totals, Usage, WrittenBody};
use tokio::sync::Semaphore;

/// How long a test waits for what must come, before it gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the next message will meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Full,
    Failed,
}

#[derive(Debug)]
pub(crate) struct ScriptedSpool {
    storage: Mutex<Storage>,
    fault: Mutex<Fault>,
    stored: Mutex<Vec<NewEntry>>,
    /// A message is stored as soon as one is to be had.
    leave: Semaphore,
}

impl ScriptedSpool {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            storage: Mutex::new(Storage::Ready),
            fault: Mutex::new(Fault::None),
            stored: Mutex::default(),
            leave: Semaphore::new(Semaphore::MAX_PERMITS / 2),
        })
    }

    pub(crate) fn set_storage(&self, storage: Storage) {
        *self.storage.lock().unwrap() = storage;
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Makes messages wait until [`Self::release`].
    pub(crate) fn hold(&self) {
        self.leave.forget_permits(usize::MAX);
    }

    /// Lets one message that waits, or the next, be stored.
    pub(crate) fn release(&self) {
        self.leave.add_permits(1);
    }

    pub(crate) fn stored(&self) -> Vec<NewEntry> {
        self.stored.lock().unwrap().clone()
    }

    /// Waits until this many messages are stored.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<NewEntry> {
        let stored = async {
            while self.stored.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, stored).await.expect("the messages were not stored");
        self.stored()
    }

    async fn put(&self, entry: NewEntry) -> Result<Receipt, SpoolError> {
        self.leave.acquire().await.unwrap().forget();
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::None => {
                let mut stored = self.stored.lock().unwrap();
                stored.push(entry);
                Ok(Receipt::committed(EntryId::from_u64(stored.len() as u64)))
            }
            Fault::Full => Err(SpoolError::Full { dir: "/spool".into() }),
            Fault::Failed => {
                Err(SpoolError::Failed { doing: "commit", dir: "/spool".into(), source: Arc::new(std::io::Error::other("no medium")) })
            }
        }
    }
}

fn none<T: Send + 'static>(id: EntryId) -> Later<'static, Result<T, SpoolError>> {
    Box::pin(async move { Err(SpoolError::NoSuchEntry(id)) })
}

impl Spool for ScriptedSpool {
    fn storage(&self) -> Storage {
        *self.storage.lock().unwrap()
    }

    fn begin_body(&self) -> BodyWriter {
        BodyWriter::in_memory()
    }

    fn store(&self, entry: NewEntry, _body: WrittenBody) -> Later<'_, Result<Receipt, SpoolError>> {
        Box::pin(self.put(entry))
    }

    fn load(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>> {
        none(id)
    }

    fn look(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>> {
        none(id)
    }

    fn due(&self, _: AccountName, _: Timestamp, _: Vec<EntryId>, _: usize) -> Later<'_, Result<Vec<Due>, SpoolError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn next_due(&self, _: AccountName, _: Vec<EntryId>) -> Later<'_, Result<Option<Timestamp>, SpoolError>> {
        Box::pin(async { Ok(None) })
    }

    fn record(&self, record: Record) -> Later<'_, Result<(), SpoolError>> {
        none(record.id)
    }

    fn usage(&self, _: AccountName, _: Timestamp) -> Later<'_, Result<Usage, SpoolError>> {
        Box::pin(async { Ok(Usage::default()) })
    }

    fn list(&self, _: Option<EntryId>, _: usize) -> Later<'_, Result<Vec<Summary>, SpoolError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn totals(&self) -> Later<'_, Result<Totals, SpoolError>> {
        Box::pin(async { Ok(Totals::default()) })
    }

    fn order(&self, id: EntryId, _: Order) -> Later<'_, Result<(), SpoolError>> {
        none(id)
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(async {})
    }
}
