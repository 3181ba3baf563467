//! A maintenance company: jobs, connectors under repair, nobody cut off.

use serde_json::{Value, json};

use super::{MAINTENANCE, STOLEN, card, command, connected, heard, proxy, status};
use crate::support::peer::{Backoffice, Library};
use crate::support::session;

/// K-51, K-53, K-70, K-71: jobs are their owner's, a connector under repair stays out of service, nobody is cut off
#[test]
fn a_maintenance_company() {
    let cpo = Backoffice::start(Library::Node, json!({"first_transaction": 1, "rejected": [STOLEN]}));
    let service = Backoffice::start(Library::Python, json!({"first_transaction": 1000}));
    let proxy = proxy(MAINTENANCE, &[("cpo", &cpo), ("service", &service)]);
    let charger = connected(Library::Python, &proxy, "SITE4-7");
    let report = json!({"fileName": "diagnostics.zip"});
    charger.cue(json!({"do": "set", "behaviour": {"answers": {"GetDiagnostics": report.clone()}}}));
    session::arrive(&mut &charger, session::GOOD_CARD);
    assert_eq!(card(&charger, STOLEN), json!({"status": "Invalid"}), "its opinion does not count");

    // Jobs.
    let diagnostics = json!({"location": "ftp://service.example/"});
    assert_eq!(command(&service, "GetDiagnostics", diagnostics)["payload"], report);
    for state in ["Uploading", "Uploaded"] {
        charger.call("DiagnosticsStatusNotification", json!({"status": state}));
    }
    let firmware =
        json!({"location": "https://service.example/1.bin", "retrieveDate": "2026-11-22T13:00:00Z"});
    assert_eq!(command(&service, "UpdateFirmware", firmware.clone())["payload"], json!({}));
    assert_eq!(command(&cpo, "UpdateFirmware", firmware)["error"], "GenericError");
    for state in ["Downloading", "Downloaded", "Installing"] {
        charger.call("FirmwareStatusNotification", json!({"status": state}));
    }
    let off = json!({"connectorId": 1, "type": "Inoperative"});
    for (action, payload) in [("Reset", json!({"type": "Soft"})), ("ChangeAvailability", off)] {
        assert_eq!(status(&cpo, action, payload), "Rejected", "{action}: firmware is being installed");
    }
    charger.call("FirmwareStatusNotification", json!({"status": "Installed"}));
    assert_eq!(service.wait_calls("DiagnosticsStatusNotification", 2).len(), 2);
    assert_eq!(service.wait_calls("FirmwareStatusNotification", 4).len(), 4);

    // Out of service as long as one wants so.
    let switch = |backoffice, kind: &str| {
        status(backoffice, "ChangeAvailability", json!({"connectorId": 2, "type": kind}))
    };
    assert_eq!(switch(&service, "Inoperative"), "Accepted");
    assert_eq!(switch(&cpo, "Operative"), "Accepted");
    assert_eq!(switch(&service, "Operative"), "Accepted");
    let switched: Vec<Value> = charger
        .wait_calls("ChangeAvailability", 2)
        .into_iter()
        .map(|call| call.payload["type"].clone())
        .collect();
    assert_eq!(switched, ["Inoperative", "Operative"]);

    // A driver charges: no reset. Settings that were granted, and no others; no sessions.
    let number = session::start(&mut &charger, session::GOOD_CARD)["transactionId"].as_i64().unwrap();
    let setting = |key: &str| json!({"key": key, "value": "60"});
    assert_eq!(status(&service, "ChangeConfiguration", setting("LightIntensity")), "Accepted");
    let refused = [
        ("Reset", json!({"type": "Hard"})),
        ("ChangeConfiguration", setting("ConnectionTimeOut")),
        (
            "ReserveNow",
            json!({"connectorId": 2, "expiryDate": "2099-01-01T00:00:00Z", "idTag": STOLEN, "reservationId": 1}),
        ),
        ("RemoteStartTransaction", json!({"idTag": session::GOOD_CARD})),
        ("RemoteStopTransaction", json!({"transactionId": 1000})),
    ];
    for (action, payload) in refused {
        assert_eq!(status(&service, action, payload), "Rejected", "{action}");
    }
    proxy.wait_logged(&["SITE4-7", "--action", "Reset"], |row| row.to_string().contains("K-71"));
    session::stop(&mut &charger, number);
    assert_eq!(status(&service, "Reset", json!({"type": "Soft"})), "Accepted");
    let reached = [
        "GetDiagnostics",
        "UpdateFirmware",
        "ChangeAvailability",
        "ChangeAvailability",
        "ChangeConfiguration",
        "Reset",
    ];
    assert_eq!(heard(&charger), reached);

    // The operator heard of no job.
    cpo.wait_call("StopTransaction", |_| true);
    let jobs = cpo
        .calls()
        .into_iter()
        .filter(|call| call.action.ends_with("sStatusNotification") || call.action.starts_with("Firmware"));
    assert_eq!(jobs.count(), 0);
}
