//! The peers against each other, without the proxy between them: whatever fails here is not ours.

use serde_json::json;

use crate::support::peer::{Backoffice, Library, charger};
use crate::support::session;

#[test]
fn every_charger_talks_to_every_backoffice_directly() {
    let mut pairs = 0;
    for backoffice_library in [Library::Python, Library::Node] {
        let backoffice =
            Backoffice::start(backoffice_library, json!({"first_transaction": 7, "rejected": ["STOLEN"]}));
        for charger_library in [Library::Python, Library::Node] {
            let identity = format!("CP-{charger_library:?}");
            let charger = charger(charger_library);
            let url = backoffice.url().replace("{charger}", &identity);
            let connected = charger.cue(json!({"do": "connect", "url": url}));
            assert_eq!(connected["subprotocol"], "ocpp1.6", "{connected}");
            backoffice.wait_linked(&identity);

            let number = if charger_library == Library::Python { 7 } else { 8 };
            assert_eq!(
                session::whole(&mut &charger, session::GOOD_CARD),
                session::answers_of_a_leader(number)
            );
            let refused = charger.call("Authorize", json!({"idTag": "STOLEN"}));
            assert_eq!(refused["idTagInfo"]["status"], "Invalid");

            let command = json!({"do": "call", "charger": identity, "action": "RemoteStopTransaction",
                "payload": {"transactionId": number}, "id": "chosen-by-the-test"});
            assert_eq!(backoffice.cue(command)["payload"], json!({"status": "Accepted"}));
            let heard = charger.wait_call("RemoteStopTransaction", |_| true);
            assert_eq!(
                (heard.id.as_str(), &heard.payload),
                ("chosen-by-the-test", &json!({"transactionId": number}))
            );
            pairs += 1;
        }
    }
    assert_eq!(pairs, 4);
}
