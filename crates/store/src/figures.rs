//! What the store tells about itself, for metrics.

use engine::BackofficeId;

/// Figures since the store was opened, except the size, which is of now.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Log rows written, by kind: `"call"`, `"answer"`, `"occurrence"`.
    pub rows_written: Vec<(&'static str, u64)>,
    /// Log rows that were never written; every kind and reason is listed, also when it is zero.
    pub rows_dropped: Vec<RowsDropped>,
    /// The log is not written to now: the room that is left is kept for records.
    pub log_paused: bool,
    /// Log rows deleted because they were too old, or the file too large, or the disk nearly full.
    pub rows_expired: u64,
    /// Records made durable.
    pub records_kept: u64,
    /// How long commits took, until the disk had it.
    pub commits: CommitTimes,
    /// Failures by what was tried: `"commit"`, `"read"`, `"upkeep"`.
    pub errors: Vec<(&'static str, u64)>,
    /// Bytes of the file and its write-ahead log.
    pub size_bytes: u64,
    /// Log entries that wait for the writer now.
    pub rows_waiting: u64,
    /// What backoffices must still be told, as it was a few seconds ago at most; every backoffice that
    /// ever had a delivery is listed.
    pub lanes: Vec<LaneFigures>,
    /// Deliveries that had to go without having been told, by backoffice and reason.
    pub deliveries_evicted: Vec<DeliveriesEvicted>,
}

/// What one backoffice must still be told, of all chargers together.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneFigures {
    /// The backoffice.
    pub backoffice: BackofficeId,
    /// Deliveries that wait.
    pub waiting: u64,
    /// Deliveries that are parked: an operator must look at them.
    pub parked: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// How long the oldest waits, in seconds; 0 when none does.
    pub oldest_seconds: f64,
}

/// Deliveries to one backoffice that had to go for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveriesEvicted {
    /// The backoffice.
    pub backoffice: BackofficeId,
    /// Lost because their lane was full: `"samples_thinned"`, `"samples"`, `"clock_aligned"`; because
    /// they were too old: `"too_old"`; because too many are parked: `"parked_overflow"`; because an
    /// operator said so: `"operator"`. Parked, not lost: `"parked_lane_full"`, `"parked_too_old"`.
    pub reason: &'static str,
    /// How many.
    pub deliveries: u64,
}

impl Figures {
    /// All log rows dropped.
    pub fn dropped(&self) -> u64 {
        self.rows_dropped.iter().map(|dropped| dropped.rows).sum()
    }

    /// All log rows written.
    pub fn written(&self) -> u64 {
        self.rows_written.iter().map(|(_, rows)| rows).sum()
    }
}

/// Log rows of one kind that were dropped for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsDropped {
    /// `"call"`, `"answer"` or `"occurrence"`.
    pub kind: &'static str,
    /// `"queue_full"`, `"no_room"`, `"store_failed"` or `"closed"`.
    pub reason: &'static str,
    /// How many.
    pub rows: u64,
}

/// A histogram of commits.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitTimes {
    /// Upper bound in seconds, and how many commits took at most that long (cumulative). Commits
    /// above the last bound are in `count` only.
    pub buckets: Vec<(f64, u64)>,
    /// All commits.
    pub count: u64,
    /// Their time together, in seconds.
    pub sum_seconds: f64,
}
