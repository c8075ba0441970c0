//! What an attempt's report means: for the entry, for its account, for the log. Pure.

use std::time::Duration;

use super::Retry;
use crate::clock::Timestamp;
use crate::delivery::{Failure, NextStep, Outcome, Report, Stage};
use crate::message::Mailbox;
use crate::spool::{Progress, Recipient, State};

/// What a report means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settlement {
    /// What came of each recipient.
    pub(super) recipients: Vec<Recipient>,
    /// What is to become of the entry; `None` when every recipient has its message.
    pub(super) then: Option<State>,
    /// What it says about the account.
    pub(super) account: AccountVerdict,
    /// The upstream was given content, so the attempt counts against the account's limits.
    pub(super) sent: bool,
    /// The attempt counts as one of the entry's: with trouble on the way it does not.
    pub(super) counts: bool,
}

/// What an attempt says about its account and the way to its upstream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AccountVerdict {
    /// They work: the upstream spoke about this message.
    Well,
    /// They don't.
    Troubled(Failure),
    /// Nothing: the trouble was on this side, and the upstream did not hear of it.
    Unheard,
}

/// Judges the report of an attempt, the entry's `number`th.
pub(super) fn settle(report: Report, number: u32, now: Timestamp, retry: &Retry, entropy: u64) -> Settlement {
    let account = verdict(&report);
    let sent = report.outcomes.iter().any(|(_, outcome)| gave_content(outcome));
    let counts = report.outcomes.iter().any(|(_, outcome)| reached_the_message(outcome));
    let mut again: Option<Timestamp> = None;
    let mut refused = false;
    let mut recipients = Vec::with_capacity(report.outcomes.len());
    for (mailbox, outcome) in report.outcomes {
        let progress = match outcome {
            Outcome::Delivered(reply) => Progress::Delivered(reply),
            Outcome::Refused(failure) => {
                refused = true;
                Progress::Refused(failure)
            }
            Outcome::Deferred(failure) => {
                if let Some(pause) = pause(&failure, number, retry, entropy) {
                    let at = now.after(pause);
                    again = Some(again.map_or(at, |earlier| earlier.min(at)));
                }
                refused |= waits_for_a_person(&failure);
                Progress::Open(Some(failure))
            }
        };
        recipients.push(Recipient { mailbox, progress });
    }
    let then = match (again, refused) {
        (Some(at), _) => Some(State::Waiting(at)),
        // Refusals are kept, not dropped: only a person may decide that a message is not wanted any more.
        (None, true) => Some(State::Held),
        (None, false) => None,
    };
    Settlement { recipients, then, account, sent, counts }
}

/// How long an entry itself waits. Trouble with the account or the way there, before the upstream heard of the
/// message, costs the entry nothing: the lane waits, and the entry is as due as before.
fn pause(failure: &Failure, number: u32, retry: &Retry, entropy: u64) -> Option<Duration> {
    if failure.is_on_the_way() {
        return Some(Duration::ZERO);
    }
    match failure.next {
        NextStep::Pause(_) => Some(Duration::ZERO),
        NextStep::Hold | NextStep::ResendAs | NextStep::GiveUp if !failure.is_trouble() => None,
        NextStep::Hold
        | NextStep::ResendAs
        | NextStep::GiveUp
        | NextStep::Retry
        | NextStep::Token
        | NextStep::Split
        | NextStep::Reconnect => Some(retry.pause(number, entropy)),
    }
}

fn waits_for_a_person(failure: &Failure) -> bool {
    !failure.is_trouble() && matches!(failure.next, NextStep::Hold | NextStep::ResendAs | NextStep::GiveUp)
}

fn verdict(report: &Report) -> AccountVerdict {
    let trouble = report.outcomes.iter().find_map(|(_, outcome)| match outcome {
        Outcome::Deferred(failure) | Outcome::Refused(failure) if failure.is_trouble() => Some(failure.clone()),
        Outcome::Deferred(_) | Outcome::Refused(_) | Outcome::Delivered(_) => None,
    });
    let heard = report.outcomes.iter().any(|(_, outcome)| match outcome {
        Outcome::Deferred(failure) | Outcome::Refused(failure) => failure.stage != Stage::Local,
        Outcome::Delivered(_) => true,
    });
    match trouble {
        Some(failure) => AccountVerdict::Troubled(failure),
        None if heard => AccountVerdict::Well,
        None => AccountVerdict::Unheard,
    }
}

fn reached_the_message(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Delivered(_) => true,
        Outcome::Deferred(failure) | Outcome::Refused(failure) => !failure.is_on_the_way(),
    }
}

fn gave_content(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Delivered(_) => true,
        Outcome::Deferred(failure) | Outcome::Refused(failure) => failure.stage == Stage::FinalReply,
    }
}

