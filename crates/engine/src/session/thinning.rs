//! Meter values come as often as whoever wants most of them wants; the others are told of as many as they
//! asked for. What is billed by is never left out (semantics T-36).

use std::collections::VecDeque;

use crate::session::Session;
use crate::session::outbox::{Copy, Purpose};
use crate::time::instant;
use crate::{BackofficeId, Text, TraceId, limits, payload};

/// The meter values of which backoffices are told less than the charger says.
#[derive(Debug, Default)]
pub(super) struct Thinning {
    series: VecDeque<Series>,
}

/// What one backoffice is told of one source of meter values.
#[derive(Debug)]
struct Series {
    of: (BackofficeId, Source),
    /// When the values were measured that it was told last.
    told_unix_ms: i64,
    /// What it was not told since, the latest alone: the last before a stop it is told all the same.
    withheld: Option<Copy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Transaction(TraceId),
    Connector(i64),
}

/// What may be left out of a MeterValues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Samples at an interval, and nothing else.
    Periodic,
    /// Clock-aligned values, and nothing else.
    Aligned,
    /// Something that everybody is told.
    ForAll,
}

impl Thinning {
    /// Whether values measured at that time come sooner than wanted. Those that are told again are told.
    fn comes_too_soon(&mut self, of: (BackofficeId, Source), measured_unix_ms: i64, every_s: u64) -> bool {
        let every_ms = i64::try_from(every_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        let jitter_ms = i64::try_from(limits::SAMPLE_JITTER.as_millis()).unwrap_or(0);
        let Some(series) = self.series.iter_mut().find(|series| series.of == of) else {
            if self.series.len() == limits::THINNED_SERIES {
                self.series.pop_front();
            }
            self.series.push_back(Series { of, told_unix_ms: measured_unix_ms, withheld: None });
            return false;
        };
        let since = measured_unix_ms.saturating_sub(series.told_unix_ms);
        let is_too_soon = since > 0 && since < every_ms - jitter_ms;
        if !is_too_soon {
            series.told_unix_ms = measured_unix_ms;
            series.withheld = None;
        }
        is_too_soon
    }

    fn withhold(&mut self, of: &(BackofficeId, Source), copy: &Copy) {
        if let Some(series) = self.series.iter_mut().find(|series| series.of == *of) {
            series.withheld = Some(copy.clone());
        }
    }

    fn forget(&mut self, of: &(BackofficeId, Source)) {
        self.series.retain(|series| series.of != *of);
    }

    /// What was withheld of a transaction, which ends.
    fn end(&mut self, trace: TraceId) -> Vec<(BackofficeId, Copy)> {
        let is_its = |series: &Series| series.of.1 == Source::Transaction(trace);
        let (ended, others): (VecDeque<_>, _) =
            std::mem::take(&mut self.series).into_iter().partition(is_its);
        self.series = others;
        ended.into_iter().filter_map(|series| Some((series.of.0, series.withheld?))).collect()
    }
}

impl Session {
    /// Whether this backoffice is not told of these meter values, because it asked for fewer.
    pub(super) fn is_spared(&mut self, id: &BackofficeId, copy: &Copy) -> bool {
        if copy.name() != "MeterValues" {
            return false;
        }
        let every_s = self.wants_fewer(id, "MeterValueSampleInterval");
        let aligned_every_s = self.wants_fewer(id, "ClockAlignedDataInterval");
        if every_s.is_none() && aligned_every_s.is_none() && self.thinning.series.is_empty() {
            return false;
        }
        let connector = copy.meter.as_ref().and_then(|meter| meter.connector).unwrap_or(0);
        let source = copy.transaction.map_or(Source::Connector(connector), Source::Transaction);
        let of = (id.clone(), source);
        if every_s.is_none() {
            self.thinning.forget(&of);
        }
        if every_s.is_none() && aligned_every_s.is_none() {
            return false;
        }
        match (content(&copy.payload), every_s) {
            (Content::Periodic, Some(0)) => true,
            (Content::Periodic, Some(every_s)) => {
                let measured = measured_unix_ms(&copy.payload).unwrap_or(self.now.unix_ms);
                let is_spared = self.thinning.comes_too_soon(of.clone(), measured, every_s);
                if is_spared && copy.transaction.is_some() {
                    self.thinning.withhold(&of, copy);
                }
                is_spared
            }
            (Content::Aligned, _) => aligned_every_s == Some(0),
            _ => false,
        }
    }

    /// A transaction ends: everybody is told the last values before that.
    pub(super) fn tell_withheld(&mut self, stop: &Text) {
        let Some(trace) = self.transactions.of_stop(stop).trace() else { return };
        for (id, mut copy) in self.thinning.end(trace) {
            let live = self.at(&id).filter(|_| self.leads(&id) && self.has_leader());
            match live.filter(|at| !self.links[*at].outbox.has_transactions()) {
                // Among its deliveries it would keep the leader from being asked about the stop.
                Some(at) => {
                    copy.purpose = Purpose::Synthetic;
                    copy.queued = self.now.tick;
                    self.tell_soon(at, copy, true);
                }
                None => self.tell_one(&id, copy),
            }
        }
    }
}

fn content(request: &str) -> Content {
    let values = payload::field(request, "meterValue").map(payload::elements).unwrap_or_default();
    let samples = values.into_iter().filter_map(|value| payload::field(value, "sampledValue"));
    let mut content = None;
    for sample in samples.flat_map(payload::elements) {
        let [context, format] = ["context", "format"].map(|name| payload::text(sample, name));
        let is = match context.as_deref() {
            _ if format.as_deref() == Some("SignedData") => return Content::ForAll,
            None | Some("Sample.Periodic") => Content::Periodic,
            Some("Sample.Clock") => Content::Aligned,
            Some(_) => return Content::ForAll,
        };
        if *content.get_or_insert(is) != is {
            return Content::ForAll;
        }
    }
    content.unwrap_or(Content::ForAll)
}

/// When the latest of the values was measured.
fn measured_unix_ms(request: &str) -> Option<i64> {
    let values = payload::field(request, "meterValue").map(payload::elements)?;
    let times = values.into_iter().filter_map(|value| instant(&payload::text(value, "timestamp")?));
    times.map(jiff::Timestamp::as_millisecond).max()
}
