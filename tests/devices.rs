//! Thirteen devices and old libraries, each as picky as the real one, send through the whole relay and are served.
//!
//! What each of them demands was read in its source or in reports of its users. None of them does more than its original: none
//! retries, and none forgives.

#![expect(clippy::unwrap_used, reason = "a panic is the report of a test")]

mod world;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use world::{PATIENCE, World, until_empty};

/// A connection as small devices have it: what one read gives is what they judge.
struct Wire(TcpStream);

impl Wire {
    fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.0.write_all(octets.as_ref()).unwrap();
    }

    /// What the first segment brings.
    fn segment(&mut self) -> String {
        let mut buffer = [0; 4096];
        let count = self.0.read(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    /// Judges a reply by the first segment alone, and wants it whole.
    #[track_caller]
    fn wants(&mut self, start: &str) -> String {
        let segment = self.segment();
        assert!(segment.starts_with(start), "wanted {start:?}, got {segment:?}");
        assert!(segment.ends_with("\r\n"), "a reply in pieces: {segment:?}");
        segment
    }

    #[track_caller]
    fn asks(&mut self, command: impl AsRef<[u8]>, start: &str) -> String {
        self.send(command);
        self.wants(start)
    }
}

/// uIP: looks at the first digit of one segment, sends header, body and dot apart and QUIT behind them, and reads nothing more.
fn uip(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("2");
    wire.asks("HELO sensor\r\n", "2");
    wire.asks("MAIL FROM: sensor@printers.local\r\n", "2");
    wire.asks("RCPT TO: anna@example.com\r\n", "2");
    wire.asks("DATA\r\n", "3");
    wire.send("To: anna@example.com\r\nFrom: sensor@printers.local\r\nSubject: uip\r\n");
    wire.send("\r\n24.5 degrees");
    wire.send("\r\n.\r\n");
    wire.send("QUIT\r\n");
}

/// lwIP: exact codes, the prompts compared octet for octet, any other reply ends it. It looks for `AUTH` in the reply to EHLO.
fn lwip(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("220");
    let offer = wire.asks("EHLO [192.168.1.20]\r\n", "250");
    assert!(offer.contains("AUTH LOGIN PLAIN") || offer.contains("AUTH PLAIN"), "{offer:?}");
    assert_eq!(wire.asks("AUTH LOGIN\r\n", "334"), "334 VXNlcm5hbWU6\r\n");
    assert_eq!(wire.asks("bHdpcA==\r\n", "334"), "334 UGFzc3dvcmQ6\r\n");
    wire.asks("c2VjcmV0\r\n", "235");
    wire.asks("MAIL FROM: <lwip@printers.local>\r\n", "250");
    wire.asks("RCPT TO: <anna@example.com>\r\n", "250");
    wire.asks("DATA\r\n", "354");
    wire.send("From: <lwip@printers.local> \r\nTo: <anna@example.com> \r\nSubject: lwip\r\n\r\n");
    // Nothing is stuffed: a line of text that begins with a dot loses it, as it does at every server.
    wire.asks("24.5 degrees\r\n.\r\n", "250");
    wire.asks("QUIT\r\n", "221");
}

/// ESPEasy: gives up when a reply takes more than five seconds, and never says QUIT.
fn espeasy(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.0.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    wire.wants("220 ");
    wire.asks("EHLO ESP_Easy\r\n", "250");
    wire.asks("MAIL FROM:<esp@printers.local>\r\n", "250 ");
    wire.asks("RCPT TO:<anna@example.com>\r\n", "250 ");
    wire.asks("DATA\r\n", "354 ");
    let header = "From: ESP Easy <esp@printers.local>\r\nTo: anna@example.com\r\nReply-To: Nobody <esp@printers.local>\r\n";
    wire.send(format!("{header}MIME-VERSION: 1.0\r\nContent-type: text/html; charset=UTF-8\r\nX-Mailer: EspEasy v1.0\r\n"));
    wire.asks("Subject: espeasy\r\n\r\nRelay on<br/>\r\n.\r\n", "250 ");
}

/// A camera: EHLO, HELO, and a login whatever was offered, with an empty name.
fn camera(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("220");
    wire.asks("EHLO IPCAM\r\n", "250");
    wire.asks("HELO IPCAM\r\n", "250");
    wire.asks("AUTH LOGIN\r\n", "334");
    wire.asks("\r\n", "334");
    wire.asks("\r\n", "235");
    wire.asks("MAIL FROM:<camera@printers.local>\r\n", "250");
    wire.asks("RCPT TO:<anna@example.com>\r\n", "250");
    wire.asks("DATA\r\n", "354");
    let header = "From: DAFANG\r\nTo: anna@example.com\r\nSubject: camera\r\nMIME-Version: 1.0\r\n";
    wire.send(format!("{header}Content-Type: multipart/mixed; boundary=\"frontier\"\r\n\r\n--frontier\r\n"));
    wire.send("Content-Type: image/jpeg; name=\"1.jpg\"\r\nContent-Transfer-Encoding: base64\r\n\r\n/9j/4AAQSkZJRg==\r\n--frontier--\r\n");
    wire.asks(".\r\n", "250");
    wire.asks("QUIT\r\n", "221");
}

/// A Xerox: compares the text of the prompts, decoded.
fn xerox(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("220");
    wire.asks("EHLO XRX9C934E\r\n", "250");
    for (command, prompt) in [("AUTH LOGIN\r\n", "Username:"), ("c2Nhbg==\r\n", "Password:")] {
        let reply = wire.asks(command, "334 ");
        let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, reply[4..].trim_end()).unwrap();
        assert_eq!(decoded, prompt.as_bytes());
    }
    wire.asks("c2Nhbg==\r\n", "235");
    wire.asks("MAIL FROM:<xerox@printers.local> SIZE=1500\r\n", "250");
    wire.asks("RCPT TO:<anna@example.com>\r\n", "250");
    wire.asks("DATA\r\n", "354");
    wire.asks("From: \"Xerox\" <xerox@printers.local>\r\nTo: anna@example.com\r\nSubject: xerox\r\n\r\nScan\r\n.\r\n", "250");
    wire.asks("QUIT\r\n", "221");
}

