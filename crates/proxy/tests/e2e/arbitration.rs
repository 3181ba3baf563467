//! Two that want the same of one charger at the same time (semantics §10; scenarios 8, 9 and 13 stand in `cases`).

use serde_json::{Value, json};

use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Library, charger};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

/// scenario 11, K-51, K-53: two order a log: the second is refused, the first hears how it ends, also across the charger's restart
#[test]
fn two_order_a_log() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let [first, second] = [(); 2].map(|()| Backoffice::start(Library::Python, json!({})));
    let proxy = Proxy::start(&rules(
        ("volt", leader.url(), ""),
        &[(("acme", first.url(), ""), "control"), (("bolt", second.url(), ""), "control")],
    ));
    let charger = charger(Library::Python);
    let arrive = || {
        charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
        session::arrive(&mut &charger, session::GOOD_CARD);
    };
    // Both number their orders alike.
    let order = |backoffice: &Backoffice| {
        let log = json!({"remoteLocation": "ftp://logs.example/"});
        let payload = json!({"logType": "SecurityLog", "requestId": 3, "log": log});
        let answer = backoffice.cue(json!({"do": "call", "action": "GetLog", "payload": payload}));
        answer["payload"]["status"].clone()
    };
    let report = |number: &Value, state: &str| {
        charger.call("LogStatusNotification", json!({"status": state, "requestId": number}));
    };
    let told = |backoffice: &Backoffice, count: usize| -> Vec<Value> {
        let calls = backoffice.wait_calls("LogStatusNotification", count);
        calls.into_iter().map(|call| call.payload).collect()
    };

    arrive();
    assert_eq!(order(&first), "Accepted");
    let of_first = charger.wait_call("GetLog", |_| true).payload["requestId"].clone();
    assert_eq!(order(&second), "Rejected");
    report(&of_first, "Uploading");
    assert_eq!(told(&first, 1), [json!({"status": "Uploading", "requestId": 3})]);

    charger.cue(json!({"do": "close"}));
    charger.wait("closed", |_| true);
    arrive();
    assert_eq!(order(&second), "Rejected", "the upload goes on");
    report(&of_first, "Uploaded");
    assert_eq!(told(&first, 2)[1], json!({"status": "Uploaded", "requestId": 3}));

    // The second's turn.
    assert_eq!(order(&second), "Accepted");
    let of_second = charger.wait_calls("GetLog", 2)[1].payload["requestId"].clone();
    assert_ne!(of_first, of_second);
    report(&of_second, "Uploaded");
    assert_eq!(told(&second, 1), [json!({"status": "Uploaded", "requestId": 3})]);

    // What was told everyone comes after; nobody heard of another's log.
    session::start(&mut &charger, session::GOOD_CARD);
    for (backoffice, count) in [(&leader, 0), (&first, 2), (&second, 1)] {
        backoffice.wait_call("StartTransaction", |_| true);
        let logs = backoffice.calls().into_iter().filter(|call| call.action == "LogStatusNotification");
        assert_eq!(logs.count(), count);
    }
    assert_eq!(charger.calls().len(), 2);
}

/// scenario 15, F-23: charger and leader both do one thing at a time, and Authorize crosses RemoteStartTransaction
#[test]
fn charger_and_leader_wait_for_each_other() {
    let leader = Backoffice::start(Library::Python, json!({}));
    let follower = Backoffice::start(Library::Node, json!({}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);

    // The leader answers no Authorize before its command is answered.
    leader.cue(json!({"do": "set", "behaviour": {"silent": ["Authorize"]}}));
    let asked = charger.say("Authorize", &json!({"idTag": session::GOOD_CARD}));
    let waiting = leader.wait_calls("Authorize", 2).pop().unwrap();
    let start = json!({"idTag": session::GOOD_CARD, "connectorId": 1});
    let command =
        leader.begin(json!({"do": "call", "action": "RemoteStartTransaction", "payload": start.clone()}));
    let heard = charger.hear().unwrap();
    assert_eq!((heard.action.as_str(), &heard.payload), ("RemoteStartTransaction", &start));

    // The charger answers no command before its Authorize is: the proxy says what the leader said last.
    let answer = charger.hear().unwrap();
    assert_eq!((answer.kind, &answer.id), (3, &asked), "{}", answer.text);
    assert_eq!(answer.payload, json!({"idTagInfo": {"status": "Accepted"}}));
    charger.say_text(json!([3, heard.id, {"status": "Accepted"}]).to_string());
    assert_eq!(leader.outcome(command)["payload"], json!({"status": "Accepted"}));

    // Now the leader is free; its answer is too late for the charger, and stands in the log.
    let late = json!([3, waiting.id, {"idTagInfo": {"status": "Blocked"}}]).to_string();
    leader.cue(json!({"do": "raw", "text": late}));
    let authorize = ["CP1", "--action", "Authorize"];
    proxy.wait_logged(&authorize, |row| row.to_string().contains("Blocked"));
    leader.cue(json!({"do": "set", "behaviour": {"silent": []}}));
    session::whole(&mut charger, session::GOOD_CARD);
    assert_eq!((leader.times_linked("CP1"), follower.times_linked("CP1")), (1, 1), "nobody was disconnected");
}
