//! What went in beside what arrived.

/// Columns of each side.
const WIDTH: usize = 62;

/// The two headers side by side, and whether the bodies are the same.
pub(super) fn side_by_side(sent: &[u8], arrived: &[u8]) -> String {
    let ((sent, sent_body), (arrived, arrived_body)) = (split(sent), split(arrived));
    let (left, right) = (lines(&sent), lines(&arrived));
    let mut text = vec![row("What the copier sent", "What arrived at Microsoft 365"), row(&"─".repeat(WIDTH), &"─".repeat(WIDTH))];
    for number in 0..left.len().max(right.len()) {
        let side = |lines: &[String]| lines.get(number).cloned().unwrap_or_default();
        text.push(row(&side(&left), &side(&right)));
    }
    text.push(String::new());
    text.push(if sent_body == arrived_body {
        format!("The body is the same, octet for octet: {} octets, the PDF among them.", sent_body.len())
    } else {
        format!("The bodies differ: {} octets were sent, {} arrived.", sent_body.len(), arrived_body.len())
    });
    text.join("\n")
}

/// Whether the body arrived as it was sent.
pub(super) fn same_body(sent: &[u8], arrived: &[u8]) -> bool {
    split(sent).1 == split(arrived).1
}

fn split(message: &[u8]) -> (String, &[u8]) {
    let end = memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 2);
    (String::from_utf8_lossy(&message[..end]).into_owned(), message.get(end + 2..).unwrap_or_default())
}

/// Header lines, wrapped to the column.
fn lines(header: &str) -> Vec<String> {
    let wrap = |line: &str| {
        let characters: Vec<char> = line.replace('\t', "  ").chars().collect();
        characters.chunks(WIDTH).map(|piece| piece.iter().collect::<String>()).collect::<Vec<_>>()
    };
    header.lines().flat_map(wrap).collect()
}

fn row(left: &str, right: &str) -> String {
    format!("{left:<WIDTH$} │ {right}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_both_sides_and_judges_the_body() {
        let text = side_by_side(b"A: 1\r\n\r\nbody\r\n", b"B: 2\r\nA: 1\r\n\r\nbody\r\n");
        assert!(text.contains("A: 1"), "{text}");
        assert!(text.contains("│ B: 2") && text.contains("the same, octet for octet: 6 octets"));
        assert!(side_by_side(b"\r\n\r\nx", b"\r\n\r\ny").contains("The bodies differ"));
    }
}
