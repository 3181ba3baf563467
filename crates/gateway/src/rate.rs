//! A token bucket: how many handshakes may come at once, and how many per second after that.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Refills steadily; a caller without a token is turned away, nobody waits.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// Full at first.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        let level = Mutex::new(Level { tokens: burst, at: Instant::now() });
        Self { per_second: f64::from(per_second), burst, level }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(level.at).as_secs_f64();
        level.tokens = (level.tokens + passed * self.per_second).min(self.burst);
        level.at = level.at.max(now);
        let taken = level.tokens >= 1.0;
        if taken {
            level.tokens -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_then_the_rate() {
        let bucket = Bucket::new(2, 3);
        let now = Instant::now();
        assert_eq!((0..5).filter(|_| bucket.take(now)).count(), 3);
        assert!(!bucket.take(now + Duration::from_millis(400)));
        assert!(bucket.take(now + Duration::from_millis(600)));
        assert_eq!((0..9).filter(|_| bucket.take(now + Duration::from_secs(60))).count(), 3);
    }
}
