//! From one backoffice to another: cards and lists of both, and the change in mid-transaction.

use serde_json::{Value, json};

use super::{MOVE, STOLEN, card, command, connected, proxy, start, status, stop, written};
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::{Edit, Proxy};
use crate::support::{eventually, session};

const OLD: &str = "OLD-1";
const NEW: &str = "NEW-1";

/// A local list of one card.
fn list(version: i64, tag: &str) -> Value {
    let entry = json!({"idTag": tag, "idTagInfo": {"status": "Accepted"}});
    json!({"listVersion": version, "updateType": "Full", "localAuthorizationList": [entry]})
}

/// A-41, T-70: cards of both are accepted, both lists are in the charger, and one of them takes over in mid-transaction
#[test]
fn from_one_backoffice_to_another() {
    let old = Backoffice::start(Library::Python, json!({"first_transaction": 1, "rejected": [NEW, STOLEN]}));
    let new = Backoffice::start(Library::Node, json!({"first_transaction": 1000, "rejected": [OLD, STOLEN]}));
    let proxy = proxy(MOVE, &[("old", &old), ("new", &new)]);
    let charger = connected(Library::Python, &proxy, "SITE3-7");

    session::arrive(&mut &charger, OLD);
    for tag in [OLD, NEW] {
        assert_eq!(card(&charger, tag)["status"], "Accepted", "{tag}");
    }
    assert_eq!(card(&charger, STOLEN), json!({"status": "Invalid"}));
    // What differs is found in the log.
    proxy.wait_logged(&["SITE3-7", "--action", "Authorize"], |row| row.to_string().contains("conflict"));

    // Each writes its list and reads its own version; the charger has both.
    assert_eq!(status(&old, "SendLocalList", list(4, OLD)), "Accepted");
    assert_eq!(status(&new, "SendLocalList", list(9, NEW)), "Accepted");
    for (backoffice, version) in [(&old, 4), (&new, 9)] {
        let answer = command(backoffice, "GetLocalListVersion", json!({}));
        assert_eq!(answer["payload"]["listVersion"], version, "{answer}");
    }
    let written = charger.wait_calls("SendLocalList", 2);
    assert_eq!(written[0].payload["updateType"], "Full");
    assert_eq!(written[1].payload["updateType"], "Differential");
    for (call, tag) in written.iter().zip([OLD, NEW]) {
        let entries = call.payload["localAuthorizationList"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{}", call.text);
        assert_eq!(entries[0]["idTag"], tag);
    }

    // Sessions of the new one's customers start while the old one leads.
    let remote = json!({"idTag": NEW, "connectorId": 1});
    assert_eq!(status(&new, "RemoteStartTransaction", remote.clone()), "Accepted");
    assert_eq!(charger.wait_call("RemoteStartTransaction", |_| true).payload, remote);
    let started = start(&charger, 1, NEW, 1);
    assert_eq!((&started["transactionId"], &started["idTagInfo"]["status"]), (&json!(1), &json!("Accepted")));
    new.wait_call("StartTransaction", |_| true);

    // The change, in mid-transaction.
    let (done, told, errors) = proxy.command(&["leader", "SITE3-7", "new", "--reason", "moved"]);
    assert!(done.success(), "{errors}");
    assert!(told.starts_with("new leads SITE3-7 from now on."), "{told}");
    proxy.wait_metric("ocpp_proxy_leader_switches_total", &[], 1.0);
    new.cue(json!({"do": "set", "behaviour": {"answers": {"Heartbeat": {"currentTime": "2031-01-01T00:00:00Z"}}}}));
    assert_eq!(charger.call("Heartbeat", json!({}))["currentTime"], "2031-01-01T00:00:00Z");
    for tag in [OLD, NEW] {
        assert_eq!(card(&charger, tag)["status"], "Accepted", "{tag}");
    }
    assert_eq!(status(&new, "RemoteStopTransaction", json!({"transactionId": 1000})), "Accepted");
    assert_eq!(charger.wait_call("RemoteStopTransaction", |_| true).payload, json!({"transactionId": 1}));
    stop(&charger, 1, NEW, 1);
    assert_eq!(new.wait_call("StopTransaction", |_| true).payload["transactionId"], 1000);
    assert_eq!(old.wait_call("StopTransaction", |_| true).payload["transactionId"], 1);
    // The old one follows, as `control`: it reads, and starts nothing.
    assert!(command(&old, "GetConfiguration", json!({}))["payload"]["configurationKey"].is_array());
    assert_eq!(status(&old, "RemoteStartTransaction", json!({"idTag": OLD})), "Rejected");
    let closed = charger.events.all().iter().filter(|event| event["event"] == "closed").count();
    assert_eq!(closed, 0, "the charger stays connected");
    assert_eq!((old.times_linked("SITE3-7"), new.times_linked("SITE3-7")), (1, 1), "so do the backoffices");
}

/// A-10: first the new one only looks on; then the page's lines take effect while the charger stays connected
#[test]
fn whoever_wants_to_look_first_begins_with_an_observer() {
    let old = Backoffice::start(Library::Node, json!({"first_transaction": 1, "rejected": [NEW]}));
    let new = Backoffice::start(Library::Python, json!({"first_transaction": 1000}));
    let page = written(MOVE, &[("old", &old), ("new", &new)]);
    let (rule, _tables) = page.split_once("[chargers.cards]").unwrap();
    let looking = rule.replace(r#"role = "control", allow = ["session"]"#, r#"role = "observer""#);
    assert_ne!(looking, rule);
    let proxy = Proxy::start(&looking);
    assert_eq!(proxy.command(&["check"]).2, "");
    let charger = connected(Library::Node, &proxy, "SITE3-8");

    session::whole(&mut &charger, session::GOOD_CARD);
    assert_eq!(new.wait_call("StopTransaction", |_| true).payload["transactionId"], 1000);
    assert_eq!(card(&charger, NEW), json!({"status": "Invalid"}), "an observer has no say");
    for (action, payload) in
        [("RemoteStartTransaction", json!({"idTag": NEW})), ("Reset", json!({"type": "Soft"}))]
    {
        assert_eq!(status(&new, action, payload), "Rejected", "{action}");
    }
    assert_eq!(status(&new, "SendLocalList", list(1, NEW)), "NotSupported");
    assert_eq!(charger.calls(), []);

    proxy.edit(Edit::Rename, &page);
    eventually("cards of the new one to be accepted", || {
        (card(&charger, NEW)["status"] == "Accepted").then_some(())
    });
    assert_eq!(status(&new, "SendLocalList", list(1, NEW)), "Accepted");
    assert_eq!(charger.wait_calls("SendLocalList", 1).len(), 1);
    assert_eq!((old.times_linked("SITE3-8"), new.times_linked("SITE3-8")), (1, 1));

    // The change can be taken back.
    for (switches, argument, leader) in [(1.0, "new", "new"), (2.0, "--back", "old")] {
        let told = proxy.command(&["leader", "SITE3-8", argument]).1;
        assert!(told.starts_with(&format!("{leader} leads SITE3-8 from now on.")), "{told}");
        proxy.wait_metric("ocpp_proxy_leader_switches_total", &[], switches);
    }
    assert_eq!(status(&old, "RemoteStartTransaction", json!({"idTag": OLD, "connectorId": 1})), "Accepted");
    let closed = charger.events.all().iter().filter(|event| event["event"] == "closed").count();
    assert_eq!(closed, 0, "the charger stays connected");
}
