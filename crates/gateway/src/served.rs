//! The routing rules in force, with every backoffice made ready to be dialed. Replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{BackofficeId, ChargerId};

use crate::dial::Destination;
use crate::overrides::{Overrides, led_by};
use crate::routing::{LeaderSource, Routing};
use crate::view::PlanView;

/// One version of the rules.
#[derive(Debug)]
pub(crate) struct Served {
    routing: Routing,
    destinations: BTreeMap<BackofficeId, Arc<Destination>>,
}

impl Served {
    /// Takes over the destinations of `former` whose settings are the same, so that a link can tell
    /// by identity whether it must be dialed again.
    pub(crate) fn new(routing: Routing, former: Option<&Served>) -> Self {
        let destinations = routing
            .backoffices
            .iter()
            .map(|(id, settings)| {
                let same = former
                    .and_then(|former| former.destinations.get(id))
                    .filter(|destination| destination.settings == *settings);
                let destination =
                    same.cloned().unwrap_or_else(|| Arc::new(Destination::new(settings.clone())));
                (id.clone(), destination)
            })
            .collect();
        Self { routing, destinations }
    }

    /// Whether a rule matches.
    pub(crate) fn serves(&self, charger: &ChargerId) -> bool {
        self.routing.rule(charger).is_some()
    }

    /// The plan of a charger, led by whom an operator has chosen if that may be; `None` when no rule matches.
    pub(crate) fn plan(&self, charger: &ChargerId, overrides: &Overrides) -> Option<PlanView> {
        let rule = self.routing.rule(charger)?;
        let overridden = overrides.of(charger);
        let chosen = overridden.as_ref().filter(|_| rule.leader_source == LeaderSource::Portal);
        let plan = chosen.and_then(|chosen| led_by(&rule.plan, &chosen.leader));
        Some(PlanView {
            plan: plan.unwrap_or_else(|| rule.plan.clone()),
            file_leader: rule.plan.leader.clone(),
            overridden,
            leader_source: rule.leader_source,
            rule: rule.pattern.text().to_owned(),
        })
    }

    /// How `proxy.toml` writes the identity, if a rule is for this charger alone.
    pub(crate) fn spelling(&self, charger: &ChargerId) -> Option<ChargerId> {
        self.routing.spelling(charger).cloned()
    }

    /// How a backoffice is reached.
    pub(crate) fn destination(&self, backoffice: &BackofficeId) -> Option<&Arc<Destination>> {
        self.destinations.get(backoffice)
    }
}
