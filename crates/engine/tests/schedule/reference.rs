//! Charging profiles worked out naively, second by second, from the words of OCPP alone.

use serde_json::{Value, json};

pub(crate) const DAY: i64 = 24 * 60 * 60;
pub(crate) const WEEK: i64 = 7 * DAY;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Absolute { start: Option<i64> },
    Recurring { start: i64, every: i64 },
    Relative { start: Option<i64> },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Period {
    pub(crate) start: i64,
    /// In hundredths: more digits than OCPP allows, as some backoffices send them.
    pub(crate) hundredths: i64,
    pub(crate) phases: Option<u8>,
}

/// One profile on one connector, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    pub(crate) connector: i64,
    pub(crate) purpose: &'static str,
    pub(crate) level: i64,
    pub(crate) transaction: Option<i64>,
    pub(crate) kind: Kind,
    pub(crate) valid_from: Option<i64>,
    pub(crate) valid_to: Option<i64>,
    pub(crate) duration: Option<i64>,
    pub(crate) watts: bool,
    pub(crate) periods: Vec<Period>,
}

/// What one backoffice allows at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Allowed {
    pub(crate) amount: f64,
    pub(crate) watts: bool,
    pub(crate) phases: Option<u8>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// 0 for the whole charger.
    pub(crate) connector: i64,
    /// Start of the transaction and its number, if one runs.
    pub(crate) running: Option<(i64, Option<i64>)>,
}

fn time(unix_s: i64) -> String {
    jiff::Timestamp::from_second(unix_s).unwrap().to_string()
}

impl Spec {
    pub(crate) fn json(&self) -> String {
        let mut profile = json!({
            "chargingProfileId": 1,
            "stackLevel": self.level,
            "chargingProfilePurpose": self.purpose,
        });
        let mut schedule = json!({
            "chargingRateUnit": if self.watts { "W" } else { "A" },
            "chargingSchedulePeriod": self.periods.iter().map(|period| {
                let mut json = json!({
                    "startPeriod": period.start,
                    "limit": period.hundredths as f64 / 100.0,
                });
                if let Some(phases) = period.phases {
                    json["numberPhases"] = json!(phases);
                }
                json
            }).collect::<Vec<Value>>(),
        });
        let start = match self.kind {
            Kind::Absolute { start } => {
                profile["chargingProfileKind"] = json!("Absolute");
                start
            }
            Kind::Relative { start } => {
                profile["chargingProfileKind"] = json!("Relative");
                start
            }
            Kind::Recurring { start, every } => {
                profile["chargingProfileKind"] = json!("Recurring");
                profile["recurrencyKind"] = json!(if every == DAY { "Daily" } else { "Weekly" });
                Some(start)
            }
        };
        if let Some(start) = start {
            schedule["startSchedule"] = json!(time(start));
        }
        if let Some(duration) = self.duration {
            schedule["duration"] = json!(duration);
        }
        for (name, value) in [("validFrom", self.valid_from), ("validTo", self.valid_to)] {
            if let Some(value) = value {
                profile[name] = json!(time(value));
            }
        }
        if let Some(transaction) = self.transaction {
            profile["transactionId"] = json!(transaction);
        }
        profile["chargingSchedule"] = schedule;
        profile.to_string()
    }

    fn allowed(&self, t: i64, transaction_start: Option<i64>) -> Option<Allowed> {
        if self.valid_from.is_some_and(|from| t < from) || self.valid_to.is_some_and(|to| t >= to) {
            return None;
        }
        let into = match self.kind {
            Kind::Absolute { start: Some(start) } => t - start,
            Kind::Recurring { start, every } => {
                let mut occurrence = start;
                while occurrence + every <= t {
                    occurrence += every;
                }
                t - occurrence
            }
            Kind::Absolute { start: None } | Kind::Relative { .. } => match transaction_start {
                Some(start) if start < t => t - start,
                _ => 0,
            },
        };
        if into < 0 || self.duration.is_some_and(|duration| into >= duration) {
            return None;
        }
        let period = self.periods.iter().rfind(|period| period.start <= into)?;
        Some(Allowed { amount: period.hundredths as f64 / 100.0, watts: self.watts, phases: period.phases })
    }

    /// Whether it replaces the other on a charger.
    fn replaces(&self, other: &Spec) -> bool {
        (self.connector, self.purpose, self.level) == (other.connector, other.purpose, other.level)
    }
}

/// What the profiles of one backoffice allow.
pub(crate) fn allowed(specs: &[Spec], now: Now, t: i64) -> Option<Allowed> {
    let counts = |spec: &&Spec| match spec.purpose {
        "ChargePointMaxProfile" => now.connector == 0,
        "TxDefaultProfile" => now.connector != 0 && (spec.connector == 0 || spec.connector == now.connector),
        _ => {
            now.connector != 0
                && spec.connector == now.connector
                && now
                    .running
                    .is_some_and(|(_, number)| spec.transaction.is_none_or(|own| number == Some(own)))
        }
    };
    let counting: Vec<&Spec> = specs.iter().filter(counts).collect();
    let standing = counting
        .iter()
        .enumerate()
        .filter(|(index, spec)| !counting[index + 1..].iter().any(|later| later.replaces(spec)));
    let mut best: Option<((bool, i64, bool), Allowed)> = None;
    for (_, spec) in standing {
        let Some(allowed) = spec.allowed(t, now.running.map(|(start, _)| start)) else { continue };
        let rank = (spec.purpose == "TxProfile", spec.level, spec.connector != 0);
        if best.is_none_or(|(before, _)| rank > before) {
            best = Some((rank, allowed));
        }
    }
    best.map(|(_, allowed)| allowed)
}

/// The lowest of what several backoffices allow, in one unit; and on how many phases.
pub(crate) fn minimum(
    all: &[Option<Allowed>],
    watts: bool,
    volts: f64,
    present: u8,
) -> Option<(f64, Option<u8>)> {
    let all: Vec<Allowed> = all.iter().flatten().copied().collect();
    let phases = all.iter().filter_map(|allowed| allowed.phases).min();
    let on = |phases: Option<u8>| f64::from(phases.unwrap_or(3).min(present));
    let amounts = all.iter().map(|allowed| match (allowed.watts, watts) {
        (true, true) | (false, false) => allowed.amount,
        (true, false) => allowed.amount / (volts * on(allowed.phases)),
        (false, true) => allowed.amount * volts * on(phases),
    });
    amounts.reduce(f64::min).map(|amount| (amount, phases))
}

/// What a charger makes of the profile that was written.
pub(crate) fn carried_out(profile: &Value, t: i64) -> (f64, Option<u8>) {
    assert_eq!(profile["chargingProfileKind"], "Absolute");
    let schedule = &profile["chargingSchedule"];
    assert!(schedule.get("duration").is_none(), "a limit that ends leaves none");
    let start: jiff::Timestamp = schedule["startSchedule"].as_str().unwrap().parse().unwrap();
    let into = t - start.as_second();
    assert!(into >= 0, "the schedule has started");
    let periods = schedule["chargingSchedulePeriod"].as_array().unwrap();
    let period = periods.iter().rfind(|period| period["startPeriod"].as_i64().unwrap() <= into).unwrap();
    let phases = period.get("numberPhases").map(|phases| phases.as_u64().unwrap() as u8);
    (period["limit"].as_f64().unwrap(), phases)
}
