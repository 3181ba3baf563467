//! A large fleet: no question reads a whole table, and a search that finds nothing ends.

use std::sync::{Arc, Mutex};

use engine::{BackofficeId, ChargerId, TraceId};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::*;
use crate::{Settings, Store, database};

const CHARGERS: usize = 10_000;
const CALLS: usize = 200_000;

/// Ten thousand chargers with twenty calls each; every fifth call differs, every tenth is of a transaction. Before all of
/// that one charger has said something every other second of a day and more.
const FLEET: &str = "
    CREATE TEMP TABLE numbers AS
        WITH RECURSIVE up(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM up WHERE n < 199999) SELECT n FROM up;
    INSERT INTO chargers (charger, vendor, model, last_seen_unix_ms)
        SELECT printf('CP-%05d', n), 'Vendor ' || (n % 7), 'Model ' || (n % 3), n FROM numbers WHERE n < 10000;
    INSERT INTO calls (seq, trace, charger, caller, action, received_unix_ms, payload, outcome, decider, latency_us,
            leader, flags, redacted, id_tag, transaction_number, status, differs)
        SELECT 2 * n + 1, printf('%026d', n), printf('CP-%05d', n % 10000), iif(n % 50 = 1, 'acme', ''),
            CASE n % 4 WHEN 0 THEN 'Authorize' WHEN 1 THEN 'Heartbeat' ELSE 'MeterValues' END, n, '{}', 'result',
            'leader', n, 'volt', '', 0, iif(n % 4 = 0, 'CARD-' || (n % 1000), NULL), iif(n % 10 = 0, n % 5000, NULL),
            iif(n % 4 = 0, 'Accepted', NULL), n % 5 = 0
        FROM numbers;
    INSERT INTO calls (seq, trace, charger, caller, action, received_unix_ms, payload, outcome, decider, latency_us,
            leader, flags, redacted)
        SELECT 1000000 + n, printf('%026d', 1000000 + n), 'CHATTY', '', 'MeterValues', (n - 50000) * 2000, '{}',
            'result', 'leader', n, 'volt', '', 0
        FROM numbers WHERE n < 50000;
    INSERT INTO answers (seq, trace, backoffice, led, outcome, same, latency_us, verdict, differences, redacted, status)
        SELECT 2 * n + 2, printf('%026d', n), 'acme', 0, 'result', 0, n, iif(n % 5 = 0, 'conflict', 'noise'),
            iif(n % 5 = 0, '[{\"pointer\":\"/idTagInfo/status\",\"leader\":null,\"follower\":null}]', NULL), 0,
            iif(n % 4 = 0, 'Invalid', NULL)
        FROM numbers;
    INSERT INTO occurrences SELECT 500000 + n, printf('CP-%05d', n % 10000), n, 'alert', 'charger', '' FROM numbers;
    INSERT INTO facts SELECT printf('CP-%05d', n), 'state/1', '{\"status\":\"Available\"}' FROM numbers WHERE n < 10000;
    INSERT INTO transactions SELECT printf('CP-%05d', n % 10000), printf('%026d', n), iif(n % 5 = 4, 'open', 'closed'),
            n, 'CARD-' || (n % 1000), 1, n, iif(n % 5 = 4, NULL, n), '{BODY}' FROM numbers WHERE n < 50000;
    INSERT INTO transaction_numbers SELECT printf('CP-%05d', n % 10000), printf('%026d', n), 'acme', n
        FROM numbers WHERE n < 50000;
    INSERT INTO lanes (charger, backoffice, last_number) SELECT printf('CP-%05d', n), 'acme', 5 FROM numbers
        WHERE n < 10000;
    INSERT INTO lead_history (charger, unix_ms, leader, said_by, reason, from_outside)
        SELECT printf('CP-%05d', n), 1, 'acme', 'anna', '', 0 FROM numbers WHERE n < 10000;
    UPDATE sequence SET last = 900000;
    DROP TABLE numbers;";

const TRANSACTION: &str = r#"{"trace":"00000000000000000000000000","state":"open","charger_number":1,
    "connector_id":1,"id_tag":"CARD","meter_start":0,"started_at":"","received_unix_ms":0,"raw_start":"{}",
    "start_answer":null,"leader_at_start":"volt","peers":{},"raw_stop":null,"stop_answer":null,
    "closed_unix_ms":null,"superseded":false}"#;

