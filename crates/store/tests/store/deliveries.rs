//! Deliveries: kept, read on, counted.

use engine::{Delivery, Record, TransactionState, limits};
use store::{Settings, Store};

use crate::world::*;

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.number).collect()
}

#[tokio::test]
async fn a_delivery_and_what_belongs_to_it_are_kept_together() {
    let world = World::new();
    let store = world.open();
    let row = transaction(7, TransactionState::Open);
    let delivery = delivery(1, "StartTransaction", Some(7));
    store.keep(&charger(), vec![kept(row.clone()), waits(delivery.clone())]).await.unwrap();
    store.close().await;

    let store = world.open();
    let memory = store.remembered(&charger()).await.unwrap();
    assert_eq!(memory.transactions, [row]);
    assert_eq!(memory.lanes.len(), 1);
    assert_eq!(memory.lanes[0].backoffice, acme());
    assert_eq!((memory.lanes[0].last_number, memory.lanes[0].waiting), (1, 1));
    assert_eq!(memory.lanes[0].first, [delivery]);
    assert_eq!(store.remembered(&"OTHER".into()).await.unwrap(), engine::Memory::default());
}

#[tokio::test]
async fn what_was_told_last_is_remembered_longer_than_it_waits() {
    let world = World::new();
    let store = world.open();
    let told = |number: u64| Delivery {
        // Bytes that are no text, among them zeros.
        recognised: Some(u64::MAX << (8 * (number % 8))),
        ..delivery(number, "MeterValues", None)
    };
    let hashes = |numbers: std::ops::RangeInclusive<u64>| -> Vec<u64> {
        numbers.map(|number| told(number).recognised.unwrap()).collect()
    };
    store
        .keep(
            &charger(),
            vec![waits(told(1)), waits(told(2)), waits(delivery(3, "StopTransaction", Some(7)))],
        )
        .await
        .unwrap();
    // Tried in vain, and told in the end.
    store.keep(&charger(), vec![waits(Delivery { attempts: 1, ..told(2) })]).await.unwrap();
    let all = (1..=3).map(|number| Record::Delivered { backoffice: acme(), number });
    store.keep(&charger(), all.collect()).await.unwrap();
    let lane = &store.remembered(&charger()).await.unwrap().lanes[0];
    assert_eq!((lane.waiting, &lane.told), (0, &hashes(1..=2)));

    let last = 3 + limits::TOLD_REMEMBERED as u64;
    store.keep(&charger(), (4..=last).map(|number| waits(told(number))).collect()).await.unwrap();
    assert_eq!(store.remembered(&charger()).await.unwrap().lanes[0].told, hashes(4..=last));
}

#[tokio::test]
async fn numbers_outlive_their_deliveries_and_what_is_gone_stays_gone() {
    let world = World::new();
    let store = world.open();
    for number in 1..=3 {
        drop(store.keep(&charger(), vec![waits(delivery(number, "MeterValues", Some(7)))]));
    }
    for number in 1..=3 {
        drop(store.keep(&charger(), vec![Record::Delivered { backoffice: acme(), number }]));
    }
    // Tried in vain, says somebody who did not know that it was dropped meanwhile.
    let late = Delivery { attempts: 1, ..delivery(2, "MeterValues", Some(7)) };
    store.keep(&charger(), vec![waits(late)]).await.unwrap();
    store.close().await;
    let memory = world.open().remembered(&charger()).await.unwrap();
    assert_eq!((memory.lanes[0].last_number, memory.lanes[0].waiting), (3, 0));
    assert_eq!(memory.lanes[0].first, []);
}

#[tokio::test]
async fn a_lane_is_read_in_order_and_parked_ones_are_left_out() {
    let world = World::new();
    let store = world.open();
    let first = store.keep(&charger(), vec![kept(transaction(7, TransactionState::Closed))]);
    for number in 1..=40 {
        drop(store.keep(&charger(), vec![waits(delivery(number, "MeterValues", Some(7)))]));
    }
    let parked = Delivery {
        parked: Some("attempts_spent".to_owned()),
        attempts: 10,
        ..delivery(2, "MeterValues", Some(7))
    };
    drop(store.keep(&charger(), vec![waits(parked)]));
    let again = Delivery { attempts: 3, ..delivery(3, "MeterValues", Some(7)) };
    drop(store.keep(&charger(), vec![waits(again)]));
    // Sees all of it without awaiting it.
    let memory = store.remembered(&charger()).await.unwrap();
    assert_eq!(memory.lanes[0].waiting, 39);
    let expected: Vec<u64> = [1].into_iter().chain(3..=17).collect();
    assert_eq!(numbers(&memory.lanes[0].first), expected);
    assert_eq!((memory.lanes[0].first[1].number, memory.lanes[0].first[1].attempts), (3, 3));

    drop(store.keep(&charger(), vec![Record::Delivered { backoffice: acme(), number: 1 }]));
    let recalled = store.recall(&charger(), &acme(), 17).await.unwrap();
    assert_eq!(recalled.waiting, 38);
    assert_eq!(numbers(&recalled.deliveries), (18..=33).collect::<Vec<u64>>());
    assert_eq!(recalled.transactions.len(), 1);
    let recalled = store.recall(&charger(), &acme(), 40).await.unwrap();
    assert_eq!((recalled.deliveries.len(), recalled.transactions.len(), recalled.waiting), (0, 0, 38));
    assert_eq!(store.recall(&charger(), &"nobody".into(), 0).await.unwrap().waiting, 0);
    first.await.unwrap();
}

