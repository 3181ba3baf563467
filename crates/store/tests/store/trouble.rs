//! Too much, no room, and back again.

use engine::{TransactionState, Verdict};
use store::{Limits, LogEntry, Settings, Store, StoreError};

use crate::world::*;

fn open(world: &World, limits: Limits) -> Store {
    Store::open_with(&world.path(), Settings::default(), limits).unwrap()
}

/// A store whose file may not grow beyond this; nothing of it is kept for records.
fn bounded(world: &World, file_bytes: u64) -> Store {
    open(world, Limits { file_bytes: Some(file_bytes), reserve_bytes: 0, ..Limits::default() })
}

fn dropped(store: &Store, kind: &str, reason: &str) -> u64 {
    let figures = store.figures();
    let of = |one: &&store::RowsDropped| one.kind == kind && one.reason == reason;
    figures.rows_dropped.iter().find(of).unwrap().rows
}

#[tokio::test]
async fn what_does_not_fit_the_queue_is_dropped_and_counted_by_kind() {
    let world = World::new();
    let store = open(&world, Limits { queued_rows: 0, ..Limits::default() });
    note_call(&store, call(1, "Heartbeat", "{}", "{}"));
    note_call(&store, call(2, "Heartbeat", "{}", "{}"));
    note_answer(&store, answer(1, "acme", Verdict::Same, "{}"));
    let entry =
        LogEntry::Occurrence { unix_ms: 0, kind: "link_up", who: String::new(), detail: String::new() };
    store.note(&charger(), entry);
    assert_eq!(dropped(&store, "call", "queue_full"), 2);
    assert_eq!(dropped(&store, "answer", "queue_full"), 1);
    assert_eq!(dropped(&store, "occurrence", "queue_full"), 1);
    assert_eq!(store.figures().dropped(), 4);
    // Records are another matter.
    store.keep(&charger(), vec![fact("boot", Some("1"))]).await.unwrap();
    assert_eq!(store.figures().written(), 0);
}

#[tokio::test]
async fn the_queue_is_bounded_by_bytes_too() {
    let world = World::new();
    let store = open(&world, Limits { queued_row_bytes: 10_000, ..Limits::default() });
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(20_000));
    note_call(&store, call(1, "DataTransfer", &large, "{}"));
    note_call(&store, call(2, "DataTransfer", "{}", &large));
    note_call(&store, call(3, "DataTransfer", "{}", "{}"));
    store.flush().await.unwrap();
    assert_eq!(dropped(&store, "call", "queue_full"), 2);
    assert_eq!(store.figures().written(), 1);
    assert_eq!(store.figures().rows_waiting, 0);
}

#[tokio::test]
async fn everything_noted_is_written_or_counted() {
    let world = World::new();
    let store = open(&world, Limits { queued_rows: 50, ..Limits::default() });
    for number in 0..5_000 {
        note_call(&store, call(number, "Heartbeat", "{}", "{}"));
    }
    store.flush().await.unwrap();
    let figures = store.figures();
    assert_eq!(figures.written() + figures.dropped(), 5_000);
    assert!(figures.written() > 0 && figures.dropped() > 0, "{figures:?}");
    assert_eq!(world.log().calls(&everything()).unwrap().len() as u64, figures.written());
}

#[tokio::test]
async fn too_many_waiting_records_are_refused() {
    let world = World::new();
    let store = open(&world, Limits { queued_keeps: 0, ..Limits::default() });
    let error = store.keep(&charger(), vec![fact("boot", Some("1"))]).await.unwrap_err();
    assert_eq!(error, StoreError::Overloaded);
}

