//! What a message says beyond card, connector and transaction, in plain words: the fields that people
//! ask for. Read from the payload as it was logged; what was redacted stays so.

use engine::actions;
use engine::payload::{elements, field, string, text};

use super::shown;

/// The words before a field's value, and where the field is: names separated by `/`.
type Shown = (&'static str, &'static str);

/// What is shown of each message. A known message that is not here says nothing more.
const FIELDS: [(&str, &[Shown]); 29] = [
    (
        "BootNotification",
        &[
            ("", "chargePointVendor"),
            ("", "chargePointModel"),
            ("firmware", "firmwareVersion"),
            ("serial number", "chargePointSerialNumber"),
        ],
    ),
    ("CancelReservation", &[("reservation", "reservationId")]),
    ("ChangeAvailability", &[("", "type")]),
    ("ChangeConfiguration", &[("key", "key"), ("value", "value")]),
    ("ClearChargingProfile", &[("profile", "id"), ("purpose", "chargingProfilePurpose")]),
    ("DataTransfer", &[("vendor", "vendorId"), ("message", "messageId"), ("data", "data")]),
    ("DeleteCertificate", &[("serial number", "certificateHashData/serialNumber")]),
    ("DiagnosticsStatusNotification", &[("", "status")]),
    ("ExtendedTriggerMessage", &[("", "requestedMessage")]),
    ("FirmwareStatusNotification", &[("", "status")]),
    ("GetCompositeSchedule", &[("seconds", "duration")]),
    ("GetConfiguration", &[("keys", "key")]),
    ("GetDiagnostics", &[("to", "location")]),
    ("GetInstalledCertificateIds", &[("", "certificateType")]),
    ("GetLog", &[("", "logType"), ("to", "log/remoteLocation")]),
    ("InstallCertificate", &[("", "certificateType")]),
    ("LogStatusNotification", &[("", "status")]),
    ("RemoteStartTransaction", PROFILE),
    ("ReserveNow", &[("reservation", "reservationId"), ("until", "expiryDate")]),
    ("Reset", &[("", "type")]),
    ("SecurityEventNotification", &[("", "type"), ("", "techInfo")]),
    ("SendLocalList", &[("version", "listVersion"), ("", "updateType")]),
    ("SetChargingProfile", PROFILE),
    ("SignedFirmwareStatusNotification", &[("", "status")]),
    ("SignedUpdateFirmware", &[("from", "firmware/location")]),
    ("StartTransaction", &[("meter", "meterStart"), ("reservation", "reservationId")]),
    (
        "StatusNotification",
        &[
            ("status", "status"),
            ("error", "errorCode"),
            ("info", "info"),
            ("vendor error", "vendorErrorCode"),
        ],
    ),
    ("StopTransaction", &[("meter", "meterStop"), ("reason", "reason")]),
    ("TriggerMessage", &[("", "requestedMessage")]),
];

/// Where a charging profile stands in the two messages that have one.
const PROFILE: &[Shown] = &[
    ("purpose", "csChargingProfiles/chargingProfilePurpose"),
    ("purpose", "chargingProfile/chargingProfilePurpose"),
];

/// So many readings are shown of each MeterValues.
const READINGS: usize = 4;

/// The details as `, word value` for each; empty when there is nothing to add.
pub fn of_call(action: &str, payload: &str) -> String {
    if actions::known(action).is_none() {
        return if payload == "{}" { String::new() } else { format!(", {}", shown(payload)) };
    }
    let fields = FIELDS.iter().find(|(name, _)| *name == action).map_or(&[][..], |(_, fields)| fields);
    let mut details: Vec<String> = fields
        .iter()
        .filter_map(|(word, path)| {
            let value = value(at(payload, path)?)?;
            // Most messages about a state also say that there is no error.
            let is_news = (action, value.as_str()) != ("StatusNotification", "NoError");
            is_news.then(|| match *word {
                "" => value,
                "meter" => format!("meter {value} Wh"),
                word => format!("{word} {value}"),
            })
        })
        .collect();
    match action {
        "MeterValues" => details.extend(readings(payload)),
        "SetChargingProfile" => details.extend(limit(payload, "csChargingProfiles")),
        "RemoteStartTransaction" => details.extend(limit(payload, "chargingProfile")),
        _ => {}
    }
    details.into_iter().fold(String::new(), |text, detail| text + ", " + &detail)
}

