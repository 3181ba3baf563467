//! Keys that chargers were given by their leaders. Until a charger has used the new one both count: whether it has
//! taken it nobody can know, and it must never be locked out (semantics S-21).

use dashmap::DashMap;
use engine::{ChargerId, TraceId};
use store::{ChargerKey, ChargerKeys, Kept, KeyStage, SealedKey, Store};

use crate::clock::unix_ms;
use crate::fleet::folded;
use crate::limits::{CHARGER_KEYS, OFFERED_KEY_COUNTS_HOURS};

/// By the identity in small letters. Only leaders make it grow, by [`CHARGER_KEYS`] for each charger.
#[derive(Debug, Default)]
pub(crate) struct ChangedKeys(DashMap<String, ChargerKeys>);

/// With which of its keys a charger has proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Used {
    /// The one that it has in `proxy.toml` or was admitted with.
    Given,
    /// The one that this call of its leader's brought.
    Changed(TraceId),
}

impl ChangedKeys {
    pub(super) fn new(all: Vec<ChargerKeys>) -> Self {
        Self(all.into_iter().map(|keys| (folded(&keys.charger), keys)).collect())
    }

    /// Every key that counts, of those that the charger was given in other ways and those that its leader has
    /// set.
    pub(super) fn all(&self, charger: &ChargerId, given: &[SealedKey]) -> Vec<(Used, SealedKey)> {
        let given = given.iter().cloned();
        let Some(keys) = self.0.get(&folded(charger)) else {
            return given.map(|key| (Used::Given, key)).collect();
        };
        let counting = keys.keys.iter().filter(|key| !is_long_refused(key));
        let changed = counting.map(|key| (Used::Changed(key.trace), key.key.clone()));
        let given = given.filter(|key| !keys.replaced.contains(key)).map(|key| (Used::Given, key));
        changed.chain(given).collect()
    }

    /// Whether the charger has proved itself with a key that its leader has set: then it has one.
    pub(super) fn is_used(&self, charger: &ChargerId) -> bool {
        let keys = self.0.get(&folded(charger));
        keys.is_some_and(|keys| keys.keys.iter().any(|key| key.stage == KeyStage::Used))
    }

    /// When the oldest of them came, by the clock.
    pub(super) fn oldest_unix_ms(&self, charger: &ChargerId) -> Option<i64> {
        self.0.get(&folded(charger))?.keys.iter().map(|key| key.unix_ms).min()
    }

    /// A key that the charger is about to be sent counts from now on, and the one that it refused the longest ago gives
    /// way when there are too many. `None` when it refused none of them: one may be what the charger has.
    pub(crate) fn offered(
        &self,
        store: &Store,
        charger: &ChargerId,
        trace: TraceId,
        key: SealedKey,
    ) -> Option<Kept> {
        let mut keys = self.0.entry(folded(charger)).or_insert_with(|| ChargerKeys::none(charger.clone()));
        keys.keys.retain(|key| !is_long_refused(key));
        if keys.keys.len() >= CHARGER_KEYS {
            let at = keys.keys.iter().rposition(|key| key.stage == KeyStage::Refused)?;
            keys.keys.remove(at);
        }
        keys.keys
            .insert(0, ChargerKey { trace, key, stage: KeyStage::Offered, unix_ms: unix_ms(), hours: 0 });
        // Under the lock, so that what is written last is what counts.
        Some(store.keep_charger_keys(keys.clone()))
    }

    /// A key that the charger was not sent: it could not be kept, or nobody could send it any more.
    pub(crate) fn withdraw(&self, store: &Store, charger: &ChargerId, trace: TraceId) {
        self.change(store, charger, |keys| keys.keys.retain(|key| key.trace != trace));
    }

    /// The charger has accepted it: it counts until the charger uses a later one.
    pub(crate) fn accepted(&self, store: &Store, charger: &ChargerId, trace: TraceId) {
        self.change(store, charger, |keys| {
            for key in keys.keys.iter_mut().filter(|key| key.trace == trace && key.stage == KeyStage::Offered)
            {
                key.stage = KeyStage::Accepted;
            }
        });
    }

    /// The charger has said that it does not take it.
    pub(crate) fn refused(&self, store: &Store, charger: &ChargerId, trace: TraceId) {
        self.change(store, charger, |keys| {
            for key in keys.keys.iter_mut().filter(|key| key.trace == trace && key.stage == KeyStage::Offered)
            {
                key.stage = KeyStage::Refused;
            }
        });
    }

