//! What backoffices may ask of the charger, and what reaches it.

use serde_json::{Value, json};

use crate::support::peer::{Backoffice, Library, Peer, charger};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

/// A charger in a transaction (the leader's number is 1, the control follower's 1000), with an
/// observer looking on.
struct Scene {
    leader: Backoffice,
    control: Backoffice,
    observer: Backoffice,
    charger: Peer,
    _proxy: Proxy,
}

fn scene(leader: Library, follower: Library) -> Scene {
    let leader = Backoffice::start(leader, json!({"first_transaction": 1}));
    let control = Backoffice::start(follower, json!({"first_transaction": 1000}));
    let observer = Backoffice::start(follower, json!({"first_transaction": 2000}));
    let proxy = Proxy::start(&rules(
        ("volt", leader.url(), ""),
        &[(("acme", control.url(), ""), "control"), (("watch", observer.url(), ""), "observer")],
    ));
    let charger = charger(Library::Python);
    charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    session::arrive(&mut &charger, session::GOOD_CARD);
    let number = session::start(&mut &charger, session::GOOD_CARD)["transactionId"].as_i64().unwrap();
    session::meter(&mut &charger, number, 1500);
    for (follower, number) in [(&control, 1000), (&observer, 2000)] {
        let heard = follower.wait_call("MeterValues", |_| true);
        assert_eq!(heard.payload["transactionId"], number);
    }
    Scene { leader, control, observer, charger, _proxy: proxy }
}

fn command(action: &str, payload: Value) -> Value {
    json!({"do": "call", "action": action, "payload": payload})
}

#[test]
fn only_the_leader_stops_a_transaction_and_by_its_own_number() {
    let scene = scene(Library::Node, Library::Python);
    let refused = scene.control.cue(command("RemoteStopTransaction", json!({"transactionId": 1000})));
    assert_eq!(refused["payload"], json!({"status": "Rejected"}), "{refused}");
    let start = json!({"connectorId": 1, "idTag": session::GOOD_CARD});
    let refused = scene.control.cue(command("RemoteStartTransaction", start));
    assert_eq!(refused["payload"], json!({"status": "Rejected"}), "{refused}");
    let unknown = scene.leader.cue(command("RemoteStopTransaction", json!({"transactionId": 1000})));
    assert_eq!(unknown["payload"], json!({"status": "Rejected"}), "{unknown}");

    let accepted = scene.leader.cue(command("RemoteStopTransaction", json!({"transactionId": 1})));
    assert_eq!(accepted["payload"], json!({"status": "Accepted"}), "{accepted}");
    let heard = scene.charger.wait_call("RemoteStopTransaction", |_| true);
    assert_eq!(heard.payload, json!({"transactionId": 1}));
    let heard = scene.charger.calls();
    assert_eq!(heard.len(), 1, "a refused command never reaches the charger: {heard:?}");
}

#[test]
fn a_control_follower_reads_and_switches_and_an_observer_does_not() {
    let scene = scene(Library::Python, Library::Node);
    let configuration = scene.control.cue(command("GetConfiguration", json!({})));
    let keys =
        configuration["payload"]["configurationKey"].as_array().unwrap_or_else(|| panic!("{configuration}"));
    assert!(keys.iter().any(|key| key["key"] == "HeartbeatInterval"), "{configuration}");
    let change = json!({"key": "ConnectionTimeOut", "value": "60"});
    let refused = scene.control.cue(command("ChangeConfiguration", change.clone()));
    assert_eq!(refused["payload"], json!({"status": "Rejected"}), "the leader's setting: {refused}");
    let free = json!({"connectorId": 2, "type": "Inoperative"});
    let switched = scene.control.cue(command("ChangeAvailability", free.clone()));
    assert_eq!(switched["payload"], json!({"status": "Accepted"}), "{switched}");
    assert_eq!(scene.charger.wait_call("ChangeAvailability", |_| true).payload, free);

    let refused = scene.observer.cue(command("ChangeConfiguration", change));
    assert_eq!(refused["payload"], json!({"status": "Rejected"}), "{refused}");
    let refused = scene.observer.cue(command("GetConfiguration", json!({})));
    assert_eq!(refused["error"], "SecurityError", "{refused}");
    let refused = scene.observer.cue(command("Reset", json!({"type": "Soft"})));
    assert_eq!(refused["payload"], json!({"status": "Rejected"}), "{refused}");
    let heard: Vec<_> = scene.charger.calls().into_iter().map(|call| call.action).collect();
    assert_eq!(heard, ["GetConfiguration", "ChangeAvailability"]);
}

#[test]
fn what_would_cut_the_charger_off_is_forwarded_for_nobody() {
    let scene = scene(Library::Node, Library::Node);
    for backoffice in [&scene.leader, &scene.control] {
        for key in ["AuthorizationKey", "SecurityProfile"] {
            let refused = backoffice.cue(command("ChangeConfiguration", json!({"key": key, "value": "3"})));
            assert_eq!(refused["payload"], json!({"status": "Rejected"}), "{key}: {refused}");
        }
    }
    assert_eq!(scene.charger.calls(), []);
}

#[test]
fn two_commands_with_one_message_id_are_answered_to_their_own_senders() {
    let scene = scene(Library::Python, Library::Node);
    // Both wait at the proxy at the same time, because the charger takes its time.
    scene.charger.cue(json!({"do": "set", "behaviour": {"delay_ms": {"*": 200}}}));
    let mut rounds = 0;
    for round in 0..3 {
        let id = format!("{round}");
        let asked = |action: &str, payload: Value| json!({"do": "call", "action": action, "payload": payload, "id": id});
        let first = scene.leader.begin(asked("GetConfiguration", json!({})));
        let second =
            scene.control.begin(asked("GetCompositeSchedule", json!({"connectorId": 1, "duration": 60})));
        let (first, second) = (scene.leader.outcome(first), scene.control.outcome(second));
        assert!(first["payload"]["configurationKey"].is_array(), "{first}");
        assert_eq!(second["payload"], json!({"status": "Accepted"}), "{second}");
        rounds += 1;
    }
    assert_eq!(rounds, 3);
    scene.charger.wait_calls("GetConfiguration", 3);
    scene.charger.wait_calls("GetCompositeSchedule", 3);
    assert_eq!(scene.charger.calls().len(), 6);
}
