//! The routing rules in force, with every backoffice made ready to be dialed. Replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{BackofficeId, ChargerId};

use crate::dial::Destination;
use crate::overrides::Overrides;
use crate::routing::Routing;
use crate::tls::OwnCertificate;
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

    /// The certificates that backoffices are shown.
    pub(crate) fn client_certificates(&self) -> impl Iterator<Item = &OwnCertificate> {
        self.routing.backoffices.values().filter_map(|settings| settings.client_certificate.as_ref())
    }

    /// Whether a rule matches.
    pub(crate) fn serves(&self, charger: &ChargerId) -> bool {
        self.routing.rule(charger).is_some()
    }

    /// The plan of a charger, led by whom an operator has chosen if that may be; `None` when no rule matches.
    pub(crate) fn plan(&self, charger: &ChargerId, overrides: &Overrides) -> Option<PlanView> {
        self.routing.plan(charger, overrides.of(charger))
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
