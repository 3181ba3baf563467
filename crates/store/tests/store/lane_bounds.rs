//! Lanes that are full: who gives way, in which order, and that it is counted.

use std::time::Duration;

use engine::Delivery;
use store::{Deliveries, Limits, ListedDelivery, Settings, Store, StoreError, Which};

use crate::world::*;

fn open(world: &World, limits: Limits) -> Store {
    Store::open_with(&world.path(), Settings::default(), limits).unwrap()
}

fn few(lane_messages: u64) -> Limits {
    Limits { lane_messages, ..Limits::default() }
}

/// Gives each its number, in order.
async fn keep(store: &Store, first: u64, messages: &[(&str, Option<u64>)]) {
    let numbered = (first..).zip(messages);
    let records = numbered.map(|(number, (action, of))| waits(delivery(number, action, *of))).collect();
    store.keep(&charger(), records).await.unwrap();
}

fn listed(world: &World, parked: bool) -> Vec<ListedDelivery> {
    let mut all = Vec::new();
    let which = Which { parked, ..Which::default() };
    let list = Deliveries::open(&world.path()).unwrap();
    list.list(&which, 100_000, |one| {
        all.push(one);
        Ok::<(), StoreError>(())
    })
    .unwrap();
    all
}

fn waiting(world: &World) -> Vec<u64> {
    let all = listed(world, false);
    all.iter().filter(|one| one.delivery.parked.is_none()).map(|one| one.delivery.number).collect()
}

fn parked(world: &World) -> Vec<(u64, String)> {
    listed(world, true).into_iter().map(|one| (one.delivery.number, one.delivery.parked.unwrap())).collect()
}

fn evicted(store: &Store) -> Vec<(&'static str, u64)> {
    let all = store.figures().deliveries_evicted;
    assert!(all.iter().all(|one| one.backoffice == acme()));
    all.into_iter().map(|one| (one.reason, one.deliveries)).collect()
}

const SAMPLED: &str = "MeterValues";
const ALIGNED: &str = "MeterValues/Sample.Clock";

#[tokio::test]
async fn every_other_sample_in_the_middle_of_a_transaction_goes_first() {
    let world = World::new();
    let store = open(&world, few(8));
    let of = Some(7);
    keep(&store, 1, &[("StartTransaction", of), (ALIGNED, of)]).await;
    keep(&store, 3, &[(SAMPLED, of); 6]).await;
    assert_eq!(waiting(&world), [1, 2, 3, 4, 5, 6, 7, 8]);
    keep(&store, 9, &[("StopTransaction", of)]).await;
    // Of 3 to 8: the first and the last stay.
    assert_eq!(waiting(&world), [1, 2, 3, 5, 7, 8, 9]);
    assert_eq!(evicted(&store), [("samples_thinned", 2)]);
    assert_eq!(parked(&world), []);
}

#[tokio::test]
async fn then_all_samples_then_clock_aligned_values() {
    let world = World::new();
    let store = open(&world, few(4));
    let of = Some(7);
    keep(&store, 1, &[("StartTransaction", of), (ALIGNED, of), (SAMPLED, of), (SAMPLED, of)]).await;
    keep(&store, 5, &[("StopTransaction", of)]).await;
    assert_eq!(waiting(&world), [1, 2, 5]);
    assert_eq!(evicted(&store), [("samples", 2)]);
    keep(&store, 6, &[("StartTransaction", Some(8)), ("StopTransaction", Some(8))]).await;
    assert_eq!(waiting(&world), [1, 5, 6, 7]);
    assert_eq!(evicted(&store), [("samples", 2), ("clock_aligned", 1)]);
}

#[tokio::test]
async fn then_the_oldest_complete_transaction_is_parked_as_a_whole() {
    let world = World::new();
    let store = open(&world, few(6));
    // Of the first transaction the start was told before: its stop must not be left alone.
    keep(
        &store,
        1,
        &[("StopTransaction", Some(1)), ("StartTransaction", Some(2)), ("StartTransaction", Some(3))],
    )
    .await;
    keep(&store, 4, &[("StopTransaction", Some(2)), ("SecurityEventNotification", None)]).await;
    keep(&store, 6, &[("StopTransaction", Some(3)), ("StartTransaction", Some(4))]).await;
    assert_eq!(waiting(&world), [1, 3, 5, 6, 7]);
    let full = "lane_full".to_owned();
    assert_eq!(parked(&world), [(2, full.clone()), (4, full.clone())]);
    assert_eq!(evicted(&store), [("parked_lane_full", 2)]);
    // Nothing complete is left in the end: the bound holds all the same, and nothing is lost.
    keep(
        &store,
        8,
        &[("StartTransaction", Some(5)), ("StartTransaction", Some(6)), ("StartTransaction", Some(9))],
    )
    .await;
    assert_eq!(waiting(&world), [1, 5, 7, 8, 9, 10]);
    keep(&store, 11, &[("StartTransaction", Some(10))]).await;
    assert_eq!(waiting(&world), [1, 7, 8, 9, 10, 11]);
    keep(&store, 12, &[("StartTransaction", Some(11))]).await;
    assert_eq!(waiting(&world), [7, 8, 9, 10, 11, 12]);
    assert_eq!(parked(&world).len(), 6);
}

