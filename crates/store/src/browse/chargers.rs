//! Chargers as a list shows them.

use engine::{ChargerId, TraceId};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;

use super::transactions::understood;
use super::{PAGE, Page, lists};
use crate::StoreError;
use crate::deliveries::number;
use crate::json::Tape;
use crate::log::eras;
use crate::log::query::Query;
use crate::roster::{self, text};
use crate::upkeep::unix_ms;

/// Which chargers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChargersQuery {
    /// Terms separated by spaces, all of which must occur in the identity, the vendor or the model; capitals
    /// and small letters are equal.
    pub search: String,
    /// Those after this one: the `next` of the page before.
    pub after: Option<ChargerId>,
    /// So many at most.
    pub limit: usize,
}

/// What is remembered of a charger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChargerSummary {
    /// Its identity, as it was spelled first.
    pub charger: ChargerId,
    /// `chargePointVendor` of its last BootNotification.
    pub vendor: Option<String>,
    /// `chargePointModel` of that.
    pub model: Option<String>,
    /// `firmwareVersion` of that.
    pub firmware: Option<String>,
    /// When it last came, left or had a call; UTC, milliseconds since 1970.
    pub last_seen_unix_ms: Option<i64>,
    /// What it last told of its connectors, in the order of their numbers; 0 is the charger itself.
    pub connectors: Vec<Connector>,
    /// Its transactions that are not closed, the oldest first.
    pub running: Vec<RunningTransaction>,
    /// Deliveries that wait, of all backoffices.
    pub waiting: u64,
    /// Deliveries that are parked: an operator must look at them.
    pub parked: u64,
    /// Since when the oldest delivery waits; UTC, milliseconds since 1970.
    pub oldest_waiting_unix_ms: Option<i64>,
    /// Calls of the last 24 hours on which a follower decided differently than the leader.
    pub diverging_24h: u64,
}

/// What a charger told of one connector (StatusNotification, OCPP 1.6 §6.47).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connector {
    /// Its number.
    pub id: i64,
    /// `status`.
    pub status: String,
    /// `errorCode`.
    pub error_code: Option<String>,
    /// `timestamp`, as the charger wrote it.
    pub since: Option<String>,
}

/// A transaction that is not closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunningTransaction {
    /// Of its StartTransaction.
    pub trace: TraceId,
    /// The connector.
    pub connector_id: i64,
    /// The card.
    pub id_tag: String,
    /// The number that the charger uses.
    pub charger_number: Option<i64>,
    /// The charger's timestamp, untouched.
    pub started_at: String,
    /// When the StartTransaction was received; UTC, milliseconds since 1970.
    pub received_unix_ms: i64,
}

/// Longer texts of a charger are cut.
const TEXT_CHARS: usize = 255;
/// Transactions of one charger that are listed with it.
const RUNNING: usize = 64;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// See [`super::Browser::chargers`].
pub(super) fn page(
    connection: &Connection,
    query: &ChargersQuery,
) -> Result<Page<ChargerSummary, ChargerId>, StoreError> {
    // One snapshot for all questions.
    let snapshot = connection.unchecked_transaction()?;
    let limit = query.limit.clamp(1, PAGE);
    let mut found = Query::new();
    let after = query.after.as_ref().map_or("", ChargerId::as_str);
    found.and("charger > ", after.to_owned().into());
    found.and_text_in(&["charger", "vendor", "model"], &query.search);
    let sql = format!("{COLUMNS} WHERE {} ORDER BY charger LIMIT {}", found.conditions, limit + 1);
    let mut statement = snapshot.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&found.values), read)?;
    let mut items: Vec<ChargerSummary> = rows.collect::<rusqlite::Result<_>>()?;
    let mut next = None;
    if items.len() > limit {
        items.truncate(limit);
        next = items.last().map(|last| last.charger.clone());
    }
    for item in &mut items {
        complete(&snapshot, item)?;
    }
    Ok(Page { items, next })
}

/// See [`super::Browser::charger`].
pub(super) fn one(
    connection: &Connection,
    charger: &ChargerId,
) -> Result<Option<ChargerSummary>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let sql = format!("{COLUMNS} WHERE charger = ?1");
    let found = snapshot.prepare_cached(&sql)?.query_row([charger.as_str()], read).optional()?;
    let Some(mut summary) = found else { return Ok(None) };
    complete(&snapshot, &mut summary)?;
    Ok(Some(summary))
}

