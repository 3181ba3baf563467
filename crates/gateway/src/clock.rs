//! The one place that reads clocks: monotonic time for the engine's decisions, wall time for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::{Moment, Tick};
use tokio::time::Instant;

/// Counts ticks from the start of the gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Now.
    pub(crate) fn now(&self) -> Moment {
        let tick = Tick(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX));
        Moment { tick, unix_ms: unix_ms() }
    }

    /// When the runtime must wake for a deadline of the engine.
    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        // A deadline beyond a year is never; the sum must not overflow.
        const YEAR_US: u64 = 365 * 24 * 3600 * 1_000_000;
        self.start + Duration::from_micros(tick.0.min(self.now().tick.0.saturating_add(YEAR_US)))
    }
}

/// UTC, milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
