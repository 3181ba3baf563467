//! Short lists about one charger.

use engine::ChargerId;
use rusqlite::Connection;

use super::PAGE;
use crate::deliveries::list::{self, Which};
use crate::log::query::Query;
use crate::{ListedLane, LoggedOccurrence, StoreError};

/// Names of messages listed of one charger. OCPP 1.6 has 38; whoever invents more than this is not listed.
const ACTIONS: i64 = 200;

/// See [`super::Browser::occurrences`].
pub(super) fn occurrences(
    connection: &Connection,
    charger: &ChargerId,
    since_unix_ms: Option<i64>,
    until_unix_ms: Option<i64>,
    limit: usize,
) -> Result<Vec<LoggedOccurrence>, StoreError> {
    let mut query = Query::new();
    query.and("o.charger = ", charger.as_str().to_owned().into());
    query.and("o.unix_ms >= ", since_unix_ms.unwrap_or(i64::MIN).into());
    query.and("o.unix_ms <= ", until_unix_ms.unwrap_or(i64::MAX).into());
    query.occurrences(connection, "ORDER BY o.unix_ms DESC, o.seq DESC", limit.clamp(1, PAGE))
}

/// See [`super::Browser::actions`].
pub(super) fn actions(connection: &Connection, charger: &ChargerId) -> Result<Vec<String>, StoreError> {
    // Walks the index from one name to the next instead of reading every row.
    let sql = "WITH RECURSIVE known(action) AS (
            SELECT min(action) FROM calls INDEXED BY calls_action WHERE charger = ?1
            UNION ALL
            SELECT (SELECT min(action) FROM calls INDEXED BY calls_action
                    WHERE charger = ?1 AND action > known.action)
                FROM known WHERE known.action IS NOT NULL)
        SELECT action FROM known WHERE action IS NOT NULL LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let names = statement.query_map((charger.as_str(), ACTIONS), |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// See [`super::Browser::lanes`].
pub(super) fn lanes(connection: &Connection, charger: &ChargerId) -> Result<Vec<ListedLane>, StoreError> {
    list::lanes(connection, &Which { charger: Some(charger.clone()), ..Which::default() })
}
