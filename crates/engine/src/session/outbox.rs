//! What one backoffice still has to be told, one at a time, bounded (semantics §2.8, §3.7, §3.9).

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;

use crate::actions::{self, Keeping};
use crate::session::message::Message;
use crate::session::meter::Meter;
use crate::session::told::Told;
use crate::{BackofficeId, Delivery, Lane, Text, Tick, TraceId, limits, payload};

/// One message to a backoffice.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    pub(super) trace: TraceId,
    pub(super) message: Arc<Message>,
    /// The transaction it belongs to.
    pub(super) transaction: Option<TraceId>,
    pub(super) queued: Tick,
    /// Not to be sent before this (semantics F-51).
    pub(super) held_until: Option<Tick>,
    pub(super) purpose: Purpose,
    /// Its place in the lane, for what must reach its backoffice.
    pub(super) number: Option<u64>,
    /// How often it was sent in vain.
    pub(super) attempts: u32,
    /// Not to be tried again before this.
    pub(super) retry_at: Option<Tick>,
    /// When it was queued, among what waits for this backoffice.
    pub(super) order: u64,
}

/// Why a backoffice is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The charger waits for its answer.
    ChargerWaits,
    /// So that it knows.
    Inform,
    /// The proxy speaks for the charger; the answer is the proxy's alone (semantics F-24).
    Synthetic,
}

/// A CALL that a backoffice was sent.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) message_id: Uuid,
    pub(super) copy: Copy,
    pub(super) sent: Tick,
    pub(super) answer_by: Tick,
    /// It led when it was asked: only then can its answer reach the charger (semantics F-55).
    pub(super) led: bool,
}

impl Deref for Copy {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl Copy {
    pub(super) fn keeping(&self) -> Keeping {
        match self.purpose {
            Purpose::ChargerWaits => Keeping::Volatile,
            Purpose::Inform | Purpose::Synthetic => self.message.keeping(),
        }
    }

    /// By what it is recognised when it is said again, if its content alone says that it is.
    pub(super) fn recognised(&self) -> Option<u64> {
        self.message.recognised(self.transaction)
    }

    fn replaces(&self, older: &Copy) -> bool {
        self.purpose == Purpose::Inform
            && older.purpose == Purpose::Inform
            && self.keeping() == Keeping::Latest
            && self.name() == older.name()
            && payload::field(&self.payload, "connectorId") == payload::field(&older.payload, "connectorId")
    }

    /// Whether both are one message of the charger.
    fn tells_the_same(&self, other: &Copy) -> bool {
        let is_once = matches!(self.name(), "StartTransaction" | "StopTransaction");
        self.name() == other.name()
            && self.transaction == other.transaction
            && (is_once && self.transaction.is_some() || self.payload == other.payload)
    }

    fn is_ready(&self, now: Tick) -> bool {
        self.held_until.max(self.retry_at).is_none_or(|when| when <= now)
    }

    /// Whether it is said long after the charger said it.
    fn is_replayed(&self, now: Tick) -> bool {
        self.order == 0 || now.since(self.queued) >= limits::DELIVERY_FRESH
    }

    /// Whether it is live and belongs into the order of transaction messages.
    pub(super) fn is_of_transactions(&self) -> bool {
        self.has_its_order() && self.purpose == Purpose::ChargerWaits && !self.is_triggered()
    }

    /// Whether live transaction messages may not overtake it.
    pub(super) fn has_its_order(&self) -> bool {
        matches!(
            self.name(),
            "StartTransaction" | "StopTransaction" | "MeterValues" | "SecurityEventNotification"
        )
    }

    fn recalled(delivery: Delivery, now: Tick) -> Self {
        let payload = Text::from(delivery.payload);
        let message = Message {
            action: actions::known(&delivery.action),
            action_token: Text::from(format!("\"{}\"", delivery.action)),
            meter: (delivery.action == "MeterValues").then(|| Meter::read(&payload)),
            payload,
        };
        Self {
            trace: delivery.trace,
            message: Arc::new(message),
            transaction: delivery.transaction,
            queued: now,
            held_until: None,
            purpose: Purpose::Inform,
            number: Some(delivery.number),
            attempts: delivery.attempts,
            retry_at: None,
            order: 0,
        }
    }

    /// What the store holds of a copy that has a place in the lane.
    pub(super) fn delivery(&self, backoffice: &BackofficeId, number: u64, queued_unix_ms: i64) -> Delivery {
        Delivery {
            backoffice: backoffice.clone(),
            number,
            trace: self.trace,
            action: self.name().to_owned(),
            payload: self.payload.to_string(),
            transaction: self.transaction,
            recognised: self.recognised(),
            queued_unix_ms,
            attempts: self.attempts,
            parked: None,
        }
    }
}

/// What waits for one backoffice.
///
/// The lane holds what must reach it, in order, each also in the store; only the first few are in
/// memory. Everything else is of use only soon and waits beside it (semantics §2.8, lanes D and V).
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lane: VecDeque<Copy>,
    pub(super) told: Told,
    /// How many more of the lane the store holds, after those in memory.
    pub(super) beyond: u64,
    /// The highest number that is, or was, in memory.
    last_in_memory: u64,
    /// The highest number ever used.
    last_number: u64,
    is_recalling: bool,
    /// Deliveries queued since the last order to recall, which its answer may not count.
    since_recall: u64,
    /// When the next delivery would go if all went at the pace (semantics §2.8).
    paced: Tick,
    soon: VecDeque<Copy>,
    soon_bytes: usize,
    /// Counts what was queued, so that both queues keep the charger's order where they can.
    queued: u64,
    /// The lane had the last turn though more waits in it.
    is_soons_turn: bool,
}

