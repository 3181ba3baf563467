//! Compares a follower's answer with the leader's, expected noise left out (semantics §3.8).

use serde_json::Value;

use crate::time::instant;
use crate::{Difference, Outcome, Verdict};

/// Members that differ between any two backoffices and mean nothing.
const NOISE: [&str; 8] = [
    "interval",
    "transactionId",
    "expiryDate",
    "parentIdTag",
    "data",
    "customData",
    "statusInfo",
    "currentTime",
];

/// Clocks further apart than this are worth a word (semantics §3.8).
const SKEW_MS: i64 = 10_000;

/// How the follower's answer compares with the leader's, and where they differ.
pub fn compare(action: &str, leader: &Outcome, follower: &Outcome) -> (Verdict, Vec<Difference>) {
    match (leader, follower) {
        (Outcome::Unanswered(_), _) => (Verdict::NotComparable, Vec::new()),
        (_, Outcome::Unanswered(_)) | (Outcome::Error { .. }, Outcome::Error { .. }) => {
            (Verdict::FollowerError, Vec::new())
        }
        (Outcome::Result(_), Outcome::Error { code, .. }) => {
            let difference = Difference {
                pointer: String::new(),
                leader: Some("\"CALLRESULT\"".into()),
                follower: Some(Value::from(&**code).to_string()),
            };
            (Verdict::FollowerError, vec![difference])
        }
        (Outcome::Error { code, .. }, Outcome::Result(_)) => {
            let difference = Difference {
                pointer: String::new(),
                leader: Some(Value::from(&**code).to_string()),
                follower: Some("\"CALLRESULT\"".into()),
            };
            (Verdict::Conflict, vec![difference])
        }
        (Outcome::Result(leader), Outcome::Result(follower)) if leader == follower => {
            (Verdict::Same, Vec::new())
        }
        (Outcome::Result(leader), Outcome::Result(follower)) => compare_payloads(action, leader, follower),
    }
}

fn compare_payloads(action: &str, leader: &str, follower: &str) -> (Verdict, Vec<Difference>) {
    let (Ok(leader), Ok(follower)) =
        (serde_json::from_str::<Value>(leader), serde_json::from_str::<Value>(follower))
    else {
        return (Verdict::NotComparable, Vec::new());
    };
    let mut found = Found::default();
    walk(&mut found, &mut String::new(), "", Some(&leader), Some(&follower));
    let verdict = if found.differences.is_empty() {
        if found.noise { Verdict::Noise } else { Verdict::Same }
    } else if found.differences.iter().all(|d| d.pointer == "/currentTime") {
        Verdict::Skew
    } else {
        weigh(action, &found.differences)
    };
    if verdict == Verdict::Noise {
        found.differences.clear();
    }
    (verdict, found.differences)
}

#[derive(Default)]
struct Found {
    noise: bool,
    differences: Vec<Difference>,
}

fn walk(
    found: &mut Found,
    pointer: &mut String,
    name: &str,
    leader: Option<&Value>,
    follower: Option<&Value>,
) {
    let (leader, follower) = (present(leader), present(follower));
    match (leader, follower) {
        (l, f) if equal(l, f) => {}
        (Some(l), Some(f)) if name == "currentTime" => match apart_ms(l, f) {
            Some(apart) if apart <= SKEW_MS => found.noise = true,
            _ => found.add(pointer, Some(l), Some(f)),
        },
        _ if NOISE.contains(&name) => found.noise = true,
        (Some(Value::Object(_)), Some(Value::Object(_)) | None) | (None, Some(Value::Object(_))) => {
            let member = |side: Option<&'_ Value>, name: &str| side.and_then(|v| v.get(name)).cloned();
            for name in names(leader, follower) {
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                walk(found, pointer, &name, member(leader, &name).as_ref(), member(follower, &name).as_ref());
                pointer.truncate(length);
            }
        }
        // What one has and the other lacks is an extra field, unless it decides something.
        (None, _) | (_, None) if name != "status" => found.noise = true,
        (l, f) => found.add(pointer, l, f),
    }
}

