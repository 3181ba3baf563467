//! The local authorisation list where each backoffice has one of its own (semantics A-41).

use std::collections::{BTreeMap, BTreeSet};

use engine::{BackofficeId, LocalList, Plan, Role};
use serde_json::Value;

use super::{Judge, OpenCall};
use crate::charger::Charger;

type Cards = BTreeMap<String, Value>;

/// What each backoffice wants the charger to know of cards.
#[derive(Debug, Default)]
pub(super) struct LocalLists {
    merged: bool,
    was_merged: bool,
    /// By the backoffice's own names for cards.
    of: BTreeMap<BackofficeId, Cards>,
    /// Whose list is not known for certain.
    doubtful: BTreeSet<BackofficeId>,
    /// Somebody has written since the lists are merged.
    is_written: bool,
}

impl LocalLists {
    pub(super) fn of(plan: &Plan) -> Self {
        let merged = plan.sharing.local_list == LocalList::Merge;
        Self { merged, was_merged: merged, ..Self::default() }
    }

    pub(super) fn are_merged_or_were(&self) -> bool {
        self.was_merged
    }

    /// Whose list is not here any more is forgotten.
    pub(super) fn plan_changed(&mut self, plan: &Plan) {
        let merges = plan.sharing.local_list == LocalList::Merge;
        if merges != self.merged {
            self.is_written = false;
            self.doubtful.clear();
        }
        self.merged = merges;
        self.was_merged |= merges;
        // Who leads in fact keeps its list until another leads.
        self.doubtful.extend(self.of.keys().filter(|id| !is_entitled(plan, id)).cloned());
        self.of.retain(|_, _| merges);
    }

    pub(super) fn are_in_doubt(&mut self) {
        self.doubtful.extend(self.of.keys().cloned());
    }
}

fn is_entitled(plan: &Plan, id: &BackofficeId) -> bool {
    plan.names(id) && plan.role(id) != Some(Role::Observer)
}

impl Judge {
    /// A backoffice is told what became of its list.
    pub(super) fn list_answered(&mut self, to: &BackofficeId, call: &OpenCall, answer: Result<&str, &str>) {
        if call.action != "SendLocalList" || !self.lists.merged {
            return;
        }
        let status = answer.ok().and_then(|answer| serde_json::from_str::<Value>(answer).ok());
        match status.as_ref().and_then(|answer| answer["status"].as_str()) {
            Some("Accepted") => {}
            Some(_) => return,
            // The charger may have it or not.
            None => {
                self.lists.doubtful.insert(to.clone());
                return;
            }
        }
        let request: Value = serde_json::from_str(&call.payload).unwrap_or(Value::Null);
        let cards = self.lists.of.entry(to.clone()).or_default();
        // What it wrote when it still might counts only once it may again.
        let counts = self.leader == *to || is_entitled(&self.plan, to);
        if !counts {
            self.lists.doubtful.insert(to.clone());
        }
        if request["updateType"] == "Full" {
            cards.clear();
            if counts {
                self.lists.doubtful.remove(to);
            }
        }
        for entry in request["localAuthorizationList"].as_array().into_iter().flatten() {
            let tag = entry["idTag"].as_str().unwrap_or_default().to_lowercase();
            match entry.get("idTagInfo") {
                Some(info) => cards.insert(tag, info.clone()),
                None => cards.remove(&tag),
            };
        }
        self.lists.is_written = true;
    }

    /// the charger's list is what all lists come to; where two name a card the leader's entry counts.
    pub(super) fn check_list(&self, charger: &Charger) -> Option<String> {
        let lists = &self.lists;
        if !lists.merged || !lists.is_written || !lists.doubtful.is_empty() {
            return None;
        }
        let mut wanted = Cards::new();
        for id in std::iter::once(&self.leader).chain(self.plan.backoffices()) {
            for (tag, info) in lists.of.get(id).into_iter().flatten() {
                // Which card it means by that is a matter of the plan of now (semantics A-24).
                let meant = self.plan.aliases.get(id).and_then(|aliases| aliases.meant_by(tag));
                let card = meant.map_or_else(|| tag.clone(), str::to_lowercase);
                wanted.entry(card).or_insert_with(|| info.clone());
            }
        }
        let has: Cards = charger.local_list().iter().map(|(tag, info)| (tag.clone(), info.clone())).collect();
        (has != wanted)
            .then(|| format!("A-41: the charger's list is {has:?}, but {:?} come to {wanted:?}", lists.of))
    }
}
