//! The counters behind [`Figures`]: written by the writer and by callers, read by anyone. No lock, but for what is rare.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engine::BackofficeId;
use rusqlite::Connection;

use crate::deliveries::bounds::Evicted;
use crate::deliveries::number;
use crate::figures::{CommitTimes, DeliveriesEvicted, Figures, LaneFigures, RowsDropped};
use crate::upkeep::unix_ms;

/// Upper bounds of the commit histogram, in microseconds.
const COMMIT_BUCKETS_US: [u64; 11] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// The kinds of log rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    Call,
    Answer,
    Occurrence,
}

impl RowKind {
    const ALL: [RowKind; 3] = [RowKind::Call, RowKind::Answer, RowKind::Occurrence];

    fn label(self) -> &'static str {
        match self {
            RowKind::Call => "call",
            RowKind::Answer => "answer",
            RowKind::Occurrence => "occurrence",
        }
    }
}

/// Why a log row was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    QueueFull,
    /// What room is left is kept for records.
    NoRoom,
    StoreFailed,
    Closed,
}

impl DropReason {
    const ALL: [DropReason; 4] =
        [DropReason::QueueFull, DropReason::NoRoom, DropReason::StoreFailed, DropReason::Closed];

    fn label(self) -> &'static str {
        match self {
            DropReason::QueueFull => "queue_full",
            DropReason::NoRoom => "no_room",
            DropReason::StoreFailed => "store_failed",
            DropReason::Closed => "closed",
        }
    }
}

/// What was tried when something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    Commit,
    Read,
    Upkeep,
}

impl Attempt {
    const ALL: [Attempt; 3] = [Attempt::Commit, Attempt::Read, Attempt::Upkeep];

    fn label(self) -> &'static str {
        match self {
            Attempt::Commit => "commit",
            Attempt::Read => "read",
            Attempt::Upkeep => "upkeep",
        }
    }
}

/// How many rows of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally([u64; 3]);

impl Tally {
    pub(crate) fn add(&mut self, kind: RowKind) {
        self.0[kind as usize] += 1;
    }

    pub(crate) fn total(self) -> u64 {
        self.0.iter().sum()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    written: [AtomicU64; 3],
    dropped: [[AtomicU64; 4]; 3],
    log_paused: AtomicBool,
    expired: AtomicU64,
    kept: AtomicU64,
    errors: [AtomicU64; 3],
    commit_buckets: [AtomicU64; COMMIT_BUCKETS_US.len()],
    commit_count: AtomicU64,
    commit_us: AtomicU64,
    evicted: Mutex<Evicted>,
    lanes: Mutex<Vec<LaneCount>>,
}

/// What one backoffice must still be told, when it was last counted.
#[derive(Debug, Clone)]
pub(crate) struct LaneCount {
    backoffice: BackofficeId,
    waiting: u64,
    parked: u64,
    bytes: u64,
    oldest_unix_ms: Option<i64>,
}

impl LaneCount {
    /// Counts for every backoffice; looks at one row for each lane.
    pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        let sql = "SELECT backoffice, sum(waiting), sum(parked),
                       (SELECT min(queued_unix_ms) FROM deliveries
                        WHERE deliveries.backoffice = lanes.backoffice AND parked IS NULL),
                       sum(waiting_bytes + parked_bytes)
                   FROM lanes GROUP BY backoffice ORDER BY backoffice";
        connection
            .prepare_cached(sql)?
            .query_map([], |row| {
                Ok(Self {
                    backoffice: row.get::<_, String>(0)?.as_str().into(),
                    waiting: number(row.get(1)?),
                    parked: number(row.get(2)?),
                    oldest_unix_ms: row.get(3)?,
                    bytes: number(row.get(4)?),
                })
            })?
            .collect()
    }

    fn figures(&self, now_unix_ms: i64) -> LaneFigures {
        let age_ms = self.oldest_unix_ms.map_or(0, |oldest| number(now_unix_ms.saturating_sub(oldest)));
        LaneFigures {
            backoffice: self.backoffice.clone(),
            waiting: self.waiting,
            parked: self.parked,
            bytes: self.bytes,
            oldest_seconds: Duration::from_millis(age_ms).as_secs_f64(),
        }
    }
}

