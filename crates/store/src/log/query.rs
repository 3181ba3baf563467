//! What is looked for, as SQL. Whatever a person typed is bound, never pasted in.

use engine::ChargerId;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Filter;
use super::entry::{LoggedCall, LoggedOccurrence};
use super::table::{call, occurrence};
use crate::StoreError;

/// Terms of a search beyond these are ignored.
const TERMS: usize = 16;

/// Conditions and their values.
pub(super) struct Query {
    pub(super) conditions: String,
    pub(super) values: Vec<Value>,
}

impl Query {
    fn new(column: &str, charger: &ChargerId) -> Self {
        Self { conditions: format!("{column} = ?1"), values: vec![charger.as_str().to_owned().into()] }
    }

    pub(super) fn of_calls(filter: &Filter, charger_column: &str) -> Self {
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

    pub(super) fn of_occurrences(filter: &Filter, charger_column: &str) -> Self {
        let mut query = Self::new(charger_column, &filter.charger);
        if let Some(since) = filter.since_unix_ms {
            query.and("o.unix_ms >= ", since.into());
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

    pub(super) fn and(&mut self, condition: &str, value: Value) {
        let place = self.bind(value);
        self.conditions.push_str(&format!(" AND {condition}{place}"));
    }

    pub(super) fn calls(
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

    pub(super) fn occurrences(
        &self,
        connection: &Connection,
        tail: &str,
        limit: usize,
    ) -> Result<Vec<LoggedOccurrence>, StoreError> {
        let sql = format!(
            "SELECT o.seq, o.charger, o.unix_ms, o.kind, o.who, o.detail FROM occurrences o
             WHERE {} {tail} LIMIT {}",
            self.conditions,
            bounded(limit)
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let occurrences = statement.query_map(params_from_iter(&self.values), occurrence)?;
        Ok(occurrences.collect::<Result<_, _>>()?)
    }
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

pub(super) fn bounded(limit: usize) -> usize {
    limit.clamp(1, 1_000_000)
}
