//! Chargers as a list shows them.

use engine::{ChargerId, TraceId};
use rusqlite::Connection;
use serde::Serialize;

use super::Page;
use crate::StoreError;

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
    /// Calls of the last 24 hours that a follower answered differently than the leader.
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

pub(super) fn page(
    _connection: &Connection,
    _query: &ChargersQuery,
) -> Result<Page<ChargerSummary, ChargerId>, StoreError> {
    Ok(Page { items: Vec::new(), next: None })
}

pub(super) fn one(
    _connection: &Connection,
    _charger: &ChargerId,
) -> Result<Option<ChargerSummary>, StoreError> {
    Ok(None)
}