impl Counters {
    pub(crate) fn wrote(&self, rows: Tally, kept: u64) {
        for (counter, rows) in self.written.iter().zip(rows.0) {
            counter.fetch_add(rows, Relaxed);
        }
        self.kept.fetch_add(kept, Relaxed);
    }

    pub(crate) fn dropped(&self, kind: RowKind, reason: DropReason) {
        self.dropped[kind as usize][reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn dropped_all(&self, rows: Tally, reason: DropReason) {
        for (counters, rows) in self.dropped.iter().zip(rows.0) {
            counters[reason as usize].fetch_add(rows, Relaxed);
        }
    }

    /// Whether the log is not written to, to keep room for records; says whether that is news.
    pub(crate) fn log_paused(&self, paused: bool) -> bool {
        self.log_paused.swap(paused, Relaxed) != paused
    }

    pub(crate) fn expired(&self, rows: u64) {
        self.expired.fetch_add(rows, Relaxed);
    }

    pub(crate) fn failed(&self, attempt: Attempt) {
        self.errors[attempt as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn committed(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = COMMIT_BUCKETS_US.iter().position(|bound| us <= *bound) {
            self.commit_buckets[bucket].fetch_add(1, Relaxed);
        }
        self.commit_count.fetch_add(1, Relaxed);
        self.commit_us.fetch_add(us, Relaxed);
    }

    pub(crate) fn evicted(&self, evicted: Evicted) {
        let mut all = self.evicted.lock().unwrap_or_else(PoisonError::into_inner);
        for ((backoffice, reason), deliveries) in evicted.0 {
            tracing::warn!(%backoffice, reason = reason.label(), deliveries, "deliveries had to go");
            all.add(&backoffice, reason, deliveries);
        }
    }

    pub(crate) fn counted(&self, lanes: Vec<LaneCount>) {
        *self.lanes.lock().unwrap_or_else(PoisonError::into_inner) = lanes;
    }

    /// Everything counted so far.
    pub(crate) fn figures(&self, size_bytes: u64, rows_waiting: u64) -> Figures {
        let mut below = 0;
        let buckets = COMMIT_BUCKETS_US.iter().zip(&self.commit_buckets).map(|(bound, counter)| {
            below += counter.load(Relaxed);
            (Duration::from_micros(*bound).as_secs_f64(), below)
        });
        let commits = CommitTimes {
            buckets: buckets.collect(),
            count: self.commit_count.load(Relaxed),
            sum_seconds: Duration::from_micros(self.commit_us.load(Relaxed)).as_secs_f64(),
        };
        let mut rows_dropped = Vec::with_capacity(12);
        for kind in RowKind::ALL {
            for reason in DropReason::ALL {
                let rows = self.dropped[kind as usize][reason as usize].load(Relaxed);
                rows_dropped.push(RowsDropped { kind: kind.label(), reason: reason.label(), rows });
            }
        }
        let written = |kind: RowKind| (kind.label(), self.written[kind as usize].load(Relaxed));
        let failed = |attempt: Attempt| (attempt.label(), self.errors[attempt as usize].load(Relaxed));
        let evicted = self.evicted.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
        let deliveries_evicted = evicted.into_iter().map(|((backoffice, reason), deliveries)| {
            let backoffice = backoffice.as_str().into();
            DeliveriesEvicted { backoffice, reason: reason.label(), deliveries }
        });
        let now_unix_ms = unix_ms();
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = lanes.iter().map(|lane| lane.figures(now_unix_ms)).collect();
        Figures {
            rows_written: RowKind::ALL.map(written).to_vec(),
            rows_dropped,
            log_paused: self.log_paused.load(Relaxed),
            rows_expired: self.expired.load(Relaxed),
            records_kept: self.kept.load(Relaxed),
            commits,
            errors: Attempt::ALL.map(failed).to_vec(),
            size_bytes,
            rows_waiting,
            lanes,
            deliveries_evicted: deliveries_evicted.collect(),
        }
    }
}
