//! One charging profile, as a backoffice wrote it.

use super::{DAY_S, Invalid, WEEK_S};
use crate::{ProfilePurpose, limits, payload, time};

/// `chargingRateUnit` (OCPP 1.6 §7.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// `A`: amperes of each phase.
    #[default]
    Amperes,
    /// `W`: watts of all phases together.
    Watts,
}

impl Unit {
    const ALL: [(&'static str, Unit); 2] = [("A", Unit::Amperes), ("W", Unit::Watts)];

    /// Its name in OCPP.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Amperes => "A",
            Unit::Watts => "W",
        }
    }
}

/// What one period of a schedule allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// How much, in `unit`; never negative.
    pub amount: f64,
    /// Of what.
    pub unit: Unit,
    /// On how many phases, 1 to 3, where it is said; OCPP takes 3 where not (OCPP 1.6 §7.14).
    pub phases: Option<u8>,
}

/// `chargingSchedulePeriod`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Period {
    /// Seconds since the start of the schedule.
    pub(super) start_s: i64,
    pub(super) limit: Limit,
}

/// From when on a schedule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Once, from here on.
    At(i64),
    /// From here on, and again each time so many seconds have passed.
    Every { first_unix_s: i64, interval_s: i64 },
    /// From the start of the transaction: a Relative profile, and an Absolute one without `startSchedule`
    /// (OCPP 1.6 §7.13).
    Transaction,
}

/// One charging profile (OCPP 1.6 §7.8).
///
/// `minChargingRate` is not kept: it says what a car can do, not what it may.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// `chargingProfileId`, as its owner calls it.
    pub id: i64,
    /// What it is for.
    pub purpose: ProfilePurpose,
    /// Within one purpose the highest that is in force wins, not the lowest limit (semantics K-20).
    pub stack_level: i64,
    /// The transaction that it is for, as its owner calls it; of a [`ProfilePurpose::Tx`] alone.
    pub transaction_id: Option<i64>,
    pub(super) valid_from_unix_s: Option<i64>,
    pub(super) valid_to_unix_s: Option<i64>,
    pub(super) origin: Origin,
    /// How long an occurrence holds; as long as it can where nothing is said.
    pub(super) duration_s: Option<i64>,
    /// At least one, the first at 0, each after the one before.
    pub(super) periods: Vec<Period>,
}

impl Profile {
    /// Reads `csChargingProfiles` of a SetChargingProfile, or `chargingProfile` of a RemoteStartTransaction.
    /// An optional member that is `null` counts as absent.
    ///
    /// # Errors
    /// Says what is wrong when it is not a charging profile that a charger could carry out.
    pub fn read(json: &str) -> Result<Profile, Invalid> {
        let id = integer(json, "chargingProfileId")?;
        let stack_level = natural(json, "stackLevel")?;
        let purpose = one_of(
            json,
            "chargingProfilePurpose",
            &ProfilePurpose::ALL.map(|purpose| (purpose.label(), purpose)),
            "a purpose of OCPP 1.6",
        )?;
        let recurring = one_of(
            json,
            "chargingProfileKind",
            &[("Absolute", Some(false)), ("Relative", None), ("Recurring", Some(true))],
            "Absolute, Recurring or Relative",
        )?;
        let valid_from_unix_s = optional(json, "validFrom", second)?;
        let valid_to_unix_s = optional(json, "validTo", second)?;
        if let (Some(from), Some(to)) = (valid_from_unix_s, valid_to_unix_s)
            && to <= from
        {
            return Err(Invalid::NeverValid);
        }
        let transaction_id =
            optional(json, "transactionId", integer)?.filter(|_| purpose == ProfilePurpose::Tx);

        let schedule = required(json, "chargingSchedule")?;
        if !schedule.starts_with('{') {
            return Err(Invalid::Not { member: "chargingSchedule", expected: "an object" });
        }
        let start = optional(schedule, "startSchedule", second)?;
        let origin = match (recurring, start) {
            (Some(true), start) => Origin::Every {
                interval_s: optional(json, "recurrencyKind", |json, name| {
                    one_of(json, name, &[("Daily", DAY_S), ("Weekly", WEEK_S)], "Daily or Weekly")
                })?
                .ok_or(Invalid::RecurringNeeds("recurrencyKind"))?,
                first_unix_s: start.ok_or(Invalid::RecurringNeeds("startSchedule"))?,
            },
            (Some(false), Some(start)) => Origin::At(start),
            (Some(false), None) | (None, _) => Origin::Transaction,
        };
        let duration_s = optional(schedule, "duration", natural)?;
        if duration_s == Some(0) {
            return Err(Invalid::Not { member: "duration", expected: "more than 0 s" });
        }
        // Checked, and then of no further interest.
        optional(schedule, "minChargingRate", amount)?;
        let unit = one_of(schedule, "chargingRateUnit", &Unit::ALL, "A or W")?;
        let periods = read_periods(required(schedule, "chargingSchedulePeriod")?, unit)?;

        Ok(Profile {
            id,
            purpose,
            stack_level,
            transaction_id,
            valid_from_unix_s,
            valid_to_unix_s,
            origin,
            duration_s,
            periods,
        })
    }
}

