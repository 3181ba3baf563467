//! Why a charging profile cannot be read.

/// What is wrong with a charging profile, in words for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A member that OCPP requires is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member holds something else than OCPP says.
    #[error("{member} is not {expected}")]
    Not {
        /// Its name.
        member: &'static str,
        /// What OCPP wants there.
        expected: &'static str,
    },
    /// `chargingSchedulePeriod` is empty.
    #[error("chargingSchedulePeriod has no period")]
    NoPeriod,
    /// More periods than this proxy keeps.
    #[error("chargingSchedulePeriod has {0} periods, which is too many")]
    TooManyPeriods(usize),
    /// The first period must start with the schedule (OCPP 1.6 §7.14).
    #[error("the first period starts at {0} s and not at 0")]
    FirstPeriodLate(i64),
    /// Periods must follow each other.
    #[error("period {0} does not start after the one before it")]
    Unsorted(usize),
    /// A limit may not be negative.
    #[error("the limit of period {0} is negative")]
    NegativeLimit(usize),
    /// A Recurring profile says neither when nor how often without these.
    #[error("a Recurring profile needs {0}")]
    RecurringNeeds(&'static str),
    /// It would never be valid.
    #[error("validTo is not after validFrom")]
    NeverValid,
}
