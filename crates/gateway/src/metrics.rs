//! What the program counts, for Prometheus. Labels come from tables and from `proxy.toml`, never from
//! what a peer sent.

mod store;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use engine::{AnswerNote, BackofficeId, Departure, Direction, FrameKind, Outcome, Reason, Side};
use foldhash::fast::RandomState;
use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use ::store::Store;
use store::StoreCollector;
pub use table::metrics_markdown;
use table::{Kind, METRICS, Metric};

/// Fields that are told apart in `divergence_total`; a follower could invent any number of them.
const DIVERGENT_FIELDS: usize = 200;
/// Longest field name that is shown as a label.
const FIELD_CHARACTERS: usize = 64;

/// The metrics of the program. Cloning it is cheap; all clones count the same.
#[derive(Clone)]
pub struct Metrics(Arc<Series>);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

struct Series {
    registry: Registry,
    charger_connections: IntGaugeVec,
    charger_connects: IntCounterVec,
    charger_disconnects: IntCounterVec,
    certificate_expiry: GaugeVec,
    sessions: IntGaugeVec,
    chargers_without_leader: IntGaugeVec,
    backoffice_connections: IntGaugeVec,
    backoffice_connects: IntCounterVec,
    backoffice_disconnects: IntCounterVec,
    backoffice_backoff: GaugeVec,
    messages: IntCounterVec,
    message_bytes: IntCounterVec,
    /// Those of each kind of message by its labels: to look up a series by names takes longer than to count.
    of_messages: DashMap<(Side, Direction, FrameKind, &'static str), MessageCounters, RandomState>,
    call_duration: HistogramVec,
    /// The same: backoffice, whether it led, action.
    of_answers: DashMap<(BackofficeId, bool, &'static str), Histogram, RandomState>,
    overhead_from_charger: Histogram,
    overhead_from_backoffice: Histogram,
    divergence: IntCounterVec,
    divergent_fields: Mutex<HashSet<String>>,
    authorize_results: IntCounterVec,
    protocol_violations: IntCounterVec,
    hang_ups: IntCounterVec,
    alerts: IntCounterVec,
    lines_left_out: IntCounterVec,
    leader_switches: IntCounterVec,
    config_successful: IntGaugeVec,
    config_success_timestamp: GaugeVec,
    config_reloads: IntCounterVec,
}

/// The series that one kind of message adds to.
struct MessageCounters {
    messages: IntCounter,
    bytes: IntCounter,
}

impl Metrics {
    /// All metrics at zero; `version` is shown in `ocpp_proxy_build_info`.
    pub fn new(version: &str) -> Self {
        let own = METRICS.iter().filter(|metric| !store::NAMES.contains(&metric.name));
        let mut table = Registration { registry: Registry::new(), left: own.collect() };
        let build_info = table.gauges("ocpp_proxy_build_info");
        build_info.with_label_values(&[version]).set(1);
        let overhead = table.histograms("ocpp_proxy_overhead_seconds");
        let series = Series {
            charger_connections: table.gauges("ocpp_proxy_charger_connections"),
            charger_connects: table.counters("ocpp_proxy_charger_connects_total"),
            charger_disconnects: table.counters("ocpp_proxy_charger_disconnects_total"),
            certificate_expiry: table.seconds("ocpp_proxy_certificate_expiry_timestamp_seconds"),
            sessions: table.gauges("ocpp_proxy_sessions"),
            chargers_without_leader: table.gauges("ocpp_proxy_chargers_without_leader"),
            backoffice_connections: table.gauges("ocpp_proxy_backoffice_connections"),
            backoffice_connects: table.counters("ocpp_proxy_backoffice_connects_total"),
            backoffice_disconnects: table.counters("ocpp_proxy_backoffice_disconnects_total"),
            backoffice_backoff: table.seconds("ocpp_proxy_backoffice_backoff_seconds"),
            messages: table.counters("ocpp_proxy_messages_total"),
            message_bytes: table.counters("ocpp_proxy_message_bytes_total"),
            of_messages: DashMap::default(),
            call_duration: table.histograms("ocpp_proxy_call_duration_seconds"),
            of_answers: DashMap::default(),
            overhead_from_charger: overhead.with_label_values(&["from_charger"]),
            overhead_from_backoffice: overhead.with_label_values(&["from_backoffice"]),
            divergence: table.counters("ocpp_proxy_divergence_total"),
            divergent_fields: Mutex::default(),
            authorize_results: table.counters("ocpp_proxy_authorize_results_total"),
            protocol_violations: table.counters("ocpp_proxy_protocol_violations_total"),
            hang_ups: table.counters("ocpp_proxy_hang_ups_total"),
            alerts: table.counters("ocpp_proxy_alerts_total"),
            lines_left_out: table.counters("ocpp_proxy_log_lines_left_out_total"),
            leader_switches: table.counters("ocpp_proxy_leader_switches_total"),
            config_successful: table.gauges("ocpp_proxy_config_last_reload_successful"),
            config_success_timestamp: table
                .seconds("ocpp_proxy_config_last_reload_success_timestamp_seconds"),
            config_reloads: table.counters("ocpp_proxy_config_reloads_total"),
            registry: table.finish(),
        };
        // These have no labels and are worth showing from the first scrape.
        series.charger_connections.with_label_values::<&str>(&[]);
        series.sessions.with_label_values::<&str>(&[]);
        series.chargers_without_leader.with_label_values::<&str>(&[]);
        series.lines_left_out.with_label_values::<&str>(&[]);
        Self(Arc::new(series))
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        TextEncoder::new()
            .encode_utf8(&self.0.registry.gather(), &mut text)
            .expect("only complete metric families are registered");
        text
    }

    /// The configuration was read (at start or later): applied, or refused.
    pub fn config_reloaded<T, E>(&self, outcome: &Result<T, E>) {
        let applied = outcome.is_ok();
        self.0.config_successful.with_label_values::<&str>(&[]).set(i64::from(applied));
        self.0.config_reloads.with_label_values(&[if applied { "applied" } else { "refused" }]).inc();
        if applied {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.0.config_success_timestamp.with_label_values::<&str>(&[]).set(now.as_secs() as f64);
        }
    }

    /// Shows the store's figures as well.
    pub(crate) fn show_store(&self, store: Store) -> Result<(), prometheus::Error> {
        self.0.registry.register(Box::new(StoreCollector::new(store)))
    }

    /// A handshake of a charger ended; `result` is one of a handful of fixed words.
    pub(crate) fn charger_connected(&self, result: &'static str) {
        self.0.charger_connects.with_label_values(&[result]).inc();
    }

    /// The certificates that are in use by their names, and when they expire; former ones are no longer shown.
    pub(crate) fn certificates_expire(&self, certificates: &[(&str, i64)]) {
        self.0.certificate_expiry.reset();
        for (name, expires_unix_s) in certificates {
            self.0.certificate_expiry.with_label_values(&[name]).set(*expires_unix_s as f64);
        }
    }

    pub(crate) fn charger_left(&self, reason: &'static str) {
        self.0.charger_disconnects.with_label_values(&[reason]).inc();
    }

    /// Counts an open charger socket until the guard is dropped.
    pub(crate) fn count_charger(&self) -> Counted {
        Counted::new(self.0.charger_connections.with_label_values::<&str>(&[]))
    }

    /// Counts a session until the guard is dropped.
    pub(crate) fn count_session(&self) -> Counted {
        Counted::new(self.0.sessions.with_label_values::<&str>(&[]))
    }

    /// Counts a charger that is there without its leader until the guard is dropped.
    pub(crate) fn count_without_leader(&self) -> Counted {
        Counted::new(self.0.chargers_without_leader.with_label_values::<&str>(&[]))
    }

    /// Counts an open link until the guard is dropped.
    pub(crate) fn count_link(&self, backoffice: &BackofficeId) -> Counted {
        self.0.backoffice_connects.with_label_values(&[backoffice.as_str(), "connected"]).inc();
        Counted::new(self.0.backoffice_connections.with_label_values(&[backoffice.as_str()]))
    }

    pub(crate) fn link_down(&self, backoffice: &BackofficeId, departure: &Departure) {
        let series = match departure {
            Departure::Undialable(_) => &self.0.backoffice_connects,
            _ => &self.0.backoffice_disconnects,
        };
        series.with_label_values(&[backoffice.as_str(), departure.label()]).inc();
    }

    pub(crate) fn backoff(&self, backoffice: &BackofficeId, wait: Duration) {
        self.0.backoffice_backoff.with_label_values(&[backoffice.as_str()]).set(wait.as_secs_f64());
    }

    pub(crate) fn message(
        &self,
        peer: &Side,
        direction: Direction,
        kind: FrameKind,
        action: &'static str,
        bytes: usize,
    ) {
        let series = &self.0;
        let labels = (peer.clone(), direction, kind, action);
        let count = |counters: &MessageCounters| {
            counters.messages.inc();
            counters.bytes.inc_by(bytes as u64);
        };
        if let Some(known) = series.of_messages.get(&labels) {
            return count(&known);
        }
        let (peer, direction) = (name(peer), direction.label());
        let counters = MessageCounters {
            messages: series.messages.with_label_values(&[peer, direction, kind.label(), action]),
            bytes: series.message_bytes.with_label_values(&[peer, direction]),
        };
        count(&counters);
        series.of_messages.insert(labels, counters);
    }

    /// What a message of a charger cost.
    pub(crate) fn overhead_from_charger(&self, taken: Duration) {
        self.0.overhead_from_charger.observe(taken.as_secs_f64());
    }

    /// What a message of a backoffice cost.
    pub(crate) fn overhead_from_backoffice(&self, taken: Duration) {
        self.0.overhead_from_backoffice.observe(taken.as_secs_f64());
    }

    pub(crate) fn answer(&self, answer: &AnswerNote) {
        let backoffice = answer.backoffice.as_str();
        let role = if answer.led { "leader" } else { "follower" };
        let seconds = Duration::from_micros(answer.latency_us).as_secs_f64();
        let labels = (answer.backoffice.clone(), answer.led, answer.action);
        let new = || self.0.call_duration.with_label_values(&[backoffice, role, answer.action]);
        match self.0.of_answers.get(&labels) {
            Some(known) => known.observe(seconds),
            None => self.0.of_answers.entry(labels).or_insert_with(new).observe(seconds),
        }
        if answer.action == "Authorize" {
            let status = authorize_status(&answer.outcome);
            self.0.authorize_results.with_label_values(&[backoffice, role, status]).inc();
        }
        for difference in &answer.differences {
            let field = self.0.field(&difference.pointer);
            self.0.divergence.with_label_values(&[backoffice, answer.action, &field]).inc();
        }
    }

    pub(crate) fn violation(&self, peer: &Side, kind: &'static str) {
        self.0.protocol_violations.with_label_values(&[name(peer), kind]).inc();
    }

    pub(crate) fn hung_up(&self, peer: &Side, reason: Reason) {
        self.0.hang_ups.with_label_values(&[name(peer), reason.label()]).inc();
    }

    /// The program's own log is one line short.
    pub(crate) fn line_left_out(&self) {
        self.0.lines_left_out.with_label_values::<&str>(&[]).inc();
    }

    pub(crate) fn alert(&self, kind: &'static str) {
        self.0.alerts.with_label_values(&[kind]).inc();
    }

    /// Another leads; `source` is one of a handful of fixed words.
    pub(crate) fn leader_switched(&self, source: &'static str) {
        self.0.leader_switches.with_label_values(&[source]).inc();
    }
}

/// The value of the `peer` label.
fn name(peer: &Side) -> &str {
    match peer {
        Side::Charger => "charger",
        Side::Backoffice(id) => id.as_str(),
    }
}

impl Series {
    /// A JSON pointer as a label: array positions become `*`, and what a peer may have invented
    /// becomes `other`.
    fn field(&self, pointer: &str) -> String {
        let segments = pointer.trim_start_matches('/').split('/');
        let field: Vec<&str> = segments
            .map(|segment| if segment.bytes().all(|b| b.is_ascii_digit()) { "*" } else { segment })
            .collect();
        let field = field.join(".");
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'*' | b'_' | b'-');
        if field.len() > FIELD_CHARACTERS || !field.bytes().all(plain) {
            return "other".to_owned();
        }
        let mut known = self.divergent_fields.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&field) {
            if known.len() >= DIVERGENT_FIELDS {
                return "other".to_owned();
            }
            known.insert(field.clone());
        }
        field
    }
}

