//! What is decided for one account: which entries are at hand, what runs, and whether more may start. Pure.
//!
//! A lane keeps a window of due entries, not the queue: the spool has the rest, and [`Lane::plan`] says when to
//! look there again.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::{AccountLimits, Retry};
use crate::clock::Timestamp;
use crate::delivery::{Failure, NextStep};
use crate::message::EntryId;
use crate::spool::Due;

/// Entries a lane keeps at hand. More would only take memory: a look into the spool costs less than a message.
pub(super) const WINDOW: usize = 500;

const MINUTE: Duration = Duration::from_secs(60);

/// One account's share of the scheduler.
#[derive(Debug)]
pub(super) struct Lane {
    limits: AccountLimits,
    at_hand: VecDeque<Due>,
    /// Attempts that run.
    running: usize,
    /// Entries at hand and entries in attempts.
    known: HashSet<EntryId>,
    /// The spool may hold due entries that are not at hand.
    behind: bool,
    /// When the next entry that is not at hand becomes due.
    next_due: Option<Timestamp>,
    /// When messages of the last minute were started.
    started: VecDeque<Timestamp>,
    state: LaneState,
    /// The time of the last plan.
    planned: Timestamp,
}

/// How an account is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// Entries go out as the limits allow.
    Open,
    /// The upstream asked for a pause; afterwards it goes on by itself.
    Paused {
        /// Until then.
        until: Timestamp,
        /// What the upstream said.
        failure: Failure,
    },
    /// Something is wrong with the account or the way to its upstream: one entry at a time finds out whether it still is.
    Troubled {
        /// The next one goes at this time.
        until: Timestamp,
        /// Failures in a row.
        failures: u32,
        /// The latest.
        failure: Failure,
    },
}

/// What to do for a lane now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Start these; they count as running.
    pub(super) start: Vec<Due>,
    /// Look into the spool, then plan again.
    pub(super) refill: bool,
    /// Plan again at this time, if nothing happens before.
    pub(super) wake: Option<Timestamp>,
}

impl Lane {
    /// A lane that has not looked into the spool yet. `used` messages were sent within the last minute, before a restart.
    pub(super) fn new(limits: AccountLimits, used: u64, now: Timestamp) -> Self {
        let most = limits.messages_per_minute.unwrap_or(0);
        let started = (0..used.min(u64::from(most))).map(|_| now).collect();
        Self {
            limits,
            at_hand: VecDeque::new(),
            running: 0,
            known: HashSet::new(),
            behind: true,
            next_due: None,
            started,
            state: LaneState::Open,
            planned: now,
        }
    }

    /// How the account is doing.
    pub(super) fn state(&self) -> &LaneState {
        &self.state
    }

    /// Entries that a look into the spool need not bring: those that run, and those at hand.
    pub(super) fn known(&self) -> Vec<EntryId> {
        self.known.iter().copied().collect()
    }

    /// A new entry. When the window is full, or older entries are still in the spool, it waits its turn there. A look into
    /// the spool may have found it before it was announced: then it is no news.
    pub(super) fn arrived(&mut self, due: Due) {
        if self.behind || self.at_hand.len() >= WINDOW {
            self.behind = true;
        } else if self.known.insert(due.id) {
            self.at_hand.push_back(due);
        }
    }

    /// What a look into the spool brought: due entries, at most [`WINDOW`], none of them known before, and when the next is due.
    pub(super) fn refilled(&mut self, found: Vec<Due>, next_due: Option<Timestamp>) {
        self.behind = found.len() >= WINDOW;
        self.next_due = next_due;
        self.known.extend(found.iter().map(|due| due.id));
        self.at_hand.extend(found);
    }

    /// An attempt ended, and the entry waits in the spool until `again` if it waits at all.
    pub(super) fn ended(&mut self, id: EntryId, again: Option<Timestamp>, counted: bool) {
        self.known.remove(&id);
        self.running -= 1;
        if !counted {
            self.started.pop_back();
        }
        if let Some(again) = again {
            self.next_due = Some(self.next_due.map_or(again, |next| next.min(again)));
        }
    }

