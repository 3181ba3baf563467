//! A store in memory, as far as a session can tell.

use std::collections::BTreeMap;

use engine::{BackofficeId, Delivery, Fact, Lane, Memory, Record, TransactionRow, limits};

/// What was kept.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kept {
    transactions: BTreeMap<String, TransactionRow>,
    facts: BTreeMap<String, Fact>,
    deliveries: BTreeMap<(BackofficeId, u64), Delivery>,
    last_numbers: BTreeMap<BackofficeId, u64>,
    told: BTreeMap<BackofficeId, Vec<u64>>,
}

impl Kept {
    pub(crate) fn keep(&mut self, record: &Record) {
        match record {
            Record::Transaction(row) => {
                self.transactions.insert(row.trace.to_string(), (**row).clone());
            }
            Record::Fact(fact) if fact.body.is_none() => {
                self.facts.remove(&fact.key);
            }
            Record::Fact(fact) => {
                self.facts.insert(fact.key.clone(), fact.clone());
            }
            Record::Delivery(delivery) => {
                let last = self.last_numbers.entry(delivery.backoffice.clone()).or_default();
                if delivery.number > *last {
                    *last = delivery.number;
                    let told = self.told.entry(delivery.backoffice.clone()).or_default();
                    told.extend(delivery.recognised);
                    told.drain(..told.len().saturating_sub(limits::TOLD_REMEMBERED));
                }
                let key = (delivery.backoffice.clone(), delivery.number);
                self.deliveries.insert(key, (**delivery).clone());
            }
            Record::Delivered { backoffice, number } => {
                self.deliveries.remove(&(backoffice.clone(), *number));
            }
        }
    }

    /// An operator has a parked delivery tried again.
    pub(crate) fn unpark(&mut self, backoffice: &BackofficeId, number: u64) {
        if let Some(delivery) = self.deliveries.get_mut(&(backoffice.clone(), number)) {
            delivery.parked = None;
            delivery.attempts = 0;
        }
    }

    /// What a new session is given.
    pub(crate) fn first(&self) -> Memory {
        let lanes = self.last_numbers.iter().map(|(backoffice, last_number)| {
            let (first, waiting) = self.recall(backoffice, 0);
            let told = self.told.get(backoffice).cloned().unwrap_or_default();
            Lane { backoffice: backoffice.clone(), last_number: *last_number, waiting, told, first }
        });
        Memory {
            numbers: self.transactions.values().filter_map(|row| row.charger_number).collect(),
            transactions: self.transactions.values().cloned().collect(),
            facts: self.facts.values().cloned().collect(),
            lanes: lanes.collect(),
        }
    }

    /// The transactions that deliveries belong to.
    pub(crate) fn transactions_of(&self, deliveries: &[Delivery]) -> Vec<TransactionRow> {
        let traces = deliveries.iter().filter_map(|delivery| delivery.transaction);
        traces.filter_map(|trace| self.transactions.get(&trace.to_string()).cloned()).collect()
    }

    /// What follows in a lane, and how much waits in it.
    pub(crate) fn recall(&self, backoffice: &BackofficeId, after: u64) -> (Vec<Delivery>, u64) {
        let waiting = self.deliveries.values().filter(|d| d.backoffice == *backoffice && d.parked.is_none());
        let next = waiting.clone().filter(|d| d.number > after).take(limits::LANE_WINDOW).cloned().collect();
        (next, waiting.count() as u64)
    }
}
