//! A whole charging session, as the tests' chargers run it, with payloads that fit OCA's schemas.

use serde_json::{Value, json};

use super::charger::RawCharger;
use super::peer::Peer;

/// A card that nobody rejects.
pub const GOOD_CARD: &str = "04A2B3C4D5E6F7";

/// Whatever can send a CALL and wait for its answer.
pub trait Calls {
    /// The payload of the answer.
    fn ask(&mut self, action: &str, payload: Value) -> Value;
}

impl Calls for RawCharger {
    fn ask(&mut self, action: &str, payload: Value) -> Value {
        self.call(action, &payload)
    }
}

impl Calls for &Peer {
    fn ask(&mut self, action: &str, payload: Value) -> Value {
        self.call(action, payload)
    }
}

/// Boot, status, heartbeat and card: what precedes a transaction. The answers, in order.
pub fn arrive(charger: &mut impl Calls, card: &str) -> Vec<Value> {
    vec![
        charger.ask("BootNotification", json!({"chargePointVendor": "Acme", "chargePointModel": "One"})),
        charger.ask(
            "StatusNotification",
            json!({"connectorId": 1, "errorCode": "NoError", "status": "Preparing", "timestamp": "2026-11-22T13:00:00Z"}),
        ),
        charger.ask("Heartbeat", json!({})),
        charger.ask("Authorize", json!({"idTag": card})),
    ]
}

/// Starts a transaction; the answer.
pub fn start(charger: &mut impl Calls, card: &str) -> Value {
    let start =
        json!({"connectorId": 1, "idTag": card, "meterStart": 1000, "timestamp": "2026-11-22T13:01:00Z"});
    charger.ask("StartTransaction", start)
}

/// Meter values of a transaction; the answer.
pub fn meter(charger: &mut impl Calls, transaction: i64, energy_wh: u32) -> Value {
    charger.ask("MeterValues", meter_values(transaction, energy_wh))
}

/// The payload of [`meter`].
pub fn meter_values(transaction: i64, energy_wh: u32) -> Value {
    json!({
        "connectorId": 1,
        "transactionId": transaction,
        "meterValue": [{
            "timestamp": "2026-11-22T13:05:00Z",
            "sampledValue": [{
                "value": energy_wh.to_string(),
                "context": "Sample.Periodic",
                "measurand": "Energy.Active.Import.Register",
                "unit": "Wh",
            }],
        }],
    })
}

/// Stops a transaction; the answer.
pub fn stop(charger: &mut impl Calls, transaction: i64) -> Value {
    charger.ask(
        "StopTransaction",
        json!({
            "transactionId": transaction,
            "idTag": GOOD_CARD,
            "meterStop": 5000,
            "timestamp": "2026-11-22T14:00:00Z",
            "reason": "Local",
        }),
    )
}

/// A whole session; every answer, with what a clock decides masked.
pub fn whole(charger: &mut impl Calls, card: &str) -> Vec<Value> {
    let mut answers = arrive(charger, card);
    answers.push(start(charger, card));
    let transaction = answers.last().unwrap()["transactionId"].as_i64().expect("a transaction number");
    for sample in 1..=3 {
        answers.push(meter(charger, transaction, 1000 + sample * 500));
    }
    answers.push(stop(charger, transaction));
    for answer in &mut answers {
        if answer.get("currentTime").is_some() {
            answer["currentTime"] = "now".into();
        }
    }
    answers
}

/// The actions of [`whole`], in order.
pub const ACTIONS: [&str; 9] = [
    "BootNotification",
    "StatusNotification",
    "Heartbeat",
    "Authorize",
    "StartTransaction",
    "MeterValues",
    "MeterValues",
    "MeterValues",
    "StopTransaction",
];

/// What a leader that accepts everything and issues `transaction` answers to [`whole`].
pub fn answers_of_a_leader(transaction: i64) -> Vec<Value> {
    let accepted = json!({"idTagInfo": {"status": "Accepted"}});
    vec![
        json!({"status": "Accepted", "currentTime": "now", "interval": 300}),
        json!({}),
        json!({"currentTime": "now"}),
        accepted.clone(),
        json!({"transactionId": transaction, "idTagInfo": {"status": "Accepted"}}),
        json!({}),
        json!({}),
        json!({}),
        accepted,
    ]
}
