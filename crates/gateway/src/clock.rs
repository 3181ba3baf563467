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
        /// A deadline beyond a century is never; the sum must not overflow.
        const CENTURY_US: u64 = 100 * 366 * 24 * 3600 * 1_000_000;
        self.start + Duration::from_micros(tick.0.min(CENTURY_US))
    }

    /// A moment that is so far off, and less than twice as far. Whoever asks within the same while gets the same one:
    /// many wake together.
    pub(crate) fn after_at_least(&self, span: Duration) -> Instant {
        let each = span.as_nanos();
        let moments = self.start.elapsed().as_nanos() / each + 2;
        self.start + Duration::from_nanos(u64::try_from(moments * each).unwrap_or(u64::MAX))
    }
}

/// UTC, milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_within_the_same_span_wakes_at_the_same_moment() {
        let (clock, begun) = (Clock::start(), Instant::now());
        let span = Duration::from_millis(50);
        let mut far = Vec::new();
        for _ in 0..10 {
            far.push((clock.after_at_least(span) - begun).as_millis());
            tokio::time::advance(Duration::from_millis(20)).await;
        }
        assert_eq!(far, [100, 100, 100, 150, 150, 200, 200, 200, 250, 250]);
    }

    #[test]
    fn a_deadline_that_is_never_is_far_off() {
        let clock = Clock::start();
        assert!(clock.instant(Tick(u64::MAX)) > clock.instant(Tick(1)) + Duration::from_secs(3600));
    }
}
