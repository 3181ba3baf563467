//! Records that may turn out needless, and those that are kept with them: deliveries that are on their way to
//! their backoffices already. One that is answered within moments never sees the disk; the charger hears nothing
//! before either.

use engine::{Record, Side, Urgency};
use tokio::time::Instant;

/// What is not handed to the store yet. Its deliveries are few: a charger has one call in progress.
#[derive(Debug, Default)]
pub(crate) struct Postponed {
    records: Vec<Record>,
    /// When all of it is to be kept, at the latest; none if it has time until something else is kept.
    until: Option<Instant>,
    /// When what nobody waits for is to be kept, at the latest.
    unawaited_until: Option<Instant>,
    /// There is more than deliveries that has its time.
    is_due_anyway: bool,
    /// Somebody waits for more than deliveries.
    is_awaited: bool,
}

/// What it means that a delivery was told before it was kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Spared {
    /// Nothing, or others are still on their way.
    Nothing,
    /// It was the last, and nobody waits for what is left.
    Nobody,
    /// It was the last, and what is left is waited for: it is to be kept now.
    Awaited,
}

impl Postponed {
    /// Adds what is not to be kept now, to be kept then unless it has more time. Those `before` wait for it.
    pub(crate) fn add(&mut self, records: Vec<Record>, urgency: Urgency, before: &[Side], until: Instant) {
        let delivers = records.iter().any(is_delivery);
        if urgency == Urgency::WithinSeconds {
            self.unawaited_until.get_or_insert(until);
        } else if urgency > Urgency::WithinSeconds {
            self.until.get_or_insert(until);
            self.is_due_anyway |= !delivers || records.iter().any(is_transaction);
            self.is_awaited |= urgency == Urgency::AfterDeliveries || !delivers && !before.is_empty();
        }
        for record in records {
            put(&mut self.records, record);
        }
    }

    /// Takes out of `records` what says that a postponed delivery was told, and that delivery here: neither
    /// needs to be kept.
    pub(crate) fn spare(&mut self, records: &mut Vec<Record>) -> Spared {
        let postponed = &mut self.records;
        let known = postponed.len();
        records.retain(|record| {
            let known = postponed.iter().position(|other| record.is_delivered_of(other));
            if let Some(at) = known {
                postponed.remove(at);
            }
            known.is_none()
        });
        if postponed.len() == known || self.delivers() {
            return Spared::Nothing;
        }
        if !self.is_due_anyway {
            self.until = None;
        }
        if self.is_awaited { Spared::Awaited } else { Spared::Nobody }
    }

    /// Whether there is a delivery that may still be spared.
    pub(crate) fn delivers(&self) -> bool {
        self.records.iter().any(is_delivery)
    }

    /// Whether one of these deliveries is on its way only when what is postponed is kept: its backoffice hears nothing
    /// before, and so could not spare it.
    pub(crate) fn holds_back(&self, deliveries: &[Record]) -> bool {
        self.records.iter().any(|postponed| {
            let Record::Delivered { backoffice: waits, .. } = postponed else { return false };
            deliveries.iter().any(|one| matches!(one, Record::Delivery(one) if one.backoffice == *waits))
        })
    }

    /// When it is to be kept after all.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until.into_iter().chain(self.unawaited_until).min()
    }

    /// Everything, to be kept now, and `records` after it.
    pub(crate) fn take(&mut self, records: Vec<Record>) -> Vec<Record> {
        let mut all = std::mem::take(self).records;
        for record in records {
            put(&mut all, record);
        }
        all
    }
}

/// Whether it is what a backoffice must still be told.
pub(crate) fn is_delivery(record: &Record) -> bool {
    matches!(record, Record::Delivery(_))
}

fn is_transaction(record: &Record) -> bool {
    matches!(record, Record::Transaction(_))
}

