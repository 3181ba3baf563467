//! What goes into one commit, and the commit.

use std::time::Instant;

use engine::ChargerId;
use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;
use crate::counters::{Counters, Tally};
use crate::deliveries::arrivals::Lanes;
use crate::deliveries::bounds::{Bounds, Evicted};
use crate::memory::StoredRecord;
use crate::queue::{Done, Order, Row};
use crate::rows::LogEntry;

/// What goes into one commit.
#[derive(Default)]
pub(super) struct Group {
    pub(super) orders: Vec<Order>,
    /// Records that rest on one that could not be kept.
    pub(super) refused: Vec<Order>,
    pub(super) flushes: Vec<Done>,
    /// Log rows for which there is no room beside the records.
    pub(super) crowded_out: Tally,
    /// Records.
    pub(super) keeps: u64,
    pub(super) has_deliveries: bool,
    /// Where the records of lanes go.
    pub(super) lanes: Lanes,
    pub(super) rows: Tally,
}

impl Group {
    /// Adds what was taken, and gives the log entries back to be written, if they may be.
    pub(super) fn add(
        &mut self,
        orders: Vec<Order>,
        rows: Vec<Row>,
        may_log: bool,
    ) -> Vec<(ChargerId, LogEntry)> {
        for order in &orders {
            match order {
                Order::Keep(_, records, _) => {
                    self.keeps += records.len() as u64;
                    self.has_deliveries |= records.iter().any(StoredRecord::is_of_a_lane);
                }
                Order::Lead(..) | Order::Led(..) | Order::Entrance(..) => self.keeps += 1,
                Order::Begin(..) | Order::Settle(_) | Order::Tidy(_) => {}
            }
        }
        self.orders.extend(orders);
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Row::Entry { entry, .. } if !may_log => self.crowded_out.add(entry.kind()),
                Row::Entry { charger, entry, .. } => {
                    self.rows.add(entry.kind());
                    entries.push((charger, entry));
                }
                Row::Flush(done) => self.flushes.push(done),
            }
        }
        entries
    }
}

/// A database transaction that times its commit. Dropped without one, it changes nothing.
pub(super) struct Transaction<'c>(pub(super) rusqlite::Transaction<'c>);

impl<'c> Transaction<'c> {
    /// The writer begins none while another is open.
    pub(super) fn begin(connection: &'c Connection) -> Result<Self, StoreError> {
        // Unless a disk that failed did not even let the former one be rolled back.
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        Ok(Self(rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?))
    }

    pub(super) fn commit(self, counters: &Counters) -> Result<(), StoreError> {
        let started = Instant::now();
        self.0.commit()?;
        counters.committed(started.elapsed());
        Ok(())
    }
}

/// Writes the records of these orders inside the transaction that is open, without those of lanes if these arrive.
pub(super) fn write_records(
    connection: &Connection,
    orders: &[Order],
    lanes: Lanes,
    bounds: Bounds,
    evicted: &mut Evicted,
) -> Result<(), StoreError> {
    for order in orders {
        match order {
            Order::Keep(charger, records, _) => {
                for record in records {
                    if lanes == Lanes::Arriving && record.is_of_a_lane() {
                        continue;
                    }
                    record.write(connection, charger, bounds, evicted)?;
                }
            }
            Order::Lead(order, _) => order.write(connection, false)?,
            Order::Led(order, _) => order.remember(connection, false)?,
            Order::Entrance(record, _) => record.write(connection)?,
            Order::Begin(..) | Order::Settle(_) | Order::Tidy(_) => {}
        }
    }
    Ok(())
}
