//! What a backoffice does wrong when it answers.

use std::time::Duration;

use engine::{Moment, Tick};

use super::Backoffice;
use crate::frame;

/// A fault that is drawn apart from the others, before the answer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lapse {
    /// So much later.
    Minutes(Duration),
    /// CALLERROR with this code; nothing was done.
    Refuses(&'static str),
    /// Fields are missing or of another type; nothing was done.
    WrongTypes,
    /// Something nobody asked for comes with it.
    Stray,
}

const REFUSALS: [&str; 10] = [
    "FormationViolation",
    "GenericError",
    "InternalError",
    "NotImplemented",
    "NotSupported",
    "OccurenceConstraintViolation",
    "PropertyConstraintViolation",
    "ProtocolError",
    "SecurityError",
    "TypeConstraintViolation",
];

impl Backoffice {
    /// It answers nothing before then, and all at once after.
    pub fn sleep_until(&mut self, until: Tick) {
        self.asleep_until = until;
    }

    pub(super) fn lapse(&mut self) -> Option<Lapse> {
        let faults = self.settings.faults;
        if !faults.are_wild() {
            return None;
        }
        let random = &mut self.wild_random;
        let mut strikes = |of_a_thousand: u32| random.u32(..1000) < of_a_thousand;
        let minutes = strikes(faults.minutes_late);
        let (refused, wrong_types) = (strikes(faults.refused), strikes(faults.wrong_types));
        let stray = strikes(faults.stray);
        if minutes {
            Some(Lapse::Minutes(Duration::from_secs(self.wild_random.u64(45..300))))
        } else if refused {
            Some(Lapse::Refuses(REFUSALS[self.wild_random.usize(..REFUSALS.len())]))
        } else if wrong_types {
            Some(Lapse::WrongTypes)
        } else {
            stray.then_some(Lapse::Stray)
        }
    }

    /// A payload that looks like an answer to this and is none.
    pub(super) fn wrong_types_for(&mut self, action: &str) -> String {
        let payloads: &[&str] = match action {
            "BootNotification" => &[
                "{}",
                r#"{"status":"Perhaps","currentTime":"2026-01-01T00:00:00Z","interval":60}"#,
                r#"{"status":7,"currentTime":"2026-01-01T00:00:00Z","interval":60}"#,
                r#"{"currentTime":5,"interval":"soon"}"#,
            ],
            "Authorize" => &[
                "{}",
                r#"{"idTagInfo":"Accepted"}"#,
                r#"{"idTagInfo":{"status":7}}"#,
                r#"{"idTagInfo":{"expiryDate":"2030-01-01T00:00:00Z"}}"#,
            ],
            "StartTransaction" => &[
                "{}",
                r#"{"idTagInfo":{"status":"Accepted"}}"#,
                r#"{"transactionId":"12","idTagInfo":{"status":"Accepted"}}"#,
                r#"{"transactionId":null,"idTagInfo":{"status":"Accepted"}}"#,
                r#"{"transactionId":1.5,"idTagInfo":{"status":"Accepted"}}"#,
            ],
            _ => &[r#"{"idTagInfo":null}"#, r#"{"currentTime":null}"#, r#"{"status":[[]]}"#],
        };
        payloads[self.wild_random.usize(..payloads.len())].to_owned()
    }

    /// The number it issues for a start.
    pub(super) fn number_for_start(&mut self, status: &str) -> i64 {
        if status != "Accepted" && self.settings.zero_when_refused {
            return 0;
        }
        let most = self.settings.faults.odd_number;
        if most > 0 && self.wild_random.u32(..1000) < most {
            let used = self.books.last().map_or(0, |booked| booked.number);
            return [0, -7, i64::MAX, i64::from(i32::MAX) + 1, used, used][self.wild_random.usize(..6)];
        }
        self.next_number += 1;
        self.next_number - 1
    }

    /// Sends the answer after a while, or does what its faults make it do instead.
    pub(super) fn reply(
        &mut self,
        now: Moment,
        id: &str,
        answer: Result<String, &'static str>,
        lapse: Option<Lapse>,
    ) {
        let think = self.random.u64(..=self.settings.answer_delay.as_micros() as u64);
        let mut due = Tick(now.tick.0 + think);
        let faults = self.settings.faults;
        let mut text = match answer {
            Ok(payload) => frame::result(id, &payload),
            Err(code) => frame::error(id, code, "not here"),
        };
        let mut dice = self.random.u32(..1000);
        let mut strikes = |of_a_thousand: u32| {
            let struck = dice < of_a_thousand;
            dice = dice.saturating_sub(of_a_thousand).max(if struck { 1000 } else { 0 });
            struck
        };
        if strikes(faults.silent) {
            return;
        }
        if strikes(faults.call_error) {
            text = frame::error(id, "InternalError", "database is on fire");
        } else if strikes(faults.garbage) {
            text = ["[3,", "null", "[3]", "[\"hello\"]", "[9,\"x\",{}]"][self.random.usize(..5)].to_owned();
        } else if strikes(faults.duplicate) {
            self.later.push((due.max(self.asleep_until), text.clone(), Some(id.to_owned())));
        } else if strikes(faults.wrong_id) {
            text = text.replacen(id, "\"nobody-used-this\"", 1);
        } else if strikes(faults.late) {
            due = Tick(due.0 + 40_000_000);
        }
        match lapse {
            Some(Lapse::Minutes(wait)) => due = due + wait,
            Some(Lapse::Stray) => {
                let stray = if self.wild_random.bool() {
                    frame::result("\"nobody-asked-this\"", "{}")
                } else {
                    frame::error("\"nobody-asked-this\"", "InternalError", "of its own accord")
                };
                self.later.push((due, stray, None));
            }
            _ => {}
        }
        due = due.max(self.asleep_until);
        self.later.push((due, text, Some(id.to_owned())));
    }
}
