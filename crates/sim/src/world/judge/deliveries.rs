//! What every follower must be told: all that the charger had acknowledged, in order, once
//! (semantics §2.8).

use engine::{BackofficeId, Delivery, limits};

use super::{Books, Copied, Judge, Leaving, Message, OWED_ACTIONS, Said, TRANSACTION_ACTIONS};
use crate::world::content::{blanked, number, serial};
use crate::world::store::Kept;

/// Why a message of a transaction is parked whose start is, or was answered without a number.
const NOT_BOOKED: &str = "start_was_not_booked";

impl Judge {
    /// A message of the charger leaves for a backoffice: in order, and not again once it was booked.
    pub(super) fn check_given(&mut self, to: &BackofficeId, id: &str) {
        let Some(Copied { message, order, live, .. }) =
            self.copies.get(&(to.clone(), id.to_owned())).cloned()
        else {
            return;
        };
        let action = message.0.as_str();
        // Security events are told one after the other, but nobody puts them among the others again.
        let last = match (TRANSACTION_ACTIONS.contains(&action), OWED_ACTIONS.contains(&action) && !live) {
            (true, _) => Some(self.last_order.entry(to.clone()).or_insert(order)),
            (false, true) => Some(self.last_event.entry(to.clone()).or_insert(order)),
            (false, false) => None,
        };
        // What it was asked in its time as leader, and left unanswered, may come again as a delivery.
        let said = self.said.get(&message);
        // And the last meter values before a stop, that it had asked for fewer of (semantics T-36).
        let is_repeated = self.settings.may_miss(&message)
            || !live && said.is_some_and(|said| said.may_come_late(action, to));
        if let Some(last) = last.filter(|_| !is_repeated) {
            let is_in_order = order >= *last;
            *last = order.max(*last);
            if !is_in_order {
                self.accuse(format!("T-56: {to} was sent {message:?} after what came later"));
            }
        }
        let Some(said) = self.said.get_mut(&message) else { return };
        *said.asked.entry(to.clone()).or_default() += 1;
        if live {
            said.asked_live.insert(to.clone());
            return;
        }
        if is_repeated {
            said.late_for.insert(to.clone());
        }
        *said.given.entry(to.clone()).or_default() += 1;
        self.summary.deliveries += u64::from(OWED_ACTIONS.contains(&action));
        if self.booked.contains(&(to.clone(), message.clone())) {
            self.accuse(format!("T-60: {to} was sent {message:?} again though it had booked it"));
        }
    }

    /// A backoffice has answered a message; whether the proxy knows that it need not send it again.
    pub(super) fn has(&mut self, who: &BackofficeId, message: &Message, is_over: bool) {
        if let Some(said) = self.said.get_mut(message) {
            said.had_by.insert(who.clone());
        }
        if is_over && OWED_ACTIONS.contains(&message.0.as_str()) {
            self.booked.insert((who.clone(), message.clone()));
            self.last_booked.insert(who.clone(), message.clone());
        }
    }

    /// Not everything that was to be kept is: the last message of each lane may come again.
    pub(in crate::world) fn records_lost(&mut self, kept: &Kept) {
        self.forget_outages();
        self.lists.are_in_doubt();
        self.wishes.are_in_doubt();
        self.limits.are_in_doubt();
        self.settings.are_in_doubt();
        // What waited for them is never said.
        for Leaving { message: (action, request), .. } in &self.answers_on_way {
            if action == "Authorize" {
                self.cards.never_told(request);
            }
        }
        self.numbers.retain(|(who, serial)| kept.has_number(who, *serial));
        for repeatable in std::mem::take(&mut self.last_booked) {
            self.booked.remove(&repeatable);
        }
    }

