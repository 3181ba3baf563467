//! Deliveries: what backoffices must still be told, and how it stands in the file (semantics §2.8).

pub(crate) mod bounds;
mod giving_way;
pub(crate) mod list;
pub(crate) mod orders;

use engine::{BackofficeId, ChargerId, Delivery, Lane, TraceId, limits};
use rusqlite::{Connection, OptionalExtension, Row, params};

use self::bounds::{Bounds, Evicted};
use self::giving_way::Held;
use crate::StoreError;
use crate::json::Tape;

/// What one message takes in the column `told` of a lane.
const HASH_BYTES: usize = size_of::<u64>();

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
    let bytes = (delivery.payload.len() + delivery.action.len()) as u64;
    let told = delivery.recognised.map_or(Vec::new(), |hash| hash.to_be_bytes().to_vec());
    // No number is used twice: a number above the last is a new delivery. No bytes at all are NULL to `substr`.
    let sql = "INSERT INTO lanes (charger, backoffice, last_number, told) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (charger, backoffice) DO UPDATE SET last_number = excluded.last_number,
                       told = coalesce(substr(CAST(told || excluded.told AS BLOB), -?5), x'')
                   WHERE excluded.last_number > last_number
               RETURNING waiting, waiting_bytes, parked, parked_bytes";
    let values = params![charger, backoffice, number, told, (HASH_BYTES * limits::TOLD_REMEMBERED) as i64];
    let before: Option<[Held; 2]> = connection
        .prepare_cached(sql)?
        .query_row(values, |row| Ok([Held::read(row, 0)?, Held::read(row, 2)?]))
        .optional()?;
    if before.is_some() {
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
            sql_number(bytes),
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
    let is_within = match before {
        Some([waiting, parked]) => bounds.admit(waiting.and(bytes), parked),
        None => delivery.parked.is_none(),
    };
    if is_within { Ok(()) } else { bounds.enforce(connection, charger, backoffice, evicted) }
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
