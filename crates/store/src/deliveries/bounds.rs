//! Bounds of a lane: who gives way when a backoffice is away for too long (semantics §2.8).
//!
//! Samples go first, since a session is billed without them. A session that does not fit any more is
//! parked as a whole, never its StartTransaction or its StopTransaction alone, so that an operator can
//! still have it told.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{number, sql_number};
use crate::Limits;

/// Why a parked delivery is, when its lane was full.
const LANE_FULL: &str = "lane_full";
/// Why a parked delivery is, when it waited for too long.
const TOO_OLD: &str = "too_old";

/// A full lane is emptied by this part more, so that the work is not done for every message.
const SPARE: u64 = 16;

/// Lanes that are looked after in one step of upkeep.
const STEP_LANES: i64 = 20;

// Which other messages of a transaction wait is asked for every message of a lane: the index for it is
// named, since SQLite, which has no statistics here, would take another and read the lane each time.

/// The deliveries of one lane that wait.
const WAITING: &str = "charger = ?1 AND backoffice = ?2 AND parked IS NULL";

/// Why a delivery had to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EvictedFor {
    SamplesThinned,
    Samples,
    ClockAligned,
    ParkedLaneFull,
    ParkedTooOld,
    ParkedOverflow,
    TooOld,
    Operator,
}

impl EvictedFor {
    pub(crate) fn label(self) -> &'static str {
        match self {
            EvictedFor::SamplesThinned => "samples_thinned",
            EvictedFor::Samples => "samples",
            EvictedFor::ClockAligned => "clock_aligned",
            EvictedFor::ParkedLaneFull => "parked_lane_full",
            EvictedFor::ParkedTooOld => "parked_too_old",
            EvictedFor::ParkedOverflow => "parked_overflow",
            EvictedFor::TooOld => "too_old",
            EvictedFor::Operator => "operator",
        }
    }
}

/// How many deliveries had to go, by backoffice and reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Evicted(pub(crate) BTreeMap<(String, EvictedFor), u64>);

impl Evicted {
    pub(crate) fn add(&mut self, backoffice: &str, reason: EvictedFor, deliveries: u64) {
        if deliveries > 0 {
            *self.0.entry((backoffice.to_owned(), reason)).or_default() += deliveries;
        }
    }
}

/// How much one lane may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    messages: u64,
    bytes: u64,
    age_ms: i64,
    parked: u64,
}

/// What a lane holds of one sort, by its running counters.
#[derive(Debug, Clone, Copy)]
struct Held {
    messages: u64,
    bytes: u64,
}

/// A lane, inside a transaction.
struct Lane<'a> {
    connection: &'a Connection,
    charger: &'a str,
    backoffice: &'a str,
}

