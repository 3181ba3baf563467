//! Records: how they stand in the file, and how a charger's are read back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use engine::{
    BackofficeId, ChargerId, ChargerTransactionId, Fact, Memory, Record, TraceId, TransactionRow, limits,
};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use crate::counters::{Attempt, Counters};
use crate::deliveries::bounds::{Bounds, Evicted};
use crate::deliveries::lane::{self, LaneRecord};
use crate::{OpenError, Recalled, StoreError, database, deliveries, roster};

/// A record in the shape of its table.
pub(crate) enum StoredRecord {
    Transaction { row: Box<TransactionRow>, body: String },
    Fact(Fact),
    OfALane(LaneRecord),
}

impl StoredRecord {
    pub(crate) fn new(record: Record) -> Result<Self, serde_json::Error> {
        Ok(match record {
            Record::Transaction(row) => {
                let body = serde_json::to_string(&row)?;
                StoredRecord::Transaction { row, body }
            }
            Record::Fact(fact) => StoredRecord::Fact(fact),
            Record::Delivery(delivery) => {
                let recognised = delivery.recognised;
                StoredRecord::OfALane(LaneRecord::Delivery { delivery, recognised })
            }
            Record::Delivered { backoffice, number } => {
                StoredRecord::OfALane(LaneRecord::Delivered { backoffice, number })
            }
        })
    }

    pub(crate) fn is_of_a_lane(&self) -> bool {
        self.of_a_lane().is_some()
    }

    pub(crate) fn of_a_lane(&self) -> Option<&LaneRecord> {
        match self {
            StoredRecord::OfALane(record) => Some(record),
            StoredRecord::Transaction { .. } | StoredRecord::Fact(_) => None,
        }
    }

    /// Writes it inside the transaction that is open on the connection. What a full lane had to give
    /// up for it is added to `evicted`.
    pub(crate) fn write(
        &self,
        connection: &Connection,
        charger: &ChargerId,
        bounds: Bounds,
        evicted: &mut Evicted,
    ) -> rusqlite::Result<()> {
        let id = charger;
        let charger = charger.as_str();
        match self {
            StoredRecord::OfALane(record) => {
                lane::write(connection, id, record.backoffice(), &[record], bounds, evicted)
            }
            StoredRecord::Transaction { row, body } => write_transaction(connection, charger, row, body),
            StoredRecord::Fact(Fact { key, body: Some(body) }) => {
                let sql = "INSERT INTO facts (charger, key, body) VALUES (?1, ?2, ?3)
                           ON CONFLICT (charger, key) DO UPDATE SET body = excluded.body";
                connection.prepare_cached(sql)?.execute(params![charger, key, body])?;
                match key.as_str() {
                    "boot" => roster::booted(connection, charger, body),
                    _ => roster::known(connection, charger),
                }
            }
            StoredRecord::Fact(Fact { key, body: None }) => {
                let sql = "DELETE FROM facts WHERE charger = ?1 AND key = ?2";
                connection.prepare_cached(sql)?.execute(params![charger, key]).map(drop)
            }
        }
    }
}

fn write_transaction(
    connection: &Connection,
    charger: &str,
    row: &TransactionRow,
    body: &str,
) -> rusqlite::Result<()> {
    roster::known(connection, charger)?;
    let trace = row.trace.to_string();
    let state = row.state.label();
    let charger_number = row.charger_number.map(|number| number.0);
    // Of what is in indexes only this changes, once; when it does not, none is written again.
    let sql = "UPDATE transactions SET state = ?4, charger_number = ?5, body = ?6
               WHERE charger = ?1 AND trace = ?2 AND closed_unix_ms IS ?3";
    let known = params![charger, trace, row.closed_unix_ms, state, charger_number, body];
    if connection.prepare_cached(sql)?.execute(known)? == 0 {
        // The row stays the same one: lists go on after it.
        let sql = "INSERT INTO transactions (charger, trace, state, charger_number, id_tag, connector_id,
                       received_unix_ms, closed_unix_ms, body)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                   ON CONFLICT (charger, trace) DO UPDATE SET state = excluded.state,
                       charger_number = excluded.charger_number,
                       closed_unix_ms = excluded.closed_unix_ms, body = excluded.body";
        connection.prepare_cached(sql)?.execute(params![
            charger,
            trace,
            state,
            charger_number,
            row.id_tag,
            row.connector_id,
            row.received_unix_ms,
            row.closed_unix_ms,
            body,
        ])?;
    }
    write_numbers(connection, charger, &trace, row)
}

fn write_numbers(
    connection: &Connection,
    charger: &str,
    trace: &str,
    row: &TransactionRow,
) -> rusqlite::Result<()> {
    let of_charger = row.charger_number.map(|number| (String::new(), number.0));
    let of_peers = row.peers.iter().filter_map(|(id, peer)| Some((id.as_str().to_owned(), peer.number?.0)));
    let numbers: BTreeMap<String, i64> = of_charger.into_iter().chain(of_peers).collect();
    let sql = "SELECT party, number FROM transaction_numbers WHERE charger = ?1 AND trace = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let written = statement.query_map(params![charger, trace], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let written: BTreeMap<String, i64> = written.collect::<rusqlite::Result<_>>()?;
    for (party, _) in written.iter().filter(|(party, _)| !numbers.contains_key(*party)) {
        let sql = "DELETE FROM transaction_numbers WHERE charger = ?1 AND trace = ?2 AND party = ?3";
        connection.prepare_cached(sql)?.execute(params![charger, trace, party])?;
    }
    for (party, number) in numbers.iter().filter(|(party, number)| written.get(*party) != Some(number)) {
        let sql = "INSERT INTO transaction_numbers (charger, trace, party, number) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (charger, trace, party) DO UPDATE SET number = excluded.number";
        connection.prepare_cached(sql)?.execute(params![charger, trace, party, number])?;
    }
    Ok(())
}

