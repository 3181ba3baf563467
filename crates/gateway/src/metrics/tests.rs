//! Every metric of the table is served, and no label can grow without bound.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::{Delivery, DialFailure, Difference, Record, Text, TraceId, Verdict, Violation};

use super::*;

fn answer(outcome: Outcome, differences: Vec<Difference>) -> AnswerNote {
    AnswerNote {
        trace: TraceId::try_from("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()).unwrap(),
        backoffice: BackofficeId::from("acme"),
        led: false,
        action: "Authorize",
        outcome,
        latency_us: 1500,
        verdict: Verdict::Conflict,
        differences,
    }
}

fn difference(pointer: &str) -> Difference {
    Difference { pointer: pointer.to_owned(), leader: None, follower: None }
}

/// A sample that the charger measured then.
fn delivery(number: u64, queued_unix_ms: i64) -> Record {
    let trace = TraceId::try_from("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()).unwrap();
    Record::Delivery(Box::new(Delivery {
        backoffice: BackofficeId::from("acme"),
        number,
        trace,
        action: "MeterValues".to_owned(),
        payload: "{}".to_owned(),
        transaction: None,
        recognised: None,
        queued_unix_ms,
        attempts: 0,
        parked: None,
    }))
}

#[tokio::test]
async fn every_metric_of_the_table_is_served_once_used() {
    let directory = tempfile::TempDir::new().unwrap();
    let store = Store::open(&directory.path().join("test.db"), Default::default()).unwrap();
    // One that waits and one that is far too old.
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    store.keep(&"CP1".into(), vec![delivery(1, 0), delivery(2, now)]).await.unwrap();
    store.tidy().await.unwrap();
    let metrics = Metrics::new("1.2.3");
    metrics.show_store(store).unwrap();
    let (acme, side) = (BackofficeId::from("acme"), Side::Backoffice(BackofficeId::from("acme")));
    metrics.charger_connected("accepted");
    metrics.certificates_expire(&[("proxy.pem", 1_900_000_000)]);
    metrics.charger_left("lost");
    let _counted = (metrics.count_charger(), metrics.count_session(), metrics.count_link(&acme));
    metrics.link_down(&acme, &Departure::Undialable(DialFailure::TimedOut));
    metrics.link_down(&acme, &Departure::Violated(Violation::TooBig));
    metrics.backoff(&acme, Duration::from_millis(1500));
    metrics.message(&Side::Charger, Direction::In, FrameKind::Call, "Heartbeat", 20);
    metrics.overhead_from_charger(Duration::from_micros(80));
    let invalid = Outcome::Result(Text::from_static("{\"idTagInfo\":{\"status\":\"Invalid\"}}"));
    metrics.answer(&answer(invalid, vec![difference("/idTagInfo/status")]));
    metrics.violation(&side, "stray_answer");
    metrics.hung_up(&side, Reason::Silent);
    metrics.alert("outbox_full");
    metrics.line_left_out();
    metrics.leader_switched("file");
    metrics.config_reloaded(&Ok::<(), ()>(()));
    let text = metrics.render();
    for metric in METRICS {
        let kind = format!("# TYPE {} ", metric.name);
        assert_eq!(text.matches(&kind).count(), 1, "{}\n{text}", metric.name);
        assert!(metric.help.ends_with('.'), "{}", metric.name);
    }
    assert_eq!(METRICS.len(), 40);
    for line in [
        "ocpp_proxy_authorize_results_total{backoffice=\"acme\",role=\"follower\",status=\"Invalid\"} 1",
        "ocpp_proxy_divergence_total{action=\"Authorize\",backoffice=\"acme\",field=\"idTagInfo.status\"} 1",
        "ocpp_proxy_backoffice_connects_total{backoffice=\"acme\",result=\"timed_out\"} 1",
        "ocpp_proxy_backoffice_disconnects_total{backoffice=\"acme\",reason=\"too_big\"} 1",
        "ocpp_proxy_backoffice_backoff_seconds{backoffice=\"acme\"} 1.5",
        "ocpp_proxy_deliveries_waiting{backoffice=\"acme\"} 1",
        "ocpp_proxy_deliveries_parked{backoffice=\"acme\"} 0",
        "ocpp_proxy_deliveries_dropped_total{backoffice=\"acme\",reason=\"too_old\"} 1",
        "ocpp_proxy_charger_connections 1",
        "ocpp_proxy_store_writable 1",
        "ocpp_proxy_log_paused 0",
        "ocpp_proxy_config_last_reload_successful 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn what_a_follower_invents_does_not_become_labels() {
    let metrics = Metrics::new("test");
    let cases: &[(&str, &str)] = &[
        ("/idTagInfo/expiryDate", "idTagInfo.expiryDate"),
        ("/configurationKey/12/value", "configurationKey.*.value"),
        ("/a b", "other"),
        ("/\"}\n", "other"),
        ("/ä", "other"),
    ];
    for (pointer, field) in cases {
        assert_eq!(metrics.0.field(pointer), *field, "{pointer}");
    }
    assert_eq!(cases.len(), 5);
    assert_eq!(metrics.0.field(&format!("/{}", "x".repeat(100))), "other");
    let invented = (0..10_000).map(|n| metrics.0.field(&format!("/x{n}")));
    let distinct: HashSet<String> = invented.collect();
    assert!(distinct.len() <= DIVERGENT_FIELDS + 1, "{}", distinct.len());
}

#[test]
fn a_status_is_one_of_ocpps_or_other() {
    let result = |payload: &'static str| Outcome::Result(Text::from_static(payload));
    assert_eq!(authorize_status(&result("{\"idTagInfo\":{\"status\":\"Blocked\"}}")), "Blocked");
    assert_eq!(authorize_status(&result("{\"idTagInfo\":{\"status\":\"Sesame\"}}")), "other");
    assert_eq!(authorize_status(&result("[]")), "other");
    assert_eq!(authorize_status(&Outcome::Unanswered("timeout")), "unanswered");
}
