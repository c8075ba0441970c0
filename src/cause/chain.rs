//! Errors with their causes, as a log line or an entry tells them.

use std::error::Error;

/// An error and its causes in one line: what we were doing, why that failed, why that. Errors say only their own part
/// (their causes are in `source`), so nothing is told twice.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the queue")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn tells_each_cause_once() {
        assert_eq!(chain(&Outer(std::io::Error::other("no medium"))), "cannot open the queue: no medium");
    }
}
