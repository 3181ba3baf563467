//! The program dies. What was promised is there.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use engine::{ChargerId, Record, TransactionState};
use store::{Settings, Store};

use crate::world::*;

/// Names the store to the child; set, it turns the test below into the program that is killed.
const VICTIM: &str = "STORE_TEST_VICTIM";

#[tokio::test]
async fn dropping_it_without_closing_loses_nothing() {
    let world = World::new();
    let store = world.open();
    store.keep(&charger(), vec![kept(transaction(1, TransactionState::Open))]).await.unwrap();
    note_call(&store, call(1, "Heartbeat", "{}", "{}"));
    drop(store);
    assert_eq!(records(world.open().remembered(&charger()).await.unwrap()).len(), 1);
    assert_eq!(world.log().calls(&everything()).unwrap().len(), 1);
}

/// Run by itself it starts itself again with [`VICTIM`] set. That child keeps records for ever and says
/// of each when it is durable; it is killed in the middle, and every record it spoke of must be there.
#[tokio::test]
async fn killed_it_remembers_all_that_was_durable() {
    if let Some(path) = std::env::var_os(VICTIM) {
        let store = Store::open(path.as_ref(), Settings::default()).unwrap();
        for number in 0_u64.. {
            note_call(&store, call(number, "Heartbeat", "{}", "{}"));
            let record = kept(transaction(number, TransactionState::Open));
            store.keep(&charger(), vec![record]).await.unwrap();
            println!("durable {number}");
        }
    }

    let mut rounds = 0;
    for durable_before_the_kill in [1, 10, 57] {
        let world = World::new();
        let durable =
            kill(&world, "crash::killed_it_remembers_all_that_was_durable", durable_before_the_kill);
        let store = world.open();
        let remembered = records(store.remembered(&charger()).await.unwrap());
        let found = |number: &u64| {
            remembered
                .iter()
                .any(|record| matches!(record, Record::Transaction(row) if row.trace == trace(*number)))
        };
        assert!(durable.len() >= durable_before_the_kill);
        assert!(durable.iter().all(found), "{durable:?}");
        rounds += 1;
    }
    assert_eq!(rounds, 3);
}

/// Chargers whose deliveries come at once in the test below: so many that they arrive before they are sorted.
const CROWD: u64 = 200;

/// As above: a follower is away, and each of many chargers has something for it.
#[tokio::test]
async fn killed_it_remembers_what_had_only_arrived() {
    let of_crowd = |number: u64| ChargerId::from(format!("CP-{number}").as_str());
    if let Some(path) = std::env::var_os(VICTIM) {
        let store = Store::open(path.as_ref(), Settings::default()).unwrap();
        for number in 1_u64.. {
            let keep = |of| store.keep(&of_crowd(of), vec![waits(delivery(number, "MeterValues", Some(7)))]);
            let kept: Vec<_> = (0..CROWD).map(keep).collect();
            for kept in kept {
                kept.await.unwrap();
            }
            println!("durable {number}");
        }
    }

    let mut with_arrivals = 0;
    for durable_before_the_kill in [1, 4, 40] {
        let world = World::new();
        let durable =
            kill(&world, "crash::killed_it_remembers_what_had_only_arrived", durable_before_the_kill);
        let last = *durable.last().unwrap();
        let file = rusqlite::Connection::open(world.path()).unwrap();
        let sql = "SELECT EXISTS (SELECT 1 FROM arrivals)";
        with_arrivals += u32::from(file.query_row(sql, [], |row| row.get::<_, bool>(0)).unwrap());
        drop(file);
        let store = world.open();
        for charger in (0..CROWD).map(of_crowd) {
            let lane = store.remembered(&charger).await.unwrap().lanes.remove(0);
            assert!(lane.last_number >= last && lane.waiting == lane.last_number, "{lane:?}");
            let numbers: Vec<u64> = lane.first.iter().map(|delivery| delivery.number).collect();
            assert_eq!(numbers, (1..=lane.waiting.min(16)).collect::<Vec<_>>());
        }
    }
    assert!(with_arrivals > 0, "nobody was killed before everything had come into its lane");
}

/// Runs a test of this file as the program that says what is durable, and kills it after so many times. Returns what it
/// said.
fn kill(world: &World, test: &str, durable_before_the_kill: usize) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(VICTIM, world.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut durable = Vec::new();
    let mut hear = |line: std::io::Result<String>| {
        // The test harness speaks on the same output; a line cut short by the kill does not count.
        if let Some((_, number)) = line.unwrap().split_once("durable ")
            && let Ok(number) = number.parse::<u64>()
        {
            durable.push(number);
        }
        durable.len()
    };
    while hear(said.next().unwrap()) < durable_before_the_kill {}
    child.kill().unwrap();
    child.wait().unwrap();
    // Also what it said after the order to kill and before its death.
    for line in said {
        hear(line);
    }
    durable
}
