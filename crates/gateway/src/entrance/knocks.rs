//! Chargers that were turned away, for an operator to see: those that nobody has admitted, and those that failed to
//! prove who they are. What strangers can make us remember is bounded, and so is how often it is written.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::ChargerId;
use store::{Knocking, Store, WhyNot};
use tokio::time::Instant;

use super::budgets::network;
use crate::clock::unix_ms;
use crate::fleet::folded;
use crate::limits::{
    KNOCKING_FROM_AN_ADDRESS, KNOCKING_REMEMBERED, KNOCKS_WRITTEN_AT_ONCE, KNOCKS_WRITTEN_PER_SECOND,
    REFUSALS_LOGGED_AT_ONCE, REFUSALS_LOGGED_PER_SECOND,
};
use crate::rate::Bucket;

#[derive(Debug)]
pub(super) struct Knocks {
    /// By the identity in small letters.
    all: Mutex<HashMap<String, Knock>>,
    written: Bucket,
    told: Bucket,
}

/// One that was turned away.
#[derive(Debug, Clone, Copy)]
pub(super) struct TurnedAway<'a> {
    pub(super) charger: &'a ChargerId,
    pub(super) from: IpAddr,
    pub(super) sent_credentials: bool,
    pub(super) why: WhyNot,
    pub(super) locked_out: bool,
}

#[derive(Debug)]
struct Knock {
    knocking: Knocking,
    /// Where it came from last; of IPv6 the first 64 bits.
    network: IpAddr,
}

impl Knocks {
    /// With those that the store remembers.
    pub(super) fn new(known: Vec<Knocking>) -> Self {
        let known = known.into_iter().map(|knocking| {
            let from = knocking.address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            (folded(&knocking.charger), Knock { network: network(from), knocking })
        });
        Self {
            all: Mutex::new(known.collect()),
            written: Bucket::new(KNOCKS_WRITTEN_PER_SECOND, KNOCKS_WRITTEN_AT_ONCE),
            told: Bucket::new(REFUSALS_LOGGED_PER_SECOND, REFUSALS_LOGGED_AT_ONCE),
        }
    }

    /// Somebody calls itself this charger and is not let in.
    pub(super) fn turned_away(&self, store: &Store, who: TurnedAway<'_>, now: Instant) {
        let knocking = self.add(who, unix_ms());
        if knocking.times == 1 && who.why == WhyNot::Unknown && self.told.take(now) {
            let (charger, from) = (who.charger, who.from);
            tracing::warn!(%charger, %from, "an unknown charger knocks; an operator may admit it");
        }
        if self.written.take(now) {
            // In memory it stands in any case; the next knock is written again.
            let _unawaited = store.knocked(knocking);
        }
    }

    fn add(&self, who: TurnedAway<'_>, unix_ms: i64) -> Knocking {
        let TurnedAway { charger, from, sent_credentials, why, locked_out } = who;
        let mut all = self.lock();
        let key = folded(charger);
        if !all.contains_key(&key)
            && let Some(gives_way) = gives_way(&all, network(from))
        {
            all.remove(&gives_way);
        }
        let one = all.entry(key).or_insert_with(|| Knock {
            network: network(from),
            knocking: Knocking {
                charger: charger.clone(),
                address: String::new(),
                first_unix_ms: unix_ms,
                last_unix_ms: unix_ms,
                times: 0,
                sent_credentials: false,
                why,
                locked_out,
            },
        });
        one.network = network(from);
        let one = &mut one.knocking;
        one.address = from.to_string();
        one.last_unix_ms = unix_ms;
        one.times = one.times.saturating_add(1);
        one.sent_credentials |= sent_credentials;
        one.locked_out = locked_out;
        // What it is kept out for now came of what was wrong before.
        if why != WhyNot::TooManyFailures {
            one.why = why;
        }
        one.clone()
    }

    /// The charger has proved who it is. What others tried from elsewhere is worth knowing all the same.
    pub(super) fn came_in(&self, store: &Store, charger: &ChargerId, from: IpAddr) {
        let removed = {
            let (mut all, key) = (self.lock(), folded(charger));
            let is_its_own = all.get(&key).is_some_and(|one| one.network == network(from));
            if is_its_own { all.remove(&key) } else { None }
        };
        if removed.is_some() {
            let _unawaited = store.came_in(charger.clone());
        }
    }

    /// Why it was turned away, if it was.
    pub(super) fn of(&self, charger: &ChargerId) -> Option<Knocking> {
        self.lock().get(&folded(charger)).map(|one| one.knocking.clone())
    }

    pub(super) fn forget(&self, charger: &ChargerId) {
        self.lock().remove(&folded(charger));
    }