    /// An answer leaves for the charger: from now on its message, which it returns, is in the proxy's
    /// hands. Also returns in whose place the proxy answered.
    pub(super) fn acknowledged(&mut self, id: &str, kept: &Kept) -> Option<(Message, Option<BackofficeId>)> {
        // Those before it in the queue were lost with a failure of the store.
        while let Some(Leaving { id: answered, message, in_place_of }) = self.answers_on_way.pop_front() {
            if answered != id {
                continue;
            }
            let is_owed = OWED_ACTIONS.contains(&message.0.as_str());
            let Some(said) = self.said.get_mut(&message).filter(|_| is_owed) else {
                return Some((message, in_place_of));
            };
            said.acknowledged = true;
            let leader = in_place_of.clone().filter(|leader| self.plan.names(leader));
            if let Some(leader) = leader.clone()
                && !said.audience.contains(&leader)
            {
                said.audience.push(leader);
            }
            // Of a transaction that began before they followed, followers need not hear.
            let is_told_to_all =
                matches!(message.0.as_str(), "StartTransaction" | "SecurityEventNotification");
            let needs_it = |who: &&BackofficeId| is_told_to_all || leader.as_ref() == Some(*who);
            let holds = |who: &BackofficeId| kept.holds(who, |delivery| is_of(delivery, &message));
            let mut candidates = said.audience.iter().filter(needs_it);
            let lacking = candidates
                .find(|who| !said.has(who) && !holds(who) && !self.settings.may_miss(&message))
                .cloned();
            if let Some(who) = lacking {
                self.accuse(format!("I-5: {message:?} was acknowledged before it was kept for {who}"));
            }
            return Some((message, in_place_of));
        }
        None
    }

    /// What is not tried again by itself needs a reason.
    pub(in crate::world) fn parked(&mut self, who: &BackofficeId, delivery: &Delivery) {
        let message = (delivery.action.clone(), blanked(&delivery.payload));
        let asked = self.said.get(&message).and_then(|said| said.asked.get(who)).copied().unwrap_or(0);
        let why = delivery.parked.as_deref().unwrap_or_default();
        let has_a_reason = match why {
            "attempts_spent" => asked >= limits::DELIVERY_ATTEMPTS,
            "refused_as_malformed" => asked >= 2,
            "not_supported" => asked >= 1,
            // A late answer may tell its number later.
            NOT_BOOKED => {
                let is_new = self.parked_unbooked.insert((who.clone(), delivery.number));
                let serial = serial(&delivery.payload).unwrap_or(0);
                !is_new || !self.numbers.contains(&(who.clone(), serial))
            }
            _ => false,
        };
        if !has_a_reason {
            self.accuse(format!("T-58: {message:?} was parked for {who} ({why}) after {asked} attempts"));
        }
    }

    /// What followers have missed that were in the plan all the while.
    pub(in crate::world) fn missed(&self, books: &Books<'_>, kept: &Kept) -> Vec<String> {
        let mut missed = Vec::new();
        for (message, said) in &self.said {
            if !said.acknowledged || !OWED_ACTIONS.contains(&message.0.as_str()) {
                continue;
            }
            let lacking = said.audience.iter().filter(|who| !said.has(who));
            let lacking = lacking.filter(|_| !self.settings.may_miss(message));
            let lacking = lacking.filter(|who| books.is_willing(who) && self.can_be_told(said, who));
            let lacking = lacking.filter(|who| {
                let is_it = |delivery: &Delivery| is_of(delivery, message);
                !kept.parked(who).any(is_it)
            });
            missed.extend(lacking.map(|who| format!("{who} was never given {message:?}")));
        }
        missed
    }

    /// Of a transaction a backoffice hears only under its own number (semantics T-33, T-50, T-51).
    fn can_be_told(&self, said: &Said, who: &BackofficeId) -> bool {
        let Some(spoken) = said.spoken_number else { return true };
        let has_number = said.serial.is_some_and(|serial| self.numbers.contains(&(who.clone(), serial)));
        self.told.contains_key(&spoken) && has_number
    }

    /// The proxy hears under which number a backoffice has booked a session, or that it has none.
    pub(super) fn learn_number(&mut self, who: &BackofficeId, message: &Message, answer: &str) {
        let serial = self.said.get(message).and_then(|said| said.serial);
        let Some(serial) = serial.filter(|_| message.0 == "StartTransaction") else { return };
        let key = (who.clone(), serial);
        match number(answer, "transactionId") {
            Some(_) => self.numbers.insert(key),
            None => self.numbers.remove(&key),
        };
    }
}

fn is_of(delivery: &Delivery, message: &Message) -> bool {
    delivery.action == message.0 && blanked(&delivery.payload) == message.1
}
