//! A few schedules written out, to be read by people.

use engine::schedule::{Composite, Course, Heading, Installed, Place, Profile, Running, Unit};
use engine::{ProfilePurpose, Supply};

/// Monday, 2 March 2026, 12:00 UTC.
const NOON: i64 = 1_772_452_800;
const HOUR: i64 = 3600;

fn installed(connector_id: i64, purpose: &str, kind: &str, schedule: &str) -> Installed {
    let json = format!(
        r#"{{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"{purpose}",{kind},"chargingSchedule":{schedule}}}"#
    );
    Installed { connector_id, profile: Profile::read(&json).unwrap() }
}

fn written(owners: &[Vec<Installed>], unit: Unit, heading: Heading) -> (Option<String>, Option<i64>) {
    let running = Some(Running { start_unix_s: NOON - HOUR, transaction_id: None });
    let course =
        |owner: &Vec<Installed>| Course::of(owner, Place::Connector(1), running, NOON, NOON + 24 * HOUR);
    let courses: Vec<Course> = owners.iter().map(course).collect();
    let written = Composite::of(&courses, unit, Supply::default()).write(heading);
    (written.json, written.renew_unix_s.map(|renew| renew - NOON))
}

fn heading() -> Heading {
    Heading::new(1_500_000_000, 0, ProfilePurpose::TxDefault)
}

/// An energy manager allows 16 A in the evening, every day; a site 7.36 kW always.
fn evening_and_always() -> Vec<Vec<Installed>> {
    let evening = installed(
        0,
        "TxDefaultProfile",
        r#""chargingProfileKind":"Recurring","recurrencyKind":"Daily""#,
        r#"{"startSchedule":"2026-01-01T17:00:00Z","duration":14400,"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":6}]}"#,
    );
    let always = installed(
        1,
        "TxProfile",
        r#""chargingProfileKind":"Relative""#,
        r#"{"chargingRateUnit":"W","chargingSchedulePeriod":[{"startPeriod":0,"limit":7360}]}"#,
    );
    vec![vec![evening], vec![always]]
}

#[test]
fn the_lower_of_two_is_written() {
    let (json, renew) = written(&evening_and_always(), Unit::Amperes, heading());
    let expected = concat!(
        r#"{"chargingProfileId":1500000000,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","#,
        r#""chargingProfileKind":"Absolute","chargingSchedule":{"startSchedule":"2026-03-02T11:55:00Z","#,
        r#""chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":10.6},"#,
        r#"{"startPeriod":18300,"limit":6.0},{"startPeriod":32700,"limit":10.6},{"startPeriod":86700,"limit":6.0}]}}"#
    );
    assert_eq!(json.as_deref(), Some(expected));
    assert_eq!(renew, Some(24 * HOUR), "the evening comes again");
}

#[test]
fn too_many_periods_end_in_the_lowest() {
    let heading =
        Heading { most_periods: 2, transaction_id: Some(7), purpose: ProfilePurpose::Tx, ..heading() };
    let (json, renew) = written(&evening_and_always(), Unit::Watts, heading);
    let expected = concat!(
        r#"{"chargingProfileId":1500000000,"transactionId":7,"stackLevel":0,"chargingProfilePurpose":"TxProfile","#,
        r#""chargingProfileKind":"Absolute","chargingSchedule":{"startSchedule":"2026-03-02T11:55:00Z","#,
        r#""chargingRateUnit":"W","chargingSchedulePeriod":[{"startPeriod":0,"limit":7360.0},"#,
        r#"{"startPeriod":18300,"limit":4140.0}]}}"#
    );
    assert_eq!(json.as_deref(), Some(expected));
    assert_eq!(renew, Some(5 * HOUR));
}

#[test]
fn where_nobody_limits_anything_nothing_is_written() {
    assert_eq!(written(&[vec![], vec![]], Unit::Amperes, heading()), (None, None));
    assert_eq!(written(&[], Unit::Amperes, heading()), (None, None));
    let once = installed(
        1,
        "TxDefaultProfile",
        r#""chargingProfileKind":"Absolute","validTo":"2026-03-02T13:00:00Z""#,
        r#"{"startSchedule":"2026-03-02T00:00:00Z","chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":8,"numberPhases":1}]}"#,
    );
    let (json, renew) = written(&[vec![once]], Unit::Amperes, heading());
    let periods = r#"[{"startPeriod":0,"limit":8.0,"numberPhases":1},{"startPeriod":3900,"limit":1000.0}]"#;
    assert!(json.unwrap().contains(periods));
    assert_eq!(renew, None, "nothing follows");
}