/// In the order in which they came; of what changed several times only the last word.
fn put(records: &mut Vec<Record>, new: Record) {
    match &new {
        Record::Fact(new) => {
            records.retain(|old| !matches!(old, Record::Fact(old) if old.key == new.key));
        }
        Record::Transaction(new) => {
            records.retain(|old| !matches!(old, Record::Transaction(old) if old.trace == new.trace));
        }
        Record::Delivery(_) | Record::Delivered { .. } => {}
    }
    records.push(new);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use engine::{Delivery, Fact, TraceId};

    use super::*;

    fn delivery(number: u64) -> Record {
        Record::Delivery(Box::new(Delivery {
            backoffice: "acme".into(),
            number,
            trace: TraceId::try_from("0".repeat(26)).unwrap(),
            action: "MeterValues".to_owned(),
            payload: "{}".to_owned(),
            transaction: None,
            recognised: None,
            queued_unix_ms: 0,
            attempts: 0,
            parked: None,
        }))
    }

    fn delivered(number: u64) -> Record {
        Record::Delivered { backoffice: "acme".into(), number }
    }

    fn fact(key: &str, body: &str) -> Record {
        Record::Fact(Fact { key: key.to_owned(), body: Some(body.to_owned()) })
    }

    fn add(postponed: &mut Postponed, records: Vec<Record>, urgency: Urgency, before: &[Side]) {
        postponed.add(records, urgency, before, Instant::now());
    }

    #[test]
    fn what_is_told_in_time_is_never_kept() {
        let mut postponed = Postponed::default();
        let first = vec![fact("state/1", "{}"), delivery(1)];
        add(&mut postponed, first, Urgency::Soon, &[Side::Charger]);
        let mut records = vec![delivered(1)];
        assert_eq!(postponed.spare(&mut records), Spared::Nobody, "it was the last one");
        assert_eq!((records, postponed.until()), (vec![], None));
        assert_eq!(
            postponed.take(vec![]),
            [fact("state/1", "{}")],
            "the fact is kept with whatever comes next"
        );
    }

    #[test]
    fn one_that_is_still_on_its_way_is_waited_for() {
        let mut postponed = Postponed::default();
        add(&mut postponed, vec![delivery(1), delivery(2)], Urgency::Soon, &[Side::Charger]);
        let mut records = vec![delivered(2), delivered(7)];
        assert_eq!(postponed.spare(&mut records), Spared::Nothing);
        assert_eq!(records, [delivered(7)], "what was kept before is not known here");
        assert!(postponed.delivers());
        assert_eq!(postponed.take(vec![]), [delivery(1)]);
    }

    #[test]
    fn the_first_that_has_its_time_says_until_when() {
        let (mut postponed, soon) = (Postponed::default(), Instant::now() + Duration::from_millis(50));
        postponed.add(vec![fact("state/1", "{}")], Urgency::WithTheNext, &[], soon);
        assert_eq!(postponed.until(), None);
        postponed.add(vec![delivery(1)], Urgency::Soon, &[Side::Charger], soon);
        postponed.add(vec![delivery(2)], Urgency::Soon, &[Side::Charger], soon + Duration::from_millis(50));
        assert_eq!(postponed.until(), Some(soon));
    }

    #[test]
    fn what_has_its_time_besides_deliveries_keeps_it_when_they_are_spared() {
        let (mut postponed, soon) = (Postponed::default(), Instant::now() + Duration::from_millis(50));
        postponed.add(vec![fact("state/1", "{}")], Urgency::Soon, &[], soon);
        postponed.add(vec![delivery(1)], Urgency::Soon, &[Side::Charger], soon);
        assert_eq!(postponed.spare(&mut vec![delivered(1)]), Spared::Nobody);
        assert_eq!(postponed.until(), Some(soon));
    }

    #[test]
    fn what_waited_for_deliveries_is_kept_when_the_last_of_them_is_spared() {
        let mut postponed = Postponed::default();
        add(&mut postponed, vec![delivery(1), delivery(2)], Urgency::Soon, &[Side::Charger]);
        add(&mut postponed, vec![fact("answer", "{}")], Urgency::AfterDeliveries, &[Side::Charger]);
        assert_eq!(postponed.spare(&mut vec![delivered(1)]), Spared::Nothing);
        assert_eq!(postponed.spare(&mut vec![delivered(2)]), Spared::Awaited);
        assert_eq!(postponed.take(vec![fact("answer", "[]")]), [fact("answer", "[]")]);
        add(&mut postponed, vec![delivery(3)], Urgency::Soon, &[Side::Charger]);
        assert_eq!(postponed.spare(&mut vec![delivered(3)]), Spared::Nobody, "it begins anew");
    }

    #[test]
    fn what_nobody_waits_for_has_its_own_time() {
        let (mut postponed, now) = (Postponed::default(), Instant::now());
        let (soon, later) = (now + Duration::from_millis(50), now + Duration::from_secs(5));
        postponed.add(vec![fact("state/1", "{}")], Urgency::WithinSeconds, &[], later);
        postponed.add(
            vec![fact("state/2", "{}")],
            Urgency::WithinSeconds,
            &[],
            later + Duration::from_secs(5),
        );
        assert_eq!(postponed.until(), Some(later));
        postponed.add(vec![delivery(1)], Urgency::Soon, &[Side::Charger], soon);
        assert_eq!(postponed.until(), Some(soon));
        assert_eq!(postponed.spare(&mut vec![delivered(1)]), Spared::Nobody);
        assert_eq!(postponed.until(), Some(later), "a delivery that is spared does not hurry it");
        let all = [fact("state/1", "{}"), fact("state/2", "{}"), fact("lead", "{}")];
        assert_eq!(postponed.take(vec![fact("lead", "{}")]), all, "what is kept takes it along");
        assert_eq!(postponed.until(), None);
    }

    #[test]
    fn of_a_fact_only_the_last_word_is_kept() {
        let mut postponed = Postponed::default();
        for body in ["1", "2", "3"] {
            add(&mut postponed, vec![fact("state/1", body)], Urgency::WithTheNext, &[]);
        }
        assert_eq!(postponed.take(vec![]), [fact("state/1", "3")]);
    }
}
