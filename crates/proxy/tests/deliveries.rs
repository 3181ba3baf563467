//! `ocpp-proxy deliveries` on a store that a proxy holds, and on one that none does.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use engine::{Delivery, Record, TraceId};
use store::{LaneChange, Settings, Store};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ocpp-proxy");

fn trace(number: u64) -> TraceId {
    TraceId::try_from(format!("01ARZ3NDEKTSV4RRFFQ69G5F{number:02}")).unwrap()
}

fn delivery(backoffice: &str, number: u64, action: &str) -> Delivery {
    Delivery {
        backoffice: backoffice.into(),
        number,
        trace: trace(number),
        action: action.to_owned(),
        payload: r#"{"idTag":"CARD"}"#.to_owned(),
        transaction: Some(trace(1)),
        recognised: None,
        queued_unix_ms: 1_795_352_583_000 + i64::try_from(number).unwrap() * 1_000,
        attempts: 0,
        parked: None,
    }
}

/// Nothing here is young, so that what is shown does not depend on when.
async fn filled(folder: &Path) -> Store {
    fs::write(folder.join("proxy.toml"), "[store]\npath = \"log.db\"\n").unwrap();
    let limits =
        store::Limits { lane_age: std::time::Duration::from_secs(86_400 * 36_500), ..Default::default() };
    let store = Store::open_with(&folder.join("log.db"), Settings::default(), limits).unwrap();
    let spent = |delivery| Delivery { attempts: 10, parked: Some("attempts_spent".to_owned()), ..delivery };
    let tried = Delivery { attempts: 2, ..delivery("acme", 3, "MeterValues") };
    let of_cp1 = [
        spent(delivery("acme", 1, "StartTransaction")),
        Delivery {
            parked: Some("start_was_not_booked".to_owned()),
            ..delivery("acme", 2, "StopTransaction")
        },
        tried,
        delivery("volt", 1, "StopTransaction"),
    ];
    let records = |of: &[Delivery]| of.iter().map(|one| Record::Delivery(Box::new(one.clone()))).collect();
    store.keep(&"CP1".into(), records(&of_cp1)).await.unwrap();
    store.keep(&"CP2".into(), records(&[spent(delivery("acme", 9, "StopTransaction"))])).await.unwrap();
    store
}

fn run(folder: &Path, line: &str) -> Output {
    Command::new(PROGRAM)
        .arg("deliveries")
        .args(line.split_whitespace())
        .current_dir(folder)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(folder: &Path, line: &str) -> String {
    let Output { status, stdout, stderr } = run(folder, line);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn complained(folder: &Path, line: &str) -> String {
    let Output { status, stderr, .. } = run(folder, line);
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

/// What is left of CP1 for acme: number, and whether it is parked.
fn left(folder: &Path) -> Vec<(u64, bool)> {
    let lines = said(folder, "CP1 --backoffice acme --json");
    let left = lines.lines().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["charger"], "CP1");
        (value["number"].as_u64().unwrap(), !value["parked"].is_null())
    });
    left.collect()
}

#[tokio::test]
async fn what_waits_for_whom_is_told_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let _store = filled(folder.path()).await;
    let overview = said(folder.path(), "");
    let starts: Vec<&str> = overview.lines().filter_map(|line| line.split(" for ").next()).collect();
    assert_eq!(starts.len(), 5, "{overview}");
    assert_eq!(starts[0], "CP1 → acme: 1 message waits");
    assert!(overview.lines().next().unwrap().ends_with("; 2 are PARKED"), "{overview}");
    assert_eq!(starts[1], "CP1 → volt: 1 message waits");
    assert_eq!(starts[2], "CP2 → acme: nothing waits; 1 is PARKED");

    let messages = "
  #1  2026-11-22 13:03:04.000  StartTransaction – a charging session has started
      PARKED: 10 times the backoffice answered with an error or not at all; mend it, then retry
  #2  2026-11-22 13:03:05.000  StopTransaction – a charging session has ended
      PARKED: the backoffice did not take the start of this session; have the start tried again, then this
  #3  2026-11-22 13:03:06.000  MeterValues – meter readings (tried 2 times in vain)
CP1 → volt: 1 message waits for ";
    let of_cp1 = said(folder.path(), "CP1");
    assert!(of_cp1.contains(messages), "{of_cp1}");
    assert!(of_cp1.contains("\n    ocpp-proxy deliveries retry CP1 acme [NUMBER…]\n"), "{of_cp1}");

    let parked = said(folder.path(), "--parked");
    assert_eq!(parked.matches("PARKED: ").count(), 3, "{parked}");
    assert!(!parked.contains("volt"), "{parked}");
    let of_volt = said(folder.path(), "CP1 --backoffice volt");
    assert!(of_volt.contains("#1") && !of_volt.contains("acme"), "{of_volt}");
    assert!(said(folder.path(), "CP3").starts_with("Nothing matches."));
    assert_eq!(said(folder.path(), "CP3 --json"), "");
    assert_eq!(left(folder.path()), [(1, true), (2, true), (3, false)]);
}

#[tokio::test]
async fn a_proxy_that_runs_carries_orders_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let mut changes = store.lane_changes();
    let said_of_retry = said(folder.path(), "retry CP1 acme 1 2");
    assert!(said_of_retry.starts_with("2 messages to acme will be tried again"), "{said_of_retry}");
    let change = LaneChange { charger: "CP1".into(), backoffice: "acme".into() };
    assert_eq!(changes.recv().await, Some(change.clone()));
    assert_eq!(left(folder.path()), [(1, false), (2, false), (3, false)]);

    let said_of_drop = said(folder.path(), "drop CP1 acme 3 --yes");
    assert_eq!(said_of_drop, "1 message dropped: acme will not be told.\n");
    assert_eq!(changes.recv().await, Some(change));
    assert_eq!(left(folder.path()), [(1, false), (2, false)]);
    store.close().await;
}

#[tokio::test]
async fn without_a_proxy_orders_are_carried_out_at_once() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await.close().await;
    said(folder.path(), "retry CP1 acme");
    assert_eq!(left(folder.path()), [(1, false), (2, false), (3, false)]);
    let refused = complained(folder.path(), "retry CP1 acme");
    assert!(refused.starts_with("no such message is parked"), "{refused}");

    // Nobody is there to be asked.
    let refused = complained(folder.path(), "drop CP1 acme --all");
    assert!(refused.contains("--yes"), "{refused}");
    let refused = complained(folder.path(), "drop CP1 acme --yes");
    assert!(refused.contains("--all"), "{refused}");
    assert_eq!(left(folder.path()).len(), 3);
    assert_eq!(
        said(folder.path(), "drop CP1 acme --all --yes"),
        "3 messages dropped: acme will not be told.\n"
    );
    assert_eq!(left(folder.path()), []);
    said(folder.path(), "drop CP2 acme 9 -y");
    said(folder.path(), "drop CP1 volt 1 -y");
    assert_eq!(
        said(folder.path(), ""),
        "Nothing waits: every backoffice has been told all that it must know.\n"
    );
}
