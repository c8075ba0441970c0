//! Bodies on their way to disk.
//!
//! A body stays in memory while it is small and the budget of all sessions allows, then goes to a file that
//! is written as it arrives. Which entry it becomes part of is left to the engine.
//!
//! Always true:
//! - A file is synced under its final name, and its folder too, before there is a [`WrittenBody`] of it.
//! - A file that no entry has taken over is removed when its writer, or the [`WrittenBody`], is dropped.
//! - Never more than [`CHUNK`] octets of a body that goes to a file are held, and they count in the budget.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::SpoolError;
use super::budget::{Budget, Share};
use super::disk::{Disk, failed};
use super::health::Health;
use super::ids::Ids;
use crate::delivery::Body;
use crate::message::EntryId;

/// Octets that are gathered before they are written to a file: large enough that the hand-over to a thread
/// that may wait for the disk costs little, small enough that many large messages at once stay cheap.
const CHUNK: usize = 128 * 1024;

/// Where bodies go, and what they may use.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// The spool's folder, for errors.
    pub(crate) data_dir: PathBuf,
    /// The folder of body files.
    pub(crate) dir: PathBuf,
    /// Bodies of more octets go to a file.
    pub(crate) inline: u64,
    /// The memory that all bodies share.
    pub(crate) budget: Budget,
    /// Does the work.
    pub(crate) disk: Disk,
    /// Hears of failures.
    pub(crate) health: Arc<Health>,
    /// Names the files, after the entries they will belong to.
    pub(crate) ids: Arc<Ids>,
}

impl Bodies {
    fn failed(&self, doing: &'static str, error: std::io::Error) -> SpoolError {
        let error = failed(doing, &self.data_dir, error);
        if matches!(error, SpoolError::Failed { .. }) {
            self.health.body_failed();
        }
        error
    }

    /// The name of the body file of an entry.
    pub(crate) fn path_of(&self, id: EntryId) -> PathBuf {
        body_path(&self.dir, id)
    }
}

/// The name of the body file of an entry in the folder `dir`.
pub(crate) fn body_path(dir: &Path, id: EntryId) -> PathBuf {
    dir.join(format!("{id}.body"))
}

/// Takes a body as it arrives: in memory while it is small and the budget allows, then in a file.
#[derive(Debug)]
pub struct BodyWriter {
    kept: Kept,
    checksum: crc32fast::Hasher,
    length: u64,
    /// None for a writer that only knows memory.
    bodies: Option<Arc<Bodies>>,
    /// What the message takes of the budget beside its body.
    beside: Share,
}

#[derive(Debug)]
enum Kept {
    Memory {
        octets: Vec<u8>,
        share: Share,
    },
    File {
        file: BodyFile,
        waiting: Vec<u8>,
        share: Share,
    },
    /// A write failed, or was abandoned half-way. What was there is gone.
    Lost,
}

impl BodyWriter {
    /// A writer that keeps everything in memory, whatever its size: for spools that have no folder.
    pub fn in_memory() -> Self {
        Self::with(None, Budget::new(u64::MAX).share())
    }

    pub(crate) fn new(bodies: Arc<Bodies>) -> Self {
        let share = bodies.budget.share();
        Self::with(Some(bodies), share)
    }

    fn with(bodies: Option<Arc<Bodies>>, share: Share) -> Self {
        let beside = share.sibling();
        Self { beside, kept: Kept::Memory { octets: Vec::new(), share }, checksum: crc32fast::Hasher::new(), length: 0, bodies }
    }

