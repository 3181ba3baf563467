//! A session with everybody there, and what it says compared with what it should have.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use engine::{
    BackofficeId, ChargerId, Effect, Event, Follower, Grant, Memory, Moment, Plan, Role, Session, Side, Tick,
};

/// What somebody is to be told, behind the message id.
#[derive(Clone, Copy)]
pub(crate) enum Told<'a> {
    /// This, byte for byte.
    Passed(&'a str),
    /// This, in which a number differs from what came in.
    Rewritten(&'a str),
    /// This, with a number of the proxy's choice for `@`.
    WithNumber(&'a str),
}

/// One session, its clock, and what it said.
pub(crate) struct Scene {
    session: Session,
    now: Moment,
    said: VecDeque<(Side, String)>,
    /// The proxy's latest message id to each, as a JSON token.
    ids: Vec<(Side, String)>,
    leader: Side,
    /// Who said what, last.
    latest: String,
    /// Messages that came in.
    pub(crate) heard: usize,
    /// Frames that went out byte for byte.
    pub(crate) passed: usize,
    /// Frames that went out with a number in the place of another.
    pub(crate) rewritten: usize,
}

impl Scene {
    /// Everybody is there, and the charger is accepted.
    pub(crate) fn booted(leader: &str, followers: &[(&str, Role)], granted: fn(&mut Grant)) -> Self {
        let followers: Vec<Follower> = followers
            .iter()
            .map(|(name, role)| {
                let mut follower = Follower::new((*name).into(), *role);
                granted(Arc::make_mut(&mut follower.grant));
                follower
            })
            .collect();
        let plan = Arc::new(Plan::new(leader.into(), followers));
        let session = Session::new(ChargerId::from("CP1"), plan.clone(), Memory::default(), 1);
        let now = Moment { tick: Tick(1_000_000), unix_ms: 1_795_349_000_000 };
        let leader = Side::Backoffice(leader.into());
        let (said, ids, latest) = (VecDeque::new(), Vec::new(), String::new());
        let mut scene = Self { session, now, said, ids, leader, latest, heard: 0, passed: 0, rewritten: 0 };
        scene.happen(Event::BackofficeUp(plan.leader.clone()));
        scene.happen(Event::ChargerArrived);
        plan.followers.iter().for_each(|one| scene.happen(Event::BackofficeUp(one.backoffice.clone())));
        let boot = r#"{"chargePointVendor":"V","chargePointModel":"M"}"#;
        scene.charger_says(&format!("[2,\"boot\",\"BootNotification\",{boot}]"));
        for backoffice in plan.backoffices() {
            scene.told(backoffice.as_str(), Told::Passed(&format!("\"BootNotification\",{boot}")));
        }
        let accepted = r#"{"status":"Accepted","currentTime":"2026-11-22T16:00:00Z","interval":86400}"#;
        for backoffice in plan.backoffices() {
            let asked = scene.asked(backoffice.as_str());
            let expected = format!("[3,\"boot\",{accepted}]");
            scene.answers(backoffice.as_str(), &format!("[3,{asked},{accepted}]"), &expected);
        }
        scene.nothing_more();
        scene
    }

    pub(crate) fn charger_says(&mut self, text: &str) {
        self.heard += 1;
        self.latest = format!("charger> {text}");
        self.happen(Event::ChargerSaid(text.into()));
    }

    pub(crate) fn backoffice_says(&mut self, from: &str, text: &str) {
        self.heard += 1;
        self.latest = format!("{from}> {text}");
        self.happen(Event::BackofficeSaid(from.into(), text.into()));
    }

    /// The next frame for somebody is a call with this behind its id. Returns the number in it that the proxy chose.
    pub(crate) fn told(&mut self, to: &str, expected: Told<'_>) -> String {
        let side = side(to);
        let text = self.next(&side);
        // `[2,"` and a UUID.
        let (id, rest) = text[3..].split_at(38);
        let body = rest.strip_prefix(',').and_then(|rest| rest.strip_suffix(']'));
        let body = body.unwrap_or_else(|| panic!("{to} is told {text}"));
        let mut number = String::new();
        match expected {
            Told::Passed(expected) => {
                assert_eq!(body, expected, "{to}");
                self.passed += 1;
            }
            Told::Rewritten(expected) => {
                assert_eq!(body, expected, "{to}");
                self.rewritten += 1;
            }
            Told::WithNumber(expected) => {
                let (before, after) = expected.split_once('@').expect("a number is filled in");
                let chosen = body.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                number = chosen.unwrap_or_else(|| panic!("{to} is told {body}, not {expected}")).to_owned();
                assert!(number.parse::<i64>().is_ok(), "{number}");
                self.rewritten += 1;
            }
        }
        self.ids.retain(|(known, _)| *known != side);
        self.ids.push((side, id.to_owned()));
        number
    }

    /// The id of what somebody was told last.
    pub(crate) fn asked(&self, who: &str) -> String {
        let who = side(who);
        self.ids.iter().find(|(known, _)| *known == who).expect("it was asked").1.clone()
    }

    /// Somebody answers; whoever asked is told this, unless it is a follower whose answers only count.
    pub(crate) fn answers(&mut self, from: &str, text: &str, expected: &str) {
        let from = side(from);
        match &from {
            Side::Charger => self.charger_says(text),
            Side::Backoffice(id) => self.backoffice_says(id.as_str(), text),
        }
        let is_passed = from == Side::Charger || from == self.leader;
        if is_passed {
            let (_, said) = self.said.pop_front().unwrap_or_else(|| panic!("nobody hears {text}"));
            assert_eq!(said, expected);
            self.passed += 1;
        }
    }

    /// Everything that was said has been looked at; some time passes.
    pub(crate) fn nothing_more(&mut self) {
        assert!(self.said.is_empty(), "more than expected: {:?}", self.said);
        // Followers may send thirty commands a minute.
        let until = self.now.tick + Duration::from_secs(4);
        while let Some(deadline) = self.session.poll_deadline().filter(|deadline| *deadline <= until) {
            self.advance(deadline.max(self.now.tick).since(self.now.tick));
            self.happen(Event::DeadlinePassed);
        }
        self.advance(until.since(self.now.tick));
        self.synthetic();
    }

    /// Followers get a Heartbeat of the proxy's now and then, which is nobody's message.
    fn synthetic(&mut self) {
        while let Some((side, text)) = self.said.pop_front() {
            let Side::Backoffice(id) = &side else { panic!("the charger is told {text}") };
            assert!(text.ends_with(",\"Heartbeat\",{}]"), "{id} is told {text}");
            let answer = format!("[3,{},{{\"currentTime\":\"2026-11-22T16:00:00Z\"}}]", &text[3..41]);
            self.happen(Event::BackofficeSaid(id.clone(), answer.into()));
        }
    }

    fn next(&mut self, to: &Side) -> String {
        let at = self.said.iter().position(|(side, _)| side == to);
        let at =
            at.unwrap_or_else(|| panic!("{} is told nothing of {}; said: {:?}", to, self.latest, self.said));
        self.said.remove(at).expect("it was just there").1
    }

    fn advance(&mut self, time: Duration) {
        self.now.tick = self.now.tick + time;
        self.now.unix_ms += i64::try_from(time.as_millis()).expect("no wait is that long");
    }

    fn happen(&mut self, event: Event) {
        self.session.handle(self.now, event);
        let mut pinged = Vec::new();
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::SayToCharger(text) => self.said.push_back((Side::Charger, text)),
                Effect::SayToBackoffice(id, text) => self.said.push_back((Side::Backoffice(id), text)),
                Effect::Ping(side) => pinged.push(side),
                // The disk is fast here, and links open by themselves.
                Effect::Keep(_) | Effect::Note(_) | Effect::Dial(_) => {}
                Effect::HangUp(..)
                | Effect::Recall { .. }
                | Effect::KeepKey(_)
                | Effect::KeyAccepted { .. }
                | Effect::KeyRefused { .. } => panic!("{effect:?}"),
            }
        }
        pinged.into_iter().for_each(|side| self.happen(Event::Ponged(side)));
    }
}

fn side(name: &str) -> Side {
    if name == "charger" { Side::Charger } else { Side::Backoffice(BackofficeId::from(name)) }
}
