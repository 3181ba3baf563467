//! How many wrong credentials are looked at: of one address for one identity, of one address, and for one
//! identity, in a minute each (semantics S-13). Whoever was let in before from the address that it comes
//! from counts for itself alone: others who guess cannot keep it out.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::ChargerId;
use tokio::time::Instant;

use crate::fleet::folded;
use crate::limits::{
    FAILURES_OF_AN_ADDRESS, FAILURES_OF_AN_IDENTITY, FAILURES_OF_BOTH, FAILURES_REMEMBERED, FAILURES_WITHIN,
    GOOD_ADDRESSES,
};

/// Everybody's failures.
#[derive(Debug, Default)]
pub(super) struct Budgets(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    of_both: Failures<(IpAddr, String)>,
    of_address: Failures<IpAddr>,
    of_identity: Failures<String>,
    /// From where each charger last proved who it is; as many as are remembered, the oldest give way.
    good: HashMap<String, IpAddr>,
    good_in_order: VecDeque<String>,
}

impl Budgets {
    /// For how long whoever comes from there for this charger is not listened to.
    pub(super) fn locked_out(&self, from: IpAddr, charger: &ChargerId, now: Instant) -> Option<Duration> {
        let (from, charger) = (network(from), folded(charger));
        let tables = self.lock();
        let is_good = tables.good.get(&charger) == Some(&from);
        let both = tables.of_both.over(&(from, charger.clone()), FAILURES_OF_BOTH, now);
        let others = [
            tables.of_address.over(&from, FAILURES_OF_AN_ADDRESS, now),
            tables.of_identity.over(&charger, FAILURES_OF_AN_IDENTITY, now),
        ];
        both.into_iter().chain(others.into_iter().flatten().filter(|_| !is_good)).max()
    }

    pub(super) fn failed(&self, from: IpAddr, charger: &ChargerId, now: Instant) {
        let (from, charger) = (network(from), folded(charger));
        let mut tables = self.lock();
        tables.of_both.add((from, charger.clone()), now);
        // What a charger does that was let in before is no reason to keep others out.
        if tables.good.get(&charger) != Some(&from) {
            tables.of_address.add(from, now);
            tables.of_identity.add(charger, now);
        }
    }

    pub(super) fn succeeded(&self, from: IpAddr, charger: &ChargerId) {
        let (from, charger) = (network(from), folded(charger));
        let mut tables = self.lock();
        tables.of_both.remove(&(from, charger.clone()));
        if tables.good.insert(charger.clone(), from).is_none() {
            tables.good_in_order.push_back(charger);
            if tables.good.len() > GOOD_ADDRESSES
                && let Some(oldest) = tables.good_in_order.pop_front()
            {
                tables.good.remove(&oldest);
            }
        }
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

/// Failures of each key within a time that begins with its first. The oldest give way when there are too
/// many: the other tables still count.
#[derive(Debug)]
struct Failures<K> {
    failures: HashMap<K, (u32, Instant)>,
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
        let (times, since) = self.failures.get(key)?;
        let left = (*since + FAILURES_WITHIN).saturating_duration_since(now);
        (*times >= most && !left.is_zero()).then_some(left)
    }

    fn add(&mut self, key: K, now: Instant) {
        while let Some((_, since)) = self.in_order.front()
            && (*since + FAILURES_WITHIN <= now || self.in_order.len() >= FAILURES_REMEMBERED)
            && let Some((oldest, since)) = self.in_order.pop_front()
        {
            if self.failures.get(&oldest).is_some_and(|(_, of)| *of == since) {
                self.failures.remove(&oldest);
            }
        }
        let (times, _) = self.failures.entry(key.clone()).or_insert_with(|| {
            self.in_order.push_back((key, now));
            (0, now)
        });
        *times = times.saturating_add(1);
    }

    fn remove(&mut self, key: &K) {
        self.failures.remove(key);
    }
}

/// Whoever has one IPv6 address has a network full of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
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
    fn ten_failures_of_one_address_for_one_charger_keep_it_out_for_the_rest_of_the_minute() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        let (charger, other) = (ChargerId::from("CP1"), ChargerId::from("CP2"));
        for number in 0..10 {
            assert_eq!(budgets.locked_out(address(1), &charger, now), None, "{number}");
            budgets.failed(address(1), &ChargerId::from("cp1"), now + Duration::from_secs(number));
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(budgets.locked_out(address(1), &charger, later), Some(Duration::from_secs(40)));
        assert_eq!(budgets.locked_out(address(1), &other, later), None);
        assert_eq!(budgets.locked_out(address(2), &charger, later), None);
        assert_eq!(budgets.locked_out(address(1), &charger, now + FAILURES_WITHIN), None);
        budgets.forgive(&charger);
        assert_eq!(budgets.locked_out(address(1), &charger, later), None);
    }

    #[test]
    fn guessing_all_over_is_bounded_and_a_good_charger_is_not_kept_out_by_it() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        let good = ChargerId::from("GOOD");
        budgets.succeeded(address(1), &good);
        for number in 0..FAILURES_OF_AN_ADDRESS {
            budgets.failed(address(1), &ChargerId::from(format!("CP{number}").as_str()), now);
        }
        assert!(budgets.locked_out(address(1), &"CP-another".into(), now).is_some());
        assert_eq!(budgets.locked_out(address(1), &good, now), None);
        for number in 0..FAILURES_OF_AN_IDENTITY {
            budgets.failed(address(100 + number), &good, now);
        }
        assert!(budgets.locked_out(address(50), &good, now).is_some());
        assert_eq!(budgets.locked_out(address(1), &good, now), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        for number in 0..FAILURES_REMEMBERED as u32 + 100 {
            budgets.failed(address(number), &ChargerId::from(format!("CP{number}").as_str()), now);
            budgets.succeeded(address(number), &ChargerId::from(format!("GOOD{number}").as_str()));
        }
        let tables = budgets.lock();
        let lengths = [
            tables.of_both.failures.len(),
            tables.of_both.in_order.len(),
            tables.of_address.failures.len(),
            tables.of_identity.failures.len(),
        ];
        assert!(lengths.iter().all(|length| *length <= FAILURES_REMEMBERED), "{lengths:?}");
        assert!(tables.good.len() <= GOOD_ADDRESSES && tables.good_in_order.len() <= GOOD_ADDRESSES);
        drop(tables);
        budgets.failed(address(1), &"CP1".into(), now + FAILURES_WITHIN);
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
