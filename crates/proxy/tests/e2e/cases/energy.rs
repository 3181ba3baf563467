//! An energy manager and an operator: who limits all, who limits each, who is told what is measured.

use serde_json::{Value, json};

use super::{ENERGY, connected, heard, proxy, status, written};
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::Proxy;
use crate::support::session;

/// A charging profile with one limit.
fn profile(number: i64, purpose: &str, amperes: i64) -> Value {
    json!({
        "connectorId": i64::from(purpose != "ChargePointMaxProfile"),
        "csChargingProfiles": {
            "chargingProfileId": number,
            "stackLevel": 0,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "startSchedule": "2026-11-22T00:00:00Z",
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amperes}],
            },
        },
    })
}

/// scenario 13, K-20, K-24: who limits all, who limits each, and who clears what
#[test]
fn an_energy_manager_and_an_operator() {
    let cpo = Backoffice::start(Library::Node, json!({"first_transaction": 1}));
    let power = Backoffice::start(Library::Python, json!({"rejected": [session::GOOD_CARD]}));
    let proxy = proxy(ENERGY, &[("cpo", &cpo), ("power", &power)]);
    let charger = connected(Library::Node, &proxy, "SITE2-7");
    let answers = session::arrive(&mut &charger, session::GOOD_CARD);
    assert_eq!(answers[3], json!({"idTagInfo": {"status": "Accepted"}}), "cards are the operator's");

    // Both call their profile 1; each purpose has one owner.
    let set = |backoffice, purpose| status(backoffice, "SetChargingProfile", profile(1, purpose, 16));
    assert_eq!(set(&power, "ChargePointMaxProfile"), "Accepted");
    assert_eq!(set(&cpo, "TxDefaultProfile"), "Accepted");
    assert_eq!(set(&cpo, "ChargePointMaxProfile"), "Rejected");
    assert_eq!(set(&power, "TxDefaultProfile"), "Rejected");
    let placed: Vec<(Value, i64)> = charger
        .wait_calls("SetChargingProfile", 2)
        .into_iter()
        .map(|call| call.payload["csChargingProfiles"].clone())
        .map(|one| (one["chargingProfilePurpose"].clone(), one["chargingProfileId"].as_i64().unwrap()))
        .collect();
    assert_eq!(placed[0].0, "ChargePointMaxProfile");
    assert_eq!(placed[1].0, "TxDefaultProfile");
    let (limit, default) = (placed[0].1, placed[1].1);
    assert_ne!(limit, default, "both called it 1");

    // "All" means all of one's own.
    assert_eq!(status(&cpo, "ClearChargingProfile", json!({})), "Accepted");
    let cleared: Vec<Value> =
        charger.wait_calls("ClearChargingProfile", 1).into_iter().map(|call| call.payload).collect();
    assert_eq!(cleared, [json!({"id": default})]);
    assert_eq!(status(&power, "ClearChargingProfile", json!({"id": 1})), "Accepted");
    assert_eq!(charger.wait_calls("ClearChargingProfile", 2)[1].payload, json!({"id": limit}));

    // What is set in a transaction is the operator's, too; both may ask what it comes to.
    let number = session::start(&mut &charger, session::GOOD_CARD)["transactionId"].as_i64().unwrap();
    let started = power.wait_call("StartTransaction", |_| true);
    let theirs = power.wait_answered(&started).payload["transactionId"].clone();
    let mut limited = profile(2, "TxProfile", 16);
    limited["csChargingProfiles"]["transactionId"] = theirs;
    assert_eq!(status(&power, "SetChargingProfile", limited.clone()), "Rejected");
    limited["csChargingProfiles"]["transactionId"] = number.into();
    assert_eq!(status(&cpo, "SetChargingProfile", limited), "Accepted");
    for backoffice in [&cpo, &power] {
        let asked = json!({"connectorId": 1, "duration": 60});
        assert_eq!(status(backoffice, "GetCompositeSchedule", asked), "Accepted");
    }
    // Measured as often as one of them wants; each is told as often as it wants itself, and the last value.
    for (backoffice, seconds) in [(&cpo, "60"), (&power, "30")] {
        let interval = json!({"key": "MeterValueSampleInterval", "value": seconds});
        assert_eq!(status(backoffice, "ChangeConfiguration", interval), "Accepted");
    }
    let intervals: Vec<Value> = charger
        .wait_calls("ChangeConfiguration", 2)
        .into_iter()
        .map(|call| call.payload["value"].clone())
        .collect();
    assert_eq!(intervals, ["60", "30"]);
    for second in ["00", "30"] {
        let mut values = session::meter_values(number, 1500);
        values["meterValue"][0]["timestamp"] = format!("2026-11-22T13:05:{second}Z").into();
        charger.call("MeterValues", values);
    }
    power.wait_calls("MeterValues", 2);
    assert_eq!(cpo.calls().iter().filter(|call| call.action == "MeterValues").count(), 1);

    let refused = [
        ("RemoteStartTransaction", json!({"idTag": session::GOOD_CARD})),
        ("RemoteStopTransaction", json!({"transactionId": 1})),
        ("Reset", json!({"type": "Soft"})),
        ("ChangeAvailability", json!({"connectorId": 1, "type": "Inoperative"})),
    ];
    let before = heard(&charger).len();
    for (action, payload) in refused {
        assert_eq!(status(&power, action, payload), "Rejected", "{action}");
    }
    assert_eq!(heard(&charger).len(), before);
    session::stop(&mut &charger, number);
    let told = cpo.wait_calls("StopTransaction", 1).len() + cpo.wait_calls("MeterValues", 2).len();
    assert_eq!(told, 3);
    let order: Vec<String> = cpo.calls().into_iter().map(|call| call.action).collect();
    assert_eq!(order[order.len() - 2..], ["MeterValues", "StopTransaction"]);
}

