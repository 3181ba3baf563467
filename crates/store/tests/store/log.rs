//! The message log: what is written, found and followed.

use engine::{Difference, Outcome, Side, TransactionState, Verdict};
use store::{Filter, LogEntry, NewsItem};

use crate::world::*;

const START: &str =
    "{\"connectorId\":2, \"idTag\":\"CARD\",\"meterStart\":0,\"timestamp\":\"222222017-10-27T19:10:11Z\"}";
const STARTED: &str = "{\"transactionId\":7,\"idTagInfo\":{\"status\":\"Accepted\"}}";

#[tokio::test]
async fn a_row_says_who_said_what() {
    let world = World::new();
    let store = world.open();
    note_answer(&store, answer(1, "volt", Verdict::Leader, STARTED));
    note_call(&store, call(1, "StartTransaction", START, STARTED));
    let theirs = "{\"transactionId\":1007,\"idTagInfo\":{\"status\":\"Invalid\"}}";
    let mut conflict = answer(1, "acme", Verdict::Conflict, theirs);
    conflict.differences = vec![Difference {
        pointer: "/idTagInfo/status".to_owned(),
        leader: Some("\"Accepted\"".to_owned()),
        follower: Some("\"Invalid\"".to_owned()),
    }];
    note_answer(&store, conflict);
    note_answer(&store, answer(1, "same", Verdict::Same, STARTED));
    let mut failed = answer(1, "broken", Verdict::FollowerError, "");
    failed.outcome =
        Outcome::Error { code: "InternalError".into(), description: "at ftp://u:c4n4ry@h/".into() };
    note_answer(&store, failed);
    store.flush().await.unwrap();

    let calls = world.log().calls(&everything()).unwrap();
    assert_eq!(calls.len(), 1);
    let row = &calls[0];
    assert_eq!((row.trace, &row.charger, &row.from), (trace(1), &charger(), &Side::Charger));
    assert_eq!((row.action.as_str(), row.payload.as_str()), ("StartTransaction", START));
    assert_eq!((row.outcome.as_str(), row.answer.as_deref()), ("result", Some(STARTED)));
    assert_eq!((row.decider.as_str(), row.decided_by.as_deref()), ("leader", Some("volt")));
    assert_eq!((row.latency_us, row.redacted), (1_500, false));
    assert_eq!(row.flags, ["json_dup_key", "inferred"]);
    assert_eq!((row.id_tag.as_deref(), row.status.as_deref()), (Some("CARD"), Some("Accepted")));
    assert_eq!((row.transaction_number, row.connector_id), (Some(7), Some(2)));

    let [volt, acme, same, broken] = row.answers.as_slice() else { panic!("{:?}", row.answers) };
    assert!(volt.led && volt.same && volt.payload.is_none());
    assert_eq!((acme.verdict.as_str(), acme.payload.as_deref()), ("conflict", Some(theirs)));
    assert_eq!((acme.transaction_number, acme.status.as_deref()), (Some(1007), Some("Invalid")));
    assert_eq!(acme.differences[0].pointer, "/idTagInfo/status");
    assert!(same.same && same.payload.is_none() && !same.led);
    assert_eq!(same.transaction_number, Some(7));
    assert_eq!(broken.error_code.as_deref(), Some("InternalError"));
    assert_eq!(broken.error_description.as_deref(), Some("at ftp://«redacted»@h/"));
    assert!(broken.redacted);

    let json = serde_json::to_value(row).unwrap();
    assert_eq!(json["from"], "charger");
    assert_eq!(json["answers"][1]["differences"][0]["follower"], "\"Invalid\"");
}

