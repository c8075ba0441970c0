//! Tells what arrives at a simulator, until somebody has seen enough.

use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::output::{complain, safe, say};
use crate::simulator::{Received, Simulator};

/// After this long without news the wait begins anew; nothing depends on it.
const A_WHILE: Duration = Duration::from_secs(3600);

/// Prints a line for each message behind the first `seen`, until Ctrl-C or SIGTERM. With a folder, keeps their contents there.
pub(super) async fn tell(simulator: &Simulator, mut seen: u64, save: Option<&Path>) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return,
            _ = terminate.recv() => return,
            more = simulator.wait_for(seen + 1, A_WHILE) => if more {
                seen = tell_behind(simulator, seen, save);
            }
        }
    }
}

/// Tells of those behind the first `seen` that are still kept; gives the number of the last.
fn tell_behind(simulator: &Simulator, seen: u64, save: Option<&Path>) -> u64 {
    // Asked first: each of these is kept by now, or was and made room.
    let all = simulator.counts().messages;
    simulator.received_after(seen).into_iter().fold(all, |all, (number, received)| {
        // Kept before it is told: whoever reads the line finds the file.
        if let Some(folder) = save
            && let Err(error) = std::fs::write(folder.join(format!("{number}.eml")), &received.content)
        {
            complain(&error);
        }
        say(line(&received));
        all.max(number)
    })
}

fn line(received: &Received) -> String {
    let to: Vec<String> = received.envelope.recipients.iter().map(|recipient| safe(recipient.as_str())).collect();
    let (from, id) = (safe(&received.envelope.sender.to_string()), safe(&received.message_id));
    format!("arrived: {id} from {from} to {}, {} octets", to.join(", "), received.content.len())
}
