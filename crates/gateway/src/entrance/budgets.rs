//! How many wrong credentials are looked at: of one address for one identity, of one address, and for one
//! identity, in a minute each (semantics S-13). What others fail at is held against nobody who has failed little
//! himself, nor against a charger where it last proved who it is: guessing must not keep it out.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::ChargerId;
use tokio::time::Instant;

use crate::fleet::folded;
use crate::limits::{
    CHANCE_AFTER, FAILURES_OF_AN_ADDRESS, FAILURES_OF_AN_IDENTITY, FAILURES_OF_BOTH,
    FAILURES_OF_THE_INNOCENT, FAILURES_REMEMBERED, FAILURES_WITHIN,
};

/// Everybody's failures.
#[derive(Debug, Default)]
pub(super) struct Budgets(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    of_both: Failures<(IpAddr, String)>,
    of_address: Failures<IpAddr>,
    of_site: Failures<IpAddr>,
    of_identity: Failures<String>,
}

impl Budgets {
    /// For how long whoever comes from there for this charger is not listened to. At home a charger is where it
    /// last proved who it is.
    pub(super) fn locked_out(
        &self,
        from: IpAddr,
        charger: &ChargerId,
        is_home: bool,
        now: Instant,
    ) -> Option<Duration> {
        let (site, from, charger) = (site(from), network(from), folded(charger));
        let tables = self.lock();
        let both = (from, charger);
        let of_both = tables.of_both.over(&both, FAILURES_OF_BOTH, now).and_then(|left| {
            let chance = tables.of_both.since_last(&both, now)?;
            let wait = CHANCE_AFTER.saturating_sub(chance).min(left);
            (!wait.is_zero()).then_some(wait)
        });
        let (from, charger) = both;
        let of_address = tables.of_address.over(&from, FAILURES_OF_AN_ADDRESS, now);
        let of_identity = tables.of_identity.over(&charger, FAILURES_OF_AN_IDENTITY, now);
        let is_guessed_at = || tables.of_identity.over(&charger, FAILURES_OF_THE_INNOCENT, now).is_some();
        let is_guesser = || tables.of_site.over(&site, FAILURES_OF_THE_INNOCENT, now).is_some();
        let others = [of_address.filter(|_| is_guessed_at()), of_identity.filter(|_| is_guesser())];
        of_both.into_iter().chain(others.into_iter().flatten().filter(|_| !is_home)).max()
    }

    pub(super) fn failed(&self, from: IpAddr, charger: &ChargerId, is_home: bool, now: Instant) {
        let (site, from, charger) = (site(from), network(from), folded(charger));
        let mut tables = self.lock();
        tables.of_both.add((from, charger.clone()), now);
        // What a charger does at home is no reason to keep others out.
        if !is_home {
            tables.of_address.add(from, now);
            tables.of_site.add(site, now);
            tables.of_identity.add(charger, now);
        }
    }

    pub(super) fn succeeded(&self, from: IpAddr, charger: &ChargerId) {
        self.lock().of_both.remove(&(network(from), folded(charger)));
    }

    /// Forgets what failed for a charger.
    pub(super) fn forgive(&self, charger: &ChargerId) {
        let charger = folded(charger);
        let mut tables = self.lock();
        tables.of_both.failures.retain(|(_, of), _| *of != charger);
        tables.of_identity.remove(&charger);
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // Nothing that runs under the lock leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy)]
struct Count {
    times: u32,
    first: Instant,
    last: Instant,
}

/// Failures of each key within a time that begins with its first. The oldest give way when there are too
/// many: the other tables still count.
#[derive(Debug)]
struct Failures<K> {
    failures: HashMap<K, Count>,
    /// In the order of their beginnings. What was removed meanwhile may stand here still.
    in_order: VecDeque<(K, Instant)>,
}

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self { failures: HashMap::new(), in_order: VecDeque::new() }
    }
}

impl<K: Hash + Eq + Clone> Failures<K> {
    fn over(&self, key: &K, most: u32, now: Instant) -> Option<Duration> {
        let count = self.failures.get(key)?;
        let left = (count.first + FAILURES_WITHIN).saturating_duration_since(now);
        (count.times >= most && !left.is_zero()).then_some(left)
    }

    fn since_last(&self, key: &K, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.failures.get(key)?.last))
    }

    fn add(&mut self, key: K, now: Instant) {
        while let Some((_, since)) = self.in_order.front()
            && (*since + FAILURES_WITHIN <= now || self.in_order.len() >= FAILURES_REMEMBERED)
            && let Some((oldest, since)) = self.in_order.pop_front()
        {
            if self.failures.get(&oldest).is_some_and(|count| count.first == since) {
                self.failures.remove(&oldest);
            }
        }
        let count = self.failures.entry(key.clone()).or_insert_with(|| {
            self.in_order.push_back((key, now));
            Count { times: 0, first: now, last: now }
        });
        count.times = count.times.saturating_add(1);
        count.last = count.last.max(now);
    }

    fn remove(&mut self, key: &K) {
        self.failures.remove(key);
    }
}

