//! The judge: sees every event, effect and delivery, and notes every promise that was broken
//! (semantics §0.4, I-1 to I-8, as far as OCPP 1.6 and the present scope go).

mod answers;
mod calls;
mod cards;
mod commands;
mod complaints;
mod copies;
mod deliveries;
mod failover;
mod grants;
mod late_verdicts;
mod limits;
mod local_lists;
mod outage;
mod profiles;
mod said;
mod settings;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use engine::{BackofficeId, Effect, Note, Plan, Reason, Side, Tick};

use super::content::blanked;
use super::options::Promises;
use super::report::Summary;
use crate::charger::Charger;
use crate::frame::Frame;
use calls::{OpenCall, Peer};
pub(super) use commands::Books;
use said::Said;

/// No single event may cause more effects than this.
const MOST_EFFECTS: usize = 2_000;
/// Messages whose order counts (OCPP 1.6 §3.7.1).
const TRANSACTION_ACTIONS: [&str; 3] = ["StartTransaction", "MeterValues", "StopTransaction"];

/// Messages that must reach every follower (semantics T-55).
const OWED_ACTIONS: [&str; 4] =
    ["StartTransaction", "MeterValues", "StopTransaction", "SecurityEventNotification"];

/// A message of the charger: its action and its payload without numbers.
type Message = (String, String);

/// A copy that a backoffice was given.
#[derive(Debug, Clone)]
struct Copied {
    message: Message,
    order: u64,
    led: bool,
    /// The charger waited for the answer.
    live: bool,
    asked_at: Tick,
}

/// What a backoffice answered to a message of the charger.
#[derive(Debug)]
struct Answer {
    by: BackofficeId,
    led: bool,
    payload: Option<String>,
    /// When it was asked, and when it answered; whether the proxy still waited.
    asked_at: Tick,
    at: Tick,
    in_time: bool,
}

/// An answer to the charger that may still wait for a commit.
#[derive(Debug)]
struct Leaving {
    id: String,
    message: Message,
    /// The leader in whose place the proxy answered.
    in_place_of: Option<BackofficeId>,
}

#[derive(Debug)]
pub(super) struct Judge {
    plan: std::sync::Arc<Plan>,
    /// Who leads in the session: the plan's leader takes over at a quiet point only (T-73).
    leader: BackofficeId,
    promises: Promises,
    peers: BTreeMap<Side, Peer>,
    said: HashMap<(String, String), Said>,
    copies: HashMap<(BackofficeId, String), Copied>,
    answers: HashMap<(String, String), Vec<Answer>>,
    told: BTreeMap<i64, String>,
    last_order: BTreeMap<BackofficeId, u64>,
    last_event: BTreeMap<BackofficeId, u64>,
    /// Deliveries that were booked and must not come again; and the last of each backoffice, which
    /// may, after a crash.
    booked: BTreeSet<(BackofficeId, Message)>,
    last_booked: BTreeMap<BackofficeId, Message>,
    answers_on_way: VecDeque<Leaving>,
    recent_leaders: Vec<(BackofficeId, Tick)>,
    complaints_seen: BTreeMap<BackofficeId, usize>,
    /// When a backoffice last read all at once what had piled up.
    caught_up: BTreeMap<BackofficeId, Tick>,
    crashed: bool,
    /// What the proxy may say while the leader is away.
    outage: outage::Outages,
    /// What became of cards that the leader refused late.
    refusals: late_verdicts::Refusals,
    /// What was parked before its backoffice had told its number.
    parked_unbooked: BTreeSet<(BackofficeId, u64)>,
    /// The action that the charger was sent last.
    last_command: String,
    /// Who decides about cards.
    cards: cards::Cards,
    /// What each backoffice wants the charger to know of cards.
    lists: local_lists::LocalLists,
    /// What each wants out of service.
    wishes: wishes::Wishes,
    /// What each wants of settings of which it has a value of its own.
    settings: settings::Settings,
    /// What limits are to be kept together.
    limits: limits::Limits,
    /// Whose the profiles at the charger are.
    profiles: profiles::Profiles,
    /// Under which number a backoffice booked which session, as far as the proxy was told.
    numbers: BTreeSet<(BackofficeId, i64)>,
    pub(super) summary: Summary,
    broken: Vec<String>,
}

