//! What was kept of earlier sessions, taken up again.

use crate::session::{
    Session, availability, boot, cards, configuration, decisions, intents, jobs, leader, local_list, owned,
    presence, profiles,
};
use crate::{Fact, Memory};

impl Session {
    pub(super) fn remember(&mut self, memory: Memory) {
        self.transactions.remember(memory.transactions, memory.numbers, &memory.lanes);
        for Fact { key, body } in memory.facts {
            if let Some(body) = body {
                self.remember_fact(&key, &body);
            }
        }
        for lane in memory.lanes {
            self.remember_lane(lane);
        }
    }

    /// A fact that this version cannot read is as good as forgotten.
    fn remember_fact(&mut self, key: &str, body: &str) {
        if key == boot::Boot::FACT {
            self.boot.remember(body);
        } else if key.starts_with(owned::OwnedIds::FACT) {
            if let Ok(owned) = serde_json::from_str(body) {
                self.owned.remember(owned);
            }
        } else if key.starts_with(profiles::Held::FACT) {
            self.composites.remember_held(body);
        } else if let Some(number) = key.strip_prefix(profiles::Slot::FACT) {
            self.composites.remember_slot(number);
        } else if key == leader::Lead::FACT {
            self.remember_lead(body);
        } else if let Some(key) = key.strip_prefix(configuration::Configuration::FACT) {
            self.configuration.remember(key, body);
        } else if key.starts_with(decisions::Decisions::FACT) {
            self.decisions.remember(body);
        } else if key.starts_with(intents::Intents::FACT) {
            self.intents.remember(body);
        } else if let Some(of) = key.strip_prefix(configuration::Configuration::WISH) {
            self.remember_wish(of, body);
        } else if let Some(of) = key.strip_prefix(cards::Cards::OPINION) {
            self.cards.remember_opinion(of, body);
        } else if let Some(tag) = key.strip_prefix(cards::Cards::FACT) {
            self.cards.remember(tag, body);
        } else if let Some(backoffice) = key.strip_prefix(presence::States::MISSED) {
            self.states.remember_missed(backoffice, body);
        } else if let Some(connector) = key.strip_prefix(presence::States::FACT) {
            self.states.remember(connector, body);
        } else if let Some(backoffice) = key.strip_prefix(local_list::LocalLists::FACT) {
            self.local_lists.remember(backoffice, body);
        } else if key == local_list::LocalLists::WRITTEN {
            self.local_lists.remember_written(body);
        } else if let Some(wish) = key.strip_prefix(availability::Wishes::FACT) {
            self.availability.remember(wish, body);
        } else if let Some(kind) = key.strip_prefix(jobs::Jobs::FACT) {
            self.jobs.remember(kind, body);
        }
    }
}
