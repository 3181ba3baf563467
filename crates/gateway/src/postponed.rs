//! Records that may turn out needless: deliveries that are on their way to their backoffices already. One
//! that is answered within moments never sees the disk; the charger hears nothing before either.

use engine::Record;
use tokio::time::Instant;

/// What is not handed to the store yet. Its deliveries are few: a charger has one call in progress.
#[derive(Debug, Default)]
pub(crate) struct Postponed {
    records: Vec<Record>,
    /// When the deliveries are to be kept after all; none without deliveries.
    until: Option<Instant>,
}

impl Postponed {
    /// Adds what is not urgent, to be kept then if there is a delivery among it; says whether there is.
    pub(crate) fn add(&mut self, records: Vec<Record>, until: Instant) -> bool {
        let delivers = records.iter().any(|record| matches!(record, Record::Delivery(_)));
        for record in records {
            if let Record::Fact(new) = &record {
                self.records.retain(|old| !matches!(old, Record::Fact(old) if old.key == new.key));
            }
            self.records.push(record);
        }
        if delivers {
            self.until.get_or_insert(until);
        }
        delivers
    }

    /// Takes out of `records` what says that a postponed delivery was told, and that delivery here: neither
    /// needs to be kept. Says whether that was the last one.
    pub(crate) fn spare(&mut self, records: &mut Vec<Record>) -> bool {
        if self.until.is_none() {
            return false;
        }
        let postponed = &mut self.records;
        records.retain(|record| {
            let known = postponed.iter().position(|other| record.is_delivered_of(other));
            if let Some(at) = known {
                postponed.remove(at);
            }
            known.is_none()
        });
        let is_last = !postponed.iter().any(|record| matches!(record, Record::Delivery(_)));
        if is_last {
            self.until = None;
        }
        is_last
    }

    /// When it is to be kept after all.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Everything, to be kept now, in the order in which it came.
    pub(crate) fn take(&mut self) -> Vec<Record> {
        self.until = None;
        std::mem::take(&mut self.records)
    }
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

    #[test]
    fn what_is_told_in_time_is_never_kept() {
        let mut postponed = Postponed::default();
        assert!(postponed.add(vec![fact("told/1", "{}"), delivery(1)], Instant::now()));
        let mut records = vec![delivered(1)];
        assert!(postponed.spare(&mut records), "it was the last one");
        assert_eq!((records, postponed.until()), (vec![], None));
        assert_eq!(postponed.take(), [fact("told/1", "{}")], "the fact is kept with whatever comes next");
    }

    #[test]
    fn one_that_is_still_on_its_way_is_waited_for() {
        let mut postponed = Postponed::default();
        postponed.add(vec![delivery(1), delivery(2)], Instant::now());
        let mut records = vec![delivered(2), delivered(7)];
        assert!(!postponed.spare(&mut records));
        assert_eq!(records, [delivered(7)], "what was kept before is not known here");
        assert_eq!(postponed.take(), [delivery(1)]);
    }

    #[test]
    fn the_first_delivery_says_until_when() {
        let (mut postponed, soon) = (Postponed::default(), Instant::now() + Duration::from_millis(50));
        assert!(!postponed.add(vec![fact("told/1", "{}")], soon), "facts alone have time");
        assert_eq!(postponed.until(), None);
        postponed.add(vec![delivery(1)], soon);
        postponed.add(vec![delivery(2)], soon + Duration::from_millis(50));
        assert_eq!(postponed.until(), Some(soon));
    }

    #[test]
    fn of_a_fact_only_the_last_word_is_kept() {
        let mut postponed = Postponed::default();
        for body in ["1", "2", "3"] {
            postponed.add(vec![fact("told/1", body)], Instant::now());
        }
        assert_eq!(postponed.take(), [fact("told/1", "3")]);
    }
}
