//! Calls as pages show them: every filter, pages, one call, and what is new.

use std::collections::BTreeSet;

use engine::{
    AnswerNote, BackofficeId, CallNote, ChargerId, Decider, Difference, Outcome, Side, TransactionState,
    Verdict,
};
use store::{Browser, Caller, CallsQuery, LogEntry, NewsItem, OutcomeIs, Store};

use crate::world::*;

fn note(store: &Store, charger: &str, call: CallNote) {
    store.note(&ChargerId::from(charger), LogEntry::Call(Box::new(call)));
}

fn query() -> CallsQuery {
    CallsQuery { charger: Some(charger()), limit: 1_000, ..CallsQuery::default() }
}

fn difference() -> Vec<Difference> {
    let (leader, follower) = (Some("\"Accepted\"".into()), Some("\"Invalid\"".into()));
    vec![Difference { pointer: "/idTagInfo/status".into(), leader, follower }]
}

fn authorize(number: u64, id_tag: &str, status: &str) -> CallNote {
    let payload = serde_json::json!({ "idTag": id_tag }).to_string();
    call(number, "Authorize", &payload, &format!(r#"{{"idTagInfo":{{"status":"{status}"}}}}"#))
}

fn from(backoffice: &str, call: CallNote) -> CallNote {
    CallNote { from: Side::Backoffice(backoffice.into()), decider: Decider::Charger, ..call }
}

/// The numbers of the calls that were found, newest first.
async fn numbers(browser: &Browser, query: CallsQuery) -> Vec<u64> {
    let page = browser.calls(query).await.unwrap();
    assert_eq!(page.next, None);
    page.items.iter().map(|call| u64::try_from(call.trace.0.0).unwrap()).collect()
}

/// Calls 1 to 12 of the charger, and 20 of another.
async fn fill(store: &Store) {
    let c = |number, action, payload: &str, answer: &str| {
        note(store, "SITE1-CP1", call(number, action, payload, answer));
    };
    c(1, "Heartbeat", "{}", r#"{"currentTime":"2026-01-01T00:00:00Z"}"#);
    note(store, "site1-cp1", authorize(2, "Card%1", "Accepted"));
    note(store, "SITE1-CP1", authorize(3, "CARD_2", "Blocked"));
    c(
        4,
        "StartTransaction",
        r#"{"idTag":"CARD%1","connectorId":1}"#,
        r#"{"transactionId":7,"idTagInfo":{"status":"Accepted"}}"#,
    );
    c(5, "MeterValues", r#"{"transactionId":7}"#, "{}");
    c(6, "StatusNotification", r#"{"connectorId":1,"status":"Faulted"}"#, "{}");
    let stop = call(7, "RemoteStopTransaction", r#"{"transactionId":1007}"#, r#"{"status":"Accepted"}"#);
    note(store, "SITE1-CP1", from("acme", stop));
    let reset = call(8, "Reset", r#"{"type":"Soft"}"#, r#"{"status":"Rejected"}"#);
    note(store, "SITE1-CP1", from("volt", reset));
    let error = Outcome::Error { code: "InternalError".into(), description: "it's \\ broken".into() };
    let failed = CallNote { outcome: error, ..authorize(9, "CARD-3", "") };
    note(store, "SITE1-CP1", failed);
    let silent = Outcome::Unanswered("leader_timeout");
    let silent = CallNote { outcome: silent, decider: Decider::Nobody, ..authorize(10, "CARD-3", "") };
    note(store, "SITE1-CP1", silent);
    c(11, "StopTransaction", r#"{"transactionId":7,"meterStop":5}"#, "{}");
    let stop = call(12, "RemoteStopTransaction", r#"{"transactionId":7}"#, r#"{"status":"Rejected"}"#);
    note(store, "SITE1-CP1", from("acme", stop));
    note(store, "OTHER", authorize(20, "card%1", "Invalid"));
    // The charger and volt call it 7, acme 1007.
    let row = engine::TransactionRow { trace: trace(4), ..transaction(7, TransactionState::Closed) };
    store.keep(&charger(), vec![kept(row)]).await.unwrap();
    store.flush().await.unwrap();
}

#[tokio::test]
async fn every_filter_finds_what_it_says() {
    let world = World::new();
    let store = world.open();
    fill(&store).await;
    let browser = world.browser();
    let check = async |query: CallsQuery, expected: &[u64]| {
        assert_eq!(numbers(&browser, query.clone()).await, expected, "{query:?}");
    };
    let all: Vec<u64> = (1..=12).rev().collect();
    check(query(), &all).await;
    check(CallsQuery { charger: Some("site1-cp1".into()), ..query() }, &all).await;
    check(CallsQuery { charger: Some("NOBODY".into()), ..query() }, &[]).await;
    assert_eq!(numbers(&browser, CallsQuery { charger: None, ..query() }).await.len(), 13);

    let action = |name: &str| CallsQuery { action: Some(name.into()), ..query() };
    check(action("authorize"), &[10, 9, 3, 2]).await;
    check(action("Author"), &[]).await;
    check(CallsQuery { charger: None, ..action("Authorize") }, &[20, 10, 9, 3, 2]).await;
    check(CallsQuery { hide_routine: true, ..query() }, &[12, 11, 10, 9, 8, 7, 6, 4, 3, 2]).await;

    let card = |id_tag: &str| CallsQuery { id_tag: Some(id_tag.into()), ..query() };
    check(card("cArD%1"), &[4, 2]).await;
    check(card("CARD"), &[]).await;
    check(card("%"), &[]).await;
    check(card("CARD_2\0"), &[]).await;
    check(CallsQuery { charger: None, ..card("card%1") }, &[20, 4, 2]).await;

    let caller = |caller| CallsQuery { caller: Some(caller), ..query() };
    check(caller(Caller::Charger), &[11, 10, 9, 6, 5, 4, 3, 2, 1]).await;
    check(caller(Caller::AnyBackoffice), &[12, 8, 7]).await;
    check(caller(Caller::Backoffice(acme())), &[12, 7]).await;
    check(caller(Caller::Backoffice("'".into())), &[]).await;

    let outcome = |outcome| CallsQuery { outcome: Some(outcome), ..query() };
    check(outcome(OutcomeIs::Accepted), &[7, 4, 2]).await;
    check(outcome(OutcomeIs::Refused), &[12, 8, 3]).await;
    check(outcome(OutcomeIs::Error), &[9]).await;
    check(outcome(OutcomeIs::Unanswered), &[10]).await;
    check(outcome(OutcomeIs::Differs), &[]).await;

    // The charger's 7 and acme's 1007 are one transaction; acme's own 7 would be another.
    let number = |number| CallsQuery { transaction: Some(number), ..query() };
    check(number(7), &[12, 11, 7, 5, 4]).await;
    check(number(1_007), &[11, 7, 5, 4]).await;
    check(CallsQuery { charger: None, ..number(1_007) }, &[11, 7, 5, 4]).await;
    check(CallsQuery { action: Some("StopTransaction".into()), ..number(1_007) }, &[11]).await;
    check(number(8), &[]).await;

    let page = browser.calls(query()).await.unwrap();
    let at = |number: u64| page.items[12 - number as usize].received_unix_ms;
    let (since, until) = (Some(at(3)), Some(at(8)));
    assert!(at(3) < at(8));
    check(CallsQuery { since_unix_ms: since, until_unix_ms: until, ..query() }, &[8, 7, 6, 5, 4, 3]).await;
    check(CallsQuery { since_unix_ms: until, until_unix_ms: since, ..query() }, &[]).await;
}

#[tokio::test]
async fn free_text_has_no_meaning_of_its_own() {
    let world = World::new();
    let store = world.open();
    fill(&store).await;
    let browser = world.browser();
    for (text, expected) in [
        ("StartTransaction", vec![4]),
        ("stoptransaction", vec![12, 11, 7]),
        ("card%1", vec![4, 2]),
        ("card_2", vec![3]),
        ("d_", vec![3]),
        ("%", vec![4, 2]),
        ("_", vec![3]),
        ("authorize blocked", vec![3]),
        ("it's", vec![9]),
        ("' OR 1=1 --", vec![]),
        ("\\", vec![9]),
        ("?1", vec![]),
        ("\"soft\"", vec![8]),
        ("faulted", vec![6]),
        ("1007", vec![11, 7, 5, 4]),
        ("00000000000000000000000006", vec![6]),
        ("\0 \0", (1..=12).rev().collect()),
        ("soft\0reset", vec![8]),
    ] {
        let query = CallsQuery { text: text.to_owned(), ..query() };
        assert_eq!(numbers(&browser, query).await, expected, "{text:?}");
    }
    let long = CallsQuery { text: "%_\\".repeat(100_000), ..query() };
    assert_eq!(numbers(&browser, long).await, [0; 0]);
}

#[tokio::test]
async fn pages_of_calls_have_no_gaps_and_no_repeats() {
    let world = World::new();
    let store = world.open();
    for number in 0..200 {
        let id_tag = if number % 3 == 0 { "CARD" } else { "OTHER" };
        // Several in each millisecond, written in no order of their times.
        let received_unix_ms = base() + (number as i64 * 37) % 11;
        note_call(&store, CallNote { received_unix_ms, ..authorize(number, id_tag, "Accepted") });
    }
    store.flush().await.unwrap();
    let browser = world.browser();
    let by_number = |one: &store::LoggedCall| one.trace.0.0;
    for asked in [
        query(),
        CallsQuery { charger: None, ..query() },
        CallsQuery { action: Some("Authorize".into()), ..query() },
        CallsQuery { id_tag: Some("card".into()), ..query() },
        CallsQuery { text: "card".into(), ..query() },
        CallsQuery { outcome: Some(OutcomeIs::Accepted), hide_routine: true, ..query() },
    ] {
        let whole = browser.calls(asked.clone()).await.unwrap();
        assert_eq!(whole.next, None);
        let is_all = asked.id_tag.is_none() && asked.text.is_empty();
        assert_eq!(whole.items.len(), if is_all { 200 } else { 67 });
        let keys: Vec<_> = whole.items.iter().map(|one| (one.received_unix_ms, one.seq)).collect();
        assert!(keys.is_sorted_by(|a, b| a > b), "newest first");
        let (mut parts, mut before) = (Vec::new(), None);
        loop {
            let page = browser.calls(CallsQuery { before, limit: 7, ..asked.clone() }).await.unwrap();
            parts.extend(page.items.iter().map(by_number));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(parts, whole.items.iter().map(by_number).collect::<Vec<_>>());
    }
    let gone = CallsQuery { before: Some(-5), ..query() };
    assert_eq!(numbers(&browser, gone).await, [0; 0]);
}

fn follower(number: u64, verdict: Verdict, status: &str) -> AnswerNote {
    let payload = format!(r#"{{"idTagInfo":{{"status":"{status}"}}}}"#);
    let differences = if verdict == Verdict::Conflict { difference() } else { Vec::new() };
    AnswerNote { differences, ..answer(number, "acme", verdict, &payload) }
}

#[tokio::test]
async fn a_call_differs_when_a_follower_decided_differently_whichever_came_first() {
    let world = World::new();
    let store = world.open();
    note_answer(&store, follower(1, Verdict::Conflict, "Invalid"));
    for number in 1..=8 {
        note_call(&store, authorize(number, "CARD", "Accepted"));
    }
    note_answer(&store, follower(2, Verdict::Conflict, "Invalid"));
    note_answer(&store, follower(3, Verdict::Same, "Accepted"));
    note_answer(&store, follower(4, Verdict::Late, "Invalid"));
    note_answer(&store, follower(5, Verdict::Late, "Accepted"));
    note_answer(&store, AnswerNote { differences: difference(), ..follower(6, Verdict::Skew, "Accepted") });
    let failed = Outcome::Error { code: "GenericError".into(), description: "".into() };
    let failed = AnswerNote {
        outcome: failed.clone(),
        differences: difference(),
        ..follower(7, Verdict::FollowerError, "")
    };
    note_answer(&store, failed);
    let silent = Outcome::Unanswered("timeout");
    note_answer(&store, AnswerNote { outcome: silent, ..follower(8, Verdict::FollowerError, "") });
    store.flush().await.unwrap();
    let browser = world.browser();
    let differs = CallsQuery { outcome: Some(OutcomeIs::Differs), ..query() };
    assert_eq!(numbers(&browser, differs.clone()).await, [7, 4, 2, 1]);
    assert_eq!(numbers(&browser, CallsQuery { charger: None, ..differs }).await, [7, 4, 2, 1]);
    let summary = browser.charger(&charger()).await.unwrap().unwrap();
    assert_eq!(summary.diverging_24h, 4);
}

#[tokio::test]
async fn one_call_is_found_with_its_answers() {
    let world = World::new();
    let store = world.open();
    note_call(&store, authorize(1, "CARD", "Accepted"));
    note_answer(&store, follower(1, Verdict::Conflict, "Invalid"));
    store.flush().await.unwrap();
    let browser = world.browser();
    let found = browser.call(trace(1)).await.unwrap().unwrap();
    assert_eq!((found.charger, found.answers.len()), (charger(), 1));
    assert_eq!(found.answers[0].differences[0].pointer, "/idTagInfo/status");
    assert_eq!(browser.call(trace(2)).await.unwrap(), None);
}

#[tokio::test]
async fn the_actions_of_a_charger_are_named_once() {
    let world = World::new();
    let store = world.open();
    fill(&store).await;
    note(&store, "SITE1-CP1", call(13, "HEARTBEAT", "{}", "{}"));
    note(&store, "SITE1-CP1", call(14, "<script>'", "{}", "{}"));
    note(&store, "OTHER", call(15, "Elsewhere", "{}", "{}"));
    store.flush().await.unwrap();
    let actions = world.browser().actions(&"site1-cp1".into()).await.unwrap();
    let expected = [
        "<script>'",
        "Authorize",
        "Heartbeat",
        "MeterValues",
        "RemoteStopTransaction",
        "Reset",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
    ];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn news_pass_the_same_filter() {
    let world = World::new();
    let store = world.open();
    let browser = world.browser();
    note_call(&store, authorize(1, "CARD", "Accepted"));
    store.flush().await.unwrap();
    let cursor = browser.cursor().await.unwrap();
    let arrived = || LogEntry::Occurrence {
        unix_ms: now(),
        kind: "charger_arrived",
        who: "charger".into(),
        detail: String::new(),
    };
    note_call(&store, call(2, "Heartbeat", "{}", "{}"));
    note_call(&store, authorize(3, "OTHER", "Blocked"));
    note_answer(&store, follower(1, Verdict::Conflict, "Invalid"));
    store.note(&charger(), arrived());
    store.note(&"ELSEWHERE".into(), arrived());
    store.flush().await.unwrap();

    let kinds = async |query: CallsQuery| {
        let news = browser.news(query, cursor).await.unwrap();
        assert_eq!(news.cursor, browser.cursor().await.unwrap());
        let kinds = news.items.iter().map(|item| match item {
            NewsItem::Call(call) => call.action.clone(),
            NewsItem::LateAnswer { .. } => "late".to_owned(),
            NewsItem::Occurrence { occurrence } => occurrence.charger.to_string(),
        });
        kinds.collect::<Vec<_>>()
    };
    let everywhere = CallsQuery { charger: None, ..query() };
    assert_eq!(kinds(everywhere).await, ["Heartbeat", "Authorize", "late", "SITE1-CP1", "ELSEWHERE"]);
    assert_eq!(kinds(query()).await, ["Heartbeat", "Authorize", "late", "SITE1-CP1"]);
    let hidden = CallsQuery { hide_routine: true, ..query() };
    assert_eq!(kinds(hidden).await, ["Authorize", "late", "SITE1-CP1"]);
    assert_eq!(kinds(CallsQuery { text: "blocked".into(), ..query() }).await, ["Authorize"]);
    assert_eq!(kinds(CallsQuery { text: "ARRIVED".into(), ..query() }).await, ["SITE1-CP1"]);
    assert_eq!(kinds(CallsQuery { id_tag: Some("card".into()), ..query() }).await, ["late"]);
    assert_eq!(kinds(CallsQuery { outcome: Some(OutcomeIs::Differs), ..query() }).await, ["late"]);
    assert_eq!(kinds(CallsQuery { outcome: Some(OutcomeIs::Refused), ..query() }).await, ["Authorize"]);
    assert_eq!(kinds(CallsQuery { action: Some("Reset".into()), ..query() }).await, [""; 0]);
    assert_eq!(kinds(CallsQuery { transaction: Some(7), ..query() }).await, [""; 0]);
    let backoffice = Caller::Backoffice(BackofficeId::from("volt"));
    assert_eq!(kinds(CallsQuery { caller: Some(backoffice), ..query() }).await, [""; 0]);

    // In small parts nothing is lost.
    let (mut cursor, mut seen) = (0, BTreeSet::new());
    loop {
        let news = browser.news(CallsQuery { limit: 1, ..query() }, cursor).await.unwrap();
        if news.items.is_empty() {
            break;
        }
        seen.extend(news.items.iter().map(NewsItem::seq));
        cursor = news.cursor;
    }
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn occurrences_are_listed_by_time() {
    let world = World::new();
    let store = world.open();
    for after in [10, 30, 20] {
        let (unix_ms, detail) = (base() + after, format!("at {after}"));
        store
            .note(&charger(), LogEntry::Occurrence { unix_ms, kind: "alert", who: "charger".into(), detail });
    }
    store.flush().await.unwrap();
    let browser = world.browser();
    let times = async |since, until, limit| {
        let time = |after: Option<i64>| after.map(|after| base() + after);
        let all = browser.occurrences(&"site1-cp1".into(), time(since), time(until), limit).await.unwrap();
        all.iter().map(|one| one.unix_ms - base()).collect::<Vec<_>>()
    };
    assert_eq!(times(None, None, 10).await, [30, 20, 10]);
    assert_eq!(times(Some(20), None, 10).await, [30, 20]);
    assert_eq!(times(Some(10), Some(20), 10).await, [20, 10]);
    assert_eq!(times(None, None, 1).await, [30]);
}
