//! The store's own figures, read when somebody scrapes.

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use store::{CommitTimes, Store};

use super::table::{Kind, METRICS};

/// The names that this collector serves.
pub(super) const NAMES: [&str; 8] = [
    "ocpp_proxy_store_commit_seconds",
    "ocpp_proxy_store_errors_total",
    "ocpp_proxy_store_size_bytes",
    "ocpp_proxy_store_records_kept_total",
    "ocpp_proxy_log_rows_written_total",
    "ocpp_proxy_log_rows_dropped_total",
    "ocpp_proxy_log_rows_expired_total",
    "ocpp_proxy_log_rows_waiting",
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
        let by_kind = figures.rows_written.iter().map(|(kind, rows)| (vec![*kind], *rows)).collect();
        let dropped = figures.rows_dropped.iter();
        let dropped = dropped.map(|dropped| (vec![dropped.kind, dropped.reason], dropped.rows)).collect();
        let errors = figures.errors.iter().map(|(attempt, times)| (vec![*attempt], *times)).collect();
        vec![
            family("ocpp_proxy_store_commit_seconds", vec![commits(&figures.commits)]),
            family("ocpp_proxy_store_errors_total", counters("ocpp_proxy_store_errors_total", errors)),
            family("ocpp_proxy_store_size_bytes", vec![gauge(figures.size_bytes)]),
            family("ocpp_proxy_store_records_kept_total", counters("", vec![(vec![], figures.records_kept)])),
            family(
                "ocpp_proxy_log_rows_written_total",
                counters("ocpp_proxy_log_rows_written_total", by_kind),
            ),
            family(
                "ocpp_proxy_log_rows_dropped_total",
                counters("ocpp_proxy_log_rows_dropped_total", dropped),
            ),
            family("ocpp_proxy_log_rows_expired_total", counters("", vec![(vec![], figures.rows_expired)])),
            family("ocpp_proxy_log_rows_waiting", vec![gauge(figures.rows_waiting)]),
        ]
    }
}

fn family(name: &'static str, series: Vec<Metric>) -> MetricFamily {
    let metric = METRICS.iter().find(|metric| metric.name == name).expect("the name stands in the table");
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(metric.help.to_owned());
    family.set_field_type(match metric.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram(_) => MetricType::HISTOGRAM,
    });
    family.set_metric(series);
    family
}

fn counters(name: &str, values: Vec<(Vec<&'static str>, u64)>) -> Vec<Metric> {
    let labels = METRICS.iter().find(|metric| metric.name == name).map_or(&[][..], |metric| metric.labels);
    let series = values.into_iter().map(|(label_values, value)| {
        let pairs = labels.iter().zip(label_values).map(|(label, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*label).to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        metric.set_counter(counter);
        metric
    });
    series.collect()
}

fn gauge(value: u64) -> Metric {
    let mut metric = Metric::from_label(Vec::new());
    let mut gauge = Gauge::default();
    gauge.set_value(value as f64);
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
