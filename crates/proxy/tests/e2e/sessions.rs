//! The main job: a charger, its leader and its follower, none of them ours.

use serde_json::json;

use crate::support::peer::{Backoffice, Library, Peer, charger};
use crate::support::proxy::{Proxy, rules};
use crate::support::session::{self, ACTIONS};

/// Runs a whole session and checks what each of the three saw.
fn a_whole_session(charger_and_leader: Library, follower_library: Library, first: (i64, i64)) {
    let leader = Backoffice::start(charger_and_leader, json!({"first_transaction": first.0}));
    let follower = Backoffice::start(follower_library, json!({"first_transaction": first.1}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let charger = charger(charger_and_leader);
    let connected = charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    assert_eq!(connected["subprotocol"], "ocpp1.6", "{connected}");

    let answers = session::whole(&mut &charger, session::GOOD_CARD);

    assert_eq!(answers, session::answers_of_a_leader(first.0), "the charger gets its leader's answers");
    saw_everything(&leader, first.0, true);
    saw_everything(&follower, first.1, false);
    for backoffice in [&leader, &follower] {
        let linked = backoffice.wait_linked("CP1");
        assert_eq!(linked["subprotocol"], "ocpp1.6");
        assert_eq!(backoffice.times_linked("CP1"), 1);
        let ids: std::collections::BTreeSet<_> = backoffice.calls().into_iter().map(|call| call.id).collect();
        assert_eq!(ids.len(), backoffice.calls().len(), "message ids are unique on a link");
    }
}

/// The whole session reached this backoffice in order, under the transaction number it issued.
fn saw_everything(backoffice: &Peer, number: i64, led: bool) {
    backoffice.wait_call("StopTransaction", |_| true);
    // A follower is not sent the charger's heartbeats: it has its own (semantics §3.2).
    let wanted: Vec<_> = ACTIONS.into_iter().filter(|action| led || *action != "Heartbeat").collect();
    let calls: Vec<_> =
        backoffice.calls().into_iter().filter(|call| led || call.action != "Heartbeat").collect();
    let actions: Vec<_> = calls.iter().map(|call| call.action.as_str()).collect();
    assert_eq!(actions, wanted);
    let numbered: Vec<_> = calls.iter().filter_map(|call| call.payload.get("transactionId")).collect();
    assert_eq!(numbered, vec![&json!(number); 4], "three MeterValues and one StopTransaction");
}

#[test]
fn python_charger_python_leader_node_follower() {
    a_whole_session(Library::Python, Library::Node, (1, 1000));
}

#[test]
fn node_charger_node_leader_python_follower() {
    a_whole_session(Library::Node, Library::Python, (1, 1000));
}

#[test]
fn both_backoffices_issue_the_same_number() {
    a_whole_session(Library::Node, Library::Python, (1, 1));
}

#[test]
fn numbers_that_cross_do_not_meet() {
    // The follower's number for the first transaction is the leader's for the second.
    let leader = Backoffice::start(Library::Node, json!({"first_transaction": 1}));
    let follower = Backoffice::start(Library::Python, json!({"first_transaction": 2}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let charger = charger(Library::Node);
    charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    session::arrive(&mut &charger, session::GOOD_CARD);
    let mut numbers = Vec::new();
    for connector in [1, 2] {
        let start = json!({"connectorId": connector, "idTag": session::GOOD_CARD, "meterStart": 0,
            "timestamp": format!("2026-11-22T13:0{connector}:00Z")});
        numbers.push(charger.call("StartTransaction", start)["transactionId"].as_i64().unwrap());
    }
    assert_eq!(numbers, [1, 2]);
    for number in numbers {
        session::stop(&mut &charger, number);
    }
    let stopped = |peer: &Peer| -> Vec<_> {
        peer.wait_calls("StopTransaction", 2)
            .into_iter()
            .map(|call| call.payload["transactionId"].clone())
            .collect()
    };
    assert_eq!(stopped(&leader), [json!(1), json!(2)]);
    assert_eq!(stopped(&follower), [json!(2), json!(3)]);
}