#[tokio::test]
async fn the_transaction_of_a_waiting_delivery_is_remembered_however_old() {
    let world = World::new();
    // Upkeep comes when it likes: at first it finds nothing to forget.
    let forever = Settings { keep_transactions_for: std::time::Duration::MAX, ..Settings::default() };
    let store = Store::open(&world.path(), forever).unwrap();
    for number in 0..100 {
        let mut row = transaction(number, TransactionState::Closed);
        row.closed_unix_ms = Some(now() - 600 * 86_400_000 + number as i64);
        drop(store.keep(&charger(), vec![kept(row)]));
    }
    drop(store.keep(&charger(), vec![waits(delivery(1, "StopTransaction", Some(3)))]));
    let memory = store.remembered(&charger()).await.unwrap();
    assert_eq!(memory.transactions.len(), 65);
    assert_eq!(memory.transactions[64].trace, trace(3));
    store.close().await;
    let store = world.open();
    store.tidy().await.unwrap();
    let memory = store.remembered(&charger()).await.unwrap();
    assert_eq!(memory.transactions.iter().map(|row| row.trace).collect::<Vec<_>>(), [trace(3)]);
}

#[tokio::test]
async fn figures_tell_what_waits_for_whom_and_for_how_long() {
    let world = World::new();
    let store = world.open();
    assert_eq!(store.figures().lanes, []);
    let old = Delivery { queued_unix_ms: now() - 60_000, ..delivery(1, "MeterValues", Some(7)) };
    let parked =
        Delivery { parked: Some("not_supported".to_owned()), ..delivery(2, "StopTransaction", Some(7)) };
    let told = Delivery { backoffice: "volt".into(), ..delivery(1, "MeterValues", None) };
    let of_volt = Record::Delivered { backoffice: "volt".into(), number: 1 };
    store.keep(&charger(), vec![waits(old), waits(parked), waits(told), of_volt]).await.unwrap();
    store.tidy().await.unwrap();
    let lanes = store.figures().lanes;
    let counts: Vec<_> =
        lanes.iter().map(|lane| (lane.backoffice.as_str(), lane.waiting, lane.parked)).collect();
    assert_eq!(counts, [("acme", 1, 1), ("volt", 0, 0)]);
    assert!((60.0..120.0).contains(&lanes[0].oldest_seconds), "{lanes:?}");
    assert!(lanes[1].oldest_seconds == 0.0);
}

#[tokio::test]
async fn figures_come_up_to_date_by_themselves() {
    let world = World::new();
    let store = world.open();
    store.keep(&charger(), vec![waits(delivery(1, "MeterValues", Some(7)))]).await.unwrap();
    until(|| store.figures().lanes.first().is_some_and(|lane| lane.waiting == 1)).await;
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let world = World::new();
    let older = world.older_file(1).await;
    let sql = "INSERT INTO facts (charger, key, body) VALUES ('SITE1-CP1', 'boot', '1')";
    older.execute(sql, []).unwrap();
    drop(older);
    // Before a proxy has opened it there is nothing to list, and nothing wrong.
    let listed = store::Deliveries::open(&world.path()).unwrap();
    assert_eq!(listed.lanes(&store::Which::default()).unwrap(), []);
    drop(listed);

    let store = Store::open(&world.path(), Settings::default()).unwrap();
    store.keep(&charger(), vec![waits(delivery(1, "StartTransaction", Some(7)))]).await.unwrap();
    let memory = store.remembered(&charger()).await.unwrap();
    assert_eq!((memory.facts.len(), memory.lanes.len()), (1, 1));
    assert_eq!(memory.lanes[0].first.len(), 1);
}