impl Judge {
    pub(super) fn new(plan: std::sync::Arc<Plan>, promises: Promises) -> Self {
        Self {
            leader: plan.leader.clone(),
            promises,
            peers: BTreeMap::new(),
            said: HashMap::new(),
            copies: HashMap::new(),
            answers: HashMap::new(),
            told: BTreeMap::new(),
            last_order: BTreeMap::new(),
            last_event: BTreeMap::new(),
            booked: BTreeSet::new(),
            last_booked: BTreeMap::new(),
            answers_on_way: VecDeque::new(),
            recent_leaders: Vec::new(),
            complaints_seen: BTreeMap::new(),
            caught_up: BTreeMap::new(),
            crashed: false,
            outage: outage::Outages::default(),
            refusals: late_verdicts::Refusals::default(),
            parked_unbooked: BTreeSet::new(),
            last_command: String::new(),
            cards: cards::Cards::default(),
            limits: limits::Limits::of(&plan),
            lists: local_lists::LocalLists::of(&plan),
            wishes: wishes::Wishes::of(&plan),
            settings: settings::Settings::default(),
            profiles: profiles::Profiles::default(),
            numbers: BTreeSet::new(),
            summary: Summary::default(),
            broken: Vec::new(),
            plan,
        }
    }

    /// What was broken since the last time.
    pub(super) fn take_broken(&mut self) -> Vec<String> {
        std::mem::take(&mut self.broken)
    }

    pub(super) fn accuse(&mut self, what: String) {
        self.broken.push(what);
    }

    pub(super) fn plan_changed(&mut self, now: Tick, plan: std::sync::Arc<Plan>) {
        self.recent_leaders.push((self.plan.leader.clone(), now));
        if self.peers.is_empty() {
            self.settings.another_leads(&self.leader, &plan.leader, &plan);
            self.leader = plan.leader.clone();
        }
        for backoffice in plan.backoffices() {
            if !self.plan.names(backoffice) {
                self.last_order.remove(backoffice);
                self.last_event.remove(backoffice);
            }
        }
        for said in self.said.values_mut() {
            said.audience.retain(|backoffice| plan.names(backoffice));
        }
        self.plan = plan;
        self.permit_anew();
        self.profiles.begin_era();
        self.cards.begin_era(now);
        self.lists.plan_changed(&self.plan);
        self.wishes.plan_changed(&self.plan);
        self.limits.plan_changed(&self.plan);
        self.settings.plan_changed(&self.plan);
        self.outage.plan_changed(now, &self.plan);
        self.refusals.excuse_all();
    }

    /// The proxy has crashed or stopped, or the session is over: no socket of it is left.
    pub(super) fn session_gone(&mut self, now: Tick, crashed: bool) {
        self.crashed |= crashed;
        // What was said to who led until now may still be on its way.
        let led = std::mem::replace(&mut self.leader, self.plan.leader.clone());
        self.settings.another_leads(&led, &self.leader, &self.plan);
        self.recent_leaders.push((led, now));
        self.peers.clear();
        self.answers_on_way.clear();
        self.refusals.excuse_all();
    }

    /// A backoffice that had stopped reading goes on with all that has piled up.
    pub(super) fn catches_up(&mut self, now: Tick, who: &BackofficeId) {
        self.caught_up.insert(who.clone(), now);
    }

    pub(super) fn link_is(&mut self, now: Tick, side: &Side, up: bool) {
        self.doubt_open_settings(side);
        self.doubt_open_limits(side);
        self.peer(side).reset(up);
        if *side == Side::Charger {
            self.answers_on_way.clear();
            self.refusals.charger_came_or_went();
            self.outage.charger_came(now);
        }
    }

