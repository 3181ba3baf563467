//! What the engine costs for one message, beside what a lesser design would pay for the same bytes.
//!
//! Wall times vary with the machine; read the ratios within one run.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::{ChargerId, Effect, Event, Follower, Memory, Moment, Plan, Role, Session, Tick, frame, payload};

const METER_VALUES: &str = r#"{"connectorId":1,"transactionId":1,"meterValue":[{"timestamp":"2026-11-22T12:05:00Z","sampledValue":[{"value":"1024.5","context":"Sample.Periodic","format":"Raw","measurand":"Energy.Active.Import.Register","location":"Outlet","unit":"Wh"},{"value":"16.02","context":"Sample.Periodic","format":"Raw","measurand":"Current.Import","phase":"L1","location":"Outlet","unit":"A"},{"value":"15.97","context":"Sample.Periodic","format":"Raw","measurand":"Current.Import","phase":"L2","location":"Outlet","unit":"A"},{"value":"230.1","context":"Sample.Periodic","format":"Raw","measurand":"Voltage","phase":"L1","location":"Outlet","unit":"V"}]}]}"#;

/// A session whose charger is charging; every call is answered at once by everyone.
struct Rig {
    session: Session,
    now: Moment,
    calls: u64,
}

impl Rig {
    fn new(followers: usize) -> Self {
        let names: Vec<_> = (1..=followers).map(|n| format!("follower{n}")).collect();
        let followers = names.iter().map(|name| Follower::new(name.as_str().into(), Role::Control)).collect();
        let plan = Arc::new(Plan::new("leader".into(), followers));
        let session = Session::new(ChargerId::from("CP1"), plan.clone(), Memory::default(), 1);
        let now = Moment { tick: Tick(1), unix_ms: 1_795_349_000_000 };
        let mut rig = Self { session, now, calls: 0 };
        rig.happen(Event::BackofficeUp("leader".into()));
        rig.happen(Event::ChargerArrived);
        for follower in &plan.followers {
            rig.happen(Event::BackofficeUp(follower.backoffice.clone()));
        }
        rig.call(
            "StartTransaction",
            r#"{"connectorId":1,"idTag":"CARD","meterStart":0,"timestamp":"2026-11-22T12:04:00Z"}"#,
        );
        rig
    }

    fn happen(&mut self, event: Event) -> Vec<Effect> {
        self.now.tick = Tick(self.now.tick.0 + 10);
        self.session.handle(self.now, event);
        std::iter::from_fn(|| self.session.poll_effect()).collect()
    }

    /// One call of the charger, from its receipt to the last backoffice's answer.
    fn call(&mut self, action: &str, request: &str) -> usize {
        self.calls += 1;
        let text = format!(r#"[2,"{}","{action}",{request}]"#, self.calls);
        let mut said = self.happen(Event::ChargerSaid(text.into()));
        let mut answered = 0;
        while let Some(effect) = said.pop() {
            if let Effect::SayToBackoffice(id, text) = effect {
                let answer = match action {
                    "StartTransaction" => r#"{"transactionId":1,"idTagInfo":{"status":"Accepted"}}"#,
                    "Heartbeat" => r#"{"currentTime":"2026-11-22T12:03:20Z"}"#,
                    _ => "{}",
                };
                let answer = format!("[3,{},{answer}]", &text[3..41]);
                said.extend(self.happen(Event::BackofficeSaid(id, answer.into())));
            } else if let Effect::SayToCharger(_) = effect {
                answered += 1;
            }
        }
        assert_eq!(answered, 1, "the charger has its answer");
        answered
    }
}

fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("call");
    group.throughput(Throughput::Elements(1));
    for followers in [0, 1, 3] {
        let mut rig = Rig::new(followers);
        group.bench_function(format!("Heartbeat, {followers} followers"), |b| {
            b.iter(|| rig.call("Heartbeat", "{}"))
        });
        let mut rig = Rig::new(followers);
        group.bench_function(format!("MeterValues, {followers} followers"), |b| {
            b.iter(|| rig.call("MeterValues", METER_VALUES));
        });
    }
    group.finish();
}

/// The envelope: found in its bytes, against parsed into a tree.
fn envelope(c: &mut Criterion) {
    let text = format!(r#"[2,"5f0c4b7e-54b3-4f7a-9d5d-3e2a1a6b7c8d","MeterValues",{METER_VALUES}]"#);
    let mut group = c.benchmark_group("envelope");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("scanned", |b| b.iter(|| frame::scan(black_box(&text)).is_ok()));
    group.bench_function("parsed into a tree", |b| {
        b.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&text)).is_ok());
    });
    group.finish();
}

/// One number in a payload: spliced, against parsed and written anew.
fn rewriting(c: &mut Criterion) {
    let mut group = c.benchmark_group("transaction number");
    group.bench_function("spliced", |b| {
        b.iter(|| {
            let token = payload::field(black_box(METER_VALUES), "transactionId").expect("it is there");
            payload::replaced(METER_VALUES, token, "900")
        });
    });
    group.bench_function("parsed and written anew", |b| {
        b.iter(|| {
            let mut tree: serde_json::Value = serde_json::from_str(black_box(METER_VALUES)).expect("JSON");
            tree["transactionId"] = 900.into();
            tree.to_string()
        });
    });
    group.finish();
}

criterion_group!(benches, calls, envelope, rewriting);
criterion_main!(benches);
