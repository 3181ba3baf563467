//! Bounds of the lanes: who gives way when a backoffice is away for too long (semantics §2.8).
//!
//! Samples go first, since a session is billed without them. A session that does not fit any more is
//! parked as a whole, never its StartTransaction or its StopTransaction alone, so that an operator can
//! still have it told. Nothing here looks at more than a bounded number of rows at a time; a lane may
//! be somewhat beyond its bounds until it has been looked through.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::giving_way::{Fate, Held, Lane};
use super::{number, of_transaction, sql_number};
use crate::Limits;

/// Why a parked delivery is, when its lane was full.
const LANE_FULL: &str = "lane_full";
/// Why a parked delivery is, when it waited for too long.
const TOO_OLD: &str = "too_old";

/// Rows of a full lane that are looked at for one new delivery.
const LOOKED_AT: u64 = 512;
/// Samples of a full lane go in parts of it this small, …
const PART: u64 = 16;
/// … but no more than so many at a time.
const LARGEST_PART: u64 = 256;
/// Rows of lanes that one step of upkeep looks after.
const STEP_ROWS: u64 = 500;
/// Transactions, and messages of none, that one step of upkeep parks for their age.
const STEP_UNITS: u64 = 100;
/// Looking for the largest lane of all costs as much as so many rows, …
const SEARCH_ROWS: u64 = 50;
/// … so that about so many messages go of it at a time.
const AT_A_TIME: u64 = 64;
/// The largest lanes, among which a complete transaction is looked for when all are too large together.
const LARGEST_LANES: u64 = 32;

/// Why a delivery had to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EvictedFor {
    SamplesThinned,
    Samples,
    ClockAligned,
    ParkedLaneFull,
    ParkedTooOld,
    ParkedOverflow,
    StoreFull,
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
            EvictedFor::StoreFull => "store_full",
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