    /// An attempt ended without saying how. Whether its message is out nobody knows: the entry stays known, so that it is not
    /// tried again before a restart.
    pub(super) fn broke_off(&mut self) {
        self.running -= 1;
    }

    /// The spool may hold what nobody told of.
    pub(super) fn look_again(&mut self) {
        self.behind = true;
    }

    /// The account works, says an attempt that began at `began`. Of a pause that was asked for meanwhile it knows nothing.
    pub(super) fn well(&mut self, began: Timestamp) {
        match &self.state {
            LaneState::Paused { until, .. } if began < *until => {}
            LaneState::Open | LaneState::Paused { .. } | LaneState::Troubled { .. } => self.state = LaneState::Open,
        }
    }

    /// The account or its upstream does not work. Attempts that ran at the same time count as one failure, and do not
    /// shorten a pause.
    pub(super) fn troubled(&mut self, failure: Failure, now: Timestamp, retry: &Retry, entropy: u64) {
        let paused = match &self.state {
            LaneState::Paused { until, .. } if *until > now => Some(*until),
            LaneState::Open | LaneState::Paused { .. } | LaneState::Troubled { .. } => None,
        };
        match (failure.next, paused) {
            (NextStep::Pause(pause), paused) => {
                let until = now.after(pause);
                if paused.is_none_or(|longer| longer < until) {
                    self.state = LaneState::Paused { until, failure };
                }
                return;
            }
            (_, Some(_)) => return,
            (_, None) => {}
        }
        let failures = match &self.state {
            LaneState::Troubled { failures, until, .. } if *until > now => *failures,
            LaneState::Troubled { failures, .. } => failures + 1,
            LaneState::Open | LaneState::Paused { .. } => 1,
        };
        self.state = LaneState::Troubled { until: now.after(retry.pause(failures, entropy)), failures, failure };
    }

    /// What to do now.
    pub(super) fn plan(&mut self, now: Timestamp) -> Plan {
        self.follow_clock(now);
        if self.next_due.is_some_and(|due| due <= now) {
            self.next_due = None;
            self.behind = true;
        }
        let (room, room_wake) = self.room(now);
        if room == 0 {
            return Plan { start: Vec::new(), refill: false, wake: room_wake };
        }
        if self.at_hand.len() < room && self.behind {
            return Plan { start: Vec::new(), refill: true, wake: None };
        }
        let start: Vec<Due> = self.at_hand.drain(..room.min(self.at_hand.len())).collect();
        self.running += start.len();
        if self.limits.messages_per_minute.is_some() {
            self.started.extend(start.iter().map(|_| now));
        }
        Plan { start, refill: false, wake: self.next_due }
    }

    /// Moves what was counted by a clock that has been set back since: a wait of seconds must not become one of hours.
    fn follow_clock(&mut self, now: Timestamp) {
        let back = self.planned.since(now);
        self.planned = now;
        if back.is_zero() {
            return;
        }
        self.started.iter_mut().for_each(|start| *start = start.before(back));
        match &mut self.state {
            LaneState::Open => {}
            LaneState::Paused { until, .. } | LaneState::Troubled { until, .. } => *until = until.before(back),
        }
    }