/// A file with the fleet, and a connection that reads it.
async fn fleet() -> (tempfile::TempDir, Connection) {
    let directory = tempfile::tempdir().expect("there is room for a file");
    let path = directory.path().join("ocpp-proxy.db");
    Store::open(&path, Settings::default()).expect("a new store opens").close().await;
    let connection = Connection::open(&path).expect("the file opens");
    let sql = FLEET.replace("{BODY}", TRANSACTION);
    connection.execute_batch(&format!("BEGIN; {sql} COMMIT;")).expect("the fleet is written");
    drop(connection);
    let connection = database::open_for_reading(&path).expect("the file can be read");
    (directory, connection)
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("it ran before");
    let steps = statement.raw_query().mapped(|row| row.get("detail"));
    steps.collect::<rusqlite::Result<_>>().expect("a plan is text")
}

fn some_calls() -> Vec<CallsQuery> {
    let any = CallsQuery { limit: 50, ..CallsQuery::default() };
    let mut all = Vec::new();
    for charger in [None, Some(ChargerId::from("cp-00004"))] {
        let any = CallsQuery { charger, ..any.clone() };
        let with_text = CallsQuery { text: "auth 7 card".into(), ..any.clone() };
        let narrow = CallsQuery {
            hide_routine: true,
            caller: Some(Caller::Backoffice("acme".into())),
            since_unix_ms: Some(5),
            until_unix_ms: Some(199_000),
            before: Some(20_001),
            ..any.clone()
        };
        let both = CallsQuery { id_tag: Some("card-4".into()), transaction: Some(4), ..with_text.clone() };
        all.extend([
            any.clone(),
            with_text,
            narrow,
            both,
            CallsQuery { id_tag: Some("card-4".into()), ..any.clone() },
            CallsQuery { transaction: Some(4), ..any.clone() },
            CallsQuery { action: Some("authorize".into()), ..any.clone() },
            CallsQuery { caller: Some(Caller::AnyBackoffice), ..any.clone() },
        ]);
        let outcomes = [
            OutcomeIs::Accepted,
            OutcomeIs::Refused,
            OutcomeIs::Error,
            OutcomeIs::Unanswered,
            OutcomeIs::Differs,
        ];
        all.extend(outcomes.map(|outcome| CallsQuery { outcome: Some(outcome), ..any.clone() }));
    }
    all
}

/// Asks every kind of question.
fn ask_everything(connection: &Connection) -> Result<(), StoreError> {
    for query in some_calls() {
        search::page(connection, &query)?;
        search::news(connection, &query, 399_000)?;
    }
    search::one(connection, TraceId::try_from("0".repeat(26)).expect("a ULID"))?;
    let charger = ChargerId::from("cp-00004");
    for search in ["", "model vendor"] {
        for after in [None, Some(charger.clone())] {
            chargers::page(connection, &ChargersQuery { search: search.into(), after, limit: 50 })?;
        }
    }
    assert!(chargers::one(connection, &charger)?.is_some());
    lists::occurrences(connection, &charger, Some(1), None, 50)?;
    lists::lanes(connection, &charger)?;
    lists::actions(connection, &charger)?;
    lead::history(connection, &charger, 50)?;
    for of in [None, Some(charger.clone())] {
        for id_tag in [None, Some("card-4".to_owned())] {
            for running_only in [false, true] {
                let before = Some(40_000);
                let (charger, id_tag) = (of.clone(), id_tag.clone());
                let query = TransactionsQuery { charger, running_only, id_tag, before, limit: 50 };
                assert!(!transactions::page(connection, &query)?.items.is_empty());
            }
        }
        let follower = BackofficeId::from("acme");
        let query = ComparisonQuery { charger: of, follower, since_unix_ms: 0, until_unix_ms: 200_000 };
        comparison::compare(connection, &query)?;
    }
    Ok(())
}

