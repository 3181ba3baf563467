//! Chargers and transactions, as pages list them.

use std::collections::BTreeSet;

use engine::{ChargerId, Delivery, TransactionRow, TransactionState};
use store::{
    Browser, ChargerSummary, ChargersQuery, Connector, ListedTransaction, LogEntry, OpenError, Page, Store,
    TransactionsQuery,
};

use crate::world::*;

fn boot(vendor: &str, model: &str) -> engine::Record {
    let request = serde_json::json!({
        "chargePointVendor": vendor, "chargePointModel": model, "firmwareVersion": "1.2.3",
    });
    let body = serde_json::json!({ "request": request.to_string(), "verdicts": {}, "interval_s": 300 });
    fact("boot", Some(&body.to_string()))
}

fn occurrence(kind: &'static str, unix_ms: i64) -> LogEntry {
    LogEntry::Occurrence { unix_ms, kind, who: "charger".into(), detail: String::new() }
}

async fn one(world: &World, charger: &str) -> ChargerSummary {
    world.browser().charger(&charger.into()).await.unwrap().unwrap()
}

async fn found(browser: &Browser, search: &str) -> Vec<String> {
    let query = ChargersQuery { search: search.to_owned(), after: None, limit: 100 };
    let page = browser.chargers(query).await.unwrap();
    page.items.iter().map(|summary| summary.charger.to_string()).collect()
}

#[tokio::test]
async fn a_summary_holds_what_is_remembered() {
    let world = World::new();
    let store = world.open();
    assert_eq!(world.browser().charger(&charger()).await.unwrap(), None);
    let state =
        r#"{"connectorId":2,"errorCode":"NoError","status":"Charging","timestamp":"2026-01-02T03:04:05Z"}"#;
    let tenth = r#"{"connectorId":10,"errorCode":"GroundFailure","status":"Faulted"}"#;
    let whole = r#"{"connectorId":0,"errorCode":"NoError","status":"Available"}"#;
    let records = vec![
        boot("Acme \"Chargers\"", "Fast & Furious"),
        fact("state/2", Some(state)),
        fact("state/10", Some(tenth)),
        fact("state/0", Some(whole)),
        fact("state/3", Some("not JSON")),
        fact("missed-states/acme", Some("[2]")),
        fact("states", Some("{}")),
        kept(transaction(7, TransactionState::Open)),
        kept(transaction(6, TransactionState::Closed)),
        waits(delivery(1, "StartTransaction", Some(7))),
        waits(delivery(2, "MeterValues", Some(7))),
        waits(Delivery { parked: Some("attempts_spent".into()), ..delivery(3, "MeterValues", None) }),
    ];
    store.keep(&charger(), records).await.unwrap();
    let came = now() + 60_000;
    store.note(&charger(), occurrence("charger_arrived", came));
    store.note(&charger(), occurrence("charger_left", came - 30_000));
    store.flush().await.unwrap();

    let summary = one(&world, "site1-CP1").await;
    assert_eq!(summary.charger, charger());
    assert_eq!(summary.vendor.as_deref(), Some("Acme \"Chargers\""));
    assert_eq!(summary.model.as_deref(), Some("Fast & Furious"));
    assert_eq!(summary.firmware.as_deref(), Some("1.2.3"));
    assert_eq!(summary.last_seen_unix_ms, Some(came));
    let connector = |id, status: &str, code: &str, since: Option<&str>| Connector {
        id,
        status: status.into(),
        error_code: Some(code.into()),
        since: since.map(str::to_owned),
    };
    let expected = [
        connector(0, "Available", "NoError", None),
        connector(2, "Charging", "NoError", Some("2026-01-02T03:04:05Z")),
        connector(10, "Faulted", "GroundFailure", None),
    ];
    assert_eq!(summary.connectors, expected);
    assert_eq!(summary.running.len(), 1);
    let running = &summary.running[0];
    assert_eq!((running.trace, running.charger_number), (trace(7), Some(7)));
    assert_eq!((running.id_tag.as_str(), running.connector_id), ("CARD", 1));
    assert_eq!((summary.waiting, summary.parked), (2, 1));
    assert!(summary.oldest_waiting_unix_ms.is_some());
    assert_eq!(summary.diverging_24h, 0);
    let lanes = world.browser().lanes(&"SITE1-cp1".into()).await.unwrap();
    assert_eq!((lanes.len(), lanes[0].waiting, lanes[0].parked), (1, 2, 1));

    // A call is a sign of life too.
    let mut late = call(1, "Heartbeat", "{}", "{}");
    late.received_unix_ms = came + 5;
    note_call(&store, late);
    store.flush().await.unwrap();
    assert_eq!(one(&world, "SITE1-CP1").await.last_seen_unix_ms, Some(came + 5));
}

