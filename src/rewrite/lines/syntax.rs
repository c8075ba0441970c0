//! How text may stand in a field, by the field's name.

/// Kinds of fields (RFC 5322 section 2.2, RFC 2047 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// From: only read here, and written by others.
    Author,
    /// Addresses with names and comments.
    Addresses,
    /// A word and parameters (RFC 2045 section 5.1, RFC 2183).
    Parameters,
    /// Words with a grammar, in which only comments hold text.
    Structured,
    /// The same, of fields that are judged later: what does not keep to the grammar will go, so it is kept readable.
    Judged,
    /// Any text, which is what a field holds that nobody knows (RFC 5322 section 3.6.8).
    Text,
}

const ADDRESSES: [&str; 17] = [
    "To",
    "Cc",
    "Bcc",
    "Reply-To",
    "Sender",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Resent-Reply-To",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "Errors-To",
    "Apparently-To",
];

const STRUCTURED: [&str; 20] = [
    "Received",
    "Return-Path",
    "Delivered-To",
    "Resent-Date",
    "Resent-Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Language",
    "Content-Location",
    "Content-MD5",
    "Auto-Submitted",
    "Authentication-Results",
    "Received-SPF",
    "DKIM-Signature",
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
];

impl Syntax {
    pub(super) fn of(name: &[u8]) -> Self {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let is_one_of = |names: &[&str]| names.iter().any(|other| is(other));
        let is_about_lists = || name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"List-"));
        if is("From") {
            Self::Author
        } else if is_one_of(&ADDRESSES) {
            Self::Addresses
        } else if is_one_of(&["Content-Type", "Content-Disposition"]) {
            Self::Parameters
        } else if is_one_of(&["Date", "Message-ID"]) {
            Self::Judged
        } else if is_one_of(&STRUCTURED) || is_about_lists() {
            Self::Structured
        } else {
            Self::Text
        }
    }
}
