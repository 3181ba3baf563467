//! Every metric of the program in one table: what is registered, and what `docs/metrics.md` says.

/// What kind of series a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    /// With these bucket bounds, in seconds; none when whoever measures has bounds of its own.
    Histogram(&'static [f64]),
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, labels, help }
}

/// From a local network to a charger's patience.
const ANSWER_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// What the proxy itself may cost.
const OVERHEAD_SECONDS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1];

use Kind::{Counter, Gauge, Histogram};

/// In the order of the documentation.
pub(super) const METRICS: &[Metric] = &[
    metric("ocpp_proxy_build_info", Gauge, &["version"], "Always 1; the version is in the label."),
    metric("ocpp_proxy_charger_connections", Gauge, &[], "Chargers whose socket is open."),
    metric(
        "ocpp_proxy_charger_connects_total",
        Counter,
        &["result"],
        "Handshakes of chargers by their result.",
    ),
    metric(
        "ocpp_proxy_charger_disconnects_total",
        Counter,
        &["reason"],
        "Ended sockets of chargers by reason.",
    ),
    metric(
        "ocpp_proxy_certificate_expiry_timestamp_seconds",
        Gauge,
        &["certificate"],
        "When a certificate of the proxy's own expires, by its file in `proxy.toml`.",
    ),
    metric("ocpp_proxy_sessions", Gauge, &[], "Sessions, also those whose charger is away within its grace."),
    metric(
        "ocpp_proxy_chargers_without_leader",
        Gauge,
        &[],
        "Connected chargers whose leader is away: the proxy answers in its place.",
    ),
    metric("ocpp_proxy_backoffice_connections", Gauge, &["backoffice"], "Open links to a backoffice."),
    metric(
        "ocpp_proxy_backoffice_connects_total",
        Counter,
        &["backoffice", "result"],
        "Dials to a backoffice by their result.",
    ),
    metric(
        "ocpp_proxy_backoffice_disconnects_total",
        Counter,
        &["backoffice", "reason"],
        "Ended links to a backoffice by reason.",
    ),
    metric(
        "ocpp_proxy_backoffice_backoff_seconds",
        Gauge,
        &["backoffice"],
        "How long the latest failed link to a backoffice waits before it is dialed again.",
    ),
    metric(
        "ocpp_proxy_messages_total",
        Counter,
        &["peer", "direction", "kind", "action"],
        "OCPP messages by peer (charger or backoffice), direction, kind and action.",
    ),
    metric(
        "ocpp_proxy_message_bytes_total",
        Counter,
        &["peer", "direction"],
        "Payload bytes of OCPP messages.",
    ),
    metric(
        "ocpp_proxy_call_duration_seconds",
        Histogram(ANSWER_SECONDS),
        &["backoffice", "role", "action"],
        "Time a backoffice took to answer a call of a charger.",
    ),
    metric(
        "ocpp_proxy_overhead_seconds",
        Histogram(OVERHEAD_SECONDS),
        &["direction"],
        "Time from reading a message to handing what follows from it to the sockets.",
    ),
    metric(
        "ocpp_proxy_divergence_total",
        Counter,
        &["backoffice", "action", "field"],
        "Fields in which a follower's answer differed from the leader's, expected noise left out.",
    ),
    metric(
        "ocpp_proxy_authorize_results_total",
        Counter,
        &["backoffice", "role", "status"],
        "Answers of backoffices to Authorize by status.",
    ),
    metric(
        "ocpp_proxy_protocol_violations_total",
        Counter,
        &["peer", "kind"],
        "What peers did against OCPP-J or WebSocket rules.",
    ),
    metric(
        "ocpp_proxy_hang_ups_total",
        Counter,
        &["peer", "reason"],
        "Sockets that the proxy closed by reason.",
    ),
    metric(
        "ocpp_proxy_log_lines_left_out_total",
        Counter,
        &[],
        "Lines about chargers that the program's own log leaves out because there are too many.",
    ),
    metric("ocpp_proxy_alerts_total", Counter, &["kind"], "Occurrences that an operator should look at."),
    metric(
        "ocpp_proxy_leader_switches_total",
        Counter,
        &["source"],
        "Changes of a charger's leader by their source: file, operator, failover or fail_back.",
    ),
    metric(
        "ocpp_proxy_store_commit_seconds",
        Histogram(&[]),
        &[],
        "Time a commit of the store took until the disk had it.",
    ),
    metric("ocpp_proxy_store_errors_total", Counter, &["op"], "Failures of the store by what was tried."),
    metric(
        "ocpp_proxy_store_writable",
        Gauge,
        &[],
        "1 while transactions can be kept; 0 from a failure until writing works again. Chargers are refused meanwhile.",
    ),
    metric("ocpp_proxy_store_size_bytes", Gauge, &[], "Size of the store's file with its write-ahead log."),
    metric("ocpp_proxy_store_records_kept_total", Counter, &[], "Records made durable."),
    metric(
        "ocpp_proxy_deliveries_waiting",
        Gauge,
        &["backoffice"],
        "Messages that a backoffice must still be told, of all chargers together.",
    ),
    metric(
        "ocpp_proxy_deliveries_parked",
        Gauge,
        &["backoffice"],
        "Messages that a backoffice is not told unless an operator orders it; see `ocpp-proxy deliveries`.",
    ),
    metric(
        "ocpp_proxy_deliveries_oldest_age_seconds",
        Gauge,
        &["backoffice"],
        "How long the oldest message waits that a backoffice must still be told; 0 when none does.",
    ),
    metric(
        "ocpp_proxy_deliveries_bytes",
        Gauge,
        &["backoffice"],
        "Size of the messages that wait or are parked for a backoffice, of all chargers together.",
    ),
    metric(
        "ocpp_proxy_deliveries_dropped_total",
        Counter,
        &["backoffice", "reason"],
        "Messages that left a lane without having been told; parked only where the reason says so.",
    ),
    metric("ocpp_proxy_log_rows_written_total", Counter, &["kind"], "Rows written to the message log."),
    metric(
        "ocpp_proxy_log_rows_dropped_total",
        Counter,
        &["kind", "reason"],
        "Rows of the message log that were never written.",
    ),
    metric(
        "ocpp_proxy_log_rows_expired_total",
        Counter,
        &[],
        "Rows of the message log deleted by the retention.",
    ),
    metric("ocpp_proxy_log_rows_waiting", Gauge, &[], "Rows of the message log that wait to be written."),
    metric(
        "ocpp_proxy_log_paused",
        Gauge,
        &[],
        "1 while the message log is not written because the disk is nearly full: the rest is for transactions.",
    ),
    metric(
        "ocpp_proxy_config_last_reload_successful",
        Gauge,
        &[],
        "1 when the latest reading of the configuration was applied, 0 when it was refused.",
    ),
    metric(
        "ocpp_proxy_config_last_reload_success_timestamp_seconds",
        Gauge,
        &[],
        "When the configuration was last applied, in seconds since 1970.",
    ),
    metric(
        "ocpp_proxy_config_reloads_total",
        Counter,
        &["result"],
        "Readings of the configuration by their result.",
    ),
];

/// The page `docs/metrics.md`, generated from the table.
pub fn metrics_markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         Served by the admin listener at `/metrics` in the Prometheus text format. Generated from the table\n\
         in the code; do not edit. No metric bears a charger's identity: thousands of chargers times these\n\
         series would break Prometheus. `action` is a name known to OCPP, else `other`.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        page.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            metric.name,
            metric.kind.label(),
            labels.join(", "),
            metric.help
        ));
    }
    page.push_str("\nBesides these, the usual `process_*` metrics of the operating system.\n");
    page
}
