//! proxy.toml changes while chargers are charging.

use serde_json::json;

use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Library, charger};
use crate::support::proxy::{Edit, Proxy, rules};
use crate::support::session;

fn the_leader_changes(edit: Edit) {
    let first = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let second = Backoffice::start(Library::Node, json!({"first_transaction": 1000}));
    let volt = || ("volt", first.url(), "");
    let acme = || ("acme", second.url(), "");
    let proxy = Proxy::start_edited_by(edit, &rules(volt(), &[(acme(), "control")]));
    let charger = charger(Library::Node);
    charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    session::arrive(&mut &charger, session::GOOD_CARD);
    let number = session::start(&mut &charger, session::GOOD_CARD)["transactionId"].as_i64().unwrap();
    assert_eq!(number, 1);
    session::meter(&mut &charger, number, 1500);
    second.wait_call("MeterValues", |_| true);

    proxy.edit(edit, &rules(acme(), &[(volt(), "control")]));
    proxy.wait_metric("ocpp_proxy_leader_switches_total", &[], 1.0);
    // The new leader answers from now on, under the number it issued itself.
    second.cue(json!({"do": "set", "behaviour": {"answers": {"Heartbeat": {"currentTime": "2031-01-01T00:00:00Z"}}}}));
    assert_eq!(charger.call("Heartbeat", json!({}))["currentTime"], "2031-01-01T00:00:00Z");
    session::stop(&mut &charger, number);
    assert_eq!(second.wait_call("StopTransaction", |_| true).payload["transactionId"], 1000);
    assert_eq!(first.wait_call("StopTransaction", |_| true).payload["transactionId"], 1);

    let command = |number: i64| json!({"do": "call", "action": "RemoteStopTransaction", "payload": {"transactionId": number}});
    assert_eq!(first.cue(command(1))["payload"], json!({"status": "Rejected"}), "it no longer leads");
    let closed = charger.events.all().iter().filter(|event| event["event"] == "closed").count();
    assert_eq!(closed, 0, "the charger stays connected");
    assert_eq!((first.times_linked("CP1"), second.times_linked("CP1")), (1, 1), "so do the backoffices");
}

#[test]
fn the_leader_changes_in_mid_transaction_when_the_file_is_saved_in_place() {
    the_leader_changes(Edit::InPlace);
}

#[test]
fn the_leader_changes_in_mid_transaction_when_the_file_is_replaced() {
    the_leader_changes(Edit::Rename);
}

#[test]
fn the_leader_changes_in_mid_transaction_when_a_link_is_swapped() {
    the_leader_changes(Edit::SymlinkSwap);
}

#[test]
fn an_invalid_edit_changes_nothing_and_says_why() {
    const LAST_RELOAD: &str = "ocpp_proxy_config_last_reload_successful";
    let leader = Backoffice::start(Library::Node, json!({}));
    let good = rules(("volt", leader.url(), ""), &[]);
    let proxy = Proxy::start(&good);
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    proxy.wait_metric(LAST_RELOAD, &[], 1.0);

    proxy.edit(Edit::InPlace, &good.replace("leader = \"volt\"", "leader = \"vlot\""));
    proxy.wait_metric(LAST_RELOAD, &[], 0.0);
    proxy.wait_log(&["vlot", "volt", "proxy.toml"]);
    session::whole(&mut charger, session::GOOD_CARD);
    session::arrive(&mut RawCharger::connect(proxy.chargers, "CP2"), session::GOOD_CARD);
    let (status, _, errors) = proxy.command(&["check"]);
    assert_eq!(status.code(), Some(2));
    assert!(errors.contains("vlot") && errors.contains("volt"), "{errors}");

    proxy.edit(Edit::Rename, &good);
    proxy.wait_metric(LAST_RELOAD, &[], 1.0);
    session::whole(&mut charger, session::GOOD_CARD);
    assert_eq!(proxy.command(&["check"]).0.code(), Some(0));
}

#[test]
fn a_follower_comes_and_goes_without_the_charger_noticing() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let follower = Backoffice::start(Library::Python, json!({}));
    let alone = rules(("volt", leader.url(), ""), &[]);
    let proxy = Proxy::start(&alone);
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::whole(&mut charger, session::GOOD_CARD);

    proxy.edit(
        Edit::Rename,
        &rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "observer")]),
    );
    follower.wait_linked("CP1");
    charger.call("Authorize", &json!({"idTag": session::GOOD_CARD}));
    follower.wait_call("Authorize", |_| true);

    proxy.edit(Edit::Rename, &alone);
    let closed = follower.wait("closed", |event| event["charger"] == "CP1");
    assert_eq!(closed["code"], 1000);
    session::whole(&mut charger, session::GOOD_CARD);
}
