//! How often someone may fail to log in: by address and by name, or, in a browser that is known, by that alone.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::access::familiar::Familiar;
use crate::limits::{
    FAILURE_WINDOW, FAILURES_COUNTED, FAILURES_PER_ADDRESS, FAILURES_PER_BROWSER, FAILURES_PER_NAME,
    NAME_CHARACTERS_COUNTED,
};

/// Counts in windows; bounded.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    addresses: Mutex<Failures<IpAddr>>,
    names: Mutex<Failures<String>>,
    browsers: Mutex<Failures<Familiar>>,
}

/// Who tries to log in.
#[derive(Debug)]
pub(crate) enum Guest<'a> {
    /// In a browser from which this user has logged in before: others' failures are none of its own.
    Familiar(Familiar),
    /// Anybody, from this address with this name.
    Stranger(IpAddr, &'a str),
}

impl Throttle {
    /// Counts an attempt before its password is looked at, so that many at once count too; `Err` says
    /// how long to wait.
    pub(crate) fn attempt(&self, guest: &Guest<'_>) -> Result<(), Duration> {
        let now = Instant::now();
        match guest {
            Guest::Familiar(browser) => lock(&self.browsers).add(browser.clone(), FAILURES_PER_BROWSER, now),
            Guest::Stranger(address, name) => {
                lock(&self.addresses).add(prefix(*address), FAILURES_PER_ADDRESS, now)?;
                lock(&self.names).add(counted(name), FAILURES_PER_NAME, now)
            }
        }
    }

    /// The password was right: it does not count.
    pub(crate) fn succeeded(&self, guest: &Guest<'_>) {
        match guest {
            Guest::Familiar(browser) => lock(&self.browsers).take_back(browser),
            Guest::Stranger(address, name) => {
                lock(&self.addresses).take_back(&prefix(*address));
                lock(&self.names).take_back(&counted(name));
            }
        }
    }
}

/// What of a name is told apart: whoever tries names of 64 KiB is not to fill the memory with them.
fn counted(name: &str) -> String {
    name.chars().take(NAME_CHARACTERS_COUNTED).collect::<String>().to_lowercase()
}

/// Whoever has an IPv6 address has 2⁶⁴ of them.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

fn lock<Who>(failures: &Mutex<Failures<Who>>) -> std::sync::MutexGuard<'_, Failures<Who>> {
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often, since when.
#[derive(Debug)]
struct Failures<Who>(HashMap<Who, (u32, Instant)>);

impl<Who> Default for Failures<Who> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<Who: Hash + Eq + Clone> Failures<Who> {
    fn add(&mut self, who: Who, most: u32, now: Instant) -> Result<(), Duration> {
        if self.0.len() >= FAILURES_COUNTED && !self.0.contains_key(&who) {
            self.0.retain(|_, (_, since)| now.duration_since(*since) < FAILURE_WINDOW);
            if self.0.len() >= FAILURES_COUNTED
                && let Some(stalest) = self.0.iter().min_by_key(|(_, (_, since))| *since)
            {
                let stalest = stalest.0.clone();
                self.0.remove(&stalest);
            }
        }
        let (times, since) = self.0.entry(who).or_insert((0, now));
        let passed = now.duration_since(*since);
        if passed >= FAILURE_WINDOW {
            (*times, *since) = (0, now);
        } else if *times >= most {
            return Err(FAILURE_WINDOW - passed);
        }
        *times += 1;
        Ok(())
    }

    fn take_back(&mut self, who: &Who) {
        if let Some((times, _)) = self.0.get_mut(who) {
            *times = times.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_guesser_is_stopped_and_let_go_on_later() {
        let throttle = Throttle::default();
        let from = "192.0.2.7".parse().unwrap();
        let let_in = (0..50)
            .filter(|round| throttle.attempt(&Guest::Stranger(from, &format!("anna{round}"))).is_ok())
            .count();
        assert_eq!(let_in, FAILURES_PER_ADDRESS as usize);
        assert!(throttle.attempt(&Guest::Stranger("192.0.2.8".parse().unwrap(), "anna")).is_ok());
        tokio::time::advance(FAILURE_WINDOW).await;
        assert!(throttle.attempt(&Guest::Stranger(from, "anna")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_from_everywhere_is_stopped_by_the_name_and_what_is_counted_is_bounded() {
        let throttle = Throttle::default();
        let from = |round: u32| IpAddr::V4((0x0a00_0000 + round).into());
        let let_in = (0..20_000)
            .filter(|round| throttle.attempt(&Guest::Stranger(from(*round), "Anna")).is_ok())
            .count();
        assert_eq!(let_in, FAILURES_PER_NAME as usize);
        assert_eq!(lock(&throttle.addresses).0.len(), FAILURES_COUNTED);
        assert_eq!(prefix("2001:db8::1".parse().unwrap()), prefix("2001:db8::ffff:2".parse().unwrap()));
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_long_name_only_its_beginning_is_counted() {
        let throttle = Throttle::default();
        for round in 0..3 {
            throttle
                .attempt(&Guest::Stranger(
                    IpAddr::V4((0x0a00_0000 + round).into()),
                    &format!("{}{round}", "n".repeat(60_000)),
                ))
                .unwrap();
        }
        let names = lock(&throttle.names);
        assert_eq!(names.0.keys().map(String::len).collect::<Vec<_>>(), [NAME_CHARACTERS_COUNTED]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_succeeds_is_never_stopped() {
        let throttle = Throttle::default();
        let from = "::1".parse().unwrap();
        for _ in 0..100 {
            throttle.attempt(&Guest::Stranger(from, "anna")).unwrap();
            throttle.succeeded(&Guest::Stranger(from, "anna"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_browser_that_is_known_is_stopped_by_its_own_failures_alone() {
        let throttle = Throttle::default();
        let cookie = || Familiar::cookie("anna", "hash");
        let browser = Guest::Familiar(Familiar::read(&cookie(), "anna", "hash").unwrap());
        for round in 0..10 * FAILURES_PER_NAME {
            let guesser = Guest::Stranger(IpAddr::V4((0x0a00_0000 + round % 7).into()), "anna");
            assert_eq!(throttle.attempt(&guesser).is_ok(), round < FAILURES_PER_NAME);
        }
        for _ in 0..FAILURES_PER_BROWSER {
            throttle.attempt(&browser).unwrap();
        }
        throttle.attempt(&browser).unwrap_err();
        let other = Guest::Familiar(Familiar::read(&cookie(), "anna", "hash").unwrap());
        throttle.attempt(&other).unwrap();
        throttle.succeeded(&other);
    }
}
