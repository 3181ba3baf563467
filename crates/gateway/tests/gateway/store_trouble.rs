//! A disk that is full: nobody is let in to lose transactions, operators see why, and it goes on by itself.

use engine::{ChargerId, Fact, Record};
use store::Limits;

use crate::backoffice::Backoffice;
use crate::charger::Charger;
use crate::world::{World, routing, settings};

fn ballast(number: u64, body: Option<String>) -> Vec<Record> {
    vec![Record::Fact(Fact { key: format!("ballast/{number}"), body })]
}

/// X-20, E19: a full disk keeps chargers out until there is room, without a restart
#[tokio::test]
async fn a_full_disk_keeps_chargers_out_until_there_is_room_and_says_so() {
    let leader = Backoffice::new().await;
    let routing = routing(&[("volt", &leader.url())]);
    leader.agree_with_all();
    let limits = Limits { file_bytes: Some(400_000), reserve_bytes: 640_000, ..Limits::default() };
    let world = World::bounded(settings(), routing, limits).await;
    let other = ChargerId::from("OTHER");
    let mut kept = 0;
    while world.store.keep(&other, ballast(kept, Some("x".repeat(20_000)))).await.is_ok() {
        kept += 1;
    }
    let (status, why) = world.page("/readyz").await;
    assert!(status == 503 && why.contains("store is not writable") && why.contains("full"), "{why}");
    assert_eq!(world.metric("ocpp_proxy_store_writable").await, 0.0);
    assert_eq!(Charger::dial(world.address, "CP1").await.status, 503);
    assert_eq!(world.metric("ocpp_proxy_alerts_total{kind=\"store_failed\"}").await, 1.0);

    world.store.remembered(&other).await.unwrap();
    for number in 0..kept {
        world.store.keep(&other, ballast(number, None)).await.unwrap();
    }
    assert_eq!(world.page("/readyz").await.0, 200);
    assert_eq!(world.metric("ocpp_proxy_store_writable").await, 1.0);
    let mut charger = Charger::dial(world.address, "CP2").await;
    assert_eq!(charger.status, 101);
    charger.assert_served().await;
}