impl Bounds {
    /// Nothing is too much.
    pub(super) const NONE: Self =
        Self { messages: u64::MAX, bytes: u64::MAX, age_ms: i64::MAX, parked: u64::MAX };

    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            messages: limits.lane_messages,
            bytes: limits.lane_bytes,
            age_ms: i64::try_from(limits.lane_age.as_millis()).unwrap_or(i64::MAX),
            parked: limits.parked_messages,
        }
    }

    /// Brings one lane to which so many deliveries came back within its bounds or nearer to them, inside the transaction
    /// that is open.
    pub(super) fn enforce(
        self,
        connection: &Connection,
        charger: &str,
        backoffice: &str,
        deliveries: u64,
        evicted: &mut Evicted,
    ) -> rusqlite::Result<()> {
        let lane = Lane { connection, charger, backoffice };
        let enough = LOOKED_AT * deliveries;
        let mut looked_at = 0;
        while looked_at < enough && self.is_too_much(lane.waiting()?, self.messages) {
            match self.give_way(&lane, evicted)? {
                0 => break,
                rows => looked_at += rows,
            }
        }
        looked_at = 0;
        while looked_at < enough && self.is_too_much(lane.parked()?, self.parked) {
            let dropped = lane.drop_parked()?;
            evicted.add(backoffice, EvictedFor::ParkedOverflow, dropped);
            match dropped {
                0 => break,
                rows => looked_at += rows,
            }
        }
        Ok(())
    }

    /// Whether a lane that holds this is within its bounds.
    pub(super) fn admit(self, waiting: Held, parked: Held) -> bool {
        !self.is_too_much(waiting, self.messages) && !self.is_too_much(parked, self.parked)
    }

    fn is_too_much(self, held: Held, messages: u64) -> bool {
        held.messages > messages || held.bytes > self.bytes
    }

    /// The next to go. Returns about how many rows were looked at; 0 when nothing is left.
    fn give_way(self, lane: &Lane<'_>, evicted: &mut Evicted) -> rusqlite::Result<u64> {
        let looked_at = lane.shed_values((self.messages / PART).clamp(1, LARGEST_PART), evicted)?;
        if looked_at > 0 {
            return Ok(looked_at);
        }
        // Complete transactions, the oldest first; what belongs to none; and, should a lane hold
        // nothing else, transactions that are not complete.
        let fate = Fate::Parked(LANE_FULL);
        let mut parked = lane.shed_complete(fate)?;
        if parked == 0 {
            parked = lane.shed_unattached(fate)?;
        }
        if parked == 0 {
            parked = lane.shed_oldest(fate)?;
        }
        evicted.add(lane.backoffice, EvictedFor::ParkedLaneFull, parked);
        Ok(parked)
    }

    /// Takes some of what waited for too long out of the lanes, inside the transaction that is open; says
    /// whether there may be more. Samples are dropped, the rest is parked: transactions as a whole,
    /// once nothing of them is young.
    pub(crate) fn expire(
        self,
        connection: &Connection,
        now_unix_ms: i64,
        evicted: &mut Evicted,
    ) -> rusqlite::Result<bool> {
        let cutoff = now_unix_ms.saturating_sub(self.age_ms);
        let mut is_more = false;
        for backoffice in awaited(connection)? {
            let sql = "DELETE FROM deliveries WHERE place IN
                           (SELECT place FROM deliveries INDEXED BY deliveries_age
                            WHERE backoffice = ?1 AND parked IS NULL AND queued_unix_ms < ?2
                                AND kind IN ('sampled', 'aligned') LIMIT ?3)";
            let values = params![backoffice, cutoff, sql_number(STEP_ROWS)];
            let dropped = connection.prepare_cached(sql)?.execute(values)? as u64;
            evicted.add(&backoffice, EvictedFor::TooOld, dropped);
            if dropped == STEP_ROWS {
                is_more = true;
                continue;
            }
            // No value is left that is as old as they are.
            let aged = aged_units(connection, &backoffice, cutoff)?;
            is_more |= aged.len() as u64 == STEP_UNITS;
            let mut chargers = BTreeSet::new();
            for (charger, number, trace) in aged {
                let lane = Lane { connection, charger: &charger, backoffice: &backoffice };
                let parked = match trace {
                    Some(trace) => lane.shed_transaction(&trace, Fate::Parked(TOO_OLD))?,
                    None => lane.shed_number(number, Fate::Parked(TOO_OLD))?,
                };
                evicted.add(&backoffice, EvictedFor::ParkedTooOld, parked);
                chargers.insert(charger);
            }
            for charger in chargers {
                self.enforce(connection, &charger, &backoffice, 1, evicted)?;
            }
        }
        Ok(is_more)
    }
}

/// Makes all lanes together smaller while they hold more than these bytes, the largest lane first: the same
/// give way as in one lane, but nothing is parked, for that would not make room. Transactions that are not
/// complete stay, whatever they take. Does some of it; says whether there may be more.
pub(crate) fn shed(connection: &Connection, bytes: u64, evicted: &mut Evicted) -> rusqlite::Result<bool> {
    let held = "SELECT coalesce(sum(waiting_bytes + parked_bytes), 0) FROM lanes";
    let mut looked_at = 0;
    while looked_at < STEP_ROWS {
        let held: i64 = connection.prepare_cached(held)?.query_row([], |row| row.get(0))?;
        if number(held) <= bytes {
            return Ok(false);
        }
        match shed_some(connection, evicted)? {
            0 => return Ok(false),
            rows => looked_at += SEARCH_ROWS + rows,
        }
    }
    Ok(true)
}

