//! What a listener's conversations share, and what each has of its own.

use std::net::IpAddr;
use std::sync::Arc;

use crate::intake::Intake;
use crate::smtp::LineReader;
use crate::tasks::Group;

use super::Settings;
use super::admission::{Admission, Connections};
use super::connection::Connection;

/// What all conversations of a listener share.
pub(super) struct Door {
    pub(super) settings: Arc<Settings>,
    pub(super) intake: Intake,
    pub(super) connections: Connections,
    pub(super) group: Group,
}

/// A conversation with what it needs from the house.
pub(super) struct Talk {
    pub(super) door: Arc<Door>,
    pub(super) client: IpAddr,
    pub(super) admission: Admission,
    pub(super) connection: Connection,
    pub(super) lines: LineReader,
    /// What comes next is the beginning of a line, and may show that it is no text.
    pub(super) fresh: bool,
}
