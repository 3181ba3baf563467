//! The notation of `cases.txt`. What was logged, one a line, times on one day in UTC:
//!
//! ```text
//! ask AB12 | ask any | ask call 12:03:04      the question
//! plan any_accept acme volt (blue) | alias volt AB12 DE-1 | command line
//! offline | leader volt | known AB12 CP2 11:00:00
//! 12:03:04 Authorize AB12 -> leader Invalid; volt Accepted; blue error Code why
//! 12:03:04 StartTransaction AB12 1 -> proxy T-65 Accepted #7; acme Invalid
//! 12:05:00 StopTransaction #7 DeAuthorized [AB12] -> leader {}
//! 12:03:04 StatusNotification 1 Reserved NoError
//! 12:00:00 acme ReserveNow 1 AB12 | acme SendLocalList AB12=Blocked | acme RemoteStopTransaction #7
//! 12:00:00 ! charger_left charger connection lost
//! ```
//!
//! The charger may also get a follower's verdict, and the row have remarks: `-> follower volt Invalid +ordered`.
//! "\s" in a card's number is a space. Below "---": what is told.

use std::sync::Arc;

use engine::{Aliases, BackofficeId, Follower, Missing, Plan, Role, Side, TraceId, TurnsOn, VerdictRule};
use jiff::tz::TimeZone;
use store::{LoggedAnswer, LoggedCall, LoggedOccurrence};

use super::super::{Facts, KnownCard, Verdict, WhoDecided};

pub(super) fn facts(text: &str) -> Facts {
    let mut facts = Facts {
        charger: "CP1".into(),
        id_tag: None,
        attempt: None,
        calls: Vec::new(),
        occurrences: Vec::new(),
        known: Vec::new(),
        is_online: Some(true),
        leader: Some("acme".into()),
        plan: None,
        since_unix_ms: unix_ms("11:00:00"),
        now_unix_ms: unix_ms("12:30:00"),
        zone: TimeZone::UTC,
        marks_moments: false,
        at_command_line: false,
    };
    for (at, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["ask", "any"] => {}
            ["ask", "call", time] => {
                let call = facts.calls.iter().find(|call| call.received_unix_ms == unix_ms(time));
                facts.attempt = Some(call.expect("a call at that time, above").trace);
            }
            ["ask", tag] => facts.id_tag = Some(unescaped(tag)),
            ["command", "line"] => facts.at_command_line = true,
            ["plan", policy, ref names @ ..] => facts.plan = Some(plan(policy, names)),
            ["alias", backoffice, card, alias] => {
                let plan = facts.plan.as_mut().expect("a plan, above");
                let aliases = Aliases::new(vec![(card.to_owned(), alias.to_owned())]);
                plan.aliases.insert(backoffice.into(), Arc::new(aliases));
            }
            ["offline"] => facts.is_online = Some(false),
            ["unclear"] => facts.is_online = None,
            ["leader", name] => facts.leader = Some(name.into()),
            ["now", time] => facts.now_unix_ms = unix_ms(time),
            ["known", tag, charger, time] => facts.known.push(KnownCard {
                id_tag: unescaped(tag),
                charger: charger.into(),
                by: "acme".into(),
                unix_ms: unix_ms(time),
            }),
            [time, "!", kind, who, ..] => facts.occurrences.push(LoggedOccurrence {
                seq: seq(at),
                charger: "CP1".into(),
                unix_ms: unix_ms(time),
                kind: kind.to_owned(),
                who: who.to_owned(),
                detail: words[4..].join(" "),
            }),
            _ => facts.calls.push(call(at, line)),
        }
    }
    facts
}

/// Deciders, the leader first; a name in parentheses is an observer's.
fn plan(policy: &str, names: &[&str]) -> Plan {
    let followers = names[1..].iter().map(|name| match name.strip_prefix('(') {
        Some(name) => Follower::new(name.trim_end_matches(')').into(), Role::Observer),
        None => Follower::new((*name).into(), Role::Control),
    });
    let mut plan = Plan::new(names[0].into(), followers.collect());
    plan.cards.rule = match policy {
        "leader_only" => VerdictRule::LeaderOnly,
        "any_accept" => VerdictRule::AnyAccept,
        "all_accept" => VerdictRule::AllAccept(Missing::Refuse),
        "ordered" => VerdictRule::Ordered(TurnsOn::Refusal),
        "first_answer" => VerdictRule::FirstAnswer,
        other => panic!("{other:?} is no policy"),
    };
    plan
}

