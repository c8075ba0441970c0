//! A message while it arrives, and the verdict on its content.

use std::borrow::Cow;

use memchr::memmem;

use crate::message::{HeaderBlock, Mailbox};

use super::address;
use super::command::Sender;
use super::wire::{ContentReader, Progress};

/// Octets of a header block; Exchange has a limit of this order.
const HEADER_LIMIT: usize = 256 << 10;
/// Octets of a Message-ID that the final reply repeats: more would make its line longer than clients take.
const ID_LIMIT: usize = 250;

/// A message from its 354 to its dot.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) sender: Sender,
    recipients: Vec<Mailbox>,
    reader: ContentReader,
    octets: Vec<u8>,
    /// Octets that came, kept or not.
    size: u64,
    header: Header,
    limit: u64,
    keep: bool,
}

/// What is known of where the header block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    /// Not found yet.
    Open,
    /// Octets of it, with the last field's CRLF.
    Ended(usize),
    /// Larger than the limit.
    TooLarge,
}

/// What a header block says about who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    /// At least one.
    pub(super) from: Vec<Mailbox>,
    pub(super) sender: Option<Mailbox>,
    /// With its angle brackets; nothing when it is not fit to stand in a reply.
    pub(super) message_id: Option<String>,
}

/// Why content is refused, whoever sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    BareLineEnds,
    MessageTooLarge,
    HeaderTooLarge,
    /// From is missing, there twice, or holds no proper address.
    BadFrom,
    /// Several addresses in From and no Sender.
    SeveralFrom,
}

impl Receiving {
    /// A message of at most `limit` octets. Without `keep` only its header block is held.
    pub(super) fn new(sender: Sender, recipients: Vec<Mailbox>, limit: u64, keep: bool) -> Self {
        Self { sender, recipients, reader: ContentReader::new(), octets: Vec::new(), size: 0, header: Header::Open, limit, keep }
    }

    /// Takes octets off the wire.
    pub(super) fn push(&mut self, input: &[u8]) -> Progress {
        let before = self.octets.len();
        let progress = self.reader.push(input, &mut self.octets);
        self.size += (self.octets.len() - before) as u64;
        if self.header == Header::Open {
            self.find_header(before);
        }
        match self.header {
            Header::Open => {}
            Header::Ended(_) if self.keep && self.size <= self.limit => {}
            Header::Ended(end) => self.octets.truncate(end),
            Header::TooLarge => self.octets.clear(),
        }
        progress
    }

    fn find_header(&mut self, before: usize) {
        let from = before.saturating_sub(3);
        if self.octets.starts_with(b"\r\n") {
            self.header = Header::Ended(0);
        } else if let Some(at) = memmem::find(&self.octets[from..], b"\r\n\r\n") {
            self.header = Header::Ended(from + at + 2);
        }
        let length = match self.header {
            Header::Open => self.octets.len(),
            Header::Ended(end) => end,
            Header::TooLarge => return,
        };
        if length > HEADER_LIMIT {
            self.header = Header::TooLarge;
        }
    }

    /// Octets that came.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Judges what came; to be asked when it has ended.
    pub(super) fn judge(&self) -> Result<Claims, Objection> {
        if self.reader.saw_bare_line_end() {
            return Err(Objection::BareLineEnds);
        }
        if self.size > self.limit {
            return Err(Objection::MessageTooLarge);
        }
        let header = match self.header {
            // A message may be nothing but its header.
            Header::Open => &self.octets[..],
            Header::Ended(end) => &self.octets[..end],
            Header::TooLarge => return Err(Objection::HeaderTooLarge),
        };
        claims(header)
    }

    /// Sender, recipients, and header and body as far as they were kept.
    pub(super) fn into_parts(self) -> (Sender, Vec<Mailbox>, Vec<u8>) {
        (self.sender, self.recipients, self.octets)
    }
}

fn claims(header: &[u8]) -> Result<Claims, Objection> {
    let header = HeaderBlock::new(header.to_vec());
    let (mut from, mut sender, mut message_id) = (None, None, None);
    for field in header.fields() {
        if field.is("From") {
            // RFC 5322 section 3.6: exactly one.
            let list = address::mailbox_list(&String::from_utf8_lossy(field.value)).ok_or(Objection::BadFrom)?;
            if from.replace(list).is_some() {
                return Err(Objection::BadFrom);
            }
        } else if field.is("Sender") {
            let value: Cow<'_, str> = String::from_utf8_lossy(field.value);
            sender = address::mailbox_list(&value).and_then(|list| list.into_iter().next());
        } else if field.is("Message-ID") {
            message_id = proper_id(field.value);
        }
    }
    let from: Vec<Mailbox> = from.ok_or(Objection::BadFrom)?;
    if from.len() > 1 && sender.is_none() {
        return Err(Objection::SeveralFrom);
    }
    Ok(Claims { from, sender, message_id })
}