#[tokio::test]
async fn a_full_disk_fails_the_record_says_why_and_is_over_when_there_is_room() {
    let world = World::new();
    let store = bounded(&world, 400_000);
    let large = "x".repeat(50_000);
    let mut kept_keys = Vec::new();
    let error = loop {
        let key = format!("large/{}", kept_keys.len());
        match store.keep(&charger(), vec![fact(&key, Some(&large))]).await {
            Ok(()) => kept_keys.push(key),
            Err(error) => break error,
        }
    };
    assert_eq!(error, StoreError::Full);
    assert!(error.to_string().contains("full"), "{error}");
    assert!(!kept_keys.is_empty());
    assert!(store.is_writable().unwrap_err().contains("full"));
    let failed_commits =
        |store: &Store| store.figures().errors.iter().find(|(what, _)| *what == "commit").unwrap().1;
    assert!(failed_commits(&store) > 0);

    // Log rows are dropped and counted meanwhile, and what was kept is there.
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(500_000));
    note_call(&store, call(1, "DataTransfer", &huge, "{}"));
    assert_eq!(store.flush().await.unwrap_err(), StoreError::Full);
    assert_eq!(dropped(&store, "call", "store_failed"), 1);
    assert_eq!(records(store.remembered(&charger()).await.unwrap()).len(), kept_keys.len());

    // Room again: no restart needed.
    for key in &kept_keys {
        store.keep(&charger(), vec![fact(key, None)]).await.unwrap();
    }
    store.keep(&charger(), vec![kept(transaction(1, TransactionState::Open))]).await.unwrap();
    assert_eq!(store.is_writable(), Ok(()));
    note_call(&store, call(2, "Heartbeat", "{}", "{}"));
    store.flush().await.unwrap();
    assert_eq!(store.figures().written(), 1);
}

#[tokio::test]
async fn log_rows_without_room_do_not_take_a_record_down_with_them() {
    let world = World::new();
    let store = bounded(&world, 400_000);
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(500_000));
    let mut waiting = Vec::new();
    for number in 0..20 {
        note_call(&store, call(number, "DataTransfer", &huge, "{}"));
        waiting.push(store.keep(&charger(), vec![fact(&number.to_string(), Some("1"))]));
    }
    for kept in waiting {
        kept.await.unwrap();
    }
    let _rows_had_no_room = store.flush().await;
    assert_eq!(dropped(&store, "call", "store_failed"), 20);
    assert_eq!(records(store.remembered(&charger()).await.unwrap()).len(), 20);
}

/// Keeps facts of 20 kB until that fails; says how many were kept, and why the last was not.
async fn fill(store: &Store) -> (usize, StoreError) {
    let large = "x".repeat(20_000);
    for number in 0.. {
        if let Err(error) = store.keep(&charger(), vec![fact(&format!("large/{number}"), Some(&large))]).await
        {
            return (number, error);
        }
    }
    unreachable!("every disk is full one day")
}

#[tokio::test]
async fn after_a_failure_nothing_of_that_charger_is_kept_until_it_begins_anew() {
    let world = World::new();
    let store = bounded(&world, 400_000);
    let (count, error) = fill(&store).await;
    assert_eq!(error, StoreError::Full);
    // There would be room for these, but they may rest on the record that is missing.
    let later = || vec![fact("later", Some("1")), waits(delivery(1, "StopTransaction", Some(7)))];
    assert_eq!(store.keep(&charger(), later()).await, Err(StoreError::Interrupted));
    assert_eq!(store.keep(&"site1-cp1".into(), later()).await, Err(StoreError::Interrupted));
    assert_eq!(store.recall(&charger(), &acme(), 0).await.unwrap().waiting, 0);
    assert_eq!(store.keep(&charger(), later()).await, Err(StoreError::Interrupted));
    // Others are no concern of it.
    store.keep(&"OTHER".into(), vec![fact("later", Some("1"))]).await.unwrap();

    assert_eq!(store.remembered(&charger()).await.unwrap().facts.len(), count);
    store.keep(&charger(), later()).await.unwrap();
    assert_eq!(store.remembered(&charger()).await.unwrap().lanes.len(), 1);
}

#[tokio::test]
async fn what_is_ordered_while_a_record_fails_fails_with_it() {
    let world = World::new();
    let store = bounded(&world, 400_000);
    let large = "x".repeat(1_000_000);
    let first = store.keep(&charger(), vec![fact("large", Some(&large))]);
    let later: Vec<_> =
        (0..1_000).map(|number| store.keep(&charger(), vec![fact(&number.to_string(), Some("1"))])).collect();
    // Begins anew behind all of these.
    assert_eq!(store.remembered(&charger()).await.unwrap(), engine::Memory::default());
    let after = store.keep(&charger(), vec![fact("after", Some("1"))]);
    assert_eq!(first.await, Err(StoreError::Full));
    let mut failed = 0;
    for kept in later {
        assert!(matches!(kept.await, Err(StoreError::Full | StoreError::Interrupted)));
        failed += 1;
    }
    assert_eq!(failed, 1_000);
    after.await.unwrap();
    assert_eq!(store.remembered(&charger()).await.unwrap().facts.len(), 1);
}

