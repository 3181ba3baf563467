//! What is to be durable before peers hear anything more.

use crate::session::Session;
use crate::{Effect, Fact, Keep, Record, Side, TraceId};

impl Session {
    /// Makes a record durable before these peers hear anything more. What one event promises is
    /// kept together: all of it or nothing.
    pub(super) fn promise(&mut self, record: Record, before: impl IntoIterator<Item = Side>) {
        self.promised_urgently = true;
        self.promise_in_time(record, before);
    }

    /// Makes a record durable before these peers hear anything more, unless that turns out to be needless first.
    pub(super) fn promise_in_time(&mut self, record: Record, before: impl IntoIterator<Item = Side>) {
        // What changed twice is written once, as it is now.
        let is_same = |other: &Record| match (other, &record) {
            (Record::Transaction(one), Record::Transaction(other)) => one.trace == other.trace,
            _ => false,
        };
        self.promised.retain(|other| !is_same(other));
        self.promised.push(record);
        for side in before {
            if !self.promised_to.contains(&side) {
                self.promised_to.push(side);
            }
        }
    }

    pub(super) fn keep_promises(&mut self) {
        if !self.promised.is_empty() {
            let records = std::mem::take(&mut self.promised);
            let before = std::mem::take(&mut self.promised_to);
            let urgent = std::mem::take(&mut self.promised_urgently);
            self.effects.push_back(Effect::Keep(Keep { records, before, urgent }));
        }
    }

    pub(super) fn promise_facts(&mut self, facts: Vec<Fact>, before: impl IntoIterator<Item = Side> + Clone) {
        for fact in facts {
            self.promise(Record::Fact(fact), before.clone());
        }
    }

    pub(super) fn promise_transaction(&mut self, trace: TraceId, before: impl IntoIterator<Item = Side>) {
        if let Some(record) = self.transaction_record(trace) {
            self.promise(record, before);
        }
    }

    pub(super) fn transaction_record(&self, trace: TraceId) -> Option<Record> {
        self.transactions.get(trace).map(|row| Record::Transaction(Box::new(row.clone())))
    }
}
