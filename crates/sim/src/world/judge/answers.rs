//! Answers to the charger: whose they are, and what number they tell.

use engine::{CallNote, Decider, Effect, Note, Outcome, Side, Tick};

use super::outage::tag_of;
use super::{Judge, OpenCall, TRANSACTION_ACTIONS};
use crate::world::content::{blanked, without_ids};

impl Judge {
    /// I-2, I-8: the charger's answer is its leader's, or the proxy says by which rule it is its own.
    /// Returns that rule.
    pub(super) fn check_answer(
        &mut self,
        now: Tick,
        call: &OpenCall,
        payload: Option<&str>,
        batch: &[Effect],
    ) -> Option<&'static str> {
        let note = batch.iter().find_map(|effect| match effect {
            Effect::Note(Note::Call(note))
                if note.from == Side::Charger
                    && *note.action == *call.action
                    && *note.payload == *call.payload =>
            {
                Some(note)
            }
            _ => None,
        });
        let Some(note) = note else {
            self.accuse(format!("I-8: the charger's {} was answered without a note of it", call.action));
            return None;
        };
        self.check_noted_outcome(note, payload);
        self.check_verdict(now, call, payload, note);
        let message = (call.action.clone(), blanked(&call.payload));
        let tag = tag_of(call);
        match &note.decider {
            Decider::Leader(by) => {
                let said = payload.map(blanked);
                let mut answers = self.answers.get(&message).into_iter().flatten();
                let given = answers.any(|answer| {
                    let is_same = answer.payload == said
                        || is_mended(&call.action, &answer.payload, &said)
                        || is_judged(&call.action, &answer.payload, &said) && self.may_be_anothers(&tag);
                    answer.by == *by && answer.led && is_same
                });
                if !given {
                    self.accuse(format!(
                        "I-2: the charger's {} was answered {payload:?} in the name of {by}, which as leader never said so",
                        call.action
                    ));
                }
            }
            Decider::Proxy(rule) => {
                let is_transaction = TRANSACTION_ACTIONS.contains(&call.action.as_str());
                if is_transaction && payload.is_none() {
                    self.accuse(format!("F-42: the proxy answered {} with CALLERROR by {rule}", call.action));
                }
                return Some(rule);
            }
            Decider::Follower(by) => self.check_follower_decided(now, by, call, payload),
            Decider::Charger | Decider::Nobody => {
                self.accuse(format!("I-8: {:?} is said to have answered the charger", note.decider));
            }
        }
        None
    }

    fn check_noted_outcome(&mut self, note: &CallNote, payload: Option<&str>) {
        let agrees = match (&note.outcome, payload) {
            (Outcome::Result(noted), Some(said)) => **noted == *said,
            (Outcome::Error { .. }, None) => true,
            _ => false,
        };
        if !agrees {
            self.accuse(format!("I-8: noted {:?}, but the charger was told {payload:?}", note.outcome));
        }
    }

    /// I-4, T-10: a number means one transaction at the charger, and is a positive 32-bit one.
    pub(super) fn check_told_number(&mut self, number: i64, start: &str) {
        self.summary.starts += 1;
        if !(1..=i64::from(i32::MAX)).contains(&number) {
            self.accuse(format!("T-10: the charger was told the transaction number {number}"));
        }
        let known = self.told.entry(number).or_insert_with(|| start.to_owned());
        if known != start {
            let first = known.clone();
            self.accuse(format!(
                "I-4: the charger was told {number} for two transactions: {first} and {start}"
            ));
        }
    }
}

/// Whether it is the leader's but for the verdict on the card, which is another's (semantics A-5).
fn is_judged(action: &str, given: &Option<String>, said: &Option<String>) -> bool {
    let (Some(given), Some(said)) = (given, said) else { return false };
    let plain = |payload: &str| {
        let mut payload = without_ids(&payload.replace('#', "0"));
        if let Some(members) = payload.as_object_mut() {
            members.remove("idTagInfo");
        }
        payload
    };
    matches!(action, "StartTransaction" | "StopTransaction") && plain(given) == plain(said)
}

/// Whether the answer to a start is the leader's but for a number that was none, and now is one
/// (semantics T-10).
fn is_mended(action: &str, given: &Option<String>, said: &Option<String>) -> bool {
    let (Some(given), Some(said)) = (given, said) else { return false };
    let plain = |payload: &str| without_ids(&payload.replace('#', "0"));
    action == "StartTransaction" && said.contains('#') && plain(given) == plain(said)
}
