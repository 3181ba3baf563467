//! Deliveries that have just come, where many come at once.
//!
//! While a backoffice is away each message of every charger ends in another lane, and a page of each lane would have to be
//! written for each of them. So they stand one behind another in the table `arrivals` first, and are sorted into their
//! lanes some thousands at a time. Nobody sees the difference: who asks what is in a lane waits until they are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::{BackofficeId, ChargerId};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::bounds::{Bounds, Evicted};
use super::lane::{self, LaneRecord};
use crate::StoreError;
use crate::memory::StoredRecord;
use crate::queue::Order;

/// So many records of lanes in one commit are many: they and what comes next arrive. Fewer are written into their lanes at
/// once.
const MANY: usize = 64;
/// Arrivals are sorted into their lanes when there are so many, …
const MOST: usize = 8192;
/// … or hold about so much, …
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// … or the first of them came this long ago.
const SORTED_AFTER: Duration = Duration::from_secs(1);

/// Where the records of lanes of a commit go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Lanes {
    /// Into their lanes, after everything that arrived before.
    #[default]
    Sorted,
    /// Behind what arrived before.
    Arriving,
}

/// What has arrived and is not in its lane yet.
#[derive(Default)]
pub(crate) struct Arrivals {
    records: Vec<(ChargerId, LaneRecord)>,
    bytes: usize,
    since: Option<Instant>,
}

impl Arrivals {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Where the records of these orders go.
    pub(crate) fn lanes_for(&self, orders: &[Order]) -> Lanes {
        let mut records = 0;
        for order in orders {
            match order {
                Order::Keep(_, kept, _) => {
                    records += kept.iter().filter(|record| record.is_of_a_lane()).count()
                }
                // Somebody will look.
                Order::Begin(..) | Order::Settle(_) | Order::Tidy(_) => return Lanes::Sorted,
                Order::Lead(..) | Order::Led(..) | Order::Entrance(..) => {}
            }
        }
        let is_full = self.records.len() >= MOST || self.bytes >= MOST_BYTES;
        let is_busy = records >= MANY || !self.is_empty();
        if is_busy && !is_full { Lanes::Arriving } else { Lanes::Sorted }
    }

    /// When they are to be sorted at the latest.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + SORTED_AFTER)
    }

    /// Writes the records of lanes among these orders as one row, inside the transaction that is open.
    pub(crate) fn write(connection: &Connection, orders: &[Order]) -> Result<(), StoreError> {
        let arriving: Vec<(&ChargerId, &LaneRecord)> = orders
            .iter()
            .filter_map(|order| match order {
                Order::Keep(charger, records, _) => Some((charger, records)),
                _ => None,
            })
            .flat_map(|(charger, records)| {
                records.iter().filter_map(move |record| Some((charger, record.of_a_lane()?)))
            })
            .collect();
        if arriving.is_empty() {
            return Ok(());
        }
        let body = serde_json::to_string(&arriving).map_err(|error| StoreError::Failed(error.to_string()))?;
        connection.prepare_cached("INSERT INTO arrivals (body) VALUES (?1)")?.execute([body])?;
        Ok(())
    }

    /// Takes over what was written, now that it is durable.
    pub(crate) fn take(&mut self, orders: &mut [Order]) {
        for order in orders {
            let Order::Keep(charger, records, _) = order else { continue };
            for record in std::mem::take(records) {
                if let StoredRecord::OfALane(record) = record {
                    self.bytes += record.weight();
                    self.records.push((charger.clone(), record));
                }
            }
        }
        if !self.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// Sorts all into their lanes, inside the transaction that is open.
    pub(crate) fn sort(
        &self,
        connection: &Connection,
        bounds: Bounds,
        evicted: &mut Evicted,
    ) -> rusqlite::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let mut lanes: BTreeMap<(&ChargerId, &BackofficeId), Vec<&LaneRecord>> = BTreeMap::new();
        for (charger, record) in &self.records {
            lanes.entry((charger, record.backoffice())).or_default().push(record);
        }
        for ((charger, backoffice), records) in lanes {
            lane::write(connection, charger, backoffice, &records, bounds, evicted)?;
        }
        connection.prepare_cached("DELETE FROM arrivals")?.execute([]).map(drop)
    }

    /// They are in their lanes, and that is durable.
    pub(crate) fn are_sorted(&mut self) {
        *self = Self::default();
    }

    /// They could not be sorted now.
    pub(crate) fn try_later(&mut self) {
        self.since = Some(Instant::now());
    }

    /// Sorts what was left when the program ended without doing so. Lanes are brought within their bounds later.
    pub(crate) fn sort_what_is_left(connection: &Connection) -> rusqlite::Result<()> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let mut left = Self::default();
        let mut statement = transaction.prepare("SELECT body FROM arrivals ORDER BY place")?;
        for body in statement.query_map([], |row| row.get::<_, String>(0))? {
            match serde_json::from_str::<Vec<(ChargerId, LaneRecord)>>(&body?) {
                Ok(records) => left.records.extend(records),
                // Somebody has changed the file. Serving the chargers without these is better than never again.
                Err(error) => tracing::error!(%error, "deliveries that had just come cannot be understood"),
            }
        }
        drop(statement);
        left.sort(&transaction, Bounds::NONE, &mut Evicted::default())?;
        transaction.commit()
    }
}

#[cfg(test)]
mod tests;