    /// A text is handed to the session.
    pub(super) fn heard(&mut self, now: Tick, from: &Side, text: &str) {
        match Frame::read(text) {
            Some(Frame::Call { id, action, payload }) => {
                self.open_call(now, from, id, action, payload);
                if *from == Side::Charger {
                    self.charger_says(action, payload);
                }
            }
            Some(Frame::Result { id, payload }) => self.answer_heard(now, from, id, Ok(payload)),
            Some(Frame::Error { id, code }) => self.answer_heard(now, from, id, Err(code)),
            None => {}
        }
    }

    fn answer_heard(&mut self, now: Tick, from: &Side, id: &str, answer: Result<&str, &str>) {
        let peer = self.peer(from);
        let answered = peer.outstanding.take_if(|call| call.id == id);
        let is_in_time = answered.is_some_and(|call| now.since(call.since) < call.taken_for_lost_after);
        if let Side::Backoffice(by) = from
            && let Some(copy) = self.copies.get(&(by.clone(), id.to_owned())).cloned()
        {
            let Copied { message, led, live, asked_at, .. } = copy;
            let is_pointless = matches!(answer, Err("NotImplemented" | "NotSupported"))
                && !matches!(message.0.as_str(), "StartTransaction" | "StopTransaction");
            if answer.is_ok() || is_pointless {
                self.has(by, &message, is_in_time);
            }
            if let Ok(payload) = answer {
                self.learn_number(by, &message, payload);
                self.late_verdict(now, by, &message, live, payload);
            }
            self.verdict_heard(now, by, &message, led, live && is_in_time, answer);
            let payload = answer.ok().map(blanked);
            self.answers.entry(message).or_default().push(Answer {
                by: by.clone(),
                led,
                payload,
                asked_at,
                at: now,
                in_time: is_in_time,
            });
        }
    }

    /// The session was handed an event and answered with these effects.
    pub(super) fn batch(&mut self, now: Tick, effects: &[Effect], charger: &Charger, books: &Books<'_>) {
        self.summary.events += 1;
        self.outage.look_at_lanes();
        if effects.len() > MOST_EFFECTS {
            self.accuse(format!("{} effects of one event", effects.len()));
        }
        for effect in effects {
            match effect {
                Effect::SayToCharger(text) => self.said_to_charger(now, text, effects, charger, books),
                Effect::SayToBackoffice(to, text) => self.said_to_backoffice(now, to, text, effects),
                Effect::Dial(to) => {
                    if !self.plan.names(to) {
                        self.accuse(format!("{to} is dialed but not in the plan"));
                    }
                    let peer = self.peer(&Side::Backoffice(to.clone()));
                    let twice = peer.up || peer.dialing;
                    peer.dialing = true;
                    if twice {
                        self.accuse(format!("{to} is dialed though its link is up or being dialed"));
                    }
                }
                Effect::HangUp(side, reason) => {
                    if *side == Side::Charger && *reason == Reason::LeaderLost {
                        self.check_sent_away(now);
                    }
                    self.doubt_open_settings(side);
                    self.doubt_open_limits(side);
                    self.peer(side).reset(false);
                }
                Effect::Ping(side) => {
                    if !self.is_up(side) {
                        self.accuse(format!("ping to {side}, whose link is down"));
                    }
                }
                Effect::Note(Note::LeaderChanged { from, to }) => {
                    if *from != self.leader {
                        self.accuse(format!("{from} is said to have led, but {} did", self.leader));
                    }
                    self.check_lead_passes(now, to);
                    self.recent_leaders.push((from.clone(), now));
                    self.leader = to.clone();
                    self.leads_waiting_calls();
                    self.settings.another_leads(from, to, &self.plan);
                    self.wishes.another_leads(from, &self.plan);
                    self.permit_anew();
                    self.profiles.begin_era();
                    self.cards.begin_era(now);
                    self.outage.another_leads(now);
                    self.refusals.excuse_all();
                }
                Effect::Recall { .. } => self.summary.recalls += 1,
                Effect::Keep(keep) => {
                    let charger = self.peers.get(&Side::Charger).map_or(&[][..], |charger| &charger.open);
                    self.outage.keeps(keep, |delivery| {
                        charger
                            .iter()
                            .any(|call| call.action == delivery.action && call.payload == delivery.payload)
                    });
                    keep.records.iter().for_each(|record| self.refusals.keeps(record));
                }
                Effect::KeepKey(_)
                | Effect::KeyAccepted { .. }
                | Effect::KeyRefused { .. }
                | Effect::Note(_) => {}
            }
        }
    }

