//! What an operator wants done with deliveries, also from another program while a proxy holds the store.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::{BackofficeId, ChargerId};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::bounds::{Evicted, EvictedFor};
use super::{number, sql_number};
use crate::upkeep::unix_ms;
use crate::{Limits, OpenError, StoreError, database};

/// An order that was carried out is forgotten after this; whoever gave it has read the answer by then.
const KEEP_ANSWERED_MS: i64 = 60 * 60 * 1000;
/// How often it is asked whether the proxy has carried an order out; it looks about once a second.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// A lane that an operator changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneChange {
    /// Whose messages.
    pub charger: ChargerId,
    /// For whom they are.
    pub backoffice: BackofficeId,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderWhat {
    /// Try again, from the first attempt, what is parked or was tried in vain.
    Retry,
    /// Forget what waits or is parked: the backoffice will never be told.
    Drop,
}

impl OrderWhat {
    fn label(self) -> &'static str {
        match self {
            OrderWhat::Retry => "retry",
            OrderWhat::Drop => "drop",
        }
    }
}

/// An operator's wish about the deliveries of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOrder {
    /// What to do.
    pub what: OrderWhat,
    /// Whose messages.
    pub charger: ChargerId,
    /// For whom they are.
    pub backoffice: BackofficeId,
    /// Which; `None` means all.
    pub numbers: Option<Vec<u64>>,
}

/// How an order fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    /// It is carried out and concerned so many deliveries.
    Done(u64),
    /// A proxy holds the store and has not carried it out in the time given. It will.
    Pending,
}

/// An order that was handed to the proxy, or carried out at once.
#[derive(Debug)]
pub struct Asked(State);

#[derive(Debug)]
enum State {
    Done(u64),
    Written { connection: Connection, ids: Vec<i64> },
}

impl DeliveryOrder {
    /// Gives the order: to the proxy that holds the store, by way of the file, or, when none does,
    /// carries it out here and now.
    ///
    /// # Errors
    /// Says what is wrong with the file and what would do.
    pub fn give(&self, path: &Path) -> Result<Asked, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::Failed {
            path: path.to_owned(),
            cause: StoreError::from(error).to_string(),
        };
        if !path.exists() {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        match database::open_for_writing(path, &Limits::default()) {
            // The lock is held until the connection is closed.
            Ok((connection, _lock)) => {
                let affected = self.carry_out(&connection).map_err(failed)?;
                drop(connection);
                Ok(Asked(State::Done(affected)))
            }
            Err(OpenError::InUse { .. }) => {
                let connection = database::open_beside_the_writer(path)?;
                let ids = self.write(&connection).map_err(failed)?;
                Ok(Asked(State::Written { connection, ids }))
            }
            Err(error) => Err(error),
        }
    }

    fn carry_out(&self, connection: &Connection) -> rusqlite::Result<u64> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let (charger, backoffice) = (self.charger.as_str(), self.backoffice.as_str());
        let mut affected = 0;
        for number in self.each() {
            affected += apply(&transaction, self.what.label(), charger, backoffice, number)?;
        }
        transaction.commit()?;
        Ok(affected)
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let (charger, backoffice) = (self.charger.as_str(), self.backoffice.as_str());
        let mut ids = Vec::new();
        for number in self.each() {
            let sql = "INSERT INTO delivery_orders (what, charger, backoffice, number, asked_unix_ms)
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            transaction.execute(sql, params![self.what.label(), charger, backoffice, number, unix_ms()])?;
            ids.push(transaction.last_insert_rowid());
        }
        transaction.commit()?;
        Ok(ids)
    }

    /// One step for each number, or one for all.
    fn each(&self) -> Vec<Option<i64>> {
        match &self.numbers {
            Some(numbers) => numbers.iter().map(|number| Some(sql_number(*number))).collect(),
            None => vec![None],
        }
    }
}

impl Asked {
    /// Waits until the order is carried out, but no longer than this. Blocking.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn wait(&self, patience: Duration) -> Result<Ordered, StoreError> {
        let (connection, ids) = match &self.0 {
            State::Done(affected) => return Ok(Ordered::Done(*affected)),
            State::Written { connection, ids } => (connection, ids),
        };
        let started = Instant::now();
        loop {
            if let Some(affected) = answered(connection, ids)? {
                return Ok(Ordered::Done(affected));
            }
            if started.elapsed() >= patience {
                return Ok(Ordered::Pending);
            }
            std::thread::sleep(ASK_EVERY);
        }
    }
}

