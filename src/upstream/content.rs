//! A message's octets for the wire, piece by piece: header and body, the body edited as planned, dots stuffed, the final dot
//! behind them.
//!
//! Never more than one piece of a body that lies in a file is in memory. Reading a file is left to tokio's
//! threads for blocking work; the buffer travels there and back, so nothing is copied twice.

use std::fs::File;
use std::io::{self, Read as _};

use bytes::Bytes;

use crate::cause::{Cause, detail};
use crate::delivery::{Body, Failure, NextStep, Outgoing, Scope, Stage};
use crate::message::{BodyPlan, Editor};
use crate::smtp::ContentWriter;

/// Octets of body in one piece: four TLS records, and few enough that many connections fit into memory.
const PIECE: usize = 64 * 1024;

/// The content of one message, opened before the upstream hears of it: a body that cannot be read must not
/// leave a transaction half done.
#[derive(Debug)]
pub(super) struct Content {
    header: Bytes,
    source: Source,
    plan: BodyPlan,
}

#[derive(Debug)]
enum Source {
    Memory(Bytes),
    File { file: File, left: u64, buffer: Vec<u8> },
}

/// Content that is being written.
#[derive(Debug)]
pub(super) struct Writing {
    source: Source,
    desk: Desk,
    out: Vec<u8>,
}

/// Where octets of the body become octets for the wire.
#[derive(Debug)]
struct Desk {
    /// There when the body changes.
    editor: Option<Box<Editor>>,
    /// What the editor gave.
    edited: Vec<u8>,
    writer: ContentWriter,
}

/// A piece that is to be sent.
#[derive(Debug)]
pub(super) enum Piece {
    /// More follows.
    Part(Writing),
    /// The final dot is in it.
    Last(Vec<u8>),
}

impl Content {
    /// Opens the body.
    pub(super) async fn open(outgoing: &Outgoing) -> Result<Self, Failure> {
        let source = match &outgoing.body {
            Body::Memory(bytes) => Source::Memory(bytes.clone()),
            Body::File { path, length } => {
                let (path, length) = (path.clone(), *length);
                let opened = blocking(move || {
                    let file = File::open(path)?;
                    let found = file.metadata()?.len();
                    if found == length { Ok(file) } else { Err(io::Error::other(format!("it has {found} octets instead of {length}"))) }
                });
                Source::File { file: opened.await.map_err(|error| unreadable(&error))?, left: length, buffer: Vec::new() }
            }
        };
        Ok(Self { header: outgoing.header.clone(), source, plan: outgoing.plan.clone() })
    }

    /// The first piece: the header and as much of the body as goes with it; of a small message, all.
    pub(super) async fn begin(self) -> Result<Piece, Failure> {
        let room = self.header.len() + PIECE.min(usize::try_from(self.source.left()).unwrap_or(PIECE)) + 64;
        let (mut out, mut desk) = (Vec::with_capacity(room), Desk::new(self.plan));
        desk.writer.push(&self.header, &mut out);
        Writing { source: self.source, desk, out }.advance().await
    }
}

impl Source {
    fn left(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { left, .. } => *left,
        }
    }
}

impl Desk {
    fn new(plan: BodyPlan) -> Self {
        let editor = match plan {
            BodyPlan::Pass => None,
            BodyPlan::Edit(_) => Some(Box::new(Editor::new(plan))),
        };
        Self { editor, edited: Vec::new(), writer: ContentWriter::new() }
    }

    fn push(&mut self, body: &[u8], out: &mut Vec<u8>) {
        match &mut self.editor {
            None => self.writer.push(body, out),
            Some(editor) => {
                self.edited.clear();
                editor.push(body, &mut self.edited);
                self.writer.push(&self.edited, out);
            }
        }
    }

    fn finish(mut self, out: &mut Vec<u8>) {
        if let Some(editor) = self.editor {
            self.edited.clear();
            editor.finish(&mut self.edited);
            self.writer.push(&self.edited, out);
        }
        self.writer.finish(out);
    }
}

impl Writing {
    /// The octets of this piece.
    pub(super) fn octets(&self) -> &[u8] {
        &self.out
    }

    /// The next piece.
    pub(super) async fn next(mut self) -> Result<Piece, Failure> {
        self.out.clear();
        self.advance().await
    }