    /// The charger has proved who it is: what is older than the key that it used does not count any more. A later
    /// one that it never accepted does not, either, when the charger still uses an earlier one after so long.
    /// True when it has used this key for the first time.
    pub(super) fn used(&self, store: &Store, charger: &ChargerId, used: Used, given: &[SealedKey]) -> bool {
        let mut is_first = false;
        self.change(store, charger, |keys| {
            let at = match used {
                Used::Given => keys.keys.len(),
                Used::Changed(trace) => {
                    let Some(at) = keys.keys.iter().position(|key| key.trace == trace) else { return };
                    is_first = keys.keys[at].stage != KeyStage::Used;
                    keys.keys[at].stage = KeyStage::Used;
                    keys.keys.truncate(at + 1);
                    let more = given.iter().filter(|key| !keys.replaced.contains(key));
                    // What proxy.toml does not hold any more need not be remembered.
                    keys.replaced =
                        more.chain(&keys.replaced).filter(|key| given.contains(key)).cloned().collect();
                    at
                }
            };
            let mut place = 0..;
            keys.keys.retain(|key| {
                let is_later = place.next().is_some_and(|place| place < at);
                !(is_later && is_over(key) && key.stage == KeyStage::Offered)
            });
        });
        is_first
    }

    /// The program has run for another hour with those that were neither accepted nor used.
    pub(super) fn an_hour_passed(&self, store: &Store) {
        let ages =
            |key: &ChargerKey| matches!(key.stage, KeyStage::Offered | KeyStage::Refused) && !is_over(key);
        for mut keys in self.0.iter_mut().filter(|keys| keys.keys.iter().any(ages)) {
            for key in keys.keys.iter_mut().filter(|key| ages(key)) {
                key.hours += 1;
            }
            // Under the lock, as in `offered`. If it is lost they count for longer.
            drop(store.keep_charger_keys(keys.clone()));
        }
    }

    /// An operator had them forgotten; the store knows.
    pub(super) fn forget(&self, store: &Store, charger: &ChargerId) {
        // Written again: a key may have been kept between the order and now.
        self.change(store, charger, |keys| *keys = ChargerKeys::none(charger.clone()));
    }

    fn change(&self, store: &Store, charger: &ChargerId, change: impl FnOnce(&mut ChargerKeys)) {
        let place = folded(charger);
        let Some(mut keys) = self.0.get_mut(&place) else { return };
        let former = keys.clone();
        change(&mut keys);
        if *keys != former {
            // Not waited for: if it is lost more keys count than need to, never fewer.
            drop(store.keep_charger_keys(keys.clone()));
        }
        drop(keys);
        self.0.remove_if(&place, |_, keys| keys.keys.is_empty() && keys.replaced.is_empty());
    }
}

/// What the charger itself has refused counts for a week, whoever comes meanwhile.
fn is_long_refused(key: &ChargerKey) -> bool {
    key.stage == KeyStage::Refused && is_over(key)
}

