//! What is read of a charging profile, and what is refused.

use super::*;

const READ: &str = r#"{"chargingProfileId":3,"transactionId":7,"stackLevel":2,"chargingProfilePurpose":"TxProfile",
    "chargingProfileKind":"Recurring","recurrencyKind":"Weekly","validFrom":"2026-03-01T00:00:00Z",
    "validTo":"2026-04-01T02:00:00+02:00","chargingSchedule":{"duration":3600,
    "startSchedule":"2026-03-02T06:00:00.900Z","chargingRateUnit":"W","minChargingRate":1.5,
    "chargingSchedulePeriod":[{"startPeriod":0,"limit":3680,"numberPhases":1},{"startPeriod":60,"limit":0.5}]}}"#;

#[test]
fn everything_is_read() {
    let watts = |amount, phases| Limit { amount, unit: Unit::Watts, phases };
    assert_eq!(
        Profile::read(READ),
        Ok(Profile {
            id: 3,
            purpose: ProfilePurpose::Tx,
            stack_level: 2,
            transaction_id: Some(7),
            valid_from_unix_s: Some(1_772_323_200),
            valid_to_unix_s: Some(1_775_001_600),
            origin: Origin::Every { first_unix_s: 1_772_431_200, interval_s: 604_800 },
            duration_s: Some(3600),
            periods: vec![
                Period { start_s: 0, limit: watts(3680.0, Some(1)) },
                Period { start_s: 60, limit: watts(0.5, None) }
            ],
        })
    );
}

#[test]
fn what_is_null_is_absent() {
    let plain = READ
        .replace("\"2026-03-01T00:00:00Z\"", "null")
        .replace("\"2026-04-01T02:00:00+02:00\"", "null")
        .replace("\"transactionId\":7", "\"transactionId\":null")
        .replace("\"duration\":3600", "\"duration\":null")
        .replace("1.5", "null")
        .replace("\"numberPhases\":1", "\"numberPhases\":null");
    let profile = Profile::read(&plain).unwrap();
    assert_eq!((profile.valid_from_unix_s, profile.valid_to_unix_s), (None, None));
    assert_eq!((profile.transaction_id, profile.duration_s), (None, None));
    assert_eq!(profile.periods[0].limit.phases, None);
}

#[test]
fn an_absolute_profile_without_start_counts_from_the_transaction() {
    let kind = |kind: &str| READ.replace("\"Recurring\"", &format!("\"{kind}\""));
    let without_start = |text: String| text.replace("\"startSchedule\":\"2026-03-02T06:00:00.900Z\",", "");
    let origin = |text: String| Profile::read(&text).unwrap().origin;
    assert_eq!(origin(kind("Absolute")), Origin::At(1_772_431_200));
    assert_eq!(origin(without_start(kind("Absolute"))), Origin::Transaction);
    assert_eq!(origin(kind("Relative")), Origin::Transaction);
    assert_eq!(origin(without_start(kind("Relative"))), Origin::Transaction);
}

#[test]
fn only_a_profile_for_a_transaction_names_one() {
    let default = READ.replace("\"TxProfile\"", "\"TxDefaultProfile\"");
    assert_eq!(Profile::read(&default).unwrap().transaction_id, None);
}

#[test]
fn what_is_wrong_is_said() {
    let cases = [
        ("\"chargingProfileId\":3,", "", "chargingProfileId is missing"),
        (
            "\"chargingProfileId\":3",
            "\"chargingProfileId\":3.5",
            "chargingProfileId is not an integer of 32 bits",
        ),
        ("\"stackLevel\":2", "\"stackLevel\":-1", "stackLevel is not 0 or more"),
        ("\"TxProfile\"", "\"TxPlan\"", "chargingProfilePurpose is not a purpose of OCPP 1.6"),
        ("\"Recurring\"", "\"Dynamic\"", "chargingProfileKind is not Absolute, Recurring or Relative"),
        ("\"recurrencyKind\":\"Weekly\",", "", "a Recurring profile needs recurrencyKind"),
        ("\"Weekly\"", "\"Yearly\"", "recurrencyKind is not Daily or Weekly"),
        ("\"startSchedule\":\"2026-03-02T06:00:00.900Z\",", "", "a Recurring profile needs startSchedule"),
        ("\"2026-03-02T06:00:00.900Z\"", "\"tomorrow\"", "startSchedule is not a time"),
        ("\"2026-04-01T02:00:00+02:00\"", "\"2026-03-01T00:00:00Z\"", "validTo is not after validFrom"),
        ("\"duration\":3600", "\"duration\":0", "duration is not more than 0 s"),
        ("\"duration\":3600", "\"duration\":-1", "duration is not 0 or more"),
        ("\"chargingSchedule\":{", "\"chargingSchedule\":7,\"x\":{", "chargingSchedule is not an object"),
        ("\"chargingSchedule\":{", "\"x\":{", "chargingSchedule is missing"),
        ("\"W\"", "\"kW\"", "chargingRateUnit is not A or W"),
        ("1.5", "\"much\"", "minChargingRate is not a number"),
        (
            "\"chargingSchedulePeriod\":[",
            "\"chargingSchedulePeriod\":{},\"x\":[",
            "chargingSchedulePeriod is not a list",
        ),
        (
            "\"chargingSchedulePeriod\":[",
            "\"chargingSchedulePeriod\":[],\"x\":[",
            "chargingSchedulePeriod has no period",
        ),
        ("\"startPeriod\":0", "\"startPeriod\":5", "the first period starts at 5 s and not at 0"),
        ("\"startPeriod\":60", "\"startPeriod\":0", "period 2 does not start after the one before it"),
        ("\"startPeriod\":60,", "", "startPeriod is missing"),
        ("0.5", "-0.5", "the limit of period 2 is negative"),
        ("0.5", "\"0.5\"", "limit is not a number"),
        ("\"numberPhases\":1", "\"numberPhases\":4", "numberPhases is not 1, 2 or 3"),
    ];
    for (there, instead, said) in cases {
        let text = READ.replacen(there, instead, 1);
        assert_ne!(text, READ, "{there} stands in the profile");
        assert_eq!(Profile::read(&text).unwrap_err().to_string(), said);
    }
    assert_eq!(Profile::read("[]").unwrap_err().to_string(), "chargingProfileId is missing");

    let period = |index| format!(r#"{{"startPeriod":{index},"limit":1}}"#);
    let many: Vec<String> = (0..=limits::SCHEDULE_PERIODS).map(period).collect();
    let text = READ.replace(
        r#"[{"startPeriod":0,"limit":3680,"numberPhases":1},{"startPeriod":60,"limit":0.5}]"#,
        &format!("[{}]", many.join(",")),
    );
    assert_eq!(Profile::read(&text), Err(Invalid::TooManyPeriods(1025)));
}
