//! What becomes of a lane, written together.

use std::collections::BTreeSet;

use engine::{BackofficeId, ChargerId, Delivery, limits};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, Evicted};
use super::giving_way::Held;
use super::{kind, number, sql_number};

/// What one message takes in the column `told` of a lane.
const HASH_BYTES: usize = size_of::<u64>();

/// What becomes of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LaneRecord {
    /// A backoffice must be told of it, or was told in vain.
    Delivery {
        delivery: Box<Delivery>,
        /// Of the delivery; what is listed does without it.
        recognised: Option<u64>,
    },
    /// It was told.
    Delivered { backoffice: BackofficeId, number: u64 },
}

impl LaneRecord {
    pub(crate) fn backoffice(&self) -> &BackofficeId {
        match self {
            LaneRecord::Delivery { delivery, .. } => &delivery.backoffice,
            LaneRecord::Delivered { backoffice, .. } => backoffice,
        }
    }

    /// About how many bytes it holds.
    pub(crate) fn weight(&self) -> usize {
        match self {
            LaneRecord::Delivery { delivery, .. } => {
                size_of::<Delivery>() + delivery.payload.len() + delivery.action.len()
            }
            LaneRecord::Delivered { .. } => size_of::<Self>(),
        }
    }
}

/// Writes what became of one lane, in this order, inside the transaction that is open. What a full lane had to give up
/// for it is added to `evicted`.
///
/// A number above the lane's last is a new delivery: no number is used twice. One that is known is brought up to date, if
/// it is still there: its attempts and whether it is parked; nothing else of it ever changes. One that is gone stays
/// gone: it was told, or it gave way, or an operator dropped it.
pub(crate) fn write(
    connection: &Connection,
    charger: &ChargerId,
    backoffice: &BackofficeId,
    records: &[&LaneRecord],
    bounds: Bounds,
    evicted: &mut Evicted,
) -> rusqlite::Result<()> {
    let (charger, backoffice) = (charger.as_str(), backoffice.as_str());
    let before = Before::read(connection, charger, backoffice)?;
    let told: BTreeSet<u64> = records
        .iter()
        .filter_map(|record| match record {
            LaneRecord::Delivery { .. } => None,
            LaneRecord::Delivered { number, .. } => Some(*number),
        })
        .collect();
    let mut added = Added::after(before.last_number);
    let mut statements = Vec::with_capacity(records.len());
    let mut parks = false;
    for record in records {
        match record {
            LaneRecord::Delivery { delivery, recognised } if delivery.number > added.last_number => {
                // Told before it came to its lane: it only leaves its number, and by what it is recognised.
                let waits = !told.contains(&delivery.number);
                added.add(delivery, *recognised, waits);
                statements.extend(waits.then_some(Statement::Insert(delivery)));
            }
            LaneRecord::Delivery { delivery, .. } => {
                parks |= delivery.parked.is_some();
                statements.push(Statement::Update(delivery));
            }
            LaneRecord::Delivered { number, .. } if *number <= before.last_number => {
                statements.push(Statement::Delete(*number));
            }
            LaneRecord::Delivered { .. } => {}
        }
    }
    if added.last_number > before.last_number {
        // Before the rows: what is taken out of the lane again is counted, too.
        added.write(connection, charger, backoffice)?;
    }
    for statement in &statements {
        statement.execute(connection, charger, backoffice)?;
    }
    let holds = bounds.admit(before.waiting.and(added.waiting), before.parked.and(added.parked));
    if parks || (added.messages() > 0 && !holds) {
        bounds.enforce(connection, charger, backoffice, added.messages().max(1), evicted)?;
    }
    Ok(())
}

/// A lane as it was.
#[derive(Default)]
struct Before {
    last_number: u64,
    waiting: Held,
    parked: Held,
}

impl Before {
    fn read(connection: &Connection, charger: &str, backoffice: &str) -> rusqlite::Result<Self> {
        let sql = "SELECT last_number, waiting, waiting_bytes, parked, parked_bytes FROM lanes
                   WHERE charger = ?1 AND backoffice = ?2";
        let lane = connection.prepare_cached(sql)?.query_row([charger, backoffice], |row| {
            Ok(Self {
                last_number: number(row.get(0)?),
                waiting: Held::read(row, 1)?,
                parked: Held::read(row, 3)?,
            })
        });
        Ok(lane.optional()?.unwrap_or_default())
    }
}

