//! An operator makes another backoffice leader, beside the running program and without it.

use serde_json::json;

use crate::support::peer::{Backoffice, Library, charger};
use crate::support::proxy::{Edit, Proxy, rules};
use crate::support::session;

const SWITCHES: &str = "ocpp_proxy_leader_switches_total";

fn said(proxy: &Proxy, arguments: &[&str]) -> String {
    let (status, output, errors) = proxy.command(&[&["leader"], arguments].concat());
    assert!(status.success(), "{arguments:?}: {errors}");
    output
}

#[test]
fn the_command_line_changes_who_answers_in_mid_transaction_and_back() {
    let first = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let behaviour = json!({
        "first_transaction": 1000,
        "answers": {"Heartbeat": {"currentTime": "2031-01-01T00:00:00Z"}}
    });
    let second = Backoffice::start(Library::Node, behaviour);
    let volt = || ("volt", first.url(), "");
    let acme = || ("acme", second.url(), "");
    let mut proxy = Proxy::start(&rules(volt(), &[(acme(), "observer")]));
    let told = said(&proxy, &["CP1"]);
    assert!(
        told.starts_with("No charger of that identity has connected yet.\nvolt leads CP1, by the rule"),
        "{told}"
    );

    let charger = charger(Library::Node);
    charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    session::arrive(&mut &charger, session::GOOD_CARD);
    let number = session::start(&mut &charger, session::GOOD_CARD)["transactionId"].as_i64().unwrap();
    assert_eq!(number, 1);
    second.wait_call("StartTransaction", |_| true);

    let told = said(&proxy, &["cp1", "acme", "--reason", "volt is slow"]);
    assert!(told.starts_with("acme leads cp1 from now on."), "{told}");
    proxy.wait_metric(SWITCHES, &["source=\"operator\""], 1.0);
    assert_eq!(charger.call("Heartbeat", json!({}))["currentTime"], "2031-01-01T00:00:00Z");
    session::stop(&mut &charger, number);
    assert_eq!(second.wait_call("StopTransaction", |_| true).payload["transactionId"], 1000);
    assert_eq!(first.wait_call("StopTransaction", |_| true).payload["transactionId"], 1);
    let told = said(&proxy, &["CP1"]);
    for wanted in
        ["acme leads CP1: chosen by ", "(volt is slow)", "names volt", "volt (control)", "leader CP1 --back"]
    {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    assert_eq!(said(&proxy, &["CP1", "acme"]), "acme leads CP1 already.\n");

    // It survives a restart, and can be taken back while no program runs.
    proxy.restart_after("TERM");
    charger.cue(json!({"do": "connect", "url": proxy.url("CP1")}));
    session::arrive(&mut &charger, session::GOOD_CARD);
    assert_eq!(charger.call("Heartbeat", json!({}))["currentTime"], "2031-01-01T00:00:00Z");
    proxy.signal("TERM");
    assert!(proxy.wait_end().success());
    let told = said(&proxy, &["CP1", "--back", "--reason", "well again"]);
    assert!(told.starts_with("volt leads CP1 from now on."), "{told}");
    let told = said(&proxy, &["CP1"]);
    assert!(told.starts_with("volt leads CP1, by the rule") && told.contains("(well again)"), "{told}");
}

#[test]
fn what_cannot_lead_is_refused_with_a_reason() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let follower = Backoffice::start(Library::Node, json!({}));
    let free = rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]);
    let proxy = Proxy::start(&free);
    let refused = |arguments: &[&str]| {
        let (status, _, errors) = proxy.command(&[&["leader"], arguments].concat());
        assert_eq!(status.code(), Some(1), "{arguments:?}");
        errors
    };
    let errors = refused(&["CP1", "acmee"]);
    assert!(errors.contains("does not name the backoffice acmee; it names volt, acme"), "{errors}");
    proxy.edit(
        Edit::Rename,
        &free.replace("leader = \"volt\"", "leader = \"volt\"\nleader_source = \"file\""),
    );
    let errors = refused(&["CP1", "acme"]);
    assert!(errors.contains("leader_source = \"file\""), "{errors}");
    assert!(said(&proxy, &["CP1"]).contains("only proxy.toml can change this"));
    proxy.edit(Edit::Rename, &free.replace("match = \"CP*\"", "match = \"X*\""));
    let errors = refused(&["CP1", "acme"]);
    assert!(errors.contains("no rule in proxy.toml matches the charger CP1"), "{errors}");
}
