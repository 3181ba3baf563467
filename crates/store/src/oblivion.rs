//! Forgetting a card: its number is taken out of everything that is kept, and out of the file itself
//! (SECURITY.md S17). Nobody may hold the store meanwhile: what a running proxy has in memory it would write again.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value as Json;

use crate::database::open_for_writing;
use crate::deliveries::of_transaction;
use crate::{Limits, OpenError, StoreError};

/// What stands in place of the number; an idTag may be 20 characters long (OCPP 1.6 §7.28).
pub const FORGOTTEN: &str = "(forgotten)";
/// A shorter number stands by chance in too much else.
const LEAST_CHARACTERS: usize = 4;

/// What was changed when a card was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Entries of the log: calls, answers, and what happened beside them.
    pub log: u64,
    /// Charging sessions.
    pub transactions: u64,
    /// What was remembered of a charger and its backoffices: lists of cards, reservations and the like.
    pub facts: u64,
    /// Everything else, such as reasons that operators gave.
    pub others: u64,
}

/// Why a card was not forgotten. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// The store cannot be opened by itself.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The number would be found in much that is none of the card.
    #[error("{0:?} is too short for the number of a card: give at least 4 characters")]
    TooShort(String),
    /// It is needed yet.
    #[error(
        "{running} charging sessions with this card are not over, and {untold} messages about it have not been told to a \
         backoffice: they are needed for billing. Try again when they are over and told, or drop the messages with \
         `ocpp-proxy deliveries`; where a session will never end because its charger is gone, --although-running takes the \
         number out of it, too"
    )]
    Needed {
        /// Sessions that run.
        running: u64,
        /// Messages that wait or are parked.
        untold: u64,
    },
    /// The number is taken out, but stands on pages of the file that somebody else reads yet.
    #[error(
        "another program reads the database, so that its file keeps the number for now: end `ocpp-proxy logs --follow`, a backup \
         or whatever else has the file open, and say the same again"
    )]
    StillRead,
    /// The file cannot be read or written.
    #[error("the card is not forgotten: {0}")]
    Failed(#[from] StoreError),
}

impl From<rusqlite::Error> for ForgetError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Takes the number of a card out of a store that no proxy holds, whatever its capitals. Blocking, and as long as the
/// file is large: it is written anew, so that no free page keeps the number.
///
/// With `although_running` also out of sessions that are not over: the backoffices have heard of their start, and of an
/// end they hear with whatever card the charger then says.
///
/// # Errors
/// When a proxy holds the store, when the number is needed yet, when somebody reads the file, or when it cannot be written.
pub fn forget_card(path: &Path, card: &str, although_running: bool) -> Result<Forgotten, ForgetError> {
    let card = card.trim();
    if card.chars().count() < LEAST_CHARACTERS {
        return Err(ForgetError::TooShort(card.to_owned()));
    }
    if !path.exists() {
        return Err(OpenError::Missing { path: path.to_owned() }.into());
    }
    // The lock is held until the connection is closed.
    let (connection, _lock) = open_for_writing(path, &Limits::default())?;
    let card = Card::new(card);
    let forgotten = take_out(&connection, &card, although_running)?;
    // The number may still stand on pages that are free, and in the write-ahead log.
    connection.execute_batch("VACUUM")?;
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        return Err(ForgetError::StillRead);
    }
    Ok(forgotten)
}

fn take_out(connection: &Connection, card: &Card, although_running: bool) -> Result<Forgotten, ForgetError> {
    let transaction = connection.unchecked_transaction()?;
    let mut forgotten = Forgotten::default();
    let tables = names(
        &transaction,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )?;
    for table in tables.iter().filter(|table| *table != "refinery_schema_history") {
        let changed = in_table(&transaction, table, card, although_running)?;
        match table.as_str() {
            "calls" | "answers" | "occurrences" => forgotten.log += changed,
            "transactions" => forgotten.transactions += changed,
            "facts" => forgotten.facts += changed,
            _ => forgotten.others += changed,
        }
    }
    transaction.commit()?;
    Ok(forgotten)
}

