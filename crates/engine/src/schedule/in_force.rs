//! What one profile allows at an instant, and when that changes next.

use super::profile::{Limit, Origin, Profile};

impl Profile {
    /// What it allows at the instant; none while it is not in force: outside its validity, before its start, after
    /// its duration.
    ///
    /// A Recurring profile begins with its `startSchedule`, and one occurrence ends where the next begins, whatever
    /// its duration says. What counts from a transaction holds its first period until there is one.
    pub(super) fn limit_at(&self, unix_s: i64, transaction_unix_s: Option<i64>) -> Option<Limit> {
        if self.valid_from_unix_s.is_some_and(|from| unix_s < from)
            || self.valid_to_unix_s.is_some_and(|to| unix_s >= to)
        {
            return None;
        }
        let passed_s = match self.start_of(unix_s, transaction_unix_s) {
            Some(start) if self.origin == Origin::Transaction => (unix_s - start).max(0),
            Some(start) => unix_s - start,
            None => 0,
        };
        if passed_s < 0 || self.duration_s.is_some_and(|duration| passed_s >= duration) {
            return None;
        }
        let next = self.periods.partition_point(|period| period.start_s <= passed_s);
        self.periods[..next].last().map(|period| period.limit)
    }

    /// The first instant after this one at which it may allow something else; none if it never will.
    pub(super) fn next_change(&self, unix_s: i64, transaction_unix_s: Option<i64>) -> Option<i64> {
        if self.valid_to_unix_s.is_some_and(|to| unix_s >= to) {
            return None;
        }
        let mut next = None;
        let mut consider = |instant: Option<i64>| {
            if let Some(instant) = instant.filter(|instant| *instant > unix_s) {
                next = Some(next.map_or(instant, |earlier: i64| earlier.min(instant)));
            }
        };
        consider(self.valid_from_unix_s);
        consider(self.valid_to_unix_s);
        if let Some(start) = self.start_of(unix_s, transaction_unix_s) {
            consider(Some(start));
            consider(self.duration_s.map(|duration| start + duration));
            let later = self.periods.partition_point(|period| start + period.start_s <= unix_s);
            consider(self.periods.get(later).map(|period| start + period.start_s));
            if let Origin::Every { interval_s, .. } = self.origin {
                consider(Some(start + interval_s));
            }
        }
        next
    }

    /// When the schedule that holds at the instant started, or will start; none while it waits for a transaction.
    fn start_of(&self, unix_s: i64, transaction_unix_s: Option<i64>) -> Option<i64> {
        match self.origin {
            Origin::At(start) => Some(start),
            Origin::Every { first_unix_s, interval_s } => {
                let passed = (unix_s - first_unix_s).max(0);
                Some(first_unix_s + passed - passed % interval_s)
            }
            Origin::Transaction => transaction_unix_s,
        }
    }
}
