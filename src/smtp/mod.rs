//! The wire grammar that both ends speak: commands, replies, bounded lines, content, extensions, SASL.
//!
//! Octets in, values out, and back; no sockets, no waiting. The lenient server side (`session`), the
//! upstream client and the simulator share it, so one set of rules holds for lines and dots.

mod command;
mod content;
mod extensions;
mod line;
mod reply;
pub mod sasl;

pub use command::{Command, CommandError, parse};
pub use content::{ContentReader, ContentWriter, LineEnds, Progress};
pub use extensions::Extensions;
pub use line::{Line, LineReader};
pub use reply::{Enhanced, Reply, ReplyError, ReplyReader};
