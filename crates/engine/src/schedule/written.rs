//! A composite as one charging profile for the charger.

use super::bound::{Bound, Ceiling};
use super::composite::Composite;
use crate::{Moment, ProfilePurpose, limits};

/// How much earlier than its window a schedule starts: a charger whose clock is behind would have no limit at all
/// until it reached the start (OCPP 1.6 §3.13.3 recommends a start in the past).
const LEAD_IN_S: i64 = 300;

/// What stands around the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading {
    /// `chargingProfileId`, a number that only the proxy uses on this charger.
    pub id: i64,
    /// `stackLevel`.
    pub stack_level: i64,
    /// `chargingProfilePurpose`.
    pub purpose: ProfilePurpose,
    /// `transactionId` as the charger calls it; for [`ProfilePurpose::Tx`].
    pub transaction_id: Option<i64>,
    /// `ChargingScheduleMaxPeriods` of the charger; [`limits::WRITTEN_PERIODS`] where it has not said. At least one
    /// is written.
    pub most_periods: usize,
}

impl Heading {
    /// For a charger that has not said how many periods it takes.
    pub fn new(id: i64, stack_level: i64, purpose: ProfilePurpose) -> Heading {
        Heading { id, stack_level, purpose, transaction_id: None, most_periods: limits::WRITTEN_PERIODS }
    }
}

/// What is to be written to the charger, and until when it will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// One charging profile as JSON; none where nobody limits anything, so that the proxy's own has to be cleared.
    pub json: Option<String>,
    /// When it has to be computed anew, in UTC, seconds since 1970: from then on it may hold less than is allowed,
    /// never more. None if it holds until a profile, the transaction or the charger changes.
    pub renew_unix_s: Option<i64>,
}

impl Composite {
    /// The composite as one Absolute profile that never ends by itself, so that the charger stays limited while the
    /// proxy is away.
    ///
    /// At no instant it allows more than any backoffice does, up to a week after the window. It is exact, but for
    /// rounding down to a tenth, until it is to be renewed. After that one period holds the lowest limit that is known
    /// to follow: of the window's rest, if there are more periods than the charger takes, and of the week after it,
    /// in which every recurrence comes round. Where nobody limits anything between two limits, it says
    /// [`Ceiling::none`].
    pub fn write(&self, heading: Heading) -> Written {
        let settled_after = (!self.settled).then_some(self.until_unix_s);
        if self.is_unlimited() {
            return Written { json: None, renew_unix_s: settled_after };
        }
        let mut periods: Vec<(i64, Ceiling)> = Vec::new();
        let append = |periods: &mut Vec<(i64, Ceiling)>, start, ceiling| {
            if periods.last().is_none_or(|(_, before)| *before != ceiling) {
                periods.push((start, ceiling));
            }
        };
        for (start, bound) in self.steps.iter().filter(|(start, _)| *start < self.until_unix_s) {
            append(&mut periods, *start, self.ceiling(*bound));
        }
        append(&mut periods, self.until_unix_s, self.ceiling(self.lowest_from(self.until_unix_s)));

        let mut renew_unix_s = settled_after;
        let most = heading.most_periods.max(1);
        if periods.len() > most {
            let last = periods[most - 1].0;
            // The only period there is starts now: it will do until the limit changes.
            renew_unix_s = Some(periods[(most - 1).max(1)].0);
            periods.truncate(most - 1);
            append(&mut periods, last, self.ceiling(self.lowest_from(last)));
        }
        Written { json: Some(self.profile(heading, &periods)), renew_unix_s }
    }

    fn ceiling(&self, bound: Bound) -> Ceiling {
        self.in_unit(bound).unwrap_or(Ceiling::none(self.unit))
    }

    fn profile(&self, heading: Heading, periods: &[(i64, Ceiling)]) -> String {
        let start_unix_s = self.from_unix_s - LEAD_IN_S;
        let start = Moment { unix_ms: start_unix_s * 1000, ..Moment::default() }.to_ocpp();
        let periods: Vec<String> = periods
            .iter()
            .enumerate()
            .map(|(index, (start, ceiling))| {
                let start_s = if index == 0 { 0 } else { start - start_unix_s };
                let phases = ceiling.phases.map(|phases| format!(r#","numberPhases":{phases}"#));
                format!(
                    r#"{{"startPeriod":{start_s},"limit":{}.{}{}}}"#,
                    ceiling.tenths / 10,
                    ceiling.tenths % 10,
                    phases.unwrap_or_default()
                )
            })
            .collect();
        let transaction = heading.transaction_id.map(|id| format!(r#","transactionId":{id}"#));
        format!(
            concat!(
                r#"{{"chargingProfileId":{}{},"stackLevel":{},"chargingProfilePurpose":"{}","#,
                r#""chargingProfileKind":"Absolute","chargingSchedule":{{"startSchedule":"{}","#,
                r#""chargingRateUnit":"{}","chargingSchedulePeriod":[{}]}}}}"#
            ),
            heading.id,
            transaction.unwrap_or_default(),
            heading.stack_level,
            heading.purpose.label(),
            start,
            self.unit.name(),
            periods.join(",")
        )
    }
}
