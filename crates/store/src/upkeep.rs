//! Retention, in small steps between the writes.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::counters::{Attempt, Counters};
use crate::deliveries::bounds::{self, Bounds, Evicted};
use crate::deliveries::of_transaction;
use crate::room::Room;
use crate::{Settings, StoreError};

/// Upkeep starts this often.
const EVERY: Duration = Duration::from_secs(10);
/// Rows looked at in one step.
const STEP_ROWS: i64 = 500;
/// Free pages given back to the file system in one step.
const STEP_PAGES: i64 = 256;
/// Free pages the file may keep: they will be needed again soon.
const SPARE_PAGES: i64 = 64;

/// When to look after the file, and what is to be done.
pub(crate) struct Upkeep {
    due: Instant,
    bounds: Bounds,
    room: Arc<Room>,
}

impl Upkeep {
    pub(crate) fn new(due: Instant, bounds: Bounds, room: Arc<Room>) -> Self {
        Self { due, bounds, room }
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Does a little. What is left is due at once, so that a record never waits for more than this.
    pub(crate) fn step(&mut self, connection: &mut Connection, settings: &Settings, counters: &Counters) {
        match self.step_once(connection, settings, counters) {
            Ok(true) => self.due = Instant::now(),
            Ok(false) => self.due = Instant::now() + EVERY,
            Err(error) => {
                counters.failed(Attempt::Upkeep);
                tracing::warn!(%error, "what is too old cannot be deleted from the store");
                self.due = Instant::now() + EVERY;
            }
        }
    }

    /// Does all there is to do.
    pub(crate) fn everything(
        &mut self,
        connection: &mut Connection,
        settings: &Settings,
        counters: &Counters,
    ) -> Result<(), StoreError> {
        while self
            .step_once(connection, settings, counters)
            .inspect_err(|_| counters.failed(Attempt::Upkeep))?
        {}
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        self.due = Instant::now() + EVERY;
        Ok(())
    }

    /// Says whether there is more to do.
    fn step_once(
        &self,
        connection: &mut Connection,
        settings: &Settings,
        counters: &Counters,
    ) -> Result<bool, StoreError> {
        let now = unix_ms();
        let aged = self.look_after_deliveries(connection, settings, now, counters)?;
        let expired = delete_expired(connection, now.saturating_sub(millis(settings.keep_log_for)))?;
        let forgotten = forget(connection, now.saturating_sub(millis(settings.keep_transactions_for)))?;
        let scarce = self.room.is_scarce(connection)?;
        let is_too_large = scarce || used_bytes(connection)? > settings.keep_log_bytes;
        let shed = if is_too_large { delete_oldest(connection)? } else { 0 };
        counters.expired(expired + shed);
        // What others could take from the disk is better kept for records.
        let returned = !scarce && return_pages(connection)?;
        Ok(aged || expired > 0 || forgotten > 0 || shed > 0 || returned)
    }

    /// Takes deliveries that waited for too long, or are too many, out of their lanes; says whether there
    /// may be more of them.
    fn look_after_deliveries(
        &self,
        connection: &mut Connection,
        settings: &Settings,
        now_unix_ms: i64,
        counters: &Counters,
    ) -> Result<bool, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut evicted = Evicted::default();
        let is_old = self.bounds.expire(&transaction, now_unix_ms, &mut evicted)?;
        let is_large = bounds::shed(&transaction, settings.keep_deliveries_bytes, &mut evicted)?;
        transaction.commit()?;
        counters.evicted(evicted);
        Ok(is_old || is_large)
    }
}

/// Deletes some of the rows received before `cutoff_unix_ms`.
fn delete_expired(connection: &mut Connection, cutoff_unix_ms: i64) -> Result<u64, StoreError> {
    const CALLS: &str = "FROM calls WHERE received_unix_ms < ?1 ORDER BY received_unix_ms LIMIT ?2";
    let due: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM calls WHERE received_unix_ms < ?1)
                 OR EXISTS (SELECT 1 FROM occurrences WHERE unix_ms < ?1)",
        )?
        .query_row([cutoff_unix_ms], |row| row.get(0))?;
    if !due {
        return Ok(0);
    }
    let transaction = connection.transaction()?;
    let mut rows = 0;
    for sql in [
        &format!("DELETE FROM answers WHERE trace IN (SELECT trace {CALLS})"),
        &format!("DELETE FROM calls WHERE seq IN (SELECT seq {CALLS})"),
        "DELETE FROM occurrences WHERE seq IN
             (SELECT seq FROM occurrences WHERE unix_ms < ?1 ORDER BY unix_ms LIMIT ?2)",
    ] {
        rows += transaction.prepare_cached(sql)?.execute(params![cutoff_unix_ms, STEP_ROWS])? as u64;
    }
    // Answers whose call was dropped go when all calls of their time are gone.
    let sql = "DELETE FROM answers WHERE seq < (SELECT min(seq) FROM calls)
               AND NOT EXISTS (SELECT 1 FROM calls WHERE calls.trace = answers.trace)";
    rows += transaction.prepare_cached(sql)?.execute([])? as u64;
    transaction.commit()?;
    Ok(rows)
}

