//! Tells what arrives at a simulator, until somebody has seen enough.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::output::{safe, say};
use crate::simulator::{Received, Simulator};

/// After this long without news the wait begins anew; nothing depends on it.
const A_WHILE: Duration = Duration::from_secs(3600);

/// Prints a line for each message behind the first `seen`, until Ctrl-C or SIGTERM.
pub(super) async fn tell(simulator: &Simulator, mut seen: u64) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return,
            _ = terminate.recv() => return,
            more = simulator.wait_for(seen + 1, A_WHILE) => if more {
                seen = tell_behind(simulator, seen);
            }
        }
    }
}

/// Prints those behind the first `seen` that are still kept; gives how many there were in all.
fn tell_behind(simulator: &Simulator, seen: u64) -> u64 {
    let all = simulator.counts().messages;
    let kept = simulator.received();
    let new = usize::try_from(all.saturating_sub(seen)).unwrap_or(usize::MAX);
    kept.iter().skip(kept.len().saturating_sub(new)).for_each(|received| say(line(received)));
    all
}

fn line(received: &Received) -> String {
    let to: Vec<String> = received.envelope.recipients.iter().map(|recipient| safe(recipient.as_str())).collect();
    let (from, id) = (safe(&received.envelope.sender.to_string()), safe(&received.message_id));
    format!("arrived: {id} from {from} to {}, {} octets", to.join(", "), received.content.len())
}
