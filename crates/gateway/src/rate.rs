//! How fast things may go: a token bucket for handshakes, where nobody waits, and a pace for what a
//! backoffice that was away is told, where everybody does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use engine::BackofficeId;
use tokio::time::{Instant, sleep_until};

/// Refills steadily; a caller without a token is turned away, nobody waits.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: u32,
    burst: u32,
    level: Mutex<Level>,
}

/// What is left in a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    tokens: f64,
    at: Instant,
}

impl Level {
    /// Of a full bucket.
    pub(crate) fn new(burst: u32, now: Instant) -> Self {
        Self { tokens: f64::from(burst), at: now }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, per_second: u32, burst: u32, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * f64::from(per_second)).min(f64::from(burst));
        self.at = self.at.max(now);
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

impl Bucket {
    /// Full at first.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let burst = burst.max(1);
        Self { per_second, burst, level: Mutex::new(Level::new(burst, Instant::now())) }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        level.take(self.per_second, self.burst, now)
    }
}

/// One turn after another, no sooner than so long after the last. Who came first goes first; who gives up
/// while waiting takes nobody's time.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Duration,
    /// When the next turn may be; held by whoever is next.
    next: tokio::sync::Mutex<Instant>,
}

impl Pace {
    /// The first turn is at once.
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, next: tokio::sync::Mutex::new(Instant::now()) }
    }

    /// Resolves when it is the caller's turn.
    pub(crate) async fn turn(&self) {
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + self.every;
    }
}

/// A pace for every backoffice. Only backoffices of `proxy.toml` get one.
#[derive(Debug)]
pub(crate) struct Paces {
    every: Duration,
    of_each: DashMap<BackofficeId, Arc<Pace>>,
}

impl Paces {
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, of_each: DashMap::new() }
    }

    /// The pace that all sessions share towards this backoffice.
    pub(crate) fn of(&self, backoffice: &BackofficeId) -> Arc<Pace> {
        let pace = self.of_each.entry(backoffice.clone()).or_insert_with(|| Arc::new(Pace::new(self.every)));
        pace.value().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::task::{Context, Waker};

    #[test]
    fn a_burst_then_the_rate() {
        let bucket = Bucket::new(2, 3);
        let now = Instant::now();
        assert_eq!((0..5).filter(|_| bucket.take(now)).count(), 3);
        assert!(!bucket.take(now + Duration::from_millis(400)));
        assert!(bucket.take(now + Duration::from_millis(600)));
        assert_eq!((0..9).filter(|_| bucket.take(now + Duration::from_secs(60))).count(), 3);
    }

    const EVERY: Duration = Duration::from_millis(80);

    #[tokio::test(start_paused = true)]
    async fn turns_come_one_after_another_in_the_order_asked_for() {
        let (paces, begun) = (Paces::new(EVERY), Instant::now());
        let turn = async |number: u32| {
            paces.of(&"acme".into()).turn().await;
            assert_eq!(begun.elapsed().as_millis(), EVERY.as_millis() * u128::from(number));
        };
        join_all((0..50).map(turn)).await;
        // Another backoffice has a pace of its own, and who was idle for long is not owed anything.
        let idle = Instant::now();
        paces.of(&"volt".into()).turn().await;
        assert_eq!(idle.elapsed(), Duration::ZERO);
        tokio::time::advance(EVERY * 10).await;
        join_all((0..3).map(async |_| paces.of(&"acme".into()).turn().await)).await;
        assert_eq!(idle.elapsed(), EVERY * 12);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_no_gap() {
        let (pace, begun) = (Pace::new(EVERY), Instant::now());
        pace.turn().await;
        let mut waiting: Vec<_> = (0..20).map(|_| Box::pin(pace.turn())).collect();
        for turn in &mut waiting {
            let mut context = Context::from_waker(Waker::noop());
            assert!(turn.as_mut().poll(&mut context).is_pending());
        }
        // Also the one whose turn it would be next.
        let last = waiting.pop().unwrap();
        drop(waiting);
        last.await;
        assert_eq!(begun.elapsed(), EVERY);
    }
}
