//! Short lists about one charger.

use engine::ChargerId;
use rusqlite::Connection;

use crate::{ListedLane, LoggedOccurrence, StoreError};

pub(super) fn occurrences(
    _connection: &Connection,
    _charger: &ChargerId,
    _since_unix_ms: Option<i64>,
    _until_unix_ms: Option<i64>,
    _limit: usize,
) -> Result<Vec<LoggedOccurrence>, StoreError> {
    Ok(Vec::new())
}

pub(super) fn lanes(_connection: &Connection, _charger: &ChargerId) -> Result<Vec<ListedLane>, StoreError> {
    Ok(Vec::new())
}
