//! Starts named groups of tasks and stops them in order, with a deadline and a verdict.
//!
//! Every task of the program belongs to a [`Group`]. A group is asked to stop by its token, which
//! tasks select on while they wait (never while they work), and is then waited for.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks that are started, asked to stop and waited for together. Clones are the same group.
#[derive(Clone, Debug)]
pub struct Group {
    name: &'static str,
    tracker: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
}

/// How a group ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The group's name.
    pub group: &'static str,
    /// Tasks that had not ended at the deadline; zero when the group stopped cleanly.
    pub left: usize,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left {
            0 => write!(f, "{} stopped", self.group),
            left => write!(f, "{}: {left} tasks did not stop in time", self.group),
        }
    }
}

impl Group {
    /// An empty group.
    pub fn new(name: &'static str) -> Self {
        Self { name, tracker: TaskTracker::new(), stop: CancellationToken::new(), cut: CancellationToken::new() }
    }

    /// Starts a task of this group.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                biased;
                () = task => {}
                () = cut.cancelled() => {}
            }
        });
    }

    /// Resolves when the group has been asked to stop. Wrap waiting with it, never working.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the group has been asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Asks the group to stop without waiting for it.
    pub fn ask_to_stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Asks the group to stop and waits for its tasks, at most `grace`. Those that are left then are cut off where they wait:
    /// nothing of a group works on after its stop.
    pub async fn stop(&self, grace: Duration) -> Verdict {
        self.ask_to_stop();
        let left = match tokio::time::timeout(grace, self.tracker.wait()).await {
            Ok(()) => 0,
            Err(_) => {
                let left = self.tracker.len();
                self.cut.cancel();
                left
            }
        };
        Verdict { group: self.name, left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_group_waits_for_its_tasks_and_says_who_did_not_stop() {
        let group = Group::new("listeners");
        let polite = group.clone();
        group.spawn(async move { polite.stopping().await });
        group.spawn(std::future::pending::<()>());
        let verdict = group.stop(Duration::from_secs(5)).await;
        assert_eq!(verdict, Verdict { group: "listeners", left: 1 });
        group.tracker.wait().await;
        assert_eq!(verdict.to_string(), "listeners: 1 tasks did not stop in time");
    }
}
