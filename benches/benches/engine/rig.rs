//! A session whose charger is charging, with everybody around it.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::{ChargerId, Effect, Event, Follower, Memory, Moment, Plan, Role, Session, Tick};

/// What the charger says most.
pub(crate) const METER_VALUES: &str = r#"{"connectorId":1,"transactionId":1,"meterValue":[{"timestamp":"2026-11-22T12:05:00Z","sampledValue":[{"value":"001024.5","context":"Sample.Periodic","format":"Raw","measurand":"Energy.Active.Import.Register","location":"Outlet","unit":"Wh"},{"value":"16.02","context":"Sample.Periodic","format":"Raw","measurand":"Current.Import","phase":"L1","location":"Outlet","unit":"A"},{"value":"15.97","context":"Sample.Periodic","format":"Raw","measurand":"Current.Import","phase":"L2","location":"Outlet","unit":"A"},{"value":"230.1","context":"Sample.Periodic","format":"Raw","measurand":"Voltage","phase":"L1","location":"Outlet","unit":"V"}]}]}"#;

/// A session whose charger is charging; every call is answered at once by everyone.
pub(crate) struct Rig {
    session: Session,
    now: Moment,
    /// What peers are told, oldest first.
    pub(crate) said: VecDeque<Effect>,
    /// Of everybody, so far; message ids come from it.
    pub(crate) calls: u64,
    /// Transactions so far; backoffices give them their numbers by it.
    pub(crate) starts: u64,
}

impl Rig {
    /// So many follow.
    pub(crate) fn new(followers: usize) -> Self {
        let names: Vec<_> = (1..=followers).map(|n| format!("follower{n}")).collect();
        let followers = names.iter().map(|name| Follower::new(name.as_str().into(), Role::Control)).collect();
        let plan = Arc::new(Plan::new("leader".into(), followers));
        let session = Session::new(ChargerId::from("CP1"), plan.clone(), Memory::default(), 1);
        let now = Moment { tick: Tick(1), unix_ms: 1_795_349_000_000 };
        let mut rig = Self { session, now, said: VecDeque::new(), calls: 0, starts: 0 };
        rig.happen(Event::BackofficeUp("leader".into()));
        rig.happen(Event::ChargerArrived);
        for follower in &plan.followers {
            rig.happen(Event::BackofficeUp(follower.backoffice.clone()));
        }
        rig.call("BootNotification", r#"{"chargePointVendor":"v","chargePointModel":"m"}"#);
        // Commands wait until the charger has had time to get used to its boot.
        rig.now.tick = Tick(rig.now.tick.0 + 60_000_000);
        rig.happen(Event::DeadlinePassed);
        rig.start();
        rig
    }

    /// Hands in what happened; what peers are told stands in `said` after that.
    pub(crate) fn happen(&mut self, event: Event) {
        self.now.tick = Tick(self.now.tick.0 + 10);
        engine_works(&mut self.session, self.now, event, &mut self.said);
    }

    /// A transaction begins. How many backoffices heard of it.
    pub(crate) fn start(&mut self) -> usize {
        self.starts += 1;
        // A start with the content of an earlier one would be that one again.
        let meter = self.starts;
        let request = format!(
            r#"{{"connectorId":1,"idTag":"CARD","meterStart":{meter},"timestamp":"2026-11-22T12:04:00Z"}}"#
        );
        self.call("StartTransaction", &request)
    }

    /// The charger tells its meter values. How many backoffices heard of it.
    pub(crate) fn meter(&mut self) -> usize {
        // Values with the content of earlier ones would not be told to a follower again.
        let request = METER_VALUES.replacen("001024", &format!("{:06}", self.calls), 1);
        self.call("MeterValues", &request)
    }

    /// One call of the charger, from its receipt to the last backoffice's answer. How many backoffices heard of it.
    pub(crate) fn call(&mut self, action: &str, request: &str) -> usize {
        self.calls += 1;
        let text = format!(r#"[2,"{}","{action}",{request}]"#, self.calls);
        self.happen(Event::ChargerSaid(text.into()));
        let (mut asked, mut answers) = (0, 0);
        while let Some(effect) = self.said.pop_front() {
            if let Effect::SayToBackoffice(id, text) = effect {
                // What else a backoffice is told, such as an earlier message, is answered but not counted.
                let (asked_id, asked_action) =
                    (&text[3..41], text[43..].split('"').next().unwrap_or_default());
                asked += usize::from(asked_action == action);
                let answer = format!("[3,{asked_id},{}]", self.answer(asked_action));
                self.happen(Event::BackofficeSaid(id, answer.into()));
            } else if let Effect::SayToCharger(_) = effect {
                answers += 1;
            }
        }
        assert_eq!(answers, 1, "the charger has its answer");
        asked
    }

    /// What every backoffice answers. Each start has a number of its own, the same with all.
    fn answer(&self, action: &str) -> String {
        match action {
            "BootNotification" => {
                r#"{"status":"Accepted","currentTime":"2026-11-22T12:03:20Z","interval":86400}"#.to_owned()
            }
            "StartTransaction" => {
                format!(r#"{{"transactionId":{},"idTagInfo":{{"status":"Accepted"}}}}"#, self.starts)
            }
            "Heartbeat" => r#"{"currentTime":"2026-11-22T12:03:20Z"}"#.to_owned(),
            _ => "{}".to_owned(),
        }
    }
}

/// All that the engine does, and nothing else: an event is taken in, its effects are taken out, and what no peer hears is
/// dropped. It is counted by its name.
#[inline(never)]
fn engine_works(session: &mut Session, now: Moment, event: Event, said: &mut VecDeque<Effect>) {
    session.handle(now, event);
    while let Some(effect) = session.poll_effect() {
        if matches!(effect, Effect::SayToCharger(_) | Effect::SayToBackoffice(..)) {
            said.push_back(effect);
        }
    }
}