fn call(at: usize, line: &str) -> LoggedCall {
    let (said, got) = line.split_once(" -> ").unwrap_or((line, "leader {}"));
    let (got, flags) = got.split_once(" +").unwrap_or((got, ""));
    let words: Vec<&str> = said.split(' ').collect();
    let mut call = LoggedCall {
        seq: seq(at),
        trace: TraceId(ulid::Ulid::from_parts(1, at as u128)),
        charger: "CP1".into(),
        from: Side::Charger,
        action: words[1].to_owned(),
        received_unix_ms: unix_ms(words[0]),
        payload: "{}".to_owned(),
        outcome: "result".to_owned(),
        answer: None,
        error_code: None,
        error_description: None,
        decider: "leader".to_owned(),
        decided_by: None,
        latency_us: 40_000,
        leader: "acme".into(),
        flags: flags.split_whitespace().map(str::to_owned).collect(),
        redacted: false,
        id_tag: None,
        transaction_number: None,
        connector_id: None,
        status: None,
        answers: Vec::new(),
    };
    match words[1..] {
        ["Authorize", tag] => {
            call.id_tag = Some(unescaped(tag));
            call.payload = serde_json::json!({ "idTag": unescaped(tag) }).to_string();
        }
        ["StartTransaction", tag, connector] => {
            call.id_tag = Some(unescaped(tag));
            call.connector_id = connector.parse().ok();
            call.payload =
                serde_json::json!({ "idTag": unescaped(tag), "connectorId": call.connector_id }).to_string();
        }
        ["StopTransaction", number, reason, ref tag @ ..] => {
            call.id_tag = tag.first().map(|tag| unescaped(tag));
            call.transaction_number = Some(of_number(number));
            let payload = serde_json::json!({ "transactionId": of_number(number), "reason": reason, "idTag": call.id_tag });
            call.payload = payload.to_string();
        }
        ["StatusNotification", connector, status, error] => {
            call.connector_id = connector.parse().ok();
            call.payload =
                serde_json::json!({ "connectorId": call.connector_id, "status": status, "errorCode": error })
                    .to_string();
        }
        [backoffice, action, ref rest @ ..] => return command(call, backoffice, action, rest),
        _ => panic!("{line:?} is no call"),
    }
    let mut parts = got.split("; ");
    answer(&mut call, parts.next().expect("a split yields something"));
    for part in parts {
        let (name, outcome) = part.split_once(' ').expect("a name and what it said");
        let led = call.leader.as_str() == name;
        let answer = answered(BackofficeId::from(name), led, outcome);
        call.answers.push(answer);
    }
    call
}

/// What the charger got.
fn answer(call: &mut LoggedCall, got: &str) {
    let (decider, rest) = got.split_once(' ').expect("who decided, and what");
    decider.clone_into(&mut call.decider);
    let outcome = match decider {
        "proxy" => {
            let (rule, outcome) = rest.split_once(' ').expect("a rule");
            call.decided_by = Some(rule.to_owned());
            outcome
        }
        "follower" => {
            let (name, outcome) = rest.split_once(' ').expect("which follower");
            call.answers.push(answered(name.into(), false, outcome));
            call.decided_by = Some(name.to_owned());
            outcome
        }
        "leader" => {
            call.answers.push(answered(call.leader.clone(), true, rest));
            call.decided_by = Some(call.leader.to_string());
            rest
        }
        _ => rest,
    };
    let given = answered(call.leader.clone(), true, outcome);
    call.outcome = given.outcome;
    call.error_code = given.error_code;
    call.error_description = given.error_description;
    call.status = given.status;
    if call.outcome == "result" {
        let mut answer = serde_json::Map::new();
        if let Some(status) = &call.status {
            answer.insert("idTagInfo".to_owned(), serde_json::json!({ "status": status }));
        }
        if call.action == "StartTransaction" {
            call.transaction_number = given.transaction_number;
            answer.insert("transactionId".to_owned(), given.transaction_number.into());
        }
        call.answer = Some(serde_json::Value::from(answer).to_string());
    }
}

