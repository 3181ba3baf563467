//! The routing rules in force, with every backoffice made ready to be dialed. Replaced as a whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::{BackofficeId, ChargerId};
use store::{Seal, SealedKey};

use crate::EntranceTerms;
use crate::dial::Destination;
use crate::fleet::folded;
use crate::overrides::Overrides;
use crate::routing::{LetInBy, Routing};
use crate::tls::OwnCertificate;
use crate::view::PlanView;

/// One version of the rules.
#[derive(Debug)]
pub(crate) struct Served {
    routing: Routing,
    destinations: BTreeMap<BackofficeId, Arc<Destination>>,
    /// Of chargers that have one in their rule, by the identity in small letters.
    keys: HashMap<String, SealedKey>,
}

impl Served {
    /// Takes over the destinations of `former` whose settings are the same, so that a link can tell
    /// by identity whether it must be dialed again.
    pub(crate) fn new(routing: Routing, former: Option<&Served>, seal: &Seal) -> Self {
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
        let mut keys = HashMap::new();
        for rule in &routing.rules {
            let is_its_rule =
                |charger: &ChargerId| routing.rule(charger).is_some_and(|first| std::ptr::eq(first, rule));
            for (charger, key) in rule.entrance.keys.iter().filter(|(charger, _)| is_its_rule(charger)) {
                keys.insert(folded(charger), seal.close(charger, key.reveal()));
            }
        }
        Self { routing, destinations, keys }
    }

    /// The certificates that backoffices are shown.
    pub(crate) fn client_certificates(&self) -> impl Iterator<Item = &OwnCertificate> {
        self.routing.backoffices.values().filter_map(|settings| settings.client_certificate.as_ref())
    }

    /// On what terms a charger is let in; `None` when no rule matches.
    pub(crate) fn terms(&self, charger: &ChargerId) -> Option<&EntranceTerms> {
        self.routing.rule(charger).map(|rule| &*rule.entrance)
    }

    /// The `match` of the rule of a charger.
    pub(crate) fn rule_text(&self, charger: &ChargerId) -> Option<&str> {
        self.routing.rule(charger).map(|rule| rule.pattern.text())
    }

    /// How the rule of a charger makes it known, if it does.
    pub(crate) fn lets_in(&self, charger: &ChargerId) -> Option<LetInBy> {
        self.routing.rule(charger)?.lets_in(self.keys.contains_key(&folded(charger)))
    }

    /// What is kept of the key that the rule of a charger has for it.
    pub(crate) fn key(&self, charger: &ChargerId) -> Option<&SealedKey> {
        self.keys.get(&folded(charger))
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
