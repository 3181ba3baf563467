//! The proxy ends in the middle of a transaction, politely and not, and nobody's number is lost.

use serde_json::json;

use crate::support::peer::{Backoffice, Library, charger};
use crate::support::proxy::{Edit, Proxy, rules};
use crate::support::session;

fn numbers_survive(signal: &str) {
    let leader = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let follower = Backoffice::start(Library::Node, json!({"first_transaction": 1000}));
    let mut proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let charger = charger(Library::Node);
    charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    session::arrive(&mut &charger, session::GOOD_CARD);
    let number = session::start(&mut &charger, session::GOOD_CARD)["transactionId"].as_i64().unwrap();
    session::meter(&mut &charger, number, 1500);
    let heard = follower.wait_call("MeterValues", |_| true);
    assert_eq!(heard.payload["transactionId"], 1000);
    follower.wait_answered(&heard);
    // What the follower answered is on disk before the charger hears the answer to anything later.
    charger.call("Heartbeat", json!({}));

    proxy.restart_after(signal);
    charger.wait("closed", |_| true);
    let again = charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    assert_eq!(again["subprotocol"], "ocpp1.6", "{again}");
    // The charger did not reboot: it goes on where it was (OCPP-J 1.6 §5.4).
    session::meter(&mut &charger, number, 2500);
    assert_eq!(session::stop(&mut &charger, number), json!({"idTagInfo": {"status": "Accepted"}}));

    for (backoffice, number) in [(&leader, 1), (&follower, 1000)] {
        let stopped = backoffice.wait_call("StopTransaction", |_| true);
        assert_eq!(stopped.payload["transactionId"], number);
        let metered = backoffice.wait_calls("MeterValues", 2);
        assert!(metered.iter().all(|call| call.payload["transactionId"] == number), "{metered:?}");
        assert_eq!(backoffice.calls().iter().filter(|call| call.action == "StartTransaction").count(), 1);
    }
}

#[test]
fn transaction_numbers_survive_a_clean_stop() {
    numbers_survive("TERM");
}

/// X-21, §2.11: the proxy is killed during a transaction, and started again
///
/// - charger: connects again and goes on with the number that it has; it need not boot.
/// - leader: hears of the rest of the transaction under its own number.
/// - followers: the same.
/// - operator: nothing to do: what the charger has had acknowledged is stored.
#[test]
fn transaction_numbers_survive_a_crash() {
    numbers_survive("KILL");
}

#[test]
fn a_follower_that_was_away_hears_of_a_whole_session_after_a_crash() {
    let leader = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let absent = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut proxy = Proxy::start(&rules(
        ("volt", leader.url(), ""),
        &[(("acme", format!("ws://{absent}/{{charger}}"), ""), "control")],
    ));
    let charger = charger(Library::Node);
    charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    session::arrive(&mut &charger, session::GOOD_CARD);
    let number = session::start(&mut &charger, session::GOOD_CARD)["transactionId"].as_i64().unwrap();
    session::meter(&mut &charger, number, 1500);

    proxy.restart_after("KILL");
    charger.wait("closed", |_| true);
    charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    // Only now is the follower there at all, and elsewhere.
    let follower = Backoffice::start(Library::Node, json!({"first_transaction": 1000}));
    let moved = rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]);
    proxy.edit(Edit::Rename, &moved);
    session::stop(&mut &charger, number);

    follower.wait_call("StopTransaction", |_| true);
    let told: Vec<String> = follower
        .calls()
        .iter()
        .map(|call| call.action.clone())
        .filter(|action| action.ends_with("Transaction") || action == "MeterValues")
        .collect();
    assert_eq!(told, ["StartTransaction", "MeterValues", "StopTransaction"]);
    let stopped = follower.wait_call("StopTransaction", |_| true);
    assert_eq!(stopped.payload["transactionId"], 1000);
}