/// .NET's SmtpClient: the mechanism in lower case with the name behind it, parameters in capitals, and no QUIT when the pool is dropped.
fn dot_net(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("220");
    wire.asks("EHLO OFFICE-PC_1\r\n", "250-");
    wire.asks("AUTH login YmlsbGluZw==\r\n", "334 UGFzc3dvcmQ6\r\n");
    wire.asks("c2VjcmV0\r\n", "235");
    wire.asks("MAIL FROM:<billing@printers.local>\r\n", "250");
    wire.asks("RCPT TO:<anna@example.com>\r\n", "250");
    wire.asks("DATA\r\n", "354");
    wire.send("MIME-Version: 1.0\r\nFrom: billing@printers.local\r\nTo: anna@example.com\r\nDate: 21 Nov 2026 10:00:00 +0100\r\n");
    wire.send("Subject: dot-net\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nInvoice=\r\n 17\r\n\r\n");
    wire.asks(".\r\n", "250");
}

/// A UPS: `HELO ` and nothing behind it.
fn ups(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("220");
    wire.asks("HELO \r\n", "250");
    wire.asks("MAIL FROM:<ups@printers.local>\r\n", "250");
    wire.asks("RCPT TO:<anna@example.com>\r\n", "250");
    wire.asks("DATA\r\n", "354");
    wire.asks("From: ups@printers.local\r\nTo: anna@example.com\r\nSubject: ups\r\n\r\nOn battery\r\n.\r\n", "250");
    wire.asks("QUIT\r\n", "221");
}

/// A MegaRAID controller: no brackets.
fn megaraid(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("220");
    wire.asks("HELO raid\r\n", "250");
    wire.asks("MAIL FROM:raid@printers.local\r\n", "250");
    wire.asks("RCPT TO:anna@example.com\r\n", "250");
    wire.asks("DATA\r\n", "354");
    wire.asks("Subject: megaraid\r\nFrom: raid@printers.local\r\nTo: anna@example.com\r\n\r\nDisk 3 failed\r\n.\r\n", "250");
    wire.asks("QUIT\r\n", "221");
}

/// HP iLO: a sender that is no address.
fn ilo(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("220");
    wire.asks("HELO ilo.printers.local\r\n", "250");
    wire.asks("MAIL FROM:<ilo.@printers.local>\r\n", "250");
    wire.asks("RCPT TO:<anna@example.com>\r\n", "250");
    wire.asks("DATA\r\n", "354");
    wire.asks("From: \"iLO\" <ilo.@printers.local>\r\nTo: anna@example.com\r\nSubject: ilo\r\n\r\nPower lost\r\n.\r\n", "250");
    wire.asks("QUIT\r\n", "221");
}

/// Oracle's UTL_SMTP: a space behind the colon, no brackets, a Date as the database writes it, LF inside the text.
fn oracle(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("220");
    wire.asks("HELO dbhost\r\n", "250");
    wire.asks("MAIL FROM: oracle@printers.local\r\n", "250");
    wire.asks("RCPT TO: anna@example.com\r\n", "250");
    wire.asks("DATA\r\n", "354");
    wire.send("Date: 21-NOV-26\r\nFrom: oracle@printers.local\r\nTo: anna@example.com\r\nSubject: oracle\r\n");
    wire.send("\r\nRows: 17\nErrors: 0\n");
    wire.asks("\r\n.\r\n", "250");
    wire.asks("QUIT\r\n", "221");
}

