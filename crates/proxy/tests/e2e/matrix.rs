//! Rows of the failure matrix (semantics §9) that concern sockets, handshakes and the store. Each says what
//! every party sees; docs/failure-matrix.md is made of that.

use std::net::TcpListener;

use serde_json::json;

use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::{Edit, Proxy, rules};
use crate::support::{eventually, session};

/// X-14, F-66: a follower does not speak the charger's version of OCPP
///
/// - charger: notices nothing.
/// - leader: notices nothing.
/// - followers: the one that does not speak it is sent nothing.
/// - operator: dials of it fail with the result `incompatible`. It needs a backoffice that speaks
///   OCPP 1.6, or another address: the proxy translates nothing.
#[test]
fn a_follower_that_speaks_another_version() {
    let leader = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let follower = Backoffice::start(Library::Node, json!({"subprotocols": ["ocpp2.0.1"]}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    // The charger speaks OCPP 1.6, as the leader does.
    let mut charger = RawCharger::offer(proxy.chargers, "CP1", Some("ocpp1.6")).unwrap();
    assert_eq!(session::whole(&mut charger, session::GOOD_CARD), session::answers_of_a_leader(1));
    let labels = ["backoffice=\"acme\"", "result=\"incompatible\""];
    eventually("a dial that failed", || proxy.metric("ocpp_proxy_backoffice_connects_total", &labels));
    assert_eq!(follower.calls(), []);
}

/// X-23, F-70: a charger opens a second socket while its first one seems open
///
/// - charger: goes on with the newer socket. The older one is closed with 1008.
/// - leader: notices nothing.
/// - followers: notice nothing.
/// - operator: nothing to do. If it happens all the time, two chargers bear one identity.
#[test]
fn a_charger_that_comes_twice() {
    let leader = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let follower = Backoffice::start(Library::Node, json!({"first_transaction": 1000}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let mut older = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut older, session::GOOD_CARD);
    follower.wait_call("Authorize", |_| true);
    let mut newer = RawCharger::connect(proxy.chargers, "CP1");
    assert_eq!(older.wait_closed(), Some(1008));
    assert_eq!(session::whole(&mut newer, session::GOOD_CARD), session::answers_of_a_leader(1));
    for backoffice in [&leader, &follower] {
        backoffice.wait_call("StopTransaction", |_| true);
        assert_eq!(backoffice.times_linked("CP1"), 1);
    }
}

/// X-26, F-95: a charger sends messages of more than 1 MiB
///
/// - charger: is closed with 1009 each time, and at the third time within ten minutes refused with 503 for
///   a while.
/// - leader: does not hear of those messages.
/// - followers: do not hear of them either.
/// - operator: alert `quarantined`. That charger is broken; others are served.
#[test]
fn a_charger_that_sends_too_much() {
    let leader = Backoffice::start(Library::Python, json!({}));
    let follower = Backoffice::start(Library::Node, json!({}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let data = "x".repeat((1 << 20) + 1);
    let huge = json!([2, "huge", "DataTransfer", {"vendorId": "acme", "data": data}]).to_string();
    for _ in 0..3 {
        let mut charger = RawCharger::connect(proxy.chargers, "CP1");
        charger.say_text(huge.clone());
        assert_eq!(charger.wait_closed(), Some(1009));
    }
    assert_eq!(RawCharger::offer(proxy.chargers, "CP1", Some("ocpp1.6")).err(), Some(503));
    proxy.wait_metric("ocpp_proxy_alerts_total", &["kind=\"quarantined\""], 1.0);
    let mut other = RawCharger::connect(proxy.chargers, "CP2");
    session::whole(&mut other, session::GOOD_CARD);
    for backoffice in [&leader, &follower] {
        backoffice.wait_call("StopTransaction", |_| true);
        assert!(backoffice.calls().iter().all(|call| call.action != "DataTransfer"));
    }
}

/// X-26, F-95: a backoffice sends a message of more than 4 MiB
///
/// - charger: notices nothing.
/// - leader: notices nothing.
/// - followers: the link of the one that does is closed with 1009, and opened again.
/// - operator: violation `too_big`. Nothing that OCPP 1.6 defines is so large.
#[test]
fn a_follower_that_sends_too_much() {
    let leader = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let follower = Backoffice::start(Library::Node, json!({}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    follower.wait_linked("CP1");
    // OCPP 1.6 has no such message.
    follower.begin(json!({"do": "raw", "charger": "CP1", "text": "x".repeat((4 << 20) + 1)}));
    assert_eq!(follower.wait("closed", |event| event["charger"] == "CP1")["code"], 1009);
    proxy.wait_log(&["acme", "protocol violation", "too_big"]);
    eventually("another link", || (follower.times_linked("CP1") == 2).then_some(()));
    session::whole(&mut charger, session::GOOD_CARD);
    assert_eq!(leader.times_linked("CP1"), 1);
}

/// A signed meter value in MeterValues, as a meter of the German calibration law writes it: escapes, odd
/// spaces and a trailing zero that no reader of JSON would write again like that.
fn signed(transaction: u32) -> String {
    let ocmf = r#"OCMF|{\"FV\":\"1.0\",\"GI\":\"M\u00fcller \/ S\u00f6hne\",\"RD\":[{\"RV\":0.10,\"RU\":\"kWh\"}]}|{\"SD\":\"3045\u002B==\"}"#;
    format!(
        r#"{{ "connectorId":1,"transactionId" : {transaction} ,"meterValue":[{{"timestamp":"2026-11-22T13:05:00Z",  "sampledValue":[{{"value":"{ocmf}","context":"Sample.Periodic","format":"SignedData"}}]}}]}}"#
    )
}

/// scenario 19, I-6: what a meter signed reaches everyone byte by byte, live and from the store after a crash
#[test]
fn a_signed_value_passes_byte_by_byte_also_from_the_store() {
    let leader = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let follower = Backoffice::start(Library::Node, json!({"first_transaction": 1000}));
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let served_by = |late: String| {
        rules(
            ("volt", leader.url(), ""),
            &[(("acme", follower.url(), ""), "control"), (("late", late, ""), "observer")],
        )
    };
    let mut proxy = Proxy::start(&served_by(format!("ws://{absent}/{{charger}}")));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    assert_eq!(session::start(&mut charger, session::GOOD_CARD)["transactionId"], 1);
    charger.say_text(format!(r#"[2,"signed","MeterValues",{}]"#, signed(1)));
    let answer = charger.hear().unwrap();
    assert_eq!((answer.kind, answer.id.as_str()), (3, "signed"));

    // What is on its way at the kill may be told twice (T-61), and booked under another number.
    proxy.wait_all_told("acme");
    proxy.restart_after("KILL");
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    // Who was not there hears of it from the store, under its own number.
    let late = Backoffice::start(Library::Node, json!({"first_transaction": 5000}));
    proxy.edit(Edit::Rename, &served_by(late.url()));
    charger.call("Heartbeat", &json!({}));
    let told = [(&leader, 1), (&follower, 1000), (&late, 5000)];
    for (backoffice, number) in told {
        let heard = backoffice.wait_call("MeterValues", |_| true);
        let ending = format!(r#","MeterValues",{}]"#, signed(number));
        assert!(heard.text.ends_with(&ending), "{}\nis not\n…{ending}", heard.text);
    }
    assert_eq!(told.len(), 3);
}
