//! Transactions, running and past.

use std::collections::BTreeMap;

use engine::{BackofficeId, ChargerId, TransactionRow};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde::Serialize;

use super::{PAGE, Page};
use crate::deliveries::number;
use crate::json::Tape;
use crate::log::query::Query;
use crate::{StoreError, redaction};

/// Which transactions. Conditions are joined by "and".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionsQuery {
    /// Whose; `None`: of all chargers.
    pub charger: Option<ChargerId>,
    /// Only those that are not closed.
    pub running_only: bool,
    /// Of this card; capitals and small letters are equal (OCPP 1.6 §7.28).
    pub id_tag: Option<String>,
    /// Those that follow this one: the `next` of the page before.
    pub before: Option<i64>,
    /// So many at most.
    pub limit: usize,
}

/// A transaction with what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedTransaction {
    /// Whose, as it was spelled when it began.
    pub charger: ChargerId,
    /// What is remembered of it, with the number that every backoffice uses; what is secret is taken out.
    pub row: TransactionRow,
    /// Energy in Wh, from `meterStart` to `meterStop`; `None` until it is stopped, or when the meter ran
    /// backwards.
    pub energy_wh: Option<i64>,
    /// How many of its messages wait for a backoffice; those for which none does are left out.
    pub waiting: BTreeMap<BackofficeId, u64>,
    /// How many of its messages are parked for a backoffice: an operator must look at them.
    pub parked: BTreeMap<BackofficeId, u64>,
}

/// See [`super::Browser::transactions`].
pub(super) fn page(
    connection: &Connection,
    query: &TransactionsQuery,
) -> Result<Page<ListedTransaction>, StoreError> {
    // One snapshot for all questions.
    let snapshot = connection.unchecked_transaction()?;
    let limit = query.limit.clamp(1, PAGE);
    let mut found = Query::new();
    let source = restrict(query, &mut found);
    if let Some(before) = query.before {
        let sql = "SELECT received_unix_ms FROM transactions WHERE rowid = ?1";
        let received = snapshot.prepare_cached(sql)?.query_row([before], |row| row.get(0)).optional()?;
        // The oldest go first: what followed is gone too.
        let Some(received) = received else { return Ok(Page { items: Vec::new(), next: None }) };
        let received = found.bind(Value::Integer(received));
        let before = found.bind(before.into());
        found.conditions.push_str(&format!(
            " AND received_unix_ms <= {received} AND (received_unix_ms < {received} OR rowid < {before})"
        ));
    }
    let sql = format!(
        "SELECT rowid, charger, body FROM {source} WHERE {}
         ORDER BY received_unix_ms DESC, rowid DESC LIMIT {}",
        found.conditions,
        limit + 1
    );
    let mut statement = snapshot.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&found.values), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    })?;
    let mut rows: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
    let mut next = None;
    if rows.len() > limit {
        rows.truncate(limit);
        next = rows.last().map(|(place, ..)| *place);
    }
    let mut items = Vec::with_capacity(rows.len());
    for (_, charger, body) in rows {
        let Some(row) = understood(&body) else { continue };
        items.push(listed(&snapshot, charger.as_str().into(), row)?);
    }
    Ok(Page { items, next })
}

/// Adds the conditions and tells along which index the rows are read, newest first.
fn restrict(query: &TransactionsQuery, found: &mut Query) -> &'static str {
    let charger = query.charger.as_ref().map(|charger| Value::from(charger.as_str().to_owned()));
    if query.running_only {
        found.conditions.push_str(" AND closed_unix_ms IS NULL");
    }
    match (&query.id_tag, charger) {
        (Some(id_tag), charger) => {
            found.and("id_tag COLLATE NOCASE = ", id_tag.clone().into());
            if let Some(charger) = charger {
                found.and("+charger = ", charger);
            }
            "transactions INDEXED BY transactions_id_tag"
        }
        (None, Some(charger)) => {
            found.and("charger = ", charger);
            match query.running_only {
                true => "transactions INDEXED BY transactions_open",
                false => "transactions INDEXED BY transactions_charger",
            }
        }
        (None, None) => {
            found.and("received_unix_ms >= ", i64::MIN.into());
            match query.running_only {
                true => "transactions INDEXED BY transactions_running",
                false => "transactions INDEXED BY transactions_time",
            }
        }
    }
}

fn listed(
    connection: &Connection,
    charger: ChargerId,
    mut row: TransactionRow,
) -> Result<ListedTransaction, StoreError> {
    let waiting = "SELECT lanes.backoffice, count(*) FROM lanes
                   JOIN deliveries INDEXED BY deliveries_in_order USING (charger, backoffice)
                   WHERE lanes.charger = ?1 AND waiting > 0
                       AND deliveries.transaction_trace = ?2 AND deliveries.parked IS NULL
                   GROUP BY lanes.backoffice";
    let parked = "SELECT backoffice, count(*) FROM deliveries INDEXED BY deliveries_parked_of_transaction
                  WHERE charger = ?1 AND transaction_trace = ?2 AND parked IS NOT NULL GROUP BY backoffice";
    let of_transaction = [charger.as_str(), &row.trace.to_string()];
    let by_backoffice = |sql| -> rusqlite::Result<BTreeMap<BackofficeId, u64>> {
        let mut statement = connection.prepare_cached(sql)?;
        let counted =
            |row: &Row<'_>| Ok((BackofficeId::from(row.get::<_, String>(0)?.as_str()), number(row.get(1)?)));
        statement.query_map(of_transaction, counted)?.collect()
    };
    let (waiting, parked) = (by_backoffice(waiting)?, by_backoffice(parked)?);
    let energy_wh = row.raw_stop.as_deref().and_then(|stop| {
        let tape = Tape::read(stop)?;
        let stopped_at: i64 = tape.raw(tape.member(Tape::ROOT, "meterStop")?).parse().ok()?;
        stopped_at.checked_sub(row.meter_start).filter(|energy| *energy >= 0)
    });
    clean(&mut row);
    Ok(ListedTransaction { charger, row, energy_wh, waiting, parked })
}

/// Takes what is secret out of the payloads: the charger's are kept as they were sent.
fn clean(row: &mut TransactionRow) {
    row.raw_start = redaction::payload(&row.raw_start).text.into_owned();
    for payload in [&mut row.start_answer, &mut row.raw_stop, &mut row.stop_answer].into_iter().flatten() {
        *payload = redaction::payload(payload).text.into_owned();
    }
}

/// A transaction that cannot be understood is left out; whoever serves the charger says so, loudly.
pub(super) fn understood(body: &str) -> Option<TransactionRow> {
    serde_json::from_str(body).ok()
}