fn answered(backoffice: BackofficeId, led: bool, outcome: &str) -> LoggedAnswer {
    let (outcome, verdict) = match outcome.strip_suffix(" late") {
        Some(outcome) => (outcome, "late"),
        None => (outcome, "same"),
    };
    let words: Vec<&str> = outcome.split(' ').collect();
    let mut answer = LoggedAnswer {
        seq: 0,
        backoffice,
        led,
        outcome: "result".to_owned(),
        same: false,
        payload: None,
        error_code: None,
        error_description: None,
        latency_us: 40_000,
        verdict: verdict.to_owned(),
        differences: Vec::new(),
        redacted: false,
        transaction_number: None,
        status: None,
    };
    match words[..] {
        ["{}"] => {}
        ["error", code, ..] => {
            answer.outcome = "error".to_owned();
            answer.error_code = Some(code.to_owned());
            answer.error_description = Some(words[2..].join(" "));
        }
        [status] if status.starts_with(char::is_uppercase) => answer.status = Some(status.to_owned()),
        [status, number] => {
            answer.status = Some(status.to_owned());
            answer.transaction_number = Some(of_number(number));
        }
        _ => outcome.clone_into(&mut answer.outcome),
    }
    answer
}

/// Commands are accepted by the charger.
fn command(mut call: LoggedCall, backoffice: &str, action: &str, rest: &[&str]) -> LoggedCall {
    call.from = Side::Backoffice(backoffice.into());
    action.clone_into(&mut call.action);
    call.decider = "charger".to_owned();
    call.answer = Some(r#"{"status":"Accepted"}"#.to_owned());
    match (action, rest) {
        ("ReserveNow", [connector, tag]) => {
            call.connector_id = connector.parse().ok();
            call.id_tag = Some(unescaped(tag));
        }
        ("RemoteStopTransaction", [number]) => call.transaction_number = Some(of_number(number)),
        ("SendLocalList", cards) => {
            let entries: Vec<serde_json::Value> = cards
                .iter()
                .map(|card| match card.split_once('=') {
                    Some((tag, status)) => {
                        serde_json::json!({ "idTag": tag, "idTagInfo": { "status": status } })
                    }
                    None => serde_json::json!({ "idTag": card }),
                })
                .collect();
            call.payload = serde_json::json!({ "localAuthorizationList": entries }).to_string();
        }
        other => panic!("{other:?} is no command"),
    }
    call
}

fn of_number(word: &str) -> i64 {
    word.strip_prefix('#').and_then(|number| number.parse().ok()).expect("a number such as #7")
}

fn unescaped(word: &str) -> String {
    word.replace("\\s", " ").replace("\\u0007", "\u{7}").replace("\\u001b", "\u{1b}")
}

fn seq(at: usize) -> i64 {
    i64::try_from(at).expect("a file has few lines")
}

fn unix_ms(time: &str) -> i64 {
    let moment: jiff::Timestamp = format!("2026-11-22T{time}Z").parse().expect("a time such as 12:03:04");
    moment.as_millisecond()
}

/// The verdict, as `cases.txt` has it.
pub(super) fn rendered(verdict: &Verdict) -> String {
    let who = match &verdict.who_decided {
        WhoDecided::Leader { backoffice } => format!("leader {backoffice}"),
        WhoDecided::Follower { backoffice } => format!("follower {backoffice}"),
        WhoDecided::Proxy { rule } => format!("proxy {rule}"),
        WhoDecided::Charger => "charger".to_owned(),
        WhoDecided::Nobody => "nobody".to_owned(),
    };
    let cause = serde_json::to_value(verdict.cause).expect("a name");
    let mut lines = vec![format!("{} by {who}", cause.as_str().expect("a name")), verdict.sentence.clone()];
    let next = &verdict.next;
    for (whom, steps) in [("do", &next.everyone), ("employee", &next.employee), ("public", &next.public_site)]
    {
        lines.extend(steps.iter().map(|step| format!("{whom}: {step}")));
    }
    lines.extend(
        next.whitelist.iter().map(|list| format!("whitelist {} at {}", list.id_tag, list.backoffice)),
    );
    lines.join("\n")
}
