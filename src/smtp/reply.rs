//! Replies: written by a server, read by a client (RFC 5321 section 4.2, RFC 2034).

use std::fmt;

use bytes::BytesMut;

use super::line::{Line, LineReader};

/// An enhanced status code, as in `5.7.1` (RFC 3463).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl Enhanced {
    /// Reads `class.subject.detail` at the start of `text`; gives what follows it, too.
    pub fn parse_prefix(text: &str) -> Option<(Self, &str)> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (code, rest) = text.split_at(end);
        if !(rest.is_empty() || rest.starts_with(' ')) {
            return None;
        }
        let mut parts = code.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let code = Self(class.parse().ok()?, subject.parse().ok()?, detail.parse().ok()?);
        let sound = parts.next().is_none() && matches!(code.0, 2 | 4 | 5) && subject.len() <= 3 && detail.len() <= 3;
        sound.then(|| (code, rest.trim_start()))
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// One reply of one or more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<Enhanced>,
    lines: Vec<String>,
}

impl Reply {
    /// A reply of one line without an enhanced code: greeting, EHLO, 354 and 334 have none.
    pub fn plain(code: u16, text: impl Into<String>) -> Self {
        Self { code, enhanced: None, lines: vec![text.into()] }
    }

    /// A reply of one line with its enhanced code.
    pub fn new(code: u16, enhanced: Enhanced, text: impl Into<String>) -> Self {
        Self { code, enhanced: Some(enhanced), lines: vec![text.into()] }
    }

    /// A reply of several lines without an enhanced code: EHLO and HELP. `lines` holds at least one.
    pub fn lines(code: u16, lines: Vec<String>) -> Self {
        debug_assert!(!lines.is_empty(), "a reply has at least one line");
        Self { code, enhanced: None, lines }
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code of the first line, when there is one.
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.enhanced
    }

    /// The texts, one a line, without codes.
    pub fn texts(&self) -> &[String] {
        &self.lines
    }

    /// Whether the code begins with 2.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether the code begins with 3: the server waits for more.
    pub fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// Whether the code begins with 4: trying again later may help.
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// Whether the code begins with 5.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// Appends the reply as it goes over the wire: CRLF behind each line, the enhanced code on each.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let last = self.lines.len().saturating_sub(1);
        for (number, line) in self.lines.iter().enumerate() {
            let mark = if number == last { ' ' } else { '-' };
            out.extend_from_slice(format!("{}{mark}", self.code).as_bytes());
            if let Some(enhanced) = self.enhanced {
                out.extend_from_slice(format!("{enhanced} ").as_bytes());
            }
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The reply on one line, as a log shows it: codes first, lines joined by ` / `.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for (number, line) in self.lines.iter().enumerate() {
            f.write_str(if number == 0 { " " } else { " / " })?;
            f.write_str(line)?;
        }
        Ok(())
    }
}

/// What a server sent was no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line did not begin with three digits and a space, a hyphen or nothing.
    #[error("the server said {0:?}, which is no SMTP reply")]
    Malformed(String),
    /// The lines of one reply had different codes.
    #[error("the server changed the code inside a reply from {0} to {1}")]
    Changed(u16, u16),
    /// The reply, or one line of it, was larger than we take.
    #[error("the server sent a reply larger than {LINE_LIMIT} octets a line or {LINES_LIMIT} lines")]
    TooLarge,
}

/// Octets in one line of a reply. RFC 5321 says 512; Exchange's STOREDRV texts are longer.
const LINE_LIMIT: usize = 4096;
/// Lines in one reply.
const LINES_LIMIT: usize = 100;

/// Reads replies off the front of a buffer.
#[derive(Clone, Debug)]
pub struct ReplyReader {
    lines: LineReader,
    begun: Option<Reply>,
}

impl Default for ReplyReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplyReader {
    /// A reader at the start of a reply.
    pub fn new() -> Self {
        Self { lines: LineReader::new(LINE_LIMIT), begun: None }
    }

