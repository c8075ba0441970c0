//! The recipients of a message while the client still names them.

use std::collections::HashSet;

use crate::message::Mailbox;

/// Recipients, each once, in the order in which they came.
///
/// Looking through the list for each new one would take time in proportion to the square of their number.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    list: Vec<Mailbox>,
    known: HashSet<Mailbox>,
}

/// There would be more recipients than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Recipients {
    /// Adds those that are not there yet: all of them, or none.
    pub(super) fn add(&mut self, mailboxes: Vec<Mailbox>, limit: usize) -> Result<(), TooMany> {
        let before = self.list.len();
        for mailbox in mailboxes {
            if self.known.contains(&mailbox) {
                continue;
            }
            if self.list.len() == limit {
                for added in self.list.drain(before..) {
                    self.known.remove(&added);
                }
                return Err(TooMany);
            }
            self.known.insert(mailbox.clone());
            self.list.push(mailbox);
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn into_list(self) -> Vec<Mailbox> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn mailboxes(numbers: std::ops::Range<usize>) -> Vec<Mailbox> {
        numbers.map(|number| Mailbox::parse(&format!("r{number}@example.com")).unwrap()).collect()
    }

    #[test]
    fn takes_all_or_none() {
        let mut recipients = Recipients::default();
        recipients.add(mailboxes(0..2), 3).unwrap();
        assert_eq!(recipients.add(mailboxes(1..4), 3), Err(TooMany));
        recipients.add(mailboxes(0..2), 3).expect("those that are known need no room");
        recipients.add(mailboxes(3..4), 3).expect("what was not taken left room");
        let numbers = [0, 1, 3].map(|number| mailboxes(number..number + 1).remove(0));
        assert_eq!(recipients.into_list(), numbers);
    }

    /// Twenty billion comparisons, were each looked for in the whole list.
    #[test]
    fn many_recipients_take_no_time() {
        let (mut recipients, begun) = (Recipients::default(), Instant::now());
        for number in 0..200_000 {
            recipients.add(mailboxes(number..number + 1), 200_000).unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "took {:?}", begun.elapsed());
    }
}
