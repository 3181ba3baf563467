//! What an operator sees of deliveries and orders about them, beside a proxy and without one.

use std::time::Duration;

use engine::{ChargerId, Delivery};
use store::{
    Deliveries, DeliveryOrder, LaneChange, ListedDelivery, OpenError, OrderWhat, Ordered, Store, StoreError,
    Which,
};

use crate::world::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn parked(number: u64) -> Delivery {
    let parked = Some("attempts_spent".to_owned());
    Delivery { parked, attempts: 10, ..delivery(number, "StopTransaction", Some(number)) }
}

/// Two wait, of which one was tried, and two are parked.
async fn fill(store: &Store) {
    let tried = Delivery { attempts: 2, ..delivery(4, "StopTransaction", Some(4)) };
    let records = vec![
        waits(parked(1)),
        waits(parked(2)),
        waits(delivery(3, "StopTransaction", Some(3))),
        waits(tried),
    ];
    store.keep(&charger(), records).await.unwrap();
    store.keep(&"OTHER".into(), vec![waits(parked(1))]).await.unwrap();
}

fn list(world: &World, which: &Which) -> Vec<ListedDelivery> {
    let mut all = Vec::new();
    Deliveries::open(&world.path())
        .unwrap()
        .list(which, 1_000, |one| {
            all.push(one);
            Ok::<(), StoreError>(())
        })
        .unwrap();
    all
}

fn states(world: &World) -> Vec<(u64, u32, bool)> {
    let which = Which { charger: Some(charger()), ..Which::default() };
    let all = list(world, &which);
    all.iter()
        .map(|one| (one.delivery.number, one.delivery.attempts, one.delivery.parked.is_some()))
        .collect()
}

fn order(what: OrderWhat, numbers: Option<&[u64]>) -> DeliveryOrder {
    let numbers = numbers.map(<[u64]>::to_vec);
    DeliveryOrder { what, charger: charger(), backoffice: acme(), numbers }
}

fn give(world: &World, what: OrderWhat, numbers: Option<&[u64]>) -> Ordered {
    order(what, numbers).give(&world.path()).unwrap().wait(PATIENCE).unwrap()
}

#[tokio::test]
async fn lanes_and_deliveries_are_listed_while_the_proxy_writes() {
    let world = World::new();
    let store = world.open();
    fill(&store).await;
    let lanes = Deliveries::open(&world.path()).unwrap().lanes(&Which::default()).unwrap();
    let counts: Vec<_> =
        lanes.iter().map(|lane| (lane.charger.as_str(), lane.waiting, lane.parked)).collect();
    assert_eq!(counts, [("OTHER", 0, 1), ("SITE1-CP1", 2, 2)]);
    assert!(lanes[0].oldest_unix_ms.is_none() && lanes[1].oldest_unix_ms.is_some());
    assert_eq!(list(&world, &Which::default()).len(), 5);
    let parked = Which { charger: Some(charger()), backoffice: Some(acme()), parked: true };
    assert_eq!(list(&world, &parked).len(), 2);
    assert_eq!(list(&world, &Which { backoffice: Some("volt".into()), ..Which::default() }), []);
}

#[tokio::test]
async fn secrets_are_not_listed() {
    let world = World::new();
    let store = world.open();
    let payload = r#"{"password":"hunter2","idTag":"CARD"}"#.to_owned();
    store.keep(&charger(), vec![waits(Delivery { payload, ..parked(1) })]).await.unwrap();
    let shown = list(&world, &Which::default())[0].delivery.payload.clone();
    assert!(!shown.contains("hunter2") && shown.contains("CARD"), "{shown}");
    // The backoffice gets what the charger sent.
    give(&world, OrderWhat::Retry, None);
    let told = store.recall(&charger(), &acme(), 0).await.unwrap().deliveries;
    assert!(told[0].payload.contains("hunter2"));
}

#[tokio::test]
async fn without_a_proxy_an_order_is_carried_out_at_once() {
    let world = World::new();
    let store = world.open();
    fill(&store).await;
    store.close().await;
    assert_eq!(give(&world, OrderWhat::Retry, Some(&[2, 99])), Ordered::Done(1));
    assert_eq!(states(&world), [(1, 10, true), (2, 0, false), (3, 0, false), (4, 2, false)]);
    assert_eq!(give(&world, OrderWhat::Retry, None), Ordered::Done(2));
    assert_eq!(states(&world), [(1, 0, false), (2, 0, false), (3, 0, false), (4, 0, false)]);
    assert_eq!(give(&world, OrderWhat::Drop, Some(&[1, 3])), Ordered::Done(2));
    assert_eq!(give(&world, OrderWhat::Drop, None), Ordered::Done(2));
    assert_eq!(states(&world), []);
    assert_eq!(list(&world, &Which::default()).len(), 1);
    let memory = world.open().remembered(&charger()).await.unwrap();
    assert_eq!((memory.lanes[0].last_number, memory.lanes[0].waiting), (4, 0));
}

#[tokio::test]
async fn a_proxy_that_holds_the_store_carries_an_order_out_and_tells_its_sessions() {
    let world = World::new();
    let store = world.open();
    let mut changes = store.lane_changes();
    fill(&store).await;
    let path = world.path();
    let other_program = std::thread::spawn(move || {
        let retried = order(OrderWhat::Retry, Some(&[1, 2])).give(&path).unwrap().wait(PATIENCE).unwrap();
        let nothing = DeliveryOrder { charger: ChargerId::from("NOBODY"), ..order(OrderWhat::Retry, None) };
        let nothing = nothing.give(&path).unwrap().wait(PATIENCE).unwrap();
        let dropped = order(OrderWhat::Drop, Some(&[4])).give(&path).unwrap().wait(PATIENCE).unwrap();
        [retried, nothing, dropped]
    });
    let change = LaneChange { charger: charger(), backoffice: acme() };
    assert_eq!(changes.recv().await, Some(change.clone()));
    assert_eq!(store.recall(&charger(), &acme(), 0).await.unwrap().waiting, 4);
    assert_eq!(changes.recv().await, Some(change));
    assert_eq!(other_program.join().unwrap(), [Ordered::Done(2), Ordered::Done(0), Ordered::Done(1)]);
    assert_eq!(states(&world), [(1, 0, false), (2, 0, false), (3, 0, false)]);
    let evicted = store.figures().deliveries_evicted;
    assert_eq!(evicted.len(), 1);
    assert_eq!((evicted[0].reason, evicted[0].deliveries), ("operator", 1));
    store.close().await;
    assert_eq!(changes.recv().await, None);
}

#[tokio::test]
async fn an_order_that_the_proxy_did_not_live_to_carry_out_is_carried_out_by_the_next() {
    let world = World::new();
    let store = world.open();
    fill(&store).await;
    store.close().await;
    let database = rusqlite::Connection::open(world.path()).unwrap();
    let sql = "INSERT INTO delivery_orders (what, charger, backoffice, number, asked_unix_ms)
               VALUES ('drop', 'SITE1-CP1', 'acme', NULL, 0), ('juggle', 'SITE1-CP1', 'acme', NULL, 0)";
    database.execute(sql, []).unwrap();
    let _store = world.open();
    let left = || database.query_row("SELECT count(*) FROM delivery_orders", [], |row| row.get::<_, i64>(0));
    until(|| left().unwrap() == 0).await;
    assert_eq!(states(&world), []);
}

#[test]
fn there_is_nothing_to_order_where_no_store_is() {
    let world = World::new();
    let error = order(OrderWhat::Drop, None).give(&world.path()).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(!world.path().exists());
}
