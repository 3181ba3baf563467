//! One lane gives way, a few rows at a time: every step looks at a bounded number of rows, so that records
//! of other chargers never wait for a long lane.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::bounds::{Evicted, EvictedFor};
use super::{number, of_transaction, sql_number};

/// Samples looked at in one step of thinning.
const WINDOW: usize = 64;
/// Starts among which a complete transaction is looked for: that many that never stop are not usual.
const STARTS: u64 = 256;

/// The deliveries of one lane that wait.
const WAITING: &str = "charger = ?1 AND backoffice = ?2 AND parked IS NULL";
/// Those of one kind, by the index that has them in the order in which they go. SQLite, which has no
/// statistics here, would take another.
const OF_KIND: &str = "FROM deliveries INDEXED BY deliveries_giving_way
                       WHERE charger = ?1 AND backoffice = ?2 AND parked IS NULL AND kind <> 'sampled'";
/// Samples, which that index does without: those of a lane in its order.
const SAMPLES: &str = "FROM deliveries INDEXED BY deliveries_in_order
                       WHERE charger = ?1 AND backoffice = ?2 AND parked IS NULL AND kind = 'sampled'";
/// Their order.
const OLDEST_FIRST: &str = "ORDER BY coalesce(transaction_trace, ''), number";

/// What a lane holds of one sort, by its running counters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Held {
    /// Two columns of `lanes`, from this one on.
    pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Self> {
        Ok(Self { messages: number(row.get(column)?), bytes: number(row.get(column + 1)?) })
    }

    /// With this more.
    pub(super) fn and(self, more: Self) -> Self {
        Self { messages: self.messages + more.messages, bytes: self.bytes + more.bytes }
    }
}

/// What a transaction, or a message that belongs to none, has become of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// An operator may still have it told; why it is parked.
    Parked(&'static str),
    Dropped,
}

/// What a step of thinning came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thinned {
    /// So many samples were looked at, and it goes on.
    Some(u64),
    /// Not one sample could go since the lane was last looked at from its beginning.
    Nothing,
}

/// The transaction of a message, or nothing, and its number.
type Place = (String, i64);

/// A lane, inside a transaction.
pub(super) struct Lane<'a> {
    pub(super) connection: &'a Connection,
    pub(super) charger: &'a str,
    pub(super) backoffice: &'a str,
}