/// The status of an Authorize.conf, as one of OCPP's own words or a word of ours.
fn authorize_status(outcome: &Outcome) -> &'static str {
    const STATUSES: [&str; 5] = ["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"];
    match outcome {
        Outcome::Result(payload) => {
            let payload: Option<serde_json::Value> = serde_json::from_str(payload).ok();
            let status = payload.as_ref().and_then(|p| p.pointer("/idTagInfo/status")?.as_str());
            STATUSES.into_iter().find(|known| Some(*known) == status).unwrap_or("other")
        }
        Outcome::Error { .. } => "error",
        Outcome::Unanswered(_) => "unanswered",
    }
}

/// Something that is counted in a gauge as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(IntGauge);

impl Counted {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Registers the metrics of the table, each once.
struct Registration {
    registry: Registry,
    left: Vec<&'static Metric>,
}

impl Registration {
    fn take(&mut self, name: &str) -> &'static Metric {
        let at = self.left.iter().position(|metric| metric.name == name);
        self.left.remove(at.expect("every metric stands in the table once"))
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: prometheus::Result<C>) -> C {
        let collector = collector.expect("names and labels of the table are valid");
        self.registry.register(Box::new(collector.clone())).expect("names in the table differ");
        collector
    }

    fn counters(&mut self, name: &str) -> IntCounterVec {
        let metric = self.take(name);
        assert_eq!(metric.kind, Kind::Counter, "{name}");
        self.register(IntCounterVec::new(Opts::new(metric.name, metric.help), metric.labels))
    }

    fn gauges(&mut self, name: &str) -> IntGaugeVec {
        let metric = self.take(name);
        assert_eq!(metric.kind, Kind::Gauge, "{name}");
        self.register(IntGaugeVec::new(Opts::new(metric.name, metric.help), metric.labels))
    }

    fn seconds(&mut self, name: &str) -> GaugeVec {
        let metric = self.take(name);
        assert_eq!(metric.kind, Kind::Gauge, "{name}");
        self.register(GaugeVec::new(Opts::new(metric.name, metric.help), metric.labels))
    }

    fn histograms(&mut self, name: &str) -> HistogramVec {
        let metric = self.take(name);
        let Kind::Histogram(buckets) = metric.kind else { panic!("{name} is not a histogram in the table") };
        let options = HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, metric.labels))
    }

    fn finish(self) -> Registry {
        assert!(self.left.is_empty(), "not registered: {:?}", self.left);
        #[cfg(target_os = "linux")]
        self.registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("the process metrics bear a prefix of their own");
        self.registry
    }
}
