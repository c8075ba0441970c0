//! One message in is one message out, whatever octets a device sends: from its DATA to what the upstream reads, through every room that
//! touches content, without a socket.

#![expect(clippy::unwrap_used, reason = "a panic is the report of a test")]

use mailferry::clock::Timestamp;
use mailferry::message::{
    Author, DisplayName, Editor, EntryId, Envelope, HeaderBlock, Identity, Mailbox, Origin, ReplyTo, ReversePath, Split, Splitter,
};
use mailferry::rewrite::{Rewritten, Source, Subject, rewrite};
use mailferry::smtp::{ContentReader, ContentWriter};
use proptest::prelude::*;

const ALIAS: &str = "noreply@contoso.com";

/// What arrived: header and body as the spool keeps them, in what they are decided by.
fn arrive(wire: &[u8], chunk: usize) -> Option<(Split, Vec<u8>, Vec<u8>)> {
    let (mut reader, mut splitter) = (ContentReader::new(), Splitter::new());
    let (mut content, mut body) = (Vec::new(), Vec::new());
    for piece in wire.chunks(chunk) {
        let before = content.len();
        let progress = reader.push(piece, &mut content);
        body.extend_from_slice(&splitter.push(&content[before..]).ok()?);
        if progress.ended {
            return Some((splitter.finish(), body, content));
        }
    }
    panic!("what ends in CRLF . CRLF has ended");
}

fn rewritten(split: &Split) -> Rewritten {
    let mailbox = |text| Mailbox::parse(text).unwrap();
    let received = Timestamp::from_millis(1_763_757_330_120);
    let origin = Origin {
        client: "192.168.10.21".parse().unwrap(),
        listener: "127.0.0.1:25".into(),
        helo: Some("copier".into()),
        esmtp: true,
        login: None,
        tls: false,
        charset: None,
        received,
    };
    let envelope = Envelope { sender: ReversePath::Null, recipients: vec![mailbox("anna@example.com")], smtputf8: false };
    let identity = Identity { from: mailbox(ALIAS), name: DisplayName::Original, reply_to: ReplyTo::Original };
    let source = Source { origin: &origin, envelope: &envelope, header: &split.header, facts: &split.facts, identity: &identity };
    rewrite(&Subject { id: EntryId::first_of(received), source, hostname: "relay.example" })
}

/// What goes over the wire to the upstream, behind the CRLF of its DATA.
fn leave(rewritten: &Rewritten, body: &[u8], chunk: usize) -> Vec<u8> {
    let (mut editor, mut writer) = (Editor::new(rewritten.body.plan.clone()), ContentWriter::new());
    let (mut edited, mut wire) = (Vec::new(), b"\r\n".to_vec());
    writer.push(&rewritten.header, &mut wire);
    for piece in body.chunks(chunk) {
        edited.clear();
        editor.push(piece, &mut edited);
        writer.push(&edited, &mut wire);
    }
    edited.clear();
    editor.finish(&mut edited);
    writer.push(&edited, &mut wire);
    writer.finish(&mut wire);
    wire
}

/// Where the most lenient server that we know of ends a message: stock Postfix 3.7, and those before it.
fn lenient_end(wire: &[u8]) -> usize {
    let ends: [&[u8]; 9] =
        [b"\r\n.\r\n", b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r\r\n", b"\n.\r", b"\r\r\n.\r\r\n"];
    ends.iter().filter_map(|end| memchr::memmem::find(wire, end).map(|at| at + end.len())).min().unwrap()
}

fn any_content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => "(\r\n|\n|\r|\\.|\r\n\\.\r|\n\\.\n|\r\r\n|\r\n\r\n|--b\r\n|--b--\r\n| |\t)".prop_map(String::into_bytes),
        6 => "(From|To|Subject|Date|Content-Type|Content-Transfer-Encoding|MIME-Version|X):".prop_map(String::into_bytes),
        6 => "(a@b\\.test|noreply@contoso\\.com|<|>|\"|multipart/mixed; boundary=b|text/plain|base64|quoted-printable|8bit|=\r\n|=41|[a-z ]{1,9})".prop_map(String::into_bytes),
        2 => "(MAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\n|QUIT\r\n)".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 0..8),
        1 => Just(b"x".repeat(1200)),
        1 => Just(vec![0]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn one_message_in_is_one_message_out(content in any_content(), chunk in 1_usize..64) {
        let wire = [&content[..], b"\r\n.\r\n"].concat();
        let Some((split, body, came)) = arrive(&wire, chunk) else { return Ok(()) };
        prop_assert!(came.ends_with(&body), "the body is not what stood behind the header");
        let rewritten = rewritten(&split);
        let sent = leave(&rewritten, &body, chunk);

        // Its only end is its last octets, also for a server that is less strict (and may begin its end with the CR before).
        prop_assert!(lenient_end(&sent) + 1 >= sent.len(), "{}", sent.escape_ascii());
        prop_assert_eq!(&sent, &leave(&rewritten, &body, usize::MAX), "chunks make a difference");
        let mut read = Vec::new();
        let mut reader = ContentReader::new();
        let progress = reader.push(&sent[2..], &mut read);
        prop_assert!(progress.ended && progress.used == sent.len() - 2 && reader.line_ends().were_clean());

        // What the upstream reads has one From, the alias, and the body that came.
        let header = HeaderBlock::new(rewritten.header.slice(..rewritten.header.len() - 2));
        prop_assert_eq!(header.fields().filter(|field| field.is("From")).count(), 1);
        let author = Author::of(&header);
        prop_assert_eq!(author.mailbox.as_ref().map(Mailbox::as_str), Some(ALIAS));
        prop_assert!(read.starts_with(&rewritten.header));
        let left = &read[rewritten.header.len()..];
        if rewritten.body.repairs.is_empty() {
            prop_assert_eq!(left, &body[..]);
        }
    }
}