    /// The last first.
    pub(super) fn all(&self) -> Vec<Knocking> {
        let mut all: Vec<Knocking> = self.lock().values().map(|one| one.knocking.clone()).collect();
        all.sort_by(|one, other| {
            let last = other.last_unix_ms.cmp(&one.last_unix_ms);
            last.then_with(|| one.charger.as_str().cmp(other.charger.as_str()))
        });
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Knock>> {
        // Nothing that runs under the lock leaves it half changed.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is forgotten for one more from there: of those who have most of the list the one whose knock is the longest
/// ago, so that nobody pushes others off it by making names up.
fn gives_way(all: &HashMap<String, Knock>, from: IpAddr) -> Option<String> {
    let oldest = |is_of_them: &dyn Fn(IpAddr) -> bool| {
        let of_them = all.iter().filter(|(_, one)| is_of_them(one.network));
        of_them.min_by_key(|(_, one)| one.knocking.last_unix_ms).map(|(key, _)| key.clone())
    };
    if all.values().filter(|one| one.network == from).count() >= KNOCKING_FROM_AN_ADDRESS {
        return oldest(&|network| network == from);
    }
    if all.len() < KNOCKING_REMEMBERED {
        return None;
    }
    let mut of_networks: HashMap<IpAddr, usize> = HashMap::new();
    for one in all.values() {
        *of_networks.entry(one.network).or_default() += 1;
    }
    let most = of_networks.values().max();
    oldest(&|network| of_networks.get(&network) == most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(charger: &ChargerId, from: IpAddr, sent_credentials: bool) -> TurnedAway<'_> {
        TurnedAway { charger, from, sent_credentials, why: WhyNot::Unknown, locked_out: false }
    }

    #[test]
    fn who_makes_names_up_pushes_nobody_else_off_the_list() {
        let knocks = Knocks::new(Vec::new());
        knocks.add(stranger(&"GENUINE".into(), IpAddr::from([10, 0, 0, 1]), true), 1);
        let remembered = |knocks: &Knocks| {
            let all = knocks.all();
            assert!(all.iter().any(|one| one.charger.as_str() == "GENUINE"), "of {}", all.len());
            all.len()
        };
        let name = |number: u8, of: i64| ChargerId::from(format!("X{number}-{of}").as_str());
        for number in 0..5_000 {
            knocks.add(stranger(&name(0, number), IpAddr::from([10, 0, 1, 1]), true), 10 + number);
        }
        assert_eq!(remembered(&knocks), 1 + KNOCKING_FROM_AN_ADDRESS);
        for (host, number) in (0..100).flat_map(|host| (0..30).map(move |number| (host, number))) {
            knocks.add(stranger(&name(host, number), IpAddr::from([10, 0, 2, host]), true), 10_000);
        }
        assert_eq!(remembered(&knocks), KNOCKING_REMEMBERED);
    }

    #[test]
    fn a_knock_adds_to_what_is_known_and_the_oldest_gives_way() {
        let knocks = Knocks::new(Vec::new());
        let from = IpAddr::from([10, 0, 0, 1]);
        knocks.add(stranger(&"CP1".into(), from, true), 1);
        knocks.add(stranger(&"cp1".into(), IpAddr::from([10, 0, 0, 2]), false), 5);
        let one = &knocks.all()[0];
        assert_eq!((one.charger.as_str(), one.address.as_str(), one.times), ("CP1", "10.0.0.2", 2));
        assert_eq!((one.first_unix_ms, one.last_unix_ms, one.sent_credentials), (1, 5, true));
        for number in 0..KNOCKING_REMEMBERED as i64 {
            let from = IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
            let charger = ChargerId::from(format!("X{number}").as_str());
            knocks.add(stranger(&charger, from, false), 10 + number);
        }
        let all = knocks.all();
        assert_eq!(all.len(), KNOCKING_REMEMBERED);
        assert!(all.iter().all(|one| one.charger.as_str() != "CP1"));
        assert!(all[0].last_unix_ms > all[1].last_unix_ms);
        knocks.forget(&all[0].charger);
        assert_eq!(knocks.all().len(), KNOCKING_REMEMBERED - 1);
    }

    #[test]
    fn what_was_wrong_is_still_known_when_it_is_not_looked_at_any_more() {
        let knocks = Knocks::new(Vec::new());
        let (charger, from) = (ChargerId::from("CP1"), IpAddr::from([10, 0, 0, 1]));
        let add = |why, locked_out, unix_ms| {
            let one = TurnedAway { why, locked_out, ..stranger(&charger, from, true) };
            let one = knocks.add(one, unix_ms);
            (one.why, one.locked_out, one.times)
        };
        assert_eq!(add(WhyNot::TooManyFailures, true, 1), (WhyNot::TooManyFailures, true, 1));
        assert_eq!(add(WhyNot::WrongKey, false, 2), (WhyNot::WrongKey, false, 2));
        assert_eq!(add(WhyNot::TooManyFailures, true, 3), (WhyNot::WrongKey, true, 3));
        assert_eq!(add(WhyNot::TlsBefore, false, 4), (WhyNot::TlsBefore, false, 4));
    }
}