fn at<'a>(payload: &'a str, path: &str) -> Option<&'a str> {
    path.split('/').try_fold(payload, |object, name| field(object, name))
}

/// A token for a person; `None` where there is nothing in it.
fn value(token: &str) -> Option<String> {
    if token.starts_with('[') {
        let items: Vec<String> = elements(token).into_iter().filter_map(value).collect();
        return (!items.is_empty()).then(|| shown(&items.join(" ")));
    }
    let text = string(token).unwrap_or(token.into());
    (!text.trim().is_empty() && text != "null").then(|| shown(&text))
}

/// The lowest limit of a charging profile, which is what people look for.
fn limit(payload: &str, profile: &str) -> Option<String> {
    let schedule = at(payload, profile).and_then(|profile| field(profile, "chargingSchedule"))?;
    let periods = elements(field(schedule, "chargingSchedulePeriod")?);
    let number = |period: &&str| field(period, "limit").and_then(|limit| limit.parse::<f64>().ok());
    let lowest = periods.iter().copied().min_by(|one, other| {
        let (one, other) = (number(one).unwrap_or(f64::MAX), number(other).unwrap_or(f64::MAX));
        one.total_cmp(&other)
    })?;
    let limit = value(field(lowest, "limit")?)?;
    let unit = text(schedule, "chargingRateUnit").unwrap_or_default();
    let least = if periods.len() > 1 { "lowest limit" } else { "limit" };
    Some(format!("{least} {limit} {}", shown(&unit)).trim_end().to_owned())
}

/// The newest readings of a MeterValues: energy first, then power, then the others.
fn readings(payload: &str) -> Vec<String> {
    let Some(newest) = field(payload, "meterValue").and_then(|values| elements(values).pop()) else {
        return Vec::new();
    };
    let sampled = field(newest, "sampledValue").map(elements).unwrap_or_default();
    let mut readings: Vec<(u8, String)> = sampled.into_iter().filter_map(reading).collect();
    readings.sort_by_key(|(rank, _)| *rank);
    let more = readings.len().saturating_sub(READINGS);
    let mut readings: Vec<String> = readings.into_iter().take(READINGS).map(|(_, text)| text).collect();
    if more > 0 {
        readings.push(format!("and {more} more"));
    }
    readings
}

