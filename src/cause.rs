//! Every cause of trouble: its name, what it means, and what to do about it.
//!
//! Other rooms find out *that* something is wrong and name the cause; the words are here, once, for
//! log, queue, commands and documents alike.

use std::fmt;

/// What can be wrong between us and a delivered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// Nothing more is known.
    Unknown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = self;
        f.write_str("unknown")
    }
}
impl Cause {
    /// placeholder
    pub fn meaning(&self) -> &'static str {
        ""
    }
}
