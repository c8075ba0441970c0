//! What single clients need because their software can do no better.

/// In what a conversation departs from the listener's policy. The default departs in nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// How EHLO is answered.
    pub ehlo: Ehlo,
    /// The client writes LF where CRLF belongs, at the end of its messages too. Whoever can put text into a message of such a
    /// client can end it early and begin another.
    pub lf_ends_data: bool,
    /// STARTTLS is offered where the policy offers it. Without: for clients that take up the offer and then fail.
    pub starttls: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self { ehlo: Ehlo::Full, lf_ends_data: false, starttls: true }
    }
}

/// How EHLO is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ehlo {
    /// With everything that is offered.
    #[default]
    Full,
    /// With one line, which offers nothing: for clients that judge an answer by its first line or its first segment.
    Minimal,
    /// With 502, as servers did before there was EHLO: the client falls back to HELO (RFC 5321 section 3.2).
    Off,
}
