//! Records: kept, replaced, forgotten, remembered.

use engine::{ChargerId, Fact, Record, TransactionState};
use store::{Filter, LogEntry};

use crate::world::*;

#[tokio::test]
async fn what_was_kept_is_remembered_after_a_restart() {
    let world = World::new();
    let store = world.open();
    let row = transaction(7, TransactionState::Open);
    store.keep(&charger(), vec![kept(row.clone())]).await.unwrap();
    store.keep(&charger(), vec![fact("boot", Some("{\"a\": 1}"))]).await.unwrap();
    store.close().await;

    let store = world.open();
    let remembered = records(store.remembered(&charger()).await.unwrap());
    assert_eq!(remembered, [fact("boot", Some("{\"a\": 1}")), kept(row)]);
    assert_eq!(records(store.remembered(&"OTHER".into()).await.unwrap()), []);
}

#[tokio::test]
async fn a_later_record_of_the_same_key_replaces_the_earlier() {
    let world = World::new();
    let store = world.open();
    let mut row = transaction(7, TransactionState::Starting);
    row.charger_number = None;
    store.keep(&charger(), vec![kept(row)]).await.unwrap();
    let row = transaction(7, TransactionState::Stopping);
    store.keep(&charger(), vec![kept(row.clone())]).await.unwrap();
    store.keep(&charger(), vec![fact("boot", Some("1"))]).await.unwrap();
    store.keep(&charger(), vec![fact("boot", Some("2"))]).await.unwrap();
    store.keep(&charger(), vec![fact("gone", Some("3"))]).await.unwrap();
    store.keep(&charger(), vec![fact("gone", None)]).await.unwrap();
    store.keep(&"OTHER".into(), vec![fact("boot", Some("other"))]).await.unwrap();
    assert_eq!(records(store.remembered(&charger()).await.unwrap()), [fact("boot", Some("2")), kept(row)]);
}

#[tokio::test]
async fn records_apply_in_the_order_given_and_are_seen_without_being_awaited() {
    let world = World::new();
    let store = world.open();
    let mut waiting = Vec::new();
    for number in 0..2_000 {
        waiting.push(store.keep(&charger(), vec![fact("last", Some(&number.to_string()))]));
    }
    assert_eq!(records(store.remembered(&charger()).await.unwrap()), [fact("last", Some("1999"))]);
    let count = waiting.len();
    for kept in waiting {
        kept.await.unwrap();
    }
    assert_eq!(count, 2_000);
    assert_eq!(store.figures().records_kept, 2_000);
    // In groups: nothing near one commit per record.
    assert!(store.figures().commits.count < 1_000);
}

#[tokio::test]
async fn a_record_nobody_awaits_is_kept_all_the_same() {
    let world = World::new();
    let store = world.open();
    drop(store.keep(&charger(), vec![fact("boot", Some("1"))]));
    store.close().await;
    assert_eq!(records(world.open().remembered(&charger()).await.unwrap()), [fact("boot", Some("1"))]);
}

#[tokio::test]
async fn all_open_transactions_and_the_newest_64_closed_are_remembered() {
    let world = World::new();
    let store = world.open();
    let mut waiting = Vec::new();
    for number in 0..100 {
        waiting.push(store.keep(&charger(), vec![kept(transaction(number, TransactionState::Closed))]));
    }
    for (number, state) in
        [(200, TransactionState::Starting), (201, TransactionState::Open), (202, TransactionState::Stopping)]
    {
        waiting.push(store.keep(&charger(), vec![kept(transaction(number, state))]));
    }
    for kept in waiting {
        kept.await.unwrap();
    }
    let memory = store.remembered(&charger()).await.unwrap();
    // The charger's numbers are remembered longer, or one of them could be used again.
    let numbers: Vec<i64> = memory.numbers.iter().map(|number| number.0).collect();
    assert_eq!(numbers, (0..100).chain(200..203).collect::<Vec<i64>>());
    let remembered = records(memory);
    let (closed, open): (Vec<u64>, Vec<u64>) = remembered
        .iter()
        .map(|record| match record {
            Record::Transaction(row) => u64::try_from(row.trace.0.0).unwrap(),
            other => panic!("only transactions were kept: {other:?}"),
        })
        .partition(|number| *number < 200);
    assert_eq!(open, [200, 201, 202]);
    assert_eq!(closed, (36..100).rev().collect::<Vec<u64>>());
}

#[tokio::test]
async fn texts_come_back_to_the_byte() {
    let world = World::new();
    let store = world.open();
    let odd = "{\"a\":\"\\u0000\\ud800 \u{0} é 😀 ' \\\" % _ ;\"}";
    let mut row = transaction(1, TransactionState::Open);
    row.raw_start = odd.to_owned();
    row.id_tag = odd.to_owned();
    let charger = "CP '; DROP TABLE facts; --\u{0}".into();
    store.keep(&charger, vec![kept(row.clone())]).await.unwrap();
    let record = Record::Fact(Fact { key: odd.to_owned(), body: Some(odd.to_owned()) });
    store.keep(&charger, vec![record.clone()]).await.unwrap();
    assert_eq!(records(store.remembered(&charger).await.unwrap()), [record, kept(row)]);
}

#[tokio::test]
async fn two_spellings_of_an_identity_are_one_charger() {
    let world = World::new();
    let store = world.open();
    let (first, second) = (ChargerId::from("Site1-cp1"), ChargerId::from("SITE1-CP1"));
    assert_eq!(store.spelling(&first).await.unwrap(), None);
    store.note(&first, LogEntry::Call(Box::new(call(1, "Heartbeat", "{}", "{}"))));
    store.flush().await.unwrap();
    assert_eq!(store.spelling(&second).await.unwrap(), Some(first.clone()));

    store.keep(&first, vec![fact("boot", Some("\"once\""))]).await.unwrap();
    store.keep(&second, vec![fact("boot", Some("\"again\""))]).await.unwrap();
    store.keep(&second, vec![kept(transaction(1, TransactionState::Open))]).await.unwrap();
    assert_eq!(store.spelling(&second).await.unwrap(), Some(first.clone()));
    let remembered = store.remembered(&first).await.unwrap();
    assert_eq!((remembered.facts.len(), remembered.transactions.len()), (1, 1));
    assert_eq!(store.remembered(&first).await.unwrap(), store.remembered(&second).await.unwrap());
    let log = world.log().calls(&Filter { charger: second, ..everything() }).unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(store.spelling(&ChargerId::from("SITE1-CP2")).await.unwrap(), None);
}
