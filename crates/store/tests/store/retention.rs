//! What is too old or too much goes, and nothing else.

use std::time::Duration;

use engine::{TransactionState, Verdict};
use store::{LogEntry, Settings, Store};

use crate::world::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[tokio::test]
async fn rows_older_than_the_retention_go() {
    let world = World::new();
    let store = world.open();
    for number in 0..2_000 {
        let mut one = call(number, "Heartbeat", "{}", "{}");
        let days = if number < 1_500 { 31 } else { 29 };
        one.received_unix_ms = now() - days * DAY_MS;
        // A wrong clock in between stops nothing, and takes nothing with it.
        if number == 700 {
            one.received_unix_ms = now() + 1_000 * DAY_MS;
        }
        note_call(&store, one);
        note_answer(&store, answer(number, "acme", Verdict::Noise, "{}"));
    }
    for days in [31, 29] {
        let unix_ms = now() - days * DAY_MS;
        let entry =
            LogEntry::Occurrence { unix_ms, kind: "link_up", who: "acme".to_owned(), detail: String::new() };
        store.note(&charger(), entry);
    }
    store.flush().await.unwrap();
    store.tidy().await.unwrap();
    let calls = world.log().calls(&everything()).unwrap();
    assert_eq!(calls.len(), 501);
    assert!(calls.iter().all(|call| call.answers.len() == 1));
    assert_eq!(calls[0].trace, trace(1_500));
    assert_eq!(store.figures().rows_expired, 2_999);
    let sql = "SELECT count(*) FROM answers";
    let database = rusqlite::Connection::open(world.path()).unwrap();
    let answers: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(answers, 501);
}

#[tokio::test]
async fn the_oldest_rows_go_when_the_file_is_too_large_and_the_file_shrinks() {
    let world = World::new();
    let store = world.open();
    let payload = format!("{{\"a\":\"{}\"}}", "x".repeat(4_000));
    for number in 0..3_000 {
        note_call(&store, call(number, "DataTransfer", &payload, "{}"));
    }
    store.keep(&charger(), vec![fact("boot", Some("1"))]).await.unwrap();
    store.flush().await.unwrap();
    store.close().await;
    let before = world.path().metadata().unwrap().len();

    let settings = Settings { keep_log_bytes: 4_000_000, ..Settings::default() };
    let store = Store::open(&world.path(), settings).unwrap();
    store.tidy().await.unwrap();
    store.close().await;
    let after = world.path().metadata().unwrap().len();
    assert!(before > 12_000_000 && after < 5_000_000, "{before} {after}");
    let calls = world.log().calls(&everything()).unwrap();
    assert!((100..1_500).contains(&calls.len()), "{}", calls.len());
    assert_eq!(calls.last().unwrap().trace, trace(2_999));
    assert_eq!(records(world.open().remembered(&charger()).await.unwrap()), [fact("boot", Some("1"))]);
}

#[tokio::test]
async fn closed_transactions_are_forgotten_in_time_and_open_ones_never() {
    let world = World::new();
    let store = world.open();
    let cases = [
        (1, TransactionState::Closed, Some(31)),
        (2, TransactionState::Closed, Some(29)),
        (3, TransactionState::Open, None),
        (4, TransactionState::Stopping, None),
    ];
    for (number, state, days) in cases {
        let mut row = transaction(number, state);
        row.received_unix_ms = now() - 600 * DAY_MS;
        row.closed_unix_ms = days.map(|days| now() - days * DAY_MS);
        store.keep(&charger(), vec![kept(row)]).await.unwrap();
    }
    store.tidy().await.unwrap();
    let memory = store.remembered(&charger()).await.unwrap();
    let left: Vec<u128> = memory.transactions.iter().map(|row| row.trace.0.0).collect();
    assert_eq!(left, [3, 4, 2]);
    let database = rusqlite::Connection::open(world.path()).unwrap();
    let sql = "SELECT count(*) FROM transaction_numbers";
    let numbers: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(numbers, 9);
}

#[tokio::test]
async fn upkeep_comes_by_itself() {
    let world = World::new();
    let store = world.open();
    let mut old = call(1, "Heartbeat", "{}", "{}");
    // Not too old for this store, but for the next.
    old.received_unix_ms = now() - 1_000;
    note_call(&store, old);
    store.close().await;
    let store =
        Store::open(&world.path(), Settings { keep_log_for: Duration::ZERO, ..Settings::default() }).unwrap();
    // The first upkeep is due when the writer starts.
    until(|| store.figures().rows_expired == 1).await;
    assert_eq!(world.log().calls(&everything()).unwrap(), []);
}
