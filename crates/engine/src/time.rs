//! Time as the engine sees it: handed in, never read.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on a clock that never goes back, in microseconds since an arbitrary start.
/// Every deadline and every order rests on it, none on wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// How long ago `earlier` was; zero when it is not in the past.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Tick;

    fn add(self, wait: Duration) -> Tick {
        Tick(self.0.saturating_add(in_microseconds(wait)))
    }
}

impl Sub<Duration> for Tick {
    type Output = Tick;

    fn sub(self, back: Duration) -> Tick {
        Tick(self.0.saturating_sub(in_microseconds(back)))
    }
}

/// Longer than any clock runs is for ever: a peer may name such an interval.
fn in_microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// When an event happened: on the monotonic clock for decisions, on the wall clock for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Monotonic; decides.
    pub tick: Tick,
    /// UTC, milliseconds since 1970; shown and stored.
    pub unix_ms: i64,
}

impl Moment {
    /// UTC to the second with `Z` and no fraction, the one form that every charger seen so far
    /// can parse (semantics B-33).
    pub fn to_ocpp(self) -> String {
        jiff::Timestamp::from_second(self.unix_ms.div_euclid(1000))
            .map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |t| t.to_string())
    }
}

/// The instant a timestamp names; lenient, since chargers write many forms (semantics §8.3).
pub(crate) fn instant(timestamp: &str) -> Option<jiff::Timestamp> {
    let timestamp = timestamp.trim();
    timestamp.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = timestamp.parse().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_never_ends() {
        // 2^58 s are a multiple of 2^64 µs.
        assert_eq!(Tick(5) + Duration::from_secs(1 << 58), Tick(u64::MAX));
        assert_eq!(Tick(5) - Duration::from_secs(u64::MAX), Tick(0));
    }

    #[test]
    fn a_moment_is_written_without_fraction() {
        let moment = Moment { tick: Tick(0), unix_ms: 1_795_352_583_999 };
        assert_eq!(moment.to_ocpp(), "2026-11-22T13:03:03Z");
    }
}
