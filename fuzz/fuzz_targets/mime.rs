//! Bodies in parts: what leaves is fit for the wire or said not to be, decodes to what came, and stays as it is from then on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail_parser::decoders::{base64::base64_decode, quoted_printable::quoted_printable_decode};
use mailferry::message::{BodyPlan, Edit, Editor, HeaderBlock, Repair, Split, Splitter, With};
use mailferry::rewrite::{Decided, decide};
use mailferry::smtp::ContentReader;

/// Content as it comes from a reader, CRLF line ends only.
fn content(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let _ = ContentReader::new().push(&[input, b"\r\n.\r\n"].concat(), &mut out);
    out
}

struct Sent {
    header: HeaderBlock,
    came: Vec<u8>,
    left: Vec<u8>,
    decided: Decided,
}

fn send(content: &[u8], chunk: usize) -> Option<Sent> {
    let (mut splitter, mut came) = (Splitter::new(), Vec::new());
    for piece in content.chunks(chunk) {
        came.extend_from_slice(&splitter.push(piece).ok()?);
    }
    let Split { header, facts, .. } = splitter.finish();
    let decided = decide(&header, &facts);
    let left = edit(&came, decided.plan.clone(), chunk);
    Some(Sent { header, came, left, decided })
}

fn edit(body: &[u8], plan: BodyPlan, chunk: usize) -> Vec<u8> {
    let (mut editor, mut out) = (Editor::new(plan), Vec::new());
    body.chunks(chunk).for_each(|piece| editor.push(piece, &mut out));
    editor.finish(&mut out);
    out
}

/// The message that leaves, its header changed only as the decision about the body asks.
fn message(sent: &Sent) -> Vec<u8> {
    let mut out = Vec::new();
    for field in sent.header.fields() {
        if sent.decided.transfer_encoding.is_none() || !field.is("Content-Transfer-Encoding") {
            out.extend_from_slice(field.raw);
        }
    }
    if let Some(name) = sent.decided.transfer_encoding.and_then(|encoding| encoding.name()) {
        out.extend_from_slice(format!("Content-Transfer-Encoding: {name}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&sent.left);
    out
}

fn is_fit(body: &[u8]) -> bool {
    !body.contains(&0) && body.split(|&octet| octet == b'\n').all(|line| line.len() <= 999)
}

/// What is encoded decodes to what stood there.
fn check_edit(body: &[u8], Edit { range, with }: &Edit) {
    let came = &body[range.start as usize..range.end as usize];
    let left = edit(came, BodyPlan::Edit(vec![Edit { range: 0..came.len() as u64, with: with.clone() }]), usize::MAX);
    match with {
        With::Base64 => assert_eq!(base64_decode(&left).as_deref(), Some(came)),
        With::QuotedPrintable { .. } => assert_eq!(quoted_printable_decode(&left).as_deref(), Some(came)),
        With::FoldBase64 => {
            let significant = |octets: &[u8]| octets.iter().copied().filter(|octet| !b" \r\n\0".contains(octet)).collect::<Vec<u8>>();
            assert_eq!(significant(&left), significant(came));
        }
        With::Octets(_) | With::FoldQuotedPrintable => {}
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, input)) = data.split_first() else { return };
    let content = content(input);
    let Some(sent) = send(&content, usize::MAX) else { return };
    let pieces = send(&content, usize::from(first) + 1).expect("as large as the whole");
    assert_eq!((&pieces.left, &pieces.decided), (&sent.left, &sent.decided), "chunks matter");
    assert!(sent.left.is_empty() || sent.left.ends_with(b"\r\n"));
    assert_eq!(is_fit(&sent.left), !sent.decided.repairs.contains(Repair::UnmendableBody));
    assert_eq!(sent.decided.eight_bit, !sent.left.is_ascii());
    match &sent.decided.plan {
        BodyPlan::Pass => assert_eq!(sent.left, sent.came),
        BodyPlan::Edit(edits) => edits.iter().for_each(|edit| check_edit(&sent.came, edit)),
    }
    let again = send(&message(&sent), usize::MAX).expect("no larger a header");
    assert_eq!((again.left, again.decided.plan), (sent.left, BodyPlan::Pass), "mended twice");
});
