//! A public site with a roaming platform: visitors by their cards, from their apps and with reservations.

use serde_json::json;

use super::{ROAMING, STOLEN, card, command, connected, heard, proxy, start, status, stop};
use crate::support::peer::{Backoffice, Library, Peer};
use crate::support::proxy::Proxy;
use crate::support::session;

const VISITOR: &str = "DE-ABC-C00012";
const APP: &str = "APP-4711";
const RESERVED: &str = "APP-0815";

struct Site {
    cpo: Backoffice,
    roaming: Backoffice,
    proxy: Proxy,
    charger: Peer,
}

/// The operator knows none of the platform's customers, and the platform refuses the operator's.
fn site() -> Site {
    let cpo = Backoffice::start(
        Library::Node,
        json!({"first_transaction": 1, "rejected": [VISITOR, APP, RESERVED, STOLEN]}),
    );
    let roaming = Backoffice::start(
        Library::Python,
        json!({"first_transaction": 5000, "rejected": [session::GOOD_CARD]}),
    );
    let proxy = proxy(ROAMING, &[("cpo", &cpo), ("roaming", &roaming)]);
    let charger = connected(Library::Node, &proxy, "SITE1-7");
    let answers = session::arrive(&mut &charger, session::GOOD_CARD);
    assert_eq!(answers[3], json!({"idTagInfo": {"status": "Accepted"}}), "the operator's own customer");
    Site { cpo, roaming, proxy, charger }
}

/// who decides is chosen by the card; sessions are stopped and unlocked by whose they are
#[test]
fn visitors_by_their_cards() {
    let Site { cpo: _cpo, mut roaming, proxy, charger } = site();
    assert_eq!(card(&charger, STOLEN), json!({"status": "Invalid"}), "not of the route");
    assert_eq!(card(&charger, VISITOR)["status"], "Accepted");
    assert_eq!(card(&charger, "04E1ABCD")["status"], "Accepted");
    proxy.wait_logged(&["SITE1-7", "--action", "Authorize"], |row| row.to_string().contains("tag_routed"));
    let started = start(&charger, 1, VISITOR, 1);
    assert_eq!((&started["transactionId"], &started["idTagInfo"]["status"]), (&json!(1), &json!("Accepted")));
    roaming.wait_call("StartTransaction", |start| start.payload["idTag"] == VISITOR);
    assert_eq!(start(&charger, 2, session::GOOD_CARD, 2)["transactionId"], 2);
    roaming.wait_call("StartTransaction", |start| start.payload["idTag"] == session::GOOD_CARD);

    // The platform ends the session whose card it accepted, by its own number, and no other.
    assert_eq!(status(&roaming, "RemoteStopTransaction", json!({"transactionId": 5001})), "Rejected");
    assert_eq!(command(&roaming, "UnlockConnector", json!({"connectorId": 2}))["error"], "SecurityError");
    assert_eq!(status(&roaming, "UnlockConnector", json!({"connectorId": 1})), "Unlocked");
    assert_eq!(status(&roaming, "RemoteStopTransaction", json!({"transactionId": 5000})), "Accepted");
    assert_eq!(charger.wait_call("RemoteStopTransaction", |_| true).payload, json!({"transactionId": 1}));
    assert_eq!(stop(&charger, 1, VISITOR, 1).get("idTagInfo"), None);
    assert_eq!(stop(&charger, 2, session::GOOD_CARD, 2)["idTagInfo"]["status"], "Accepted");
    let refused = [
        ("Reset", json!({"type": "Soft"})),
        ("ChangeAvailability", json!({"connectorId": 1, "type": "Inoperative"})),
        ("ChangeConfiguration", json!({"key": "ConnectionTimeOut", "value": "60"})),
        ("DataTransfer", json!({"vendorId": "com.example"})),
    ];
    for (action, payload) in refused {
        assert_eq!(status(&roaming, action, payload), "Rejected", "{action}");
    }
    assert_eq!(heard(&charger), ["UnlockConnector", "RemoteStopTransaction"]);

    // While the platform is away its last word holds; of a card without one nobody decides but the charger.
    roaming.peer.kill();
    proxy.wait_log(&["roaming", "link down"]);
    assert_eq!(card(&charger, VISITOR)["status"], "Accepted");
    let unknown = json!({"do": "call", "action": "Authorize", "payload": {"idTag": "DE-ABC-C00099"}});
    assert_eq!(charger.cue(unknown)["error"], "GenericError");
    assert_eq!(card(&charger, session::GOOD_CARD), json!({"status": "Accepted"}));
}

/// scenario 9, A-30, A-33, K-34: a card that was announced by a remote start or a reservation, unknown to the leader
#[test]
fn visitors_from_their_apps() {
    let Site { cpo, roaming, charger, proxy: _proxy } = site();
    for tag in [APP, RESERVED] {
        assert_eq!(card(&charger, tag), json!({"status": "Invalid"}), "{tag} is not announced yet");
    }
    let remote = json!({"idTag": APP, "connectorId": 1});
    assert_eq!(status(&roaming, "RemoteStartTransaction", remote.clone()), "Accepted");
    assert_eq!(charger.wait_call("RemoteStartTransaction", |_| true).payload, remote);
    let second = json!({"idTag": session::GOOD_CARD, "connectorId": 1});
    assert_eq!(status(&cpo, "RemoteStartTransaction", second), "Rejected", "one start at a time");
    // The charger asks before it starts.
    assert_eq!(card(&charger, APP)["status"], "Accepted");
    let started = start(&charger, 1, APP, 1);
    assert_eq!((&started["transactionId"], &started["idTagInfo"]["status"]), (&json!(1), &json!("Accepted")));
    for backoffice in [&cpo, &roaming] {
        backoffice.wait_call("StartTransaction", |start| start.payload["idTag"] == APP);
    }
    assert_eq!(status(&roaming, "RemoteStopTransaction", json!({"transactionId": 5000})), "Accepted");
    assert_eq!(charger.wait_call("RemoteStopTransaction", |_| true).payload, json!({"transactionId": 1}));
    assert_eq!(stop(&charger, 1, APP, 1).get("idTagInfo"), None);
    assert_eq!(roaming.wait_call("StopTransaction", |_| true).payload["transactionId"], 5000);
    assert_eq!(cpo.wait_call("StopTransaction", |_| true).payload["transactionId"], 1);

    // A reservation has a number per party, too; whoever did not make it is told none.
    let reserve = json!({"connectorId": 2, "expiryDate": "2099-01-01T00:00:00Z", "idTag": RESERVED, "reservationId": 7});
    assert_eq!(status(&roaming, "ReserveNow", reserve), "Accepted");
    let number = charger.wait_call("ReserveNow", |_| true).payload["reservationId"].clone();
    assert_ne!(number, 7);
    let arrival = json!({"connectorId": 2, "idTag": RESERVED, "meterStart": 0, "reservationId": number,
        "timestamp": "2026-11-22T13:02:00Z"});
    let started = charger.call("StartTransaction", arrival);
    assert_eq!((&started["transactionId"], &started["idTagInfo"]["status"]), (&json!(2), &json!("Accepted")));
    let told = |backoffice: &Backoffice| {
        let start = backoffice.wait_call("StartTransaction", |start| start.payload["idTag"] == RESERVED);
        start.payload.get("reservationId").cloned()
    };
    assert_eq!((told(&roaming), told(&cpo)), (Some(json!(7)), None));
    assert_eq!(heard(&charger), ["RemoteStartTransaction", "RemoteStopTransaction", "ReserveNow"]);
}
