//! The engine's hot paths, so often that a tool that counts instructions sees nothing else:
//! `instructions MESSAGE TIMES`. `cargo xtask instructions` runs it, and keeps the counts in `benches/instructions.txt`.
//!
//! Everything is decided by these two words: no clock is read and nothing is hashed with a random key, so that the
//! counts of two runs are the same.

#[path = "engine/rig.rs"]
mod rig;

use engine::{Effect, Event};
use rig::Rig;

/// Backoffices of the charger: a leader and a follower.
const BACKOFFICES: usize = 2;

/// A message, as the kept file calls it, and how it is said once.
type Case = (&'static str, fn(&mut Rig));

/// What is counted.
const CASES: [Case; 4] = [
    ("Heartbeat", |rig| {
        // Followers have Heartbeats of their own.
        assert_eq!(rig.call("Heartbeat", "{}"), 1);
    }),
    ("MeterValues", |rig| assert_eq!(rig.meter(), BACKOFFICES)),
    ("StartTransaction", |rig| {
        assert_eq!(rig.start(), BACKOFFICES);
        let number = rig.starts;
        let stop =
            format!(r#"{{"transactionId":{number},"meterStop":8,"timestamp":"2026-11-22T12:05:00Z"}}"#);
        assert_eq!(rig.call("StopTransaction", &stop), BACKOFFICES);
    }),
    ("command", |rig| command(rig, "UnlockConnector", r#"{"connectorId":1}"#, r#"{"status":"Unlocked"}"#)),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [name, times] = arguments.as_slice() else {
        // Whoever wants to know what there is to be counted.
        for (name, _) in CASES {
            println!("{name}");
        }
        return;
    };
    let (_, case) = CASES.iter().find(|(known, _)| known == name).expect("a message that is counted");
    let times: u32 = times.parse().expect("how often is a number");
    let mut rig = Rig::new(BACKOFFICES - 1);
    for _ in 0..times {
        case(&mut rig);
    }
}

/// One call of the leader, from its receipt to the charger's answer.
fn command(rig: &mut Rig, action: &str, request: &str, answer: &str) {
    rig.calls += 1;
    let text = format!(r#"[2,"{}","{action}",{request}]"#, rig.calls);
    rig.happen(Event::BackofficeSaid("leader".into(), text.into()));
    let Some(Effect::SayToCharger(asked)) = rig.said.pop_front() else { panic!("the charger is asked") };
    let answer = format!("[3,{},{answer}]", &asked[3..41]);
    rig.happen(Event::ChargerSaid(answer.into()));
    let answered = rig.said.pop_front();
    assert!(matches!(answered, Some(Effect::SayToBackoffice(..))), "the leader has its answer");
}
