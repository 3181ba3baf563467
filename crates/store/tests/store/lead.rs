//! Who leads by the word of an operator.

use engine::{BackofficeId, ChargerId};
use store::{LeadChange, LeaderOrder, OpenError, Store};

use crate::world::*;

fn order(leader: Option<&str>, reason: &str) -> LeaderOrder {
    let leader = leader.map(BackofficeId::from);
    LeaderOrder { charger: charger(), leader, by: "anna".into(), reason: reason.into() }
}

async fn overrides(world: &World) -> Vec<(ChargerId, BackofficeId, String, String)> {
    let all = world.browser().leader_overrides().await.unwrap();
    all.into_iter().map(|one| (one.charger, one.leader, one.by, one.reason)).collect()
}

async fn history(world: &World, charger: &ChargerId) -> Vec<(Option<BackofficeId>, String)> {
    let all: Vec<LeadChange> = world.browser().lead_history(charger, 100).await.unwrap();
    all.into_iter().map(|change| (change.leader, change.reason)).collect()
}

async fn set(store: &Store, charger: &str, leader: Option<&str>, reason: &str) {
    store.set_leader(&charger.into(), leader.map(BackofficeId::from), "anna", reason).await.unwrap();
}

#[tokio::test]
async fn an_override_outlives_the_program_and_every_change_is_remembered() {
    let world = World::new();
    let store = world.open();
    let mut orders = store.leader_orders();
    set(&store, "SITE1-CP1", Some("acme"), "a trial").await;
    set(&store, "site1-cp1", Some("volt"), "it's over; DROP TABLE \"x\"\0").await;
    set(&store, "OTHER", Some("acme"), "").await;
    store.close().await;
    assert_eq!(orders.recv().await, None, "only what came from outside is told");

    let _store = world.open();
    let all = overrides(&world).await;
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].0.as_str(), all[0].1.as_str()), ("OTHER", "acme"));
    assert_eq!((all[1].0.as_str(), all[1].1.as_str(), all[1].2.as_str()), ("SITE1-CP1", "volt", "anna"));
    assert_eq!(all[1].3, "it's over; DROP TABLE \"x\"\0");
    let changes = history(&world, &"Site1-Cp1".into()).await;
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[1], (Some("acme".into()), "a trial".to_owned()));
}

#[tokio::test]
async fn the_way_back_removes_the_override_and_stays_in_the_history() {
    let world = World::new();
    let store = world.open();
    set(&store, "SITE1-CP1", Some("acme"), "a trial").await;
    set(&store, "SITE1-CP1", None, "enough").await;
    assert_eq!(overrides(&world).await, []);
    let changes = history(&world, &charger()).await;
    assert_eq!(changes, [(None, "enough".to_owned()), (Some("acme".into()), "a trial".to_owned())]);
    assert_eq!(history(&world, &"OTHER".into()).await, []);
}

#[tokio::test]
async fn the_history_of_one_charger_is_bounded() {
    let world = World::new();
    let store = world.open();
    let mut last = None;
    for number in 0..1_010 {
        last = Some(store.set_leader(&charger(), None, "anna", &format!("change {number}")));
    }
    last.unwrap().await.unwrap();
    let changes = world.browser().lead_history(&charger(), 10_000).await.unwrap();
    assert_eq!(changes.len(), 1_000);
    assert_eq!((changes[0].reason.as_str(), changes[999].reason.as_str()), ("change 1009", "change 10"));
}

#[tokio::test]
async fn a_change_that_no_operator_made_is_remembered_and_overrides_nothing() {
    let world = World::new();
    let store = world.open();
    store.note_leader(&charger(), &acme(), "the proxy", "volt was away");
    set(&store, "OTHER", Some("acme"), "a trial").await;
    assert_eq!(history(&world, &charger()).await, [(Some(acme()), "volt was away".to_owned())]);
    assert_eq!(overrides(&world).await.len(), 1);
}

#[tokio::test]
async fn another_program_gives_the_order_beside_a_proxy_which_hears_of_it() {
    let world = World::new();
    let store = world.open();
    let mut orders = store.leader_orders();
    set(&store, "SITE1-CP1", Some("volt"), "own").await;
    let path = world.path();
    let other_program = std::thread::spawn(move || {
        order(Some("acme"), "from outside").give(&path).unwrap();
        order(None, "and back").give(&path).unwrap();
    });
    assert_eq!(orders.recv().await, Some(order(Some("acme"), "from outside")));
    assert_eq!(orders.recv().await, Some(order(None, "and back")));
    other_program.join().unwrap();
    assert_eq!(overrides(&world).await, []);
    assert_eq!(history(&world, &charger()).await.len(), 3);
}

#[tokio::test]
async fn without_a_proxy_the_order_stands_in_the_file() {
    let world = World::new();
    let missing = order(None, "").give(&world.path()).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");
    world.open().close().await;
    order(Some("acme"), "night shift").give(&world.path()).unwrap();
    // Given before the proxy began, it is found by reading, not told again.
    let store = world.open();
    let mut orders = store.leader_orders();
    assert_eq!(overrides(&world).await.len(), 1);
    store.close().await;
    assert_eq!(orders.recv().await, None);
}

#[tokio::test]
async fn a_failed_disk_does_not_bar_the_chargers_session() {
    let world = World::new();
    let store = world.open();
    let database = rusqlite::Connection::open(world.path()).unwrap();
    database.execute_batch("ALTER TABLE lead_history RENAME TO away").unwrap();
    let failed = store.set_leader(&charger(), None, "anna", "").await;
    assert!(failed.is_err(), "{failed:?}");
    database.execute_batch("ALTER TABLE away RENAME TO lead_history").unwrap();
    store.keep(&charger(), vec![fact("boot", Some("{}"))]).await.unwrap();
}
