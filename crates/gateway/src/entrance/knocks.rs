//! Chargers that knock although nobody has admitted them, for an operator to see. What strangers can make
//! us remember is bounded, and so is how often it is written.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::ChargerId;
use store::{Knocking, Store};
use tokio::time::Instant;

use crate::clock::unix_ms;
use crate::fleet::folded;
use crate::limits::{
    KNOCKING_REMEMBERED, KNOCKS_WRITTEN_AT_ONCE, KNOCKS_WRITTEN_PER_SECOND, REFUSALS_LOGGED_AT_ONCE,
    REFUSALS_LOGGED_PER_SECOND,
};
use crate::rate::Bucket;

#[derive(Debug)]
pub(super) struct Knocks {
    /// By the identity in small letters.
    all: Mutex<HashMap<String, Knocking>>,
    written: Bucket,
    told: Bucket,
}

impl Knocks {
    /// With those that the store remembers.
    pub(super) fn new(known: Vec<Knocking>) -> Self {
        let all = known.into_iter().map(|one| (folded(&one.charger), one)).collect();
        Self {
            all: Mutex::new(all),
            written: Bucket::new(KNOCKS_WRITTEN_PER_SECOND, KNOCKS_WRITTEN_AT_ONCE),
            told: Bucket::new(REFUSALS_LOGGED_PER_SECOND, REFUSALS_LOGGED_AT_ONCE),
        }
    }

    /// Somebody calls itself this charger and is not admitted.
    pub(super) fn knocked(
        &self,
        store: &Store,
        charger: &ChargerId,
        from: IpAddr,
        sent_credentials: bool,
        now: Instant,
    ) {
        let knocking = self.add(charger, from, sent_credentials, unix_ms());
        if knocking.times == 1 && self.told.take(now) {
            tracing::warn!(%charger, %from, "an unknown charger knocks; an operator may admit it");
        }
        if self.written.take(now) {
            // In memory it stands in any case; the next knock is written again.
            let _unawaited = store.knocked(knocking);
        }
    }

    fn add(&self, charger: &ChargerId, from: IpAddr, sent_credentials: bool, unix_ms: i64) -> Knocking {
        let mut all = self.lock();
        let key = folded(charger);
        if all.len() >= KNOCKING_REMEMBERED && !all.contains_key(&key) {
            let oldest = all.iter().min_by_key(|(_, one)| one.last_unix_ms);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                all.remove(&oldest);
            }
        }
        let one = all.entry(key).or_insert_with(|| Knocking {
            charger: charger.clone(),
            address: String::new(),
            first_unix_ms: unix_ms,
            last_unix_ms: unix_ms,
            times: 0,
            sent_credentials: false,
        });
        one.address = from.to_string();
        one.last_unix_ms = unix_ms;
        one.times = one.times.saturating_add(1);
        one.sent_credentials |= sent_credentials;
        one.clone()
    }

    pub(super) fn forget(&self, charger: &ChargerId) {
        self.lock().remove(&folded(charger));
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The last first.
    pub(super) fn all(&self) -> Vec<Knocking> {
        let mut all: Vec<Knocking> = self.lock().values().cloned().collect();
        all.sort_by(|one, other| {
            let last = other.last_unix_ms.cmp(&one.last_unix_ms);
            last.then_with(|| one.charger.as_str().cmp(other.charger.as_str()))
        });
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Knocking>> {
        // Nothing that runs under the lock leaves it half changed.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knock_adds_to_what_is_known_and_the_oldest_gives_way() {
        let knocks = Knocks::new(Vec::new());
        let from = IpAddr::from([10, 0, 0, 1]);
        knocks.add(&"CP1".into(), from, true, 1);
        knocks.add(&"cp1".into(), IpAddr::from([10, 0, 0, 2]), false, 5);
        let one = &knocks.all()[0];
        assert_eq!((one.charger.as_str(), one.address.as_str(), one.times), ("CP1", "10.0.0.2", 2));
        assert_eq!((one.first_unix_ms, one.last_unix_ms, one.sent_credentials), (1, 5, true));
        for number in 0..KNOCKING_REMEMBERED as i64 {
            knocks.add(&ChargerId::from(format!("X{number}").as_str()), from, false, 10 + number);
        }
        let all = knocks.all();
        assert_eq!(all.len(), KNOCKING_REMEMBERED);
        assert!(all.iter().all(|one| one.charger.as_str() != "CP1"));
        assert!(all[0].last_unix_ms > all[1].last_unix_ms);
        knocks.forget(&all[0].charger);
        assert_eq!(knocks.all().len(), KNOCKING_REMEMBERED - 1);
    }
}