    /// Appends octets. Waits for the disk when the body is in a file, so that a fast sender is held back.
    ///
    /// After an error, or when the returned future was dropped before it ended, the body is lost: every
    /// further call fails.
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), SpoolError> {
        self.checksum.update(octets);
        self.length += octets.len() as u64;
        if let Kept::Memory { octets: held, share } = &mut self.kept {
            if holds(held, share, octets.len(), self.bodies.as_deref()) {
                held.extend_from_slice(octets);
                return Ok(());
            }
            self.begin_file().await?;
        }
        let mut rest = octets;
        while !rest.is_empty() {
            rest = self.gather(rest).await?;
        }
        Ok(())
    }

    /// Counts in the budget what the message takes in memory beside its body: a header of `octets`. A body can move to a file
    /// when memory runs short, a header cannot: then the message has to come again later.
    pub fn hold(&mut self, octets: u64) -> Result<(), SpoolError> {
        if self.beside.grow(octets) {
            return Ok(());
        }
        Err(SpoolError::Busy { dir: self.bodies.as_ref().map(|bodies| bodies.data_dir.clone()).unwrap_or_default() })
    }

    /// Moves what is in memory to a new file.
    async fn begin_file(&mut self) -> Result<(), SpoolError> {
        let (Kept::Memory { octets, mut share }, Some(bodies)) = (std::mem::replace(&mut self.kept, Kept::Lost), self.bodies.clone())
        else {
            return Err(self.lost());
        };
        let written = octets.len() as u64;
        let file = blocking(bodies, move |bodies| {
            bodies.health.check_space()?;
            let file = BodyFile::create(bodies).map_err(|error| bodies.failed("make a body file", error))?;
            file.append(bodies, &octets)?;
            Ok(file)
        })
        .await?;
        share.shrink(CHUNK as u64);
        // When the budget has no more, what comes is written as it comes.
        if !share.grow(CHUNK as u64) {
            share.shrink(0);
        }
        self.kept = Kept::File { file, waiting: Vec::new(), share };
        tracing::debug!(octets = written, "body goes to a file");
        Ok(())
    }

    /// Takes as much of `octets` as fits into the chunk, writes the chunk when it is full, gives the rest.
    async fn gather<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], SpoolError> {
        let Kept::File { waiting, share, .. } = &mut self.kept else { return Err(self.lost()) };
        let (now, rest) = octets.split_at(octets.len().min(CHUNK - waiting.len()));
        if waiting.capacity() == 0 {
            waiting.reserve_exact(if share.octets() > 0 { CHUNK } else { now.len() });
        }
        waiting.extend_from_slice(now);
        if waiting.len() == CHUNK || share.octets() == 0 {
            self.flush().await?;
        }
        Ok(rest)
    }

    async fn flush(&mut self) -> Result<(), SpoolError> {
        let (Kept::File { file, waiting, share }, Some(bodies)) = (std::mem::replace(&mut self.kept, Kept::Lost), self.bodies.clone())
        else {
            return Err(self.lost());
        };
        let keeps_buffer = share.octets() > 0;
        let (file, waiting) = blocking(bodies, move |bodies| {
            let mut waiting = waiting;
            file.append(bodies, &waiting)?;
            waiting.clear();
            Ok((file, waiting))
        })
        .await?;
        self.kept = Kept::File { file, waiting: if keeps_buffer { waiting } else { Vec::new() }, share };
        Ok(())
    }

    /// Ends the body. A file is synced here, its folder too.
    pub async fn finish(self) -> Result<WrittenBody, SpoolError> {
        let lost = self.lost();
        let Self { kept, checksum, length, bodies, beside: _ } = self;
        let content = match (kept, bodies) {
            (Kept::Memory { octets, share }, _) => Content::Memory { octets: octets.into(), _share: share },
            (Kept::File { file, waiting, .. }, Some(bodies)) => {
                let finish = move |bodies: &Arc<Bodies>| {
                    file.append(bodies, &waiting)?;
                    file.seal().map_err(|error| bodies.failed("sync a body file", error))
                };
                Content::File(blocking(bodies, finish).await?)
            }
            (Kept::File { .. } | Kept::Lost, _) => return Err(lost),
        };
        Ok(WrittenBody { content, length, checksum: checksum.finalize() })
    }

    fn lost(&self) -> SpoolError {
        let dir = self.bodies.as_ref().map(|bodies| bodies.data_dir.clone()).unwrap_or_default();
        let source = std::io::Error::other("an earlier write failed or was abandoned");
        SpoolError::Failed { doing: "go on with a body", dir, source: Arc::new(source) }
    }
}

/// Whether `more` octets may join those in memory. Memory is taken in doubling steps, and counted as taken.
fn holds(held: &mut Vec<u8>, share: &mut Share, more: usize, bodies: Option<&Bodies>) -> bool {
    let limit = bodies.map_or(u64::MAX, |bodies| bodies.inline);
    let needed = held.len() + more;
    if needed as u64 > limit {
        return false;
    }
    if needed <= held.capacity() {
        return true;
    }
    let doubled = usize::try_from(limit).unwrap_or(usize::MAX).min(held.capacity().saturating_mul(2));
    let capacity = needed.max(doubled);
    if !share.grow(capacity as u64) {
        return false;
    }
    held.reserve_exact(capacity - held.len());
    true
}

