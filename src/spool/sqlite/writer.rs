//! The one thread that writes: it commits all that waits at once, and answers after the commit.
//!
//! What the statements are is left to `ops`; who waits, to `queue`; moving the log while there is work, to `mover`.
//!
//! Always true:
//! - Nobody is answered with success before the commit that holds his operation is synced.
//! - After a commit that failed, all connections are closed and the log is read again from disk and emptied
//!   before anything else is promised: pages whose sync failed are not trusted, and what was refused does not
//!   come back.
//! - Nobody is told of a change, done or failed, while the entry is still kept in memory as it was before.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::mover::{LogSize, Mover, Next};
use super::ops::{Applied, Effects, Op, Statements, Trouble, database_failed};
use super::queue::Woken;
use super::recovery::take_census;
use super::schema::{self, Checkpoint};
use super::{Shared, aside};
use crate::cause::chain;
use crate::clock::Timestamp;
use crate::message::{EntryId, Receipt};
use crate::spool::SpoolError;
use crate::spool::body::{BodyFile, Content};
use crate::spool::disk::{Step, failed};

/// What a commit writes to the log whatever is in it: the last page of each table and index, those above, the file's first.
const PAGES_OF_COMMIT: u64 = 7 * 8192;
/// What it writes for each entry beside the content: its row, and what its pages have left over, roughly.
const PAGES_OF_ENTRY: u64 = 4096;
/// How long nobody must want anything before the log is moved and the file is made smaller.
const REST: Duration = Duration::from_secs(1);
/// The pause between two tries to mend the database.
const MEND: Duration = Duration::from_secs(1);
/// The pause between two steps of making the file smaller, for the sake of others on the same disk.
const COMPACT: Duration = Duration::from_millis(20);
/// Pages that one such step gives back: some milliseconds of work.
const COMPACT_PAGES: u32 = 256;
/// Free pages that are kept for what comes: 16 MB.
const SPARE_PAGES: i64 = 2048;
/// Uses of the limits are kept a little over the day that the longest limit looks back.
const USAGE_KEPT: Duration = Duration::from_secs(25 * 3600);
/// How often what is older is forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// How far ahead ids are noted as given, so that this is written once in a while and not with each commit.
const MARK_AHEAD: Duration = Duration::from_secs(10);

/// The writer's side of a spool.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// None after a failure, until it is mended.
    database: Option<Connection>,
    /// Messages that were refused because their commit failed, and that may be in the log all the same. Their
    /// body files stay until that is settled.
    doubtful: Vec<(EntryId, Option<BodyFile>)>,
    log: LogSize,
    mover: Mover,
    /// No id has reached this.
    mark: Option<EntryId>,
    pruned: Timestamp,
    compacting: bool,
}

