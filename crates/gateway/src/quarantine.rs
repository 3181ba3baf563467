//! A charger that sends messages beyond the bound again and again would be let in, dial its backoffices
//! and be closed for ever: it is kept out for a while instead (semantics F-95).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::ChargerId;
use tokio::time::Instant;

use crate::fleet::folded;
use crate::limits::{OFFENCES, OFFENCES_WITHIN, OFFENDERS, QUARANTINE};

/// Who sent too much, and when.
#[derive(Debug, Default)]
pub(crate) struct Quarantine(Mutex<HashMap<String, VecDeque<Instant>>>);

impl Quarantine {
    /// A charger's message was too big. True when it is kept out from now on.
    pub(crate) fn offended(&self, charger: &ChargerId, now: Instant) -> bool {
        let mut offenders = self.lock();
        let key = folded(charger);
        if offenders.len() >= OFFENDERS && !offenders.contains_key(&key) {
            make_room(&mut offenders, now);
        }
        let offences = offenders.entry(key).or_default();
        offences.retain(|at| now.saturating_duration_since(*at) < OFFENCES_WITHIN);
        offences.push_back(now);
        if offences.len() > OFFENCES {
            offences.pop_front();
        }
        offences.len() == OFFENCES
    }

    /// How long a charger is still kept out, if it is.
    pub(crate) fn remaining(&self, charger: &ChargerId, now: Instant) -> Option<Duration> {
        let offenders = self.lock();
        let offences = offenders.get(&folded(charger)).filter(|offences| offences.len() >= OFFENCES)?;
        let until = *offences.back()? + QUARANTINE;
        (until > now).then(|| until - now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Instant>>> {
        // Nothing that runs under the lock leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what is over; if nothing is, whoever offended the longest ago.
fn make_room(offenders: &mut HashMap<String, VecDeque<Instant>>, now: Instant) {
    let last = |offences: &VecDeque<Instant>| offences.back().copied().unwrap_or(now);
    offenders.retain(|_, offences| now.saturating_duration_since(last(offences)) < OFFENCES_WITHIN);
    if offenders.len() >= OFFENDERS {
        let oldest = offenders.iter().min_by_key(|(_, offences)| last(offences));
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            offenders.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn three_within_ten_minutes_keep_a_charger_out_for_five() {
        let (quarantine, now) = (Quarantine::default(), Instant::now());
        let (charger, other) = (ChargerId::from("CP1"), ChargerId::from("CP2"));
        assert!(!quarantine.offended(&charger, now));
        assert!(!quarantine.offended(&charger, now + 6 * MINUTE));
        // The first one is too long ago.
        assert!(!quarantine.offended(&charger, now + 11 * MINUTE));
        assert_eq!(quarantine.remaining(&charger, now + 11 * MINUTE), None);
        assert!(quarantine.offended(&ChargerId::from("cp1"), now + 12 * MINUTE));
        assert_eq!(quarantine.remaining(&charger, now + 13 * MINUTE), Some(4 * MINUTE));
        assert_eq!(quarantine.remaining(&other, now + 13 * MINUTE), None);
        assert_eq!(quarantine.remaining(&charger, now + 17 * MINUTE), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (quarantine, now) = (Quarantine::default(), Instant::now());
        for number in 0..OFFENDERS + 10 {
            let at = now + Duration::from_millis(number as u64);
            quarantine.offended(&ChargerId::from(format!("CP{number}").as_str()), at);
        }
        assert_eq!(quarantine.lock().len(), OFFENDERS);
        assert!(!quarantine.lock().contains_key("cp0"), "the oldest makes room");
        let later = now + 20 * MINUTE;
        quarantine.offended(&ChargerId::from("CP-later"), later);
        assert_eq!(quarantine.lock().len(), 1);
    }
}
