//! Deliveries: what backoffices must still be told, and how it stands in the file (semantics §2.8).

pub(crate) mod arrivals;
pub(crate) mod bounds;
mod giving_way;
pub(crate) mod lane;
pub(crate) mod list;
pub(crate) mod orders;

use engine::{BackofficeId, ChargerId, Delivery, Lane, TraceId, limits};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::StoreError;
use crate::json::Tape;

/// The columns that [`read`] reads.
pub(crate) const COLUMNS: &str =
    "backoffice, number, trace, action, payload, transaction_trace, queued_unix_ms, attempts, parked";

/// The waiting deliveries of one transaction, for a lane that is named before, without its samples: the index that says
/// who gives way has them, kind by kind. As long as a sample waits, so does the stop behind it, unless it still runs.
macro_rules! of_transaction {
    ($trace:literal) => {
        concat!(
            "deliveries.parked IS NULL AND deliveries.kind IN ('start', 'stop', 'aligned', 'other')
             AND deliveries.kind <> 'sampled'
             AND coalesce(deliveries.transaction_trace, '') = ",
            $trace
        )
    };
}
pub(crate) use of_transaction;

/// Every lane of a charger with its first deliveries, inside the snapshot that is open.
pub(crate) fn lanes(connection: &Connection, charger: &ChargerId) -> Result<Vec<Lane>, StoreError> {
    let sql =
        "SELECT backoffice, last_number, waiting, told FROM lanes WHERE charger = ?1 ORDER BY backoffice";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([charger.as_str()], |row| {
        Ok(Lane {
            backoffice: row.get::<_, String>(0)?.as_str().into(),
            last_number: number(row.get(1)?),
            waiting: number(row.get(2)?),
            told: hashes(&row.get::<_, Vec<u8>>(3)?),
            first: Vec::new(),
        })
    })?;
    let mut lanes: Vec<Lane> = rows.collect::<rusqlite::Result<_>>()?;
    for lane in &mut lanes {
        lane.first = next(connection, charger, &lane.backoffice, 0)?;
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
        recognised: None,
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
fn kind(delivery: &Delivery) -> &'static str {
    match delivery.action.as_str() {
        "StartTransaction" => "start",
        "StopTransaction" => "stop",
        "MeterValues" if is_clock_aligned(&delivery.payload) => "aligned",
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

/// What stands in the column `told`.
fn hashes(told: &[u8]) -> Vec<u64> {
    told.as_chunks().0.iter().map(|hash| u64::from_be_bytes(*hash)).collect()
}

/// SQLite's integers have a sign; no number here comes near it.
pub(crate) fn sql_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back; a counter is never below zero.
pub(crate) fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
