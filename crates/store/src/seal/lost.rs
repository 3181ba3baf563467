//! Whether the secret is the one with which the keys in the file were sealed: whoever restores the database alone has
//! lost it.

use aws_lc_rs::hmac;
use rusqlite::{Connection, OptionalExtension, params};

use super::Seal;
use crate::upkeep::unix_ms;

/// What it is seen by. What identities are sealed with holds a zero byte.
const PURPOSE: &[u8] = b"which secret it is";

/// Keys in the file that nobody can know again, since their secret is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostSeal {
    /// What was sealed before that is lost; UTC, milliseconds since 1970.
    pub unix_ms: i64,
    /// Keys of chargers, given out by operators or by leaders.
    pub of_chargers: u64,
    /// Keys that backoffices have set for their links.
    pub of_links: u64,
}

impl Seal {
    /// Whether this is not the secret with which keys in the file were sealed; takes note of that.
    pub(crate) fn lost(&self, connection: &Connection, is_new: bool) -> rusqlite::Result<Option<LostSeal>> {
        let mac = hmac::sign(&self.0, PURPOSE);
        let known: Option<(Vec<u8>, Option<i64>)> = connection
            .query_row("SELECT mac, lost_unix_ms FROM seal", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let lost_unix_ms = match known {
            Some((known, _)) if known == mac.as_ref() => None,
            // A file of before this was noted.
            None if !is_new => None,
            Some((_, lost_unix_ms)) => Some(lost_unix_ms.unwrap_or_else(unix_ms)),
            None => Some(unix_ms()),
        };
        let lost = lost_unix_ms.map(|unix_ms| count(connection, unix_ms)).transpose()?;
        let lost = lost.filter(|lost| lost.of_chargers + lost.of_links > 0);
        match lost {
            None => {
                connection.execute("DELETE FROM seal", [])?;
                connection.execute("INSERT INTO seal (mac) VALUES (?1)", [mac.as_ref()])?;
            }
            Some(lost) if connection.execute("UPDATE seal SET lost_unix_ms = ?1", [lost.unix_ms])? == 0 => {
                let sql = "INSERT INTO seal (mac, lost_unix_ms) VALUES (x'', ?1)";
                connection.execute(sql, params![lost.unix_ms])?;
            }
            Some(_) => {}
        }
        Ok(lost)
    }
}

fn count(connection: &Connection, unix_ms: i64) -> rusqlite::Result<LostSeal> {
    let count = |sql| connection.query_row(sql, [unix_ms], |row| row.get::<_, u32>(0).map(u64::from));
    let admitted = count("SELECT count(*) FROM admissions WHERE key IS NOT NULL AND unix_ms < ?1")?;
    let changed = count("SELECT count(*) FROM charger_keys WHERE unix_ms < ?1")?;
    let of_links = count("SELECT count(*) FROM link_keys WHERE unix_ms < ?1")?;
    Ok(LostSeal { unix_ms, of_chargers: admitted + changed, of_links })
}