/// What new deliveries add to their lane.
struct Added {
    last_number: u64,
    waiting: Held,
    parked: Held,
    samples: u64,
    /// As it stands in the column.
    told: Vec<u8>,
}

impl Added {
    fn after(last_number: u64) -> Self {
        Self { last_number, waiting: Held::default(), parked: Held::default(), samples: 0, told: Vec::new() }
    }

    fn messages(&self) -> u64 {
        self.waiting.messages + self.parked.messages
    }

    fn add(&mut self, delivery: &Delivery, recognised: Option<u64>, waits: bool) {
        self.last_number = delivery.number;
        self.told.extend(recognised.map(u64::to_be_bytes).iter().flatten());
        let held = Held { messages: 1, bytes: bytes(delivery) };
        match &delivery.parked {
            _ if !waits => {}
            Some(_) => self.parked = self.parked.and(held),
            None => {
                self.waiting = self.waiting.and(held);
                self.samples += u64::from(kind(delivery) == "sampled");
            }
        }
    }

    fn write(&self, connection: &Connection, charger: &str, backoffice: &str) -> rusqlite::Result<()> {
        // No bytes at all are NULL to `substr`.
        let sql =
            "INSERT INTO lanes (charger, backoffice, last_number, told, waiting, waiting_bytes, samples,
                       parked, parked_bytes)
                   VALUES (?1, ?2, ?3, coalesce(substr(?4, -?10), x''), ?5, ?6, ?7, ?8, ?9)
                   ON CONFLICT (charger, backoffice) DO UPDATE SET last_number = excluded.last_number,
                       told          = coalesce(substr(CAST(told || ?4 AS BLOB), -?10), x''),
                       waiting       = waiting       + excluded.waiting,
                       waiting_bytes = waiting_bytes + excluded.waiting_bytes,
                       samples       = samples       + excluded.samples,
                       parked        = parked        + excluded.parked,
                       parked_bytes  = parked_bytes  + excluded.parked_bytes";
        let values = params![
            charger,
            backoffice,
            sql_number(self.last_number),
            self.told,
            sql_number(self.waiting.messages),
            sql_number(self.waiting.bytes),
            sql_number(self.samples),
            sql_number(self.parked.messages),
            sql_number(self.parked.bytes),
            (HASH_BYTES * limits::TOLD_REMEMBERED) as i64,
        ];
        connection.prepare_cached(sql)?.execute(values).map(drop)
    }
}

/// What is done to the rows of a lane.
enum Statement<'a> {
    Insert(&'a Delivery),
    Update(&'a Delivery),
    Delete(u64),
}

impl Statement<'_> {
    fn execute(&self, connection: &Connection, charger: &str, backoffice: &str) -> rusqlite::Result<()> {
        match self {
            Statement::Insert(delivery) => {
                let sql =
                    "INSERT INTO deliveries (charger, backoffice, number, kind, trace, transaction_trace,
                               queued_unix_ms, attempts, parked, bytes, action, payload)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
                connection.prepare_cached(sql)?.execute(params![
                    charger,
                    backoffice,
                    sql_number(delivery.number),
                    kind(delivery),
                    delivery.trace.to_string(),
                    delivery.transaction.map(|trace| trace.to_string()),
                    delivery.queued_unix_ms,
                    delivery.attempts,
                    delivery.parked,
                    sql_number(bytes(delivery)),
                    delivery.action,
                    delivery.payload,
                ])?;
            }
            Statement::Update(delivery) => {
                let sql = "UPDATE deliveries SET attempts = ?4, parked = ?5
                           WHERE charger = ?1 AND backoffice = ?2 AND number = ?3";
                let number = sql_number(delivery.number);
                let values = params![charger, backoffice, number, delivery.attempts, delivery.parked];
                connection.prepare_cached(sql)?.execute(values)?;
            }
            Statement::Delete(number) => {
                let sql = "DELETE FROM deliveries WHERE charger = ?1 AND backoffice = ?2 AND number = ?3";
                connection.prepare_cached(sql)?.execute(params![charger, backoffice, sql_number(*number)])?;
            }
        }
        Ok(())
    }
}

/// What a delivery counts in its lane.
fn bytes(delivery: &Delivery) -> u64 {
    (delivery.payload.len() + delivery.action.len()) as u64
}
