//! Limits in different units and on different phases, and the lower of them.

use super::profile::{Limit, Unit};
use crate::Supply;

/// Of two limits that cannot be compared exactly: slack for the error of binary fractions, in tenths.
const FRACTION_ERROR: f64 = 1e-6;

/// A limit as it is written: in tenths of an ampere or watt, rounded down (OCPP allows one decimal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling {
    /// Tenths of the unit that was asked for.
    pub tenths: i64,
    /// On how many phases, where anybody said so.
    pub phases: Option<u8>,
}

impl Ceiling {
    /// Stands for "no limit", where a schedule must say something between two limits: 1000 A or 1 MW, more than any
    /// charger of OCPP 1.6 can give and yet within what small firmware can hold (16 bits of deciamperes, 32 of
    /// deciwatts). Limits above it count as none.
    pub const fn none(unit: Unit) -> Ceiling {
        match unit {
            Unit::Amperes => Ceiling { tenths: 1_000 * 10, phases: None },
            Unit::Watts => Ceiling { tenths: 1_000_000 * 10, phases: None },
        }
    }
}

/// Several limits that hold together.
///
/// Each unit is kept by itself until the end: how many watts some amperes are depends on the phases, and those may
/// be fewer because of another limit. Every member is a minimum, so that bounds can be joined in any order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    /// The least of what was said in amperes.
    amperes: f64,
    /// The least of what was said in watts.
    watts: f64,
    /// The least of what was said in watts, as amperes on the phases that it was said for.
    watts_as_amperes: f64,
    phases: Option<u8>,
}

impl Bound {
    /// No limit at all.
    pub(super) const NONE: Bound =
        Bound { amperes: f64::INFINITY, watts: f64::INFINITY, watts_as_amperes: f64::INFINITY, phases: None };

    pub(super) fn of(limit: Limit, supply: Supply) -> Bound {
        let bound = Bound { phases: limit.phases, ..Bound::NONE };
        match limit.unit {
            Unit::Amperes => Bound { amperes: limit.amount, ..bound },
            Unit::Watts => Bound {
                watts: limit.amount,
                watts_as_amperes: limit.amount / volts_of_all(limit.phases, supply),
                ..bound
            },
        }
    }

    /// What is within both.
    pub(super) fn and(self, other: Bound) -> Bound {
        Bound {
            amperes: self.amperes.min(other.amperes),
            watts: self.watts.min(other.watts),
            watts_as_amperes: self.watts_as_amperes.min(other.watts_as_amperes),
            phases: match (self.phases, other.phases) {
                (Some(one), Some(another)) => Some(one.min(another)),
                (one, another) => one.or(another),
            },
        }
    }

    /// In one unit, never more than any of the limits; none where there is no limit.
    pub(super) fn in_unit(self, unit: Unit, supply: Supply) -> Option<Ceiling> {
        let amount = match unit {
            Unit::Amperes => self.amperes.min(self.watts_as_amperes),
            Unit::Watts => self.watts.min(self.amperes * volts_of_all(self.phases, supply)),
        };
        if amount.is_infinite() {
            return None;
        }
        let tenths = (amount * 10.0 + FRACTION_ERROR).floor() as i64;
        Some(Ceiling { tenths: tenths.min(Ceiling::none(unit).tenths), phases: self.phases })
    }
}

/// The volts by which amperes of each phase become watts of all: three phases where nothing else is said (OCPP 1.6
/// §7.14), but no more than there are.
fn volts_of_all(phases: Option<u8>, supply: Supply) -> f64 {
    let phases = phases.unwrap_or(3).min(supply.phases).max(1);
    f64::from(supply.volts.max(1)) * f64::from(phases)
}