fn is_over(key: &ChargerKey) -> bool {
    key.hours >= OFFERED_KEY_COUNTS_HOURS
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        _folder: tempfile::TempDir,
        store: Store,
        keys: ChangedKeys,
        given: Vec<SealedKey>,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("x.db"), store::Settings::default()).unwrap();
            let given = vec![store.seal().close(&"CP1".into(), "given")];
            Self { _folder: folder, store, keys: ChangedKeys::default(), given }
        }

        fn offer(&self, number: u128) -> Option<TraceId> {
            let trace = TraceId(ulid::Ulid(number));
            let key = self.store.seal().close(&"CP1".into(), &number.to_string());
            self.keys.offered(&self.store, &"CP1".into(), trace, key).map(|kept| {
                drop(kept);
                trace
            })
        }

        fn used(&self, used: Used) -> bool {
            self.keys.used(&self.store, &"CP1".into(), used, &self.given)
        }

        fn counting(&self) -> Vec<Used> {
            self.keys.all(&"cp1".into(), &self.given).into_iter().map(|(used, _)| used).collect()
        }

        fn days_pass(&self, days: u32) {
            (0..days * 24).for_each(|_| self.keys.an_hour_passed(&self.store));
        }

        /// What a program that starts now would know.
        async fn restarted(&mut self) {
            let (charger, backoffice) = ("CP1".into(), "volt".into());
            // What is written is written in order.
            let last = store::LinkKeys { charger, backoffice, keys: Vec::new() };
            self.store.keep_link_keys(last).await.unwrap();
            self.keys = ChangedKeys::new(self.store.charger_keys().await.unwrap());
        }
    }

    #[tokio::test]
    async fn both_count_until_the_new_one_was_used_and_the_former_never_again() {
        let mut world = World::new();
        assert_eq!(world.counting(), [Used::Given]);
        let new = Used::Changed(world.offer(1).unwrap());
        world.restarted().await;
        assert_eq!(world.counting(), [new, Used::Given]);
        assert!(!world.used(Used::Given));
        world.keys.accepted(&world.store, &"CP1".into(), TraceId(ulid::Ulid(1)));
        world.days_pass(100);
        assert!(!world.used(Used::Given), "it has accepted: whenever it comes with it, it is let in");
        assert_eq!(world.counting(), [new, Used::Given]);
        assert!(world.used(new));
        assert!(!world.used(new), "for the first time only once");
        assert_eq!(world.counting(), [new]);
        world.restarted().await;
        assert_eq!(world.counting(), [new]);
        world.given = vec![world.store.seal().close(&"CP1".into(), "another")];
        assert_eq!(
            world.counting(),
            [new, Used::Given],
            "whoever writes another key into proxy.toml means it"
        );
        world.keys.forget(&world.store, &"CP1".into());
        world.restarted().await;
        assert_eq!(world.counting(), [Used::Given]);
    }

    #[tokio::test]
    async fn what_was_never_accepted_counts_until_the_former_is_used_after_a_week() {
        let world = World::new();
        let new = Used::Changed(world.offer(1).unwrap());
        world.days_pass(6);
        world.used(Used::Given);
        assert_eq!(world.counting(), [new, Used::Given]);
        // However late it is: it may have been accepted while nobody heard.
        world.days_pass(24);
        assert!(world.used(new));
        let later = Used::Changed(world.offer(2).unwrap());
        world.days_pass(6);
        world.used(new);
        assert_eq!(world.counting(), [later, new]);
        world.days_pass(1);
        world.used(new);
        assert_eq!(world.counting(), [new]);
    }

    #[tokio::test]
    async fn a_key_that_may_be_the_chargers_is_not_displaced_by_others() {
        let world = World::new();
        let first = Used::Changed(world.offer(1).unwrap());
        let taken = (2..100).map_while(|number| world.offer(number)).count();
        assert_eq!(taken, CHARGER_KEYS - 1);
        assert!(world.counting().contains(&first));
        world.keys.withdraw(&world.store, &"CP1".into(), TraceId(ulid::Ulid(2)));
        assert!(world.offer(200).is_some());
    }

    #[tokio::test]
    async fn what_the_charger_refuses_gives_way_and_is_over_after_a_week_without_a_login() {
        let mut world = World::new();
        let first = Used::Changed(world.offer(1).unwrap());
        for number in 2..100 {
            let trace = world.offer(number).unwrap();
            world.keys.refused(&world.store, &"CP1".into(), trace);
        }
        world.restarted().await;
        let counting = world.counting();
        assert_eq!(counting.len(), CHARGER_KEYS + 1);
        assert!(counting.contains(&first), "nobody knows what the charger made of it");
        world.days_pass(6);
        world.restarted().await;
        assert_eq!(world.counting(), counting);
        world.days_pass(1);
        assert_eq!(world.counting(), [first, Used::Given]);
    }

    #[tokio::test]
    async fn what_the_charger_says_it_has_refused_it_may_have_taken() {
        let world = World::new();
        let trace = world.offer(1).unwrap();
        world.keys.refused(&world.store, &"CP1".into(), trace);
        world.days_pass(6);
        assert!(world.used(Used::Changed(trace)));
        world.days_pass(30);
        assert_eq!(world.counting(), [Used::Changed(trace)]);
    }

    #[tokio::test]
    async fn which_key_is_newer_and_how_old_they_are_no_clock_says() {
        let mut world = World::new();
        // The clock is set back by years before the second comes.
        let (first, second) = (world.offer(7_000).unwrap(), world.offer(1).unwrap());
        world.keys.accepted(&world.store, &"CP1".into(), first);
        world.keys.accepted(&world.store, &"CP1".into(), second);
        world.restarted().await;
        let [first, second] = [first, second].map(Used::Changed);
        assert_eq!(world.counting(), [second, first, Used::Given]);
        assert!(world.used(first));
        assert_eq!(
            world.counting(),
            [second, first],
            "the charger may yet come with the one that it accepted last"
        );
        let long_ago = ChargerKey {
            trace: TraceId(ulid::Ulid(9)),
            key: world.store.seal().close(&"CP1".into(), "9"),
            stage: KeyStage::Offered,
            unix_ms: 0,
            hours: 0,
        };
        let charger = ChargerId::from("CP1");
        let keys = ChargerKeys { keys: vec![long_ago], ..ChargerKeys::none(charger) };
        world.store.keep_charger_keys(keys).await.unwrap();
        world.restarted().await;
        world.used(Used::Given);
        assert_eq!(world.counting().len(), 2, "it came before the clock was set, and not years ago");
    }
}