/// Does what may wait for the disk on a thread that may wait. When the caller goes away meanwhile, the work
/// is finished and its result dropped, which removes the file.
async fn blocking<T: Send + 'static>(
    bodies: Arc<Bodies>,
    work: impl FnOnce(&Arc<Bodies>) -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    let data_dir = bodies.data_dir.clone();
    match tokio::task::spawn_blocking(move || work(&bodies)).await {
        Ok(result) => result,
        // The thread panicked, or the runtime is going down.
        Err(error) => Err(SpoolError::Failed { doing: "write a body file", dir: data_dir, source: Arc::new(error) }),
    }
}

/// A body that is complete: what a spool makes an entry of. Dropped without that, its file is removed.
#[derive(Debug)]
pub struct WrittenBody {
    content: Content,
    length: u64,
    checksum: u32,
}

/// Where a complete body is.
#[derive(Debug)]
pub(crate) enum Content {
    /// In memory, counted in the budget.
    Memory {
        /// The body.
        octets: Bytes,
        /// What it takes of the budget.
        _share: Share,
    },
    /// In a file that is synced.
    File(BodyFile),
}

impl WrittenBody {
    /// Octets.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// CRC-32 (as in IEEE 802.3) over all octets.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// The body, as a courier would get it. A file is there only as long as this value is.
    pub fn body(&self) -> Body {
        match &self.content {
            Content::Memory { octets, .. } => Body::Memory(octets.clone()),
            Content::File(file) => Body::File { path: file.path.clone(), length: self.length },
        }
    }

    /// The id that its entry must have, because a file is already named after it.
    pub(crate) fn id(&self) -> Option<EntryId> {
        match &self.content {
            Content::Memory { .. } => None,
            Content::File(file) => Some(file.id),
        }
    }

    /// Where it is, for the engine.
    pub(crate) fn into_content(self) -> Content {
        self.content
    }
}

/// A file with a body. Removed when dropped, unless an entry has taken it over.
#[derive(Debug)]
pub(crate) struct BodyFile {
    id: EntryId,
    path: PathBuf,
    /// None when it is only here to be removed.
    file: Option<File>,
    bodies: Arc<Bodies>,
    ours: bool,
}

impl BodyFile {
    fn create(bodies: &Arc<Bodies>) -> std::io::Result<Self> {
        let id = bodies.ids.next();
        // The name says that it is not whole, to whoever looks into the folder.
        let path = bodies.dir.join(format!("{id}.part"));
        let file = bodies.disk.create(&path)?;
        Ok(Self { id, path, file: Some(file), bodies: Arc::clone(bodies), ours: true })
    }

    /// The file of an entry that is finished: it goes when this is dropped.
    pub(crate) fn finished(bodies: &Arc<Bodies>, id: EntryId) -> Self {
        Self { id, path: bodies.path_of(id), file: None, bodies: Arc::clone(bodies), ours: true }
    }

    /// Leaves the file to its entry.
    pub(crate) fn keep(mut self) {
        self.ours = false;
    }

    fn append(&self, bodies: &Bodies, octets: &[u8]) -> Result<(), SpoolError> {
        bodies.health.check_space()?;
        if let Some(file) = &self.file {
            bodies.disk.append(file, &self.path, octets).map_err(|error| bodies.failed("write a body file", error))?;
        }
        bodies.health.wrote(octets.len() as u64);
        Ok(())
    }

    /// Makes the file durable under its final name. A sync that fails is not tried again: the file goes.
    fn seal(mut self) -> std::io::Result<Self> {
        let disk = self.bodies.disk.clone();
        if let Some(file) = self.file.take() {
            disk.sync(&file, &self.path)?;
        }
        let whole = self.bodies.path_of(self.id);
        disk.rename(&self.path, &whole)?;
        self.path = whole;
        disk.sync_folder(&self.bodies.dir)?;
        self.bodies.health.body_synced();
        Ok(self)
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = self.bodies.disk.remove(&self.path)
        {
            // No entry names it, so the next start removes it.
            tracing::warn!(file = %self.path.display(), %error, "could not remove a body file");
        }
    }
}

#[cfg(test)]
mod tests;
