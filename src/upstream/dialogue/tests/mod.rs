//! Conversations as transcripts: what the server says is fed to the dialogue, and what comes of it must be the
//! transcript again.

mod opening;
mod transaction;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::delivery::{Body, Outcome, Outgoing};
use crate::message::{BodyPlan, Edit, EntryId, Mailbox, With};
use crate::smtp::{Extensions, Reply, ReplyReader};
use crate::upstream::TlsMode;
use crate::upstream::classify::Method;

/// The server's side of a transcript, and all that was said.
struct Talk<'a> {
    server: Vec<&'a str>,
    said: Vec<String>,
}

impl<'a> Talk<'a> {
    fn new(transcript: &'a str) -> Self {
        let server = lines(transcript).filter_map(|line| line.strip_prefix("S: ")).rev().collect();
        Self { server, said: Vec::new() }
    }

    fn reply(&mut self) -> Reply {
        let mut reader = ReplyReader::new();
        loop {
            let line = self.server.pop().expect("the server has no more to say");
            self.said.push(format!("S: {line}"));
            if let Some(reply) = reader.next(&mut BytesMut::from(format!("{line}\r\n").as_bytes())).unwrap() {
                return reply;
            }
        }
    }

    fn client(&mut self, flight: &Flight) {
        let text = std::str::from_utf8(flight.octets()).unwrap();
        self.said.extend(text.strip_suffix("\r\n").unwrap().split("\r\n").map(|line| format!("C: {line}").trim_end().to_owned()));
    }

    #[track_caller]
    fn compare(self, transcript: &str) {
        let want: Vec<_> = lines(transcript).collect();
        assert_eq!(self.said.join("\n"), want.join("\n"));
    }
}

fn lines(transcript: &str) -> impl DoubleEndedIterator<Item = &str> {
    transcript.lines().map(|line| line.trim_start()).filter(|line| !line.is_empty())
}
