//! Employer and employee at home: cards of both, one of them pays.

use serde_json::json;

use super::{AT_HOME, STOLEN, card, command, connected, heard, proxy, status};
use crate::support::peer::{Backoffice, Library};
use crate::support::session;

/// scenario 8, A-5, A-24: one of two accepts a card: the session survives its start and its stop
#[test]
fn employer_and_employee_at_home() {
    // The employee's card is GOOD_CARD, which the employer knows as a contract.
    const CONTRACT: &str = "NL-EMP-C00042";
    const PRIVATE: &str = "04C0FFEE";
    let home = Backoffice::start(
        Library::Python,
        json!({"first_transaction": 1, "rejected": [session::GOOD_CARD, STOLEN]}),
    );
    let employer =
        Backoffice::start(Library::Node, json!({"first_transaction": 1000, "rejected": [PRIVATE, STOLEN]}));
    let proxy = proxy(AT_HOME, &[("home", &home), ("employer", &employer)]);
    let charger = connected(Library::Python, &proxy, "HOME-7");

    // The employer accepts what its supplier does not know, and the charger remembers that for a day at most.
    let answers = session::arrive(&mut &charger, session::GOOD_CARD);
    let accepted = &answers[3]["idTagInfo"];
    assert_eq!(accepted["status"], "Accepted", "{accepted}");
    assert!(accepted["expiryDate"].is_string(), "{accepted}");
    assert_eq!(employer.wait_call("Authorize", |_| true).payload, json!({"idTag": CONTRACT}));
    assert_eq!(home.wait_call("Authorize", |_| true).payload, json!({"idTag": session::GOOD_CARD}));
    let row =
        proxy.wait_logged(&["HOME-7", "--action", "Authorize"], |row| row.to_string().contains("Invalid"));
    assert!(row.to_string().contains("any_accept"), "{row:#}");

    let started = session::start(&mut &charger, session::GOOD_CARD);
    assert_eq!((&started["transactionId"], &started["idTagInfo"]["status"]), (&json!(1), &json!("Accepted")));
    session::meter(&mut &charger, 1, 1500);
    assert_eq!(employer.wait_call("StartTransaction", |_| true).payload["idTag"], CONTRACT);
    assert_eq!(employer.wait_call("MeterValues", |_| true).payload["transactionId"], 1000);

    // The employer looks and unlocks; the supplier commands.
    assert!(command(&employer, "GetConfiguration", json!({}))["payload"]["configurationKey"].is_array());
    assert_eq!(status(&employer, "UnlockConnector", json!({"connectorId": 1})), "Unlocked");
    let refused = [
        ("Reset", json!({"type": "Soft"})),
        ("RemoteStopTransaction", json!({"transactionId": 1000})),
        ("RemoteStartTransaction", json!({"idTag": CONTRACT})),
        ("ChangeAvailability", json!({"connectorId": 1, "type": "Inoperative"})),
        ("DataTransfer", json!({"vendorId": "com.example"})),
    ];
    for (action, payload) in refused {
        assert_eq!(status(&employer, action, payload), "Rejected", "{action}");
    }
    assert_eq!(status(&home, "RemoteStopTransaction", json!({"transactionId": 1})), "Accepted");
    assert_eq!(heard(&charger), ["GetConfiguration", "UnlockConnector", "RemoteStopTransaction"]);
    assert_eq!(charger.wait_call("RemoteStopTransaction", |_| true).payload, json!({"transactionId": 1}));

    // What the supplier says of the card at the stop does not spoil it in the charger's cache.
    assert_eq!(session::stop(&mut &charger, 1), json!({}));
    let stopped = employer.wait_call("StopTransaction", |_| true).payload;
    assert_eq!((&stopped["transactionId"], &stopped["idTag"]), (&json!(1000), &json!(CONTRACT)));
    let stopped = home.wait_call("StopTransaction", |_| true).payload;
    assert_eq!((&stopped["transactionId"], &stopped["idTag"]), (&json!(1), &json!(session::GOOD_CARD)));

    // Either is enough, and none is not.
    assert_eq!(card(&charger, PRIVATE)["status"], "Accepted");
    assert_eq!(card(&charger, STOLEN), json!({"status": "Invalid"}));
}
