//! A card the backoffices disagree about, and how one finds out why the charger refused it.

use serde_json::{Value, json};

use crate::support::peer::{Backoffice, Library, charger};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

#[test]
fn a_rejected_card_is_explained_by_the_log() {
    let leader = Backoffice::start(Library::Python, json!({"first_transaction": 1, "rejected": ["STOLEN"]}));
    let follower = Backoffice::start(Library::Node, json!({"first_transaction": 1000}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let charger = charger(Library::Python);
    charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));

    let answers = session::arrive(&mut &charger, "STOLEN");
    assert_eq!(answers[3], json!({"idTagInfo": {"status": "Invalid"}}));
    let answer = session::start(&mut &charger, "STOLEN");
    assert_eq!(answer, json!({"transactionId": 1, "idTagInfo": {"status": "Invalid"}}));

    let both = |row: &Value| row.to_string().matches("idTagInfo").count() >= 2;
    let row = proxy.wait_logged(&["CP1", "--action", "StartTransaction"], both);
    let text = row.to_string();
    for wanted in ["STOLEN", "Invalid", "Accepted", "volt", "acme", "1000", "/idTagInfo/status", "conflict"] {
        assert!(text.contains(wanted), "the row does not show {wanted}: {row:#}");
    }
    proxy.wait_logged(&["CP1", "--search", "STOLEN"], |row| row.to_string().contains("Authorize"));

    let (status, page, errors) = proxy.command(&["logs", "CP1", "--action", "Authorize"]);
    assert!(status.success(), "{errors}");
    for wanted in ["Authorize", "STOLEN", "Invalid", "acme"] {
        assert!(page.contains(wanted), "the table does not show {wanted}:\n{page}");
    }
}
