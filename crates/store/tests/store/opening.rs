//! Opening: the file, its place, and what may be wrong with them.

use store::{LogReader, OpenError, Settings, Store};

use crate::world::*;

#[tokio::test]
async fn the_file_is_created_for_its_owner_alone_and_opened_again() {
    let world = World::new();
    world.open().close().await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(world.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    world.open().close().await;
}

#[test]
fn a_missing_directory_is_named() {
    let world = World::new();
    let path = world.path().join("deeper/ocpp-proxy.db");
    let error = Store::open(&path, Settings::default()).unwrap_err();
    assert!(matches!(error, OpenError::NoDirectory { .. }), "{error}");
    assert!(error.to_string().contains("deeper"), "{error}");
}

#[test]
fn a_directory_is_not_a_store() {
    let world = World::new();
    let error = Store::open(world.path().parent().unwrap(), Settings::default()).unwrap_err();
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let world = World::new();
    let text = "these are my notes, not a database\n".repeat(100);
    std::fs::write(world.path(), &text).unwrap();
    let error = Store::open(&world.path(), Settings::default()).unwrap_err();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    let error = LogReader::open(&world.path()).unwrap_err();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(world.path()).unwrap(), text);
}

#[test]
fn a_database_of_another_program_is_refused() {
    let world = World::new();
    let other = rusqlite::Connection::open(world.path()).unwrap();
    other.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    drop(other);
    let error = Store::open(&world.path(), Settings::default()).unwrap_err();
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let world = World::new();
    world.open().close().await;
    let newer = rusqlite::Connection::open(world.path()).unwrap();
    let sql = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
               VALUES (99, 'clustered', '2030-01-01T00:00:00Z', '1')";
    newer.execute(sql, []).unwrap();
    drop(newer);
    let error = Store::open(&world.path(), Settings::default()).unwrap_err();
    assert!(matches!(error, OpenError::NewerSchema { .. }), "{error}");
    let error = LogReader::open(&world.path()).unwrap_err();
    assert!(matches!(error, OpenError::NewerSchema { .. }), "{error}");
}

#[tokio::test]
async fn two_programs_do_not_write_one_file() {
    let world = World::new();
    let first = world.open();
    let error = Store::open(&world.path(), Settings::default()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    first.close().await;
    world.open().close().await;
}

#[test]
fn reading_does_not_create_a_file() {
    let world = World::new();
    let error = LogReader::open(&world.path()).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(!world.path().exists());
}

#[tokio::test]
async fn a_path_may_contain_what_has_a_meaning_in_urls() {
    let world = World::new();
    let path = world.path().with_file_name("a b?c#d%20é.db");
    let store = Store::open(&path, Settings::default()).unwrap();
    store.keep(&charger(), vec![fact("boot", Some("1"))]).await.unwrap();
    assert_eq!(records(store.remembered(&charger()).await.unwrap()).len(), 1);
    store.close().await;
    assert!(path.is_file());
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let world = World::new();
    let store = world.open();
    let clone = store.clone();
    store.close().await;
    assert_eq!(clone.keep(&charger(), vec![fact("a", None)]).await, Err(store::StoreError::Closed));
    assert_eq!(clone.flush().await, Err(store::StoreError::Closed));
    assert!(clone.is_writable().is_err());
    note_call(&clone, call(1, "Heartbeat", "{}", "{}"));
    assert_eq!(clone.figures().dropped(), 1);
}
