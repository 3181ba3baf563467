//! What is looked for, as SQL. Whatever a person typed is bound, never pasted in.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Filter;
use super::entry::{LoggedCall, LoggedOccurrence};
use super::table::{call, occurrence};
use crate::StoreError;

/// Terms of a search beyond these are ignored.
const TERMS: usize = 16;

/// Conditions and their values.
#[derive(Clone)]
pub(crate) struct Query {
    pub(crate) conditions: String,
    pub(crate) values: Vec<Value>,
}

impl Query {
    /// Everything, until conditions are added.
    pub(crate) fn new() -> Self {
        Self { conditions: "TRUE".to_owned(), values: Vec::new() }
    }

    /// What an index knows of the calls.
    pub(super) fn of_index(filter: &Filter, charger_column: &str) -> Self {
        let mut query = Self::new();
        query.and(&format!("{charger_column} = "), filter.charger.as_str().to_owned().into());
        if let Some(since) = filter.since_unix_ms {
            query.and("c.received_unix_ms >= ", since.into());
        }
        if let Some(action) = &filter.action {
            query.and("c.action = ", action.clone().into());
        }
        query
    }

    pub(super) fn of_calls(filter: &Filter, charger_column: &str) -> Self {
        let mut query = Self::of_index(filter, charger_column);
        query.and_text_in_calls(filter.search.as_deref().unwrap_or_default(), false);
        query
    }

    /// All terms of the text occur in the call, its answers or its transaction; where cards are hidden, only where
    /// no card's number stands.
    pub(crate) fn and_text_in_calls(&mut self, text: &str, hides_cards: bool) {
        let (of_call, of_answer): (&[&str], &[&str]) = if hides_cards {
            (&["action", "status", "error_code"], &["backoffice", "status", "error_code"])
        } else {
            (
                &["action", "id_tag", "status", "error_code", "error_description", "payload", "answer"],
                &["backoffice", "status", "error_code", "error_description", "answer"],
            )
        };
        for term in terms(text) {
            let like = self.bind(pattern(term));
            let exact = self.bind(term.to_owned().into());
            let mut any = format!("c.trace = {exact}");
            for column in of_call {
                any.push_str(&format!(" OR c.{column} LIKE {like} ESCAPE '\\'"));
            }
            any.push_str(" OR EXISTS (SELECT 1 FROM answers s WHERE s.trace = c.trace AND (FALSE");
            for column in of_answer {
                any.push_str(&format!(" OR s.{column} LIKE {like} ESCAPE '\\'"));
            }
            any.push_str("))");
            if let Ok(number) = term.parse::<i64>() {
                let number = self.bind(number.into());
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
            self.conditions.push_str(&format!(" AND ({any})"));
        }
    }

    pub(super) fn of_occurrences(filter: &Filter, charger_column: &str) -> Self {
        let mut query = Self::new();
        query.and(&format!("{charger_column} = "), filter.charger.as_str().to_owned().into());
        if let Some(since) = filter.since_unix_ms {
            query.and("o.unix_ms >= ", since.into());
        }
        if let Some(kind) = &filter.action {
            query.and("o.kind = ", kind.clone().into());
        }
        query.and_text_in(&["o.kind", "o.who", "o.detail"], filter.search.as_deref().unwrap_or_default());
        query
    }

    /// All terms of the text occur in any of the columns.
    pub(crate) fn and_text_in(&mut self, columns: &[&str], text: &str) {
        for term in terms(text) {
            let like = self.bind(pattern(term));
            let any: Vec<_> =
                columns.iter().map(|column| format!("{column} LIKE {like} ESCAPE '\\'")).collect();
            self.conditions.push_str(&format!(" AND ({})", any.join(" OR ")));
        }
    }

    pub(crate) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// The condition ends where the value belongs.
    pub(crate) fn and(&mut self, condition: &str, value: Value) {
        let place = self.bind(value);
        self.conditions.push_str(&format!(" AND {condition}{place}"));
    }

    /// Bound as all values are, so that SQLite needs not read the same statement anew for each limit.
    fn place_of_limit(&self) -> String {
        format!("?{}", self.values.len() + 1)
    }

    fn with_limit(&self, limit: usize) -> impl Iterator<Item = Value> {
        let limit = i64::try_from(bounded(limit)).unwrap_or(i64::MAX);
        self.values.iter().cloned().chain([Value::Integer(limit)])
    }

    /// The calls, without their answers. The source names the table `c` and what else it is to be read with.
    pub(crate) fn calls(
        &self,
        connection: &Connection,
        source: &str,
        tail: &str,
        limit: usize,
    ) -> Result<Vec<LoggedCall>, StoreError> {
        let sql = format!(
            "SELECT c.seq, c.trace, c.charger, c.caller, c.action, c.received_unix_ms, c.payload, c.outcome,
                 c.answer, c.error_code, c.error_description, c.decider, c.decided_by, c.latency_us,
                 c.leader, c.flags, c.redacted, c.id_tag, c.transaction_number, c.connector_id, c.status
             FROM {source} WHERE {} {tail} LIMIT {}",
            self.conditions,
            self.place_of_limit()
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let calls = statement.query_map(params_from_iter(self.with_limit(limit)), call)?;
        Ok(calls.collect::<Result<_, _>>()?)
    }

    pub(crate) fn occurrences(
        &self,
        connection: &Connection,
        tail: &str,
        limit: usize,
    ) -> Result<Vec<LoggedOccurrence>, StoreError> {
        let sql = format!(
            "SELECT o.seq, o.charger, o.unix_ms, o.kind, o.who, o.detail FROM occurrences o
             WHERE {} {tail} LIMIT {}",
            self.conditions,
            self.place_of_limit()
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let occurrences = statement.query_map(params_from_iter(self.with_limit(limit)), occurrence)?;
        Ok(occurrences.collect::<Result<_, _>>()?)
    }
}

/// NUL parts terms as spaces do: SQLite would end the pattern there, and no text in the log has one.
fn terms(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| character.is_whitespace() || character == '\0')
        .filter(|term| !term.is_empty())
        .take(TERMS)
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

pub(crate) fn bounded(limit: usize) -> usize {
    limit.clamp(1, 1_000_000)
}
