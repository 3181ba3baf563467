//! Who has not asked for anything yet, by where it comes from: when there is no room left, whoever has most of it
//! makes some. One computer that opens connections without end then ends its own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use crate::entrance::site;

/// Connections whose request has not arrived.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    /// Counts connections: the lowest is the oldest.
    last: u64,
    /// Of each site, by age; `None` until its task is known.
    of_sites: HashMap<IpAddr, BTreeMap<u64, Option<AbortHandle>>>,
    /// Who has most comes last; of several, who has the oldest.
    by_share: BTreeSet<(usize, Reverse<u64>, IpAddr)>,
}

impl Places {
    /// A connection that has just been accepted.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Place {
        let site = site(from);
        let mut tables = self.lock();
        tables.last += 1;
        let number = tables.last;
        tables.change(site, |places| drop(places.insert(number, None)));
        drop(tables);
        Place { places: self.clone(), number, site }
    }

    /// By what it can be ended, unless it has asked or ended meanwhile.
    pub(super) fn may_end(&self, (site, number): (IpAddr, u64), task: AbortHandle) {
        let mut tables = self.lock();
        // A front may have said meanwhile where it comes from.
        let of_site = match tables.of_sites.get_mut(&site) {
            Some(of_site) if of_site.contains_key(&number) => Some(of_site),
            _ => tables.of_sites.values_mut().find(|of_site| of_site.contains_key(&number)),
        };
        if let Some(place) = of_site.and_then(|of_site| of_site.get_mut(&number)) {
            *place = Some(task);
        }
    }

    /// Ends the oldest connection of those who have most. False when all have asked.
    pub(super) fn make_room(&self) -> bool {
        let mut tables = self.lock();
        let Some((_, Reverse(oldest), site)) = tables.by_share.last().copied() else { return false };
        let mut ended = None;
        tables.change(site, |places| ended = places.remove(&oldest));
        if let Some(task) = ended.flatten() {
            task.abort();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // Nothing that runs under the lock leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn change(&mut self, site: IpAddr, change: impl FnOnce(&mut BTreeMap<u64, Option<AbortHandle>>)) {
        let places = self.of_sites.entry(site).or_default();
        if let Some(share) = share(site, places) {
            self.by_share.remove(&share);
        }
        change(places);
        match share(site, places) {
            Some(share) => drop(self.by_share.insert(share)),
            None => drop(self.of_sites.remove(&site)),
        }
    }
}

fn share(site: IpAddr, places: &BTreeMap<u64, Option<AbortHandle>>) -> Option<(usize, Reverse<u64>, IpAddr)> {
    places.first_key_value().map(|(oldest, _)| (places.len(), Reverse(*oldest), site))
}

/// The place of one connection, until it asks or ends.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    site: IpAddr,
}

impl Place {
    /// What names it.
    pub(super) fn name(&self) -> (IpAddr, u64) {
        (self.site, self.number)
    }

    /// A front says where it comes from.
    pub(super) fn comes_from(&mut self, from: IpAddr) {
        let site = site(from);
        if site != self.site {
            let mut tables = self.places.lock();
            let mut place = None;
            tables.change(self.site, |places| place = places.remove(&self.number));
            if let Some(task) = place {
                tables.change(site, |places| drop(places.insert(self.number, task)));
            }
            drop(tables);
            self.site = site;
        }
    }

    /// Its request has arrived: it is not ended any more for others.
    pub(super) fn asked(&self) {
        self.places.lock().change(self.site, |places| drop(places.remove(&self.number)));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.asked();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn silent(places: &Arc<Places>, from: IpAddr) -> (Place, tokio::task::JoinHandle<()>) {
        let place = places.enter(from);
        let task = tokio::spawn(std::future::pending::<()>());
        places.may_end(place.name(), task.abort_handle());
        (place, task)
    }

    #[tokio::test]
    async fn who_has_most_makes_room_the_oldest_first() {
        let places = Arc::new(Places::default());
        let genuine = silent(&places, address(1));
        let mut flood: Vec<_> = (0..100).map(|_| silent(&places, address(2))).collect();
        for (_, task) in flood.iter_mut().take(99) {
            assert!(places.make_room());
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert!(!genuine.1.is_finished() && !flood[99].1.is_finished());
        // Each has one now, and the genuine one is the oldest.
        assert!(places.make_room());
        assert!(genuine.1.await.unwrap_err().is_cancelled());
        flood[99].0.asked();
        assert!(!places.make_room(), "whoever has asked is not ended");
        drop(flood);
        drop(genuine.0);
        assert!(places.lock().of_sites.is_empty() && places.lock().by_share.is_empty());
    }

    #[tokio::test]
    async fn behind_a_front_it_counts_where_they_come_from() {
        let (places, front) = (Arc::new(Places::default()), address(9));
        let mut of_front: Vec<_> = (0..10).map(|_| silent(&places, front)).collect();
        for (at, (place, _)) in of_front.iter_mut().enumerate() {
            place.comes_from(address(if at < 2 { 1 } else { 2 }));
        }
        let networks: Vec<_> = (0..5u16)
            .map(|number| silent(&places, IpAddr::from([0x2001, 0xdb8, 1, number, 0, 0, 0, 1])))
            .collect();
        for _ in 0..3 {
            assert!(places.make_room());
        }
        for (at, (_, task)) in of_front.iter_mut().enumerate() {
            if (2..5).contains(&at) {
                assert!(task.await.unwrap_err().is_cancelled(), "{at}");
            } else {
                assert!(!task.is_finished(), "{at}");
            }
        }
        // Whoever has one network of IPv6 has many, and is one.
        assert!(places.make_room());
        let shares: Vec<usize> = places.lock().by_share.iter().map(|(share, ..)| *share).collect();
        assert_eq!(shares, [2, 4, 5]);
        drop(networks);
    }
}