/// How many deliveries the orders concerned, once all are carried out.
fn answered(connection: &Connection, ids: &[i64]) -> Result<Option<u64>, StoreError> {
    let mut affected = 0;
    for id in ids {
        let sql = "SELECT affected FROM delivery_orders WHERE id = ?1";
        let answer: Option<Option<i64>> =
            connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
        match answer {
            Some(Some(of_one)) => affected += number(of_one),
            Some(None) => return Ok(None),
            // Carried out and forgotten since.
            None => {}
        }
    }
    Ok(Some(affected))
}

struct Wish {
    id: i64,
    what: String,
    charger: String,
    backoffice: String,
    number: Option<i64>,
}

impl Wish {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            what: row.get("what")?,
            charger: row.get("charger")?,
            backoffice: row.get("backoffice")?,
            number: row.get("number")?,
        })
    }
}

/// Carries out what waits; the writer of the store does. Tells which lanes changed and adds what was
/// dropped to `evicted`; neither counts unless this succeeds.
pub(crate) fn carry_out_all(
    connection: &Connection,
    evicted: &mut Evicted,
) -> Result<Vec<LaneChange>, StoreError> {
    const WAITING: &str = "SELECT * FROM delivery_orders WHERE affected IS NULL ORDER BY id";
    if !connection.prepare_cached(WAITING)?.exists([])? {
        return Ok(Vec::new());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let wishes: Vec<Wish> =
        transaction.prepare_cached(WAITING)?.query_map([], Wish::read)?.collect::<rusqlite::Result<_>>()?;
    let mut changes = Vec::new();
    for Wish { id, what, charger, backoffice, number } in wishes {
        let affected = apply(&transaction, &what, &charger, &backoffice, number)?;
        if what == OrderWhat::Drop.label() {
            evicted.add(&backoffice, EvictedFor::Operator, affected);
        }
        let sql = "UPDATE delivery_orders SET affected = ?2 WHERE id = ?1";
        transaction.prepare_cached(sql)?.execute(params![id, sql_number(affected)])?;
        if affected > 0 {
            let (charger, backoffice) = (charger.as_str().into(), backoffice.as_str().into());
            changes.push(LaneChange { charger, backoffice });
        }
    }
    let sql = "DELETE FROM delivery_orders WHERE affected IS NOT NULL AND asked_unix_ms < ?1";
    transaction.prepare_cached(sql)?.execute([unix_ms() - KEEP_ANSWERED_MS])?;
    transaction.commit()?;
    changes.sort();
    changes.dedup();
    Ok(changes)
}

/// Does it inside the transaction that is open; tells how many deliveries it concerned.
fn apply(
    connection: &Connection,
    what: &str,
    charger: &str,
    backoffice: &str,
    number: Option<i64>,
) -> rusqlite::Result<u64> {
    const WHICH: &str = "charger = ?1 AND backoffice = ?2 AND (?3 IS NULL OR number = ?3)";
    let sql = match what {
        "retry" => format!(
            "UPDATE deliveries SET parked = NULL, attempts = 0
             WHERE {WHICH} AND (parked IS NOT NULL OR attempts > 0)"
        ),
        "drop" => format!("DELETE FROM deliveries WHERE {WHICH}"),
        // Of a newer version: nothing here understands it.
        _ => return Ok(0),
    };
    let affected = connection.prepare_cached(&sql)?.execute(params![charger, backoffice, number])?;
    Ok(affected as u64)
}

/// Everybody who wants to hear of changed lanes.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<Vec<UnboundedSender<LaneChange>>>);

impl Watchers {
    pub(crate) fn subscribe(&self) -> UnboundedReceiver<LaneChange> {
        // Only an operator's orders make it grow, no peer.
        let (sender, changes) = mpsc::unbounded_channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        changes
    }

    pub(crate) fn tell(&self, changes: &[LaneChange]) {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| changes.iter().all(|change| watcher.send(change.clone()).is_ok()));
    }
}
