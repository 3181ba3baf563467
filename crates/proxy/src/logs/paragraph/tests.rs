//! What people see of a call.

use engine::{BackofficeId, TraceId};

use super::*;

fn call(from: Side, action: &str) -> LoggedCall {
    LoggedCall {
        seq: 1,
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

fn answer(backoffice: &str, verdict: &str) -> LoggedAnswer {
    LoggedAnswer {
        seq: 2,
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
        status: None,
    }
}

#[test]
fn a_session_start_on_which_the_backoffices_disagree() {
    let mut call = call(Side::Charger, "StartTransaction");
    call.id_tag = Some("04E1A2".to_owned());
    call.connector_id = Some(1);
    call.transaction_number = Some(42);
    call.status = Some("Accepted".to_owned());
    let mut leader = answer("volt", "leader");
    leader.status = Some("Accepted".to_owned());
    leader.transaction_number = Some(42);
    leader.latency_us = 900;
    let mut follower = answer("acme", "conflict");
    follower.status = Some("Invalid".to_owned());
    follower.transaction_number = Some(7);
    follower.differences = vec![LoggedDifference {
        pointer: "/idTagInfo/status".to_owned(),
        leader: Some("\"Accepted\"".to_owned()),
        follower: Some("\"Invalid\"".to_owned()),
    }];
    call.answers = vec![leader, follower];
    let expected = "\
2026-11-22 13:03:03.999  charger: StartTransaction – a charging session has started, card 04E1A2, connector 1, transaction 42
    volt (leader): Accepted (card accepted), transaction 42  (under 1 ms)
  ≠ acme: Invalid (card refused: not known), transaction 7 – DIFFERS from the leader  (51 ms)
      ≠ idTagInfo.status: leader \"Accepted\", acme \"Invalid\"
";
    assert_eq!(of_call(&call, &TimeZone::UTC), expected);
}

#[test]
fn a_command_and_the_charger_s_answer() {
    let mut call = call(Side::Backoffice("volt".into()), "RemoteStartTransaction");
    call.id_tag = Some("04E1A2".to_owned());
    call.answer = Some(r#"{"status":"Rejected"}"#.to_owned());
    call.decider = "charger".to_owned();
    let expected = "\
2026-11-22 13:03:03.999  volt (leader) to charger: RemoteStartTransaction – start a charging session, card 04E1A2
    charger: Rejected  (34 ms)
";
    assert_eq!(of_call(&call, &TimeZone::UTC), expected);
}

#[test]
fn a_command_that_the_proxy_refuses() {
    let mut call = call(Side::Backoffice("acme".into()), "Reset");
    call.status = Some("Rejected".to_owned());
    call.decider = "proxy".to_owned();
    call.decided_by = Some("not granted".to_owned());
    call.payload = r#"{"type":"Hard"}"#.to_owned();
    call.answer = Some(r#"{"status":"Rejected"}"#.to_owned());
    call.latency_us = 12_000_000;
    let expected = "\
2026-11-22 13:03:03.999  acme to charger: Reset – restart, Hard
    the proxy itself: Rejected – what proxy.toml lets it do (role and allow/deny) does not include this command [not granted]  (12 s)
";
    assert_eq!(of_call(&call, &TimeZone::UTC), expected);
    call.decided_by = Some("X-1".to_owned());
    assert!(of_call(&call, &TimeZone::UTC).contains("    the proxy itself: Rejected [X-1]  (12 s)\n"));
}

#[test]
fn nobody_answers_and_a_follower_fails() {
    let mut call = call(Side::Charger, "VendorThing\u{1b}[31m");
    call.outcome = "timeout".to_owned();
    call.decider = "nobody".to_owned();
    let mut follower = answer("acme", "follower_error");
    follower.outcome = "error".to_owned();
    follower.error_code = Some("NotImplemented".to_owned());
    follower.error_description = Some("what?\n".to_owned());
    call.answers = vec![follower];
    let expected = "\
2026-11-22 13:03:03.999  charger: VendorThing\\u{1b}[31m
    nobody answered: it took too long
  ≠ acme: error NotImplemented: what?\\n – FAILED  (51 ms)
";
    assert_eq!(of_call(&call, &TimeZone::UTC), expected);
}

#[test]
fn a_leader_that_is_too_slow() {
    let mut authorize = call(Side::Charger, "Authorize");
    authorize.outcome = "error".to_owned();
    authorize.answer = None;
    authorize.error_code = Some("GenericError".to_owned());
    authorize.error_description = Some("the backoffice did not answer in time".to_owned());
    authorize.decider = "proxy".to_owned();
    authorize.decided_by = Some("E16".to_owned());
    authorize.latency_us = 10_000_000;
    let mut leader = answer("volt", "leader");
    leader.status = Some("Accepted".to_owned());
    leader.latency_us = 12_000_000;
    authorize.answers = vec![leader.clone()];
    let expected = "\
2026-11-22 13:03:03.999  charger: Authorize – may this card charge?
    the proxy itself: error GenericError: the backoffice did not answer in time – the leader did not answer in time [E16]  (10 s)
    volt (leader): Accepted (card accepted), too late to count  (12 s)
";
    assert_eq!(of_call(&authorize, &TimeZone::UTC), expected);

    let mut start = call(Side::Charger, "StartTransaction");
    start.outcome = "leader_timeout".to_owned();
    start.answer = None;
    start.decider = "nobody".to_owned();
    let mut timeout = answer("volt", "leader");
    timeout.outcome = "timeout".to_owned();
    timeout.latency_us = 24_000_000;
    let mut late = leader.clone();
    late.verdict = "late".to_owned();
    late.latency_us = 28_000_000;
    late.led = true;
    start.answers = vec![timeout, late];
    let expected = "\
2026-11-22 13:03:03.999  charger: StartTransaction – a charging session has started
    nobody answered: the leader was too slow, so the proxy closed the charger's socket
    volt (leader): no answer: it took too long  (24 s)
    volt (leader): Accepted (card accepted), too late to count  (28 s)
";
    assert_eq!(of_call(&start, &TimeZone::UTC), expected);

    let continued = of_late_answer("Authorize", 0, &leader, &TimeZone::UTC);
    assert!(continued.ends_with("volt (leader): Accepted (card accepted), too late to count  (12 s)\n"));
    // Nobody waits for the answer to this one.
    let report = of_late_answer("FirmwareStatusNotification", 0, &leader, &TimeZone::UTC);
    assert!(report.ends_with("volt (leader): Accepted  (12 s)\n"), "{report}");
}

#[test]
fn what_a_connector_reports_is_said_and_who_was_not_asked() {
    let mut call = call(Side::Charger, "StatusNotification");
    call.connector_id = Some(1);
    call.status = Some("Faulted".to_owned());
    call.payload = r#"{"connectorId":1,"status":"Faulted","errorCode":"GroundFailure"}"#.to_owned();
    let mut away = answer("acme", "not_comparable");
    away.outcome = "not_connected".to_owned();
    call.answers = vec![away];
    let expected = "\
2026-11-22 13:03:03.999  charger: StatusNotification – the state of a connector, connector 1, status Faulted, error GroundFailure
    volt (leader): received  (34 ms)
    acme: no answer: it was not connected
";
    assert_eq!(of_call(&call, &TimeZone::UTC), expected);
}

#[test]
fn an_answer_that_comes_later() {
    let text = of_late_answer("Heartbeat", 1_795_352_583_999, &answer("acme", "noise"), &TimeZone::UTC);
    let expected = "\
2026-11-22 13:03:03.999  (continued) Heartbeat
    acme: received – same as the leader in all that matters  (51 ms)
";
    assert_eq!(text, expected);
}

#[test]
fn a_long_value_is_cut() {
    assert_eq!(shown(&"x".repeat(300)), format!("{}…", "x".repeat(200)));
}

#[test]
fn what_happened_to_a_link_is_one_line() {
    let occurrence = |who: &str, kind: &str, detail: &str| LoggedOccurrence {
        seq: 3,
        charger: "CP1".into(),
        unix_ms: 1_795_352_583_999,
        kind: kind.to_owned(),
        who: who.to_owned(),
        detail: detail.to_owned(),
    };
    let cases = [
        (occurrence("charger", "charger_arrived", ""), "charger: connected\n"),
        (
            occurrence(
                "acme",
                "link_down",
                "TLS: invalid peer certificate: UnknownIssuer; dialed again in 12 s",
            ),
            "acme: not connected: TLS: invalid peer certificate: UnknownIssuer; dialed again in 12 s\n",
        ),
        (
            occurrence("acme", "leader_changed", "volt led before"),
            "acme: leads from now on: volt led before\n",
        ),
        (occurrence("acme", "new\u{1b}[31m", "a\nb"), "acme: new\\u{1b}[31m: a\\nb\n"),
    ];
    for (occurrence, expected) in &cases {
        let line = of_occurrence(occurrence, &TimeZone::UTC);
        assert_eq!(line, format!("2026-11-22 13:03:03.999  {expected}"));
    }
    assert_eq!(cases.len(), 4);
}
