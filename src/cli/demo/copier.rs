//! A copier that scans to mail: plain SMTP, no login, and a header as old firmware writes it.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::smtp::sasl;

/// How long the copier waits for a reply. Real ones wait five seconds and more.
const WAIT: Duration = Duration::from_secs(10);

/// What was said, a line each, with `C: ` or `S: ` before it.
pub(super) type Dialogue = Vec<String>;

/// A scan as the copier sends it: no Date, no Message-ID, and a From that the tenant would refuse.
pub(super) fn scan() -> String {
    let pdf = sasl::encode(page().as_bytes());
    let lines: Vec<&str> = pdf.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!(
        "From: \"Copier, 2nd floor\" <copier@printers.local>\r\n\
         To: anna@example.com\r\n\
         Bcc: archive@example.com\r\n\
         Subject: Scanned document\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"scan\"\r\n\
         \r\n\
         --scan\r\n\
         Content-Type: text/plain\r\n\
         \r\n\
         One page, 300 dpi.\r\n\
         --scan\r\n\
         Content-Type: application/pdf; name=\"scan.pdf\"\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"scan.pdf\"\r\n\
         \r\n\
         {}\r\n\
         --scan--\r\n",
        lines.join("\r\n")
    )
}

/// A PDF of one page, whose cross-reference table holds.
fn page() -> String {
    let content = "BT /F1 24 Tf 72 720 Td (Scanned by a copier that knows no OAuth.) Tj ET";
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>".to_owned(),
        format!("<</Length {}>>\nstream\n{content}\nendstream", content.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
    ];
    let (mut file, mut table) = ("%PDF-1.4\n".to_owned(), String::new());
    for (number, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", number + 1));
    }
    let start = file.len();
    file.push_str(&format!("xref\n0 6\n0000000000 65535 f \n{table}trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n"));
    file
}

/// Sends `message` to the relay the way copiers do; gives the dialogue.
pub(super) fn send(relay: SocketAddr, message: &str) -> io::Result<Dialogue> {
    let stream = TcpStream::connect(relay)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    let mut talk = Talk { reader: BufReader::new(stream.try_clone()?), writer: stream, said: Vec::new() };
    talk.hear()?;
    for command in
        ["EHLO copier", "MAIL FROM:<copier@printers.local>", "RCPT TO:<anna@example.com>", "RCPT TO:<archive@example.com>", "DATA"]
    {
        talk.say(command)?;
        talk.hear()?;
    }
    talk.said.push(format!("C: (the message, {} octets)", message.len()));
    talk.writer.write_all(message.as_bytes())?;
    talk.say(".")?;
    talk.hear()?;
    talk.say("QUIT")?;
    talk.hear()?;
    Ok(talk.said)
}

struct Talk {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    said: Dialogue,
}

impl Talk {
    fn say(&mut self, command: &str) -> io::Result<()> {
        self.said.push(format!("C: {command}"));
        self.writer.write_all(format!("{command}\r\n").as_bytes())
    }

    /// Reads one reply of one or more lines; anything but 2xx and 3xx ends the copier's job.
    fn hear(&mut self) -> io::Result<()> {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            let line = line.trim_end();
            self.said.push(format!("S: {line}"));
            if !line.starts_with(['2', '3']) {
                return Err(io::Error::other(format!("the relay said {line:?}")));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pdf_knows_where_its_objects_are() {
        let page = super::page();
        let start: usize = page.lines().rev().nth(1).unwrap().parse().unwrap();
        assert!(page[start..].starts_with("xref\n"));
        for (number, line) in page[start..].lines().skip(3).take(5).enumerate() {
            let at: usize = line[..10].parse().unwrap();
            assert!(page[at..].starts_with(&format!("{} 0 obj", number + 1)));
        }
    }
}