    async fn advance(mut self) -> Result<Piece, Failure> {
        self.source = match self.source {
            Source::Memory(mut bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                self.desk.push(&piece, &mut self.out);
                Source::Memory(bytes)
            }
            Source::File { mut file, left, mut buffer } => {
                buffer.resize(usize::try_from(left).unwrap_or(PIECE).min(PIECE), 0);
                // A file that became shorter meanwhile fails here, before the final dot: nothing is delivered.
                let read = blocking(move || file.read_exact(&mut buffer).map(|()| (file, buffer)));
                let (file, buffer) = read.await.map_err(|error| unreadable(&error))?;
                self.desk.push(&buffer, &mut self.out);
                Source::File { file, left: left - buffer.len() as u64, buffer }
            }
        };
        if self.source.left() > 0 {
            return Ok(Piece::Part(self));
        }
        self.desk.finish(&mut self.out);
        Ok(Piece::Last(self.out))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
}

fn unreadable(error: &io::Error) -> Failure {
    let detail = detail(&format!("cannot read the body: {error}"));
    Failure { scope: Scope::Message, next: NextStep::Retry, cause: Cause::SpoolUnreadable, stage: Stage::Local, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Edit, EntryId, Mailbox, With};

    fn outgoing(body: Body) -> Outgoing {
        let mailbox = Mailbox::parse("a@b.example").unwrap();
        let header = Bytes::from_static(b"Subject: x\r\n\r\n");
        Outgoing {
            entry: EntryId::from_u64(1),
            from: mailbox.clone(),
            recipients: vec![mailbox],
            header,
            body,
            plan: BodyPlan::Pass,
            eight_bit: false,
            smtputf8: false,
        }
    }

    fn file(folder: &tempfile::TempDir, octets: &[u8]) -> Body {
        let path = folder.path().join("body");
        std::fs::write(&path, octets).unwrap();
        Body::File { path, length: octets.len() as u64 }
    }

    #[tokio::test]
    async fn a_small_message_is_one_piece() {
        let folder = tempfile::tempdir().unwrap();
        for body in [Body::Memory(Bytes::from_static(b".x\r\n")), file(&folder, b".x\r\n")] {
            let piece = Content::open(&outgoing(body)).await.unwrap().begin().await.unwrap();
            assert!(matches!(piece, Piece::Last(octets) if octets == b"Subject: x\r\n\r\n..x\r\n.\r\n"));
        }
        let piece = Content::open(&outgoing(file(&folder, b""))).await.unwrap().begin().await.unwrap();
        assert!(matches!(piece, Piece::Last(octets) if octets == b"Subject: x\r\n\r\n.\r\n"));
    }

    #[tokio::test]
    async fn a_body_is_edited_as_planned_over_all_its_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let body = b".line\r\n".repeat(3 * PIECE / 7);
        let edits = [0..1, 7..body.len() as u64 - 7].map(|range| Edit { range, with: With::Base64 });
        let mut want = b"Subject: x\r\n\r\nLg==line\r\n".to_vec();
        let mut editor = Editor::new(BodyPlan::Edit(vec![Edit { range: 0..u64::MAX, with: With::Base64 }]));
        editor.push(&body[7..body.len() - 7], &mut want);
        editor.finish(&mut want);
        want.extend_from_slice(b".line\r\n.\r\n");
        for body in [Body::Memory(body.clone().into()), file(&folder, &body)] {
            let outgoing = Outgoing { plan: BodyPlan::Edit(edits.to_vec()), ..outgoing(body) };
            let (mut sent, mut piece) = (Vec::new(), Content::open(&outgoing).await.unwrap().begin().await.unwrap());
            let last = loop {
                piece = match piece {
                    Piece::Part(writing) => {
                        sent.extend_from_slice(writing.octets());
                        writing.next().await.unwrap()
                    }
                    Piece::Last(octets) => break octets,
                };
            };
            sent.extend_from_slice(&last);
            assert!(sent == want, "the octets on the wire are not those of the plan");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_cut_short_while_it_is_sent_never_gets_its_final_dot() {
        let folder = tempfile::tempdir().unwrap();
        let body = file(&folder, &b"line\r\n".repeat(40_000));
        let Piece::Part(writing) = Content::open(&outgoing(body)).await.unwrap().begin().await.unwrap() else {
            panic!("more than a piece")
        };
        assert!(writing.octets().len() <= PIECE + 64);
        std::fs::write(folder.path().join("body"), b"short").unwrap();
        let failure = writing.next().await.unwrap_err();
        assert_eq!((failure.cause, failure.stage), (Cause::SpoolUnreadable, Stage::Local));
    }
}
