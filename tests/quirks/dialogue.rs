//! One dialogue as a device leads it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::world::PATIENCE;

/// A dialogue of the file.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    /// What should become of it, in words.
    pub(crate) want: String,
    /// Messages that must be accepted; absent where more than one answer is right.
    pub(crate) accept: Option<usize>,
    steps: Vec<Step>,
    /// Lines that the relay says in all; absent while it is not known what is expected.
    #[serde(skip)]
    pub(crate) lines: Option<usize>,
}

/// What the device does; text stands for octets of Latin-1.
#[derive(Deserialize)]
#[serde(untagged)]
enum Step {
    Alone((String,)),
    Text(String, String),
    Number(String, f64),
    Repeat(String, String, usize),
}

impl Step {
    /// Whether the device is gone after it.
    fn ends(&self) -> bool {
        matches!(self, Self::Alone((name,)) if name == "close" || name == "rst")
    }

    fn is_drain(&self) -> bool {
        matches!(self, Self::Number(name, _) if name == "drain")
    }
}

fn octets(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

struct Device {
    stream: TcpStream,
    input: Vec<u8>,
    transcript: String,
    closed: bool,
}

/// Leads the dialogue and gives the replies. An `expect` that is not met is a failure of the test, unless the case leaves open
/// whether the message is taken.
pub(crate) async fn replay(case: &Case, from: Ipv4Addr, to: SocketAddr) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let stream = socket.connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut device = Device { stream, input: Vec::new(), transcript: String::new(), closed: false };
    let last = case.steps.iter().rposition(|step| !step.ends());
    for (number, step) in case.steps.iter().enumerate() {
        // A slow machine takes longer than a drain to say what it says. What is said within a drain that stands before other
        // steps is read by those.
        if let Some(lines) = case.lines.filter(|_| last == Some(number) && step.is_drain()) {
            device.listen(lines).await;
        }
        match device.take(step).await {
            Ok(()) => {}
            // Where a refusal is right, too, the device's script ends at it.
            Err(_) if case.accept.is_none() => break,
            Err(why) => panic!("{}: {why}\n{}", case.id, device.transcript),
        }
        if step.ends() {
            break;
        }
    }
    device.transcript
}

impl Device {
    async fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Alone((name,)) => self.act(name).await,
            Step::Text(name, text) if name == "send" => {
                // A peer that has closed is found out when its replies are read.
                let _ = self.stream.write_all(&octets(text)).await;
                Ok(())
            }
            Step::Text(name, start) if name == "expect" => {
                let reply = self.reply().await?;
                if reply.starts_with(start.as_str()) { Ok(()) } else { Err(format!("wanted {start}, got {reply}")) }
            }
            Step::Number(name, seconds) if name == "sleep" => {
                tokio::time::sleep(Duration::from_secs_f64(*seconds)).await;
                Ok(())
            }
            Step::Number(name, seconds) if name == "drain" => {
                let _ = timeout(Duration::from_secs_f64(*seconds), async { while self.reply().await.is_ok() {} }).await;
                Ok(())
            }
            Step::Repeat(name, block, times) if name == "repeat" => {
                let blocks = octets(block).repeat(1000);
                for _ in 0..times / 1000 {
                    self.stream.write_all(&blocks).await.map_err(|error| error.to_string())?;
                }
                Ok(())
            }
            Step::Text(name, _) | Step::Number(name, _) | Step::Repeat(name, ..) => Err(format!("unknown step {name}")),
        }
    }

    /// Reads until so many lines were said, or nothing more comes.
    async fn listen(&mut self, lines: usize) {
        while self.transcript.lines().count() < lines && self.reply().await.is_ok() {}
    }

    async fn act(&mut self, name: &str) -> Result<(), String> {
        match name {
            "shutdown" => self.stream.shutdown().await.map_err(|error| error.to_string()),
            "rst" => self.stream.set_zero_linger().map_err(|error| error.to_string()),
            // `close` ends the dialogue, `nobanner` only says that nothing is waited for.
            "close" | "nobanner" => Ok(()),
            other => Err(format!("unknown step {other}")),
        }
    }

    /// All lines of one reply.
    async fn reply(&mut self) -> Result<String, String> {
        let mut reply = String::new();
        loop {
            let line = self.line().await?;
            self.transcript.push_str(&format!("S: {line}\n"));
            let goes_on = line.as_bytes().get(3) == Some(&b'-');
            reply.push_str(&line);
            if !goes_on {
                return Ok(reply);
            }
            reply.push('\n');
        }
    }

    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.input.drain(..end + 2).collect();
                assert!(line.len() <= 512, "RFC 5321 section 4.5.3.1.5: {line:?}");
                return Ok(line[..end].escape_ascii().to_string());
            }
            match timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await {
                Err(_) => return Err("no reply".into()),
                Ok(Ok(0)) | Ok(Err(_)) => {
                    if !self.closed {
                        self.transcript.push_str("S: (closed)\n");
                    }
                    self.closed = true;
                    return Err("closed".into());
                }
                Ok(Ok(_)) => {}
            }
        }
    }
}
