//! The judge: sees every event, effect and delivery, and notes every promise that was broken
//! (semantics §0.4, I-1 to I-8, as far as OCPP 1.6 and the present scope go).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use engine::{
    BackofficeId, CallNote, Decider, Effect, Note, Outcome, Plan, Record, Role, Side, Tick, TransactionRow,
};

use super::content::{blanked, number, without_ids};
use super::report::Summary;
use crate::backoffice::{Backoffice, Complaint};
use crate::charger::{Charger, Number};
use crate::frame::Frame;

/// Answers must come within this time (semantics F-33, §1.5) or the socket closes.
const ANSWER_WITHIN: Duration = Duration::from_secs(31);
/// More calls of one peer than this are never taken in unanswered (semantics F-22).
const MOST_OPEN_CALLS: usize = 80;
/// No single event may cause more effects than this.
const MOST_EFFECTS: usize = 2_000;
/// Messages whose order counts (OCPP 1.6 §3.7.1).
const TRANSACTION_ACTIONS: [&str; 3] = ["StartTransaction", "MeterValues", "StopTransaction"];

/// A peer's call that waits for the proxy's answer.
#[derive(Debug)]
struct OpenCall {
    id: String,
    action: String,
    payload: String,
    since: Tick,
}

/// The proxy's call that waits for a peer's answer.
#[derive(Debug)]
struct ProxyCall {
    id: String,
    action: String,
    since: Tick,
    taken_for_lost_after: Duration,
}

/// One socket as the session knows it.
#[derive(Debug, Default)]
struct Peer {
    up: bool,
    dialing: bool,
    open: Vec<OpenCall>,
    last_answer: Tick,
    outstanding: Option<ProxyCall>,
    used_ids: BTreeSet<String>,
}

impl Peer {
    fn reset(&mut self, up: bool) {
        *self = Peer { up, ..Peer::default() };
    }
}

/// A message of the charger, the first time it was heard.
#[derive(Debug)]
struct Said {
    order: u64,
    spoken_number: Option<i64>,
    /// Who followed when it was first heard.
    followers: Vec<BackofficeId>,
    /// Who was given it.
    given_to: BTreeSet<BackofficeId>,
}

/// A copy that a backoffice was given.
#[derive(Debug)]
struct Copied {
    message: (String, String),
    led: bool,
}

/// What a backoffice answered to a message of the charger.
#[derive(Debug)]
struct Answer {
    by: BackofficeId,
    led: bool,
    payload: Option<String>,
}

#[derive(Debug)]
pub(super) struct Judge {
    plan: std::sync::Arc<Plan>,
    follower_boots_alone: bool,
    peers: BTreeMap<Side, Peer>,
    said: HashMap<(String, String), Said>,
    copies: HashMap<(BackofficeId, String), Copied>,
    answers: HashMap<(String, String), Vec<Answer>>,
    told: BTreeMap<i64, String>,
    last_order: BTreeMap<BackofficeId, u64>,
    recent_leaders: Vec<(BackofficeId, Tick)>,
    complaints_seen: BTreeMap<BackofficeId, usize>,
    crashed: bool,
    pub(super) summary: Summary,
    broken: Vec<String>,
}

