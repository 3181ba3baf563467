//! What an operator relies on: signals, health, metrics.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::{Proxy, rules};
use crate::support::{session, set_up};

/// X-21, §1.10: the proxy is stopped or restarted as planned
///
/// - charger: gets the answer that it waits for, then its socket is closed with 1001. It comes back by itself.
/// - leader: its link is closed with 1001.
/// - followers: are closed with 1001.
/// - operator: the program ends with 0. Start it again.
#[test]
fn sigterm_finishes_what_is_in_flight_and_says_goodbye() {
    let leader = Backoffice::start(Library::Node, json!({"delay_ms": {"Authorize": 500}}));
    let follower = Backoffice::start(Library::Python, json!({}));
    let mut proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    let asked = charger.say("Authorize", &json!({"idTag": session::GOOD_CARD}));
    leader.wait_calls("Authorize", 2);

    proxy.signal("TERM");
    let answer = charger.hear().expect("the answer in flight");
    assert_eq!((answer.kind, answer.id), (3, asked));
    assert_eq!(charger.wait_closed(), Some(1001));
    assert_eq!(proxy.wait_end().code(), Some(0));
    for backoffice in [&leader, &follower] {
        assert_eq!(backoffice.wait("closed", |_| true)["code"], 1001);
    }
}

/// A proxy that has been told to stop while its leader owes an answer that will never come.
fn stopping() -> (Proxy, Backoffice, RawCharger) {
    let leader = Backoffice::start(Library::Node, json!({"delay_ms": {"Authorize": 600_000}}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    charger.say("Authorize", &json!({"idTag": session::GOOD_CARD}));
    leader.wait_calls("Authorize", 1);
    proxy.signal("TERM");
    proxy.wait_log(&["stopping: no new chargers"]);
    (proxy, leader, charger)
}

#[test]
fn sigterm_waits_no_longer_than_ten_seconds() {
    let (mut proxy, _leader, _charger) = stopping();
    assert_eq!(proxy.wait_end().code(), Some(0));
    let drained =
        proxy.log.all().iter().any(|line| line.to_string().contains("the drain's deadline has passed"));
    assert!(drained, "the answer in flight was waited for");
}

#[test]
fn a_second_sigterm_stops_at_once() {
    let (mut proxy, _leader, _charger) = stopping();
    proxy.signal("TERM");
    proxy.wait_log(&["told to stop a second time"]);
    assert_eq!(proxy.wait_end().code(), Some(0));
    let drained =
        proxy.log.all().iter().any(|line| line.to_string().contains("the drain's deadline has passed"));
    assert!(!drained, "the drain was cut short");
}

#[test]
fn sighup_reads_the_file_again() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let reloads = || proxy.metric("ocpp_proxy_config_reloads_total", &[]).unwrap_or(0.0);
    let before = reloads();
    proxy.signal("HUP");
    crate::support::eventually("a reload", || (reloads() > before).then_some(()));
    proxy.wait_metric("ocpp_proxy_config_last_reload_successful", &[], 1.0);
}

#[test]
fn health_and_metrics_are_there_and_promtool_agrees() {
    let leader = Backoffice::start(Library::Node, json!({}));
    let follower = Backoffice::start(Library::Python, json!({"rejected": [session::GOOD_CARD]}));
    let proxy =
        Proxy::start(&rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]));
    assert_eq!(proxy.get("/healthz").0, 200);
    assert_eq!(proxy.get("/readyz").0, 200, "{}", proxy.get("/readyz").1);
    assert_eq!(proxy.get("/nothing").0, 404);

    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::whole(&mut charger, session::GOOD_CARD);
    follower.wait_call("StopTransaction", |_| true);
    crate::support::eventually("a divergence", || {
        let labels = ["backoffice=\"acme\"", "action=\"Authorize\""];
        proxy.metric("ocpp_proxy_divergence_total", &labels).filter(|count| *count == 1.0)
    });

    let (status, text) = proxy.get("/metrics");
    assert_eq!(status, 200);
    let ours = text.lines().filter(|line| line.starts_with("# TYPE ocpp_proxy_")).count();
    assert!(ours >= 10, "{ours} metrics of our own:\n{text}");
    assert!(!text.contains("CP1") && !text.contains(session::GOOD_CARD), "a label names a charger or a card");

    let promtool = set_up("OCPP_PROXY_TEST_PROMTOOL");
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts; run `cargo xtask test`");
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let remarks = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&remarks));
}
