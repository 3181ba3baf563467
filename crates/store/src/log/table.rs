//! From rows of the tables to entries of the log.

use engine::{BackofficeId, ChargerId, Side, TraceId};
use rusqlite::{Connection, Row};

use super::entry::{LoggedAnswer, LoggedCall, LoggedOccurrence};
use crate::StoreError;

pub(crate) fn call(row: &Row<'_>) -> rusqlite::Result<LoggedCall> {
    let caller: String = row.get(3)?;
    let flags: String = row.get(15)?;
    Ok(LoggedCall {
        seq: row.get(0)?,
        trace: trace(row, 1)?,
        charger: ChargerId::from(row.get::<_, String>(2)?.as_str()),
        from: match caller.as_str() {
            "" => Side::Charger,
            backoffice => Side::Backoffice(backoffice.into()),
        },
        action: row.get(4)?,
        received_unix_ms: row.get(5)?,
        payload: row.get(6)?,
        outcome: row.get(7)?,
        answer: row.get(8)?,
        error_code: row.get(9)?,
        error_description: row.get(10)?,
        decider: row.get(11)?,
        decided_by: row.get(12)?,
        latency_us: row.get(13)?,
        leader: BackofficeId::from(row.get::<_, String>(14)?.as_str()),
        flags: flags.split_whitespace().map(str::to_owned).collect(),
        redacted: row.get(16)?,
        id_tag: row.get(17)?,
        transaction_number: row.get(18)?,
        connector_id: row.get(19)?,
        status: row.get(20)?,
        answers: Vec::new(),
    })
}

pub(crate) const ANSWER_COLUMNS: &str =
    "a.seq, a.backoffice, a.led, a.outcome, a.same, a.answer, a.error_code,
    a.error_description, a.latency_us, a.verdict, a.differences, a.redacted, a.transaction_number, a.status";

pub(crate) fn answers(
    connection: &Connection,
    trace: TraceId,
    until: i64,
) -> Result<Vec<LoggedAnswer>, StoreError> {
    let sql = format!(
        "SELECT {ANSWER_COLUMNS} FROM answers a WHERE a.trace = ?1 AND a.seq <= ?2 ORDER BY a.led DESC, a.seq"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let answers = statement.query_map((trace.to_string(), until), answer)?;
    Ok(answers.collect::<Result<_, _>>()?)
}

pub(crate) fn answer(row: &Row<'_>) -> rusqlite::Result<LoggedAnswer> {
    let differences: Option<String> = row.get(10)?;
    Ok(LoggedAnswer {
        seq: row.get(0)?,
        backoffice: BackofficeId::from(row.get::<_, String>(1)?.as_str()),
        led: row.get(2)?,
        outcome: row.get(3)?,
        same: row.get(4)?,
        payload: row.get(5)?,
        error_code: row.get(6)?,
        error_description: row.get(7)?,
        latency_us: row.get(8)?,
        verdict: row.get(9)?,
        differences: differences.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
        redacted: row.get(11)?,
        transaction_number: row.get(12)?,
        status: row.get(13)?,
    })
}

pub(crate) fn trace(row: &Row<'_>, column: usize) -> rusqlite::Result<TraceId> {
    TraceId::try_from(row.get::<_, String>(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            format!("{error:?}").into(),
        )
    })
}

pub(crate) fn occurrence(row: &Row<'_>) -> rusqlite::Result<LoggedOccurrence> {
    Ok(LoggedOccurrence {
        seq: row.get(0)?,
        charger: ChargerId::from(row.get::<_, String>(1)?.as_str()),
        unix_ms: row.get(2)?,
        kind: row.get(3)?,
        who: row.get(4)?,
        detail: row.get(5)?,
    })
}
