//! Reading the message log, also from another program while the proxy writes it.

use std::path::{Path, PathBuf};

use engine::{BackofficeId, ChargerId, Side, TraceId};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde::{Serialize, Serializer};

use crate::database::{self, Files};
pub use crate::rows::LoggedDifference;
use crate::{OpenError, StoreError};

/// Terms of a search beyond these are ignored.
const TERMS: usize = 16;

/// What to look for. Conditions are joined by "and".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Whose log.
    pub charger: ChargerId,
    /// Exactly this action, in any case; for occurrences, the kind.
    pub action: Option<String>,
    /// Terms separated by spaces, all of which must occur: as a part of the action, the idTag, the
    /// status, a payload, an answer or a backoffice's name; as any party's transaction number; or as
    /// a trace.
    pub search: Option<String>,
    /// Received at this time or later; UTC, milliseconds since 1970.
    pub since_unix_ms: Option<i64>,
    /// Written after this place, see [`LogReader::cursor`].
    pub after: Option<i64>,
    /// So many rows at most.
    pub limit: usize,
    /// `true`: the newest rows, newest first. `false`: the oldest rows, oldest first.
    pub newest_first: bool,
}

impl Filter {
    /// The newest 100 rows of a charger.
    pub fn of(charger: ChargerId) -> Self {
        Self {
            charger,
            action: None,
            search: None,
            since_unix_ms: None,
            after: None,
            limit: 100,
            newest_first: true,
        }
    }
}

/// A call, the answer its originator got, and what every backoffice answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedCall {
    /// Its place in the log, see [`LogReader::cursor`].
    pub seq: i64,
    /// Links everything that came of the call.
    pub trace: TraceId,
    /// The charger.
    pub charger: ChargerId,
    /// Who called: `"charger"` or a backoffice.
    #[serde(serialize_with = "as_text")]
    pub from: Side,
    /// The action.
    pub action: String,
    /// When it was received; UTC, milliseconds since 1970.
    pub received_unix_ms: i64,
    /// The payload, byte for byte except what is redacted.
    pub payload: String,
    /// `"result"`, `"error"`, or why there is no answer.
    pub outcome: String,
    /// The payload of the answer that the originator got.
    pub answer: Option<String>,
    /// The code of the error that it got.
    pub error_code: Option<String>,
    /// The description of that error.
    pub error_description: Option<String>,
    /// Whose answer it was: `"leader"`, `"charger"`, `"proxy"` or `"nobody"`.
    pub decider: String,
    /// The backoffice, or the rule by which the proxy answered.
    pub decided_by: Option<String>,
    /// From receipt to answer, in microseconds.
    pub latency_us: i64,
    /// Who led at that time.
    pub leader: BackofficeId,
    /// Remarks with stable names.
    pub flags: Vec<String>,
    /// Something secret was taken out of the payload or the answer.
    pub redacted: bool,
    /// The card.
    pub id_tag: Option<String>,
    /// The transaction, by the number that the caller uses.
    pub transaction_number: Option<i64>,
    /// The connector.
    pub connector_id: Option<i64>,
    /// What was decided or reported.
    pub status: Option<String>,
    /// What the backoffices answered so far, the leader first.
    pub answers: Vec<LoggedAnswer>,
}

/// What one backoffice answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedAnswer {
    /// Its place in the log.
    pub seq: i64,
    /// Who answered.
    pub backoffice: BackofficeId,
    /// Whether it led when it was asked.
    pub led: bool,
    /// `"result"`, `"error"`, or why there is no answer.
    pub outcome: String,
    /// The payload is equal to the leader's (the leader's own: to what the originator got) and is not
    /// repeated.
    pub same: bool,
    /// The payload, unless there is none or it is the same.
    pub payload: Option<String>,
    /// The code of its error.
    pub error_code: Option<String>,
    /// The description of its error.
    pub error_description: Option<String>,
    /// From asking it to its answer, in microseconds.
    pub latency_us: i64,
    /// How it compares with the leader's (semantics §3.8).
    pub verdict: String,
    /// Where it differs.
    pub differences: Vec<LoggedDifference>,
    /// Something secret was taken out.
    pub redacted: bool,
    /// The transaction number it issued.
    pub transaction_number: Option<i64>,
    /// What it decided.
    pub status: Option<String>,
}

/// Something that happened to a charger or one of its links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedOccurrence {
    /// Its place in the log.
    pub seq: i64,
    /// The charger.
    pub charger: ChargerId,
    /// When; UTC, milliseconds since 1970.
    pub unix_ms: i64,
    /// A stable name.
    pub kind: String,
    /// Whom it happened to.
    pub who: String,
    /// More of it, for a person.
    pub detail: String,
}

/// What came since a place in the log, see [`LogReader::news`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct News {
    /// In the order of writing.
    pub items: Vec<NewsItem>,
    /// Where to go on.
    pub cursor: i64,
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NewsItem {
    /// A call, with the answers that are known by now.
    Call(Box<LoggedCall>),
    /// An answer to a call that was news before.
    LateAnswer {
        /// Which call.
        trace: TraceId,
        /// Its action.
        action: String,
        /// When the call was received; UTC, milliseconds since 1970.
        received_unix_ms: i64,
        /// The answer.
        answer: Box<LoggedAnswer>,
    },
}

