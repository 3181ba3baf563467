//! Who leads by the word of an operator, instead of the backoffice that `proxy.toml` names.

use std::path::Path;

use engine::{BackofficeId, ChargerId};
use rusqlite::{Connection, Row, params};
use serde::Serialize;

use crate::upkeep::unix_ms;
use crate::{OpenError, StoreError, database};

/// So many changes of one charger are remembered.
const HISTORY: i64 = 1_000;
/// A name or a reason longer than this is cut.
const TEXT_CHARS: usize = 1_000;

/// An operator's word about who leads a charger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderOrder {
    /// Whose leader.
    pub charger: ChargerId,
    /// Who leads from now on; `None`: whom `proxy.toml` names.
    pub leader: Option<BackofficeId>,
    /// Who says so, for people.
    pub by: String,
    /// Why, for people.
    pub reason: String,
}

/// A charger that is led by the word of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaderOverride {
    /// Which.
    pub charger: ChargerId,
    /// Who leads.
    pub leader: BackofficeId,
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when; UTC, milliseconds since 1970.
    pub unix_ms: i64,
}

/// A change of who leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeadChange {
    /// When; UTC, milliseconds since 1970.
    pub unix_ms: i64,
    /// Who leads from then on; `None`: whom `proxy.toml` names.
    pub leader: Option<BackofficeId>,
    /// Who said so: an operator, `proxy.toml`, or the proxy itself when a leader was away.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl LeaderOrder {
    /// Writes it into the file, whether a proxy holds the store or none does; a proxy that does hears of it
    /// within about a second, see [`Store::leader_orders`](crate::Store::leader_orders). Whether the charger
    /// can have this leader is for the caller to know. Blocking.
    ///
    /// # Errors
    /// Says what is wrong with the file and what would do.
    pub fn give(&self, path: &Path) -> Result<(), OpenError> {
        database::write_from_outside(path, |connection| self.write(connection, true))
    }

    /// Writes it inside the transaction that is open. From outside means: by another program than the one
    /// that holds the store.
    pub(crate) fn write(&self, connection: &Connection, from_outside: bool) -> rusqlite::Result<()> {
        let unix_ms = unix_ms();
        let charger = self.charger.as_str();
        let (by, reason) = (cut(&self.by), cut(&self.reason));
        let leader = self.leader.as_ref().map(BackofficeId::as_str);
        match leader {
            Some(leader) => {
                let sql = "INSERT INTO leader_overrides (charger, leader, said_by, reason, unix_ms)
                           VALUES (?1, ?2, ?3, ?4, ?5)
                           ON CONFLICT (charger) DO UPDATE SET leader = excluded.leader,
                               said_by = excluded.said_by, reason = excluded.reason,
                               unix_ms = excluded.unix_ms";
                connection.prepare_cached(sql)?.execute(params![charger, leader, by, reason, unix_ms])?;
            }
            None => {
                let sql = "DELETE FROM leader_overrides WHERE charger = ?1";
                connection.prepare_cached(sql)?.execute([charger])?;
            }
        }
        self.remember(connection, from_outside)
    }

    /// Adds it to the history alone, inside the transaction that is open.
    pub(crate) fn remember(&self, connection: &Connection, from_outside: bool) -> rusqlite::Result<()> {
        let charger = self.charger.as_str();
        let (by, reason) = (cut(&self.by), cut(&self.reason));
        let leader = self.leader.as_ref().map(BackofficeId::as_str);
        let sql = "INSERT INTO lead_history (charger, unix_ms, leader, said_by, reason, from_outside)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![charger, unix_ms(), leader, by, reason, from_outside];
        connection.prepare_cached(sql)?.execute(values)?;
        let sql = "DELETE FROM lead_history WHERE charger = ?1 AND id <=
                       (SELECT id FROM lead_history WHERE charger = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        connection.prepare_cached(sql)?.execute(params![charger, HISTORY]).map(drop)
    }
}

/// See [`crate::Browser::lead_history`].
pub(crate) fn history(
    connection: &Connection,
    charger: &ChargerId,
    limit: usize,
) -> Result<Vec<LeadChange>, StoreError> {
    let sql = "SELECT unix_ms, leader, said_by, reason FROM lead_history WHERE charger = ?1
               ORDER BY id DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let changes = statement.query_map(params![charger.as_str(), limit], |row| {
        Ok(LeadChange {
            unix_ms: row.get(0)?,
            leader: row.get::<_, Option<String>>(1)?.map(|leader| leader.as_str().into()),
            by: row.get(2)?,
            reason: row.get(3)?,
        })
    })?;
    Ok(changes.collect::<rusqlite::Result<_>>()?)
}

/// See [`crate::Browser::leader_overrides`].
pub(crate) fn overrides(connection: &Connection) -> Result<Vec<LeaderOverride>, StoreError> {
    let sql = "SELECT charger, leader, said_by, reason, unix_ms FROM leader_overrides ORDER BY charger";
    let mut statement = connection.prepare_cached(sql)?;
    let overrides = statement.query_map([], read)?;
    Ok(overrides.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<LeaderOverride> {
    Ok(LeaderOverride {
        charger: row.get::<_, String>(0)?.as_str().into(),
        leader: row.get::<_, String>(1)?.as_str().into(),
        by: row.get(2)?,
        reason: row.get(3)?,
        unix_ms: row.get(4)?,
    })
}

/// The place of the last order in the file.
pub(crate) fn last(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(id), 0) FROM lead_history", [], |row| row.get(0))
}

/// What other programs ordered after this place.
pub(crate) fn from_outside(connection: &Connection, after: i64) -> rusqlite::Result<Vec<LeaderOrder>> {
    let sql = "SELECT charger, leader, said_by, reason FROM lead_history
               WHERE id > ?1 AND from_outside ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let orders = statement.query_map([after], |row| {
        Ok(LeaderOrder {
            charger: row.get::<_, String>(0)?.as_str().into(),
            leader: row.get::<_, Option<String>>(1)?.map(|leader| leader.as_str().into()),
            by: row.get(2)?,
            reason: row.get(3)?,
        })
    })?;
    orders.collect()
}

/// The beginning, if it is too long for a page.
fn cut(text: &str) -> &str {
    text.char_indices().nth(TEXT_CHARS).map_or(text, |(end, _)| &text[..end])
}