/// Changes every row of a table in which the number stands; how many.
fn in_table(
    connection: &Connection,
    table: &str,
    card: &Card,
    although_running: bool,
) -> Result<u64, ForgetError> {
    let texts =
        names(connection, &format!("SELECT name FROM pragma_table_info('{table}') WHERE type = 'TEXT'"))?;
    // Its chargers and backoffices keep their names: no card is told by them.
    let texts: Vec<String> = texts.into_iter().filter(|column| !NAMES.contains(&column.as_str())).collect();
    if texts.is_empty() {
        return Ok(0);
    }
    let keys = names(
        connection,
        &format!("SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk"),
    )?;
    let suspect: Vec<String> = texts
        .iter()
        .map(|column| format!("{column} LIKE ?1 ESCAPE '\\' OR {column} LIKE '%\\\\u%' ESCAPE '\\'"))
        .collect();
    let sql = format!(
        "SELECT {}, {} FROM {table} WHERE {}",
        keys.join(", "),
        texts.join(", "),
        suspect.join(" OR ")
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([card.pattern()])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let key = (0..keys.len()).map(|at| row.get::<_, Value>(at)).collect::<rusqlite::Result<Vec<_>>>()?;
        let mut sets = Vec::new();
        for (at, column) in texts.iter().enumerate() {
            let text: Option<String> = row.get(keys.len() + at)?;
            if let Some(without) = text.and_then(|text| card.taken_out(&text)) {
                sets.push((column.as_str(), without));
            }
        }
        if !sets.is_empty() {
            changes.push((key, sets));
        }
    }
    if !changes.is_empty() {
        refuse_if_needed(connection, table, &changes, &keys, although_running)?;
    }
    let of_key: Vec<String> = keys.iter().map(|key| format!("{key} = ?")).collect();
    let of_key = of_key.join(" AND ");
    for (key, sets) in &changes {
        // A number in the name under which something is remembered: what is remembered is of this card alone.
        if sets.iter().any(|(column, _)| keys.iter().any(|key| key == column)) {
            connection.execute(&format!("DELETE FROM {table} WHERE {of_key}"), params_from_iter(key))?;
            continue;
        }
        let assigned: Vec<String> = sets.iter().map(|(column, _)| format!("{column} = ?")).collect();
        let values = sets.iter().map(|(_, text)| Value::from(text.clone())).chain(key.iter().cloned());
        let sql = format!("UPDATE {table} SET {} WHERE {of_key}", assigned.join(", "));
        connection.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    }
    Ok(changes.len() as u64)
}

/// Columns that name a charger, a backoffice, a call, or what the program itself calls something.
const NAMES: [&str; 15] = [
    "charger",
    "backoffice",
    "trace",
    "transaction_trace",
    "thinned_trace",
    "party",
    "leader",
    "caller",
    "state",
    "outcome",
    "decider",
    "decided_by",
    "verdict",
    "kind",
    "form",
];

type Change<'a> = (Vec<Value>, Vec<(&'a str, String)>);

fn refuse_if_needed(
    connection: &Connection,
    table: &str,
    changes: &[Change<'_>],
    keys: &[String],
    although_running: bool,
) -> Result<(), ForgetError> {
    if table == "deliveries" {
        return Err(ForgetError::Needed { running: 0, untold: changes.len() as u64 });
    }
    if table != "transactions" {
        return Ok(());
    }
    let of_key: Vec<String> = keys.iter().map(|key| format!("t.{key} = ?")).collect();
    let sql = format!(
        concat!(
            "SELECT t.closed_unix_ms IS NULL,
                 (SELECT count(*) FROM lanes JOIN deliveries INDEXED BY deliveries_giving_way
                      USING (charger, backoffice)
                  WHERE lanes.charger = t.charger AND ",
            of_transaction!("t.trace"),
            ") + (SELECT count(*) FROM deliveries d INDEXED BY deliveries_parked_of_transaction
                  WHERE d.charger = t.charger AND d.parked IS NOT NULL AND d.transaction_trace = t.trace)
             FROM transactions t WHERE {}"
        ),
        of_key.join(" AND ")
    );
    let (mut running, mut untold) = (0, 0);
    for (key, _) in changes {
        let needed = connection
            .prepare_cached(&sql)?
            .query_row(params_from_iter(key), |row| Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?)))?;
        running += u64::from(needed.0 && !although_running);
        untold += needed.1.unsigned_abs();
    }
    if running + untold > 0 { Err(ForgetError::Needed { running, untold }) } else { Ok(()) }
}