/// Whoever has one IPv6 address has a network full of them.
pub(super) fn network(address: IpAddr) -> IpAddr {
    first_bits(address, 64)
}

/// What one customer of a provider has at most, as a rule.
pub(crate) fn site(address: IpAddr) -> IpAddr {
    first_bits(address, 48)
}

fn first_bits(address: IpAddr, bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + number).to_be_bytes())
    }

    #[test]
    fn after_ten_failures_of_one_address_for_one_charger_one_more_is_looked_at_every_five_seconds() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        let (charger, other) = (ChargerId::from("CP1"), ChargerId::from("CP2"));
        let after = |seconds| now + Duration::from_secs(seconds);
        let wait = |from, charger: &ChargerId, at| budgets.locked_out(address(from), charger, false, at);
        for number in 0..10 {
            assert_eq!(wait(1, &charger, now), None, "{number}");
            budgets.failed(address(1), &ChargerId::from("cp1"), false, after(number));
        }
        assert_eq!(wait(1, &charger, after(10)), Some(Duration::from_secs(4)));
        assert_eq!(wait(1, &other, after(10)), None);
        assert_eq!(wait(2, &charger, after(10)), None);
        let mut looked_at = 0;
        for second in 10..60 {
            if wait(1, &charger, after(second)).is_none() {
                looked_at += 1;
                budgets.failed(address(1), &charger, false, after(second));
            }
        }
        assert_eq!(looked_at, 10);
        assert_eq!(wait(1, &charger, after(60)), None);
        budgets.failed(address(1), &charger, false, after(59));
        budgets.forgive(&charger);
        assert_eq!(wait(1, &charger, after(59)), None);
    }

    #[test]
    fn guessing_all_over_is_bounded_and_nobody_else_is_kept_out_by_it() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        let good = ChargerId::from("GOOD");
        for number in 0..FAILURES_OF_AN_ADDRESS {
            let name = format!("CP{}", number % 30);
            budgets.failed(address(1), &name.as_str().into(), false, now);
        }
        let is_looked_at = |from, charger: &ChargerId, is_home| {
            budgets.locked_out(address(from), charger, is_home, now).is_none()
        };
        assert!(!is_looked_at(1, &"CP1".into(), false));
        assert!(is_looked_at(1, &"CP1".into(), true));
        assert!(is_looked_at(1, &good, false), "at which nobody there guesses");
        // Sixty addresses guess once each, and the next ones three times.
        let mut looked_at = 0;
        for number in (0..200).flat_map(|number| [number; 10]) {
            if is_looked_at(100 + number, &good, false) {
                looked_at += 1;
                budgets.failed(address(100 + number), &good, false, now);
            }
        }
        assert_eq!(looked_at, 60 + (200 - 6) * FAILURES_OF_THE_INNOCENT);
        assert!(!is_looked_at(1, &good, false) && !is_looked_at(100, &good, false));
        assert!(is_looked_at(50, &good, false), "who comes from elsewhere for the first time");
        assert!(is_looked_at(1, &good, true), "who is at home");
    }

    #[test]
    fn whoever_has_many_networks_is_one_guesser() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        let of = |number: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_0001 << 80) + (number << 64)));
        let looked_at = (0..5_000).filter(|number| {
            let is_looked_at = budgets.locked_out(of(*number), &"CP1".into(), false, now).is_none();
            if is_looked_at {
                budgets.failed(of(*number), &"CP1".into(), false, now);
            }
            is_looked_at
        });
        assert_eq!(looked_at.count(), FAILURES_OF_AN_IDENTITY as usize);
    }

    #[test]
    fn who_guesses_at_home_costs_others_nothing() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        for _ in 0..1_000 {
            budgets.failed(address(1), &"GOOD".into(), true, now);
        }
        assert_eq!(budgets.locked_out(address(1), &"CP1".into(), false, now), None);
        assert_eq!(budgets.locked_out(address(2), &"GOOD".into(), false, now), None);
        assert_eq!(budgets.locked_out(address(1), &"GOOD".into(), true, now), Some(CHANCE_AFTER));
        budgets.succeeded(address(1), &"good".into());
        assert_eq!(budgets.locked_out(address(1), &"GOOD".into(), true, now), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        for number in 0..FAILURES_REMEMBERED as u32 + 100 {
            budgets.failed(address(number), &ChargerId::from(format!("CP{number}").as_str()), false, now);
        }
        let tables = budgets.lock();
        let lengths = [
            tables.of_both.failures.len(),
            tables.of_both.in_order.len(),
            tables.of_address.failures.len(),
            tables.of_site.failures.len(),
            tables.of_identity.failures.len(),
        ];
        assert!(lengths.iter().all(|length| *length <= FAILURES_REMEMBERED), "{lengths:?}");
        drop(tables);
        budgets.failed(address(1), &"CP1".into(), false, now + FAILURES_WITHIN);
        assert_eq!(budgets.lock().of_both.failures.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn one_network_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