/// §6.4: both limit one session: the charger has the lower limit, and the other's when that is gone
#[test]
fn limits_of_both_put_together() {
    let cpo = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let power = Backoffice::start(Library::Node, json!({"first_transaction": 1000}));
    let page = written(ENERGY, &[("cpo", &cpo), ("power", &power)]);
    let together =
        page.replace("by_purpose", "composite").replace(r#", purposes = ["ChargePointMaxProfile"]"#, "");
    let proxy = Proxy::start(&together);
    assert_eq!(proxy.command(&["check"]).2, "");
    let charger = connected(Library::Python, &proxy, "SITE2-8");
    session::arrive(&mut &charger, session::GOOD_CARD);
    let set = |backoffice: &Backoffice, transaction: Option<i64>, amperes: i64| {
        let (id, purpose) = if transaction.is_some() { (2, "TxProfile") } else { (1, "TxDefaultProfile") };
        let mut profile = profile(id, purpose, amperes);
        if let Some(number) = transaction {
            profile["csChargingProfiles"]["transactionId"] = number.into();
        }
        assert_eq!(status(backoffice, "SetChargingProfile", profile), "Accepted", "{purpose}");
    };
    let limited = |amperes: f64, transaction: Option<i64>| {
        charger.wait_call("SetChargingProfile", |call| {
            let profile = &call.payload["csChargingProfiles"];
            let limit = &profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"];
            limit.as_f64() == Some(amperes) && profile["transactionId"].as_i64() == transaction
        });
    };

    set(&cpo, None, 32);
    limited(32.0, None);
    let number = session::start(&mut &charger, session::GOOD_CARD)["transactionId"].as_i64().unwrap();
    let started = power.wait_call("StartTransaction", |_| true);
    power.wait_answered(&started);
    set(&power, Some(1000), 10);
    limited(10.0, Some(number));
    let before = charger.calls().len();
    set(&cpo, Some(number), 20);
    assert_eq!(charger.calls().len(), before, "the other limit is lower");
    assert_eq!(status(&power, "ClearChargingProfile", json!({"id": 2})), "Accepted");
    limited(20.0, Some(number));
    let placed: Vec<Value> = charger
        .wait_calls("SetChargingProfile", 3)
        .into_iter()
        .map(|call| call.payload["csChargingProfiles"]["chargingProfileId"].clone())
        .collect();
    assert!(placed.iter().all(|id| id.as_i64() > Some(2)), "the profiles are the proxy's own: {placed:?}");
    session::stop(&mut &charger, number);
}