impl NewsItem {
    fn seq(&self) -> i64 {
        match self {
            NewsItem::Call(call) => call.seq,
            NewsItem::LateAnswer { answer, .. } => answer.seq,
        }
    }
}

fn as_text<S: Serializer>(side: &Side, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(side)
}

/// Reads the message log. Blocking: keep it off the threads that serve sockets.
#[derive(Debug)]
pub struct LogReader {
    connection: Connection,
    files: Files,
}

impl LogReader {
    /// Opens the file that a proxy writes, has written, or both.
    ///
    /// # Errors
    /// Says what is wrong with the file and what would do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path: PathBuf = path.to_owned();
        Ok(Self { connection: database::open_for_reading(&path)?, files: Files::new(&path) })
    }

    /// Calls, each with the answers of all backoffices.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn calls(&self, filter: &Filter) -> Result<Vec<LoggedCall>, StoreError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let mut query = Query::of_calls(filter, "c.charger");
        if let Some(after) = filter.after {
            query.and("c.seq > ", after.into());
        }
        let order = if filter.newest_first { "DESC" } else { "ASC" };
        let tail = format!("ORDER BY c.received_unix_ms {order}, c.seq {order}");
        let mut calls = query.calls(&snapshot, &tail, filter.limit)?;
        for call in &mut calls {
            call.answers = answers(&snapshot, call.trace, i64::MAX)?;
        }
        Ok(calls)
    }

    /// Occurrences.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn occurrences(&self, filter: &Filter) -> Result<Vec<LoggedOccurrence>, StoreError> {
        let query = Query::of_occurrences(filter);
        let order = if filter.newest_first { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT o.seq, o.charger, o.unix_ms, o.kind, o.who, o.detail FROM occurrences o
             WHERE {} ORDER BY o.unix_ms {order}, o.seq {order} LIMIT {}",
            query.conditions,
            bounded(filter.limit)
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(&query.values), |row| {
            Ok(LoggedOccurrence {
                seq: row.get(0)?,
                charger: ChargerId::from(row.get::<_, String>(1)?.as_str()),
                unix_ms: row.get(2)?,
                kind: row.get(3)?,
                who: row.get(4)?,
                detail: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The end of the log: the place of the row written last. Places only grow, and whoever sees one
    /// sees all before it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn cursor(&self) -> Result<i64, StoreError> {
        Ok(last(&self.connection)?)
    }

    /// What was written after the place `cursor` and passes the filter, for following the log. An
    /// answer is news of its own only when its call was news before; a call carries the answers that
    /// came earlier. `filter.after` and `filter.newest_first` are not used.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let filter = store::Filter::of("CP1".into());
    /// let log = store::LogReader::open("ocpp-proxy.db".as_ref())?;
    /// let mut cursor = log.cursor()?;
    /// loop {
    ///     let news = log.news(&filter, cursor)?;
    ///     cursor = news.cursor;
    ///     // print news.items; wait a moment if there were none
    /// #   break;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn news(&self, filter: &Filter, cursor: i64) -> Result<News, StoreError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let limit = bounded(filter.limit);
        // The plus keeps SQLite from walking the charger's whole log: what is new is at its end.
        let mut query = Query::of_calls(filter, "+c.charger");
        query.and("c.seq > ", cursor.into());
        let calls = query.calls(&snapshot, "ORDER BY c.seq", limit)?;

        let mut query = Query::of_calls(filter, "+c.charger");
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

        // When a limit cut something off, go on from there.
        let end_of_calls = calls.last().filter(|_| calls.len() == limit).map(|call| call.seq);
        let end_of_late = late.last().filter(|_| late.len() == limit).map(NewsItem::seq);
        let cursor = match (end_of_calls, end_of_late) {
            (Some(calls), Some(late)) => calls.min(late),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => last(&snapshot)?.max(cursor),
        };
        let mut items = late;
        for mut call in calls.into_iter().filter(|call| call.seq <= cursor) {
            call.answers = answers(&snapshot, call.trace, cursor)?;
            items.push(NewsItem::Call(Box::new(call)));
        }
        items.retain(|item| item.seq() <= cursor);
        items.sort_by_key(NewsItem::seq);
        Ok(News { items, cursor })
    }

    /// Bytes of the file and its write-ahead log.
    pub fn size_bytes(&self) -> u64 {
        self.files.size_bytes()
    }
}

/// Conditions and their values.
struct Query {
    conditions: String,
    values: Vec<Value>,
}

impl Query {
    fn new(column: &str, charger: &ChargerId) -> Self {
        Self { conditions: format!("{column} = ?1"), values: vec![charger.as_str().to_owned().into()] }
    }

    fn of_calls(filter: &Filter, charger_column: &str) -> Self {
        let mut query = Self::new(charger_column, &filter.charger);
        if let Some(since) = filter.since_unix_ms {
            query.and("c.received_unix_ms >= ", since.into());
        }
        if let Some(action) = &filter.action {
            query.and("c.action = ", action.clone().into());
        }
        for term in terms(filter) {
            let like = query.bind(pattern(term));
            let exact = query.bind(term.to_owned().into());
            let mut any = format!("c.trace = {exact}");
            for column in
                ["action", "id_tag", "status", "error_code", "error_description", "payload", "answer"]
            {
                any.push_str(&format!(" OR c.{column} LIKE {like} ESCAPE '\\'"));
            }
            any.push_str(" OR EXISTS (SELECT 1 FROM answers s WHERE s.trace = c.trace AND (FALSE");
            for column in ["backoffice", "status", "error_code", "error_description", "answer"] {
                any.push_str(&format!(" OR s.{column} LIKE {like} ESCAPE '\\'"));
            }
            any.push_str("))");
            if let Ok(number) = term.parse::<i64>() {
                let number = query.bind(number.into());
                // Everybody's number of a transaction finds every call that belongs to it, also
                // calls that name it by another party's number.
                any.push_str(&format!(
                    " OR c.transaction_number = {number} OR EXISTS (
                        SELECT 1 FROM answers s WHERE s.trace = c.trace AND s.transaction_number = {number})
                      OR EXISTS (
                        SELECT 1 FROM transaction_numbers n JOIN transaction_numbers o
                            ON o.charger = n.charger AND o.trace = n.trace
                        WHERE n.charger = c.charger AND n.number = {number}
                        AND (o.trace = c.trace OR (o.party = c.caller AND o.number = c.transaction_number)))"
                ));
            }
            query.conditions.push_str(&format!(" AND ({any})"));
        }
        query
    }

    fn of_occurrences(filter: &Filter) -> Self {
        let mut query = Self::new("o.charger", &filter.charger);
        if let Some(since) = filter.since_unix_ms {
            query.and("o.unix_ms >= ", since.into());
        }
        if let Some(after) = filter.after {
            query.and("o.seq > ", after.into());
        }
        if let Some(kind) = &filter.action {
            query.and("o.kind = ", kind.clone().into());
        }
        for term in terms(filter) {
            let like = query.bind(pattern(term));
            query.conditions.push_str(&format!(
                " AND (o.kind LIKE {like} ESCAPE '\\' OR o.who LIKE {like} ESCAPE '\\'
                       OR o.detail LIKE {like} ESCAPE '\\')"
            ));
        }
        query
    }

    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    fn and(&mut self, condition: &str, value: Value) {
        let place = self.bind(value);
        self.conditions.push_str(&format!(" AND {condition}{place}"));
    }

    fn calls(
        &self,
        connection: &Connection,
        tail: &str,
        limit: usize,
    ) -> Result<Vec<LoggedCall>, StoreError> {
        let sql = format!(
            "SELECT c.seq, c.trace, c.charger, c.caller, c.action, c.received_unix_ms, c.payload, c.outcome,
                 c.answer, c.error_code, c.error_description, c.decider, c.decided_by, c.latency_us,
                 c.leader, c.flags, c.redacted, c.id_tag, c.transaction_number, c.connector_id, c.status
             FROM calls c WHERE {} {tail} LIMIT {}",
            self.conditions,
            bounded(limit)
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let calls = statement.query_map(params_from_iter(&self.values), call)?;
        Ok(calls.collect::<Result<_, _>>()?)
    }
}

