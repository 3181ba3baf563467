//! What is to be durable before peers hear anything more.

use crate::session::Session;
use crate::{Effect, Fact, Keep, Record, Side, TraceId, Urgency};

impl Session {
    /// Makes a record durable before these peers hear anything more. What one event promises is
    /// kept together: all of it or nothing.
    pub(super) fn promise(&mut self, record: Record, before: impl IntoIterator<Item = Side>) {
        self.promise_in_time(Urgency::Now, record, before);
    }

    /// Makes a record durable before these peers hear anything more, though not at once.
    pub(super) fn promise_in_time(
        &mut self,
        urgency: Urgency,
        record: Record,
        before: impl IntoIterator<Item = Side>,
    ) {
        // What changed twice is written once, as it is now.
        let is_same = |other: &Record| match (other, &record) {
            (Record::Transaction(one), Record::Transaction(other)) => one.trace == other.trace,
            _ => false,
        };
        self.promised.retain(|other| !is_same(other));
        self.promised.push(record);
        self.promised_within = self.promised_within.max(urgency);
        for side in before {
            if !self.promised_to.contains(&side) {
                self.promised_to.push(side);
            }
        }
    }

    /// Makes a delivery durable before the charger hears anything more, unless it is answered first.
    pub(super) fn promise_on_its_way(&mut self, delivery: Record) {
        self.promised_on_their_way.push(delivery);
    }

    /// A delivery whose turn has come and gone before it was said is not on its way any more. Whether it was
    /// only promised as that.
    pub(super) fn take_back_promise(&mut self, at: usize, number: u64) -> bool {
        let id = &self.links[at].id;
        let promised = self.promised_on_their_way.iter().position(
            |record| matches!(record, Record::Delivery(one) if one.number == number && one.backoffice == *id),
        );
        promised.map(|at| self.promised_on_their_way.remove(at)).is_some()
    }

    pub(super) fn keep_promises(&mut self) {
        let mut on_their_way = std::mem::take(&mut self.promised_on_their_way);
        if !self.promised.is_empty() {
            let mut records = std::mem::take(&mut self.promised);
            let mut before = std::mem::take(&mut self.promised_to);
            let mut urgency = std::mem::take(&mut self.promised_within);
            // Whoever waits for more than the deliveries is not to be let go with them; and while a start has no
            // answer, its row alone is enough to tell it again.
            let waits_apart = urgency == Urgency::Soon && !before.is_empty();
            let has_its_own_time = urgency == Urgency::WithinSeconds;
            let is_apart = waits_apart
                || has_its_own_time
                || on_their_way.iter().all(|start| is_unanswered(start, &records));
            if !on_their_way.is_empty() && !is_apart {
                // What is told comes before what becomes of it, and after what tells it from others.
                let at = if urgency == Urgency::WithTheNext { records.len() } else { 0 };
                records.splice(at..at, on_their_way.drain(..));
                urgency = urgency.max(Urgency::Soon);
                if !before.contains(&Side::Charger) {
                    before.push(Side::Charger);
                }
            }
            self.effects.push_back(Effect::Keep(Keep { records, before, urgency }));
        }
        if !on_their_way.is_empty() {
            let (before, urgency) = (vec![Side::Charger], Urgency::Soon);
            self.effects.push_back(Effect::Keep(Keep { records: on_their_way, before, urgency }));
        }
    }

    pub(super) fn promise_facts(&mut self, facts: Vec<Fact>, before: impl IntoIterator<Item = Side> + Clone) {
        for fact in facts {
            self.promise(Record::Fact(fact), before.clone());
        }
    }

    pub(super) fn promise_transaction(&mut self, trace: TraceId, before: impl IntoIterator<Item = Side>) {
        self.promise_transaction_in_time(Urgency::Now, trace, before);
    }

    pub(super) fn promise_transaction_in_time(
        &mut self,
        urgency: Urgency,
        trace: TraceId,
        before: impl IntoIterator<Item = Side>,
    ) {
        if let Some(record) = self.transaction_record(trace) {
            self.promise_in_time(urgency, record, before);
        }
    }

    pub(super) fn transaction_record(&self, trace: TraceId) -> Option<Record> {
        self.transactions.get(trace).map(|row| Record::Transaction(Box::new(row.clone())))
    }
}

/// Whether the delivery is the start of one of these rows, and the charger has no answer to it.
fn is_unanswered(start: &Record, rows: &[Record]) -> bool {
    let Record::Delivery(delivery) = start else { return false };
    rows.iter().any(|row| {
        matches!(row, Record::Transaction(row) if row.trace == delivery.trace && row.start_answer.is_none())
    })
}