/// The members that either side has.
fn names(leader: Option<&Value>, follower: Option<&Value>) -> std::collections::BTreeSet<String> {
    [leader, follower]
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(|o| o.keys().cloned())
        .collect()
}

impl Found {
    fn add(&mut self, pointer: &str, leader: Option<&Value>, follower: Option<&Value>) {
        self.differences.push(Difference {
            pointer: pointer.to_owned(),
            leader: leader.map(Value::to_string),
            follower: follower.map(Value::to_string),
        });
    }
}

/// Absent, `null` and `{}` are one in 1.6.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|v| !v.is_null() && v.as_object().is_none_or(|o| !o.is_empty()))
}

fn equal(leader: Option<&Value>, follower: Option<&Value>) -> bool {
    match (leader, follower) {
        (Some(Value::Number(l)), Some(Value::Number(f))) => l == f || l.as_f64() == f.as_f64(),
        (Some(Value::String(l)), Some(Value::String(f))) => {
            l == f || matches!((instant(l), instant(f)), (Some(a), Some(b)) if a == b)
        }
        (l, f) => l == f,
    }
}

fn apart_ms(leader: &Value, follower: &Value) -> Option<i64> {
    let (leader, follower) = (instant(leader.as_str()?)?, instant(follower.as_str()?)?);
    Some((leader.as_millisecond() - follower.as_millisecond()).abs())
}

