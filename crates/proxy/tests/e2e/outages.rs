//! The leader goes, as a program that is killed, and comes back: the charger keeps charging.

use serde_json::json;

use crate::support::charger::RawCharger;
use crate::support::peer::{Backoffice, Library};
use crate::support::proxy::{Proxy, rules};
use crate::support::session;

const WITHOUT_LEADER: &str = "ocpp_proxy_chargers_without_leader";
/// Numbers that no backoffice uses.
const PROVISIONAL: std::ops::RangeInclusive<i64> = 2_000_000_000..=2_147_483_000;

#[test]
fn a_leader_that_was_away_hears_of_a_whole_transaction_under_its_own_number() {
    let mut leader = Backoffice::start(Library::Node, json!({}));
    let proxy = Proxy::start(&rules(("volt", leader.url(), ""), &[]));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    proxy.wait_metric(WITHOUT_LEADER, &[], 0.0);

    leader.peer.kill();
    proxy.wait_metric(WITHOUT_LEADER, &[], 1.0);
    assert_eq!(proxy.get("/readyz").0, 200);
    let started = session::start(&mut charger, session::GOOD_CARD);
    assert_eq!(started["idTagInfo"]["status"], "Accepted", "the leader said so before");
    let number = started["transactionId"].as_i64().unwrap();
    assert!(PROVISIONAL.contains(&number), "{number}");
    assert_eq!(session::meter(&mut charger, number, 2000), json!({}));
    assert_eq!(session::stop(&mut charger, number), json!({}));
    proxy.wait_metric("ocpp_proxy_deliveries_waiting", &["volt"], 3.0);

    let behaviour = json!({"port": leader.port, "first_transaction": 7});
    let leader = Backoffice::start(Library::Node, behaviour);
    let stop = leader.peer.wait_call("StopTransaction", |_| true);
    assert_eq!(stop.payload["transactionId"], 7);
    let told: Vec<String> = leader.peer.calls().iter().map(|call| call.action.clone()).collect();
    let of_the_transaction: Vec<&str> = told
        .iter()
        .map(String::as_str)
        .filter(|action| action.contains("Transaction") || *action == "MeterValues")
        .collect();
    assert_eq!(of_the_transaction, ["StartTransaction", "MeterValues", "StopTransaction"]);
    proxy.wait_metric("ocpp_proxy_deliveries_waiting", &["volt"], 0.0);
    proxy.wait_metric(WITHOUT_LEADER, &[], 0.0);
}

#[test]
fn a_charger_that_dials_without_its_leader_is_served_by_another() {
    let mut leader = Backoffice::start(Library::Node, json!({}));
    let second = Backoffice::start(Library::Python, json!({"first_transaction": 70}));
    leader.peer.kill();
    let rules = rules(("volt", leader.url(), ""), &[(("acme", second.url(), ""), "control")]);
    let outage = "on_leader_lost = \"failover\"\nfailover_to = [\"acme\"]\nleader_grace = \"0s\"\nfailover_after = \"0s\"\n";
    let proxy = Proxy::start(&(rules + outage));
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    proxy.wait_metric("ocpp_proxy_leader_switches_total", &["failover"], 1.0);
    proxy.wait_metric(WITHOUT_LEADER, &[], 0.0);
    assert_eq!(session::whole(&mut charger, session::GOOD_CARD).len(), session::ACTIONS.len());
    let start = second.peer.wait_call("StartTransaction", |_| true);
    assert_eq!(second.peer.wait_answered(&start).payload["transactionId"], 70);
}
