//! What people see of a call, and that nothing a peer sends becomes part of the page.

mod hostile;

use engine::{BackofficeId, ChargerId, Side, TraceId};
use store::{LoggedAnswer, LoggedCall, LoggedDifference, LoggedOccurrence};

use super::choice::Choice;
use super::{page, row};

fn call(from: Side, action: &str) -> LoggedCall {
    LoggedCall {
        seq: 7,
        trace: TraceId::try_from("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()).unwrap(),
        charger: "CP1".into(),
        from,
        action: action.to_owned(),
        received_unix_ms: 1_795_352_583_999,
        payload: "{}".to_owned(),
        outcome: "result".to_owned(),
        answer: Some("{}".to_owned()),
        error_code: None,
        error_description: None,
        decider: "leader".to_owned(),
        decided_by: Some("volt".to_owned()),
        latency_us: 34_000,
        leader: "volt".into(),
        flags: Vec::new(),
        redacted: false,
        id_tag: None,
        transaction_number: None,
        connector_id: None,
        status: None,
        answers: Vec::new(),
    }
}

fn answer(backoffice: &str, verdict: &str, status: Option<&str>) -> LoggedAnswer {
    LoggedAnswer {
        seq: 8,
        backoffice: BackofficeId::from(backoffice),
        led: verdict == "leader",
        outcome: "result".to_owned(),
        same: false,
        payload: Some("{}".to_owned()),
        error_code: None,
        error_description: None,
        latency_us: 51_000,
        verdict: verdict.to_owned(),
        differences: Vec::new(),
        redacted: false,
        transaction_number: None,
        status: status.map(str::to_owned),
    }
}

/// The text of a page without its tags, words separated by single spaces.
fn text(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<') {
        text.push(' ');
        text.push_str(piece.split_once('>').map_or(piece, |(_, text)| text));
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn start() -> LoggedCall {
    let mut differing = answer("acme", "conflict", Some("Invalid"));
    differing.differences.push(LoggedDifference {
        pointer: "/idTagInfo/status".to_owned(),
        leader: Some("\"Accepted\"".to_owned()),
        follower: Some("\"Invalid\"".to_owned()),
    });
    let mut leading = answer("volt", "leader", Some("Accepted"));
    leading.transaction_number = Some(501);
    LoggedCall {
        id_tag: Some("04E1A2B3".to_owned()),
        connector_id: Some(1),
        transaction_number: Some(501),
        status: Some("Accepted".to_owned()),
        answers: vec![differing, answer("grid", "same", Some("Accepted")), leading],
        ..call(Side::Charger, "StartTransaction")
    }
}

#[test]
fn a_start_shows_the_status_the_card_and_everyones_answer_with_the_leaders_first() {
    let html = row::call(&start()).into_string();
    let said = text(&html);
    let places: Vec<usize> = [
        "from charger",
        "StartTransaction a charging session has started",
        "idTag 04E1A2B3",
        "connector 1",
        "transaction 501",
        "Decided by volt , the leader, in 34 ms.",
        "volt Leader 51 ms idTagInfo status Accepted card accepted transaction 501",
        "acme 51 ms idTagInfo status Invalid card refused: not known DIFFERS from the leader \
         idTagInfo.status : leader &quot;Accepted&quot; , acme &quot;Invalid&quot;",
        "grid 51 ms idTagInfo status Accepted card accepted same as the leader",
        "Permalink",
    ]
    .iter()
    .map(|expected| said.find(expected).unwrap_or_else(|| panic!("{expected:?} is not in {said}")))
    .collect();
    assert_eq!(places.len(), 10);
    assert!(places.is_sorted(), "{places:?} in {said}");
    assert!(html.contains("data-copy=\"04E1A2B3\""), "one click copies the card");
    assert!(html.contains("href=\"/calls/01ARZ3NDEKTSV4RRFFQ69G5FAV\""), "{html}");
    assert!(said.contains("Why was this card rejected?"), "acme refused it");
}

#[test]
fn whoever_decided_is_named_in_words() {
    let cases = [
        ("charger", None, "result", "The charger answered, in 34 ms."),
        (
            "proxy",
            Some("not granted"),
            "result",
            "The proxy itself answered, in 34 ms: what proxy.toml lets it do (role and allow/deny) does not include this command. [not granted]",
        ),
        ("proxy", Some("Z-99"), "result", "The proxy itself answered, in 34 ms. [Z-99]"),
        ("proxy", None, "result", "The proxy itself answered, in 34 ms."),
        (
            "nobody",
            None,
            "leader_lost",
            "Nobody answered: the leader was lost, so the proxy closed the charger&#39;s socket.",
        ),
        ("leader", Some("volt"), "result", "Decided by volt , the leader, in 34 ms."),
    ];
    assert_eq!(cases.len(), 6);
    for (decider, by, outcome, expected) in cases {
        let call = LoggedCall {
            decider: decider.to_owned(),
            decided_by: by.map(str::to_owned),
            outcome: outcome.to_owned(),
            ..call(Side::Backoffice("acme".into()), "RemoteStartTransaction")
        };
        let said = text(&row::call(&call).into_string()).replace("&#39;", "'");
        assert!(said.contains(&expected.replace("&#39;", "'")), "{expected} is not in {said}");
        assert!(said.contains("from acme"), "{said}");
    }
}

#[test]
fn what_was_taken_out_is_said_and_marked() {
    let call = LoggedCall {
        payload: r#"{"key":"AuthorizationKey","value":"«redacted»"}"#.to_owned(),
        redacted: true,
        ..call(Side::Backoffice("volt".into()), "ChangeConfiguration")
    };
    let html = row::call(&call).into_string();
    assert!(html.contains("<mark class=\"redacted\""), "{html}");
    assert!(text(&html).contains("key AuthorizationKey, value «redacted» redacted"), "{}", text(&html));
}

#[test]
fn occurrences_stand_between_the_calls_of_their_time() {
    let charger = ChargerId::from("CP1");
    let at = |unix_ms: i64, seq| LoggedCall { received_unix_ms: unix_ms, seq, ..start() };
    let calls = [at(3_000, 3), at(1_000, 1)];
    let happened = |unix_ms, kind: &str, detail: &str| LoggedOccurrence {
        seq: unix_ms,
        charger: charger.clone(),
        unix_ms,
        kind: kind.to_owned(),
        who: "volt".to_owned(),
        detail: detail.to_owned(),
    };
    let occurrences = [
        happened(4_000, "link_up", ""),
        happened(2_000, "alert", "two with one name"),
        happened(500, "charger_left", "1006"),
    ];
    let choice = Choice::default();
    let logs = page::Logs {
        charger: &charger,
        choice: &choice,
        actions: &[],
        backoffices: &[],
        calls: &calls,
        occurrences: &occurrences,
        older: None,
        cursor: 9,
        is_online: true,
        hides_cards: false,
    };
    let html = logs.body().into_string();
    let order = [
        "occurrence-4000",
        "data-before=\"3-3000\"",
        "occurrence-2000",
        "data-before=\"1-1000\"",
        "occurrence-500",
    ];
    let places: Vec<usize> = order.iter().map(|one| html.find(one).unwrap()).collect();
    assert_eq!(places.len(), 5);
    assert!(places.is_sorted(), "{places:?}");
    let said = text(&html);
    for expected in ["volt : connected", "volt : ALERT : two with one name", "volt : disconnected : 1006"] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
}

#[test]
fn an_empty_page_says_what_to_do() {
    let charger = ChargerId::from("CP1");
    let said = |choice: &Choice, is_online, older: Option<Choice>| {
        let logs = page::Logs {
            charger: &charger,
            choice,
            actions: &["Heartbeat".to_owned()],
            backoffices: &["volt".into()],
            calls: &[],
            occurrences: &[],
            older,
            cursor: 0,
            is_online,
            hides_cards: false,
        };
        text(&logs.body().into_string())
    };
    let everything = Choice::default();
    let narrowed = Choice { q: "zebra".to_owned(), routine: "hide".to_owned(), ..Choice::default() };
    let older = Choice { before: "5-6".to_owned(), ..narrowed.clone() };
    assert!(said(&everything, true, None).contains("What it says appears here by itself"));
    assert!(said(&everything, false, None).contains("Entries are kept for as long as [log]"));
    let nothing = said(&narrowed, true, None);
    assert!(nothing.contains("Nothing matches"), "{nothing}");
    assert!(nothing.contains("“zebra” (remove)"), "{nothing}");
    assert!(nothing.contains("without the routine (remove)"), "{nothing}");
    let so_far = said(&narrowed, true, Some(older));
    assert!(so_far.contains("Nothing found so far; there is more of the log to search. Older"), "{so_far}");
    assert!(!so_far.contains("Nothing matches"), "{so_far}");
}

#[test]
fn whoever_looks_for_a_start_that_never_was_is_told_where_the_refusal_stands() {
    let charger = ChargerId::from("CP1");
    let links = |parameters: &str, hides_cards| {
        let choice: Choice = serde_urlencoded::from_str(parameters).unwrap();
        let logs = page::Logs {
            charger: &charger,
            choice: &choice,
            actions: &[],
            backoffices: &[],
            calls: &[],
            occurrences: &[],
            older: None,
            cursor: 0,
            is_online: true,
            hides_cards,
        };
        let html = logs.body().into_string();
        let empty = html.split("<div class=\"empty\">").nth(1).unwrap().split("</div>").next().unwrap();
        let is_explained = text(empty).contains("and is refused never starts");
        assert_eq!(text(empty).contains("Viewers are not shown"), hides_cards, "{empty}");
        let links = empty.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let links: Vec<String> = links
            .map(|link| link.replace("&amp;", "&"))
            .filter(|link| link != "/chargers/CP1/logs")
            .map(|link| link.strip_prefix("/chargers/CP1/").unwrap().to_owned())
            .collect();
        (is_explained, links.join(" "))
    };
    let (authorize, why) = ("logs?q=Authorize", "cards?id_tag=");
    let cases = [
        (
            "q=StartTransaction+04E9A1C2&time=24h",
            false,
            true,
            "logs?q=04E9A1C2&time=24h logs?q=Authorize+04E9A1C2&time=24h cards?id_tag=04E9A1C2".to_owned(),
        ),
        ("q=bert+stoptransaction", false, true, format!("logs?q=bert {authorize}+bert {why}bert")),
        ("q=StartTransaction", false, true, format!("{authorize} {why}")),
        ("q=StartTransaction+501", false, true, format!("{authorize}+501 {why}")),
        ("q=StartTransaction+a+b", false, true, format!("{authorize}+a+b {why}")),
        (
            "q=x&action=StartTransaction&outcome=refused",
            false,
            true,
            "logs?q=x&outcome=refused logs?q=x&action=Authorize&outcome=refused cards?id_tag=x".to_owned(),
        ),
        (
            "action=StartTransaction&id_tag=A%26B",
            false,
            true,
            "logs?id_tag=A%26B logs?action=Authorize&id_tag=A%26B cards?id_tag=A%26B".to_owned(),
        ),
        ("q=Reset+04E9A1C2", false, false, format!("logs?q=04E9A1C2 {why}04E9A1C2")),
        ("q=04E9A1C2", false, false, format!("{why}04E9A1C2")),
        ("q=zebra", false, false, String::new()),
        ("q=StartTransaction+04E9A1C2", true, true, format!("{authorize} {why}")),
        ("q=04E9A1C2", true, false, String::new()),
    ];
    assert_eq!(cases.len(), 12);
    for (parameters, hides_cards, is_explained, expected) in cases {
        assert_eq!(links(parameters, hides_cards), (is_explained, expected), "{parameters}");
    }
}