/// Returns about how many rows were looked at; 0 when nothing is left that may go.
fn shed_some(connection: &Connection, evicted: &mut Evicted) -> rusqlite::Result<u64> {
    for holds_values in [
        "samples > 0",
        "waiting > 0 AND EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_giving_way
             WHERE deliveries.charger = lanes.charger AND deliveries.backoffice = lanes.backoffice
                 AND deliveries.parked IS NULL AND deliveries.kind = 'aligned' AND deliveries.kind <> 'sampled')",
    ] {
        let sql = format!(
            "SELECT charger, backoffice FROM lanes WHERE {holds_values} ORDER BY waiting_bytes DESC LIMIT 1"
        );
        if let Some((charger, backoffice)) =
            connection.prepare_cached(&sql)?.query_row([], lane_of).optional()?
        {
            let lane = Lane { connection, charger: &charger, backoffice: &backoffice };
            return lane.shed_values(LARGEST_PART, evicted);
        }
    }
    // What an operator has not looked at for longest.
    let sql = "SELECT charger, backoffice FROM lanes WHERE parked > 0 ORDER BY parked_bytes DESC LIMIT 1";
    if let Some((charger, backoffice)) = connection.prepare_cached(sql)?.query_row([], lane_of).optional()? {
        let lane = Lane { connection, charger: &charger, backoffice: &backoffice };
        let dropped = some_of(|| lane.drop_parked())?;
        evicted.add(&backoffice, EvictedFor::ParkedOverflow, dropped);
        return Ok(dropped);
    }
    let sql = "SELECT charger, backoffice FROM lanes WHERE waiting > 0 ORDER BY waiting_bytes DESC LIMIT ?1";
    let largest: Vec<(String, String)> = connection
        .prepare_cached(sql)?
        .query_map([sql_number(LARGEST_LANES)], lane_of)?
        .collect::<rusqlite::Result<_>>()?;
    for shed in [Lane::shed_complete, Lane::shed_unattached] {
        for (charger, backoffice) in &largest {
            let lane = Lane { connection, charger, backoffice };
            let dropped = some_of(|| shed(&lane, Fate::Dropped))?;
            evicted.add(backoffice, EvictedFor::StoreFull, dropped);
            if dropped > 0 {
                return Ok(dropped);
            }
        }
    }
    Ok(0)
}

/// Lets go until that is enough for now, or nothing is left.
fn some_of(mut shed: impl FnMut() -> rusqlite::Result<u64>) -> rusqlite::Result<u64> {
    let mut dropped = 0;
    while dropped < AT_A_TIME {
        match shed()? {
            0 => break,
            messages => dropped += messages,
        }
    }
    Ok(dropped)
}

fn lane_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// Backoffices for which anything waits.
fn awaited(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT backoffice FROM lanes WHERE waiting > 0";
    connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// Some messages that waited for too long with all of their transaction that waits: whose, their numbers,
/// their transactions.
fn aged_units(
    connection: &Connection,
    backoffice: &str,
    cutoff_unix_ms: i64,
) -> rusqlite::Result<Vec<(String, i64, Option<String>)>> {
    let sql = concat!(
        "SELECT charger, number, transaction_trace FROM deliveries old INDEXED BY deliveries_age
         WHERE backoffice = ?1 AND parked IS NULL AND queued_unix_ms < ?2
             AND kind NOT IN ('sampled', 'aligned') AND (transaction_trace IS NULL OR NOT EXISTS
                 (SELECT 1 FROM deliveries INDEXED BY deliveries_giving_way
                  WHERE charger = old.charger AND backoffice = old.backoffice AND queued_unix_ms >= ?2 AND ",
        of_transaction!("old.transaction_trace"),
        // Samples are young by now; those of a transaction that is over stand before its stop.
        ") AND (EXISTS (SELECT 1 FROM transactions WHERE charger = old.charger AND trace = old.transaction_trace
                     AND closed_unix_ms < ?2)
                 OR NOT EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_in_order
                     WHERE charger = old.charger AND backoffice = old.backoffice AND parked IS NULL
                         AND kind = 'sampled' AND transaction_trace = old.transaction_trace)))
         LIMIT ?3"
    );
    connection
        .prepare_cached(sql)?
        .query_map(params![backoffice, cutoff_unix_ms, sql_number(STEP_UNITS)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect()
}
