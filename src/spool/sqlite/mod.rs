//! SQLite as the spool's embedded engine.
//!
//! One thread writes (`writer`), and puts all that waits at the same moment into one commit; another moves the log
//! into the database beside it (`mover`); questions go to
//! connections of their own (`reader`); entries that were stored a moment ago are answered from memory
//! (`fresh`). `folder` knows what lies where, `recovery` what a crash leaves, `aside` what becomes of damage.
//!
//! Always true:
//! - One process holds `data_dir`.
//! - What is promised is in the database, and its body file, if it has one, was synced before.

mod aside;
mod folder;
mod fresh;
mod mover;
mod ops;
mod queue;
mod reader;
mod recovery;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use self::folder::Folder;
use self::fresh::Fresh;
use self::mover::Mover;
use self::ops::{Answer, Op, Store, database_failed};
use self::queue::Queue;
use self::reader::Readers;
use self::recovery::Census;
use self::writer::Writer;
use super::body::{Bodies, BodyFile};
use super::budget::Budget;
use super::disk::Disk;
use super::health::Health;
use super::ids::Ids;
use super::{
    BodyWriter, Due, Entry, NewEntry, Order, Record, Recovery, Settings, Spool, SpoolError, Storage, Summary, Totals, Usage, WrittenBody,
};
use crate::clock::{Clock, Timestamp};
use crate::delivery::Later;
use crate::message::{AccountName, EntryId, Receipt};

