//! The store as the proxy believes it to be: what is committed survives every crash.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    BackofficeId, Delivery, Event, Fact, Lane, Memory, Record, TraceId, TransactionRow, TransactionState,
    limits,
};

use super::content;

/// What is committed.
#[derive(Debug, Default)]
pub(super) struct Kept {
    transactions: BTreeMap<String, TransactionRow>,
    facts: BTreeMap<String, String>,
    lanes: BTreeMap<BackofficeId, KeptLane>,
}

#[derive(Debug, Default)]
struct KeptLane {
    last_number: u64,
    told: Vec<u64>,
    deliveries: BTreeMap<u64, Delivery>,
}

impl KeptLane {
    fn waiting(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.values().filter(|delivery| delivery.parked.is_none())
    }

    fn first_after(&self, after: u64) -> Vec<Delivery> {
        let wanted = self.waiting().filter(|delivery| delivery.number > after);
        wanted.take(limits::LANE_WINDOW).cloned().collect()
    }
}

impl Kept {
    /// Commits the records of one order, all of them.
    pub(super) fn commit(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Transaction(row) => {
                    self.transactions.insert(row.trace.to_string(), *row);
                }
                Record::Fact(Fact { key, body: Some(body) }) => {
                    self.facts.insert(key, body);
                }
                Record::Fact(Fact { key, body: None }) => {
                    self.facts.remove(&key);
                }
                Record::Delivery(delivery) => {
                    let lane = self.lanes.entry(delivery.backoffice.clone()).or_default();
                    if delivery.number > lane.last_number {
                        lane.last_number = delivery.number;
                        lane.told.extend(delivery.recognised);
                        lane.told.drain(..lane.told.len().saturating_sub(limits::TOLD_REMEMBERED));
                    }
                    lane.deliveries.insert(delivery.number, *delivery);
                }
                Record::Delivered { backoffice, number } => {
                    if let Some(lane) = self.lanes.get_mut(&backoffice) {
                        lane.deliveries.remove(&number);
                    }
                }
            }
        }
    }

    /// What a new session is given.
    pub(super) fn memory(&self) -> Memory {
        let is_closed = |row: &&TransactionRow| row.state == TransactionState::Closed;
        let closed = self.transactions.values().filter(is_closed).count();
        let mut surplus = closed.saturating_sub(limits::CLOSED_TRANSACTIONS);
        let referred: BTreeSet<TraceId> = self
            .lanes
            .values()
            .flat_map(|lane| lane.first_after(0))
            .filter_map(|delivery| delivery.transaction)
            .collect();
        let transactions = self.transactions.values().filter(|row| {
            let is_surplus = is_closed(row) && surplus > 0;
            surplus -= usize::from(is_surplus);
            !is_surplus || referred.contains(&row.trace)
        });
        let transactions = transactions.cloned().collect();
        let lanes = self.lanes.iter().map(|(backoffice, lane)| Lane {
            backoffice: backoffice.clone(),
            last_number: lane.last_number,
            waiting: lane.waiting().count() as u64,
            told: lane.told.clone(),
            first: lane.first_after(0),
        });
        // Traces are in the order of time.
        let numbers: Vec<_> = self.transactions.values().filter_map(|row| row.charger_number).collect();
        let surplus = numbers.len().saturating_sub(limits::NUMBERS_REMEMBERED);
        Memory {
            transactions,
            numbers: numbers[surplus..].to_vec(),
            facts: self
                .facts
                .iter()
                .map(|(key, body)| Fact { key: key.clone(), body: Some(body.clone()) })
                .collect(),
            lanes: lanes.collect(),
        }
    }

    /// More of a lane.
    pub(super) fn recall(&self, backoffice: &BackofficeId, after: u64) -> Event {
        let lane = self.lanes.get(backoffice);
        let deliveries = lane.map_or_else(Vec::new, |lane| lane.first_after(after));
        let referred: BTreeSet<TraceId> =
            deliveries.iter().filter_map(|delivery| delivery.transaction).collect();
        let rows = self.transactions.values().filter(|row| referred.contains(&row.trace));
        Event::Recalled {
            backoffice: backoffice.clone(),
            transactions: rows.cloned().collect(),
            waiting: lane.map_or(0, |lane| lane.waiting().count()) as u64,
            deliveries,
        }
    }

    /// How many deliveries a backoffice still waits for.
    pub(super) fn waiting(&self, backoffice: &BackofficeId) -> usize {
        self.lanes.get(backoffice).map_or(0, |lane| lane.waiting().count())
    }

    /// Whether it is kept under which number a backoffice has booked a session of the charger.
    pub(super) fn has_number(&self, who: &BackofficeId, serial: i64) -> bool {
        self.transactions.values().any(|row| {
            let is_known = row.peers.get(who).is_some_and(|peer| peer.number.is_some());
            is_known && content::serial(&row.raw_start) == Some(serial)
        })
    }

    /// Who led last (semantics §2.11).
    pub(super) fn leader(&self) -> Option<BackofficeId> {
        let lead: serde_json::Value = serde_json::from_str(self.facts.get("lead")?).ok()?;
        lead["leader"].as_str().map(BackofficeId::from)
    }

    /// The numbers of what waits for each backoffice.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (&BackofficeId, impl Iterator<Item = u64>)> {
        self.lanes.iter().map(|(id, lane)| (id, lane.waiting().map(|delivery| delivery.number)))
    }

    /// What a backoffice is not told unless somebody orders it.
    pub(super) fn parked(&self, backoffice: &BackofficeId) -> impl Iterator<Item = &Delivery> {
        let lane = self.lanes.get(backoffice).into_iter();
        lane.flat_map(|lane| lane.deliveries.values()).filter(|delivery| delivery.parked.is_some())
    }

    /// Whether such a message waits for a backoffice.
    pub(super) fn holds(&self, backoffice: &BackofficeId, wanted: impl Fn(&Delivery) -> bool) -> bool {
        self.lanes.get(backoffice).is_some_and(|lane| lane.deliveries.values().any(wanted))
    }

    pub(super) fn transactions(&self) -> impl Iterator<Item = &TransactionRow> {
        self.transactions.values()
    }
}
