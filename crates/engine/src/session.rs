//! One charger, from connect to disconnect. This file only branches; each concern has its own.

mod absence;
mod aliases;
mod answers;
mod asking;
mod availability;
mod ballots;
mod boot;
mod calls;
mod cards;
mod charger;
mod command_outcomes;
mod command_queue;
mod command_timeouts;
mod commands;
mod comparisons;
mod configuration;
mod decisions;
mod deliveries;
mod dialing;
mod inference;
mod intents;
mod jobs;
mod keys;
mod late_verdicts;
mod leader;
mod links;
mod liveness;
mod local_list;
mod memory;
mod message;
mod meter;
mod numbers;
mod outbox;
mod own_numbers;
mod owned;
mod permissions;
mod presence;
mod profiles;
mod promises;
mod reply;
mod start_verdicts;
mod status;
mod stops;
mod thinning;
mod told;
mod transactions;
mod translations;
mod turns;
mod verdicts;

use std::collections::VecDeque;
use std::sync::Arc;

use ulid::Ulid;
use uuid::Uuid;

use crate::{
    BackofficeId, ChargerId, Direction, Effect, Event, FrameKind, Lane, Memory, Moment, Note, Plan, Reason,
    Record, Side, Tick, TraceId, Urgency,
};
use configuration::Configuration;
use reply::Reply;

pub use calls::PLUG_AND_CHARGE;
pub use configuration::{is_authorization_key, is_never_forwarded, is_virtual};
pub use status::{Ended, LinkStatus, Stage, Status};

/// The state of one charger and its links. A value inside one task: no lock, no clock.
#[derive(Debug)]
pub struct Session {
    id: ChargerId,
    plan: Arc<Plan>,
    /// Who leads now. Differs from the plan's leader while a change waits for its quiet point.
    leader: BackofficeId,
    now: Moment,
    deadline: Option<Tick>,
    effects: VecDeque<Effect>,
    random: fastrand::Rng,
    charger: charger::ChargerSide,
    links: Vec<links::Link>,
    /// How many links were ever open.
    epochs: u32,
    queue: command_queue::CommandQueue,
    transactions: transactions::Transactions,
    owned: owned::OwnedIds,
    composites: profiles::Composites,
    jobs: jobs::Jobs,
    keys: keys::Keys,
    boot: boot::Boot,
    states: presence::States,
    configuration: configuration::Configuration,
    local_lists: local_list::LocalLists,
    availability: availability::Wishes,
    stops: stops::Stops,
    cards: cards::Cards,
    decisions: decisions::Decisions,
    intents: intents::Intents,
    lead: leader::Lead,
    /// Transactions that run and whose card the leader refused late: what was to be done about it is.
    settled_late: Vec<TraceId>,
    absence: absence::Absence,
    comparisons: comparisons::Comparisons,
    /// Records that are to be durable before the peers beside them hear anything more.
    promised: Vec<Record>,
    thinning: thinning::Thinning,
    promised_to: Vec<Side>,
    promised_within: Urgency,
    /// Deliveries that their backoffices are told at once.
    promised_on_their_way: Vec<Record>,
    /// Lanes of backoffices that the plan does not name now.
    other_lanes: Vec<Lane>,
    is_draining: bool,
    is_over: bool,
}

impl Session {
    /// A session that has not begun. `memory` is what was kept of earlier sessions of this charger;
    /// `seed` is unpredictable outside tests. The leader's link may be
    /// reported up before the first [`Event::ChargerArrived`].
    pub fn new(charger: ChargerId, plan: Arc<Plan>, memory: Memory, seed: u64) -> Self {
        let links = plan.backoffices().cloned().map(links::Link::new).collect();
        let mut session = Self {
            id: charger,
            leader: plan.leader.clone(),
            plan,
            now: Moment::default(),
            deadline: None,
            effects: VecDeque::new(),
            random: fastrand::Rng::with_seed(seed),
            charger: charger::ChargerSide::default(),
            links,
            epochs: 0,
            queue: command_queue::CommandQueue::default(),
            transactions: transactions::Transactions::default(),
            owned: owned::OwnedIds::default(),
            composites: profiles::Composites::default(),
            jobs: jobs::Jobs::default(),
            keys: keys::Keys::default(),
            boot: boot::Boot::default(),
            states: presence::States::default(),
            configuration: configuration::Configuration::default(),
            local_lists: local_list::LocalLists::default(),
            availability: availability::Wishes::default(),
            stops: stops::Stops::default(),
            cards: cards::Cards::default(),
            decisions: decisions::Decisions::default(),
            intents: intents::Intents::default(),
            lead: leader::Lead::default(),
            settled_late: Vec::new(),
            absence: absence::Absence::default(),
            comparisons: comparisons::Comparisons::default(),
            promised: Vec::new(),
            thinning: thinning::Thinning::default(),
            promised_to: Vec::new(),
            promised_within: Urgency::default(),
            promised_on_their_way: Vec::new(),
            other_lanes: Vec::new(),
            is_draining: false,
            is_over: false,
        };
        session.remember(memory);
        session
    }

    /// Whose session this is.
    pub fn charger(&self) -> &ChargerId {
        &self.id
    }