impl Outbox {
    pub(super) fn of(lane: Lane, now: Tick) -> Self {
        let mut outbox = Self { last_number: lane.last_number, told: Told::of(lane.told), ..Self::default() };
        outbox.recalled(lane.first, lane.waiting, None, now);
        outbox
    }

    /// What the store knows of the lane; what is in memory is left out.
    pub(super) fn into_lane(self, backoffice: BackofficeId) -> Lane {
        Lane {
            backoffice,
            last_number: self.last_number,
            waiting: self.waiting(),
            told: self.told.into_hashes(),
            first: Vec::new(),
        }
    }

    /// A number for a delivery; none is used twice.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Gives a copy its place at the end of the lane. Whoever calls makes it durable.
    pub(super) fn deliver(&mut self, mut copy: Copy, number: u64) {
        copy.number = Some(number);
        copy.order = self.next_order();
        copy.recognised().into_iter().for_each(|hash| self.told.deliver(hash));
        if self.beyond == 0 && self.lane.len() < limits::LANE_WINDOW {
            self.last_in_memory = number;
            self.lane.push_back(copy);
        } else {
            self.beyond += 1;
            self.since_recall += 1;
        }
    }

    /// Queues a copy that is of use only soon. Returns what had to give way, if the bound was
    /// reached.
    pub(super) fn push(&mut self, mut copy: Copy, is_told: bool) -> Option<Copy> {
        if !is_told {
            // While its backoffice is away only the newest state is of use.
            self.remove(|older| copy.replaces(older));
        }
        copy.order = self.next_order();
        self.soon_bytes += copy.bytes();
        self.soon.push_back(copy);
        if self.soon.len() <= limits::OUTBOX_MESSAGES && self.soon_bytes <= limits::OUTBOX_BYTES {
            return None;
        }
        let victim = self.soon.iter().position(|copy| copy.purpose != Purpose::ChargerWaits)?;
        self.take_soon(victim)
    }

    /// Puts something before everything else that is of use soon.
    pub(super) fn push_first(&mut self, copy: Copy) {
        self.soon_bytes += copy.bytes();
        self.soon.push_front(copy);
    }

    /// Puts a copy back that was sent in vain.
    pub(super) fn put_back(&mut self, copy: Copy) {
        if copy.number > Some(self.last_in_memory) {
            // What comes before it is in the store alone: it is read back from there in its turn.
            self.beyond += 1;
        } else if copy.number.is_some() {
            // Not always the first: what the leader was asked live may have become a delivery.
            let at = self.lane.partition_point(|other| other.number < copy.number);
            self.lane.insert(at, copy);
        } else {
            self.push_first(copy);
        }
    }

    fn next_order(&mut self) -> u64 {
        self.queued += 1;
        self.queued
    }