impl Profile {
    /// Whether it counts from the start of a transaction.
    pub fn is_relative(&self) -> bool {
        self.origin == Origin::Transaction
    }
}

fn read_periods(array: &str, unit: Unit) -> Result<Vec<Period>, Invalid> {
    if !array.starts_with('[') {
        return Err(Invalid::Not { member: "chargingSchedulePeriod", expected: "a list" });
    }
    let elements = payload::elements(array);
    if elements.len() > limits::SCHEDULE_PERIODS {
        return Err(Invalid::TooManyPeriods(elements.len()));
    }
    let mut periods: Vec<Period> = Vec::with_capacity(elements.len());
    for (index, element) in elements.into_iter().enumerate() {
        let number = index + 1;
        let start_s = natural(element, "startPeriod")?;
        match periods.last() {
            None if start_s != 0 => return Err(Invalid::FirstPeriodLate(start_s)),
            Some(before) if start_s <= before.start_s => return Err(Invalid::Unsorted(number)),
            _ => {}
        }
        let amount = amount(element, "limit")?;
        if amount < 0.0 {
            return Err(Invalid::NegativeLimit(number));
        }
        let phases = optional(element, "numberPhases", phases)?;
        periods.push(Period { start_s, limit: Limit { amount, unit, phases } });
    }
    if periods.is_empty() {
        return Err(Invalid::NoPeriod);
    }
    Ok(periods)
}

/// The token of that name; a `null` is none.
fn token<'a>(object: &'a str, member: &'static str) -> Option<&'a str> {
    payload::field(object, member).filter(|token| *token != "null")
}

fn required<'a>(object: &'a str, member: &'static str) -> Result<&'a str, Invalid> {
    token(object, member).ok_or(Invalid::Missing(member))
}

/// What `read` makes of the member, if it is there.
fn optional<T>(
    object: &str,
    member: &'static str,
    read: impl FnOnce(&str, &'static str) -> Result<T, Invalid>,
) -> Result<Option<T>, Invalid> {
    token(object, member).map(|_| read(object, member)).transpose()
}

fn integer(object: &str, member: &'static str) -> Result<i64, Invalid> {
    let token = required(object, member)?;
    let number: Option<i32> = token.parse().ok();
    number.map(i64::from).ok_or(Invalid::Not { member, expected: "an integer of 32 bits" })
}

fn natural(object: &str, member: &'static str) -> Result<i64, Invalid> {
    let number = integer(object, member)?;
    if number < 0 { Err(Invalid::Not { member, expected: "0 or more" }) } else { Ok(number) }
}

fn phases(object: &str, member: &'static str) -> Result<u8, Invalid> {
    match integer(object, member)? {
        number @ 1..=3 => Ok(number as u8),
        _ => Err(Invalid::Not { member, expected: "1, 2 or 3" }),
    }
}

fn amount(object: &str, member: &'static str) -> Result<f64, Invalid> {
    serde_json::from_str(required(object, member)?).map_err(|_| Invalid::Not { member, expected: "a number" })
}

fn second(object: &str, member: &'static str) -> Result<i64, Invalid> {
    let token = required(object, member)?;
    payload::string(token)
        .and_then(|text| time::instant(&text))
        // Downwards, also before 1970.
        .map(|instant| instant.as_millisecond().div_euclid(1000))
        .ok_or(Invalid::Not { member, expected: "a time" })
}

fn one_of<T: Copy>(
    object: &str,
    member: &'static str,
    choices: &[(&str, T)],
    expected: &'static str,
) -> Result<T, Invalid> {
    let text = payload::string(required(object, member)?);
    let chosen =
        text.and_then(|text| choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value));
    chosen.ok_or(Invalid::Not { member, expected })
}

#[cfg(test)]
#[path = "profile/tests.rs"]
mod tests;
