//! The relay's end of the control socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::protocol::{Answer, Request};
use super::{Desk, LINE_LIMIT, WAIT, socket_path};
use crate::sockets::{SocketFile, UnixError, UnixSocket};
use crate::tasks::Group;

/// Octets of one request.
const REQUEST_LIMIT: u64 = 64 * 1024;
/// The socket is its owner's alone: whoever can connect can read and remove mail.
const MODE: u32 = 0o600;
/// After accepting failed (no file descriptors left), before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Why commands cannot reach the relay.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket could not be made.
    #[error("cannot make the control socket in `data_dir`")]
    Bind(#[from] UnixError),
}

/// Makes the socket in `data_dir`, whose lock the caller holds, and answers there until the group stops.
pub fn serve(data_dir: &Path, desk: Desk, group: &Group) -> Result<(), ControlError> {
    let listener = UnixSocket::open(&SocketFile { path: socket_path(data_dir), mode: MODE })?;
    let tasks = group.clone();
    group.spawn(async move {
        tokio::select! {
            () = tasks.stopping() => {}
            () = accept(&listener, &desk, &tasks) => {}
        }
    });
    Ok(())
}

async fn accept(listener: &UnixSocket, desk: &Desk, group: &Group) {
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let desk = desk.clone();
                group.spawn(async move {
                    match tokio::time::timeout(WAIT, converse(stream, &desk)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::debug!(%error, "a command went away"),
                        Err(_) => tracing::debug!("a command took too long"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the control socket");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = Vec::new();
    BufReader::new(reader.take(REQUEST_LIMIT)).read_until(b'\n', &mut line).await?;
    let answer = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => desk.answer(request).await,
        Err(error) => Answer::Failed { error: format!("the running relay does not know this request ({error}): is it an older version?") },
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    debug_assert!(text.len() as u64 <= LINE_LIMIT, "a page is smaller");
    writer.write_all(&text).await
}
