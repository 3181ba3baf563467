//! The store's own figures, read when somebody scrapes.

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use store::{CommitTimes, LaneFigures, Store};

use super::table::{Kind, METRICS};

/// The names that this collector serves.
pub(super) const NAMES: [&str; 15] = [
    "ocpp_proxy_store_commit_seconds",
    "ocpp_proxy_store_errors_total",
    "ocpp_proxy_store_writable",
    "ocpp_proxy_store_size_bytes",
    "ocpp_proxy_store_records_kept_total",
    "ocpp_proxy_deliveries_waiting",
    "ocpp_proxy_deliveries_parked",
    "ocpp_proxy_deliveries_oldest_age_seconds",
    "ocpp_proxy_deliveries_bytes",
    "ocpp_proxy_deliveries_dropped_total",
    "ocpp_proxy_log_rows_written_total",
    "ocpp_proxy_log_rows_dropped_total",
    "ocpp_proxy_log_rows_expired_total",
    "ocpp_proxy_log_rows_waiting",
    "ocpp_proxy_log_paused",
];

/// Reads [`Store::figures`] at each scrape.
#[derive(Debug)]
pub(super) struct StoreCollector {
    store: Store,
    descriptions: Vec<Desc>,
}

impl StoreCollector {
    pub(super) fn new(store: Store) -> Self {
        let described = METRICS.iter().filter(|metric| NAMES.contains(&metric.name));
        let descriptions = described
            .map(|metric| {
                let labels = metric.labels.iter().map(|label| (*label).to_owned()).collect();
                Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, Default::default())
                    .expect("names and labels of the table are valid")
            })
            .collect();
        Self { store, descriptions }
    }
}

impl Collector for StoreCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let figures = self.store.figures();
        let written = figures.rows_written.iter().map(|(kind, rows)| (vec![*kind], counter(*rows)));
        let dropped = figures.rows_dropped.iter();
        let dropped = dropped.map(|dropped| (vec![dropped.kind, dropped.reason], counter(dropped.rows)));
        let errors = figures.errors.iter().map(|(attempt, times)| (vec![*attempt], counter(*times)));
        let gone = figures.deliveries_evicted.iter();
        let gone = gone.map(|gone| (vec![gone.backoffice.as_str(), gone.reason], counter(gone.deliveries)));
        let lanes = |figure: fn(&LaneFigures) -> f64| {
            let lanes = figures.lanes.iter();
            lanes.map(|lane| (vec![lane.backoffice.as_str()], gauge(figure(lane)))).collect()
        };
        let only = |series| vec![(Vec::new(), series)];
        vec![
            family("ocpp_proxy_store_commit_seconds", only(commits(&figures.commits))),
            family("ocpp_proxy_store_errors_total", errors.collect()),
            family("ocpp_proxy_store_writable", only(gauge(flag(self.store.is_writable().is_ok())))),
            family("ocpp_proxy_store_size_bytes", only(gauge(figures.size_bytes as f64))),
            family("ocpp_proxy_store_records_kept_total", only(counter(figures.records_kept))),
            family("ocpp_proxy_deliveries_waiting", lanes(|lane| lane.waiting as f64)),
            family("ocpp_proxy_deliveries_parked", lanes(|lane| lane.parked as f64)),
            family("ocpp_proxy_deliveries_oldest_age_seconds", lanes(|lane| lane.oldest_seconds)),
            family("ocpp_proxy_deliveries_bytes", lanes(|lane| lane.bytes as f64)),
            family("ocpp_proxy_deliveries_dropped_total", gone.collect()),
            family("ocpp_proxy_log_rows_written_total", written.collect()),
            family("ocpp_proxy_log_rows_dropped_total", dropped.collect()),
            family("ocpp_proxy_log_rows_expired_total", only(counter(figures.rows_expired))),
            family("ocpp_proxy_log_rows_waiting", only(gauge(figures.rows_waiting as f64))),
            family("ocpp_proxy_log_paused", only(gauge(flag(figures.log_paused)))),
        ]
    }
}

/// Prometheus's way to say yes and no.
fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// The series of one metric, each with the values of its labels in the order of the table.
fn family(name: &'static str, series: Vec<(Vec<&str>, Metric)>) -> MetricFamily {
    let metric = METRICS.iter().find(|metric| metric.name == name).expect("the name stands in the table");
    let labelled = series.into_iter().map(|(values, mut series)| {
        let pairs = metric.labels.iter().zip(values).map(|(label, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*label).to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        series.set_label(pairs.collect());
        series
    });
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(metric.help.to_owned());
    family.set_field_type(match metric.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram(_) => MetricType::HISTOGRAM,
    });
    family.set_metric(labelled.collect());
    family
}

fn counter(value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(Vec::new());
    metric.set_counter(counter);
    metric
}

fn gauge(value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(Vec::new());
    metric.set_gauge(gauge);
    metric
}

fn commits(times: &CommitTimes) -> Metric {
    let buckets = times.buckets.iter().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(*count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(times.count);
    histogram.set_sample_sum(times.sum_seconds);
    let mut metric = Metric::from_label(Vec::new());
    metric.set_histogram(histogram);
    metric
}
