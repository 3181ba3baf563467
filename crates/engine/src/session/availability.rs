//! Whether connectors are in service, where several backoffices have a say: a connector is out of service as long
//! as one wants it so (semantics K-70).

use std::collections::{BTreeMap, BTreeSet};

use crate::session::command_queue::{Command, Consequence};
use crate::session::turns::Turn;
use crate::session::{Reply, Session};
use crate::{Availability, BackofficeId, Fact, MergeReply, Side, limits, payload};

/// What a ChangeAvailability asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    by: BackofficeId,
    /// 0 for the charger with all its connectors (OCPP 1.6 §5.2).
    connector_id: i64,
    /// `Operative`.
    in_service: bool,
}

/// What each backoffice wants, as far as it is not that everything is in service.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    of: BTreeMap<BackofficeId, BTreeMap<i64, bool>>,
}

impl Wishes {
    pub(super) const FACT: &'static str = "availability/";

    pub(super) fn remember(&mut self, key: &str, body: &str) {
        let Some((backoffice, connector)) = key.rsplit_once('/') else { return };
        if let Ok(connector) = connector.parse() {
            self.of.entry(backoffice.into()).or_default().insert(connector, body == "\"Operative\"");
        }
    }

    /// Keeps a wish that is fulfilled, or remembered. Returns what to write down.
    fn keep(&mut self, wish: &Wish) -> Vec<Fact> {
        let Wish { by, connector_id, in_service } = wish;
        let wishes = self.of.entry(by.clone()).or_default();
        let mut facts = Vec::new();
        // What is wanted of the whole charger is wanted of each connector.
        let covers = |other: &i64| *connector_id == 0 || other == connector_id;
        wishes.retain(|connector, _| {
            let stays = !covers(connector);
            if !stays {
                facts.push(fact(by, *connector, None));
            }
            stays
        });
        let is_default = *in_service && !wishes.contains_key(&0);
        if !is_default && wishes.len() < limits::CONNECTORS {
            wishes.insert(*connector_id, *in_service);
            facts.push(fact(by, *connector_id, Some(*in_service)));
        }
        facts
    }

    /// Whether a backoffice wants the connector out of service.
    fn objects(&self, backoffice: &BackofficeId, connector_id: i64) -> bool {
        let Some(wishes) = self.of.get(backoffice) else { return false };
        wishes.get(&connector_id).or_else(|| wishes.get(&0)).is_some_and(|in_service| !in_service)
    }

    /// The connectors that somebody wants out of service.
    fn out_of_service(&self) -> BTreeSet<i64> {
        let all = self.of.values().flatten().filter(|(_, in_service)| !**in_service);
        all.map(|(connector, _)| *connector).collect()
    }
}

fn fact(by: &BackofficeId, connector_id: i64, in_service: Option<bool>) -> Fact {
    let body = in_service.map(|is| if is { "\"Operative\"" } else { "\"Inoperative\"" }.to_owned());
    Fact { key: format!("{}{by}/{connector_id}", Wishes::FACT), body }
}

impl Session {
    /// A ChangeAvailability whose turn it is.
    pub(super) fn availability_turn(&mut self, command: &mut Command, reply: MergeReply) -> Turn {
        let connector_id = payload::integer(&command.payload, "connectorId");
        let in_service = match payload::text(&command.payload, "type").as_deref() {
            Some("Operative") => true,
            Some("Inoperative") => false,
            _ => return Turn::Send,
        };
        let Some(connector_id) = connector_id else { return Turn::Send };
        let Some(requester) = command.requesters.first() else {
            // The proxy's own: a wish that has ended, or holds again. It may have been overtaken.
            let is_due = in_service != self.is_kept_out(connector_id, None);
            return if is_due { Turn::Send } else { Turn::Nothing };
        };
        let by = requester.id.clone();
        let wish = Wish { by: by.clone(), connector_id, in_service };
        command.flags.push("merged_availability");
        if !in_service || !self.is_kept_out(connector_id, Some(&by)) {
            command.consequences = vec![Consequence::Wishes(wish)];
            return Turn::Send;
        }
        // It no longer objects; others do.
        let facts = self.availability.keep(&wish);
        self.promise_facts(facts, [Side::Backoffice(by.clone())]);
        let detail =
            format!("{by} wants connector {connector_id} in service, another wants it out of service");
        self.alert("availability_overruled", detail);
        let status = match reply {
            MergeReply::Accepted => r#"{"status":"Accepted"}"#,
            MergeReply::Rejected => r#"{"status":"Rejected"}"#,
        };
        Turn::Here(Reply::result(status), "K-70")
    }

    /// Whether somebody other than `except` wants the connector out of service.
    fn is_kept_out(&self, connector_id: i64, except: Option<&BackofficeId>) -> bool {
        let mut others = self.availability.of.keys().filter(|id| Some(*id) != except);
        others.any(|id| self.has_say(id) && self.availability.objects(id, connector_id))
    }

    fn has_say(&self, id: &BackofficeId) -> bool {
        let is_granted =
            |id| self.plan.follower(id).is_some_and(|f| f.grant.commands.contains("ChangeAvailability"));
        self.leads(id) || *id == self.plan.leader || is_granted(id)
    }

    /// The charger has done what a backoffice wants. With the whole charger it has put connectors into service
    /// that others want out of service: those follow at once.
    pub(super) fn wish_fulfilled(&mut self, wish: &Wish) {
        let facts = self.availability.keep(wish);
        self.promise_facts(facts, [Side::Backoffice(wish.by.clone())]);
        if wish.connector_id == 0 && wish.in_service {
            let mut connectors = self.availability.out_of_service();
            connectors.retain(|connector_id| self.is_kept_out(*connector_id, None));
            connectors.into_iter().for_each(|connector_id| self.put_in_service(connector_id, false));
        }
    }

    /// Who has no say any more is forgotten; what it alone kept out of service is put into service again.
    pub(super) fn review_availability(&mut self) {
        let merges = matches!(self.plan.sharing.availability, Availability::Merge(_));
        if !self.charger.is_here || self.availability.of.is_empty() {
            return;
        }
        let gone: Vec<BackofficeId> =
            self.availability.of.keys().filter(|id| !merges || !self.has_say(id)).cloned().collect();
        for id in gone {
            for (connector_id, in_service) in self.availability.of.remove(&id).unwrap_or_default() {
                self.promise_facts(vec![fact(&id, connector_id, None)], []);
                if merges && !in_service {
                    self.put_in_service(connector_id, true);
                }
            }
        }
    }

    fn put_in_service(&mut self, connector_id: i64, in_service: bool) {
        let kind = if in_service { "Operative" } else { "Inoperative" };
        let request = format!(r#"{{"connectorId":{connector_id},"type":"{kind}"}}"#);
        let command = self.own_command("ChangeAvailability", request, Vec::new());
        self.queue_command(command);
    }
}