#[tokio::test]
async fn bytes_are_bounded_too() {
    let world = World::new();
    let store = open(&world, Limits { lane_bytes: 10_000, ..Limits::default() });
    for number in 1..=10 {
        let payload = format!("{{\"a\":\"{}\"}}", "x".repeat(3_000));
        let large = Delivery { payload, ..delivery(number, SAMPLED, Some(7)) };
        store.keep(&charger(), vec![waits(large)]).await.unwrap();
    }
    assert!(waiting(&world).len() <= 3);
    assert_eq!(
        evicted(&store).iter().map(|(_, count)| count).sum::<u64>() + waiting(&world).len() as u64,
        10
    );
}

#[tokio::test]
async fn parked_ones_are_bounded_and_the_oldest_go() {
    let world = World::new();
    let store = open(&world, Limits { parked_messages: 3, ..Limits::default() });
    for number in 1..=5 {
        let record = |parked: Option<&str>| {
            waits(Delivery {
                parked: parked.map(str::to_owned),
                ..delivery(number, "StopTransaction", Some(number))
            })
        };
        store.keep(&charger(), vec![record(None)]).await.unwrap();
        store.keep(&charger(), vec![record(Some("attempts_spent"))]).await.unwrap();
    }
    assert_eq!(parked(&world).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(evicted(&store), [("parked_overflow", 2)]);
}

#[tokio::test]
async fn what_waited_for_too_long_goes_and_transactions_go_whole() {
    let world = World::new();
    let store = open(&world, Limits { lane_age: Duration::from_secs(60), ..Limits::default() });
    let old = now() - 120_000;
    let cases = [
        ("StartTransaction", Some(1), old),
        (SAMPLED, Some(1), old),
        ("StopTransaction", Some(1), old),
        ("StartTransaction", Some(2), old),
        (ALIGNED, Some(2), old),
        ("StopTransaction", Some(2), now()),
        ("SecurityEventNotification", None, old),
        (SAMPLED, None, now()),
    ];
    let records = (1..).zip(cases).map(|(number, (action, of, queued_unix_ms))| {
        waits(Delivery { queued_unix_ms, ..delivery(number, action, of) })
    });
    store.keep(&charger(), records.collect()).await.unwrap();
    store.tidy().await.unwrap();
    assert_eq!(waiting(&world), [4, 6, 8]);
    assert_eq!(parked(&world), [1, 3, 7].map(|number| (number, "too_old".to_owned())));
    assert_eq!(evicted(&store), [("parked_too_old", 3), ("too_old", 2)]);
}

#[tokio::test]
async fn the_running_counters_agree_with_the_deliveries() {
    let world = World::new();
    let store = open(&world, Limits { lane_messages: 50, parked_messages: 20, ..Limits::default() });
    for number in 1..=400 {
        let action =
            ["StartTransaction", SAMPLED, ALIGNED, SAMPLED, "StopTransaction"][(number % 5) as usize];
        drop(store.keep(&charger(), vec![waits(delivery(number, action, Some(number / 5)))]));
        if number % 7 == 0 {
            let parked = Some("attempts_spent".to_owned());
            let record = waits(Delivery { parked, ..delivery(number, action, Some(number / 5)) });
            drop(store.keep(&charger(), vec![record]));
        }
    }
    store.tidy().await.unwrap();
    let lane = store.figures().lanes[0].clone();
    assert_eq!((lane.waiting, lane.parked), (waiting(&world).len() as u64, parked(&world).len() as u64));
    assert!((1..=50).contains(&lane.waiting) && (1..=20).contains(&lane.parked), "{lane:?}");
    let database = rusqlite::Connection::open(world.path()).unwrap();
    let sql = "SELECT waiting_bytes + parked_bytes = (SELECT sum(bytes) FROM deliveries) FROM lanes";
    assert!(database.query_row(sql, [], |row| row.get::<_, bool>(0)).unwrap());
}
