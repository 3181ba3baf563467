//! The least of what several backoffices allow.

use super::bound::{Bound, Ceiling};
use super::course::Course;
use super::profile::Unit;
use crate::Supply;

/// The point-wise minimum of several courses, in one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Composite {
    pub(super) from_unix_s: i64,
    pub(super) until_unix_s: i64,
    pub(super) unit: Unit,
    pub(super) supply: Supply,
    /// From when on which bound holds; the first begins with the window.
    pub(super) steps: Vec<(i64, Bound)>,
    /// Nothing changes after the end of the window, ever.
    pub(super) settled: bool,
}

impl Composite {
    /// The lowest that any of the courses allows at each instant, as it would be written in `unit`. All courses must
    /// have been asked for the same window; no course is no limit.
    ///
    /// A limit on fewer phases holds for all: with 16 A on one phase and 10 A on three, 10 A on one is within both.
    pub fn of(courses: &[Course], unit: Unit, supply: Supply) -> Composite {
        let from_unix_s = courses.iter().map(|course| course.from_unix_s).min().unwrap_or_default();
        let until_unix_s = courses.iter().map(|course| course.until_unix_s).min().unwrap_or(from_unix_s);
        let mut starts: Vec<i64> =
            courses.iter().flat_map(|course| course.steps.iter().map(|(start, _)| *start)).collect();
        starts.sort_unstable();
        starts.dedup();
        let bound_at = |unix_s| {
            let limits = courses.iter().filter_map(|course| course.at(unix_s));
            limits.map(|limit| Bound::of(limit, supply)).fold(Bound::NONE, Bound::and)
        };
        let mut steps = vec![(from_unix_s, bound_at(from_unix_s))];
        for unix_s in starts {
            let bound = bound_at(unix_s);
            if steps.last().is_some_and(|(_, before)| *before != bound) {
                steps.push((unix_s, bound));
            }
        }
        let settled = courses.iter().all(|course| course.settled);
        Composite { from_unix_s, until_unix_s, unit, supply, steps, settled }
    }

    /// What holds at the instant; none is no limit.
    pub fn at(&self, unix_s: i64) -> Option<Ceiling> {
        let next = self.steps.partition_point(|(start, _)| *start <= unix_s);
        self.in_unit(self.steps[next.saturating_sub(1)].1)
    }

    /// Nobody limits anything, now or in the week after the window.
    pub fn is_unlimited(&self) -> bool {
        self.steps.iter().all(|(_, bound)| self.in_unit(*bound).is_none())
    }

    pub(super) fn in_unit(&self, bound: Bound) -> Option<Ceiling> {
        bound.in_unit(self.unit, self.supply)
    }

    /// What is within everything that holds from the instant on, as far as it is known.
    pub(super) fn lowest_from(&self, unix_s: i64) -> Bound {
        let first = self.steps.partition_point(|(start, _)| *start <= unix_s).saturating_sub(1);
        self.steps[first..].iter().fold(Bound::NONE, |lowest, (_, bound)| lowest.and(*bound))
    }
}
