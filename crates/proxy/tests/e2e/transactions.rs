//! Transaction numbers when something is missing, repeated or unknown.

use serde_json::{Value, json};

use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Frame, Library};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

/// The payload of the start of session `number`, unlike that of any other.
fn start_of(number: u32) -> Value {
    let timestamp = format!("2026-11-22T13:{number:02}:00Z");
    json!({"connectorId": 1, "idTag": session::GOOD_CARD, "meterStart": number * 1000, "timestamp": timestamp})
}

/// One session; the number the charger used.
fn one_session(charger: &mut RawCharger, number: u32) -> i64 {
    let transaction = charger.call("StartTransaction", &start_of(number))["transactionId"].as_i64().unwrap();
    session::meter(charger, transaction, number * 1000 + 500);
    let stop = json!({"transactionId": transaction, "meterStop": number * 1000 + 900,
        "timestamp": format!("2026-11-22T13:{number:02}:30Z")});
    charger.call("StopTransaction", &stop);
    transaction
}

fn number_of(frame: &Frame) -> i64 {
    frame.payload["transactionId"].as_i64().unwrap()
}

#[test]
fn a_follower_that_missed_a_start_is_never_sent_a_number_of_somebody_else() {
    const SESSIONS: u32 = 20;
    let leader = Backoffice::start(Library::Node, json!({"first_transaction": 1}));
    let mut follower = Backoffice::start(Library::Node, json!({"first_transaction": 1}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    follower.wait_call("Authorize", |_| true);
    follower.peer.kill();
    assert_eq!(one_session(&mut charger, 0), 1);

    // It is back, and its numbers begin where the leader's did.
    let follower = Backoffice::start(Library::Node, json!({"first_transaction": 1, "port": follower.port}));
    follower.wait_linked("CP1");
    let numbers: Vec<_> = (1..=SESSIONS).map(|number| one_session(&mut charger, number)).collect();
    assert_eq!(numbers, (2..=i64::from(SESSIONS) + 1).collect::<Vec<_>>());

    // Every message bears the number that this follower issued for the session it belongs to.
    let last = f64::from(SESSIONS * 1000 + 900);
    follower.wait_call("StopTransaction", |call| call.payload["meterStop"].as_f64() == Some(last));
    let mut issued = std::collections::BTreeMap::new();
    let (mut metered, mut stopped) = (0, 0);
    for call in follower.calls() {
        match call.action.as_str() {
            "StartTransaction" => {
                let session = call.payload["meterStart"].as_u64().unwrap() / 1000;
                issued.insert(session, number_of(&follower.wait_answered(&call)));
            }
            "MeterValues" => {
                let value = call.payload["meterValue"][0]["sampledValue"][0]["value"].as_str().unwrap();
                let session = value.parse::<u64>().unwrap() / 1000;
                assert_eq!(Some(&number_of(&call)), issued.get(&session), "{}", call.text);
                metered += 1;
            }
            "StopTransaction" => {
                let session = call.payload["meterStop"].as_u64().unwrap() / 1000;
                assert_eq!(Some(&number_of(&call)), issued.get(&session), "{}", call.text);
                stopped += 1;
            }
            _ => {}
        }
    }
    assert!(metered >= SESSIONS && stopped >= SESSIONS, "{metered} MeterValues, {stopped} StopTransaction");
}

#[test]
fn a_repeated_start_gets_the_same_number_and_reaches_nobody_twice() {
    let leader = Backoffice::start(Library::Python, json!({"first_transaction": 7}));
    let follower = Backoffice::start(Library::Node, json!({"first_transaction": 1000}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    let first = charger.call("StartTransaction", &start_of(1));
    // The answer was lost on its way: the charger says it again, under a new message id, on a new socket too.
    assert_eq!(charger.call("StartTransaction", &start_of(1)), first);
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    assert_eq!(charger.call("StartTransaction", &start_of(1)), first);
    assert_eq!(first["transactionId"], 7);
    session::stop(&mut charger, 7);
    for (backoffice, number) in [(&leader, 7), (&follower, 1000)] {
        assert_eq!(number_of(&backoffice.wait_call("StopTransaction", |_| true)), number);
        assert_eq!(backoffice.calls().iter().filter(|call| call.action == "StartTransaction").count(), 1);
    }
}

#[test]
fn a_stop_of_a_transaction_that_nobody_knows_is_answered() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let follower = Backoffice::start(Library::Python, json!({}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    // Started while the charger was offline: it never got a number (semantics §2.7).
    assert_eq!(session::stop(&mut charger, -1), json!({"idTagInfo": {"status": "Accepted"}}));
    assert_eq!(number_of(&leader.wait_call("StopTransaction", |_| true)), -1);
    charger.call("Authorize", &json!({"idTag": "LATER"}));
    follower.wait_call("Authorize", |call| call.payload["idTag"] == "LATER");
    assert!(
        follower.calls().iter().all(|call| call.action != "StopTransaction"),
        "there is nothing to stop there"
    );
}