#[tokio::test]
async fn two_spellings_are_one_charger_in_lists() {
    let world = World::new();
    let store = world.open();
    store.keep(&"site1-cp1".into(), vec![boot("Old", "One")]).await.unwrap();
    store.keep(&charger(), vec![boot("New", "Two")]).await.unwrap();
    store.note(&"SITE1-cp1".into(), occurrence("charger_arrived", now()));
    store.flush().await.unwrap();
    let browser = world.browser();
    assert_eq!(found(&browser, "").await, ["site1-cp1"]);
    assert_eq!(one(&world, "SITE1-CP1").await.vendor.as_deref(), Some("New"));
    assert_eq!(found(&browser, "SITE1 two").await, ["site1-cp1"]);
}

#[tokio::test]
async fn chargers_are_found_by_identity_vendor_and_model() {
    let world = World::new();
    let store = world.open();
    for (id, vendor, model) in [
        ("A100%", "Volt_Co", "X1"),
        ("A1000", "VoltXCo", "X2"),
        ("B'1", "Alfen", "Eve \\ Single"),
        ("C", "", ""),
    ] {
        store.keep(&id.into(), vec![boot(vendor, model)]).await.unwrap();
    }
    let browser = world.browser();
    assert_eq!(found(&browser, "").await, ["A100%", "A1000", "B'1", "C"]);
    assert_eq!(found(&browser, "a100").await, ["A100%", "A1000"]);
    assert_eq!(found(&browser, "100%").await, ["A100%"]);
    assert_eq!(found(&browser, "t_c").await, ["A100%"]);
    assert_eq!(found(&browser, "eve alfen").await, ["B'1"]);
    assert_eq!(found(&browser, "\\").await, ["B'1"]);
    assert_eq!(found(&browser, "b'1").await, ["B'1"]);
    assert_eq!(found(&browser, "x1 x2").await, [""; 0]);
    assert_eq!(found(&browser, "'; DROP TABLE chargers; --").await, [""; 0]);
    assert_eq!(found(&browser, "\0").await.len(), 4, "nothing is asked for");
    assert_eq!(found(&browser, "alf\0single").await, ["B'1"]);
}

