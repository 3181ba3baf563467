//! What each backoffice wants of the charger where all wishes count together: who is out of service
//! (semantics K-70).

use std::collections::BTreeSet;

use engine::{Availability, BackofficeId, Plan};
use serde_json::Value;

use super::{Judge, OpenCall};
use crate::charger::Charger;

/// What each wants.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    merged: bool,
    was_merged: bool,
    /// Who wants which connector out of service; 0 is the charger with all of them.
    objections: BTreeSet<(BackofficeId, i64)>,
}

impl Wishes {
    pub(super) fn of(plan: &Plan) -> Self {
        let merged = plan.sharing.availability != Availability::Last;
        Self { merged, was_merged: merged, ..Self::default() }
    }

    pub(super) fn are_merged_or_were(&self) -> bool {
        self.was_merged
    }

    pub(super) fn plan_changed(&mut self, plan: &Plan) {
        self.merged = plan.sharing.availability != Availability::Last;
        self.was_merged |= self.merged;
        // Who may no longer say so has no wish any more.
        self.objections.clear();
    }

    /// Who has led and is not in the plan has no wish any more.
    pub(super) fn another_leads(&mut self, from: &BackofficeId, plan: &Plan) {
        self.objections.retain(|(by, _)| by != from || plan.names(from));
    }

    pub(super) fn are_in_doubt(&mut self) {
        self.objections.clear();
    }
}

impl Judge {
    /// A backoffice is told what became of its wish.
    pub(super) fn wish_answered(&mut self, to: &BackofficeId, call: &OpenCall, answer: Result<&str, &str>) {
        if call.action != "ChangeAvailability" {
            return;
        }
        let request: Value = serde_json::from_str(&call.payload).unwrap_or(Value::Null);
        let Some(connector) = request["connectorId"].as_i64() else { return };
        let covers = |other: i64| connector == 0 || other == connector;
        self.wishes.objections.retain(|(by, other)| by != to || !covers(*other));
        let answer = answer.ok().and_then(|answer| serde_json::from_str::<Value>(answer).ok());
        let status = answer.as_ref().and_then(|answer| answer["status"].as_str());
        let is_done = matches!(status, Some("Accepted" | "Scheduled"));
        if is_done && self.wishes.merged && request["type"] == "Inoperative" {
            self.wishes.objections.insert((to.clone(), connector));
        }
    }

    /// K-70: what one wants out of service is.
    fn check_wishes(&self, charger: &Charger) -> Option<String> {
        let mut objections = self.wishes.objections.iter();
        let (by, connector) = objections.find(|(_, connector)| !charger.is_inoperative(*connector))?;
        self.wishes
            .merged
            .then(|| format!("K-70: {by} wants connector {connector} out of service, and it is not"))
    }

    /// What the charger holds at rest is what the backoffices were told that it does.
    pub(in crate::world) fn check_holdings(&self, charger: &Charger, unix_ms: i64) -> Vec<String> {
        if !self.promises.merges_are_kept {
            return Vec::new();
        }
        let problems = self.check_list(charger).into_iter().chain(self.check_wishes(charger));
        problems.chain(self.check_settings(charger)).chain(self.check_limits(charger, unix_ms)).collect()
    }
}