/// What can stand in the final reply: angle brackets with printable ASCII between them, and not too much of it.
fn proper_id(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    let sound = text.len() <= ID_LIMIT && text.starts_with('<') && text.ends_with('>') && text.bytes().all(|byte| byte.is_ascii_graphic());
    sound.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ReversePath;
    use crate::simulator::command::BodyType;

    fn receiving(limit: u64, keep: bool) -> Receiving {
        let sender = Sender { path: ReversePath::Null, size: None, body: BodyType::SevenBit, smtputf8: false };
        Receiving::new(sender, Vec::new(), limit, keep)
    }

    fn judge(content: &str) -> Result<Vec<String>, Objection> {
        let whole = format!("{content}\r\n.\r\n");
        let found = [1, 7, 1000].map(|chunk| {
            let mut receiving = receiving(10_000, true);
            let ended = whole.as_bytes().chunks(chunk).any(|piece| receiving.push(piece).ended);
            assert!(ended, "{content:?}");
            receiving.judge().map(|claims| claims.from.iter().map(ToString::to_string).collect())
        });
        assert!(found[0] == found[1] && found[1] == found[2], "{content:?}");
        found.into_iter().next().unwrap()
    }

    #[test]
    fn from_must_be_there_once_and_proper() {
        assert_eq!(judge("From: a@b.example\r\n\r\nx"), Ok(vec!["a@b.example".to_owned()]));
        assert_eq!(judge("Subject: x\r\nfrom:\r\n \"a, b\"\r\n <a@b.example>"), Ok(vec!["a@b.example".to_owned()]));
        assert_eq!(judge("From: a@b.example, c@d.example\r\nSender: a@b.example\r\n\r\n").map(|from| from.len()), Ok(2));
        assert_eq!(judge("From: a@b.example, c@d.example\r\n\r\n"), Err(Objection::SeveralFrom));
        let bad =
            ["", "\r\nFrom: a@b.example\r\n", "Subject: x\r\n\r\nFrom: a@b.example", "From: a@b.example\r\nFrom: a@b.example\r\n\r\n"];
        for bad in bad.into_iter().chain(["From: Copier\r\n\r\n", "From:\r\n\r\n", "From: <>\r\n\r\n", "From: a, b <c@d.example>\r\n\r\n"])
        {
            assert_eq!(judge(bad), Err(Objection::BadFrom), "{bad:?}");
        }
        assert_eq!(judge("From: a@b.example\n\r\nx"), Err(Objection::BareLineEnds));
        assert_eq!(judge("From: a@b.example\r\n\r\nx\ry"), Err(Objection::BareLineEnds));
    }

    #[test]
    fn only_a_proper_message_id_is_repeated() {
        assert_eq!(proper_id(b" <1@b.example>").as_deref(), Some("<1@b.example>"));
        assert_eq!(proper_id(b"\r\n\t<1@b.example>").as_deref(), Some("<1@b.example>"));
        let long = format!("<{}@b.example>", "x".repeat(300));
        for bad in [&b"1@b.example"[..], b"<1 2@b.example>", b"<1@\x00>", b"<\xff@b>", b"", long.as_bytes()] {
            assert_eq!(proper_id(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn sizes_are_judged_at_the_end_and_memory_stays_bounded() {
        for (limit, taken) in [(100_040, true), (100_039, false)] {
            let mut message = receiving(limit, true);
            message.push(b"From: a@b.example\r\nMessage-ID: <1>\r\n\r\n");
            for _ in 0..1000 {
                assert!(!message.push(&[b'x'; 100]).ended);
            }
            assert!(message.push(b"\r\n.\r\n").ended);
            assert_eq!((message.size(), message.judge().is_ok()), (100_040, taken));
        }
        let mut counted = receiving(u64::MAX, false);
        counted.push(b"From: a@b.example\r\nMessage-ID: <1>\r\n\r\n");
        for _ in 0..1000 {
            assert!(!counted.push(&[b'x'; 100]).ended);
        }
        assert_eq!(counted.octets.len(), 36);
        assert_eq!(counted.judge().unwrap().message_id.as_deref(), Some("<1>"));
        let mut endless = receiving(u64::MAX, true);
        for _ in 0..4000 {
            assert!(!endless.push(&[b'x'; 100]).ended);
        }
        assert!(endless.octets.len() <= HEADER_LIMIT + 100);
        assert_eq!(endless.judge(), Err(Objection::HeaderTooLarge));
    }
}
