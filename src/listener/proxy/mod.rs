//! Hears from a trusted proxy whose connection it passes on.
//!
//! Always true: not an octet is read that stands behind the header, so whatever follows (SMTP, or the first of TLS) is still
//! in the stream for whoever speaks next.

mod header;

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use header::Progress;

pub(super) use header::{START_V2, Source, Wrong};

use super::stream::Stream;

/// How long a proxy may take. It sends the header at once, before it knows anything of what its client says; the specification
/// (section 2) asks for three seconds at least, for a segment that is lost.
const WAIT: Duration = Duration::from_secs(10);

/// Waits for the header.
pub(super) async fn hear(stream: &mut Stream) -> Result<Source, Wrong> {
    timeout(WAIT, read(stream)).await.unwrap_or(Err(Wrong::Late))
}

async fn read(stream: &mut Stream) -> Result<Source, Wrong> {
    let mut octets = Vec::new();
    loop {
        let count = match header::read(&octets)? {
            Progress::Done(source) => return Ok(source),
            Progress::More(count) => count,
        };
        match (&mut *stream).take(count as u64).read_buf(&mut octets).await {
            Ok(0) | Err(_) if octets.is_empty() => return Err(Wrong::Nothing),
            Ok(0) | Err(_) => return Err(Wrong::Unfinished),
            Ok(_) => {}
        }
    }
}