fn weigh(action: &str, differences: &[Difference]) -> Verdict {
    let status = differences.iter().find(|d| d.pointer == "/status" || d.pointer == "/idTagInfo/status");
    let Some(status) = status else { return Verdict::Conflict };
    let (leader, follower) = (status.leader.as_deref(), status.follower.as_deref());
    if action == "DataTransfer" && matches!(follower, Some("\"UnknownVendorId\"" | "\"UnknownMessageId\"")) {
        return Verdict::Noise;
    }
    let accepts = |status: Option<&str>| status == Some("\"Accepted\"");
    // StopTransaction.conf may leave idTagInfo out: no opinion, no conflict (OCPP 1.6 §4.10).
    let silent = action == "StopTransaction" && (leader.is_none() || follower.is_none());
    let both_refuse = leader.is_some() && follower.is_some() && !accepts(leader) && !accepts(follower);
    if silent {
        Verdict::Noise
    } else if both_refuse && action != "BootNotification" {
        Verdict::WeakConflict
    } else {
        Verdict::Conflict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_weighed_as_the_rules_say() {
        let cases = [
            ("StatusNotification", "{}", "{}", Verdict::Same, ""),
            ("StatusNotification", "{}", " { } ", Verdict::Same, ""),
            ("MeterValues", "{}", r#"{"customData":null}"#, Verdict::Same, ""),
            (
                "Heartbeat",
                r#"{"currentTime":"2026-01-01T00:00:00Z"}"#,
                r#"{"currentTime":"2026-01-01T00:00:00.000Z"}"#,
                Verdict::Same,
                "",
            ),
            (
                "Heartbeat",
                r#"{"currentTime":"2026-01-01T00:00:00Z"}"#,
                r#"{"currentTime":"2026-01-01T00:00:09Z"}"#,
                Verdict::Noise,
                "",
            ),
            (
                "Heartbeat",
                r#"{"currentTime":"2026-01-01T00:00:00Z"}"#,
                r#"{"currentTime":"2026-01-01T00:00:11Z"}"#,
                Verdict::Skew,
                "/currentTime",
            ),
            (
                "Heartbeat",
                r#"{"currentTime":"2026-01-01T00:00:00Z"}"#,
                r#"{"currentTime":"noon"}"#,
                Verdict::Skew,
                "/currentTime",
            ),
            (
                "BootNotification",
                r#"{"status":"Accepted","interval":300}"#,
                r#"{"interval":60,"status":"Accepted"}"#,
                Verdict::Noise,
                "",
            ),
            (
                "BootNotification",
                r#"{"status":"Accepted","interval":300}"#,
                r#"{"interval":300.0,"status":"Accepted"}"#,
                Verdict::Same,
                "",
            ),
            (
                "BootNotification",
                r#"{"status":"Accepted"}"#,
                r#"{"status":"Pending"}"#,
                Verdict::Conflict,
                "/status",
            ),
            (
                "BootNotification",
                r#"{"status":"Rejected"}"#,
                r#"{"status":"Pending"}"#,
                Verdict::Conflict,
                "/status",
            ),
            (
                "Authorize",
                r#"{"idTagInfo":{"status":"Invalid"}}"#,
                r#"{"idTagInfo":{"status":"Accepted"}}"#,
                Verdict::Conflict,
                "/idTagInfo/status",
            ),
            (
                "Authorize",
                r#"{"idTagInfo":{"status":"Invalid"}}"#,
                r#"{"idTagInfo":{"status":"Blocked"}}"#,
                Verdict::WeakConflict,
                "/idTagInfo/status",
            ),
            (
                "Authorize",
                r#"{"idTagInfo":{"status":"Accepted","parentIdTag":"G"}}"#,
                r#"{"idTagInfo":{"status":"Accepted"}}"#,
                Verdict::Noise,
                "",
            ),
            (
                "StartTransaction",
                r#"{"transactionId":1,"idTagInfo":{"status":"Accepted"}}"#,
                r#"{"transactionId":900,"idTagInfo":{"status":"Accepted"}}"#,
                Verdict::Noise,
                "",
            ),
            ("StopTransaction", "{}", r#"{"idTagInfo":{"status":"Accepted"}}"#, Verdict::Noise, ""),
            (
                "StopTransaction",
                r#"{"idTagInfo":{"status":"Expired"}}"#,
                r#"{"idTagInfo":{"status":"Accepted"}}"#,
                Verdict::Conflict,
                "/idTagInfo/status",
            ),
            (
                "DataTransfer",
                r#"{"status":"Accepted"}"#,
                r#"{"status":"UnknownVendorId"}"#,
                Verdict::Noise,
                "",
            ),
            (
                "DataTransfer",
                r#"{"status":"Accepted","data":"a"}"#,
                r#"{"status":"Accepted","data":"b"}"#,
                Verdict::Noise,
                "",
            ),
            (
                "DataTransfer",
                r#"{"status":"Accepted"}"#,
                r#"{"status":"Rejected"}"#,
                Verdict::Conflict,
                "/status",
            ),
        ];
        assert_eq!(cases.len(), 20);
        for (action, leader, follower, verdict, pointer) in cases {
            let (found, differences) =
                compare(action, &Outcome::Result(leader.into()), &Outcome::Result(follower.into()));
            assert_eq!(found, verdict, "{action}: {leader} against {follower}");
            if pointer.is_empty() {
                assert_eq!(differences, [], "{action}");
            } else {
                assert_eq!(differences[0].pointer, pointer);
            }
        }
    }

    #[test]
    fn a_failed_answer_is_no_opinion() {
        let result = Outcome::Result("{}".into());
        let error = Outcome::Error { code: "InternalError".into(), description: "".into() };
        let silence = Outcome::Unanswered("timeout");
        assert_eq!(compare("Authorize", &result, &error).0, Verdict::FollowerError);
        assert_eq!(compare("Authorize", &error, &result).0, Verdict::Conflict);
        assert_eq!(compare("Authorize", &error, &error).0, Verdict::FollowerError);
        assert_eq!(compare("Authorize", &result, &silence).0, Verdict::FollowerError);
        assert_eq!(compare("Authorize", &silence, &result).0, Verdict::NotComparable);
    }
}