fn names(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// A card's number, as it may stand in texts.
struct Card {
    /// In small letters: as it is, and as it stands in JSON, and in JSON within a string of JSON.
    forms: Vec<String>,
}

impl Card {
    fn new(number: &str) -> Self {
        let number = number.to_ascii_lowercase();
        let within = |text: &str| {
            let quoted = Json::from(text).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        };
        let mut forms = vec![within(&within(&number)), within(&number), number];
        forms.dedup();
        Self { forms }
    }

    /// Finds whatever may hold any of the forms: they have their first characters in common up to what is escaped.
    fn pattern(&self) -> String {
        let number = &self.forms[self.forms.len() - 1];
        let plain = number
            .chars()
            .map(|one| if one.is_ascii_alphanumeric() { one.to_string() } else { "%".to_owned() });
        format!("%{}%", plain.collect::<String>())
    }

    /// The text without the number; `None` when it does not stand there.
    fn taken_out(&self, text: &str) -> Option<String> {
        // Letters may be written as \u0041, which only a whole reading of the text shows.
        if text.contains("\\u")
            && let Ok(mut tree) = serde_json::from_str::<Json>(text)
            && self.taken_out_of_tree(&mut tree)
        {
            return Some(tree.to_string());
        }
        let mut found = None;
        for form in &self.forms {
            if let Some(without) = replaced(found.as_deref().unwrap_or(text), form) {
                found = Some(without);
            }
        }
        found
    }

    fn taken_out_of_tree(&self, value: &mut Json) -> bool {
        match value {
            Json::String(text) => match self.taken_out(text) {
                Some(without) => {
                    *text = without;
                    true
                }
                None => false,
            },
            // Each of them is to be read: `any` would stop at the first.
            Json::Array(values) => {
                values.iter_mut().filter_map(|value| self.taken_out_of_tree(value).then_some(())).count() > 0
            }
            Json::Object(fields) => {
                fields.values_mut().filter_map(|value| self.taken_out_of_tree(value).then_some(())).count()
                    > 0
            }
            _ => false,
        }
    }
}

/// Every occurrence that is no part of a longer word or number, and no number of JSON; whatever its capitals.
fn replaced(text: &str, number: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let is_json = text.trim_start().starts_with(['{', '[']);
    let (mut without, mut from, mut searched) = (String::new(), 0, 0);
    while let Some(at) = lower[searched..].find(number).map(|at| searched + at) {
        let end = at + number.len();
        searched = end;
        let is_word = |one: char| one.is_alphanumeric();
        // What is escaped in JSON ends in a letter, which is none of the word's.
        let before = text[..at].chars().next_back();
        let is_escape =
            text[..at].ends_with("\\n") || text[..at].ends_with("\\t") || text[..at].ends_with("\\r");
        let is_within = before.is_some_and(is_word) && !is_escape || text[end..].starts_with(is_word);
        let is_number = is_json
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && before.is_some_and(|one| matches!(one, ':' | ',' | '[' | ' ' | '-' | '.'))
            && !is_quoted(&text[..at]);
        if is_within || is_number {
            continue;
        }
        without.push_str(&text[from..at]);
        without.push_str(FORGOTTEN);
        from = end;
    }
    (from > 0).then(|| without + &text[from..])
}

/// Whether what follows stands within quotes.
fn is_quoted(before: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in before.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_out_in_every_form_and_nothing_else_is() {
        let cases = [
            ("04A2B3", "04A2B3", Some("(forgotten)")),
            ("04A2B3", r#"{"idTag":"04a2b3"}"#, Some(r#"{"idTag":"(forgotten)"}"#)),
            (
                "04A2B3",
                r#"{"data":"{\"idTag\":\"04A2B3\"}"}"#,
                Some(r#"{"data":"{\"idTag\":\"(forgotten)\"}"}"#),
            ),
            ("04A2B3", r#"{"data":"x\n04A2B3"}"#, Some(r#"{"data":"x\n(forgotten)"}"#)),
            ("04A2B3", r#"{"idTag":"\u00304A2B3"}"#, Some(r#"{"idTag":"(forgotten)"}"#)),
            ("04A2B3", "the card 04A2B3, and 104A2B3", Some("the card (forgotten), and 104A2B3")),
            ("04A2B3", r#"{"idTag":"04A2B39"}"#, None),
            (
                "1234",
                r#"{"transactionId":1234,"meter":-1234,"idTag":"1234"}"#,
                Some(r#"{"transactionId":1234,"meter":-1234,"idTag":"(forgotten)"}"#),
            ),
            ("1234", r#"{"info":"card 1234"}"#, Some(r#"{"info":"card (forgotten)"}"#)),
            (r#"a"b\"#, r#"{"idTag":"a\"b\\"}"#, Some(r#"{"idTag":"(forgotten)"}"#)),
        ];
        for (card, text, without) in cases {
            assert_eq!(Card::new(card).taken_out(text).as_deref(), without, "{card} in {text}");
        }
        assert_eq!(cases.len(), 10);
    }
}