    /// The next reply, if the whole of it is there.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Reply>, ReplyError> {
        while let Some(line) = self.lines.next(buffer) {
            let Line::Whole(line) = line else { return Err(ReplyError::TooLarge) };
            let (code, more, text) = split(&line)?;
            match &mut self.begun {
                None => {
                    let (enhanced, text) = match Enhanced::parse_prefix(&text) {
                        Some((enhanced, rest)) => (Some(enhanced), rest.to_owned()),
                        None => (None, text),
                    };
                    self.begun = Some(Reply { code, enhanced, lines: vec![text] });
                }
                Some(reply) if reply.code != code => return Err(ReplyError::Changed(reply.code, code)),
                Some(reply) if reply.lines.len() == LINES_LIMIT => return Err(ReplyError::TooLarge),
                Some(reply) => reply.lines.push(without(&text, reply.enhanced)),
            }
            if !more {
                return Ok(self.begun.take());
            }
        }
        // A line that never ends would be read for as long as a reply may take.
        if self.lines.is_discarding() { Err(ReplyError::TooLarge) } else { Ok(None) }
    }
}

/// The text of a further line without the enhanced code that it repeats.
fn without(text: &str, enhanced: Option<Enhanced>) -> String {
    match (Enhanced::parse_prefix(text), enhanced) {
        (Some((here, rest)), Some(first)) if here == first => rest.to_owned(),
        _ => text.to_owned(),
    }
}

/// Code, whether more lines follow, and text of one line.
fn split(line: &[u8]) -> Result<(u16, bool, String), ReplyError> {
    let malformed = || ReplyError::Malformed(String::from_utf8_lossy(&line[..line.len().min(120)]).into_owned());
    let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit)).ok_or_else(malformed)?;
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if !(200..600).contains(&code) {
        return Err(malformed());
    }
    let more = match line.get(3) {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return Err(malformed()),
    };
    Ok((code, more, String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &str) -> Result<Vec<Reply>, ReplyError> {
        let (mut reader, mut buffer, mut found) = (ReplyReader::new(), BytesMut::new(), Vec::new());
        for byte in wire.bytes() {
            buffer.extend_from_slice(&[byte]);
            while let Some(reply) = reader.next(&mut buffer)? {
                found.push(reply);
            }
        }
        Ok(found)
    }

    #[test]
    fn reads_what_it_writes() {
        let replies = [
            Reply::plain(220, "relay.example ESMTP"),
            Reply::lines(250, vec!["relay.example".into(), "SIZE 10".into(), "SMTPUTF8".into()]),
            Reply::new(250, Enhanced(2, 1, 5), "Recipient OK"),
            Reply::plain(334, ""),
        ];
        let mut wire = Vec::new();
        replies.iter().for_each(|reply| reply.write_to(&mut wire));
        assert_eq!(read(&String::from_utf8(wire).unwrap()).unwrap(), replies);
    }

    #[test]
    fn reads_what_servers_really_send() {
        let replies = read("250\r\n535 5.7.3 Authentication unsuccessful [HK0PR01CA0063]\n334 \r\n250-2.1.0 a\r\n250 2.1.0 b\r\n").unwrap();
        assert_eq!(replies[0], Reply::plain(250, ""));
        assert_eq!(replies[1].enhanced(), Some(Enhanced(5, 7, 3)));
        assert_eq!(replies[1].to_string(), "535 5.7.3 Authentication unsuccessful [HK0PR01CA0063]");
        assert_eq!(replies[3].texts(), ["a", "b"]);
    }

    #[test]
    fn refuses_what_is_no_reply() {
        for bad in ["HTTP/1.1 400 Bad Request\r\n", "99 x\r\n", "2500 x\r\n", "250-a\r\n550 b\r\n"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert_eq!(read(&"x".repeat(5000)), Err(ReplyError::TooLarge), "a line that never ends");
        assert_eq!(read(&format!("250 {}\r\n", "x".repeat(5000))), Err(ReplyError::TooLarge));
        assert_eq!(read(&"250-x\r\n".repeat(101)), Err(ReplyError::TooLarge));
    }

    #[test]
    fn an_enhanced_code_is_three_numbers_and_a_space() {
        assert!(Enhanced::parse_prefix("5.7.139 no").is_some());
        for bad in ["5.7", "5.7.1.2 x", "9.1.1 x", "1.2.3 x", "5.7.1x", "192.168.0.1 x", "mail"] {
            assert!(Enhanced::parse_prefix(bad).is_none(), "{bad}");
        }
    }
}
