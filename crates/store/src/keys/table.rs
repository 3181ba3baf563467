//! The tables of changed keys. What is written of a charger or a link replaces all that was there.

use std::collections::BTreeMap;

use engine::{BackofficeId, ChargerId, TraceId};
use rusqlite::{Connection, params};

use super::{ChargerKey, ChargerKeys, KeyStage, LinkKey, LinkKeys};
use crate::StoreError;
use crate::seal::{KeyForm, LockedKey, SealedKey};

impl LinkKeys {
    /// Writes it inside the transaction that is open.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        forget_of_link(connection, &self.charger, &self.backoffice)?;
        let sql = "INSERT INTO link_keys (charger, backoffice, trace, key, form, is_first, unix_ms, place)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let mut statement = connection.prepare_cached(sql)?;
        for (place, key) in (0_i64..).zip(&self.keys) {
            let LinkKey { trace, key, form, is_first, unix_ms } = key;
            let form = form.map(KeyForm::label);
            let (charger, backoffice) = (self.charger.as_str(), self.backoffice.as_str());
            let trace = trace.to_string();
            statement.execute(params![
                charger,
                backoffice,
                trace,
                key.as_bytes(),
                form,
                is_first,
                unix_ms,
                place
            ])?;
        }
        Ok(())
    }
}

impl ChargerKeys {
    /// Writes it inside the transaction that is open.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        forget_of_charger(connection, &self.charger)?;
        let charger = self.charger.as_str();
        let sql = "INSERT INTO charger_keys (charger, trace, key, stage, unix_ms, hours, place) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let mut statement = connection.prepare_cached(sql)?;
        for (place, key) in (0_i64..).zip(&self.keys) {
            let ChargerKey { trace, key, stage, unix_ms, hours } = key;
            let (trace, key, stage) = (trace.to_string(), key.to_bytes(), stage.label());
            statement.execute(params![charger, trace, key, stage, unix_ms, hours, place])?;
        }
        let sql = "INSERT OR IGNORE INTO replaced_keys (charger, key) VALUES (?1, ?2)";
        let mut statement = connection.prepare_cached(sql)?;
        for key in &self.replaced {
            statement.execute(params![charger, key.to_bytes()])?;
        }
        Ok(())
    }
}

/// What a backoffice has set for its link does not count any more.
pub(crate) fn forget_of_link(
    connection: &Connection,
    charger: &ChargerId,
    backoffice: &BackofficeId,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM link_keys WHERE charger = ?1 AND backoffice = ?2";
    connection.prepare_cached(sql)?.execute([charger.as_str(), backoffice.as_str()]).map(drop)
}

/// What a charger was given by its leader does not count any more, and what it had before does.
pub(crate) fn forget_of_charger(connection: &Connection, charger: &ChargerId) -> rusqlite::Result<()> {
    for sql in ["DELETE FROM charger_keys WHERE charger = ?1", "DELETE FROM replaced_keys WHERE charger = ?1"]
    {
        connection.prepare_cached(sql)?.execute([charger.as_str()])?;
    }
    Ok(())
}

/// See [`crate::Store::link_keys`].
pub(crate) fn link_keys(connection: &Connection) -> Result<Vec<LinkKeys>, StoreError> {
    let sql = "SELECT charger, backoffice, trace, key, form, is_first, unix_ms FROM link_keys
               ORDER BY charger, backoffice, place";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut all: Vec<LinkKeys> = Vec::new();
    while let Some(row) = rows.next()? {
        let (charger, backoffice): (String, String) = (row.get(0)?, row.get(1)?);
        let Ok(trace) = TraceId::try_from(row.get::<_, String>(2)?) else { continue };
        let key = LinkKey {
            trace,
            key: LockedKey::from_bytes(row.get(3)?),
            form: row.get::<_, Option<String>>(4)?.and_then(|label| KeyForm::from_label(&label)),
            is_first: row.get(5)?,
            unix_ms: row.get(6)?,
        };
        let (charger, backoffice) = (ChargerId::from(&*charger), BackofficeId::from(&*backoffice));
        match all.last_mut() {
            Some(last) if is_same(&last.charger, &charger) && last.backoffice == backoffice => {
                last.keys.push(key);
            }
            _ => all.push(LinkKeys { charger, backoffice, keys: vec![key] }),
        }
    }
    Ok(all)
}

/// See [`crate::Store::charger_keys`].
pub(crate) fn charger_keys(connection: &Connection) -> Result<Vec<ChargerKeys>, StoreError> {
    let mut all: BTreeMap<String, ChargerKeys> = BTreeMap::new();
    let of = |charger: &str| (charger.to_ascii_lowercase(), ChargerKeys::none(ChargerId::from(charger)));
    let sql = "SELECT charger, trace, key, stage, unix_ms, hours FROM charger_keys ORDER BY charger, place";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (folded, none) = of(&row.get::<_, String>(0)?);
        let trace = TraceId::try_from(row.get::<_, String>(1)?).ok();
        let stage = KeyStage::from_label(&row.get::<_, String>(3)?);
        let Some((trace, stage)) = trace.zip(stage) else { continue };
        let key = SealedKey::from_bytes(&row.get::<_, Vec<u8>>(2)?);
        let key = ChargerKey { trace, key, stage, unix_ms: row.get(4)?, hours: row.get(5)? };
        all.entry(folded).or_insert(none).keys.push(key);
    }
    let mut statement = connection.prepare_cached("SELECT charger, key FROM replaced_keys")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (folded, none) = of(&row.get::<_, String>(0)?);
        let key = SealedKey::from_bytes(&row.get::<_, Vec<u8>>(1)?);
        all.entry(folded).or_insert(none).replaced.push(key);
    }
    Ok(all.into_values().collect())
}

fn is_same(one: &ChargerId, other: &ChargerId) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}
