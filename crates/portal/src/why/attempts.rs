//! Puts together what belongs to one presentation of a card: the question, the start, and the stop.

use engine::{Side, payload};
use store::LoggedCall;

use super::cards;

/// What follows an Authorize of the same card within this time belongs to it: the time to plug in
/// (`ConnectionTimeOut`, mostly 60 to 120 s) and some more (semantics §5.3).
pub(super) const START_FOLLOWS_MS: i64 = 180_000;
/// A card presented again within this time is the same attempt (semantics §5.8).
const REPEATED_MS: i64 = 60_000;

/// One presentation of a card.
#[derive(Debug, Clone)]
pub(super) struct Attempt<'a> {
    /// As the charger sent it.
    pub(super) tag: String,
    pub(super) authorize: Option<&'a LoggedCall>,
    pub(super) start: Option<&'a LoggedCall>,
    pub(super) stop: Option<&'a LoggedCall>,
    /// Everything of it, oldest first.
    pub(super) calls: Vec<&'a LoggedCall>,
}

impl<'a> Attempt<'a> {
    fn new(tag: &str) -> Self {
        Self { tag: tag.to_owned(), authorize: None, start: None, stop: None, calls: Vec::new() }
    }

    /// The call that decided: the start, if it came to that.
    pub(super) fn decisive(&self) -> &'a LoggedCall {
        self.start.or(self.authorize).expect("an attempt begins with one of the two")
    }

    pub(super) fn began_unix_ms(&self) -> i64 {
        self.calls.first().map_or(0, |call| call.received_unix_ms)
    }

    fn ended_unix_ms(&self) -> i64 {
        self.calls.last().map_or(0, |call| call.received_unix_ms)
    }

    /// The card may not charge, or was not allowed to go on.
    pub(super) fn is_rejected(&self) -> bool {
        was_refused(self.decisive()) || self.is_stopped_as_deauthorized()
    }

    pub(super) fn is_stopped_as_deauthorized(&self) -> bool {
        self.stop.and_then(|stop| payload::text(&stop.payload, "reason")).as_deref() == Some("DeAuthorized")
    }
}

/// What the charger was told of the card.
pub(super) fn verdict_of(call: &LoggedCall) -> Option<String> {
    call.answer.as_deref().and_then(payload::id_tag_status).map(Into::into)
}

/// Whether the charger got anything but "Accepted" for its question.
pub(super) fn was_refused(call: &LoggedCall) -> bool {
    verdict_of(call).as_deref() != Some("Accepted")
}

/// The proxy gave the answer again that the charger had got before.
pub(super) fn is_repetition(call: &LoggedCall) -> bool {
    call.decider == "proxy" && matches!(call.decided_by.as_deref(), Some("T-20" | "T-43" | "F-16"))
}

/// All attempts in these calls, oldest first.
pub(super) fn attempts(calls: &[LoggedCall]) -> Vec<Attempt<'_>> {
    let mut calls: Vec<&LoggedCall> = calls.iter().filter(|call| call.from == Side::Charger).collect();
    calls.sort_by_key(|call| (call.received_unix_ms, call.seq));
    let mut attempts: Vec<Attempt<'_>> = Vec::new();
    for call in calls {
        match call.action.as_str() {
            "Authorize" => {
                // Whoever was refused and is accepted a moment later has tried twice.
                let says_the_same = |before: &LoggedCall| {
                    let (before, now) = (verdict_of(before), verdict_of(call));
                    before.is_none() || now.is_none() || before == now
                };
                let at = latest(&attempts, call, |attempt, age| {
                    attempt.start.is_none()
                        && age <= REPEATED_MS
                        && attempt.authorize.is_none_or(says_the_same)
                });
                let attempt = at_or_new(&mut attempts, at, call);
                take(&mut attempt.authorize, call);
                attempt.calls.push(call);
            }
            "StartTransaction" => {
                let at = latest(&attempts, call, |attempt, age| match attempt.start {
                    Some(start) => start.payload == call.payload,
                    None => age <= START_FOLLOWS_MS,
                });
                let attempt = at_or_new(&mut attempts, at, call);
                take(&mut attempt.start, call);
                attempt.calls.push(call);
            }
            "StopTransaction" => {
                let number = payload::integer(&call.payload, "transactionId");
                let is_its = |attempt: &&mut Attempt<'_>| {
                    let start = attempt.start.and_then(|start| start.answer.as_deref());
                    number.is_some()
                        && start.and_then(|answer| payload::integer(answer, "transactionId")) == number
                };
                if let Some(attempt) = attempts.iter_mut().rev().find(is_its) {
                    take(&mut attempt.stop, call);
                    attempt.calls.push(call);
                }
            }
            _ => {}
        }
    }
    attempts
}

/// The newest attempt with this card, if the call belongs to it.
fn latest(
    attempts: &[Attempt<'_>],
    call: &LoggedCall,
    belongs: impl Fn(&Attempt<'_>, i64) -> bool,
) -> Option<usize> {
    let tag = call.id_tag.as_deref().unwrap_or_default();
    let at = attempts.iter().rposition(|attempt| cards::is_same(&attempt.tag, tag))?;
    belongs(&attempts[at], call.received_unix_ms - attempts[at].ended_unix_ms()).then_some(at)
}

fn at_or_new<'a, 'b>(
    attempts: &'b mut Vec<Attempt<'a>>,
    at: Option<usize>,
    call: &LoggedCall,
) -> &'b mut Attempt<'a> {
    let at = at.unwrap_or_else(|| {
        attempts.push(Attempt::new(call.id_tag.as_deref().unwrap_or_default()));
        attempts.len() - 1
    });
    &mut attempts[at]
}

/// The answer that was not a repetition counts, and of those the last one that was a verdict.
fn take<'a>(place: &mut Option<&'a LoggedCall>, call: &'a LoggedCall) {
    let is_better = place.is_none_or(|before| !is_repetition(call) || verdict_of(before).is_none());
    let loses_verdict =
        place.is_some_and(|before| verdict_of(before).is_some() && verdict_of(call).is_none());
    if is_better && !loses_verdict {
        *place = Some(call);
    }
}
