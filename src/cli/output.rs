//! What commands print, and how they fail.

use std::error::Error;
use std::future::Future;
use std::io::Write as _;

use super::Exit;
use crate::config::Problems;

/// Prints a line on standard output. Whoever reads it may go away: then there is nobody to tell.
pub(super) fn say(line: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_ref().as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// Prints what went wrong, with its causes, on standard error.
pub(super) fn complain(error: &(dyn Error + 'static)) -> Exit {
    let mut text = format!("mailferry: {error}\n");
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!("  because: {source}\n"));
        cause = source.source();
    }
    complain_in_words(&text)
}

/// Prints a configuration's problems on standard error. Each begins with its place, where editors look for it.
pub(super) fn complain_of(problems: &Problems) -> Exit {
    complain_in_words(&problems.to_string())
}

/// Prints words on standard error.
pub(super) fn complain_in_words(text: &str) -> Exit {
    let _ = std::io::stderr().lock().write_all(format!("{}\n", text.trim_end()).as_bytes());
    Exit::Failed
}

/// Runs a short command's future on this thread.
pub(super) fn on_this_thread(command: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => complain(&error),
    }
}

/// Whether a terminal would do something with a character instead of showing it: control characters (also 0x80 to 0x9f,
/// which begin sequences as ESC does), and those of Unicode that turn writing around or break a line.
pub(super) fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from outside for a terminal: what would act is escaped.
pub(super) fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// JSON in which nothing acts on a terminal: people look at it there, too, and to programs it says the same.
pub(super) fn inert(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // Between values; inside of strings it is escaped already.
            '\n' => shown.push(c),
            // All that act lie in Unicode's first plane, and stand in strings.
            c if acts(c) => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown
}

/// Rows as columns of the width that the widest cell needs; the last column is not padded.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let mut line = String::new();
        for (number, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            if number + 1 == widths.len() {
                line.push_str(cell);
            } else {
                line.push_str(&format!("{cell:<width$}  "));
            }
        }
        line.trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    std::iter::once(line(&head)).chain(rows.iter().map(|row| line(row))).collect::<Vec<_>>().join("\n")
}

/// Octets as people read them.
pub(super) fn size(octets: u64) -> String {
    match octets {
        0..1_000 => format!("{octets} B"),
        1_000..1_000_000 => format!("{:.1} KB", octets as f64 / 1e3),
        1_000_000.. => format!("{:.1} MB", octets as f64 / 1e6),
    }
}

/// Seconds as people read them.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        86_400.. => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_do_not_pad_the_end() {
        let rows = [vec!["a".to_owned(), "bbb".to_owned()], vec!["cccc".to_owned(), "d".to_owned()]];
        assert_eq!(table(&["ID", "TO"], &rows), "ID    TO\na     bbb\ncccc  d");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!((size(999), size(2_048), size(25_000_000)), ("999 B".into(), "2.0 KB".into(), "25.0 MB".into()));
        assert_eq!((age(59), age(3_700), age(90_000)), ("59s".into(), "1h01m".into(), "1d01h".into()));
    }

    #[test]
    fn nothing_from_outside_acts_on_a_terminal() {
        assert_eq!(safe("a\u{1b}[0m"), "a\\u{1b}[0m");
        assert_eq!(safe("a\u{9b}0m\u{202e}b"), "a\\u{9b}0m\\u{202e}b");
        let text = "a\u{9b}0m\u{7f}\u{202e}\"\n\u{1b}\u{e9}";
        let json = inert(&serde_json::to_string_pretty(&[text]).unwrap());
        assert!(!json.chars().any(|c| acts(c) && c != '\n'), "{json:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [text]);
    }
}
