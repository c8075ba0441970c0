//! A command's end of the control socket.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::protocol::{Answer, Request};
use super::{LINE_LIMIT, WAIT, socket_path};

/// Why a running relay did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no relay with this `data_dir`, or it is not running.
    #[error("no relay is running with data_dir {}: start one with `mailferry run`, or name its configuration with --config", .path.parent().unwrap_or(.path).display())]
    NotRunning {
        /// The socket that is not there, or that nobody listens on.
        path: PathBuf,
    },
    /// The socket is somebody else's.
    #[error("may not open {path}: run this command as the user that runs the relay, or as root")]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// It is there, but the conversation failed.
    #[error("the relay at {path} did not answer")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Asks the relay that runs with this `data_dir`.
pub async fn ask(data_dir: &Path, request: &Request) -> Result<Answer, AskError> {
    let path = socket_path(data_dir);
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) => return Err(cannot_connect(path, error)),
    };
    match tokio::time::timeout(WAIT, converse(stream, request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(AskError::Broken { path, source }),
        Err(_) => Err(AskError::Broken { path, source: io::ErrorKind::TimedOut.into() }),
    }
}

fn cannot_connect(path: PathBuf, error: io::Error) -> AskError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning { path },
        io::ErrorKind::PermissionDenied => AskError::Forbidden { path },
        _ => AskError::Broken { path, source: error },
    }
}

async fn converse(stream: UnixStream, request: &Request) -> io::Result<Answer> {
    let (reader, mut writer) = stream.into_split();
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    writer.write_all(&text).await?;
    let mut line = Vec::new();
    BufReader::new(reader.take(LINE_LIMIT)).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}