/// One reading, and its place among the others (OCPP 1.6 §7.31, §7.43).
fn reading(sampled: &str) -> Option<(u8, String)> {
    let measurand = text(sampled, "measurand").unwrap_or("Energy.Active.Import.Register".into());
    let (rank, word) = match &*measurand {
        "Energy.Active.Import.Register" => (0, "energy"),
        "Power.Active.Import" => (1, "power"),
        "Current.Import" => (2, "current"),
        "SoC" => (2, "battery"),
        "Voltage" => (3, "voltage"),
        other => (if other.starts_with("Energy.") { 2 } else { 4 }, other),
    };
    let default = if word == "energy" { "Wh" } else { "" };
    let unit = text(sampled, "unit").unwrap_or(default.into());
    let value = match text(sampled, "format").as_deref() {
        Some("SignedData") => "signed".to_owned(),
        _ => format!("{} {unit}", value(field(sampled, "value")?)?),
    };
    let phase = text(sampled, "phase").map(|phase| format!(" {phase}")).unwrap_or_default();
    Some((rank, shown(format!("{word}{phase} {value}").trim_end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_ask_for_is_said() {
        let cases = [
            (
                "StatusNotification",
                r#"{"connectorId":1,"errorCode":"GroundFailure","status":"Faulted","info":"RCD","vendorErrorCode":"E7"}"#,
                ", status Faulted, error GroundFailure, info RCD, vendor error E7",
            ),
            (
                "StatusNotification",
                r#"{"connectorId":1,"errorCode":"NoError","status":"Available","info":""}"#,
                ", status Available",
            ),
            (
                "BootNotification",
                r#"{"chargePointVendor":"Wallb","chargePointModel":"X\u00e91","firmwareVersion":"1.2"}"#,
                ", Wallb, Xé1, firmware 1.2",
            ),
            (
                "StopTransaction",
                r#"{"transactionId":7,"meterStop":15300,"reason":"EVDisconnected"}"#,
                ", meter 15300 Wh, reason EVDisconnected",
            ),
            ("StartTransaction", r#"{"meterStart":0,"reservationId":null}"#, ", meter 0 Wh"),
            (
                "ChangeConfiguration",
                r#"{"key":"MeterValueSampleInterval","value":"60"}"#,
                ", key MeterValueSampleInterval, value 60",
            ),
            (
                "ChangeConfiguration",
                r#"{"key":"AuthorizationKey","value":"«redacted»"}"#,
                ", key AuthorizationKey, value «redacted»",
            ),
            ("Reset", r#"{"type":"Soft"}"#, ", Soft"),
            ("RemoteStartTransaction", r#"{"idTag":"A","connectorId":1}"#, ""),
            ("TriggerMessage", r#"{"requestedMessage":"MeterValues"}"#, ", MeterValues"),
            (
                "ReserveNow",
                r#"{"reservationId":3,"expiryDate":"2026-11-22T13:00:00Z"}"#,
                ", reservation 3, until 2026-11-22T13:00:00Z",
            ),
            ("GetConfiguration", r#"{"key":["A","B"]}"#, ", keys A B"),
            ("GetConfiguration", "{}", ""),
            ("FirmwareStatusNotification", r#"{"status":"Installed"}"#, ", Installed"),
            (
                "SecurityEventNotification",
                r#"{"type":"TamperDetectionActivated"}"#,
                ", TamperDetectionActivated",
            ),
            ("DataTransfer", r#"{"vendorId":"de.x","messageId":"tariff"}"#, ", vendor de.x, message tariff"),
            (
                "SetChargingProfile",
                r#"{"connectorId":1,"csChargingProfiles":{"chargingProfilePurpose":"TxProfile","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0},{"startPeriod":60,"limit":6}]}}}"#,
                ", purpose TxProfile, lowest limit 6 A",
            ),
            (
                "RemoteStartTransaction",
                r#"{"idTag":"A","chargingProfile":{"chargingProfilePurpose":"TxProfile","chargingSchedule":{"chargingRateUnit":"W","chargingSchedulePeriod":[{"startPeriod":0,"limit":11000}]}}}"#,
                ", purpose TxProfile, limit 11000 W",
            ),
            (
                "MeterValues",
                r#"{"connectorId":1,"meterValue":[{"timestamp":"t","sampledValue":[{"value":"1"}]},{"timestamp":"u","sampledValue":[{"measurand":"Voltage","value":"230","unit":"V","phase":"L1"},{"measurand":"Power.Active.Import","value":"11.0","unit":"kW"},{"value":"15300"},{"measurand":"SoC","value":"80","unit":"Percent"},{"measurand":"Temperature","value":"31"}]}]}"#,
                ", energy 15300 Wh, power 11.0 kW, battery 80 Percent, voltage L1 230 V, and 1 more",
            ),
            ("MeterValues", r#"{"meterValue":[]}"#, ""),
            ("MeterValues", "[1", ""),
            (
                "MeterValues",
                r#"{"meterValue":[{"sampledValue":[{"value":"OCMF|…","format":"SignedData"}]}]}"#,
                ", energy signed",
            ),
            ("Heartbeat", "{}", ""),
            ("ClearCache", r#"{"x":1}"#, ""),
            ("VendorThing", r#"{"a":[1,2]}"#, r#", {"a":[1,2]}"#),
            ("VendorThing", "{}", ""),
            ("Reset", "{\"type\":\"\\u001b[31m\"}", ", \\u{1b}[31m"),
        ];
        assert_eq!(cases.len(), 27);
        for (action, payload, expected) in cases {
            assert_eq!(of_call(action, payload), expected, "{action} {payload}");
        }
    }

    #[test]
    fn every_message_of_the_table_is_known_and_stands_once() {
        assert!(FIELDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(FIELDS.iter().all(|(action, _)| actions::known(action).is_some()));
        assert_eq!(FIELDS.len(), 29);
    }
}