impl Judge {
    pub(super) fn new(plan: std::sync::Arc<Plan>, follower_boots_alone: bool) -> Self {
        Self {
            plan,
            follower_boots_alone,
            peers: BTreeMap::new(),
            said: HashMap::new(),
            copies: HashMap::new(),
            answers: HashMap::new(),
            told: BTreeMap::new(),
            last_order: BTreeMap::new(),
            recent_leaders: Vec::new(),
            complaints_seen: BTreeMap::new(),
            crashed: false,
            summary: Summary::default(),
            broken: Vec::new(),
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
        for backoffice in plan.backoffices() {
            if !self.plan.names(backoffice) {
                self.last_order.remove(backoffice);
            }
        }
        self.plan = plan;
    }

    /// The proxy has crashed or stopped, or the session is over: no socket of it is left.
    pub(super) fn session_gone(&mut self, crashed: bool) {
        self.crashed |= crashed;
        self.peers.clear();
    }

    pub(super) fn link_is(&mut self, side: &Side, up: bool) {
        self.peer(side).reset(up);
    }

    pub(super) fn is_up(&self, side: &Side) -> bool {
        self.peers.get(side).is_some_and(|peer| peer.up)
    }

    /// Sockets and dials that the session has not hung up.
    pub(super) fn open_links(&self) -> Vec<&Side> {
        self.peers.iter().filter(|(_, peer)| peer.up || peer.dialing).map(|(side, _)| side).collect()
    }

    /// Calls that somebody still waits for.
    pub(super) fn unanswered(&self) -> Vec<String> {
        self.peers
            .iter()
            .flat_map(|(side, peer)| peer.open.iter().map(move |call| format!("{} of {side}", call.action)))
            .collect()
    }

    /// A text is handed to the session.
    pub(super) fn heard(&mut self, now: Tick, from: &Side, text: &str) {
        match Frame::read(text) {
            Some(Frame::Call { id, action, payload }) => {
                let peer = self.peer(from);
                let repeated = peer.open.iter().any(|call| call.id == id && call.payload == payload);
                if !repeated {
                    let (id, action, payload) = (id.to_owned(), action.to_owned(), payload.to_owned());
                    peer.open.push(OpenCall { id, action, payload, since: now });
                }
                if peer.open.len() > MOST_OPEN_CALLS {
                    self.accuse(format!("F-22: more than {MOST_OPEN_CALLS} calls of {from} were taken in"));
                }
                if *from == Side::Charger {
                    let order = self.said.len() as u64;
                    let spoken_number = number(payload, "transactionId");
                    let followers: Vec<BackofficeId> =
                        self.plan.followers.iter().map(|follower| follower.backoffice.clone()).collect();
                    let said = self.said.entry((action.to_owned(), blanked(payload)));
                    let new = Said { order, spoken_number, followers, given_to: BTreeSet::new() };
                    said.or_insert(new).spoken_number = spoken_number;
                }
            }
            Some(Frame::Result { id, payload }) => self.answer_heard(from, id, Some(payload)),
            Some(Frame::Error { id, .. }) => self.answer_heard(from, id, None),
            None => {}
        }
    }

    fn answer_heard(&mut self, from: &Side, id: &str, payload: Option<&str>) {
        let peer = self.peer(from);
        if peer.outstanding.as_ref().is_some_and(|call| call.id == id) {
            peer.outstanding = None;
        }
        if let Side::Backoffice(by) = from
            && let Some(copy) = self.copies.get(&(by.clone(), id.to_owned()))
        {
            let answer = Answer { by: by.clone(), led: copy.led, payload: payload.map(blanked) };
            self.answers.entry(copy.message.clone()).or_default().push(answer);
        }
    }

    /// The session was handed an event and answered with these effects.
    pub(super) fn batch(&mut self, now: Tick, effects: &[Effect], charger: &Charger, books: &Books<'_>) {
        self.summary.events += 1;
        if effects.len() > MOST_EFFECTS {
            self.accuse(format!("{} effects of one event", effects.len()));
        }
        for effect in effects {
            match effect {
                Effect::SayToCharger(text) => self.said_to_charger(now, text, effects, charger, books),
                Effect::SayToBackoffice(to, text) => self.said_to_backoffice(now, to, text),
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
                Effect::HangUp(side, _) => self.peer(side).reset(false),
                Effect::Ping(side) => {
                    if !self.is_up(side) {
                        self.accuse(format!("ping to {side}, whose link is down"));
                    }
                }
                Effect::Keep(_) | Effect::Note(_) => {}
            }
        }
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
                self.check_command(action, payload, charger, books);
            }
            Some(Frame::Result { id, payload }) => {
                if let Some(call) = self.close_call(now, &Side::Charger, id) {
                    self.summary.charger_answers += 1;
                    self.check_answer(&call, Some(payload), batch);
                }
            }
            Some(Frame::Error { id, .. }) => {
                if let Some(call) = self.close_call(now, &Side::Charger, id) {
                    self.summary.charger_answers += 1;
                    self.check_answer(&call, None, batch);
                }
            }
            None => self.accuse(format!("the charger was sent what is not OCPP-J: {text}")),
        }
    }

    fn said_to_backoffice(&mut self, now: Tick, to: &BackofficeId, text: &str) {
        let side = Side::Backoffice(to.clone());
        if !self.is_up(&side) {
            self.accuse(format!("said to {to}, whose link is down: {text}"));
            return;
        }
        match Frame::read(text) {
            Some(Frame::Call { id, action, payload }) => {
                self.summary.copies += 1;
                let led = self.plan.leader == *to;
                let patience = match (led, action) {
                    (false, _) => Duration::from_millis(29_900),
                    (true, action) if TRANSACTION_ACTIONS.contains(&action) => Duration::from_millis(23_900),
                    (true, _) => Duration::from_millis(8_900),
                };
                self.proxy_called(now, &side, id, action, patience);
                self.check_copy(to, id, action, payload, led);
            }
            Some(Frame::Result { id, .. } | Frame::Error { id, .. }) => {
                if self.close_call(now, &side, id).is_some() {
                    self.summary.command_answers += 1;
                }
            }
            None => self.accuse(format!("{to} was sent what is not OCPP-J: {text}")),
        }
    }

    /// I-1, F-11, F-21: an id of its own, and one call at a time.
    fn proxy_called(&mut self, now: Tick, to: &Side, id: &str, action: &str, patience: Duration) {
        if !id.starts_with('"') || id.len() > 38 {
            self.accuse(format!("F-10: the message id {id} to {to}"));
        }
        let peer = self.peer(to);
        let first_use = peer.used_ids.insert(id.to_owned());
        let call = ProxyCall {
            id: id.to_owned(),
            action: action.to_owned(),
            since: now,
            taken_for_lost_after: patience,
        };
        let before = peer.outstanding.replace(call);
        if !first_use {
            self.accuse(format!("F-10: the message id {id} to {to} was used before"));
        }
        if let Some(before) = before
            && now.since(before.since) < before.taken_for_lost_after
        {
            let waited = now.since(before.since);
            self.accuse(format!("F-21: {action} to {to} while its {} waits since {waited:?}", before.action));
        }
    }

    /// I-3, F-12: an answer belongs to exactly one call, by its id as it was written.
    fn close_call(&mut self, now: Tick, to: &Side, id: &str) -> Option<OpenCall> {
        let peer = self.peer(to);
        let Some(at) = peer.open.iter().position(|call| call.id == id) else {
            self.accuse(format!("I-3: an answer to {to} with the id {id}, which waits for none"));
            return None;
        };
        peer.last_answer = now;
        Some(peer.open.remove(at))
    }

    /// I-2, I-8: the charger's answer is its leader's, or the proxy says by which rule it is its own.
    fn check_answer(&mut self, call: &OpenCall, payload: Option<&str>, batch: &[Effect]) {
        let note = batch.iter().find_map(|effect| match effect {
            Effect::Note(Note::Call(note))
                if note.from == Side::Charger
                    && *note.action == *call.action
                    && *note.payload == *call.payload =>
            {
                Some(note)
            }
            _ => None,
        });
        let Some(note) = note else {
            self.accuse(format!("I-8: the charger's {} was answered without a note of it", call.action));
            return;
        };
        self.check_noted_outcome(note, payload);
        let message = (call.action.clone(), blanked(&call.payload));
        match &note.decider {
            Decider::Leader(by) => {
                let said = payload.map(blanked);
                let given = self.answers.get(&message).is_some_and(|answers| {
                    answers.iter().any(|answer| answer.by == *by && answer.led && answer.payload == said)
                });
                if !given {
                    self.accuse(format!(
                        "I-2: the charger's {} was answered {payload:?} in the name of {by}, which as leader never said so",
                        call.action
                    ));
                }
            }
            Decider::Proxy(rule) => {
                let is_transaction = TRANSACTION_ACTIONS.contains(&call.action.as_str());
                if is_transaction && payload.is_none() {
                    self.accuse(format!("F-42: the proxy answered {} with CALLERROR by {rule}", call.action));
                }
            }
            Decider::Charger | Decider::Nobody => {
                self.accuse(format!("I-8: {:?} is said to have answered the charger", note.decider));
            }
        }
        if call.action == "StartTransaction"
            && let Some(number) = payload.and_then(|payload| number(payload, "transactionId"))
        {
            self.check_told_number(number, &message.1);
        }
    }

    fn check_noted_outcome(&mut self, note: &CallNote, payload: Option<&str>) {
        let agrees = match (&note.outcome, payload) {
            (Outcome::Result(noted), Some(said)) => **noted == *said,
            (Outcome::Error { .. }, None) => true,
            _ => false,
        };
        if !agrees {
            self.accuse(format!("I-8: noted {:?}, but the charger was told {payload:?}", note.outcome));
        }
    }

    /// I-4, T-10: a number means one transaction at the charger, and is a positive 32-bit one.
    fn check_told_number(&mut self, number: i64, start: &str) {
        self.summary.starts += 1;
        if !(1..=i64::from(i32::MAX)).contains(&number) {
            self.accuse(format!("T-10: the charger was told the transaction number {number}"));
        }
        let known = self.told.entry(number).or_insert_with(|| start.to_owned());
        if known != start {
            let first = known.clone();
            self.accuse(format!(
                "I-4: the charger was told {number} for two transactions: {first} and {start}"
            ));
        }
    }

    /// I-4, I-7: a command is one that a backoffice sent that may, for what it meant.
    fn check_command(&mut self, action: &str, payload: &str, charger: &Charger, books: &Books<'_>) {
        if action == "ChangeConfiguration"
            && ["AuthorizationKey", "SecurityProfile"].iter().any(|key| payload.contains(key))
        {
            self.accuse(format!("I-7: the charger was sent {action} {payload}"));
        }
        let wanted = blanked(payload);
        let mut askers: Vec<(BackofficeId, String)> = Vec::new();
        for (side, peer) in &self.peers {
            if let Side::Backoffice(by) = side
                && may_send(&self.plan, by, action)
            {
                let calls =
                    peer.open.iter().filter(|call| call.action == action && blanked(&call.payload) == wanted);
                askers.extend(calls.map(|call| (by.clone(), call.payload.clone())));
            }
        }
        // The probe of F-36 is the one command of the proxy's own.
        if askers.is_empty() && !(action == "GetConfiguration" && payload.contains("HeartbeatInterval")) {
            self.accuse(format!("I-4: no backoffice that may has asked for {action} {payload}"));
            return;
        }
        if action == "RemoteStopTransaction" {
            let told = number(payload, "transactionId").unwrap_or(0);
            let meant = charger.sessions().iter().find(|s| s.number == Number::Told(told)).map(|s| s.serial);
            let fits = askers.iter().any(|(by, asked)| {
                let own = number(asked, "transactionId").unwrap_or(0);
                let booked = books.of(by).filter(|booked| booked.number == own).map(|booked| booked.serial);
                let booked: Vec<i64> = booked.collect();
                // A number nobody issued may only come from before the proxy; the leader's is passed on.
                booked.is_empty() || meant.is_none_or(|meant| booked.contains(&meant))
            });
            if !fits {
                self.accuse(format!(
                    "I-4: {action} {payload} stops session {meant:?}, which {askers:?} did not mean"
                ));
            }
        }
    }

    /// I-2, I-4, I-6: a copy is what the charger sent, but for the numbers, and in order.
    fn check_copy(&mut self, to: &BackofficeId, id: &str, action: &str, payload: &str, led: bool) {
        let message = (action.to_owned(), blanked(payload));
        let found = match self.said.get(&message) {
            Some(said) => Some((message, said.order)),
            // A number that is not this backoffice's may also be left out altogether.
            None => {
                let meant = without_ids(payload);
                let left_out = self.said.iter().find(|((said_action, said), _)| {
                    said_action == action
                        && said.contains('#')
                        && without_ids(&said.replace('#', "0")) == meant
                });
                left_out.map(|(message, said)| (message.clone(), said.order))
            }
        };
        let Some((message, order)) = found else {
            if action != "Heartbeat" || led {
                self.accuse(format!("I-6: {to} was sent {action} {payload}, which the charger never said"));
            }
            return;
        };
        if TRANSACTION_ACTIONS.contains(&action) {
            let last = self.last_order.entry(to.clone()).or_insert(order);
            if order < *last {
                self.accuse(format!("T-56: {to} was sent {action} {payload} after what came later"));
            } else {
                *last = order;
            }
        }
        if let Some(said) = self.said.get_mut(&message) {
            said.given_to.insert(to.clone());
        }
        self.copies.insert((to.clone(), id.to_owned()), Copied { message, led });
    }

    /// What followers that are still in the plan have missed (semantics §2.8).
    pub(super) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        for ((action, payload), said) in &self.said {
            if TRANSACTION_ACTIONS.contains(&action.as_str()) {
                let lacking =
                    said.followers.iter().filter(|id| self.plan.names(id) && !said.given_to.contains(id));
                missed.extend(lacking.map(|id| format!("{id} was never given {action} {payload}")));
            }
        }
        missed
    }

    /// I-5: what a delivery rests on is durable by the time it leaves.
    pub(super) fn delivered<'a>(
        &mut self,
        side: &Side,
        text: &str,
        mut kept: impl Iterator<Item = &'a TransactionRow>,
    ) {
        match (side, Frame::read(text)) {
            (Side::Charger, Some(Frame::Result { payload, .. })) if payload.contains("\"transactionId\"") => {
                let Some(told) = number(payload, "transactionId") else { return };
                if !kept.any(|row| row.charger_number.is_some_and(|number| number.0 == told)) {
                    self.accuse(format!("I-5: the charger was told {told} before that was kept"));
                }
            }
            (Side::Backoffice(to), Some(Frame::Call { action: "StartTransaction", payload, .. })) => {
                let meant = without_ids(payload);
                if !kept.any(|row| without_ids(&row.raw_start) == meant) {
                    self.accuse(format!("T-22: {to} was sent a start before that was kept: {payload}"));
                }
            }
            _ => {}
        }
    }

    /// I-3: nobody waits too long on an open socket.
    pub(super) fn check_waiting(&mut self, now: Tick) {
        let mut late = Vec::new();
        for (side, peer) in self.peers.iter().filter(|(_, peer)| peer.up) {
            for call in &peer.open {
                // The charger's calls are answered one after the other, each with its own time.
                let since =
                    if *side == Side::Charger { call.since.max(peer.last_answer) } else { call.since };
                if now.since(since) > ANSWER_WITHIN {
                    late.push(format!(
                        "I-3: {} of {side} waits for its answer since {:?}",
                        call.action,
                        now.since(since)
                    ));
                }
            }
        }
        self.broken.extend(late);
    }

    /// What the backoffices themselves found wrong.
    pub(super) fn check_complaints(&mut self, now: Tick, id: &BackofficeId, backoffice: &Backoffice) {
        let seen = self.complaints_seen.entry(id.clone()).or_default();
        let new = &backoffice.complaints()[*seen..];
        *seen = backoffice.complaints().len();
        let new: Vec<Complaint> = new.to_vec();
        for complaint in new {
            if !self.excused(now, id, &complaint) {
                self.accuse(format!("{id} complains: {complaint:?}"));
            }
        }
    }

    fn excused(&self, now: Tick, id: &BackofficeId, complaint: &Complaint) -> bool {
        let leads = self.plan.leader == *id
            || self
                .recent_leaders
                .iter()
                .any(|(was, until)| was == id && now.since(*until) < Duration::from_secs(60));
        match complaint {
            // A number the charger made up, or knew before: only the leader sees it (T-33, T-50).
            Complaint::UnknownTransaction { number, .. } => leads && !self.told.contains_key(number),
            // A guess by the rule of T-50 may be wrong; it is a guess only without a told number.
            Complaint::WrongTransaction { .. } => self
                .said
                .values()
                .any(|said| said.spoken_number.is_some_and(|spoken| !self.told.contains_key(&spoken))),
            // After a crash the charger may hold a reservation that was not yet kept (M-3).
            Complaint::UnknownReservation(_) => leads && self.crashed,
            Complaint::BeforeAccepted(_) => leads || !self.follower_boots_alone,
            Complaint::TwoOutstanding { .. }
            | Complaint::RepeatedMessageId(_)
            | Complaint::StrayAnswer(_)
            | Complaint::NotOcpp(_)
            | Complaint::BadMessageId(_) => false,
        }
    }

    fn peer(&mut self, side: &Side) -> &mut Peer {
        self.peers.entry(side.clone()).or_default()
    }
}

/// The books of all backoffices.
pub(super) struct Books<'a>(pub(super) &'a BTreeMap<BackofficeId, super::links::Member>);

impl<'a> Books<'a> {
    fn of(&self, id: &BackofficeId) -> impl Iterator<Item = &'a crate::BookedTransaction> + use<'a> {
        self.0.get(id).into_iter().flat_map(|member| member.backoffice.books())
    }
}

/// Who may send what (the roles of the plan).
fn may_send(plan: &Plan, by: &BackofficeId, action: &str) -> bool {
    if plan.leader == *by {
        return true;
    }
    match plan.role(by) {
        Some(Role::Control) => !matches!(action, "RemoteStartTransaction" | "RemoteStopTransaction"),
        Some(Role::Observer) | None => false,
    }
}

/// The transaction rows among the records kept.
pub(super) fn rows<'a>(kept: impl Iterator<Item = &'a Record>) -> impl Iterator<Item = &'a TransactionRow> {
    kept.filter_map(|record| match record {
        Record::Transaction(row) => Some(&**row),
        Record::Fact(_) => None,
    })
}
