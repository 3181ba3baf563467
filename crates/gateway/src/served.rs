//! The routing rules in force, with every backoffice made ready to be dialed. Replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{BackofficeId, ChargerId, Plan};

use crate::dial::Destination;
use crate::routing::Routing;

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

    /// The plan of a charger; `None` when no rule matches.
    pub(crate) fn plan(&self, charger: &ChargerId) -> Option<Arc<Plan>> {
        self.routing.plan(charger)
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
