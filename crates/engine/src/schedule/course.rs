//! What the profiles of one backoffice allow at one place over time.

use std::cmp::Reverse;

use super::WEEK_S;
use super::profile::{Limit, Profile};
use crate::ProfilePurpose;

/// A profile and the connector that it was set on.
#[derive(Debug, Clone, PartialEq)]
pub struct Installed {
    /// 0 is the whole charger.
    pub connector_id: i64,
    /// What was set.
    pub profile: Profile,
}

/// Where a limit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// All connectors together: the ChargePointMaxProfiles. The charger itself takes the lower of these and a
    /// connector's (OCPP 1.6 §3.13.4).
    ChargePoint,
    /// One connector, from 1: the TxDefaultProfiles and TxProfiles.
    Connector(i64),
}

/// The transaction that runs on the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// When it started; UTC, seconds since 1970.
    pub start_unix_s: i64,
    /// How the backoffice calls it, if it has a number for it. A TxProfile that names another does not count.
    pub transaction_id: Option<i64>,
}

/// A limit as a function of time, constant between steps.
///
/// It is known beyond the end of its window, for as long as the longest recurrence lasts, so that what is written
/// of it can be safe there too.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Where the window begins and ends; UTC, seconds since 1970.
    pub(super) from_unix_s: i64,
    pub(super) until_unix_s: i64,
    /// From when on which limit holds; the first begins with the window. None is no limit.
    pub(super) steps: Vec<(i64, Option<Limit>)>,
    /// Nothing changes after the end of the window, ever.
    pub(super) settled: bool,
}

impl Course {
    /// What the profiles of one backoffice allow there, in the window `from..until` and for a week after it.
    ///
    /// At each instant the highest stack level in force holds. A TxProfile takes the place of all TxDefaultProfiles
    /// while it is in force; one that has run out gives it back to them, since a default is lower than no limit. Of
    /// two TxDefaultProfiles of one level the connector's own comes before that of connector 0. Of two that ought to
    /// have replaced each other the later in the list counts (semantics K-20).
    pub fn of(
        installed: &[Installed],
        place: Place,
        running: Option<Running>,
        from_unix_s: i64,
        until_unix_s: i64,
    ) -> Course {
        let until_unix_s = until_unix_s.max(from_unix_s + 1);
        let ranked = ranked(installed, place, running);
        let start = running.map(|running| running.start_unix_s);
        let limit_at = |unix_s| ranked.iter().find_map(|profile| profile.limit_at(unix_s, start));
        let next_change =
            |unix_s| ranked.iter().filter_map(|profile| profile.next_change(unix_s, start)).min();

        let end_unix_s = until_unix_s.saturating_add(WEEK_S);
        let mut steps = vec![(from_unix_s, limit_at(from_unix_s))];
        let mut unix_s = from_unix_s;
        while let Some(next) = next_change(unix_s).filter(|next| *next < end_unix_s) {
            unix_s = next;
            let limit = limit_at(unix_s);
            if steps.last().is_some_and(|(_, before)| *before != limit) {
                steps.push((unix_s, limit));
            }
        }
        Course { from_unix_s, until_unix_s, steps, settled: next_change(until_unix_s).is_none() }
    }

    /// What holds at the instant; none is no limit. Before the window what holds at its beginning.
    pub fn at(&self, unix_s: i64) -> Option<Limit> {
        let next = self.steps.partition_point(|(start, _)| *start <= unix_s);
        self.steps[next.saturating_sub(1)].1
    }
}

/// The profiles that count there, the one that prevails first.
fn ranked(installed: &[Installed], place: Place, running: Option<Running>) -> Vec<&Profile> {
    let mut ranked: Vec<&Installed> =
        installed.iter().rev().filter(|installed| counts(installed, place, running)).collect();
    let rank = |installed: &Installed| {
        (installed.profile.purpose, installed.profile.stack_level, installed.connector_id != 0)
    };
    // Stable, so that of equals the later in the list stays first.
    ranked.sort_by_key(|installed| Reverse(rank(installed)));
    ranked.dedup_by_key(|installed| rank(installed));
    ranked.into_iter().map(|installed| &installed.profile).collect()
}

fn counts(installed: &Installed, place: Place, running: Option<Running>) -> bool {
    let here = Place::Connector(installed.connector_id) == place;
    match installed.profile.purpose {
        ProfilePurpose::ChargePointMax => place == Place::ChargePoint,
        ProfilePurpose::TxDefault => here || (installed.connector_id == 0 && place != Place::ChargePoint),
        ProfilePurpose::Tx => {
            let meant = installed.profile.transaction_id;
            here && running.is_some_and(|running| meant.is_none() || meant == running.transaction_id)
        }
    }
}
