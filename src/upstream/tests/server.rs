//! A submission server that follows a script, on a loopback address.
//!
//! Each connection gets the next script. Its lines:
//!
//! - `S: text` is sent, `C: text` must come; a `*` at the end stands for any rest.
//! - `TLS` takes a handshake, `CONTENT` a message up to the final dot, which is kept.
//! - `RAW text` is sent at once, `\r\n` in it as a line end, `READ n` takes n octets.
//! - `END` waits until the client closes. At the end of its script the server closes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A scripted server.
pub(super) struct Server {
    pub(super) port: u16,
    contents: Arc<Mutex<Vec<String>>>,
    connections: JoinHandle<Vec<JoinHandle<()>>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Server {
    /// Serves as many connections as there are scripts, then refuses.
    pub(super) async fn start(config: &Arc<ServerConfig>, scripts: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let contents = Arc::<Mutex<Vec<String>>>::default();
        let (config, scripts, kept) = (Arc::clone(config), scripts.to_vec(), Arc::clone(&contents));
        let connections = tokio::spawn(async move {
            let mut tasks = Vec::new();
            for script in scripts {
                let (stream, _) = listener.accept().await.unwrap();
                tasks.push(tokio::spawn(follow(stream, script, Arc::clone(&config), Arc::clone(&kept))));
            }
            tasks
        });
        Self { port, contents, connections }
    }

    /// Waits until all scripts were followed to their end and gives the contents that came.
    pub(super) async fn done(self) -> Vec<String> {
        let ended = async {
            for task in self.connections.await.unwrap() {
                task.await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.expect("a script was not followed to its end");
        Arc::try_unwrap(self.contents).unwrap().into_inner().unwrap()
    }
}

async fn follow(stream: TcpStream, script: String, config: Arc<ServerConfig>, contents: Arc<Mutex<Vec<String>>>) {
    let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(stream));
    for step in script.lines().map(str::trim_start).filter(|step| !step.is_empty()) {
        match step.split_once(' ').unwrap_or((step, "")) {
            ("S:", text) => stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap(),
            ("RAW", text) => stream.write_all(text.replace(r"\r\n", "\r\n").as_bytes()).await.unwrap(),
            ("C:", want) => expect(&mut stream, want).await,
            ("CONTENT", _) => {
                let content = content(&mut stream).await;
                contents.lock().unwrap().push(content);
            }
            ("READ", count) => {
                let mut octets = vec![0; count.parse().unwrap()];
                stream.read_exact(&mut octets).await.unwrap();
            }
            ("TLS", _) => {
                // A client that does not trust us, or speaks no TLS, goes away; what it thinks is the test's to say.
                let Ok(tls) = TlsAcceptor::from(Arc::clone(&config)).accept(stream).await else { return };
                stream = BufReader::new(Box::new(tls));
            }
            ("END", _) => {
                let mut rest = Vec::new();
                // A client that drops a connection may reset it.
                let _ = stream.read_to_end(&mut rest).await;
                assert!(rest.is_empty(), "came unasked: {}", String::from_utf8_lossy(&rest));
            }
            other => panic!("no such step: {other:?}"),
        }
        stream.flush().await.unwrap();
    }
    let _ = stream.shutdown().await;
}

async fn expect(stream: &mut (impl AsyncRead + Unpin), want: &str) {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.unwrap_or_else(|error| panic!("wanted {want:?}, got {error}")));
    }
    let line = String::from_utf8(line).unwrap();
    let line = line.trim_end();
    let fits = want.strip_suffix('*').map_or(line == want, |start| line.starts_with(start));
    assert!(fits, "wanted {want:?}, got {line:?}");
}

async fn content(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n.\r\n") {
        assert!(stream.read_buf(&mut octets).await.unwrap() > 0, "the content has no end");
    }
    String::from_utf8(octets).unwrap()
}