#[tokio::test]
async fn the_leaders_answer_is_stored_once_whichever_comes_first() {
    let world = World::new();
    let store = world.open();
    note_call(&store, call(1, "Heartbeat", "{}", "{\"a\":1}"));
    note_answer(&store, answer(1, "volt", Verdict::Leader, "{\"a\":1}"));
    note_answer(&store, answer(2, "volt", Verdict::Leader, "{\"a\":1}"));
    note_call(&store, call(2, "Heartbeat", "{}", "{\"a\":1}"));
    // The originator got something else than the leader said.
    note_answer(&store, answer(3, "volt", Verdict::Leader, "{\"a\":2}"));
    note_call(&store, call(3, "Heartbeat", "{}", "{\"a\":1}"));
    store.flush().await.unwrap();
    let calls = world.log().calls(&everything()).unwrap();
    let stored: Vec<_> = calls.iter().map(|call| call.answers[0].payload.as_deref()).collect();
    assert_eq!(stored, [None, None, Some("{\"a\":2}")]);
}

#[tokio::test]
async fn what_is_secret_never_reaches_the_disk() {
    let world = World::new();
    let store = world.open();
    let mut change = call(
        1,
        "ChangeConfiguration",
        r#"{"key":"AuthorizationKey","value":"c4n4ry"}"#,
        r#"{"status":"Accepted"}"#,
    );
    change.from = Side::Backoffice("volt".into());
    note_call(&store, change);
    note_call(
        &store,
        call(2, "GetDiagnostics", r#"{"location":"ftp://u:c4n4ry@h/"}"#, r#"{"password":"c4n4ry"}"#),
    );
    let mut differing = answer(2, "acme", Verdict::Conflict, r#"{"password":"c4n4ry"}"#);
    differing.differences = vec![Difference {
        pointer: "/password".to_owned(),
        leader: Some("\"c4n4ry\"".to_owned()),
        follower: Some("\"c4n4ry\"".to_owned()),
    }];
    note_answer(&store, differing);
    note_call(&store, call(3, "password=c4n4ry", "c4n4ry, not JSON", "{\"broken\":\"c4n4ry"));
    let detail = "dialing wss://u:c4n4ry@h/".to_owned();
    let occurrence =
        LogEntry::Occurrence { unix_ms: now(), kind: "link_down", who: "volt".to_owned(), detail };
    store.note(&charger(), occurrence);
    store.flush().await.unwrap();
    assert_eq!(store.figures().written(), 5);

    let log = world.log();
    let calls = log.calls(&everything()).unwrap();
    assert_eq!(calls.iter().filter(|call| call.redacted).count(), 3);
    assert_eq!(calls[0].payload, r#"{"key":"AuthorizationKey","value":"«redacted»"}"#);
    store.close().await;
    let mut files = 0;
    for file in std::fs::read_dir(world.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"c4n4ry"));
        files += 1;
    }
    assert!(files >= 2, "{files}");
}

#[tokio::test]
async fn a_search_finds_what_people_look_for() {
    let world = World::new();
    let store = world.open();
    store.keep(&charger(), vec![kept(transaction(7, TransactionState::Open))]).await.unwrap();
    note_call(&store, call(7, "StartTransaction", START, STARTED));
    note_call(&store, call(2, "MeterValues", "{\"connectorId\":2,\"transactionId\":7}", "{}"));
    let mut stop = call(3, "RemoteStopTransaction", "{\"transactionId\":1007}", "{\"status\":\"Accepted\"}");
    stop.from = Side::Backoffice("acme".into());
    note_call(&store, stop);
    // The same number, but of another party: another transaction.
    let mut stranger =
        call(4, "RemoteStopTransaction", "{\"transactionId\":1007}", "{\"status\":\"Rejected\"}");
    stranger.from = Side::Backoffice("volt".into());
    note_call(&store, stranger);
    note_call(
        &store,
        call(5, "Authorize", "{\"idTag\":\"50%_\\\\x\"}", "{\"idTagInfo\":{\"status\":\"Blocked\"}}"),
    );
    note_answer(&store, answer(5, "acme", Verdict::Conflict, "{\"idTagInfo\":{\"status\":\"Expired\"}}"));
    let mut failed = call(6, "DataTransfer", "{\"vendorId\":\"v\"}", "");
    failed.outcome = Outcome::Error { code: "GenericError".into(), description: "no such thing".into() };
    note_call(&store, failed);
    let elsewhere = LogEntry::Call(Box::new(call(8, "StartTransaction", START, STARTED)));
    store.note(&"OTHER".into(), elsewhere);
    store.flush().await.unwrap();

    let log = world.log();
    let found = |search: &str| {
        let calls = log.calls(&Filter { search: Some(search.to_owned()), ..everything() }).unwrap();
        let mut numbers: Vec<_> = calls.iter().map(|call| u64::try_from(call.trace.0.0).unwrap()).collect();
        // The order is by the clock, which goes on between the calls.
        numbers.sort_unstable();
        numbers
    };
    let cases: [(&str, &[u64]); 18] = [
        ("", &[2, 3, 4, 5, 6, 7]),
        ("StartTransaction", &[7]),
        ("starttrans", &[7]),
        ("CARD", &[7]),
        ("7", &[2, 3, 4, 7]),
        ("\"transactionId\":7", &[2, 7]),
        ("1007", &[2, 3, 4, 7]),
        ("1007 acme", &[]),
        ("MeterValues 1007", &[2]),
        ("Blocked", &[5]),
        ("Expired", &[5]),
        ("acme", &[5]),
        ("50%_\\\\x", &[5]),
        ("%", &[5]),
        ("A_thorize", &[]),
        ("GenericError", &[6]),
        ("such", &[6]),
        ("' OR 1=1 --", &[]),
    ];
    for (search, expected) in cases {
        assert_eq!(found(search), expected, "of {search:?}");
    }
    assert_eq!(cases.len(), 18);
    assert_eq!(found(&trace(6).to_string()), [6]);
}

#[tokio::test]
async fn the_filter_narrows_by_action_time_and_count() {
    let world = World::new();
    let store = world.open();
    let start = now();
    for number in 0..10 {
        let mut one = call(number, if number % 2 == 0 { "Heartbeat" } else { "Authorize" }, "{}", "{}");
        one.received_unix_ms = start + number as i64;
        note_call(&store, one);
    }
    store.flush().await.unwrap();
    let log = world.log();
    let times = |filter: Filter| {
        log.calls(&filter).unwrap().iter().map(|call| call.received_unix_ms - start).collect::<Vec<_>>()
    };
    assert_eq!(times(Filter { limit: 3, ..everything() }), [0, 1, 2]);
    assert_eq!(times(Filter { limit: 3, ..Filter::of(charger()) }), [9, 8, 7]);
    assert_eq!(times(Filter { since_unix_ms: Some(start + 8), ..everything() }), [8, 9]);
    assert_eq!(times(Filter { action: Some("heartbeat".to_owned()), ..everything() }), [0, 2, 4, 6, 8]);
    assert_eq!(times(Filter { action: Some("Heart".to_owned()), ..everything() }), [0_i64; 0]);
    let seq = log.calls(&everything()).unwrap()[6].seq;
    assert_eq!(times(Filter { after: Some(seq), ..everything() }), [7, 8, 9]);
}

#[tokio::test]
async fn occurrences_are_listed() {
    let world = World::new();
    let store = world.open();
    let start = now();
    for (unix_ms, kind, who) in [
        (start, "charger_arrived", "charger"),
        (start + 1, "link_down", "acme"),
        (start + 2, "link_up", "acme"),
    ] {
        let entry =
            LogEntry::Occurrence { unix_ms, kind, who: who.to_owned(), detail: "as it was".to_owned() };
        store.note(&charger(), entry);
    }
    store.flush().await.unwrap();
    let log = world.log();
    let kinds = |filter: Filter| {
        log.occurrences(&filter).unwrap().into_iter().map(|one| one.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(everything()), ["charger_arrived", "link_down", "link_up"]);
    assert_eq!(kinds(Filter { since_unix_ms: Some(start + 2), ..everything() }), ["link_up"]);
    assert_eq!(kinds(Filter { action: Some("link_down".to_owned()), ..everything() }), ["link_down"]);
    assert_eq!(
        kinds(Filter { search: Some("acme was".to_owned()), limit: 1, ..Filter::of(charger()) }),
        ["link_up"]
    );
}

/// What a follower of the log sees, in short.
fn told(items: &[NewsItem]) -> Vec<String> {
    let tell = |item: &NewsItem| match item {
        NewsItem::Call(call) => {
            let answers: Vec<_> = call.answers.iter().map(|answer| answer.backoffice.as_str()).collect();
            format!("{} {}", call.trace.0.0, answers.join(","))
        }
        NewsItem::LateAnswer { trace, answer, .. } => format!("{} late {}", trace.0.0, answer.backoffice),
        NewsItem::Occurrence { occurrence } => format!("{} {}", occurrence.who, occurrence.kind),
    };
    items.iter().map(tell).collect()
}

#[tokio::test]
async fn following_tells_each_call_and_each_answer_once_in_order() {
    let world = World::new();
    let store = world.open();
    let log = world.log();
    note_call(&store, call(1, "Heartbeat", "{}", "{}"));
    store.flush().await.unwrap();
    let start = log.cursor().unwrap();

    note_answer(&store, answer(2, "volt", Verdict::Leader, "{}"));
    note_answer(&store, answer(1, "acme", Verdict::Noise, "{}"));
    store.flush().await.unwrap();
    // The call of the first answer is not written yet: it will bring its answer along.
    let news = log.news(&everything(), start).unwrap();
    assert_eq!(told(&news.items), ["1 late acme"]);

    note_call(&store, call(2, "Heartbeat", "{}", "{}"));
    note_answer(&store, answer(2, "acme", Verdict::Noise, "{}"));
    note_call(&store, call(3, "Heartbeat", "{}", "{}"));
    store.note(&"OTHER".into(), LogEntry::Call(Box::new(call(4, "Heartbeat", "{}", "{}"))));
    store.flush().await.unwrap();
    let news = log.news(&everything(), news.cursor).unwrap();
    assert_eq!(told(&news.items), ["2 volt,acme", "3 "]);
    let rest = log.news(&everything(), news.cursor).unwrap();
    assert_eq!(told(&rest.items), Vec::<String>::new());

    let down = |who: &str| {
        let (who, detail) = (who.to_owned(), "timed out".to_owned());
        LogEntry::Occurrence { unix_ms: now(), kind: "link_down", who, detail }
    };
    store.note(&charger(), down("acme"));
    store.note(&"OTHER".into(), down("volt"));
    note_answer(&store, answer(3, "acme", Verdict::Late, "{}"));
    store.flush().await.unwrap();
    let news = log.news(&everything(), rest.cursor).unwrap();
    assert_eq!(told(&news.items), ["acme link_down", "3 late acme"]);
    let only_answers = Filter { action: Some("Heartbeat".to_owned()), ..everything() };
    assert_eq!(told(&log.news(&only_answers, rest.cursor).unwrap().items), ["3 late acme"]);

    // In small bites from the start, nothing is told twice and nothing is left out.
    let mut cursor = 0;
    let mut all = Vec::new();
    loop {
        let news = log.news(&Filter { limit: 1, ..everything() }, cursor).unwrap();
        if news.cursor == cursor {
            break;
        }
        cursor = news.cursor;
        all.extend(told(&news.items));
    }
    assert_eq!(all, ["1 ", "1 late acme", "2 volt", "2 late acme", "3 ", "acme link_down", "3 late acme"]);
}

#[tokio::test]
async fn following_goes_on_across_a_restart_and_an_emptied_log() {
    let world = World::new();
    let store = world.open();
    note_call(&store, call(1, "Heartbeat", "{}", "{}"));
    store.flush().await.unwrap();
    let cursor = world.log().cursor().unwrap();
    store.close().await;
    let settings = store::Settings { keep_log_bytes: 0, ..store::Settings::default() };
    let store = store::Store::open(&world.path(), settings).unwrap();
    store.tidy().await.unwrap();
    store.close().await;
    assert_eq!(world.log().calls(&everything()).unwrap(), []);

    let store = world.open();
    note_call(&store, call(2, "Heartbeat", "{}", "{}"));
    store.flush().await.unwrap();
    assert_eq!(told(&world.log().news(&everything(), cursor).unwrap().items), ["2 "]);
}

#[tokio::test]
async fn reading_goes_on_beside_the_writer_and_without_it() {
    let world = World::new();
    let store = world.open();
    let path = world.path();
    let rows = 3_000;
    let reader = std::thread::spawn(move || {
        let log = store::LogReader::open(&path).unwrap();
        let (mut cursor, mut seen, mut looks) = (0, 0, 0);
        while seen < rows {
            let news = log.news(&everything(), cursor).unwrap();
            assert!(news.cursor >= cursor);
            cursor = news.cursor;
            seen += news.items.len() as u64;
            looks += 1;
            std::thread::yield_now();
        }
        (seen, looks)
    });
    for number in 0..rows {
        note_call(&store, call(number, "Heartbeat", "{}", "{}"));
    }
    store.flush().await.unwrap();
    let (seen, looks) = reader.join().unwrap();
    assert_eq!(seen, rows);
    assert!(looks > 0);
    store.close().await;
    assert_eq!(world.log().calls(&everything()).unwrap().len(), 3_000);
}

#[tokio::test]
async fn hostile_values_do_no_harm() {
    let world = World::new();
    let store = world.open();
    let payloads = [
        START.to_owned(),
        "{\"transactionId\":99999999999999999999999999,\"connectorId\":1e2}".to_owned(),
        "{\"transactionId\":9223372036854775807,\"connectorId\":-9223372036854775808}".to_owned(),
        "{\"idTag\":\"A\",\"idTag\":\"B\"}".to_owned(),
        format!("{{\"idTag\":\"{}\"}}", "é".repeat(100_000)),
        "{\"idTag\":{\"a\":1},\"status\":7}".to_owned(),
        "[".repeat(500_000),
        "{\"idTag\":\"\\u0000\\ud800\"}".to_owned(),
        "{\"timestamp\":\"-999999999-99-99T99:99:99.999999999+99:99\"}".to_owned(),
    ];
    for (number, payload) in payloads.iter().enumerate() {
        let mut one = call(number as u64, "StatusNotification", payload, "{}");
        one.received_unix_ms = now() + number as i64;
        one.latency_us = u64::MAX;
        note_call(&store, one);
    }
    let mut odd = call(9, "é\u{1b}[31m😀", "{}", "{}");
    odd.received_unix_ms = i64::MAX;
    note_call(&store, odd);
    store.flush().await.unwrap();
    assert_eq!(store.figures().dropped(), 0);
    let calls = world.log().calls(&everything()).unwrap();
    assert_eq!(calls.len(), 10);
    assert_eq!(calls[0].payload, START);
    assert_eq!((calls[1].transaction_number, calls[1].connector_id), (None, None));
    assert_eq!((calls[2].transaction_number, calls[2].connector_id), (Some(i64::MAX), Some(i64::MIN)));
    assert_eq!(calls[3].id_tag.as_deref(), Some("B"));
    assert_eq!(calls[4].id_tag.as_ref().unwrap().chars().count(), 255);
    assert_eq!(calls[4].payload, payloads[4]);
    assert_eq!((calls[5].id_tag.as_deref(), calls[5].status.as_deref()), (None, None));
    assert_eq!(calls[9].action, "é\u{1b}[31m😀");
    store.tidy().await.unwrap();
}

#[tokio::test]
async fn the_chargers_that_are_logged_are_listed_once_each() {
    let world = World::new();
    let store = world.open();
    for (number, name) in [(1, "B"), (2, "A"), (3, "B"), (4, "C")] {
        let entry = LogEntry::Call(Box::new(call(number, "Heartbeat", "{}", "{}")));
        store.note(&engine::ChargerId::from(name), entry);
    }
    store.flush().await.unwrap();
    let names = |limit| -> Vec<String> {
        world.log().chargers(limit).unwrap().iter().map(|charger| charger.to_string()).collect()
    };
    assert_eq!(names(10), ["A", "B", "C"]);
    assert_eq!(names(2), ["A", "B"]);
}
