//! What is computed and written of charging profiles, against a reference that works them out naively.

#![expect(clippy::unwrap_used, reason = "a failure of a test tells where it stands")]

#[path = "schedule/examples.rs"]
mod examples;
#[path = "schedule/reference.rs"]
mod reference;

use engine::schedule::{Composite, Course, Heading, Installed, Place, Profile, Running, Unit};
use engine::{ProfilePurpose, Supply};
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use reference::{Allowed, DAY, Kind, Now, Period, Spec, WEEK, allowed, carried_out, minimum};

/// Monday, 2 March 2026, 00:00 UTC.
const MONDAY: i64 = 1_772_409_600;

/// Smaller than any step of a limit, larger than any error of binary fractions.
const EPSILON: f64 = 1e-5;

/// Where and when several backoffices' profiles are looked at.
#[derive(Debug, Clone)]
struct World {
    /// Seconds between the instants that anything happens at.
    grid: i64,
    from: i64,
    /// Length of the window.
    length: i64,
    now: Now,
    owners: Vec<Vec<Spec>>,
    watts: bool,
    supply: Supply,
    most_periods: usize,
}

impl World {
    fn until(&self) -> i64 {
        self.from + self.length
    }

    fn course(&self, specs: &[Spec]) -> Course {
        let installed: Vec<Installed> = specs
            .iter()
            .map(|spec| Installed {
                connector_id: spec.connector,
                profile: Profile::read(&spec.json()).expect("the reference writes profiles of OCPP"),
            })
            .collect();
        let place =
            if self.now.connector == 0 { Place::ChargePoint } else { Place::Connector(self.now.connector) };
        let running =
            self.now.running.map(|(start_unix_s, transaction_id)| Running { start_unix_s, transaction_id });
        Course::of(&installed, place, running, self.from, self.until())
    }

    fn composite(&self) -> Composite {
        let courses: Vec<Course> = self.owners.iter().map(|specs| self.course(specs)).collect();
        let unit = if self.watts { Unit::Watts } else { Unit::Amperes };
        Composite::of(&courses, unit, self.supply)
    }

    fn allowed(&self, t: i64) -> Vec<Option<Allowed>> {
        self.owners.iter().map(|specs| allowed(specs, self.now, t)).collect()
    }

    fn minimum(&self, t: i64) -> Option<(f64, Option<u8>)> {
        minimum(&self.allowed(t), self.watts, f64::from(self.supply.volts), self.supply.phases)
    }

    /// Every instant of the window.
    fn instants(&self) -> impl Iterator<Item = i64> + use<> {
        (self.from..self.until()).step_by(self.grid as usize)
    }

    /// Instants of the week after the window, most of them where profiles that recur do something.
    fn later(&self) -> impl Iterator<Item = i64> + use<> {
        let (until, from, grid) = (self.until(), self.from, self.grid);
        let recurring =
            (0..=8).flat_map(move |day| (0..40).map(move |step| from + day * DAY + step * grid * 3));
        recurring.chain([until, until + WEEK - 1]).filter(move |t| (until..until + WEEK).contains(t))
    }
}

fn period() -> impl Strategy<Value = (i64, i64, Option<u8>)> {
    (1i64..12, 0i64..=800, weighted(0.3, 1u8..=3))
}

fn spec(grid: i64, from: i64) -> impl Strategy<Value = Spec> {
    // Most begin about where the window does; some long before, and some after it.
    let about = move || (-30i64..60).prop_map(move |step| from + step * grid);
    let kind = prop_oneof![
        3 => weighted(0.85, about()).prop_map(|start| Kind::Absolute { start }),
        3 => (about(), 0i64..4, prop_oneof![Just(DAY), Just(WEEK)])
            .prop_map(|(start, back, every)| Kind::Recurring { start: start - back * every, every }),
        2 => weighted(0.2, about()).prop_map(|start| Kind::Relative { start }),
    ];
    let periods = vec(period(), 1..6).prop_map(move |steps| {
        let mut start = 0;
        let mut periods = Vec::new();
        for (length, hundredths, phases) in steps {
            // A multiple of 0.05 A.
            periods.push(Period { start, hundredths: hundredths * 5, phases });
            start += length * grid;
        }
        periods
    });
    let duration =
        weighted(0.5, prop_oneof![4 => (1i64..40).prop_map(move |n| n * grid), 1 => Just(DAY + 3 * grid)]);
    let purpose = prop_oneof![
        3 => Just("TxDefaultProfile"),
        2 => Just("TxProfile"),
        2 => Just("ChargePointMaxProfile"),
    ];
    let place = (prop_oneof![1 => Just(0i64), 3 => Just(1i64), 1 => Just(2i64)], purpose, 0i64..3);
    let validity = (weighted(0.3, about()), weighted(0.3, (1i64..50).prop_map(move |n| n * grid)));
    let rest = (weighted(0.4, prop_oneof![3 => Just(7i64), 1 => Just(8i64)]), any::<bool>());
    (place, kind, validity, duration, periods, rest).prop_map(
        move |(
            (connector, purpose, level),
            kind,
            (valid_from, valid_for),
            duration,
            mut periods,
            (transaction, watts),
        )| {
            if watts {
                // Of the same order as the amperes: 0 to 40 A on three phases.
                periods.iter_mut().for_each(|period| period.hundredths *= 690);
            }
            Spec {
                connector: if purpose == "ChargePointMaxProfile" { 0 } else { connector },
                purpose,
                level,
                transaction: transaction.filter(|_| purpose == "TxProfile"),
                kind,
                valid_from,
                valid_to: valid_for.map(|length| valid_from.unwrap_or(from) + length),
                duration,
                watts,
                periods,
            }
        },
    )
}