impl Writer {
    /// A writer on a database that recovery has put in order.
    pub(super) fn new(shared: Arc<Shared>, database: Connection, mover: Mover, pruned: Timestamp) -> Self {
        // What recovery wrote is moved at the first rest.
        let log = LogSize::SOME;
        Self { shared, database: Some(database), doubtful: Vec::new(), log, mover, mark: None, pruned, compacting: false }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            match self.shared.queue.take(self.patience()) {
                Woken::For(ops) => self.work(ops),
                Woken::ForNothing => self.rest(),
                Woken::ToEnd => return self.end(),
            }
        }
    }

    /// How long to sleep when nobody wants anything; None to sleep until somebody does.
    fn patience(&self) -> Option<Duration> {
        match self {
            Self { database: None, .. } => Some(MEND),
            Self { compacting: true, .. } => Some(COMPACT),
            Self { log, .. } if !log.is_empty() || self.mover.is_moving() => Some(REST),
            Self { .. } => None,
        }
    }

    fn work(&mut self, mut ops: Vec<Op>) {
        ops.retain(|op| !op.is_abandoned());
        if self.database.is_none()
            && let Err(error) = self.mend()
        {
            ops.into_iter().for_each(|op| op.fail(error.clone()));
            return;
        }
        self.commit(ops);
        self.tend_log();
    }

    /// Commits operations together. One that cannot be done fails alone: the others are begun anew without it,
    /// which costs only when it happens, where a savepoint for each would cost always.
    fn commit(&mut self, mut ops: Vec<Op>) {
        while !ops.is_empty() {
            match self.attempt(&ops) {
                // Whatever sync of the log or the database has failed meanwhile, nothing is promised after it.
                Ok((applied, effects)) => match self.mover.collect(&mut self.log) {
                    Ok(()) => return self.settle(ops, applied, &effects),
                    Err(error) => return self.break_down(ops, &error),
                },
                Err((trouble, at)) => {
                    self.roll_back();
                    match trouble {
                        Trouble::One(error) => {
                            self.shared.look_for_damage(&error);
                            tracing::warn!(error = %chain(&error), "could not write one of the operations that waited");
                            ops.remove(at).fail(error);
                        }
                        Trouble::All(error) => return self.break_down(ops, &error),
                    }
                }
            }
        }
    }

    /// One transaction. On trouble, with the place of the operation that was being done.
    fn attempt(&mut self, ops: &[Op]) -> Result<(Vec<Applied>, Effects), (Trouble, usize)> {
        let Some(connection) = &self.database else { return Err((Trouble::All(self.closed()), 0)) };
        let folder = &self.shared.folder;
        let statements = Statements { connection, disk: &folder.disk, dir: &folder.data_dir };
        let all = |error| (Trouble::All(database_failed("commit", &folder.data_dir, error)), 0);
        let step =
            |step| folder.disk.permit(step, &folder.data_dir).map_err(|error| (Trouble::All(failed("commit", &folder.data_dir, error)), 0));

        let mut effects = Effects::default();
        step(Step::Begin)?;
        connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([])).map_err(all)?;
        let mut applied = Vec::with_capacity(ops.len());
        for (at, op) in ops.iter().enumerate() {
            applied.push(statements.apply(op, &mut effects).map_err(|trouble| (trouble, at))?);
        }
        statements.count_usage(&effects).map_err(all)?;
        let mark = self.next_mark(effects.largest);
        if let Some(mark) = mark {
            statements.set_mark(mark).map_err(all)?;
        }
        step(Step::Commit)?;
        connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).map_err(all)?;
        step(Step::Committed)?;
        self.mark = mark.or(self.mark);
        Ok((applied, effects))
    }

    /// A mark to be set, when the ids have reached the last one.
    fn next_mark(&self, largest: Option<EntryId>) -> Option<EntryId> {
        let ahead = EntryId::first_of(self.shared.clock.now().after(MARK_AHEAD));
        largest.filter(|largest| self.mark.is_none_or(|mark| *largest >= mark)).map(|largest| ahead.max(largest.next()))
    }

    /// After the commit: counts, keeps what is fresh, and answers.
    fn settle(&mut self, ops: Vec<Op>, applied: Vec<Applied>, effects: &Effects) {
        self.shared.count(effects.waiting, effects.held);
        let written = effects.octets + PAGES_OF_COMMIT + ops.len() as u64 * PAGES_OF_ENTRY;
        self.log.add(written);
        self.shared.health.wrote(written);
        for (op, applied) in ops.into_iter().zip(applied) {
            match op {
                Op::Store(store, answer) => {
                    let id = store.id;
                    match store.content {
                        Content::File(file) => file.keep(),
                        Content::Memory { octets, .. } => self.shared.fresh.keep(id, store.entry, octets, store.due),
                    }
                    // Whoever asked may have gone: then the message is sent although nobody was told so.
                    let _ = answer.send(Ok(Receipt::committed(id)));
                }
                Op::Record(record, answer) => drop(answer.send(self.changed(record.id, applied))),
                Op::Order(id, _, _, answer) => drop(answer.send(self.changed(id, applied))),
                Op::SetAside(id, why, answer) => {
                    let _ = answer.send(self.set_aside(id, &why));
                }
            }
        }
    }

    /// The answer about an entry whose row has changed: its body file, when the entry is gone.
    fn changed(&self, id: EntryId, applied: Applied) -> Result<Option<BodyFile>, SpoolError> {
        self.shared.fresh.forget(id);
        match applied {
            Applied::Finished { in_file: true } => Ok(Some(BodyFile::finished(&self.shared.bodies, id))),
            Applied::Finished { in_file: false } | Applied::Recorded | Applied::Stored | Applied::Left => Ok(None),
            Applied::NoEntry => Err(SpoolError::NoSuchEntry(id)),
        }
    }

    fn set_aside(&mut self, id: EntryId, why: &str) -> Result<(), SpoolError> {
        let Some(connection) = &self.database else { return Err(self.closed()) };
        let done = aside::entry(connection, &self.shared.folder, id, why, self.shared.clock.now());
        match &done {
            Ok(aside) => tracing::error!(entry = %id, kept_at = %aside.kept_at.display(), why, "set a damaged entry aside"),
            Err(SpoolError::NoSuchEntry(_)) => {}
            Err(error) => {
                tracing::error!(entry = %id, why, error = %chain(error), "could not set a damaged entry aside");
                self.shared.look_for_damage(error);
            }
        }
        if let Ok(census) = take_census(connection) {
            self.shared.set_counts(&census);
        }
        done.map(drop)
    }

    fn roll_back(&self) {
        if let Some(connection) = &self.database
            && !connection.is_autocommit()
        {
            // What fails here is settled by closing the connection, or shows at the next BEGIN.
            let _ = connection.execute_batch("ROLLBACK");
        }
    }

    /// A failure that reaches everything: all operations fail, and the connections are closed.
    fn break_down(&mut self, ops: Vec<Op>, error: &SpoolError) {
        tracing::error!(error = %chain(error), operations = ops.len(), "could not commit");
        self.shared.look_for_damage(error);
        self.shared.health.database(matches!(error, SpoolError::Full { .. }));
        self.shared.readers.close();
        self.database = None;
        for op in ops {
            // What is told as failed may have come through all the same: who asks again must see what the disk holds.
            if let Some(id) = op.changes() {
                self.shared.fresh.forget(id);
            }
            if let Op::Store(store, answer) = op {
                let file = match store.content {
                    Content::File(file) => Some(file),
                    Content::Memory { .. } => None,
                };
                self.doubtful.push((store.id, file));
                let _ = answer.send(Err(error.clone()));
            } else {
                op.fail(error.clone());
            }
        }
        // A pass has a connection too. How it ends does not matter any more: the log is moved again from its start.
        let _ = self.mover.wait(&mut self.log);
    }

    /// Opens the database again: what the log holds on disk is read, what was refused is removed, and the log
    /// is emptied into the database file, so that nothing builds on pages whose sync failed.
    fn mend(&mut self) -> Result<(), SpoolError> {
        let folder = &self.shared.folder;
        let dir = &folder.data_dir;
        let result = folder
            .disk
            .permit(Step::Reopen, dir)
            .map_err(|error| failed("open the database again", dir, error))
            .and_then(|()| self.reopen().map_err(|error| database_failed("open the database again", dir, error)));
        match result {
            Ok(connection) => {
                self.database = Some(connection);
                self.doubtful.clear();
                self.log = LogSize::EMPTY;
                self.shared.health.database(true);
                tracing::info!("opened the database again");
                Ok(())
            }
            Err(error) => {
                self.shared.readers.close();
                self.shared.health.database(matches!(error, SpoolError::Full { .. }));
                self.shared.look_for_damage(&error);
                tracing::debug!(error = %chain(&error), "could not open the database again");
                Err(error)
            }
        }
    }

    fn reopen(&self) -> Result<Connection, rusqlite::Error> {
        let folder = &self.shared.folder;
        let connection = schema::writer(&folder.database())?;
        let statements = Statements { connection: &connection, disk: &folder.disk, dir: &folder.data_dir };
        let transaction = connection.unchecked_transaction()?;
        for (id, _) in &self.doubtful {
            statements.delete(*id)?;
        }
        transaction.commit()?;
        if !schema::checkpoint(&connection, Checkpoint::Truncate)? {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                Some("somebody reads the log".into()),
            ));
        }
        self.shared.set_counts(&take_census(&connection)?);
        self.shared.readers.open()?;
        Ok(connection)
    }

    /// What is done when nobody wants anything.
    fn rest(&mut self) {
        if self.database.is_none() {
            // Failing is told to whoever asks next, and in the log when it began.
            let _ = self.mend();
            return;
        }
        if let Err(error) = self.mover.collect(&mut self.log) {
            return self.break_down(Vec::new(), &error);
        }
        // A pass at work is looked at again after the next rest.
        if !self.mover.is_moving() {
            self.prune();
            self.compact();
            self.move_log();
        }
    }

    /// Keeps the log from growing while there is work.
    fn tend_log(&mut self) {
        if self.database.is_none() {
            return;
        }
        match self.log.next(self.mover.is_moving()) {
            Next::Leave => {}
            Next::Pass => {
                if let Err(error) = self.mover.begin(self.log) {
                    tracing::debug!(%error, "no thread to move the log, moving it between commits");
                    self.move_log();
                }
            }
            Next::Finish => match self.mover.wait(&mut self.log) {
                Ok(()) => self.move_log(),
                Err(error) => self.break_down(Vec::new(), &error),
            },
        }
    }

    /// Moves what is left of the log into the database. Readers may keep a part of it; the next time it goes too.
    fn move_log(&mut self) {
        let Some(connection) = &self.database else { return };
        match schema::checkpoint(connection, Checkpoint::Passive) {
            Ok(true) => self.log = LogSize::EMPTY,
            Ok(false) => self.log.halve(),
            Err(error) => self.fail_at("move the log into the database", error),
        }
        self.prune();
    }

    fn prune(&mut self) {
        let now = self.shared.clock.now();
        if now.since(self.pruned) < PRUNE_EVERY {
            return;
        }
        let Some(connection) = &self.database else { return };
        let folder = &self.shared.folder;
        let statements = Statements { connection, disk: &folder.disk, dir: &folder.data_dir };
        match statements.prune_usage(now.before(USAGE_KEPT)) {
            Ok(()) => self.pruned = now,
            Err(error) => self.fail_at("forget old uses of the limits", error),
        }
    }

    /// Gives free pages back to the file system, some at a time, when there are many.
    fn compact(&mut self) {
        let Some(connection) = &self.database else { return };
        match compact(connection) {
            Ok(more) => {
                self.compacting = more;
                self.log.add(u64::from(more));
            }
            Err(error) => self.fail_at("make the database smaller", error),
        }
    }

    fn fail_at(&mut self, doing: &'static str, error: rusqlite::Error) {
        let error = database_failed(doing, &self.shared.folder.data_dir, error);
        self.break_down(Vec::new(), &error);
    }

    /// Leaves one file without a log, when the disk allows.
    fn end(mut self) {
        self.shared.readers.close();
        if let Err(error) = self.mover.wait(&mut self.log) {
            self.break_down(Vec::new(), &error);
        }
        if self.database.is_none() {
            let _ = self.mend();
            self.shared.readers.close();
        }
        if let Some(connection) = self.database.take()
            && let Err(error) = schema::checkpoint(&connection, Checkpoint::Truncate)
        {
            // Nothing is lost: the next start reads the log.
            tracing::warn!(%error, "could not empty the log of the database");
        }
    }

    fn closed(&self) -> SpoolError {
        self.shared.closed()
    }
}

/// A writer that has panicked leaves nobody waiting: what comes is refused, and no message is taken before a restart. None is
/// read either: what cannot be recorded must not be sent.
impl Drop for Writer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.queue.abandon();
            self.shared.health.database(false);
            self.shared.readers.close();
        }
    }
}

/// One step of making the file smaller; whether there is more to do.
fn compact(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (free, all) = (number("freelist_count")?, number("page_count")?);
    if free <= SPARE_PAGES.max(all / 8) {
        return Ok(false);
    }
    let mut step = connection.prepare(&format!("PRAGMA incremental_vacuum({COMPACT_PAGES})"))?;
    let mut rows = step.query([])?;
    while rows.next()?.is_some() {}
    Ok(true)
}
