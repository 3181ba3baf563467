//! What waits for whom, for an operator: also from another program while a proxy writes.

use std::path::Path;

use engine::{BackofficeId, ChargerId, Delivery};
use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::{COLUMNS, number, read, sql_number};
use crate::{OpenError, StoreError, database, redaction};

/// Which deliveries are meant. Conditions are joined by "and".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Which {
    /// Only of this charger.
    pub charger: Option<ChargerId>,
    /// Only for this backoffice.
    pub backoffice: Option<BackofficeId>,
    /// Only parked ones.
    pub parked: bool,
}

/// A delivery that waits or is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedDelivery {
    /// Whose message.
    pub charger: ChargerId,
    /// The message; what is secret is taken out of its payload.
    #[serde(flatten)]
    pub delivery: Delivery,
}

/// What is in one lane, together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedLane {
    /// Whose messages.
    pub charger: ChargerId,
    /// For whom.
    pub backoffice: BackofficeId,
    /// How many wait.
    pub waiting: u64,
    /// Since when the oldest of them does; UTC, milliseconds since 1970.
    pub oldest_unix_ms: Option<i64>,
    /// How many are parked.
    pub parked: u64,
}

/// Reads deliveries. Blocking: keep it off the threads that serve sockets.
#[derive(Debug)]
pub struct Deliveries {
    connection: Connection,
    /// The file is of a version that knew no deliveries, and no proxy has opened it since.
    is_older: bool,
}

impl Deliveries {
    /// Opens the file that a proxy writes, has written, or both.
    ///
    /// # Errors
    /// Says what is wrong with the file and what would do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = database::open_for_reading(path)?;
        let is_older = connection
            .query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'lanes')", [], |row| {
                row.get(0)
            })
            .map_err(|error| OpenError::Failed { path: path.to_owned(), cause: error.to_string() })?;
        Ok(Self { connection, is_older })
    }

    /// Every lane in which something waits or is parked, by charger and backoffice.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lanes(&self, which: &Which) -> Result<Vec<ListedLane>, StoreError> {
        if self.is_older {
            return Ok(Vec::new());
        }
        lanes(&self.connection, which)
    }

    /// Calls `each` with every delivery, by charger, backoffice and number, up to `limit`; stops when it
    /// fails.
    ///
    /// # Errors
    /// When the file cannot be read, or what `each` says.
    pub fn list<E: From<StoreError>>(
        &self,
        which: &Which,
        limit: u64,
        mut each: impl FnMut(ListedDelivery) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_older {
            return Ok(());
        }
        let sqlite = |error: rusqlite::Error| E::from(StoreError::from(error));
        let sql = format!(
            "SELECT charger, {COLUMNS} FROM deliveries
             WHERE (?1 IS NULL OR charger = ?1) AND (?2 IS NULL OR backoffice = ?2)
                 AND (parked IS NOT NULL OR NOT ?3)
             ORDER BY charger, backoffice, number LIMIT ?4"
        );
        let charger = which.charger.as_ref().map(ChargerId::as_str);
        let backoffice = which.backoffice.as_ref().map(BackofficeId::as_str);
        let mut statement = self.connection.prepare_cached(&sql).map_err(sqlite)?;
        let values = params![charger, backoffice, which.parked, sql_number(limit)];
        for row in statement.query_map(values, listed).map_err(sqlite)? {
            each(row.map_err(sqlite)?)?;
        }
        Ok(())
    }
}

/// See [`Deliveries::lanes`].
pub(crate) fn lanes(connection: &Connection, which: &Which) -> Result<Vec<ListedLane>, StoreError> {
    let charger = which.charger.as_ref().map(ChargerId::as_str);
    let backoffice = which.backoffice.as_ref().map(BackofficeId::as_str);
    // A charger that is named is looked for by the index.
    let of_charger = if charger.is_some() { "charger = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT charger, backoffice, waiting, parked,
             (SELECT d.queued_unix_ms FROM deliveries d WHERE d.charger = lanes.charger
                  AND d.backoffice = lanes.backoffice AND d.parked IS NULL
              ORDER BY d.number LIMIT 1)
         FROM lanes WHERE {of_charger} AND (parked > 0 OR (waiting > 0 AND NOT ?3))
             AND (?2 IS NULL OR backoffice = ?2)
         ORDER BY charger, backoffice"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![charger, backoffice, which.parked], |row| {
        Ok(ListedLane {
            charger: row.get::<_, String>(0)?.as_str().into(),
            backoffice: row.get::<_, String>(1)?.as_str().into(),
            waiting: number(row.get(2)?),
            parked: number(row.get(3)?),
            oldest_unix_ms: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn listed(row: &Row<'_>) -> rusqlite::Result<ListedDelivery> {
    let mut delivery = read(row)?;
    delivery.payload = redaction::payload(&delivery.payload).text.into_owned();
    Ok(ListedDelivery { charger: row.get::<_, String>("charger")?.as_str().into(), delivery })
}
