//! A command that the charger answers after its requester has given up (semantics F-33, F-34).

use std::time::Duration;

use serde_json::{Value, json};

use super::support::charger::RawCharger;
use super::support::peer::{Backoffice, Frame, Library};
use super::support::proxy::{Proxy, rules};
use super::support::session;

/// Longer than the proxy waits for an answer to a command.
const GIVING_UP: Duration = Duration::from_secs(60);

/// Reads until this command comes.
fn hear(charger: &mut RawCharger, action: &str) -> Frame {
    loop {
        let frame = charger.hear().expect("the charger stays connected");
        if frame.action == action {
            return frame;
        }
    }
}

#[test]
fn a_late_answer_to_a_command_reaches_nobody_and_is_seen() {
    let leader = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    let order = |action: &str, payload: Value, id: &str| {
        leader.begin(json!({"do": "call", "charger": "CP1", "action": action, "payload": payload, "id": id}))
    };

    let given =
        order("RemoteStartTransaction", json!({"idTag": session::GOOD_CARD, "connectorId": 1}), "start");
    let start = hear(&mut charger, "RemoteStartTransaction");
    let outcome = leader.events.wait_within(GIVING_UP, "the end of its patience", |event| {
        (event["event"] == "done" && event["cue"] == given).then(|| event.clone())
    });
    assert_eq!(outcome["error"], "GenericError", "{outcome}");

    // The next command comes once the proxy, too, expects no answer to the first any more.
    let given = order("ClearCache", json!({}), "next");
    let next = hear(&mut charger, "ClearCache");
    charger.say_text(json!([3, start.id, {"status": "Accepted"}]).to_string());
    charger.say_text(json!([3, next.id, {"status": "Accepted"}]).to_string());
    assert_eq!(leader.outcome(given)["payload"]["status"], "Accepted");

    let replies: Vec<Frame> = leader
        .events
        .all()
        .iter()
        .filter(|event| event["event"] == "received")
        .filter_map(|event| Frame::parse(event["frame"].as_str()?))
        .filter(|frame| frame.id == "start")
        .collect();
    assert_eq!(replies.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [4], "{replies:?}");
    proxy.wait_metric("ocpp_proxy_alerts_total", &["kind=\"late_effect\""], 1.0);
    proxy.wait_log(&["late_effect", "the charger accepted a RemoteStartTransaction too late"]);
}