/// A script on ESXi: everything through nc on a timer, nothing is read before the end.
fn esxi(to: SocketAddr) {
    let mut wire = Wire::open(to);
    for line in [
        "HELO esxi\r\n",
        "MAIL FROM: <esxi@printers.local>\r\n",
        "RCPT TO: <anna@example.com>\r\n",
        "DATA\r\n",
        "From: esxi@printers.local\r\nTo: anna@example.com\r\nSubject: esxi\r\n\r\n",
        "Backup done\r\n.\r\n",
        "QUIT\r\n",
    ] {
        wire.send(line);
        std::thread::sleep(Duration::from_millis(20));
    }
    wire.0.shutdown(Shutdown::Write).unwrap();
    let mut replies = String::new();
    wire.0.read_to_string(&mut replies).unwrap();
    let codes: Vec<&str> = replies.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "221"], "{replies}");
}

/// AspEmail: hangs unless the greeting comes in one segment.
fn aspemail(to: SocketAddr) {
    let mut wire = Wire::open(to);
    let greeting = wire.wants("220 ");
    assert_eq!(greeting.matches("\r\n").count(), 1, "{greeting:?}");
    wire.asks("HELO web01\r\n", "250 ");
    wire.asks("MAIL FROM:<aspemail@printers.local>\r\n", "250 ");
    wire.asks("RCPT TO:<anna@example.com>\r\n", "250 ");
    wire.asks("DATA\r\n", "354 ");
    let header = "From: \"B\u{fc}ro\" <aspemail@printers.local>\r\nTo: anna@example.com\r\nSubject: aspemail\r\n";
    wire.send(header.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>());
    wire.asks("\r\nForm sent\r\n.\r\n", "250 ");
    wire.asks("QUIT\r\n", "221 ");
}

/// A client that takes the first segment for the whole reply to EHLO.
fn first_segment(to: SocketAddr) {
    let mut wire = Wire::open(to);
    wire.wants("220 ");
    let offer = wire.asks("EHLO plc\r\n", "250-");
    let last = offer.lines().last().unwrap();
    assert!(last.starts_with("250 "), "the reply goes on behind {last:?}");
    wire.asks("MAIL FROM:<plc@printers.local>\r\n", "250 ");
    wire.asks("RCPT TO:<anna@example.com>\r\n", "250 ");
    wire.asks("DATA\r\n", "354 ");
    wire.asks("From: plc@printers.local\r\nTo: anna@example.com\r\nSubject: first-segment\r\n\r\nLimit reached\r\n.\r\n", "250 ");
    wire.asks("QUIT\r\n", "221 ");
}

/// What a device does.
type Device = fn(SocketAddr);

/// Each device with the subject of its message and a line of its body.
const DEVICES: [(&str, Device, &str); 13] = [
    ("uip", uip, "24.5 degrees"),
    ("lwip", lwip, "24.5 degrees"),
    ("espeasy", espeasy, "Relay on<br/>"),
    ("camera", camera, "/9j/4AAQSkZJRg=="),
    ("xerox", xerox, "Scan"),
    ("dot-net", dot_net, "Invoice="),
    ("ups", ups, "On battery"),
    ("megaraid", megaraid, "Disk 3 failed"),
    ("ilo", ilo, "Power lost"),
    ("oracle", oracle, "Errors: 0"),
    ("esxi", esxi, "Backup done"),
    ("aspemail", aspemail, "Form sent"),
    ("first-segment", first_segment, "Limit reached"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_are_served() {
    let world = World::start().await;
    world.edit_config(|text| text.replacen("\n\naccounts:", "\n    auth: accept-any\n\naccounts:", 1));
    let relay = world.relay().await;
    let to = relay.listeners()[0];
    let senders: Vec<_> = DEVICES.map(|(_, device, _)| tokio::task::spawn_blocking(move || device(to))).into();
    for (sender, (name, ..)) in senders.into_iter().zip(DEVICES) {
        sender.await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let arrived = world.arrived(DEVICES.len()).await;
    until_empty(&relay).await;
    assert_eq!(arrived.len(), DEVICES.len());
    for (name, _, line) in DEVICES {
        let subject = format!("\r\nSubject: {name}\r\n");
        let found = arrived.iter().find(|received| String::from_utf8_lossy(&received.content).contains(&subject));
        let content = String::from_utf8_lossy(&found.unwrap_or_else(|| panic!("{name} did not arrive")).content).into_owned();
        assert!(content.lines().any(|text| text == line), "{name}:\n{content}");
        assert_eq!(content.matches("\r\nFrom: ").count(), 1, "{name}:\n{content}");
    }
    relay.stop().await;
}