    /// How many attempts may start now; if none, when that will change without anything else happening.
    fn room(&mut self, now: Timestamp) -> (usize, Option<Timestamp>) {
        let at_once = match &self.state {
            LaneState::Open => self.limits.connections,
            LaneState::Paused { until, .. } | LaneState::Troubled { until, .. } if *until > now => return (0, Some(*until)),
            // After trouble or a pause one entry finds out; `well` opens the lane again.
            LaneState::Paused { .. } | LaneState::Troubled { .. } => 1,
        };
        let free = at_once.saturating_sub(self.running);
        let Some(most) = self.limits.messages_per_minute else { return (free, None) };
        while self.started.front().is_some_and(|&start| start.after(MINUTE) <= now) {
            self.started.pop_front();
        }
        match (most as usize).saturating_sub(self.started.len()) {
            0 => (0, self.started.front().map(|start| start.after(MINUTE))),
            left => (free.min(left), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::delivery::{Scope, Stage};
    use crate::message::AccountName;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn due(id: u64) -> Due {
        Due { id: EntryId::from_u64(id), account: AccountName::new("office"), at: at(0), attempts: 0, recipients: 1 }
    }

    fn lane(connections: usize, messages_per_minute: Option<u32>) -> Lane {
        let mut lane = Lane::new(AccountLimits { account: AccountName::new("office"), connections, messages_per_minute }, 0, at(0));
        lane.refilled(Vec::new(), None);
        lane
    }

    fn failure(next: NextStep) -> Failure {
        Failure { scope: Scope::Account, next, cause: Cause::Unknown, stage: Stage::Auth, detail: "535 no".into() }
    }

    const RETRY: Retry = Retry { first: Duration::from_secs(10), longest: Duration::from_secs(60) };
    /// The number that leaves a pause as it is.
    const EVEN: u64 = 200;

    fn ids(plan: &Plan) -> Vec<u64> {
        plan.start.iter().map(|due| due.id.as_u64()).collect()
    }

    #[test]
    fn starts_no_more_than_the_connections_allow() {
        let mut lane = lane(2, None);
        (1..=3).for_each(|id| lane.arrived(due(id)));
        assert_eq!(ids(&lane.plan(at(0))), [1, 2]);
        assert_eq!(ids(&lane.plan(at(0))), [0; 0]);
        lane.ended(EntryId::from_u64(1), None, true);
        assert_eq!(ids(&lane.plan(at(0))), [3]);
    }

    #[test]
    fn keeps_to_messages_per_minute_and_says_when_the_next_may_go() {
        let mut lane = lane(10, Some(2));
        (1..=3).for_each(|id| lane.arrived(due(id)));
        assert_eq!(ids(&lane.plan(at(0))), [1, 2]);
        let plan = lane.plan(at(30));
        assert_eq!((ids(&plan), plan.wake), (vec![], Some(at(60))));
        assert_eq!(ids(&lane.plan(at(60))), [3]);
    }

    #[test]
    fn an_attempt_that_gave_the_upstream_nothing_does_not_count() {
        let mut lane = lane(1, Some(1));
        (1..=2).for_each(|id| lane.arrived(due(id)));
        assert_eq!(ids(&lane.plan(at(0))), [1]);
        lane.ended(EntryId::from_u64(1), Some(at(9)), false);
        assert_eq!(ids(&lane.plan(at(1))), [2]);
    }

    #[test]
    fn what_was_sent_before_a_restart_counts() {
        let limits = AccountLimits { account: AccountName::new("office"), connections: 3, messages_per_minute: Some(30) };
        let mut lane = Lane::new(limits, 30, at(0));
        lane.refilled(vec![due(1)], None);
        assert_eq!(lane.plan(at(59)).wake, Some(at(60)));
        assert_eq!(ids(&lane.plan(at(60))), [1]);
    }

    #[test]
    fn an_entry_that_was_found_before_it_was_announced_is_tried_once() {
        let mut lane = lane(5, None);
        lane.refilled(vec![due(1)], None);
        lane.arrived(due(1));
        assert_eq!(ids(&lane.plan(at(0))), [1]);
        lane.arrived(due(1));
        assert_eq!(ids(&lane.plan(at(0))), [0; 0]);
    }

    #[test]
    fn looks_into_the_spool_first_and_when_something_becomes_due() {
        let limits = AccountLimits { account: AccountName::new("office"), connections: 3, messages_per_minute: None };
        let mut lane = Lane::new(limits, 0, at(0));
        assert!(lane.plan(at(0)).refill);
        lane.refilled(vec![due(1)], Some(at(40)));
        let plan = lane.plan(at(1));
        assert_eq!((ids(&plan), plan.refill, plan.wake), (vec![1], false, Some(at(40))));
        assert!(lane.plan(at(40)).refill);
    }

    #[test]
    fn a_full_window_sends_newcomers_to_the_spool() {
        let mut lane = lane(1, None);
        (1..=WINDOW as u64 + 1).for_each(|id| lane.arrived(due(id)));
        for id in 1..=WINDOW as u64 {
            assert_eq!(ids(&lane.plan(at(0))), [id]);
            lane.ended(EntryId::from_u64(id), None, true);
        }
        assert!(lane.plan(at(0)).refill);
    }

    #[test]
    fn trouble_lets_one_at_a_time_find_out_and_pauses_grow() {
        let mut lane = lane(3, None);
        (1..=9).for_each(|id| lane.arrived(due(id)));
        assert_eq!(ids(&lane.plan(at(0))), [1, 2, 3]);
        // Three that fail together are one failure.
        for id in 1..=3 {
            lane.ended(EntryId::from_u64(id), Some(at(500)), false);
            lane.troubled(failure(NextStep::Hold), at(1), &RETRY, EVEN);
        }
        assert_eq!(lane.plan(at(2)).wake, Some(at(11)));
        assert_eq!(ids(&lane.plan(at(11))), [4]);
        assert_eq!(ids(&lane.plan(at(12))), [0; 0]);
        lane.ended(EntryId::from_u64(4), Some(at(500)), false);
        lane.troubled(failure(NextStep::Hold), at(12), &RETRY, EVEN);
        assert_eq!(lane.plan(at(12)).wake, Some(at(32)));
        assert_eq!(ids(&lane.plan(at(32))), [5]);
        lane.ended(EntryId::from_u64(5), None, true);
        lane.well(at(32));
        assert_eq!(ids(&lane.plan(at(33))), [6, 7, 8]);
    }

    #[test]
    fn a_pause_ends_by_itself_with_one_entry_first() {
        let mut lane = lane(3, None);
        (1..=3).for_each(|id| lane.arrived(due(id)));
        lane.troubled(failure(NextStep::Pause(Duration::from_secs(75))), at(0), &RETRY, EVEN);
        assert_eq!(lane.plan(at(74)).wake, Some(at(75)));
        assert_eq!(ids(&lane.plan(at(75))), [1]);
    }
    #[test]
    fn what_was_on_its_way_before_a_pause_neither_ends_nor_shortens_it() {
        let mut lane = lane(3, None);
        (1..=3).for_each(|id| lane.arrived(due(id)));
        assert_eq!(ids(&lane.plan(at(0))), [1, 2, 3]);
        let pause = |seconds| failure(NextStep::Pause(Duration::from_secs(seconds)));
        lane.troubled(pause(900), at(1), &RETRY, EVEN);
        lane.well(at(0));
        lane.troubled(failure(NextStep::Retry), at(2), &RETRY, EVEN);
        lane.troubled(pause(75), at(3), &RETRY, EVEN);
        assert!(matches!(lane.state(), LaneState::Paused { until, .. } if *until == at(901)));
        lane.well(at(901));
        assert_eq!(*lane.state(), LaneState::Open);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lengthen_a_wait() {
        let mut lane = lane(3, Some(2));
        (1..=4).for_each(|id| lane.arrived(due(id)));
        assert_eq!(ids(&lane.plan(at(7200))), [1, 2]);
        assert_eq!(lane.plan(at(3600)).wake, Some(at(3660)));
        lane.troubled(failure(NextStep::Retry), at(3600), &RETRY, EVEN);
        assert_eq!(lane.plan(at(0)).wake, Some(at(10)));
    }

    #[test]
    fn an_attempt_that_broke_off_frees_its_place_and_is_not_repeated() {
        let mut lane = lane(1, None);
        (1..=2).for_each(|id| lane.arrived(due(id)));
        assert_eq!(ids(&lane.plan(at(0))), [1]);
        lane.broke_off();
        assert_eq!(ids(&lane.plan(at(0))), [2]);
        assert!(lane.known().contains(&EntryId::from_u64(1)));
    }
}