impl Lane<'_> {
    pub(super) fn waiting(&self) -> rusqlite::Result<Held> {
        self.held("SELECT waiting, waiting_bytes FROM lanes WHERE charger = ?1 AND backoffice = ?2")
    }

    pub(super) fn parked(&self) -> rusqlite::Result<Held> {
        self.held("SELECT parked, parked_bytes FROM lanes WHERE charger = ?1 AND backoffice = ?2")
    }

    fn held(&self, sql: &str) -> rusqlite::Result<Held> {
        let of_lane = [self.charger, self.backoffice];
        self.connection.prepare_cached(sql)?.query_row(of_lane, |row| Held::read(row, 0))
    }

    /// Some samples or clock-aligned values go, at most `rows` of them unless they are thinned. Returns
    /// about how many rows were looked at: 0 when there are none of either.
    pub(super) fn shed_values(&self, rows: u64, evicted: &mut Evicted) -> rusqlite::Result<u64> {
        let sql = "SELECT samples > 0 FROM lanes WHERE charger = ?1 AND backoffice = ?2";
        let of_lane = [self.charger, self.backoffice];
        if self.connection.prepare_cached(sql)?.query_row(of_lane, |row| row.get(0))? {
            if let Thinned::Some(looked_at) = self.thin(evicted)? {
                return Ok(looked_at);
            }
            let oldest = format!("SELECT number {SAMPLES} ORDER BY number LIMIT ?3");
            return self.drop_values(&oldest, rows, EvictedFor::Samples, evicted);
        }
        let oldest = format!("SELECT number {OF_KIND} AND kind = 'aligned' {OLDEST_FIRST} LIMIT ?3");
        self.drop_values(&oldest, rows, EvictedFor::ClockAligned, evicted)
    }

    /// The oldest transaction that is complete goes as a whole. Returns the number of its messages.
    pub(super) fn shed_complete(&self, fate: Fate) -> rusqlite::Result<u64> {
        let sql = format!(
            "SELECT transaction_trace FROM
                 (SELECT transaction_trace {OF_KIND} AND kind = 'start' {OLDEST_FIRST} LIMIT {STARTS}) start
             WHERE EXISTS (SELECT 1 {OF_KIND} AND kind = 'stop'
                     AND coalesce(transaction_trace, '') = start.transaction_trace)
             LIMIT 1"
        );
        let of_lane = [self.charger, self.backoffice];
        let trace: Option<String> =
            self.connection.prepare_cached(&sql)?.query_row(of_lane, |row| row.get(0)).optional()?;
        trace.map_or(Ok(0), |trace| self.shed_transaction(&trace, fate))
    }

    /// The oldest message that belongs to no transaction goes. Returns how many did.
    pub(super) fn shed_unattached(&self, fate: Fate) -> rusqlite::Result<u64> {
        let sql = format!(
            "SELECT number {OF_KIND} AND kind = 'other' AND coalesce(transaction_trace, '') = ''
             ORDER BY number LIMIT 1"
        );
        let of_lane = [self.charger, self.backoffice];
        let oldest: Option<i64> =
            self.connection.prepare_cached(&sql)?.query_row(of_lane, |row| row.get(0)).optional()?;
        oldest.map_or(Ok(0), |oldest| self.shed_number(oldest, fate))
    }

    /// The oldest start or stop goes, with all of its transaction that waits. Returns how many messages did.
    pub(super) fn shed_oldest(&self, fate: Fate) -> rusqlite::Result<u64> {
        let sql = format!(
            "SELECT coalesce(transaction_trace, ''), number {OF_KIND} AND kind = ?3 {OLDEST_FIRST} LIMIT 1"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut oldest: Option<Place> = None;
        for kind in ["start", "stop"] {
            let of_kind = [self.charger, self.backoffice, kind];
            let first = statement.query_row(of_kind, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            oldest = oldest.into_iter().chain(first).min();
        }
        match oldest {
            Some((trace, number)) if trace.is_empty() => self.shed_number(number, fate),
            Some((trace, _)) => self.shed_transaction(&trace, fate),
            None => Ok(0),
        }
    }

    /// Everything of a transaction that waits goes; its samples have gone before.
    pub(super) fn shed_transaction(&self, trace: &str, fate: Fate) -> rusqlite::Result<u64> {
        let table = "deliveries INDEXED BY deliveries_giving_way";
        let which = concat!("charger = ?1 AND backoffice = ?2 AND ", of_transaction!("?3"));
        let sql = match fate {
            Fate::Parked(why) => format!("UPDATE {table} SET parked = '{why}' WHERE {which}"),
            Fate::Dropped => format!("DELETE FROM {table} WHERE {which}"),
        };
        self.execute(&sql, trace)
    }

    /// One message goes.
    pub(super) fn shed_number(&self, number: i64, fate: Fate) -> rusqlite::Result<u64> {
        let sql = match fate {
            Fate::Parked(why) => {
                format!("UPDATE deliveries SET parked = '{why}' WHERE {WAITING} AND number = ?3")
            }
            Fate::Dropped => format!("DELETE FROM deliveries WHERE {WAITING} AND number = ?3"),
        };
        self.execute(&sql, number)
    }

    /// What was parked first is dropped, with all that is parked of its transaction. Returns how many
    /// messages were.
    pub(super) fn drop_parked(&self) -> rusqlite::Result<u64> {
        let sql = "SELECT number, transaction_trace FROM deliveries INDEXED BY deliveries_parked
                   WHERE charger = ?1 AND backoffice = ?2 AND parked IS NOT NULL ORDER BY number LIMIT 1";
        let of_lane = [self.charger, self.backoffice];
        let oldest = self
            .connection
            .prepare_cached(sql)?
            .query_row(of_lane, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?)))
            .optional()?;
        match oldest {
            Some((_, Some(trace))) => self.execute(
                "DELETE FROM deliveries INDEXED BY deliveries_parked_of_transaction
                 WHERE charger = ?1 AND backoffice = ?2 AND parked IS NOT NULL AND transaction_trace = ?3",
                trace,
            ),
            Some((number, None)) => self.execute(
                "DELETE FROM deliveries WHERE charger = ?1 AND backoffice = ?2 AND number = ?3",
                number,
            ),
            None => Ok(0),
        }
    }

    fn execute(&self, sql: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<u64> {
        let values = params![self.charger, self.backoffice, value];
        Ok(self.connection.prepare_cached(sql)?.execute(values)? as u64)
    }

    fn drop_values(
        &self,
        oldest: &str,
        rows: u64,
        reason: EvictedFor,
        evicted: &mut Evicted,
    ) -> rusqlite::Result<u64> {
        let sql =
            format!("DELETE FROM deliveries WHERE charger = ?1 AND backoffice = ?2 AND number IN ({oldest})");
        let dropped = self.execute(&sql, sql_number(rows))?;
        evicted.add(self.backoffice, reason, dropped);
        Ok(dropped)
    }

    /// Drops every other of some samples; of each transaction the first and the last stay. Passes over the
    /// lane follow each other, each going on where the last step ended.
    fn thin(&self, evicted: &mut Evicted) -> rusqlite::Result<Thinned> {
        let sql = "SELECT thinned_number, thinned FROM lanes WHERE charger = ?1 AND backoffice = ?2";
        let of_lane = [self.charger, self.backoffice];
        let (from, before): (i64, i64) =
            self.connection.prepare_cached(sql)?.query_row(of_lane, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let samples = self.samples(from)?;
        let is_end = samples.len() < WINDOW;
        let mut dropped = 0;
        let mut last_to_stay = from;
        for (trace, numbers) in by_transaction(&samples) {
            // The first of these stays, and so does the last: what follows it is not known yet, or nothing does.
            let mut staying = 0;
            while staying + 2 < numbers.len() {
                dropped += self.shed_number(numbers[staying + 1], Fate::Dropped)?;
                staying += 2;
            }
            if samples.last().is_some_and(|(last, _)| last == trace) {
                last_to_stay = numbers[staying];
            }
        }
        evicted.add(self.backoffice, EvictedFor::SamplesThinned, dropped);
        let thinned = before + sql_number(dropped);
        let (next, in_pass) = match samples.last() {
            Some(_) if !is_end && last_to_stay > from => (last_to_stay, thinned),
            Some((_, last)) if !is_end => (*last, thinned),
            _ => (0, 0),
        };
        if (next, in_pass) != (from, before) {
            let sql = "UPDATE lanes SET thinned_number = ?3, thinned = ?4
                       WHERE charger = ?1 AND backoffice = ?2";
            let values = params![self.charger, self.backoffice, next, in_pass];
            self.connection.prepare_cached(sql)?.execute(values)?;
        }
        Ok(if is_end && thinned == 0 { Thinned::Nothing } else { Thinned::Some(samples.len() as u64) })
    }

    /// The next samples in the order of the lane, from this number on.
    fn samples(&self, from: i64) -> rusqlite::Result<Vec<Place>> {
        let sql = format!(
            "SELECT coalesce(transaction_trace, ''), number {SAMPLES} AND number >= ?3
             ORDER BY number LIMIT {WINDOW}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let samples = statement
            .query_map(params![self.charger, self.backoffice, from], |row| Ok((row.get(0)?, row.get(1)?)))?;
        samples.collect()
    }
}

/// The numbers of samples, in their order, for each transaction.
fn by_transaction(samples: &[Place]) -> BTreeMap<&str, Vec<i64>> {
    let mut transactions: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (trace, number) in samples {
        transactions.entry(trace).or_default().push(*number);
    }
    transactions
}
