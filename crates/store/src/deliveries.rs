//! Deliveries: what backoffices must still be told, and how it stands in the file (semantics §2.8).

pub(crate) mod bounds;
mod giving_way;
pub(crate) mod list;
pub(crate) mod orders;

use engine::{BackofficeId, ChargerId, Delivery, Lane, TraceId, limits};
use rusqlite::{Connection, OptionalExtension, Row, params};

use self::bounds::{Bounds, Evicted};
use crate::StoreError;
use crate::json::Tape;

/// The columns that [`read`] reads.
pub(crate) const COLUMNS: &str =
    "backoffice, number, trace, action, payload, transaction_trace, queued_unix_ms, attempts, parked";

/// The waiting deliveries of one transaction, for a lane that is named before: the index that says who gives way has
/// them, kind by kind.
macro_rules! of_transaction {
    ($trace:literal) => {
        concat!(
            "deliveries.parked IS NULL AND deliveries.kind IN ('start', 'stop', 'sampled', 'aligned', 'other')
             AND coalesce(deliveries.transaction_trace, '') = ",
            $trace
        )
    };
}
pub(crate) use of_transaction;

/// Adds a delivery, or brings one up to date that is still there: its attempts and whether it is
/// parked; nothing else of it ever changes. One that is gone stays gone: it was
/// told, or it gave way, or an operator dropped it.
pub(crate) fn write(
    connection: &Connection,
    charger: &ChargerId,
    delivery: &Delivery,
    bounds: Bounds,
    evicted: &mut Evicted,
) -> rusqlite::Result<()> {
    let (charger, backoffice) = (charger.as_str(), delivery.backoffice.as_str());
    let number = sql_number(delivery.number);
    // No number is used twice: a number above the last is a new delivery.
    let sql = "INSERT INTO lanes (charger, backoffice, last_number) VALUES (?1, ?2, ?3)
               ON CONFLICT (charger, backoffice) DO UPDATE SET last_number = excluded.last_number
                   WHERE excluded.last_number > last_number";
    let is_new = connection.prepare_cached(sql)?.execute(params![charger, backoffice, number])? > 0;
    if is_new {
        let sql = "INSERT INTO deliveries (charger, backoffice, number, kind, trace, transaction_trace,
                       queued_unix_ms, attempts, parked, bytes, action, payload)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        connection.prepare_cached(sql)?.execute(params![
            charger,
            backoffice,
            number,
            kind(&delivery.action, &delivery.payload),
            delivery.trace.to_string(),
            delivery.transaction.map(|trace| trace.to_string()),
            delivery.queued_unix_ms,
            delivery.attempts,
            delivery.parked,
            sql_number((delivery.payload.len() + delivery.action.len()) as u64),
            delivery.action,
            delivery.payload,
        ])?;
    } else {
        let sql = "UPDATE deliveries SET attempts = ?4, parked = ?5
                   WHERE charger = ?1 AND backoffice = ?2 AND number = ?3";
        connection.prepare_cached(sql)?.execute(params![
            charger,
            backoffice,
            number,
            delivery.attempts,
            delivery.parked
        ])?;
    }
    if is_new || delivery.parked.is_some() {
        bounds.enforce(connection, charger, backoffice, evicted)?;
    }
    Ok(())
}

/// Forgets a delivery that was told.
pub(crate) fn delivered(
    connection: &Connection,
    charger: &ChargerId,
    backoffice: &BackofficeId,
    number: u64,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM deliveries WHERE charger = ?1 AND backoffice = ?2 AND number = ?3";
    connection
        .prepare_cached(sql)?
        .execute(params![charger.as_str(), backoffice.as_str(), sql_number(number)])
        .map(drop)
}

/// Every lane of a charger with its first deliveries, inside the snapshot that is open.
pub(crate) fn lanes(connection: &Connection, charger: &ChargerId) -> Result<Vec<Lane>, StoreError> {
    let sql = "SELECT backoffice, last_number, waiting FROM lanes WHERE charger = ?1 ORDER BY backoffice";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([charger.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut lanes = Vec::new();
    for row in rows {
        let (backoffice, last_number, waiting) = row?;
        let backoffice = BackofficeId::from(backoffice.as_str());
        let first = next(connection, charger, &backoffice, 0)?;
        lanes.push(Lane { backoffice, last_number: number(last_number), waiting: number(waiting), first });
    }
    Ok(lanes)
}

/// How many deliveries of a lane wait, parked ones left out.
pub(crate) fn waiting(
    connection: &Connection,
    charger: &ChargerId,
    backoffice: &BackofficeId,
) -> Result<u64, StoreError> {
    let sql = "SELECT waiting FROM lanes WHERE charger = ?1 AND backoffice = ?2";
    let of_lane = [charger.as_str(), backoffice.as_str()];
    let waiting = connection.prepare_cached(sql)?.query_row(of_lane, |row| row.get(0)).optional()?;
    Ok(number(waiting.unwrap_or(0)))
}

/// The next deliveries of a lane, parked ones left out.
pub(crate) fn next(
    connection: &Connection,
    charger: &ChargerId,
    backoffice: &BackofficeId,
    after: u64,
) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM deliveries WHERE charger = ?1 AND backoffice = ?2 AND number > ?3
             AND parked IS NULL ORDER BY number LIMIT {}",
        limits::LANE_WINDOW
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows =
        statement.query_map(params![charger.as_str(), backoffice.as_str(), sql_number(after)], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Reads the [`COLUMNS`].
pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        backoffice: row.get::<_, String>("backoffice")?.as_str().into(),
        number: number(row.get("number")?),
        trace: trace(row.get("trace")?),
        action: row.get("action")?,
        payload: row.get("payload")?,
        transaction: row.get::<_, Option<String>>("transaction_trace")?.map(trace),
        queued_unix_ms: row.get("queued_unix_ms")?,
        attempts: row.get("attempts")?,
        parked: row.get("parked")?,
    })
}

/// That a backoffice is told matters more than what the message is linked with, should somebody have
/// changed the file.
fn trace(text: String) -> TraceId {
    TraceId::try_from(text).unwrap_or_else(|error| {
        tracing::error!(%error, "the trace of a remembered delivery cannot be understood");
        TraceId::try_from("0".repeat(26)).expect("26 zeros are a ULID")
    })
}

/// Who gives way first when a lane is full.
fn kind(action: &str, payload: &str) -> &'static str {
    match action {
        "StartTransaction" => "start",
        "StopTransaction" => "stop",
        "MeterValues" if is_clock_aligned(payload) => "aligned",
        "MeterValues" => "sampled",
        _ => "other",
    }
}

/// Whether any sample was taken because of the clock (OCPP 1.6 §7.33).
fn is_clock_aligned(payload: &str) -> bool {
    if !payload.contains("Sample.Clock") {
        return false;
    }
    let Some(tape) = Tape::read(payload) else { return false };
    (0..tape.len()).any(|at| {
        tape.name(at).as_deref() == Some("context") && tape.text(at).as_deref() == Some("Sample.Clock")
    })
}

/// SQLite's integers have a sign; no number here comes near it.
pub(crate) fn sql_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back; a counter is never below zero.
pub(crate) fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