impl Bounds {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            messages: limits.lane_messages,
            bytes: limits.lane_bytes,
            age_ms: i64::try_from(limits.lane_age.as_millis()).unwrap_or(i64::MAX),
            parked: limits.parked_messages,
        }
    }

    /// Brings one lane back within its bounds, inside the transaction that is open.
    pub(crate) fn enforce(
        self,
        connection: &Connection,
        charger: &str,
        backoffice: &str,
        evicted: &mut Evicted,
    ) -> rusqlite::Result<()> {
        let lane = Lane { connection, charger, backoffice };
        let held = lane.waiting()?;
        if held.messages > self.messages || held.bytes > self.bytes {
            self.make_room(&lane, evicted)?;
        }
        let parked = lane.parked()?;
        if parked.messages > self.parked || parked.bytes > self.bytes {
            self.drop_parked(&lane, evicted)?;
        }
        Ok(())
    }

    fn make_room(self, lane: &Lane<'_>, evicted: &mut Evicted) -> rusqlite::Result<()> {
        let deletions: [(EvictedFor, &str); 3] = [
            // Every other sample; of each transaction the first and the last stay.
            (
                EvictedFor::SamplesThinned,
                "number IN (SELECT number FROM
                     (SELECT number, row_number() OVER samples AS place, lead(number) OVER samples AS later
                      FROM deliveries WHERE charger = ?1 AND backoffice = ?2 AND parked IS NULL
                          AND kind = 'sampled'
                      WINDOW samples AS (PARTITION BY transaction_trace ORDER BY number))
                  WHERE place % 2 = 0 AND later IS NOT NULL)",
            ),
            (EvictedFor::Samples, "kind = 'sampled'"),
            (EvictedFor::ClockAligned, "kind = 'aligned'"),
        ];
        for (reason, which) in deletions {
            let sql = format!("DELETE FROM deliveries WHERE {WAITING} AND {which}");
            evicted.add(lane.backoffice, reason, lane.execute(&sql)?);
            if self.has_room(lane)? {
                return Ok(());
            }
        }
        // Complete transactions, the oldest first; what belongs to none; and, should a lane hold
        // nothing else, transactions that are not complete.
        let units = [
            "SELECT transaction_trace FROM deliveries start WHERE charger = ?1 AND backoffice = ?2
                 AND parked IS NULL AND kind = 'start' AND EXISTS
                     (SELECT 1 FROM deliveries stop INDEXED BY deliveries_transaction WHERE stop.charger = ?1 AND stop.backoffice = ?2
                          AND stop.transaction_trace = start.transaction_trace
                          AND stop.parked IS NULL AND stop.kind = 'stop')
             ORDER BY number",
            "SELECT DISTINCT NULL FROM deliveries WHERE charger = ?1 AND backoffice = ?2
                 AND parked IS NULL AND transaction_trace IS NULL",
            "SELECT transaction_trace FROM deliveries WHERE charger = ?1 AND backoffice = ?2
                 AND parked IS NULL GROUP BY transaction_trace ORDER BY min(number)",
        ];
        for sql in units {
            for unit in lane.traces(sql)? {
                evicted.add(lane.backoffice, EvictedFor::ParkedLaneFull, lane.park_unit(unit.as_deref())?);
                if self.has_room(lane)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Some more than that it fits, so that the next message does not begin anew.
    fn has_room(self, lane: &Lane<'_>) -> rusqlite::Result<bool> {
        let held = lane.waiting()?;
        Ok(held.messages <= self.messages - self.messages / SPARE
            && held.bytes <= self.bytes - self.bytes / SPARE)
    }

    fn drop_parked(self, lane: &Lane<'_>, evicted: &mut Evicted) -> rusqlite::Result<()> {
        // Counted from the newest; what lies beyond the bounds goes.
        let sql = "DELETE FROM deliveries WHERE charger = ?1 AND backoffice = ?2 AND parked IS NOT NULL
                       AND number IN (SELECT number FROM
                           (SELECT number, row_number() OVER newest AS place, sum(bytes) OVER newest AS size
                            FROM deliveries WHERE charger = ?1 AND backoffice = ?2 AND parked IS NOT NULL
                            WINDOW newest AS (ORDER BY number DESC))
                        WHERE place > ?3 OR size > ?4)";
        let (messages, bytes) = (self.parked - self.parked / SPARE, self.bytes - self.bytes / SPARE);
        let dropped = lane.connection.prepare_cached(sql)?.execute(params![
            lane.charger,
            lane.backoffice,
            sql_number(messages),
            sql_number(bytes)
        ])?;
        evicted.add(lane.backoffice, EvictedFor::ParkedOverflow, dropped as u64);
        Ok(())
    }

    /// Takes what waited for too long out of some lanes, inside the transaction that is open; says
    /// whether there may be more. Samples are dropped, the rest is parked: transactions as a whole,
    /// once nothing of them is young.
    pub(crate) fn expire(
        self,
        connection: &Connection,
        now_unix_ms: i64,
        evicted: &mut Evicted,
    ) -> rusqlite::Result<bool> {
        let cutoff = now_unix_ms.saturating_sub(self.age_ms);
        let lanes = aged_lanes(connection, cutoff)?;
        for (charger, backoffice) in &lanes {
            let lane = Lane { connection, charger, backoffice };
            let sql = format!(
                "DELETE FROM deliveries WHERE {WAITING} AND queued_unix_ms < ?3 AND kind IN ('sampled', 'aligned')"
            );
            let dropped = connection.prepare_cached(&sql)?.execute(params![charger, backoffice, cutoff])?;
            evicted.add(backoffice, EvictedFor::TooOld, dropped as u64);
            let sql = format!(
                "UPDATE deliveries SET parked = '{TOO_OLD}' WHERE {WAITING} AND queued_unix_ms < ?3
                     AND NOT EXISTS (SELECT 1 FROM deliveries young INDEXED BY deliveries_transaction WHERE young.charger = ?1
                         AND young.backoffice = ?2 AND young.parked IS NULL AND young.queued_unix_ms >= ?3
                         AND young.transaction_trace = deliveries.transaction_trace)"
            );
            let parked = connection.prepare_cached(&sql)?.execute(params![charger, backoffice, cutoff])?;
            evicted.add(backoffice, EvictedFor::ParkedTooOld, parked as u64);
            self.enforce(lane.connection, charger, backoffice, evicted)?;
        }
        Ok(lanes.len() as i64 >= STEP_LANES)
    }
}

/// Lanes in which something that may go waited for too long.
fn aged_lanes(connection: &Connection, cutoff_unix_ms: i64) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT DISTINCT charger, backoffice FROM deliveries old
               WHERE parked IS NULL AND queued_unix_ms < ?1
                   AND backoffice IN (SELECT DISTINCT backoffice FROM lanes WHERE waiting > 0)
                   AND (kind IN ('sampled', 'aligned') OR NOT EXISTS
                       (SELECT 1 FROM deliveries young INDEXED BY deliveries_transaction WHERE young.charger = old.charger
                            AND young.backoffice = old.backoffice AND young.parked IS NULL
                            AND young.queued_unix_ms >= ?1
                            AND young.transaction_trace = old.transaction_trace))
               LIMIT ?2";
    connection
        .prepare_cached(sql)?
        .query_map([cutoff_unix_ms, STEP_LANES], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

impl Lane<'_> {
    fn waiting(&self) -> rusqlite::Result<Held> {
        self.held("SELECT waiting, waiting_bytes FROM lanes WHERE charger = ?1 AND backoffice = ?2")
    }

    fn parked(&self) -> rusqlite::Result<Held> {
        self.held("SELECT parked, parked_bytes FROM lanes WHERE charger = ?1 AND backoffice = ?2")
    }

    fn held(&self, sql: &str) -> rusqlite::Result<Held> {
        self.connection.prepare_cached(sql)?.query_row([self.charger, self.backoffice], |row| {
            Ok(Held { messages: number(row.get(0)?), bytes: number(row.get(1)?) })
        })
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<u64> {
        Ok(self.connection.prepare_cached(sql)?.execute([self.charger, self.backoffice])? as u64)
    }

    fn traces(&self, sql: &str) -> rusqlite::Result<Vec<Option<String>>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_map([self.charger, self.backoffice], |row| row.get(0))?.collect()
    }

    /// Parks a transaction as a whole, or everything that belongs to none.
    fn park_unit(&self, trace: Option<&str>) -> rusqlite::Result<u64> {
        let of_trace = if trace.is_some() { "transaction_trace = ?3" } else { "transaction_trace IS ?3" };
        let sql = format!("UPDATE deliveries SET parked = '{LANE_FULL}' WHERE {WAITING} AND {of_trace}");
        let parked =
            self.connection.prepare_cached(&sql)?.execute(params![self.charger, self.backoffice, trace])?;
        Ok(parked as u64)
    }
}