/// See [`crate::Store::remembered`].
pub(crate) fn remembered(
    connection: &Connection,
    charger: &ChargerId,
    counters: &Counters,
) -> Result<Memory, StoreError> {
    // One snapshot for all questions.
    let snapshot = connection.unchecked_transaction()?;
    let mut memory = Memory::default();
    let sql = "SELECT key, body FROM facts WHERE charger = ?1 ORDER BY key";
    let mut statement = snapshot.prepare_cached(sql)?;
    let facts = statement
        .query_map([charger.as_str()], |row| Ok(Fact { key: row.get(0)?, body: Some(row.get(1)?) }))?;
    for fact in facts {
        memory.facts.push(fact?);
    }
    drop(statement);

    let open = "SELECT body FROM transactions WHERE charger = ?1 AND closed_unix_ms IS NULL ORDER BY trace";
    let closed = format!(
        "SELECT body FROM transactions WHERE charger = ?1 AND closed_unix_ms IS NOT NULL
         ORDER BY closed_unix_ms DESC, trace DESC LIMIT {}",
        limits::CLOSED_TRANSACTIONS
    );
    for sql in [open, &closed] {
        let mut statement = snapshot.prepare_cached(sql)?;
        let bodies = statement.query_map([charger.as_str()], |row| row.get::<_, String>(0))?;
        for body in bodies {
            memory.transactions.extend(understood(charger, &body?, counters));
        }
    }
    let sql = "SELECT number FROM transaction_numbers WHERE charger = ?1 AND party = ''
               ORDER BY trace DESC LIMIT ?2";
    let mut statement = snapshot.prepare_cached(sql)?;
    let numbers = statement
        .query_map(params![charger.as_str(), limits::NUMBERS_REMEMBERED as i64], |row| {
            row.get(0).map(ChargerTransactionId)
        })?;
    memory.numbers = numbers.collect::<Result<_, _>>()?;
    memory.numbers.reverse();
    drop(statement);
    memory.lanes = deliveries::lanes(&snapshot, charger)?;
    let first = memory.lanes.iter().flat_map(|lane| &lane.first);
    let known: BTreeSet<TraceId> = memory.transactions.iter().map(|row| row.trace).collect();
    let missing = first.filter_map(|delivery| delivery.transaction).filter(|trace| !known.contains(trace));
    let missing = transactions(&snapshot, charger, missing.collect(), counters)?;
    memory.transactions.extend(missing);
    Ok(memory)
}

/// See [`crate::Store::recall`].
pub(crate) fn recall(
    connection: &Connection,
    charger: &ChargerId,
    backoffice: &BackofficeId,
    after: u64,
    counters: &Counters,
) -> Result<Recalled, StoreError> {
    // One snapshot for all questions.
    let snapshot = connection.unchecked_transaction()?;
    let waiting = deliveries::waiting(&snapshot, charger, backoffice)?;
    let deliveries = deliveries::next(&snapshot, charger, backoffice, after)?;
    let traces = deliveries.iter().filter_map(|delivery| delivery.transaction).collect();
    let transactions = transactions(&snapshot, charger, traces, counters)?;
    Ok(Recalled { deliveries, transactions, waiting })
}

fn transactions(
    connection: &Connection,
    charger: &ChargerId,
    traces: BTreeSet<TraceId>,
    counters: &Counters,
) -> Result<Vec<TransactionRow>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT body FROM transactions WHERE charger = ?1 AND trace = ?2")?;
    let mut rows = Vec::new();
    for trace in traces {
        let of_trace = params![charger.as_str(), trace.to_string()];
        let body: Option<String> = statement.query_row(of_trace, |row| row.get(0)).optional()?;
        rows.extend(body.and_then(|body| understood(charger, &body, counters)));
    }
    Ok(rows)
}

/// Serving the charger without a transaction is better than never again.
fn understood(charger: &ChargerId, body: &str, counters: &Counters) -> Option<TransactionRow> {
    serde_json::from_str(body)
        .inspect_err(|error| {
            counters.failed(Attempt::Read);
            tracing::error!(%charger, %error, "a remembered transaction cannot be understood");
        })
        .ok()
}

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// Threads that answer questions, so that no caller waits for the disk on its own thread.
pub(crate) struct Readers(SyncSender<Question>);

impl Readers {
    /// Opens a connection for each of the threads; so many questions may wait for them. They end when this
    /// is dropped.
    pub(crate) fn start(path: &Path, threads: usize, questions: usize) -> Result<Self, OpenError> {
        let (questions, received) = sync_channel::<Question>(questions);
        let received = Arc::new(Mutex::new(received));
        for _ in 0..threads {
            let connection = database::open_for_reading(path)?;
            let received = Arc::clone(&received);
            std::thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || {
                    while let Some(question) = next(&received) {
                        question(&connection);
                    }
                })
                .map_err(|error| OpenError::Failed { path: path.to_owned(), cause: error.to_string() })?;
        }
        Ok(Self(questions))
    }

    /// Asks on one of the threads.
    pub(crate) async fn ask<A: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> Result<A, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |connection| {
            // Whoever asked may have gone away while the question waited.
            if !reply.is_closed() {
                let _not_awaited_any_more = reply.send(question(connection));
            }
        });
        self.0.try_send(question).map_err(|_| StoreError::Overloaded)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn next(received: &Mutex<Receiver<Question>>) -> Option<Question> {
    received.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