const COLUMNS: &str = "SELECT charger, vendor, model, firmware, last_seen_unix_ms FROM chargers";

fn read(row: &Row<'_>) -> rusqlite::Result<ChargerSummary> {
    Ok(ChargerSummary {
        charger: row.get::<_, String>(0)?.as_str().into(),
        vendor: row.get(1)?,
        model: row.get(2)?,
        firmware: row.get(3)?,
        last_seen_unix_ms: row.get(4)?,
        connectors: Vec::new(),
        running: Vec::new(),
        waiting: 0,
        parked: 0,
        oldest_waiting_unix_ms: None,
        diverging_24h: 0,
    })
}

/// Adds what other tables say: a few steps down an index for each.
fn complete(connection: &Connection, summary: &mut ChargerSummary) -> Result<(), StoreError> {
    let charger = summary.charger.as_str();
    if let Some(seen) = summary.last_seen_unix_ms {
        let sql = format!(
            "SELECT max(received_unix_ms) FROM calls INDEXED BY calls_time WHERE {} = ?1 AND charger = ?2",
            eras::OF_A_CALL
        );
        let mut statement = connection.prepare_cached(&sql)?;
        for era in eras::of(seen)..=eras::of(seen.saturating_add(roster::BEHIND_MS)) {
            let called: Option<i64> = statement.query_row(params![era, charger], |row| row.get(0))?;
            summary.last_seen_unix_ms = summary.last_seen_unix_ms.max(called);
        }
    }

    let sql = "SELECT count(*) FROM calls INDEXED BY calls_differing
               WHERE charger = ?1 AND differs = 1 AND received_unix_ms > ?2";
    let values = params![charger, unix_ms() - DAY_MS];
    summary.diverging_24h = number(connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?);

    for lane in lists::lanes(connection, &summary.charger)? {
        summary.waiting += lane.waiting;
        summary.parked += lane.parked;
        let oldest = [summary.oldest_waiting_unix_ms, lane.oldest_unix_ms];
        summary.oldest_waiting_unix_ms = oldest.into_iter().flatten().min();
    }
    summary.connectors = connectors(connection, charger)?;
    summary.running = running(connection, charger)?;
    Ok(())
}

/// The facts `"state/1"` and so on hold the StatusNotification of each connector as it was sent.
fn connectors(connection: &Connection, charger: &str) -> Result<Vec<Connector>, StoreError> {
    // '0' follows '/' in ASCII.
    let sql = "SELECT key, body FROM facts WHERE charger = ?1 AND key > 'state/' AND key < 'state0'";
    let mut statement = connection.prepare_cached(sql)?;
    let facts =
        statement.query_map([charger], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut connectors = Vec::new();
    for fact in facts {
        let (key, body) = fact?;
        let id = key.trim_start_matches("state/").parse();
        let (Ok(id), Some(tape)) = (id, Tape::read(&body)) else { continue };
        let Some(status) = text(&tape, "status", TEXT_CHARS) else { continue };
        let error_code = text(&tape, "errorCode", TEXT_CHARS);
        connectors.push(Connector { id, status, error_code, since: text(&tape, "timestamp", TEXT_CHARS) });
    }
    connectors.sort_by_key(|connector| connector.id);
    Ok(connectors)
}

fn running(connection: &Connection, charger: &str) -> Result<Vec<RunningTransaction>, StoreError> {
    let sql = "SELECT body FROM transactions INDEXED BY transactions_open
               WHERE charger = ?1 AND closed_unix_ms IS NULL ORDER BY received_unix_ms LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let bodies = statement.query_map(params![charger, RUNNING as i64], |row| row.get::<_, String>(0))?;
    let mut running = Vec::new();
    for body in bodies {
        let Some(row) = understood(&body?) else { continue };
        running.push(RunningTransaction {
            trace: row.trace,
            connector_id: row.connector_id,
            id_tag: row.id_tag,
            charger_number: row.charger_number.map(|number| number.0),
            started_at: row.started_at,
            received_unix_ms: row.received_unix_ms,
        });
    }
    Ok(running)
}
