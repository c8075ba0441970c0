//! Devices that send: a connection for each message, every reply waited for, as copiers do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a load came to.
pub(crate) struct Outcome {
    pub(crate) messages: usize,
    pub(crate) elapsed: Duration,
    /// From connect to the 250 after the dot, sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.latencies[(self.latencies.len() - 1) * percent / 100]
    }
}

/// A message of about `size` octets, dots and line ends as the wire wants them, ended by the dot.
pub(crate) fn message(size: usize) -> Vec<u8> {
    let mut text = b"From: \"Copier\" <copier@office.local>\r\nTo: user@example.com\r\nSubject: Scan\r\nMIME-Version: 1.0\r\n\r\n".to_vec();
    while text.len() < size {
        text.extend_from_slice(b"JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZURl\r\n");
    }
    text.extend_from_slice(b".\r\n");
    text
}

/// Sends `messages` messages from `devices` devices at once.
pub(crate) async fn send(to: SocketAddr, devices: usize, messages: usize, content: Arc<Vec<u8>>) -> Outcome {
    let left = Arc::new(AtomicUsize::new(messages));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..devices)
        .map(|_| {
            let (left, content) = (left.clone(), content.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    latencies.push(one(to, &content).await);
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(messages);
    for task in tasks {
        latencies.extend(task.await.expect("a device broke"));
    }
    let elapsed = begun.elapsed();
    latencies.sort();
    Outcome { messages, elapsed, latencies }
}

async fn one(to: SocketAddr, content: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(to).await.expect("the listener refused a connection");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let mut buffer = [0; 1024];
    expect(&mut stream, &mut buffer, b"220").await;
    for (command, code) in [
        (&b"EHLO copier\r\n"[..], b"250"),
        (b"MAIL FROM:<copier@office.local>\r\n", b"250"),
        (b"RCPT TO:<user@example.com>\r\n", b"250"),
        (b"DATA\r\n", b"354"),
    ] {
        stream.write_all(command).await.expect("the listener went away");
        expect(&mut stream, &mut buffer, code).await;
    }
    stream.write_all(content).await.expect("the listener went away");
    expect(&mut stream, &mut buffer, b"250").await;
    let latency = begun.elapsed();
    stream.write_all(b"QUIT\r\n").await.expect("the listener went away");
    expect(&mut stream, &mut buffer, b"221").await;
    latency
}

/// Reads a reply, which our listener sends in one piece.
async fn expect(stream: &mut TcpStream, buffer: &mut [u8], code: &[u8]) {
    let read = stream.read(buffer).await.expect("the listener went away");
    let reply = &buffer[..read];
    assert!(reply.starts_with(code) && reply.ends_with(b"\r\n"), "wanted {code:?}, got {}", String::from_utf8_lossy(reply));
}
