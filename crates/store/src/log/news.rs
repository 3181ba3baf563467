//! What was written after a place in the log.

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::entry::{News, NewsItem};
use super::query::{Query, bounded};
use super::table::{ANSWER_COLUMNS, answer, answers, trace};
use crate::StoreError;

/// The end of the log.
pub(crate) fn last(connection: &Connection) -> rusqlite::Result<i64> {
    let last = connection.query_row("SELECT last FROM sequence", [], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(0))
}

/// What was written after `cursor`; occurrences too, if it is said which.
pub(crate) fn since(
    connection: &Connection,
    calls: &Query,
    occurrences: Option<&Query>,
    cursor: i64,
    limit: usize,
) -> Result<News, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let limit = bounded(limit);
    let mut query = calls.clone();
    query.and("c.seq > ", cursor.into());
    let new_calls = query.calls(&snapshot, "calls c", "ORDER BY c.seq", limit)?;

    let mut query = calls.clone();
    query.and("a.seq > ", cursor.into());
    query.and("c.seq <= ", cursor.into());
    let sql = format!(
        "SELECT {ANSWER_COLUMNS}, c.trace, c.action, c.received_unix_ms
         FROM answers a CROSS JOIN calls c ON c.trace = a.trace
         WHERE {} ORDER BY a.seq LIMIT {limit}",
        query.conditions
    );
    let mut statement = snapshot.prepare_cached(&sql)?;
    let late = statement.query_map(params_from_iter(&query.values), |row| {
        Ok(NewsItem::LateAnswer {
            answer: Box::new(answer(row)?),
            trace: trace(row, 14)?,
            action: row.get(15)?,
            received_unix_ms: row.get(16)?,
        })
    })?;
    let late = late.collect::<Result<Vec<_>, _>>()?;
    drop(statement);

    let mut new_occurrences = Vec::new();
    if let Some(occurrences) = occurrences {
        let mut query = occurrences.clone();
        query.and("o.seq > ", cursor.into());
        new_occurrences = query.occurrences(&snapshot, "ORDER BY o.seq", limit)?;
    }

    // When a limit cut something off, go on from there.
    let end_of_calls = new_calls.last().filter(|_| new_calls.len() == limit).map(|call| call.seq);
    let end_of_late = late.last().filter(|_| late.len() == limit).map(NewsItem::seq);
    let end_of_occurrences =
        new_occurrences.last().filter(|_| new_occurrences.len() == limit).map(|one| one.seq);
    let ends = [end_of_calls, end_of_late, end_of_occurrences].into_iter().flatten();
    let cursor = match ends.min() {
        Some(end) => end,
        None => last(&snapshot)?.max(cursor),
    };
    let mut items = late;
    for mut call in new_calls.into_iter().filter(|call| call.seq <= cursor) {
        call.answers = answers(&snapshot, call.trace, cursor)?;
        items.push(NewsItem::Call(Box::new(call)));
    }
    items.extend(new_occurrences.into_iter().map(|one| NewsItem::Occurrence { occurrence: Box::new(one) }));
    items.retain(|item| item.seq() <= cursor);
    items.sort_by_key(NewsItem::seq);
    Ok(News { items, cursor })
}
