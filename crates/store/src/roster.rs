//! Every charger that anything is known of: one small row for each, so that a list of them reads neither
//! the log nor the records.

use engine::ChargerId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::StoreError;
use crate::json::Tape;
use crate::redaction;

/// Longer values of a BootNotification are cut; OCPP 1.6 §6.3 allows 50 characters at most.
const BOOT_CHARS: usize = 100;
/// By how much calls may be newer than what a charger's row says, in milliseconds.
pub(crate) const BEHIND_MS: i64 = 10 * 60 * 1000;

/// There is such a charger. Reads one row when that is known.
pub(crate) fn known(connection: &Connection, charger: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO chargers (charger) VALUES (?1) ON CONFLICT (charger) DO NOTHING";
    connection.prepare_cached(sql)?.execute([charger]).map(drop)
}

/// It was there at this time.
pub(crate) fn seen(connection: &Connection, charger: &str, unix_ms: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO chargers (charger, last_seen_unix_ms) VALUES (?1, ?2)
               ON CONFLICT (charger) DO UPDATE SET last_seen_unix_ms = excluded.last_seen_unix_ms
                   WHERE excluded.last_seen_unix_ms > coalesce(last_seen_unix_ms, 0)";
    connection.prepare_cached(sql)?.execute(params![charger, unix_ms]).map(drop)
}

/// A call of it was received then, or was sent to it. The row is written anew only now and then: between what it says
/// and [`BEHIND_MS`] later there may be calls that are newer, and none after that.
pub(crate) fn called(connection: &Connection, charger: &str, unix_ms: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO chargers (charger, last_seen_unix_ms) VALUES (?1, ?2)
               ON CONFLICT (charger) DO UPDATE SET last_seen_unix_ms = excluded.last_seen_unix_ms
                   WHERE excluded.last_seen_unix_ms > coalesce(last_seen_unix_ms, 0) + ?3";
    connection.prepare_cached(sql)?.execute(params![charger, unix_ms, BEHIND_MS]).map(drop)
}

/// It told what it is: the body of the fact `"boot"`.
pub(crate) fn booted(connection: &Connection, charger: &str, body: &str) -> rusqlite::Result<()> {
    let request = Tape::read(body).and_then(|tape| {
        let request = tape.member(Tape::ROOT, "request")?;
        Some(tape.text(request)?.into_owned())
    });
    let request = request.unwrap_or_default();
    let request = redaction::payload(&request).text;
    let tape = Tape::read(&request);
    let text = |name| tape.as_ref().and_then(|tape| text(tape, name, BOOT_CHARS));
    let sql = "INSERT INTO chargers (charger, vendor, model, firmware) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (charger) DO UPDATE SET vendor = excluded.vendor, model = excluded.model,
                   firmware = excluded.firmware";
    let values =
        params![charger, text("chargePointVendor"), text("chargePointModel"), text("firmwareVersion")];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// See [`crate::Store::spelling`].
pub(crate) fn spelling(
    connection: &Connection,
    charger: &ChargerId,
) -> Result<Option<ChargerId>, StoreError> {
    let sql = "SELECT charger FROM chargers WHERE charger = ?1";
    let spelling: Option<String> =
        connection.prepare_cached(sql)?.query_row([charger.as_str()], |row| row.get(0)).optional()?;
    Ok(spelling.map(|spelling| ChargerId::from(spelling.as_str())))
}

/// The text of a member of the root, cut after so many characters.
pub(crate) fn text(tape: &Tape<'_>, name: &str, characters: usize) -> Option<String> {
    let text = tape.text(tape.member(Tape::ROOT, name)?)?;
    Some(text.chars().take(characters).collect())
}