/// Why a spool could not be opened: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `data_dir` is something else.
    #[error("{dir} is no folder: name one under `data_dir`, it is made when it is missing")]
    NotAFolder {
        /// `data_dir`.
        dir: PathBuf,
    },
    /// The folder cannot be made, read or written.
    #[error("cannot use the folder {dir}: give it to the user that mailferry runs as, or name another one under `data_dir`")]
    Unusable {
        /// `data_dir`.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process holds the folder.
    #[error(
        "the folder {dir} is in use by {}: stop that one first, or give this one a `data_dir` of its own",
        process.map_or_else(|| "another mailferry".into(), |process| format!("the mailferry with process number {process}"))
    )]
    Locked {
        /// `data_dir`.
        dir: PathBuf,
        /// The process, if it left its number.
        process: Option<u32>,
    },
    /// A later mailferry has made the database.
    #[error("{path} was written by a later mailferry (version {found} of the tables, this one knows {known}): run that one")]
    Later {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version that this program knows.
        known: i64,
    },
    /// The database cannot be opened; it is not damaged as far as can be seen.
    #[error("cannot open the database {path}: look whether its disk is full or broken, and whose file it is")]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A new database was damaged at once.
    #[error("the new database {path} cannot be read back ({why}): its disk is not to be trusted, name another `data_dir`")]
    NewIsDamaged {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// A damaged entry could not be moved out of the way.
    #[error("cannot set the damaged entry {id} aside: make room on the disk, then start again")]
    Aside {
        /// The entry.
        id: EntryId,
        /// Why not.
        #[source]
        source: SpoolError,
    },
    /// The system gave no thread.
    #[error("cannot start the thread that writes the spool: raise the limit of threads")]
    Thread {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// A spool in a folder of its own. Closed when dropped; [`Spool::close`] does the same without blocking.
#[derive(Debug)]
pub struct SqliteSpool {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer and those who ask share.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    health: Arc<Health>,
    bodies: Arc<Bodies>,
    ids: Arc<Ids>,
    queue: Queue<Op>,
    fresh: Fresh,
    readers: Readers,
    waiting: AtomicI64,
    held: AtomicI64,
    /// Whether damage was seen that is not in one entry alone.
    damaged: AtomicBool,
    /// Goes last: it holds the lock.
    folder: Folder,
}

impl Shared {
    fn count(&self, waiting: i64, held: i64) {
        self.waiting.fetch_add(waiting, Ordering::Relaxed);
        self.held.fetch_add(held, Ordering::Relaxed);
    }

    fn set_counts(&self, census: &Census) {
        self.waiting.store(i64::try_from(census.waiting).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.held.store(i64::try_from(census.held).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Leaves the mark when it is damage of the database that has made an operation fail.
    fn look_for_damage(&self, error: &SpoolError) {
        if let SpoolError::Failed { doing, source, .. } = error
            && let Some(error) = source.downcast_ref::<rusqlite::Error>()
            && schema::is_damage(error)
        {
            self.damage_seen(doing, error);
        }
    }

    /// Damage in a page that more than one entry needs cannot be set aside while others use the database: the next start does.
    fn damage_seen(&self, doing: &'static str, error: &rusqlite::Error) {
        if self.damaged.swap(true, Ordering::Relaxed) {
            return;
        }
        let (mark, disk) = (self.folder.mark_of_damage(), &self.folder.disk);
        let marked = disk.create(&mark).and_then(|_| disk.sync_folder(&self.folder.spool()));
        tracing::error!(
            doing, %error, database = %self.folder.database().display(), marked = marked.is_ok(),
            "the database is damaged: stop mailferry, keep a copy of data_dir, start it again; the start looks at every page, \
             moves a damaged database with all it holds to data_dir/damaged-TIME, and begins a new one"
        );
    }

    fn closed(&self) -> SpoolError {
        let source = std::io::Error::other("the spool is closed");
        SpoolError::Failed { doing: "work", dir: self.folder.data_dir.clone(), source: Arc::new(source) }
    }
}

impl SqliteSpool {
    /// Opens the spool at `settings.dir`, which is made when it is missing, and puts in order what a crash left.
    /// Blocks while it does, usually for some milliseconds.
    pub fn open(settings: Settings, clock: Clock) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(settings, clock, Disk::default())
    }

    fn open_on(settings: Settings, clock: Clock, disk: Disk) -> Result<(Self, Recovery), OpenError> {
        let folder = Folder::hold(&settings.dir, disk.clone())?;
        let now = clock.now();
        let recovered = recovery::recover(&folder, now)?;
        let readers = Readers::new(folder.database());
        readers.open().map_err(|source| OpenError::Database { path: folder.database(), source })?;

        let health = Arc::new(Health::new(settings.dir.clone(), disk.clone(), settings.reserve));
        let ids = Arc::new(Ids::above(recovered.census.largest, clock.clone()));
        // A quarter of the memory is for entries that were just stored: they are sent next.
        let kept = settings.memory / 4;
        let bodies = Bodies {
            data_dir: settings.dir,
            dir: folder.bodies(),
            inline: settings.inline,
            budget: Budget::new(settings.memory - kept),
            disk,
            health: Arc::clone(&health),
            ids: Arc::clone(&ids),
        };
        let shared = Arc::new(Shared {
            clock,
            health,
            bodies: Arc::new(bodies),
            ids,
            queue: Queue::new(),
            fresh: Fresh::new(kept),
            readers,
            waiting: AtomicI64::new(0),
            held: AtomicI64::new(0),
            damaged: AtomicBool::new(false),
            folder,
        });
        shared.set_counts(&recovered.census);
        let mover = Mover::new(shared.folder.database(), shared.folder.data_dir.clone(), shared.folder.disk.clone())
            .map_err(|source| OpenError::Unusable { dir: shared.folder.data_dir.clone(), source })?;
        let writer = Writer::new(Arc::clone(&shared), recovered.connection, mover, now);
        let thread = std::thread::Builder::new().name("spool".into()).spawn(move || writer.run());
        let thread = thread.map_err(|source| OpenError::Thread { source })?;
        Ok((Self { shared, writer: Mutex::new(Some(thread)) }, recovered.recovery))
    }

    /// Hands an operation to the writer and waits for its answer.
    async fn write<T>(&self, op: impl FnOnce(Answer<T>) -> Op) -> Result<T, SpoolError> {
        let (answer, answered) = oneshot::channel();
        if self.shared.queue.push(op(answer)).await.is_err() {
            return Err(self.shared.closed());
        }
        // The writer went without an answer: it has panicked.
        answered.await.unwrap_or_else(|_| Err(self.shared.closed()))
    }

    /// Asks the database, on a thread that may wait for the disk.
    async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        question: impl FnOnce(&Connection, &Shared) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let shared = Arc::clone(&self.shared);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = shared.readers.ask(|connection| question(connection, &shared));
            answer.map_err(|error| {
                let error = database_failed(doing, &shared.folder.data_dir, error);
                shared.look_for_damage(&error);
                error
            })
        });
        asked.await.unwrap_or_else(|_| Err(self.shared.closed()))
    }

    async fn promise(&self, entry: NewEntry, body: WrittenBody) -> Result<Receipt, SpoolError> {
        self.shared.health.check_space()?;
        // A body file is named after the entry it was made for.
        let id = body.id().unwrap_or_else(|| self.shared.ids.next());
        let due = entry.origin.received.min(self.shared.clock.now());
        let store = Store::new(id, due, entry, body).map_err(|error| SpoolError::Failed {
            doing: "write down a message",
            dir: self.shared.folder.data_dir.clone(),
            source: Arc::new(error),
        })?;
        self.write(|answer| Op::Store(Box::new(store), answer)).await
    }

    async fn read(&self, id: EntryId) -> Result<Entry, SpoolError> {
        if let Some(entry) = self.shared.fresh.take(id) {
            return Ok(entry);
        }
        match self.read_from_disk(id).await? {
            Ok(entry) => Ok(entry),
            Err(why) => {
                // The writer looks whether it is still there, moves it and tells the log; if it cannot, the entry stays where it is.
                let said = why.clone();
                match self.write(|answer| Op::SetAside(id, said, answer)).await {
                    Ok(())
                    | Err(SpoolError::Full { .. } | SpoolError::Busy { .. } | SpoolError::Failed { .. } | SpoolError::Damaged { .. }) => {
                        Err(SpoolError::Damaged { id, why })
                    }
                    // Its last recipient was delivered while it was being read.
                    Err(SpoolError::NoSuchEntry(id)) => Err(SpoolError::NoSuchEntry(id)),
                }
            }
        }
    }

    async fn look_at(&self, id: EntryId) -> Result<Entry, SpoolError> {
        match self.shared.fresh.look(id) {
            Some(entry) => Ok(entry),
            None => self.read_from_disk(id).await?.map_err(|why| SpoolError::Damaged { id, why }),
        }
    }

    /// An entry that is not fresh. `Ok(Err(why))` when it is damaged.
    async fn read_from_disk(&self, id: EntryId) -> Result<Result<Entry, String>, SpoolError> {
        let question = move |connection: &Connection, shared: &Shared| reader::load(connection, id, &shared.bodies.dir);
        self.ask("read an entry", question).await?.ok_or(SpoolError::NoSuchEntry(id))
    }

    /// Changes an entry; when that ends it, its body file goes too.
    async fn change(&self, op: impl FnOnce(Answer<Option<BodyFile>>) -> Op) -> Result<(), SpoolError> {
        let finished = self.write(op).await?;
        if let Some(file) = finished {
            // Committed first, unlinked after. Unlinking a large file takes a while.
            let _ = tokio::task::spawn_blocking(move || drop(file)).await;
        }
        Ok(())
    }

    async fn count_all(&self) -> Result<Totals, SpoolError> {
        let oldest = match self.ask("count entries", |connection, _| reader::oldest(connection)).await {
            // While the writer cannot mend the database nobody can ask it. How much waits is what a person wants to know then.
            Err(_) if self.storage() != Storage::Ready => None,
            answer => answer?,
        };
        let count = |counter: &AtomicI64| u64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(0);
        Ok(Totals { waiting: count(&self.shared.waiting), held: count(&self.shared.held), oldest })
    }

    /// Ends the writer after what waits.
    fn end(&self) -> Option<JoinHandle<()>> {
        self.shared.queue.close();
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for SqliteSpool {
    fn drop(&mut self) {
        if let Some(thread) = self.end() {
            // Its panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Spool for SqliteSpool {
    fn storage(&self) -> Storage {
        self.shared.health.storage()
    }

    fn begin_body(&self) -> BodyWriter {
        BodyWriter::new(Arc::clone(&self.shared.bodies))
    }

    fn store(&self, entry: NewEntry, body: WrittenBody) -> Later<'_, Result<Receipt, SpoolError>> {
        Box::pin(self.promise(entry, body))
    }

    fn load(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>> {
        Box::pin(self.read(id))
    }

    fn look(&self, id: EntryId) -> Later<'_, Result<Entry, SpoolError>> {
        Box::pin(self.look_at(id))
    }

    fn due(&self, account: AccountName, now: Timestamp, except: Vec<EntryId>, limit: usize) -> Later<'_, Result<Vec<Due>, SpoolError>> {
        Box::pin(self.ask("look what is due", move |connection, _| reader::due(connection, &account, now, &except, limit)))
    }

    fn next_due(&self, account: AccountName, except: Vec<EntryId>) -> Later<'_, Result<Option<Timestamp>, SpoolError>> {
        Box::pin(self.ask("look what is due next", move |connection, _| reader::next_due(connection, &account, &except)))
    }

    fn record(&self, record: Record) -> Later<'_, Result<(), SpoolError>> {
        Box::pin(self.change(|answer| Op::Record(Box::new(record), answer)))
    }

    fn order(&self, id: EntryId, order: Order) -> Later<'_, Result<(), SpoolError>> {
        let now = self.shared.clock.now();
        Box::pin(self.change(move |answer| Op::Order(id, order, now, answer)))
    }

    fn usage(&self, account: AccountName, since: Timestamp) -> Later<'_, Result<Usage, SpoolError>> {
        Box::pin(self.ask("look what was used", move |connection, _| reader::usage(connection, &account, since)))
    }

    fn list(&self, after: Option<EntryId>, limit: usize) -> Later<'_, Result<Vec<Summary>, SpoolError>> {
        Box::pin(self.ask("list entries", move |connection, _| reader::list(connection, after, limit)))
    }

    fn totals(&self) -> Later<'_, Result<Totals, SpoolError>> {
        Box::pin(self.count_all())
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(async {
            if let Some(thread) = self.end() {
                let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            }
        })
    }
}