/// Recipients of one kind of progress, for a log line: `a@b, c@d`.
pub(super) fn names<'a>(recipients: impl Iterator<Item = &'a Mailbox>) -> String {
    recipients.map(|mailbox| mailbox.as_str().escape_debug().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::delivery::Scope;

    const RETRY: Retry = Retry { first: Duration::from_secs(30), longest: Duration::from_secs(3600) };
    const EVEN: u64 = 200;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_000_000)
    }

    fn in_secs(seconds: u64) -> Option<State> {
        Some(State::Waiting(now().after(Duration::from_secs(seconds))))
    }

    fn failed(scope: Scope, next: NextStep, stage: Stage) -> Failure {
        Failure { scope, next, cause: Cause::Unknown, stage, detail: "no".into() }
    }

    fn settled(outcomes: &[Outcome], number: u32) -> Settlement {
        let outcomes =
            outcomes.iter().enumerate().map(|(n, outcome)| (Mailbox::parse(&format!("r{n}@x.example")).unwrap(), outcome.clone()));
        settle(Report { outcomes: outcomes.collect() }, number, now(), &RETRY, EVEN)
    }

    #[test]
    fn an_entry_is_done_when_everybody_has_it() {
        let settlement = settled(&[Outcome::Delivered("250 ok".into()), Outcome::Delivered("250 ok".into())], 1);
        assert_eq!((settlement.then, settlement.account, settlement.sent), (None, AccountVerdict::Well, true));
    }

    #[test]
    fn one_deferred_recipient_is_tried_again_with_growing_pauses() {
        let later = Outcome::Deferred(failed(Scope::Recipient, NextStep::Retry, Stage::Rcpt));
        let settlement = settled(&[Outcome::Delivered("250 ok".into()), later.clone()], 3);
        assert_eq!((settlement.then, settlement.account), (in_secs(120), AccountVerdict::Well));
        assert!(matches!(settlement.recipients[1].progress, Progress::Open(Some(_))));
        assert!(!settled(&[later], 1).sent);
    }

    #[test]
    fn a_refusal_is_kept_for_a_person() {
        let no = Outcome::Refused(failed(Scope::Recipient, NextStep::GiveUp, Stage::Rcpt));
        assert_eq!(settled(&[Outcome::Delivered("250 ok".into()), no.clone()], 1).then, Some(State::Held));
        let later = Outcome::Deferred(failed(Scope::Message, NextStep::Retry, Stage::FinalReply));
        let settlement = settled(&[no, later], 1);
        assert_eq!((settlement.then, settlement.sent), (in_secs(30), true));
        let alias = Outcome::Deferred(failed(Scope::Message, NextStep::ResendAs, Stage::FinalReply));
        assert_eq!(settled(&[alias], 1).then, Some(State::Held));
    }

    #[test]
    fn account_trouble_never_condemns_or_delays_a_message_by_itself() {
        for stage in [Stage::Connect, Stage::Auth, Stage::Token] {
            let failure = failed(Scope::Account, NextStep::Hold, stage);
            let settlement = settled(&[Outcome::Deferred(failure.clone())], 7);
            assert!(!settlement.counts);
            assert_eq!((settlement.then, settlement.account), (in_secs(0), AccountVerdict::Troubled(failure)));
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_says_nothing_about_the_account() {
        let failure = failed(Scope::Message, NextStep::Retry, Stage::Local);
        let settlement = settled(&[Outcome::Deferred(failure)], 1);
        assert_eq!((settlement.then, settlement.account, settlement.sent), (in_secs(30), AccountVerdict::Unheard, false));
    }

    #[test]
    fn a_message_that_breaks_the_connection_steps_back_for_others() {
        let failure = failed(Scope::Upstream, NextStep::Retry, Stage::Data);
        assert_eq!(settled(&[Outcome::Deferred(failure)], 2).then, in_secs(60));
    }

    #[test]
    fn no_outcome_loses_a_recipient() {
        let scopes = [Scope::Recipient, Scope::Message, Scope::Account, Scope::Upstream];
        let steps = [
            NextStep::Retry,
            NextStep::Token,
            NextStep::Hold,
            NextStep::Pause(Duration::from_secs(75)),
            NextStep::Split,
            NextStep::ResendAs,
            NextStep::GiveUp,
            NextStep::Reconnect,
        ];
        for (scope, next) in scopes.iter().flat_map(|scope| steps.iter().map(move |next| (*scope, *next))) {
            for outcome in
                [Outcome::Deferred(failed(scope, next, Stage::FinalReply)), Outcome::Refused(failed(scope, next, Stage::FinalReply))]
            {
                let settlement = settled(&[outcome], 1);
                assert!(settlement.then.is_some(), "{scope:?} {next:?}");
                assert_eq!(settlement.recipients.len(), 1);
            }
        }
    }
}
