//! Text that cannot be printed by accident: passwords, client secrets, tokens, keys.
//!
//! Always true: neither `Debug` nor any other formatting shows the text, and its memory is wiped when
//! the value goes. [`Secret::reveal`] is the only way to the text, and easy to search for.

use std::fmt;

use zeroize::Zeroizing;

/// A secret from the moment it is read.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that must send or hash it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_formatting_shows_the_text() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:#?}", Some(&secret)), "[redacted] [redacted] Some(\n    [redacted],\n)");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