/// One test, for the fleet takes its time to build.
#[tokio::test]
async fn a_large_fleet_is_browsed_by_index_in_bounded_steps() {
    let (_directory, mut connection) = fleet().await;
    no_question_reads_a_whole_table(&mut connection);
    a_search_in_vain_ends_and_can_go_on(&connection);
    the_whole_fleet_is_paged_through(&connection);
}

fn no_question_reads_a_whole_table(connection: &mut Connection) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&seen);
    let tell = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(statement, _) = event {
            told.lock().expect("nobody panicked").push(statement.sql().into_owned());
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(tell)).expect("it can be watched");
    ask_everything(connection).expect("every question has an answer");
    connection.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).expect("and left alone");

    let mut all = std::mem::take(&mut *seen.lock().expect("nobody panicked"));
    all.sort();
    all.dedup();
    all.retain(|sql| sql.starts_with("SELECT") || sql.starts_with("WITH"));
    assert!(all.len() >= 70, "only {} different questions were seen", all.len());
    let mut steps_seen = 0;
    for sql in &all {
        for step in plan(connection, sql) {
            steps_seen += 1;
            // One row, one for each name that was found, and one for each era.
            let is_harmless = ["SCAN sequence", "SCAN known", "SCAN eras"].contains(&step.as_str());
            assert!(is_harmless || !step.contains("SCAN"), "{step}\n{sql}");
            // The rows of one transaction, the answers to one call, the open transactions of one charger.
            let few = ["p.transaction_number", "a.trace = ?1", "transactions_open"];
            let may_sort = few.iter().any(|condition| sql.contains(condition));
            assert!(may_sort || !step.contains("TEMP B-TREE FOR ORDER BY"), "{step}\n{sql}");
        }
    }
    assert!(steps_seen > all.len(), "{steps_seen} steps");
}

fn a_search_in_vain_ends_and_can_go_on(connection: &Connection) {
    let query = CallsQuery { text: "nowhere".into(), limit: 50, ..CallsQuery::default() };
    let (found, pages) = search_to_the_end(connection, query.clone());
    assert_eq!(found, [0; 0]);
    // By time, or by calls where the machine is fast.
    assert!((13..=1001).contains(&pages), "{pages} parts of the log");
    // The last of all calls but those of one charger, however far away.
    let text = format!("{:026}", 3);
    let (found, _) = search_to_the_end(connection, CallsQuery { text, ..query.clone() });
    assert_eq!(found, [7]);
    // The log of one charger, across eras.
    let chatty = CallsQuery { charger: Some("chatty".into()), ..query };
    let (found, pages) = search_to_the_end(connection, chatty.clone());
    assert_eq!(found, [0; 0]);
    assert!((3..=201).contains(&pages), "{pages} parts of its log");
    for place in [0, 24_321, 49_999] {
        let text = format!("{:026}", 1_000_000 + place);
        for action in [None, Some("metervalues".to_owned())] {
            let query = CallsQuery { text: text.clone(), action, ..chatty.clone() };
            assert_eq!(search_to_the_end(connection, query).0, [1_000_000 + place]);
        }
    }
}

/// All calls that are found, and in how many parts.
fn search_to_the_end(connection: &Connection, mut query: CallsQuery) -> (Vec<i64>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = search::page(connection, &query).expect("it can be read");
        found.extend(page.items.iter().map(|call| call.seq));
        pages += 1;
        query.before = page.next;
        if page.next.is_none() {
            return (found, pages);
        }
    }
}

fn the_whole_fleet_is_paged_through(connection: &Connection) {
    let (mut chargers, mut after) = (0, None);
    loop {
        let query = ChargersQuery { search: String::new(), after, limit: 1_000 };
        let page = super::chargers::page(connection, &query).expect("it can be read");
        chargers += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(chargers, CHARGERS);
    let since_unix_ms = Some(CALLS as i64 - 30_000);
    let mut query = CallsQuery { since_unix_ms, limit: 4_000, ..CallsQuery::default() };
    let (mut calls, mut last) = (0, i64::MAX);
    loop {
        let page = search::page(connection, &query).expect("it can be read");
        for call in &page.items {
            assert!(call.received_unix_ms < last, "newest first, each once");
            last = call.received_unix_ms;
        }
        calls += page.items.len();
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(calls, 30_000);
}
