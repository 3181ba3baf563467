//! The disk fills while the leader is down: nothing is acknowledged that is not durable (semantics X-20,
//! §10 scenario 25), and all goes on when there is room again.

use serde_json::json;

use super::support::charger::RawCharger;
use super::support::eventually;
use super::support::peer::{Backoffice, Library};
use super::support::proxy::{Proxy, rules};
use super::support::session;

#[test]
fn nothing_is_acknowledged_on_a_full_disk_while_the_leader_is_down() {
    let mut leader = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
    let follower = Backoffice::start(Library::Python, json!({"first_transaction": 1000}));
    let rules = rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]);
    let proxy = Proxy::start_on_small_disk(&rules);
    let mut charger = RawCharger::connect(proxy.chargers, "CP1");
    session::arrive(&mut charger, session::GOOD_CARD);
    leader.peer.kill();
    proxy.wait_metric("ocpp_proxy_backoffice_connections", &["backoffice=\"volt\""], 0.0);
    let number = session::start(&mut charger, session::GOOD_CARD)["transactionId"].as_i64().unwrap();
    assert_eq!(session::meter(&mut charger, number, 1500), json!({}));
    // Else it could not be known what the follower has booked.
    proxy.wait_all_told("acme");

    proxy.fill_disk();
    charger.say("MeterValues", &session::meter_values(number, 2500));
    assert_eq!(charger.hear(), Err(Some(1013)), "no answer comes before the close");
    let (status, why) = proxy.get("/readyz");
    assert_eq!(status, 503, "{why}");
    assert!(proxy.metric("ocpp_proxy_store_errors_total", &[]).unwrap_or(0.0) > 0.0);
    assert_eq!(RawCharger::offer(proxy.chargers, "CP1", Some("ocpp1.6")).err(), Some(503));

    proxy.free_disk();
    let mut charger = eventually("a charger to be let in again, without a restart", || {
        RawCharger::offer(proxy.chargers, "CP1", Some("ocpp1.6")).ok()
    });
    assert_eq!(session::meter(&mut charger, number, 2500), json!({}));
    assert_eq!(session::stop(&mut charger, number), json!({}));
    let leader = Backoffice::start(Library::Python, json!({"port": leader.port, "first_transaction": 1}));
    for (backoffice, number) in [(&leader, 1), (&follower, 1000)] {
        backoffice.wait_call("StopTransaction", |_| true);
        let told: Vec<_> = backoffice
            .calls()
            .into_iter()
            .filter(|call| call.payload.get("transactionId").is_some())
            .collect();
        assert!(told.iter().all(|call| call.payload["transactionId"] == number), "{told:?}");
        let mut readings: Vec<_> = told
            .iter()
            .map(|call| call.payload["meterValue"][0]["sampledValue"][0]["value"].clone())
            .collect();
        if backoffice.url() == follower.url() {
            // It was told at once what the disk had no room for, and again when the charger said it again.
            readings.dedup();
        }
        assert_eq!(readings, [json!("1500"), json!("2500"), json!(null)], "each in order, and none lost");
    }
    assert_eq!(proxy.get("/readyz").0, 200);
}
