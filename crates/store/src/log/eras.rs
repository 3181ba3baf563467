//! Which eras of the log hold calls: the indexes that begin with a charger are cut into eras of time.

use rusqlite::{Connection, params_from_iter};

use super::query::Query;
use crate::StoreError;

/// An era is as many milliseconds as fit into so many bits: not quite five hours.
const BITS: u32 = 24;

/// The era of a call, in the words of the schema: SQLite knows the index by them.
pub(crate) const OF_A_CALL: &str = "received_unix_ms >> 24";

/// The era of this moment.
pub(crate) fn of(unix_ms: i64) -> i64 {
    unix_ms >> BITS
}

/// The last moment before this era.
pub(crate) fn end_of_the_one_before(era: i64) -> i64 {
    (era << BITS).saturating_sub(1)
}

/// The eras in which any call was received between these moments (both included), the newest first, as a common table
/// expression `eras`: as many steps down an index as there are such eras, however far apart they are.
pub(crate) fn between(query: &mut Query, since_unix_ms: i64, until_unix_ms: i64) -> String {
    let until = query.bind(until_unix_ms.into());
    let first = query.bind(of(since_unix_ms).into());
    format!(
        "WITH RECURSIVE eras(era) AS (
             SELECT max(received_unix_ms) >> {BITS} FROM calls INDEXED BY calls_age WHERE received_unix_ms <= {until}
             UNION ALL
             SELECT (SELECT max(received_unix_ms) >> {BITS} FROM calls INDEXED BY calls_age
                     WHERE received_unix_ms < eras.era << {BITS})
                 FROM eras WHERE eras.era > {first})"
    )
}

/// The eras in which there are calls as these conditions say, between these moments, the newest first; at most `limit`.
pub(crate) fn holding(
    connection: &Connection,
    source: &str,
    conditions: &Query,
    (since_unix_ms, until_unix_ms): (i64, i64),
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let mut query = conditions.clone();
    let eras = between(&mut query, since_unix_ms, until_unix_ms);
    let limit = query.bind(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let sql = format!(
        "{eras} SELECT eras.era FROM eras
         WHERE EXISTS (SELECT 1 FROM {source} WHERE {OF_A_CALL} = eras.era AND {}) LIMIT {limit}",
        query.conditions
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let eras = statement.query_map(params_from_iter(&query.values), |row| row.get(0))?;
    Ok(eras.collect::<Result<_, _>>()?)
}