fn call(row: &Row<'_>) -> rusqlite::Result<LoggedCall> {
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

const ANSWER_COLUMNS: &str = "a.seq, a.backoffice, a.led, a.outcome, a.same, a.answer, a.error_code,
    a.error_description, a.latency_us, a.verdict, a.differences, a.redacted, a.transaction_number, a.status";

fn answers(connection: &Connection, trace: TraceId, until: i64) -> Result<Vec<LoggedAnswer>, StoreError> {
    let sql = format!(
        "SELECT {ANSWER_COLUMNS} FROM answers a WHERE a.trace = ?1 AND a.seq <= ?2 ORDER BY a.led DESC, a.seq"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let answers = statement.query_map((trace.to_string(), until), answer)?;
    Ok(answers.collect::<Result<_, _>>()?)
}

fn answer(row: &Row<'_>) -> rusqlite::Result<LoggedAnswer> {
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

fn trace(row: &Row<'_>, column: usize) -> rusqlite::Result<TraceId> {
    TraceId::try_from(row.get::<_, String>(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            format!("{error:?}").into(),
        )
    })
}

fn last(connection: &Connection) -> rusqlite::Result<i64> {
    let last = connection.query_row("SELECT last FROM sequence", [], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(0))
}

fn terms(filter: &Filter) -> impl Iterator<Item = &str> {
    filter.search.iter().flat_map(|search| search.split_whitespace()).take(TERMS)
}

/// "Contains this text", with nothing in it that has a meaning of its own.
fn pattern(term: &str) -> Value {
    let mut pattern = String::from("%");
    for character in term.chars().take(1024) {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern.into()
}

fn bounded(limit: usize) -> usize {
    limit.clamp(1, 1_000_000)
}