    /// The copy whose turn it is.
    pub(super) fn next(&mut self, now: Tick) -> Option<Copy> {
        let paced = self.paced - limits::DELIVERY_PACE * limits::DELIVERY_BURST;
        let lane =
            self.lane.front().filter(|copy| copy.is_ready(now) && (paced <= now || !copy.is_replayed(now)));
        let lane = lane.map(|copy| copy.order);
        let soon = self.soon.front().filter(|copy| copy.is_ready(now));
        // A transaction message of now waits behind those of before (OCPP 1.6 §3.7.1).
        let soon =
            soon.filter(|copy| !copy.is_of_transactions() || !self.has_transactions()).map(|copy| copy.order);
        let takes_soon = match (lane, soon) {
            (None, None) => return None,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(lane), Some(soon)) => soon <= lane || self.is_soons_turn,
        };
        if takes_soon {
            self.is_soons_turn = false;
            return self.take_soon(0);
        }
        self.is_soons_turn = self.lane.len() > 1 || self.beyond > 0;
        let copy = self.lane.pop_front()?;
        give_back_room(&mut self.lane);
        if copy.is_replayed(now) {
            self.paced = self.paced.max(now) + limits::DELIVERY_PACE;
        }
        Some(copy)
    }

    /// When something that waits may be sent, if only time keeps it.
    pub(super) fn ready_at(&self, now: Tick) -> Option<Tick> {
        let lane = self.lane.front().map(|copy| {
            let paced = self.paced - limits::DELIVERY_PACE * limits::DELIVERY_BURST;
            copy.held_until.max(copy.retry_at).max(copy.is_replayed(now).then_some(paced))
        });
        let soon = self.soon.front().map(|copy| copy.held_until.max(copy.retry_at));
        lane.into_iter().chain(soon).flatten().filter(|when| *when > now).min()
    }

    /// Whether transaction messages wait in the lane, or may: what is in the store alone is not known.
    pub(super) fn has_transactions(&self) -> bool {
        self.beyond > 0 || self.lane.iter().any(Copy::has_its_order)
    }

    /// Whether all deliveries in memory are meter values.
    pub(super) fn has_only_samples(&self) -> bool {
        self.lane.iter().all(|copy| copy.name() == "MeterValues")
    }

    /// Whether nothing in memory waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lane.is_empty() && self.soon.is_empty()
    }

    /// How many deliveries wait in the lane, as far as is known.
    pub(super) fn waiting(&self) -> u64 {
        self.lane.len() as u64 + self.beyond
    }

    /// The first copy that `wanted` names among those of use soon, out of turn.
    pub(super) fn take_first(&mut self, wanted: impl Fn(&Copy) -> bool) -> Option<Copy> {
        self.soon.iter().position(wanted).and_then(|at| self.take_soon(at))
    }

    /// Drops copies that are of use only soon.
    pub(super) fn remove(&mut self, unwanted: impl Fn(&Copy) -> bool) {
        self.soon.retain(|copy| !unwanted(copy));
        self.soon_bytes = self.soon.iter().map(|copy| copy.bytes()).sum();
    }

    /// The charger has its answer: its call is told like any other.
    pub(super) fn no_longer_waited_for(&mut self, trace: TraceId) {
        for copy in self.soon.iter_mut().filter(|copy| copy.trace == trace) {
            copy.purpose = Purpose::Inform;
        }
    }

    /// Lets go what was held back (semantics F-51).
    pub(super) fn release(&mut self) {
        for copy in self.lane.iter_mut().chain(&mut self.soon) {
            copy.held_until = None;
        }
    }

    pub(super) fn holds(&self, wanted: impl Fn(&Copy) -> bool) -> bool {
        self.soon.iter().any(wanted)
    }

    /// From which number on more of the lane is wanted in memory, if it is.
    pub(super) fn recall_after(&mut self) -> Option<u64> {
        let is_wanted = self.beyond > 0 && !self.is_recalling && self.lane.len() <= limits::LANE_WINDOW / 2;
        if is_wanted {
            self.is_recalling = true;
            self.since_recall = 0;
        }
        is_wanted.then_some(self.last_in_memory)
    }

    /// More of the lane, from the store. `asked` is on its way to the backoffice.
    pub(super) fn recalled(
        &mut self,
        deliveries: Vec<Delivery>,
        waiting: u64,
        asked: Option<u64>,
        now: Tick,
    ) {
        self.is_recalling = false;
        for delivery in deliveries {
            let number = delivery.number;
            if number > self.last_in_memory && Some(number) != asked {
                self.last_in_memory = number;
                self.lane.push_back(Copy::recalled(delivery, now));
            }
        }
        let in_memory = self.lane.len() as u64 + u64::from(asked.is_some());
        // Too many here costs one more order to recall, too few would lose them.
        self.beyond = waiting.saturating_sub(in_memory) + std::mem::take(&mut self.since_recall);
    }

    /// Whether a copy in memory belongs to the transaction.
    pub(super) fn refers_to(&self, transaction: TraceId) -> bool {
        self.lane.iter().any(|copy| copy.transaction == Some(transaction))
    }

    /// Forgets what is in memory of the lane, to read it anew.
    pub(super) fn reread(&mut self) {
        // At least one, so that nothing overtakes what is read now.
        self.beyond += self.lane.len() as u64 + 1;
        self.since_recall = 0;
        self.lane.clear();
        self.last_in_memory = 0;
        self.is_recalling = true;
    }

    /// Takes a delivery out of the lane, because it is on its way.
    pub(super) fn take(&mut self, number: u64) {
        self.lane.retain(|copy| copy.number != Some(number));
    }

    /// A delivery that was asked in vain is not tried again before then.
    pub(super) fn put_off(&mut self, number: u64, until: Tick) {
        if let Some(copy) = self.lane.iter_mut().find(|copy| copy.number == Some(number)) {
            copy.attempts = 1;
            copy.retry_at = Some(until);
        }
    }

    /// Takes a delivery out of the lane if an answer to `asked`, late or as leader, shows that it was
    /// booked. Returns its number.
    pub(super) fn take_delivered(&mut self, asked: &Copy) -> Option<u64> {
        let at = self.lane.iter().position(|waiting| match asked.number {
            Some(number) => waiting.number == Some(number),
            // It was asked as leader, and is to be told as follower.
            None => waiting.tells_the_same(asked),
        })?;
        self.lane.remove(at)?.number
    }

    fn take_soon(&mut self, at: usize) -> Option<Copy> {
        let copy = self.soon.remove(at)?;
        give_back_room(&mut self.soon);
        self.soon_bytes -= copy.bytes();
        Some(copy)
    }
}

/// An empty queue keeps no room: nearly all chargers are idle at any moment, and so are their queues.
pub(super) fn give_back_room<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
}