/// Windows of `steps` instants, `grid` seconds apart.
fn world(grid: i64, steps: std::ops::Range<i64>) -> impl Strategy<Value = World> {
    let from = MONDAY + 17 * 3600 + 23 * 60;
    let running = of((-40i64..30, weighted(0.7, Just(7i64))));
    let supply = (prop_oneof![Just(230u32), Just(120u32)], prop_oneof![1 => Just(1u8), 3 => Just(3u8)]);
    let place = prop_oneof![1 => Just(0i64), 3 => Just(1i64)];
    let owners = vec(vec(spec(grid, from), 0..4), 1..4);
    (steps, place, running, owners, any::<bool>(), supply, 1usize..12).prop_map(
        move |(steps, connector, running, owners, watts, (volts, phases), most_periods)| World {
            grid,
            from,
            length: steps * grid,
            now: Now { connector, running: running.map(|(step, number)| (from + step * grid, number)) },
            owners,
            watts,
            supply: Supply { volts, phases },
            most_periods,
        },
    )
}

/// Each backoffice's limit is what its profiles say, at every instant.
fn courses_are_right(world: &World) -> Result<(), TestCaseError> {
    for specs in &world.owners {
        let course = world.course(specs);
        for t in world.instants().chain(world.later()) {
            let computed = course.at(t).map(|limit| Allowed {
                amount: limit.amount,
                watts: limit.unit == Unit::Watts,
                phases: limit.phases,
            });
            prop_assert_eq!(computed, allowed(specs, world.now, t), "at {} after the start", t - world.from);
        }
    }
    Ok(())
}

/// The composite is the minimum, at every instant, rounded down.
fn composite_is_minimum(world: &World) -> Result<(), TestCaseError> {
    let composite = world.composite();
    for t in world.instants().chain(world.later()) {
        let computed = composite.at(t).map(|ceiling| (ceiling.tenths as f64 / 10.0, ceiling.phases));
        match (computed, world.minimum(t)) {
            (None, None) => {}
            (Some((amount, phases)), Some((lowest, on))) => {
                prop_assert!(amount <= lowest + EPSILON, "{amount} is above {lowest}");
                prop_assert!(amount > lowest - 0.1 - EPSILON, "{amount} is too far below {lowest}");
                prop_assert_eq!(phases, on);
            }
            other => prop_assert!(false, "{other:?} at {} after the start", t - world.from),
        }
    }
    Ok(())
}

/// What is written never allows more than anybody does, and is exact until it is to be renewed.
fn written_is_safe(world: &World) -> Result<(), TestCaseError> {
    let heading =
        Heading { most_periods: world.most_periods, ..Heading::new(5, 0, ProfilePurpose::TxDefault) };
    let written = world.composite().write(heading);
    if let Some(renew) = written.renew_unix_s {
        prop_assert!(
            (world.from + 1..=world.until()).contains(&renew),
            "renewed in the window, after its start"
        );
    }
    let instants = || world.instants().chain(world.later());
    let Some(json) = written.json else {
        prop_assert!(instants().all(|t| world.minimum(t).is_none()), "without a profile there is no limit");
        return Ok(());
    };
    let profile: serde_json::Value = serde_json::from_str(&json).unwrap();
    prop_assert!(Profile::read(&json).is_ok(), "what is written can be read");
    let periods = profile["chargingSchedule"]["chargingSchedulePeriod"].as_array().unwrap();
    prop_assert!(periods.len() <= world.most_periods);
    // A charger whose clock is behind has a limit too.
    let early = carried_out(&profile, world.from - 300);
    prop_assert_eq!(early, carried_out(&profile, world.from));

    let volts = f64::from(world.supply.volts);
    let on = |phases: Option<u8>| f64::from(phases.unwrap_or(3).min(world.supply.phases));
    for t in instants() {
        let (amount, phases) = carried_out(&profile, t);
        let (amperes, watts) = if world.watts {
            (amount / (volts * on(phases)), amount)
        } else {
            (amount, amount * volts * on(phases))
        };
        for limit in world.allowed(t).into_iter().flatten() {
            let taken = if limit.watts { watts } else { amperes };
            prop_assert!(
                taken <= limit.amount + EPSILON * 700.0,
                "{taken} of {limit:?} at {}",
                t - world.from
            );
            if let Some(least) = limit.phases {
                prop_assert!(phases.is_some_and(|phases| phases <= least), "{phases:?} of {limit:?}");
            }
        }
        // The only period that there may be holds the least of all, from its start.
        if world.most_periods > 1 && written.renew_unix_s.is_none_or(|renew| t < renew) {
            match world.minimum(t) {
                Some((lowest, on)) => {
                    prop_assert!(amount > lowest - 0.1 - EPSILON, "{amount} is too far below {lowest}");
                    prop_assert_eq!(phases, on);
                }
                None => prop_assert_eq!(amount, if world.watts { 1_000_000.0 } else { 1000.0 }),
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn seconds_are_right(world in world(1, 1..150)) {
        courses_are_right(&world)?;
        composite_is_minimum(&world)?;
        written_is_safe(&world)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// A day by the minute: windows in which daily profiles come round.
    #[test]
    fn days_are_right(world in world(60, 1380..1500)) {
        courses_are_right(&world)?;
        composite_is_minimum(&world)?;
        written_is_safe(&world)?;
    }
}
