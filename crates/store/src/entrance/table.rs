//! The tables of who is let in.

use engine::ChargerId;
use rusqlite::{Connection, params};

use super::{
    Admission, AdmissionChange, AdmissionOrder, AdmissionWhat, EntranceRecord, Knocking, Login, WhyNot,
};
use crate::seal::{KeyForm, SealedKey};
use crate::upkeep::unix_ms;
use crate::{StoreError, keys};

/// So many orders are remembered, of all chargers together.
const HISTORY: i64 = 100_000;
/// So many chargers that knock are remembered; those whose last knock is the longest ago give way.
const KNOCKS: i64 = 1_000;
/// So many of one address, of the same kind.
const KNOCKS_OF_AN_ADDRESS: i64 = 50;
/// A name longer than this is cut.
const TEXT_CHARS: usize = 1_000;

impl EntranceRecord {
    /// Writes it inside the transaction that is open.
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        match self {
            EntranceRecord::Ordered(order) => order.write(connection, false),
            EntranceRecord::LoggedIn(login) => logged_in(connection, login),
            EntranceRecord::Knocked(knocking) => knocked(connection, knocking),
            EntranceRecord::CameIn(charger) => delete(connection, "knocks", charger.as_str()),
            EntranceRecord::LinkKeys(keys) => keys.write(connection),
            EntranceRecord::ChargerKeys(keys) => keys.write(connection),
        }
    }
}

impl AdmissionOrder {
    /// Writes it inside the transaction that is open. From outside means: by another program than the one
    /// that holds the store.
    pub(crate) fn write(&self, connection: &Connection, from_outside: bool) -> rusqlite::Result<()> {
        let (charger, unix_ms) = (self.charger.as_str(), unix_ms());
        let by: String = self.by.chars().take(TEXT_CHARS).collect();
        let (mut key, mut of) = (None, None);
        match &self.what {
            AdmissionWhat::Admit(sealed) => {
                key = sealed.as_ref().map(SealedKey::to_bytes);
                let sql = "INSERT INTO admissions (charger, key, said_by, unix_ms) VALUES (?1, ?2, ?3, ?4)
                           ON CONFLICT (charger) DO UPDATE SET key = excluded.key,
                               said_by = excluded.said_by, unix_ms = excluded.unix_ms";
                connection.prepare_cached(sql)?.execute(params![charger, key, by, unix_ms])?;
                delete(connection, "knocks", charger)?;
                // Else what it has from now on would not be the only one.
                keys::forget_of_charger(connection, &self.charger)?;
            }
            AdmissionWhat::Remove => {
                keys::forget_of_charger(connection, &self.charger)?;
                delete(connection, "admissions", charger)?;
                delete(connection, "logins", charger)?;
                delete(connection, "knocks", charger)?;
            }
            AdmissionWhat::AllowPlain => {
                let sql = "UPDATE logins SET over_tls = 0 WHERE charger = ?1";
                connection.prepare_cached(sql)?.execute([charger])?;
                delete(connection, "knocks", charger)?;
            }
            AdmissionWhat::Forget => delete(connection, "knocks", charger)?,
            AdmissionWhat::ForgetKeys(None) => {
                keys::forget_of_charger(connection, &self.charger)?;
                delete(connection, "knocks", charger)?;
            }
            AdmissionWhat::ForgetKeys(Some(backoffice)) => {
                of = Some(backoffice.as_str());
                keys::forget_of_link(connection, &self.charger, backoffice)?;
            }
        }
        let sql = "INSERT INTO admission_history
                       (charger, unix_ms, what, key, said_by, from_outside, backoffice)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = params![charger, unix_ms, self.what.label(), key, by, from_outside, of];
        connection.prepare_cached(sql)?.execute(values)?;
        let sql = "DELETE FROM admission_history WHERE id <= (SELECT max(id) FROM admission_history) - ?1";
        connection.prepare_cached(sql)?.execute([HISTORY]).map(drop)
    }
}

fn delete(connection: &Connection, table: &str, charger: &str) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM {table} WHERE charger = ?1");
    connection.prepare_cached(&sql)?.execute([charger]).map(drop)
}