#[tokio::test]
async fn a_record_refused_for_overload_is_a_failure_like_any_other() {
    let world = World::new();
    let store = open(&world, Limits { queued_keeps: 1, ..Limits::default() });
    // The writer waits for this transaction, and what is ordered meanwhile waits for the writer.
    let other = rusqlite::Connection::open(world.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let kept: Vec<_> =
        (0..3).map(|number| store.keep(&charger(), vec![fact(&number.to_string(), Some("1"))])).collect();
    other.execute_batch("COMMIT").unwrap();
    let mut outcomes = Vec::new();
    for kept in kept {
        outcomes.push(kept.await);
    }
    let first = outcomes.iter().position(Result::is_err).unwrap();
    assert_eq!(outcomes[first], Err(StoreError::Overloaded));
    assert!(outcomes[first..].iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(store.keep(&charger(), vec![fact("late", Some("1"))]).await, Err(StoreError::Interrupted));
    assert_eq!(store.remembered(&charger()).await.unwrap().facts.len(), first);
    store.keep(&charger(), vec![fact("late", Some("1"))]).await.unwrap();
}

#[tokio::test]
async fn it_finds_out_by_itself_that_writing_works_again() {
    let world = World::new();
    let limits = Limits { file_bytes: Some(400_000), reserve_bytes: 640_000, ..Limits::default() };
    let store = open(&world, limits);
    let (count, error) = fill(&store).await;
    assert_eq!(error, StoreError::Full);
    assert!(store.is_writable().is_err());
    // Nobody writes any more, as when every charger was sent away, and another program makes room. It
    // is not writable before half of that is there: less would be full again at once.
    let other = rusqlite::Connection::open(world.path()).unwrap();
    other.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    for number in 0..count {
        assert!(store.is_writable().is_err() || number >= 2, "{number}");
        other.execute("DELETE FROM facts WHERE key = ?1", [format!("large/{number}")]).unwrap();
    }
    until(|| store.is_writable().is_ok()).await;
    store.remembered(&charger()).await.unwrap();
    store.keep(&charger(), vec![fact("boot", Some("1"))]).await.unwrap();
}

#[tokio::test]
async fn a_log_that_fails_does_not_make_the_store_unwritable() {
    let world = World::new();
    let store = bounded(&world, 400_000);
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(500_000));
    note_call(&store, call(1, "DataTransfer", &huge, "{}"));
    assert_eq!(store.flush().await, Err(StoreError::Full));
    assert_eq!(store.is_writable(), Ok(()));
}

#[tokio::test]
async fn the_log_gives_way_before_records_have_no_room() {
    let world = World::new();
    let limits = Limits { file_bytes: Some(2_000_000), reserve_bytes: 1_000_000, ..Limits::default() };
    let store = open(&world, limits);
    let payload = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
    for number in 0..1_000 {
        note_call(&store, call(number, "DataTransfer", &payload, "{}"));
    }
    assert_eq!(store.flush().await, Err(StoreError::Full));
    assert!(store.figures().log_paused);
    assert!(dropped(&store, "call", "no_room") > 0 && dropped(&store, "call", "store_failed") == 0);
    assert!(store.figures().written() > 0);
    assert_eq!(store.is_writable(), Ok(()));
    let large = "x".repeat(20_000);
    for number in 0..30 {
        store.keep(&charger(), vec![fact(&format!("large/{number}"), Some(&large))]).await.unwrap();
    }
    // The oldest of it made room meanwhile or does now, and the log goes on.
    store.tidy().await.unwrap();
    note_call(&store, call(2_000, "Heartbeat", "{}", "{}"));
    store.flush().await.unwrap();
    assert!(!store.figures().log_paused && store.figures().rows_expired > 0);
}

#[tokio::test]
async fn figures_tell_of_commits_and_size() {
    let world = World::new();
    let store = world.open();
    store.keep(&charger(), vec![fact("boot", Some("1"))]).await.unwrap();
    let figures = store.figures();
    assert_eq!(figures.commits.count, 1);
    assert!(figures.commits.sum_seconds > 0.0);
    assert!(figures.commits.buckets.iter().all(|(_, below)| *below <= 1));
    assert!(figures.commits.buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1));
    assert!(figures.size_bytes > 0);
    assert_eq!(figures.rows_dropped.len(), 12);
}
