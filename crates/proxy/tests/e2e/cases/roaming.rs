//! A public site with a roaming platform: visitors by their cards and from their apps.

use serde_json::json;

use super::{ROAMING, STOLEN, card, connected, heard, proxy, start, status, stop};
use crate::support::peer::{Backoffice, Library};
use crate::support::session;

/// scenario 9, A-30, A-31: visitors of a roaming platform, by their cards and from their apps
#[test]
fn a_public_site_with_a_roaming_platform() {
    const VISITOR: &str = "DE-ABC-C00012";
    const APP: &str = "APP-4711";
    let cpo =
        Backoffice::start(Library::Node, json!({"first_transaction": 1, "rejected": [VISITOR, APP, STOLEN]}));
    let roaming = Backoffice::start(
        Library::Python,
        json!({"first_transaction": 5000, "rejected": [session::GOOD_CARD]}),
    );
    let proxy = proxy(ROAMING, &[("cpo", &cpo), ("roaming", &roaming)]);
    let charger = connected(Library::Node, &proxy, "SITE1-7");

    // Cards of the route are the platform's, all others the operator's.
    let answers = session::arrive(&mut &charger, session::GOOD_CARD);
    assert_eq!(answers[3], json!({"idTagInfo": {"status": "Accepted"}}));
    assert_eq!(card(&charger, STOLEN), json!({"status": "Invalid"}));
    assert_eq!(card(&charger, VISITOR)["status"], "Accepted");
    proxy.wait_logged(&["SITE1-7", "--action", "Authorize"], |row| row.to_string().contains("tag_routed"));
    let started = start(&charger, 1, VISITOR, 1);
    assert_eq!((&started["transactionId"], &started["idTagInfo"]["status"]), (&json!(1), &json!("Accepted")));
    roaming.wait_call("StartTransaction", |start| start.payload["idTag"] == VISITOR);
    assert_eq!(start(&charger, 2, session::GOOD_CARD, 2)["transactionId"], 2);
    roaming.wait_call("StartTransaction", |start| start.payload["idTag"] == session::GOOD_CARD);

    // The platform ends the session whose card it accepted, by its own number, and no other.
    assert_eq!(status(&roaming, "RemoteStopTransaction", json!({"transactionId": 5001})), "Rejected");
    assert_eq!(status(&roaming, "RemoteStopTransaction", json!({"transactionId": 5000})), "Accepted");
    assert_eq!(charger.wait_call("RemoteStopTransaction", |_| true).payload, json!({"transactionId": 1}));
    assert_eq!(stop(&charger, 1, VISITOR, 1).get("idTagInfo"), None);
    assert_eq!(stop(&charger, 2, session::GOOD_CARD, 2)["idTagInfo"]["status"], "Accepted");

    // From an app: nobody but the platform knows the number, and the charger asks before it starts.
    let remote = json!({"idTag": APP, "connectorId": 1});
    assert_eq!(card(&charger, APP), json!({"status": "Invalid"}));
    assert_eq!(status(&roaming, "RemoteStartTransaction", remote.clone()), "Accepted");
    assert_eq!(charger.wait_call("RemoteStartTransaction", |_| true).payload, remote);
    assert_eq!(card(&charger, APP)["status"], "Accepted");
    let started = start(&charger, 1, APP, 11);
    assert_eq!((&started["transactionId"], &started["idTagInfo"]["status"]), (&json!(3), &json!("Accepted")));
    roaming.wait_call("StartTransaction", |start| start.payload["idTag"] == APP);
    cpo.wait_call("StartTransaction", |start| start.payload["idTag"] == APP);
    assert_eq!(status(&roaming, "RemoteStopTransaction", json!({"transactionId": 5002})), "Accepted");
    assert_eq!(stop(&charger, 3, APP, 11).get("idTagInfo"), None);
    let stopped = roaming.wait_calls("StopTransaction", 3);
    assert_eq!(stopped[2].payload["transactionId"], 5002);
    assert_eq!(cpo.wait_calls("StopTransaction", 3)[2].payload["transactionId"], 3);

    // It reserves, under a number of its own, and does nothing to the charger itself.
    let reserve =
        json!({"connectorId": 2, "expiryDate": "2099-01-01T00:00:00Z", "idTag": APP, "reservationId": 7});
    assert_eq!(status(&roaming, "ReserveNow", reserve), "Accepted");
    assert_ne!(charger.wait_call("ReserveNow", |_| true).payload["reservationId"], 7);
    assert_eq!(status(&roaming, "CancelReservation", json!({"reservationId": 7})), "Accepted");
    let refused = [
        ("Reset", json!({"type": "Soft"})),
        ("ChangeAvailability", json!({"connectorId": 1, "type": "Inoperative"})),
        ("ChangeConfiguration", json!({"key": "ConnectionTimeOut", "value": "60"})),
        ("DataTransfer", json!({"vendorId": "com.example"})),
    ];
    for (action, payload) in refused {
        assert_eq!(status(&roaming, action, payload), "Rejected", "{action}");
    }
    let reached = [
        "RemoteStopTransaction",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "CancelReservation",
    ];
    assert_eq!(heard(&charger), reached);
}
