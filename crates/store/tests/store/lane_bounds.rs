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
    assert_eq!(waiting(&world), [1, 2, 4, 5]);
    assert_eq!(evicted(&store), [("samples", 1)]);
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
        // It still runs, as its values show.
        ("StartTransaction", Some(3), old),
        (SAMPLED, Some(3), now()),
    ];
    let records = (1..).zip(cases).map(|(number, (action, of, queued_unix_ms))| {
        waits(Delivery { queued_unix_ms, ..delivery(number, action, of) })
    });
    store.keep(&charger(), records.collect()).await.unwrap();
    store.tidy().await.unwrap();
    assert_eq!(waiting(&world), [4, 6, 8, 9, 10]);
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
    let sql = "SELECT waiting_bytes + parked_bytes - (SELECT sum(bytes) FROM deliveries),
                   samples - (SELECT count(*) FROM deliveries WHERE kind = 'sampled' AND parked IS NULL) FROM lanes";
    let wrong_by = database.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(wrong_by, (0, 0));
}

#[tokio::test]
async fn a_long_lane_gives_way_little_by_little() {
    let world = World::new();
    const BOUND: u64 = 5_000;
    let store = open(&world, few(BOUND));
    // Ten transactions of many samples, then many of which none can be thinned.
    let many = (1..=BOUND / 2).map(|number| (SAMPLED, Some(number % 10)));
    let pairs = (BOUND / 2 + 1..=BOUND).map(|number| (SAMPLED, Some(number / 2)));
    let messages: Vec<_> = many.chain(pairs).collect();
    keep(&store, 1, &messages).await;
    // Whoever looks at a lane has what arrived sorted into it.
    store.remembered(&charger()).await.unwrap();
    let gone = || evicted(&store).iter().map(|(_, count)| count).sum::<u64>();
    let (mut before, mut most_at_once, mut longest) = (gone(), 0, 0);
    assert_eq!(before, 0);
    for number in BOUND + 1..=BOUND + 600 {
        keep(&store, number, &[("SecurityEventNotification", None)]).await;
        let now = gone();
        most_at_once = most_at_once.max(now - before);
        longest = longest.max(number - now);
        before = now;
    }
    assert!(before >= 580 && most_at_once <= 256, "{before} went, {most_at_once} at once");
    // Until it has been looked through a lane may be a little longer.
    assert!(longest <= BOUND + 20, "{longest}");
}

#[tokio::test]
async fn the_end_of_each_transaction_stays_however_often_its_samples_are_thinned() {
    let world = World::new();
    let store = open(&world, few(400));
    for number in 1..=2_000_u64 {
        drop(store.keep(&charger(), vec![waits(delivery(number, SAMPLED, Some(number % 7)))]));
    }
    store.tidy().await.unwrap();
    let left = waiting(&world);
    assert!((300..=400).contains(&left.len()), "{}", left.len());
    for transaction in 0..7 {
        let mut of_it = left.iter().filter(|number| *number % 7 == transaction);
        assert!(of_it.next().is_some_and(|first| *first <= 7), "{transaction}");
        assert!(of_it.next_back().is_some_and(|last| *last > 1_993), "{transaction}");
    }
    assert_eq!(evicted(&store), [("samples_thinned", 2_000 - left.len() as u64)]);
}

#[tokio::test]
async fn all_lanes_together_are_bounded_and_whole_transactions_go_last() {
    let world = World::new();
    let of = |number| Some(number);
    let messages = [
        ("StartTransaction", of(1)),
        (SAMPLED, of(1)),
        (ALIGNED, of(1)),
        (SAMPLED, of(1)),
        ("StopTransaction", of(1)),
        ("StartTransaction", of(2)),
        (SAMPLED, of(2)),
    ];
    let bytes = |messages: &[(&str, Option<u64>)]| -> u64 {
        let all = messages.iter().map(|(action, of)| delivery(1, action, *of));
        all.map(|one| (one.payload.len() + one.action.len()) as u64).sum()
    };
    let ends = [messages[0], messages[4], messages[5]];
    // What is there in two lanes, what may stay, and what must have gone for it.
    let cases: [(u64, &[u64], &[u64]); 4] = [
        (2 * bytes(&messages), &[1, 2, 3, 4, 5, 6, 7], &[1, 2, 3, 4, 5, 6, 7]),
        (2 * bytes(&ends), &[1, 5, 6], &[1, 5, 6]),
        (bytes(&ends[2..]) * 2, &[6], &[6]),
        // Transactions that are not complete stay.
        (0, &[6], &[6]),
    ];
    for (keep_deliveries_bytes, first, second) in cases {
        let settings = Settings { keep_deliveries_bytes, ..Settings::default() };
        let store = Store::open(&world.path(), settings).unwrap();
        if waiting(&world).is_empty() {
            for charger in [charger(), "SITE1-CP2".into()] {
                let numbered = (1..).zip(messages);
                let records = numbered.map(|(number, (action, of))| waits(delivery(number, action, of)));
                store.keep(&charger, records.collect()).await.unwrap();
            }
        }
        store.tidy().await.unwrap();
        assert_eq!(waiting(&world), [first, second].concat(), "{keep_deliveries_bytes}");
        assert_eq!(store.figures().lanes[0].waiting, (first.len() + second.len()) as u64);
        if keep_deliveries_bytes > 0 {
            assert!(store.figures().lanes[0].bytes <= keep_deliveries_bytes);
        }
        store.close().await;
    }
}

#[tokio::test]
async fn of_all_lanes_together_parked_ones_go_before_whole_transactions() {
    let world = World::new();
    let settings = Settings { keep_deliveries_bytes: 60, ..Settings::default() };
    let store = Store::open(&world.path(), settings).unwrap();
    let parked_one = |number, action| {
        let parked = Some("attempts_spent".to_owned());
        [
            waits(delivery(number, action, Some(1))),
            waits(Delivery { parked, ..delivery(number, action, Some(1)) }),
        ]
    };
    let mut records = Vec::from(parked_one(1, "StartTransaction"));
    records.extend(parked_one(2, "StopTransaction"));
    records.push(waits(delivery(3, "StartTransaction", Some(2))));
    records.push(waits(delivery(4, "StopTransaction", Some(2))));
    store.keep(&charger(), records).await.unwrap();
    store.tidy().await.unwrap();
    assert_eq!(waiting(&world), [3, 4]);
    assert_eq!(parked(&world), []);
    assert_eq!(evicted(&store), [("parked_overflow", 2)]);
}