fn logged_in(connection: &Connection, login: &Login) -> rusqlite::Result<()> {
    let sql = "INSERT INTO logins (charger, form, over_tls, network, unix_ms) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (charger) DO UPDATE SET form = excluded.form, over_tls = excluded.over_tls,
                   network = excluded.network, unix_ms = excluded.unix_ms";
    let form = login.form.map(KeyForm::label);
    let network = login.network.map(|network| network.to_string());
    let values = params![login.charger.as_str(), form, login.over_tls, network, unix_ms()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Who was admitted meanwhile by another program does not knock any more, though the proxy has yet to hear of it.
fn knocked(connection: &Connection, knocking: &Knocking) -> rusqlite::Result<()> {
    let sql = "INSERT INTO knocks (charger, address, first_unix_ms, last_unix_ms, times, sent_credentials,
                   why, locked_out)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
               WHERE ?7 <> 'unknown' OR NOT EXISTS (SELECT 1 FROM admissions WHERE charger = ?1)
               ON CONFLICT (charger) DO UPDATE SET address = excluded.address,
                   first_unix_ms = excluded.first_unix_ms, last_unix_ms = excluded.last_unix_ms,
                   times = excluded.times, sent_credentials = excluded.sent_credentials,
                   why = excluded.why, locked_out = excluded.locked_out";
    let address = &knocking.address;
    connection.prepare_cached(sql)?.execute(params![
        knocking.charger.as_str(),
        address,
        knocking.first_unix_ms,
        knocking.last_unix_ms,
        i64::try_from(knocking.times).unwrap_or(i64::MAX),
        knocking.sent_credentials,
        knocking.why.label(),
        knocking.locked_out,
    ])?;
    let sql = "DELETE FROM knocks WHERE charger IN
                   (SELECT charger FROM knocks WHERE address = ?1 ORDER BY last_unix_ms DESC LIMIT -1 OFFSET ?2)";
    connection.prepare_cached(sql)?.execute(params![address, KNOCKS_OF_AN_ADDRESS])?;
    let sql = "DELETE FROM knocks WHERE charger IN
                   (SELECT charger FROM knocks ORDER BY last_unix_ms DESC LIMIT -1 OFFSET ?1)";
    connection.prepare_cached(sql)?.execute([KNOCKS]).map(drop)
}

/// See [`crate::Store::admissions`].
pub(crate) fn admissions(connection: &Connection) -> Result<Vec<Admission>, StoreError> {
    let sql = "SELECT charger, key, said_by, unix_ms FROM admissions ORDER BY charger";
    let mut statement = connection.prepare_cached(sql)?;
    let admissions = statement.query_map([], |row| {
        Ok(Admission {
            charger: row.get::<_, String>(0)?.as_str().into(),
            key: row.get::<_, Option<Vec<u8>>>(1)?.map(|key| SealedKey::from_bytes(&key)),
            by: row.get(2)?,
            unix_ms: row.get(3)?,
        })
    })?;
    Ok(admissions.collect::<rusqlite::Result<_>>()?)
}

/// See [`crate::Store::logins`].
pub(crate) fn logins(connection: &Connection) -> Result<Vec<Login>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT charger, form, over_tls, network FROM logins")?;
    let logins = statement.query_map([], |row| {
        Ok(Login {
            charger: row.get::<_, String>(0)?.as_str().into(),
            form: row.get::<_, Option<String>>(1)?.and_then(|label| KeyForm::from_label(&label)),
            over_tls: row.get(2)?,
            network: row.get::<_, Option<String>>(3)?.and_then(|network| network.parse().ok()),
        })
    })?;
    Ok(logins.collect::<rusqlite::Result<_>>()?)
}

/// See [`crate::Store::knocking`].
pub(crate) fn knocks(connection: &Connection) -> Result<Vec<Knocking>, StoreError> {
    let sql = "SELECT charger, address, first_unix_ms, last_unix_ms, times, sent_credentials, why, locked_out
               FROM knocks ORDER BY last_unix_ms DESC, charger";
    let mut statement = connection.prepare_cached(sql)?;
    let knocks = statement.query_map([], |row| {
        Ok(Knocking {
            charger: row.get::<_, String>(0)?.as_str().into(),
            address: row.get(1)?,
            first_unix_ms: row.get(2)?,
            last_unix_ms: row.get(3)?,
            times: u64::try_from(row.get::<_, i64>(4)?).unwrap_or_default(),
            sent_credentials: row.get(5)?,
            why: WhyNot::from_label(&row.get::<_, String>(6)?).unwrap_or(WhyNot::Unknown),
            locked_out: row.get(7)?,
        })
    })?;
    Ok(knocks.collect::<rusqlite::Result<_>>()?)
}

/// See [`crate::Browser::admission_history`].
pub(crate) fn history(connection: &Connection, limit: usize) -> Result<Vec<AdmissionChange>, StoreError> {
    let sql = "SELECT unix_ms, charger, what, key IS NOT NULL, said_by FROM admission_history
               ORDER BY id DESC LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let changes = statement.query_map([limit], |row| {
        Ok(AdmissionChange {
            unix_ms: row.get(0)?,
            charger: row.get::<_, String>(1)?.as_str().into(),
            what: row.get(2)?,
            with_key: row.get(3)?,
            by: row.get(4)?,
        })
    })?;
    Ok(changes.collect::<rusqlite::Result<_>>()?)
}

/// The place of the last order in the file.
pub(crate) fn last(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(id), 0) FROM admission_history", [], |row| row.get(0))
}

/// What other programs ordered after this place.
pub(crate) fn from_outside(connection: &Connection, after: i64) -> rusqlite::Result<Vec<AdmissionOrder>> {
    let sql = "SELECT charger, what, key, said_by, backoffice FROM admission_history
               WHERE id > ?1 AND from_outside ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let orders = statement.query_map([after], |row| {
        let key = row.get::<_, Option<Vec<u8>>>(2)?;
        Ok(AdmissionOrder {
            charger: ChargerId::from(row.get::<_, String>(0)?.as_str()),
            what: match row.get::<_, String>(1)?.as_str() {
                "admitted" => AdmissionWhat::Admit(key.map(|key| SealedKey::from_bytes(&key))),
                "plain_allowed" => AdmissionWhat::AllowPlain,
                "forgotten" => AdmissionWhat::Forget,
                "keys_forgotten" => {
                    let backoffice = row.get::<_, Option<String>>(4)?;
                    AdmissionWhat::ForgetKeys(backoffice.map(|name| name.as_str().into()))
                }
                _ => AdmissionWhat::Remove,
            },
            by: row.get(3)?,
        })
    })?;
    orders.collect()
}