    /// Who leads in the session.
    pub(super) fn leader(&self) -> &BackofficeId {
        &self.leader
    }

    fn said_to_charger(
        &mut self,
        now: Tick,
        text: &str,
        batch: &[Effect],
        charger: &Charger,
        books: &Books<'_>,
    ) {
        if !self.is_up(&Side::Charger) {
            self.accuse(format!("said to the charger, whose socket is gone: {text}"));
            return;
        }
        match Frame::read(text) {
            Some(Frame::Call { id, action, payload }) => {
                self.summary.commands += 1;
                self.proxy_called(now, &Side::Charger, id, action, Duration::from_millis(29_900));
                self.check_command(now, action, payload, charger, books);
            }
            Some(Frame::Result { id, payload }) => {
                if let Some(call) = self.close_call(now, &Side::Charger, id) {
                    self.summary.charger_answers += 1;
                    let message = (call.action.clone(), blanked(&call.payload));
                    let rule = self.check_answer(now, &call, Some(payload), batch);
                    let stands_in = rule.is_some_and(|rule| outage::STAND_IN_RULES.contains(&rule));
                    let in_place_of = stands_in.then(|| self.leader.clone());
                    if let Some(rule) = rule {
                        self.check_stand_in(now, rule, &call, Some(payload));
                    }
                    self.answers_on_way.push_back(Leaving { id: id.to_owned(), message, in_place_of });
                }
            }
            Some(Frame::Error { id, .. }) => {
                if let Some(call) = self.close_call(now, &Side::Charger, id) {
                    self.summary.charger_answers += 1;
                    if let Some(rule) = self.check_answer(now, &call, None, batch) {
                        self.check_stand_in(now, rule, &call, None);
                    }
                }
            }
            None => self.accuse(format!("the charger was sent what is not OCPP-J: {text}")),
        }
        self.outage.look_at_lanes();
    }

    fn said_to_backoffice(&mut self, now: Tick, to: &BackofficeId, text: &str, batch: &[Effect]) {
        let side = Side::Backoffice(to.clone());
        if !self.is_up(&side) {
            self.accuse(format!("said to {to}, whose link is down: {text}"));
            return;
        }
        match Frame::read(text) {
            Some(Frame::Call { id, action, payload }) => {
                self.summary.copies += 1;
                let led = self.leader == *to;
                let live = led && self.charger_waits_for(action, payload);
                let patience = match (live, action) {
                    (false, _) => Duration::from_millis(29_900),
                    (true, action) if TRANSACTION_ACTIONS.contains(&action) => Duration::from_millis(23_900),
                    (true, _) => Duration::from_millis(8_900),
                };
                self.proxy_called(now, &side, id, action, patience);
                self.check_copy(now, to, id, action, payload, (led, live));
            }
            Some(Frame::Result { id, payload }) => self.command_answered(now, to, id, Ok(payload), batch),
            Some(Frame::Error { id, code }) => self.command_answered(now, to, id, Err(code), batch),
            None => self.accuse(format!("{to} was sent what is not OCPP-J: {text}")),
        }
    }
}

#[cfg(test)]
mod tests;