    /// Takes in what happened. Perform all effects before the next event.
    pub fn handle(&mut self, now: Moment, event: Event) {
        if self.is_over {
            return;
        }
        self.now = now;
        match event {
            Event::ChargerArrived => self.charger_arrived(),
            Event::ChargerSaid(text) => self.charger_said(&text),
            Event::ChargerLeft(departure) => self.charger_left(departure.label()),
            Event::BackofficeUp(id) => self.link_up(&id),
            Event::BackofficeSaid(id, text) => self.backoffice_said(&id, &text),
            Event::BackofficeDown(id, departure) => self.link_down(&id, departure),
            Event::BackofficeMoved(id) => self.backoffice_moved(&id),
            Event::Ponged(side) => self.ponged(&side),
            Event::PlanChanged(plan) => self.plan_changed(plan),
            Event::DrainBegan => self.drain(),
            Event::StoreFailed => {
                self.end(Reason::StoreFailed);
                // What was promised before is lost: nothing that rests on it may be kept.
                self.promised.clear();
                self.promised_to.clear();
                self.promised_within = Urgency::default();
                self.promised_on_their_way.clear();
            }
            Event::Recalled { backoffice, deliveries, transactions, waiting } => {
                self.transactions.remember_more(transactions);
                self.recalled(&backoffice, deliveries, waiting);
            }
            Event::LaneChanged(id) => self.lane_changed(&id),
            Event::KeyKept { trace, is_kept } => self.key_kept(trace, is_kept),
            Event::DeadlinePassed => {}
        }
        if self.deadline.is_some_and(|deadline| deadline <= now.tick) {
            self.pass_time();
        }
        self.go_on();
        self.deadline = self.next_deadline();
    }

    /// The next thing to do, or `None` when the batch is complete.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to hand in [`Event::DeadlinePassed`], if nothing else happens before.
    pub fn poll_deadline(&self) -> Option<Tick> {
        self.deadline
    }

    /// Whether the session can take more from this peer. While it says no, the shell does not read
    /// that socket, so that TCP holds the peer back (semantics F-22).
    pub fn may_read(&self, from: &Side) -> bool {
        match from {
            Side::Charger => self.charger.may_read(),
            Side::Backoffice(id) => self.queue.may_read(id),
        }
    }

    /// Whether the session has ended for good: the charger is gone, its grace over, every link
    /// hung up. The shell then drops it.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Deals with everything whose time has come.
    fn pass_time(&mut self) {
        self.pass_time_absence();
        self.pass_time_charger();
        if self.is_over {
            return;
        }
        self.pass_time_links();
        self.pass_time_commands();
    }

    /// Starts whatever can start now, until nothing can.
    fn go_on(&mut self) {
        while !self.is_over
            && (self.watch_leader()
                || self.settle_ballot()
                || self.stand_in()
                || self.change_leader()
                || self.next_call()
                || self.reconnect_with_new_key()
                || self.feed_links()
                || self.settle_wishes()
                || self.compose()
                || self.next_command())
        {}
        self.end_drain_when_quiet();
        self.recall_lanes();
        self.keep_promises();
    }

    fn next_deadline(&self) -> Option<Tick> {
        if self.is_over {
            return None;
        }
        let mut earliest = Earliest::default();
        self.charger_deadlines(&mut earliest);
        self.ballot_deadlines(&mut earliest);
        self.absence_deadlines(&mut earliest);
        self.lead_deadlines(&mut earliest);
        self.link_deadlines(&mut earliest);
        self.command_deadlines(&mut earliest);
        self.key_deadlines(&mut earliest);
        self.composite_deadlines(&mut earliest);
        earliest.0
    }

    // What every concern needs.

    fn at(&self, id: &BackofficeId) -> Option<usize> {
        self.links.iter().position(|link| link.id == *id)
    }

    fn leads(&self, id: &BackofficeId) -> bool {
        self.leader == *id
    }

    fn mint_message_id(&mut self) -> Uuid {
        let bytes = self.random.u128(..).to_ne_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    fn mint_trace(&mut self) -> TraceId {
        let milliseconds = u64::try_from(self.now.unix_ms).unwrap_or(0);
        // 80 random bits below 48 bits of time.
        TraceId(Ulid::from_parts(milliseconds, self.random.u128(..) >> 48))
    }

    fn say_to_charger(&mut self, kind: FrameKind, action: &'static str, text: String) {
        self.keep_promises();
        self.count(Side::Charger, Direction::Out, kind, action, text.len());
        self.effects.push_back(Effect::SayToCharger(text));
    }

    fn say_to(&mut self, id: &BackofficeId, kind: FrameKind, action: &'static str, text: String) {
        self.keep_promises();
        self.count(Side::Backoffice(id.clone()), Direction::Out, kind, action, text.len());
        self.effects.push_back(Effect::SayToBackoffice(id.clone(), text));
    }

    fn count(
        &mut self,
        peer: Side,
        direction: Direction,
        kind: FrameKind,
        action: &'static str,
        bytes: usize,
    ) {
        self.note(Note::Frame { peer, direction, kind, action, bytes });
    }

    fn note(&mut self, note: Note) {
        self.effects.push_back(Effect::Note(note));
    }

    fn violation(&mut self, peer: Side, kind: &'static str) {
        self.note(Note::ProtocolViolation { peer, kind });
    }

    fn alert(&mut self, kind: &'static str, detail: impl Into<String>) {
        self.note(Note::Alert { kind, detail: detail.into() });
    }
}

/// The earliest of several deadlines.
#[derive(Debug, Default)]
struct Earliest(Option<Tick>);

impl Earliest {
    fn at(&mut self, tick: Tick) {
        self.0 = Some(self.0.map_or(tick, |earliest| earliest.min(tick)));
    }
}