/// Deletes the oldest rows of the log, however old they are.
fn delete_oldest(connection: &mut Connection) -> Result<u64, StoreError> {
    let sql = "SELECT max(seq) FROM (SELECT seq FROM calls UNION ALL SELECT seq FROM answers
                                     UNION ALL SELECT seq FROM occurrences ORDER BY seq LIMIT ?1)";
    let last: Option<i64> =
        connection.prepare_cached(sql)?.query_row([STEP_ROWS], |row| row.get(0)).optional()?.flatten();
    last.map_or(Ok(0), |last| delete_up_to(connection, last))
}

fn delete_up_to(connection: &mut Connection, last: i64) -> Result<u64, StoreError> {
    let transaction = connection.transaction()?;
    let mut rows = 0;
    for sql in [
        "DELETE FROM answers WHERE trace IN (SELECT trace FROM calls WHERE seq <= ?1)",
        "DELETE FROM answers WHERE seq <= ?1",
        "DELETE FROM calls WHERE seq <= ?1",
        "DELETE FROM occurrences WHERE seq <= ?1",
    ] {
        rows += transaction.prepare_cached(sql)?.execute([last])? as u64;
    }
    transaction.commit()?;
    Ok(rows)
}

/// Forgets transactions closed before `cutoff_unix_ms`, unless a backoffice must still be told of them.
fn forget(connection: &mut Connection, cutoff_unix_ms: i64) -> Result<u64, StoreError> {
    const OLDEST: &str = concat!(
        "SELECT rowid FROM transactions WHERE closed_unix_ms < ?1
         AND NOT EXISTS (SELECT 1 FROM lanes JOIN deliveries INDEXED BY deliveries_giving_way
                 USING (charger, backoffice)
             WHERE lanes.charger = transactions.charger AND ",
        of_transaction!("transactions.trace"),
        ")
         AND NOT EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_parked_of_transaction
             WHERE deliveries.charger = transactions.charger AND parked IS NOT NULL
                 AND deliveries.transaction_trace = transactions.trace)
         ORDER BY closed_unix_ms LIMIT ?2"
    );
    let due = connection
        .prepare_cached(OLDEST)?
        .query_row(params![cutoff_unix_ms, 1], |row| row.get::<_, i64>(0))
        .optional()?;
    if due.is_none() {
        return Ok(0);
    }
    let transaction = connection.transaction()?;
    transaction
        .prepare_cached(&format!(
            "DELETE FROM transaction_numbers WHERE (charger, trace) IN
                 (SELECT charger, trace FROM transactions WHERE rowid IN ({OLDEST}))"
        ))?
        .execute(params![cutoff_unix_ms, STEP_ROWS])?;
    let forgotten = transaction
        .prepare_cached(&format!("DELETE FROM transactions WHERE rowid IN ({OLDEST})"))?
        .execute(params![cutoff_unix_ms, STEP_ROWS])?;
    transaction.commit()?;
    Ok(forgotten as u64)
}

/// Bytes in use, without the pages that are free.
fn used_bytes(connection: &Connection) -> Result<u64, StoreError> {
    let pages = pragma(connection, "page_count")? - pragma(connection, "freelist_count")?;
    Ok(u64::try_from(pages * pragma(connection, "page_size")?).unwrap_or(0))
}

/// Shrinks the file by some of its free pages; says whether more are free than may stay.
fn return_pages(connection: &Connection) -> Result<bool, StoreError> {
    let free = pragma(connection, "freelist_count")?;
    if free <= SPARE_PAGES {
        return Ok(false);
    }
    let pages = (free - SPARE_PAGES).min(STEP_PAGES);
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    // Each row that is asked for frees one page.
    let mut freed = statement.query([])?;
    while freed.next()?.is_some() {}
    // A file that cannot shrink is not tried for ever.
    Ok(pragma(connection, "freelist_count")? < free)
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}
