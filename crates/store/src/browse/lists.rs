//! Short lists about one charger.

use engine::ChargerId;
use rusqlite::Connection;

use super::PAGE;
use crate::deliveries::list::{self, Which};
use crate::log::query::Query;
use crate::{ListedLane, LoggedOccurrence, StoreError};

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

/// See [`super::Browser::lanes`].
pub(super) fn lanes(connection: &Connection, charger: &ChargerId) -> Result<Vec<ListedLane>, StoreError> {
    list::lanes(connection, &Which { charger: Some(charger.clone()), ..Which::default() })
}
