//! Short lists about one charger.

use std::collections::BTreeMap;

use engine::ChargerId;
use rusqlite::Connection;

use super::PAGE;
use crate::deliveries::list::{self, Which};
use crate::log::eras;
use crate::log::query::Query;
use crate::{ListedLane, LoggedOccurrence, StoreError};

/// Names of messages listed of one charger. OCPP 1.6 has 38; whoever invents more than this is not listed.
const ACTIONS: usize = 200;
/// Eras whose messages are listed: the newest in which the charger said anything, some 78 days if it never is silent.
const ERAS: usize = 400;

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
    let snapshot = connection.unchecked_transaction()?;
    let mut of = Query::new();
    of.and("c.charger = ", charger.as_str().to_owned().into());
    let eras = eras::holding(&snapshot, "calls c INDEXED BY calls_time", &of, (i64::MIN, i64::MAX), ERAS)?;
    // Walks the index from one name to the next instead of reading every row.
    let era = eras::OF_A_CALL;
    let sql = format!(
        "WITH RECURSIVE known(action) AS (
            SELECT min(action) FROM calls INDEXED BY calls_action WHERE {era} = ?1 AND charger = ?2
            UNION ALL
            SELECT (SELECT min(action) FROM calls INDEXED BY calls_action
                    WHERE {era} = ?1 AND charger = ?2 AND action > known.action)
                FROM known WHERE known.action IS NOT NULL)
        SELECT action FROM known WHERE action IS NOT NULL LIMIT ?3"
    );
    let mut statement = snapshot.prepare_cached(&sql)?;
    let mut known = BTreeMap::new();
    for era in eras {
        let names = statement.query_map((era, charger.as_str(), ACTIONS as i64), |row| row.get(0))?;
        for name in names {
            let name: String = name?;
            // As it was spelled first.
            known.insert(name.to_ascii_lowercase(), name);
        }
        if known.len() >= ACTIONS {
            break;
        }
    }
    Ok(known.into_values().take(ACTIONS).collect())
}

/// See [`super::Browser::lanes`].
pub(super) fn lanes(connection: &Connection, charger: &ChargerId) -> Result<Vec<ListedLane>, StoreError> {
    list::lanes(connection, &Which { charger: Some(charger.clone()), ..Which::default() })
}
