//! kill -9 of the proxy at each point of a transaction message's way (semantics §10 scenario 5, X-8 to
//! the charger says it again, and everyone has it, in order, under their own number.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::support::charger::RawCharger;
use super::support::peer::{Backoffice, Frame, Library};
use super::support::proxy::{Proxy, rules};
use super::support::{eventually, session, set_up};

/// How far a message has come when the proxy is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// The proxy has it; nothing of it is durable yet.
    Received,
    /// The leader has it and has not answered.
    LeaderAsked,
    /// The proxy has the leader's answer; nothing of that is durable yet.
    LeaderAnswered,
    /// The answer is on its way to the charger, which never sees it.
    AnswerSent,
    /// The charger has the answer.
    Answered,
}

const ACTIONS: [&str; 3] = ["StartTransaction", "MeterValues", "StopTransaction"];

/// Holds the store's file, so that nothing can be written into it; until dropped.
struct Held(Child);

impl Held {
    fn take(store: &Path) -> Self {
        let hold = "import sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
base.execute('BEGIN IMMEDIATE')
print('held', flush=True)
sys.stdin.read()";
        let mut command = Command::new(set_up("OCPP_PROXY_TEST_PYTHON"));
        command.args(["-c", hold]).arg(store).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Self(holder)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn payload(action: &str, number: i64) -> Value {
    match action {
        "StartTransaction" => json!({
            "connectorId": 1, "idTag": session::GOOD_CARD, "meterStart": 1000, "timestamp": "2026-11-22T13:01:00Z",
        }),
        "MeterValues" => session::meter_values(number, 1500),
        _ => json!({"transactionId": number, "meterStop": 5000, "timestamp": "2026-11-22T14:00:00Z"}),
    }
}

struct Scene {
    leader: Backoffice,
    follower: Backoffice,
    proxy: Proxy,
    charger: RawCharger,
}

impl Scene {
    fn set_up() -> Self {
        let leader = Backoffice::start(Library::Python, json!({"first_transaction": 1}));
        let follower = Backoffice::start(Library::Python, json!({"first_transaction": 1000}));
        let rules = rules(("volt", leader.url(), ""), &[(("acme", follower.url(), ""), "control")]);
        let proxy = Proxy::start(&rules);
        let mut charger = RawCharger::connect(proxy.chargers, "CP1");
        session::arrive(&mut charger, session::GOOD_CARD);
        Self { leader, follower, proxy, charger }
    }

    /// Brings a message to this point and kills the proxy there.
    fn crash(&mut self, point: Point, action: &str, number: i64) {
        let payload = payload(action, number);
        // What went before is done with.
        self.proxy.wait_all_told("acme");
        let Self { leader, proxy, charger, .. } = self;
        let silence = |actions: Value| {
            leader.cue(json!({"do": "set", "behaviour": {"silent": actions}}));
        };
        let mut held = None;
        match point {
            Point::Received => {
                held = Some(Held::take(&proxy.store()));
                let say = || _ = charger.say(action, &payload);
                wait_counted(proxy, ["peer=\"charger\"", "direction=\"in\"", "kind=\"call\""], action, say);
            }
            Point::LeaderAsked => {
                silence(json!([action]));
                charger.say(action, &payload);
                leader.wait_call(action, |_| true);
            }
            Point::LeaderAnswered => {
                silence(json!([action]));
                charger.say(action, &payload);
                let asked = leader.wait_call(action, |_| true);
                held = Some(Held::take(&proxy.store()));
                let answer = match action {
                    "StartTransaction" => json!({"transactionId": 77, "idTagInfo": {"status": "Accepted"}}),
                    _ => json!({}),
                };
                let text = json!([3, asked.id, answer]).to_string();
                let say = || _ = leader.cue(json!({"do": "raw", "charger": "CP1", "text": text}));
                wait_counted(proxy, ["peer=\"volt\"", "direction=\"in\"", "kind=\"result\""], action, say);
            }
            Point::AnswerSent => {
                let say = || _ = charger.say(action, &payload);
                wait_counted(
                    proxy,
                    ["peer=\"charger\"", "direction=\"out\"", "kind=\"result\""],
                    action,
                    say,
                );
            }
            Point::Answered => _ = charger.call(action, &payload),
        }
        proxy.kill();
        drop(held);
        silence(json!([]));
        proxy.start_again();
        *charger = RawCharger::connect(proxy.chargers, "CP1");
    }
}

/// Waits until the proxy has counted one more message of this kind.
fn wait_counted(proxy: &Proxy, labels: [&str; 3], action: &str, cause: impl FnOnce()) {
    let action = format!("action=\"{action}\"");
    let labels = [&labels[..], &[&action]].concat();
    let count = || proxy.metric("ocpp_proxy_messages_total", &labels).unwrap_or(0.0);
    let before = count();
    cause();
    eventually(&format!("one more of {labels:?}"), || (count() > before).then_some(()));
}

/// A transaction in which the proxy is killed at this point of this message's way.
fn survives(point: Point, crashed: &str) {
    let mut scene = Scene::set_up();
    let mut number = 0;
    for action in ACTIONS {
        if action == crashed {
            scene.crash(point, action, number);
        }
        if action == crashed && point == Point::Answered && action != "StartTransaction" {
            continue;
        }
        // What was not answered the charger says again. So it does here with an answered start: the
        // number that it was told must be the one that it is told now.
        let answer = scene.charger.call(action, &payload(action, number));
        if action == "StartTransaction" {
            number = answer["transactionId"].as_i64().expect("a number");
        }
    }
    // What the charger has not heard the answer to, it says again; of starts and stops the proxy knows.
    let leader_may_repeat = match point {
        Point::Received | Point::LeaderAsked | Point::LeaderAnswered => true,
        Point::AnswerSent => crashed == "MeterValues",
        Point::Answered => false,
    };
    for (backoffice, is_leader) in [(&scene.leader, true), (&scene.follower, false)] {
        backoffice.wait_call("StopTransaction", |_| true);
        let mut told: Vec<Frame> = backoffice.calls();
        told.retain(|call| ACTIONS.contains(&call.action.as_str()));
        let all: Vec<&str> = told.iter().map(|call| call.action.as_str()).collect();
        let mut once = all.clone();
        once.dedup();
        assert_eq!(once, ACTIONS, "{point:?} of {crashed}: {all:?}");
        // Only what was in flight at the kill may be there a second time (semantics T-61).
        let again = all.len() - once.len();
        let repeated = all.iter().filter(|action| **action == crashed).count() - 1;
        assert_eq!(again, repeated, "{point:?} of {crashed}: {all:?}");
        assert!(again <= usize::from(leader_may_repeat || !is_leader), "{point:?} of {crashed}: {all:?}");
        assert_numbers(backoffice, &told);
    }
}

/// What follows the last answered start bears the number that was given there.
fn assert_numbers(backoffice: &Backoffice, told: &[Frame]) {
    let start = told.iter().rfind(|call| call.action == "StartTransaction").expect("a start");
    let own = backoffice.wait_answered(start).payload["transactionId"].clone();
    let others = told.iter().filter(|call| call.action != "StartTransaction");
    let numbers: Vec<_> = others.map(|call| call.payload["transactionId"].clone()).collect();
    assert!(numbers.len() >= 2 && numbers.iter().all(|number| *number == own), "{own}: {numbers:?}");
}

fn survives_each(point: Point) {
    for action in ACTIONS {
        survives(point, action);
    }
}

#[test]
fn killed_before_anything_is_durable() {
    survives_each(Point::Received);
}

#[test]
fn killed_while_the_leader_is_asked() {
    survives_each(Point::LeaderAsked);
}

#[test]
fn killed_before_the_leaders_answer_is_durable() {
    survives_each(Point::LeaderAnswered);
}

#[test]
fn killed_before_the_charger_hears_the_answer() {
    survives_each(Point::AnswerSent);
}

#[test]
fn killed_after_the_charger_heard_the_answer() {
    survives_each(Point::Answered);
}
