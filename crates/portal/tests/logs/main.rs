//! View > Logs as a browser gets it: a real store, a real gateway without chargers, a real portal.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod world;

use std::collections::BTreeSet;

use engine::{Decider, Difference, Outcome, Side, Verdict};
use store::LogEntry;
use tokio::io::AsyncWriteExt;

use world::{World, answer, call, trace};

/// Somebody starts to charge at volt, and acme does not know the card.
fn start(world: &World, number: u64) {
    let leaders = r#"{"idTagInfo":{"status":"Accepted"},"transactionId":501}"#;
    let payload = r#"{"connectorId":1,"idTag":"04E1A2B3","meterStart":15300}"#;
    world.note(LogEntry::Call(Box::new(call(number, "StartTransaction", payload, leaders))));
    world.note(LogEntry::Answer(Box::new(answer(number, "volt", Verdict::Leader, leaders))));
    let mut differs =
        answer(number, "acme", Verdict::Conflict, r#"{"idTagInfo":{"status":"Invalid"},"transactionId":7}"#);
    differs.differences.push(Difference {
        pointer: "/idTagInfo/status".to_owned(),
        leader: Some("\"Accepted\"".to_owned()),
        follower: Some("\"Invalid\"".to_owned()),
    });
    world.note(LogEntry::Answer(Box::new(differs)));
}

fn heartbeat(world: &World, number: u64) {
    world.note(LogEntry::Call(Box::new(call(number, "Heartbeat", "{}", r#"{"currentTime":"t"}"#))));
}

/// The traces of the rows, in the order of the page.
fn rows(page: &str) -> Vec<String> {
    page.split("id=\"call-").skip(1).map(|rest| rest[..26].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_found_with_its_status_and_its_card() {
    let world = World::new().await;
    heartbeat(&world, 1);
    start(&world, 2);
    heartbeat(&world, 3);
    world.written().await;

    let page = world.get("/chargers/SITE1-CP1/logs?q=StartTransaction").await;
    assert_eq!(page.status, 200);
    assert_eq!(rows(&page.body), [trace(2).to_string()]);
    for expected in
        ["idTagInfo status", "card accepted", "card refused: not known", "data-copy=\"04E1A2B3\"", "DIFFERS"]
    {
        assert!(page.body.contains(expected), "{expected} is not in {}", page.body);
    }

    let all = world.get("/chargers/SITE1-CP1/logs").await;
    assert_eq!(rows(&all.body).len(), 3);
    // Only what occurs can be chosen.
    assert!(all.body.contains("<option value=\"Heartbeat\">") && !all.body.contains("value=\"Reset\""));

    let found = [
        ("q=04e1a2b3", 1),
        ("q=501", 1),
        ("q=7", 1),
        ("q=acme+invalid", 1),
        ("q=Heartbeat+501", 0),
        ("outcome=differs", 1),
        ("outcome=refused", 0),
        ("routine=hide", 1),
        ("action=heartbeat", 2),
        ("from=charger", 3),
        ("from=backoffices", 0),
        ("id_tag=04e1a2b3", 1),
        ("time=7d", 3),
        ("since=2001-09-09T01:46:40", 3),
        ("until=2001-09-09T01:46:40", 0),
    ];
    for (parameters, expected) in found {
        let page = world.get(&format!("/chargers/SITE1-CP1/logs?{parameters}")).await;
        assert_eq!((page.status, rows(&page.body).len()), (200, expected), "{parameters}");
        assert_eq!(page.body.contains("Nothing matches"), expected == 0, "{parameters}");
    }
    assert_eq!(found.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_pages_show_everything_once() {
    let world = World::new().await;
    for number in 1..=250 {
        heartbeat(&world, number);
        if number % 10 == 0 {
            world.occurrence(number, "charger_left", "closed with 1006");
        }
    }
    world.written().await;
    let (mut address, mut seen, mut happened, mut pages) =
        ("/chargers/SITE1-CP1/logs".to_owned(), Vec::new(), 0, 0);
    loop {
        let page = world.get(&address).await.body;
        seen.extend(rows(&page));
        happened += page.matches("id=\"occurrence-").count();
        pages += 1;
        let Some(link) = page.split("data-older=\"\" href=\"").nth(1) else { break };
        address = link.split('"').next().unwrap().replace("&amp;", "&");
    }
    let expected: Vec<String> = (1..=250).rev().map(|number| trace(number).to_string()).collect();
    assert_eq!(seen, expected);
    assert_eq!((happened, pages), (25, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_has_a_page_of_its_own() {
    let world = World::new().await;
    start(&world, 1);
    world.written().await;
    let page = world.get(&format!("/calls/{}", trace(1))).await;
    assert_eq!(page.status, 200);
    for expected in
        ["What happened around it", "Everything about ", "transaction 501", "&quot;meterStart&quot;: 15300"]
    {
        assert!(page.body.contains(expected), "{expected} is not in {}", page.body);
    }
    for missing in ["/calls/zebra", &format!("/calls/{}", trace(99)), "/chargers/NOBODY/logs"] {
        assert_eq!(world.get(missing).await.status, 404, "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_to_whoever_is_not_logged_in() {
    let world = World::new().await;
    start(&world, 1);
    world.written().await;
    let pages = ["logs", "logs.csv", "logs.ndjson", "tail"].map(|page| format!("/chargers/SITE1-CP1/{page}"));
    for page in pages.into_iter().chain([format!("/calls/{}", trace(1))]) {
        let refused = world.get_as_stranger(&page).await;
        assert_ne!(refused.status, 200, "{page}");
        assert!(!refused.body.contains("04E1A2B3"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_is_exported_as_lines_and_as_a_table() {
    let world = World::new().await;
    for number in 1..=120 {
        heartbeat(&world, number);
    }
    start(&world, 200);
    let payload = r#"{"idTag":"=HYPERLINK(\"//evil.example\")"}"#;
    let refused = r#"{"idTagInfo":{"status":"Blocked"}}"#;
    world.note(LogEntry::Call(Box::new(call(201, "Authorize", payload, refused))));
    world.written().await;

    let lines = world.get("/chargers/SITE1-CP1/logs.ndjson").await;
    assert!(lines.head.contains("attachment; filename=\"SITE1-CP1-logs-"), "{}", lines.head);
    let traces: BTreeSet<String> = lines
        .body
        .lines()
        .map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(entry["kind"], "call");
            entry["trace"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!((traces.len(), lines.body.lines().count()), (122, 122));

    let table = world.get("/chargers/SITE1-CP1/logs.csv?routine=hide").await;
    let records: Vec<&str> = table.body.split("\r\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(records.len(), 3, "{}", table.body);
    assert!(records[0].starts_with("\u{feff}\"received (UTC)\",\"charger\""), "{}", records[0]);
    assert!(records[1].contains(",\"'=HYPERLINK(\"\"//evil.example\"\")\","), "{}", records[1]);
    assert!(
        records[2].contains("\"volt (leader): Accepted (card accepted), transaction 501; acme: Invalid"),
        "{}",
        records[2]
    );
    assert!(!table.body.contains("Heartbeat"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_tells_what_is_new_and_ends_with_the_portal() {
    let world = World::new().await;
    heartbeat(&world, 1);
    world.written().await;
    let page = world.get("/chargers/SITE1-CP1/logs?routine=hide").await.body;
    let address = page.split("data-live=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let mut tail = world.listen(&address, None).await;
    tail.until("retry: 3000").await;

    // A row whose text would end a line of the stream, and one that the filter leaves out.
    heartbeat(&world, 2);
    let vendor = r#"{"vendorId":"a\r\n\r\nevent: over\r\ndata: x"}"#;
    world.note(LogEntry::Call(Box::new(call(3, "DataTransfer", vendor, "{}"))));
    let heard = tail.until(&format!("id=\"call-{}\"", trace(3))).await;
    assert!(heard.contains("event: row\n"), "{heard}");
    assert!(!heard.contains("event: over") || heard.contains("\\r\\n\\r\\nevent: over"), "{heard}");
    assert!(!heard.contains(&trace(2).to_string()), "{heard}");

    // An answer that comes late brings the whole row again.
    let late = answer(3, "volt", Verdict::Leader, r#"{"status":"Rejected"}"#);
    world.note(LogEntry::Answer(Box::new(late)));
    let heard = tail.until("Rejected").await;
    assert!(heard.contains(&format!("id=\"call-{}\"", trace(3))), "{heard}");
    let seen = heard.split("id: ").nth(1).unwrap().split('\n').next().unwrap().to_owned();

    world.occurrence(4, "alert", "two with one name");
    tail.until("two with one name").await;

    // A browser that was cut off goes on where it was.
    let mut again = world.listen(&address, Some(&seen)).await;
    let heard = again.until("two with one name").await;
    assert!(!heard.contains(&trace(3).to_string()), "{heard}");

    world.portal.drain(std::time::Duration::from_secs(20)).await;
    let heard = again.rest().await;
    assert!(heard.contains("event: over\ndata: The proxy was stopped."), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_more_often_than_twelve_times_and_whoever_leaves_makes_room() {
    let world = World::new().await;
    heartbeat(&world, 1);
    world.written().await;
    let mut listeners = Vec::new();
    for _ in 0..12 {
        let mut tail = world.listen("/chargers/SITE1-CP1/tail", None).await;
        tail.until("welcome").await;
        listeners.push(tail);
    }
    let refused = world.get("/chargers/SITE1-CP1/tail").await;
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("No live tail is free"), "{}", refused.body);
    listeners.pop().unwrap().stream.shutdown().await.unwrap();
    // The place is free once the portal has noticed.
    loop {
        let mut tail = world.listen("/chargers/SITE1-CP1/tail", None).await;
        if tail.until("\r\n").await.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_failures_are_said_in_words() {
    let world = World::new().await;
    let command = engine::CallNote {
        from: Side::Backoffice("acme".into()),
        decider: Decider::Proxy("not granted"),
        ..call(1, "RemoteStartTransaction", r#"{"idTag":"A"}"#, r#"{"status":"Rejected"}"#)
    };
    world.note(LogEntry::Call(Box::new(command)));
    let lost = engine::CallNote {
        outcome: Outcome::Unanswered("leader_lost"),
        decider: Decider::Nobody,
        ..call(2, "Authorize", r#"{"idTag":"A"}"#, "{}")
    };
    world.note(LogEntry::Call(Box::new(lost)));
    world.written().await;
    let page = world.get("/chargers/SITE1-CP1/logs?from=backoffice%3Aacme").await.body;
    assert_eq!(rows(&page).len(), 1);
    assert!(
        page.contains("what proxy.toml lets it do (role and allow/deny) does not include this command"),
        "{page}"
    );
    let page = world.get("/chargers/SITE1-CP1/logs?outcome=unanswered").await.body;
    assert_eq!(rows(&page).len(), 1);
    assert!(page.contains("the leader was lost, so the proxy closed the charger's socket"), "{page}");
}
