//! Bursts: messages by a schedule that does not wait for the system under test, so that whoever is slow is not asked
//! less often and measured as fast (coordinated omission). Latency counts from the moment a message was due.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hdrhistogram::Histogram;

use super::{RouteId, Scene};

/// The kernel's waiting may be late by this much; what is due sooner is waited for with open eyes.
const OPEN_EYES: u64 = 2_000_000;
/// How long after a burst everything may take to arrive; then it is lost.
const ARRIVAL: Duration = Duration::from_secs(30);

/// What a burst came to.
#[derive(Debug, Clone)]
pub struct Burst {
    /// Calls that were due.
    pub due: u64,
    /// Calls that were answered, those after the schedule's end included.
    pub answered: u64,
    /// Calls that were answered before the schedule's end.
    pub in_time: u64,
    /// From the first message that was due to the schedule's end.
    pub scheduled: Duration,
    /// Until the last answer and the last delivery.
    pub elapsed: Duration,
    /// From the moment a call was due to its answer, in nanoseconds.
    pub latency: Histogram<u64>,
}

impl Burst {
    /// Calls answered per second, while the schedule lasted.
    pub fn rate(&self) -> f64 {
        self.in_time as f64 / self.scheduled.as_secs_f64()
    }

    /// Latency at this quantile, in microseconds.
    pub fn latency_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}

impl Scene {
    /// So many messages a second for so long, spread evenly over the chargers of one system. Afterwards everything has
    /// arrived, or is booked as lost.
    pub fn burst(&mut self, route: RouteId, per_second: f64, how_long: Duration) -> Result<Burst> {
        let chargers = self.chargers(route);
        let before = self.begin(route);
        let began = self.clock();
        let apart = 1e9 / per_second;
        let total = (how_long.as_secs_f64() * per_second).round() as u64;
        let mut sent = 0;
        let mut late_checks = 0_u32;
        while sent < total {
            let now = self.clock();
            let mut next = began + (sent as f64 * apart) as u64;
            while next <= now && sent < total {
                let charger = (sent % chargers as u64) as usize;
                self.routes[route.0].chargers[charger].due.push_back(next);
                self.speak(route.0, charger);
                sent += 1;
                next = began + (sent as f64 * apart) as u64;
                // Those who answer and those who are answered get their turn, too.
                late_checks += 1;
                if late_checks.is_multiple_of(16) {
                    break;
                }
            }
            let left = next.saturating_sub(self.clock());
            let wait = if left > OPEN_EYES { Duration::from_nanos(left - OPEN_EYES) } else { Duration::ZERO };
            self.turn(Some(wait))?;
        }
        let end = began + how_long.as_nanos() as u64;
        while self.clock() < end {
            self.turn(Some(Duration::ZERO))?;
        }
        self.finish(route, before, total, how_long, false)
    }

    /// So many messages, at most so many a second, and none before everybody has heard of the one before: what is
    /// counted then is of one message alone, however busy the machine is.
    pub fn one_by_one(&mut self, route: RouteId, per_second: f64, messages: u64) -> Result<Burst> {
        let chargers = self.chargers(route) as u64;
        let before = self.begin(route);
        let apart = Duration::from_secs_f64(1.0 / per_second);
        for message in 0..messages {
            let next = Instant::now() + apart;
            let (charger, now) = ((message % chargers) as usize, self.clock());
            self.routes[route.0].chargers[charger].due.push_back(now);
            self.speak(route.0, charger);
            let patience = next + ARRIVAL;
            while !self.has_arrived(route, charger) && Instant::now() < patience {
                self.turn(Some(Duration::from_millis(1)))?;
            }
            self.rest(next.saturating_duration_since(Instant::now()))?;
        }
        self.finish(route, before, messages, apart * messages as u32, false)
    }

    /// Every charger says the next thing as soon as it has its answer: all that the system can take.
    pub fn flood(&mut self, route: RouteId, how_long: Duration) -> Result<Burst> {
        let before = self.begin(route);
        self.routes[route.0].endless = true;
        for charger in 0..self.chargers(route) {
            let now = self.clock();
            self.routes[route.0].chargers[charger].due.push_back(now);
            self.speak(route.0, charger);
        }
        let until = Instant::now() + how_long;
        while Instant::now() < until {
            self.turn(Some(Duration::from_millis(1)))?;
        }
        self.finish(route, before, 0, how_long, false)
    }

    /// As [`Scene::burst`], but what the system could not take before the end is never said.
    pub fn overload(&mut self, route: RouteId, per_second: f64, how_long: Duration) -> Result<Burst> {
        let chargers = self.chargers(route);
        let before = self.begin(route);
        let began = self.clock();
        let (mut sent, apart) = (0_u64, 1e9 / per_second);
        let end = began + how_long.as_nanos() as u64;
        while self.clock() < end {
            let wanted = ((self.clock() - began) as f64 / apart) as u64;
            for _ in 0..(wanted - sent).min(16) {
                let charger = (sent % chargers as u64) as usize;
                let due = began + (sent as f64 * apart) as u64;
                self.routes[route.0].chargers[charger].due.push_back(due);
                self.speak(route.0, charger);
                sent += 1;
            }
            self.turn(Some(Duration::ZERO))?;
        }
        self.finish(route, before, sent, how_long, true)
    }

    /// The number of answers so far.
    fn begin(&mut self, route: RouteId) -> (u64, Instant) {
        let of_route = &mut self.routes[route.0];
        of_route.latency.reset();
        (of_route.tally.answered, Instant::now())
    }

    fn finish(
        &mut self,
        route: RouteId,
        (before, began): (u64, Instant),
        due: u64,
        scheduled: Duration,
        forget: bool,
    ) -> Result<Burst> {
        let of_route = &mut self.routes[route.0];
        of_route.endless = false;
        let in_time = of_route.tally.answered - before;
        if forget {
            of_route.chargers.iter_mut().for_each(|charger| charger.due.clear());
        }
        let until = Instant::now() + ARRIVAL;
        while !self.is_settled(route) && Instant::now() < until {
            self.turn(Some(Duration::from_millis(1)))?;
        }
        let elapsed = began.elapsed();
        self.audit(route)?;
        let of_route = &self.routes[route.0];
        let answered = of_route.tally.answered - before;
        let due = if due == 0 { answered } else { due };
        Ok(Burst { due, answered, in_time, scheduled, elapsed, latency: of_route.latency.clone() })
    }

    /// Books as lost what has not arrived.
    fn audit(&mut self, route: RouteId) -> Result<()> {
        let of_route = &mut self.routes[route.0];
        for charger in &mut of_route.chargers {
            if charger.in_flight.take().is_some() {
                of_route.tally.lost += 1;
            }
            of_route.tally.lost += charger.due.len() as u64;
            charger.due.clear();
            for (position, (book, deaf)) in charger.books.iter_mut().zip(&of_route.deaf).enumerate() {
                let heartbeats = if position == 0 { charger.heartbeats } else { 0 };
                if !deaf {
                    book.close(charger.sequence, heartbeats, &charger.boots, &mut of_route.tally);
                }
            }
            charger.boots.clear();
        }
        if of_route.chargers.iter().all(|charger| charger.link.is_none()) {
            bail!("the system has closed all its connections: {}", self.state(route));
        }
        Ok(())
    }
}
