//! Comparing payloads: equal to the byte but for the numbers that a proxy must replace.

use serde_json::Value;

use super::options::ALIAS;
use crate::charger::SESSION_BAND_WH;

/// The fields whose value is another one for every party.
const OWN_IDS: [&str; 4] = ["transactionId", "reservationId", "chargingProfileId", "requestId"];

/// The payload with every card under its own number.
pub(super) fn unaliased(payload: &str) -> String {
    payload.replace(ALIAS, "")
}

/// The payload with the numbers of [`OWN_IDS`] blanked, every card under its own number, and everything else
/// as it was written.
pub(super) fn blanked(payload: &str) -> String {
    let mut text = unaliased(payload);
    for field in OWN_IDS {
        let Some((start, end)) = number_of(&text, field) else { continue };
        text.replace_range(start..end, "#");
    }
    text
}

/// The same with the stack level of a profile blanked, too.
pub(super) fn without_level(payload: &str) -> String {
    let mut text = blanked(payload);
    if let Some((start, end)) = number_of(&text, "stackLevel") {
        text.replace_range(start..end, "#");
    }
    text
}

/// Where the number of a field stands in a payload.
fn number_of(payload: &str, field: &str) -> Option<(usize, usize)> {
    let quoted = format!("\"{field}\"");
    let after_name = payload.find(&quoted)? + quoted.len();
    let value = payload[after_name..].find(|c: char| c == '-' || c.is_ascii_digit())? + after_name;
    let end = payload[value..]
        .find(|c: char| c != '-' && !c.is_ascii_digit())
        .map_or(payload.len(), |at| value + at);
    Some((value, end))
}

/// The payload as a value without the fields of [`OWN_IDS`] at its top.
pub(super) fn without_ids(payload: &str) -> Value {
    let mut value: Value = serde_json::from_str(&unaliased(payload)).unwrap_or(Value::Null);
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !OWN_IDS.contains(&name.as_str()));
    }
    value
}

/// A number at the top of a payload.
pub(super) fn number(payload: &str, field: &str) -> Option<i64> {
    let value: Value = serde_json::from_str(payload).ok()?;
    value[field].as_i64()
}

/// Which session of the charger a payload is about, from its meter reading.
pub(super) fn serial(payload: &str) -> Option<i64> {
    let value: Value = serde_json::from_str(payload).ok()?;
    let sampled = value["meterValue"][0]["sampledValue"][0]["value"].as_str();
    let reading = value["meterStart"].as_i64().or_else(|| value["meterStop"].as_i64());
    let reading = reading.or_else(|| sampled?.parse().ok())?;
    Some(reading / SESSION_BAND_WH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_is_blanked() {
        assert_eq!(blanked("{ \"transactionId\" : -17 , \"x\": 4 }"), "{ \"transactionId\" : # , \"x\": 4 }");
        assert_eq!(number("{\"transactionId\":5}", "transactionId"), Some(5));
        assert_eq!(without_ids("{\"reservationId\":5,\"a\":1}"), serde_json::json!({ "a": 1 }));
    }
}
