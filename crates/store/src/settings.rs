//! How long and how much to remember.

use std::time::Duration;

use engine::limits;

/// What the operator decides. The message log goes by age and by size, whichever is reached first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Rows of the message log older than this are deleted.
    pub keep_log_for: Duration,
    /// When the file holds more than this, the oldest rows of the message log are deleted.
    pub keep_log_bytes: u64,
    /// Closed transactions are forgotten this long after they closed. Others never are.
    pub keep_transactions_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { keep_log_for: 30 * DAY, keep_log_bytes: 10_000_000_000, keep_transactions_for: 30 * DAY }
    }
}

/// Bounds that protect the program rather than express a wish; the defaults fit every fleet that
/// one machine carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Log entries that may wait for the writer; more are dropped and counted.
    pub queued_rows: usize,
    /// Bytes of log entries that may wait for the writer; more are dropped and counted.
    pub queued_row_bytes: usize,
    /// Records that may wait to become durable; more fail with [`crate::StoreError::Overloaded`].
    pub queued_keeps: usize,
    /// The largest the database file may become, if it is bounded. Beyond it, writing fails as on a
    /// full disk. Leave room above [`Settings::keep_log_bytes`].
    pub file_bytes: Option<u64>,
    /// Room on the disk, and in the file if that is bounded, that is kept for records: with less left,
    /// the oldest rows of the message log are deleted, and until that helps its new entries are dropped
    /// and counted.
    pub reserve_bytes: u64,
    /// Deliveries that may wait for one backoffice about one charger; beyond it samples give way, then
    /// the oldest complete transactions are parked (semantics §2.8).
    pub lane_messages: u64,
    /// Bytes of such deliveries; as many of parked ones.
    pub lane_bytes: u64,
    /// Age of such deliveries.
    pub lane_age: Duration,
    /// Parked deliveries of one lane; beyond it the oldest are dropped and counted.
    pub parked_messages: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queued_rows: 65_536,
            queued_row_bytes: 64 * 1024 * 1024,
            queued_keeps: 100_000,
            file_bytes: None,
            // A write-ahead log of its full size and half an hour of a busy fleet.
            reserve_bytes: 64 * 1024 * 1024,
            lane_messages: limits::LANE_MESSAGES,
            lane_bytes: limits::LANE_BYTES,
            lane_age: Duration::from_secs(limits::LANE_DAYS * 24 * 60 * 60),
            parked_messages: 10_000,
        }
    }
}