#[tokio::test]
async fn pages_of_chargers_have_no_gaps_and_no_repeats() {
    let world = World::new();
    let store = world.open();
    let all: BTreeSet<String> = (0..253).map(|number| format!("CP-{number:03}")).collect();
    for id in &all {
        store.note(&ChargerId::from(id.as_str()), occurrence("charger_arrived", now()));
    }
    store.flush().await.unwrap();
    let browser = world.browser();
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let query = ChargersQuery { search: "cp-".into(), after, limit: 25 };
        let page = browser.chargers(query).await.unwrap();
        pages += 1;
        assert!(page.items.len() <= 25);
        seen.extend(page.items.iter().map(|summary| summary.charger.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (253, 11));
    assert!(seen.iter().eq(all.iter()), "they come in order");
}

/// Thirty of one charger, of which the last three run, and one of another.
async fn transactions(store: &Store) {
    let mut records = Vec::new();
    for number in 0..30_u64 {
        let state = if number >= 27 { TransactionState::Open } else { TransactionState::Closed };
        let stop = format!(r#"{{"meterStop":{},"password":"hunter2"}}"#, 1_010 + number);
        records.push(kept(TransactionRow {
            id_tag: if number % 2 == 0 { "Card%1".into() } else { "CARD_2".into() },
            // Many begin in the same millisecond.
            received_unix_ms: 1_000 + number as i64 / 10,
            raw_stop: (state == TransactionState::Closed).then_some(stop),
            ..transaction(number, state)
        }));
    }
    store.keep(&charger(), records).await.unwrap();
    let other = TransactionRow { received_unix_ms: 1_001, ..transaction(50, TransactionState::Open) };
    store.keep(&"OTHER".into(), vec![kept(other)]).await.unwrap();
}

async fn through(browser: &Browser, query: &TransactionsQuery) -> Vec<ListedTransaction> {
    let (mut all, mut before) = (Vec::new(), query.before);
    loop {
        let page: Page<ListedTransaction> =
            browser.transactions(TransactionsQuery { before, ..query.clone() }).await.unwrap();
        assert!(page.items.len() <= query.limit);
        all.extend(page.items);
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn transactions_are_listed_with_numbers_energy_and_deliveries() {
    let world = World::new();
    let store = world.open();
    transactions(&store).await;
    let parked = Delivery { parked: Some("attempts_spent".into()), ..delivery(3, "MeterValues", Some(4)) };
    let records = vec![
        waits(delivery(1, "StartTransaction", Some(4))),
        waits(delivery(2, "StopTransaction", Some(4))),
        waits(parked),
        waits(delivery(4, "StartTransaction", Some(5))),
    ];
    store.keep(&charger(), records).await.unwrap();
    let browser = world.browser();
    let query =
        TransactionsQuery { charger: Some("site1-cp1".into()), limit: 7, ..TransactionsQuery::default() };
    let all = through(&browser, &query).await;
    let traces: Vec<_> = all.iter().map(|one| one.row.trace).collect();
    assert_eq!(traces, (0..30).rev().map(trace).collect::<Vec<_>>());
    assert_eq!((all[0].energy_wh, &all[0].row.raw_stop), (None, &None));
    let fourth = &all[25];
    assert_eq!((fourth.row.trace, fourth.energy_wh), (trace(4), Some(1_004)));
    assert_eq!(fourth.row.peers[&acme()].number.unwrap().0, 1_004);
    assert_eq!((fourth.waiting[&acme()], fourth.parked[&acme()]), (2, 1));
    assert!(!fourth.row.raw_stop.as_ref().unwrap().contains("hunter2"));
    assert!(all[20].waiting.is_empty() && all[20].parked.is_empty());

    // A row that changes keeps its place: whoever pages on misses none and sees none twice.
    let first = browser.transactions(TransactionsQuery { limit: 10, ..query.clone() }).await.unwrap();
    let closed = TransactionRow { received_unix_ms: 1_001, ..transaction(15, TransactionState::Closed) };
    store.keep(&charger(), vec![kept(closed)]).await.unwrap();
    let rest = through(&browser, &TransactionsQuery { before: first.next, ..query }).await;
    let rest: Vec<_> = rest.iter().map(|one| one.row.trace).collect();
    assert_eq!(rest, (0..20).rev().map(trace).collect::<Vec<_>>());
}

#[tokio::test]
async fn transactions_are_found_by_card_and_whether_they_run() {
    let world = World::new();
    let store = world.open();
    transactions(&store).await;
    let browser = world.browser();
    let any = TransactionsQuery { limit: 4, ..TransactionsQuery::default() };
    assert_eq!(through(&browser, &any).await.len(), 31);
    let running = TransactionsQuery { running_only: true, limit: 2, ..any.clone() };
    assert_eq!(through(&browser, &running).await.len(), 4);
    let own = TransactionsQuery { charger: Some(charger()), ..running };
    assert_eq!(through(&browser, &own).await.len(), 3);
    for (id_tag, count) in
        [("CARD%1", 15), ("card_2", 15), ("CARD", 1), ("%", 0), ("CARD'2", 0), ("card_2\0", 0)]
    {
        let query = TransactionsQuery { id_tag: Some(id_tag.into()), ..any.clone() };
        assert_eq!(through(&browser, &query).await.len(), count, "{id_tag:?}");
    }
    let both =
        TransactionsQuery { id_tag: Some("card".into()), charger: Some("other".into()), ..any.clone() };
    assert_eq!(through(&browser, &both).await.len(), 1);
    let gone = TransactionsQuery { before: Some(1_000_000), ..any };
    assert_eq!(through(&browser, &gone).await, []);
}

#[tokio::test]
async fn questions_beyond_the_bound_are_refused_and_none_is_lost() {
    let world = World::new();
    let store = world.open();
    transactions(&store).await;
    let browser = world.browser();
    let asked: Vec<_> = (0..2_000)
        .map(|_| {
            let browser = browser.clone();
            tokio::spawn(async move { browser.charger(&charger()).await })
        })
        .collect();
    let mut answered = 0;
    for question in asked {
        match question.await.unwrap() {
            Ok(summary) => {
                assert_eq!(summary.unwrap().running.len(), 3);
                answered += 1;
            }
            Err(error) => assert_eq!(error, store::StoreError::Overloaded),
        }
    }
    assert!(answered >= 64, "{answered}");
    assert!(browser.charger(&charger()).await.unwrap().is_some());
}

#[tokio::test]
async fn an_older_file_is_refused_until_a_proxy_has_opened_it() {
    let world = World::new();
    let older = world.older_file(3).await;
    let request = r#"{"chargePointVendor":"Volt","chargePointModel":7}"#;
    let body = serde_json::json!({ "request": request }).to_string();
    let (left, called) = (base().to_string(), (base() + 77).to_string());
    let sql = "INSERT INTO occurrences VALUES (1, 'site1-cp1', {left}, 'charger_left', 'charger', '');
             INSERT INTO occurrences VALUES (2, 'AWAY', {left}, 'alert', 'charger', '');
             INSERT INTO facts VALUES ('BROKEN', 'boot', 'no JSON'), ('NULL', 'boot', '{\"request\":null}');
             INSERT INTO facts VALUES ('BAD', 'boot', '{\"request\":\"{\"}');
             INSERT INTO calls (seq, trace, charger, caller, action, received_unix_ms, payload, outcome, decider,
                 latency_us, leader, flags, redacted)
             VALUES (3, '00000000000000000000000001', 'SITE1-CP1', '', 'Authorize', {called}, '{}', 'result',
                 'leader', 1, 'volt', '', 0);
             INSERT INTO answers (seq, trace, backoffice, led, outcome, same, latency_us, verdict, differences,
                 redacted)
             VALUES (4, '00000000000000000000000001', 'acme', 0, 'result', 0, 1, 'conflict', '[]', 0);";
    older.execute_batch(&sql.replace("{left}", &left).replace("{called}", &called)).unwrap();
    older.execute("INSERT INTO facts VALUES ('SITE1-CP1', 'boot', ?1)", [body]).unwrap();
    drop(older);
    let error = Browser::open(&world.path()).unwrap_err();
    assert!(matches!(error, OpenError::OlderSchema { .. }), "{error}");
    let error = store::LogReader::open(&world.path()).unwrap_err();
    assert!(matches!(error, OpenError::OlderSchema { .. }), "{error}");

    let _store = world.open();
    let browser = world.browser();
    assert_eq!(found(&browser, "").await, ["AWAY", "BAD", "BROKEN", "NULL", "SITE1-CP1"]);
    let summary = one(&world, "SITE1-CP1").await;
    assert_eq!((summary.vendor.as_deref(), summary.model.as_deref()), (Some("Volt"), Some("7")));
    assert_eq!(summary.last_seen_unix_ms, Some(base() + 77));
    let differing = store::CallsQuery {
        outcome: Some(store::OutcomeIs::Differs),
        limit: 10,
        ..store::CallsQuery::default()
    };
    assert_eq!(browser.calls(differing).await.unwrap().items.len(), 1);
}
