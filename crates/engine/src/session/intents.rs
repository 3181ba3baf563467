//! Cards that a backoffice has announced: it started a session for one, or reserved a connector. It decides
//! about them, since the leader may not know its cards at all (semantics §5.6, K-34).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::session::Session;
use crate::{BackofficeId, Fact, Follower, Side, limits};

/// What a backoffice has announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    /// The card, as the charger will say it.
    pub(super) id_tag: String,
    /// Where, if that was said.
    pub(super) connector_id: Option<i64>,
    pub(super) by: BackofficeId,
    /// What it is for.
    pub(super) purpose: Announced,
    /// UTC, milliseconds since 1970.
    pub(super) since_unix_ms: i64,
    /// UTC, milliseconds since 1970.
    pub(super) until_unix_ms: i64,
}

/// What a card was announced for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Announced {
    /// A remote start.
    RemoteStart,
    /// A reservation, under the charger's number of it.
    Reservation(i64),
}

impl Announced {
    const START: &str = "remote_start";
    const RESERVATION: &str = "reservation";

    /// The flag of a row that it decided.
    pub(super) fn label(self) -> &'static str {
        match self {
            Announced::RemoteStart => Self::START,
            Announced::Reservation(_) => Self::RESERVATION,
        }
    }
}

/// All that is announced to one charger.
#[derive(Debug, Default)]
pub(super) struct Intents {
    all: Vec<Intent>,
}

impl Intents {
    pub(super) const FACT: &'static str = "intent/";

    pub(super) fn remember(&mut self, body: &str) {
        if let Ok(intent) = serde_json::from_str(body) {
            self.all.push(intent);
        }
    }

    /// The newest that holds for this card, at this connector where it is known. A remote start comes before
    /// a reservation.
    pub(super) fn of(&self, tag: &str, connector: Option<i64>, unix_ms: i64) -> Option<&Intent> {
        let fits = |intent: &&Intent| {
            let is_there = |wanted: i64| wanted == 0 || connector.is_none_or(|at| at == wanted);
            intent.until_unix_ms > unix_ms
                && intent.id_tag.eq_ignore_ascii_case(tag)
                && intent.connector_id.is_none_or(is_there)
        };
        let started = self.all.iter().rev().filter(fits).find(|i| i.purpose == Announced::RemoteStart);
        started.or_else(|| self.all.iter().rev().find(fits))
    }

    /// The remote start that another backoffice has under way on this connector (semantics A-33).
    pub(super) fn competes(&self, by: &BackofficeId, connector: i64, unix_ms: i64, window: Duration) -> bool {
        let window = in_ms(window);
        self.all.iter().any(|intent| {
            intent.purpose == Announced::RemoteStart
                && intent.by != *by
                && intent.connector_id == Some(connector)
                && unix_ms - intent.since_unix_ms < window
        })
    }

    fn fact(intent: &Intent, is_kept: bool) -> Fact {
        let purpose = match intent.purpose {
            Announced::RemoteStart => "start".to_owned(),
            Announced::Reservation(number) => number.to_string(),
        };
        let key = format!("{}{}/{purpose}/{}", Self::FACT, intent.by, intent.id_tag.to_lowercase());
        let body = is_kept.then(|| serde_json::to_string(intent).expect("plain data is always JSON"));
        Fact { key, body }
    }
}

impl Session {
    /// How long the charger waits for the cable after a card was accepted (OCPP 1.6 §9.1.7).
    pub(super) fn connection_timeout(&self) -> Duration {
        let seconds =
            self.configuration.real("ConnectionTimeOut").and_then(|value| value.trim().parse().ok());
        let known = seconds.map(Duration::from_secs).filter(|known| !known.is_zero());
        known.map_or(limits::CONNECTION_TIMEOUT, |known| known.min(limits::CONNECTION_TIMEOUT_LONGEST))
    }

    /// A backoffice has announced a card. What is over is forgotten.
    pub(super) fn announce(&mut self, intent: Intent) {
        let now = self.now.unix_ms;
        self.withdraw(|other| {
            let is_same = other.by == intent.by
                && other.purpose == intent.purpose
                && other.id_tag.eq_ignore_ascii_case(&intent.id_tag);
            is_same || other.until_unix_ms <= now
        });
        if self.intents.all.len() == limits::INTENTS {
            let oldest = self.intents.all[0].clone();
            self.withdraw(|other| *other == oldest);
        }
        let fact = Intents::fact(&intent, true);
        // The leader's word would count without it.
        let before = (!self.leads(&intent.by)).then_some(Side::Charger);
        self.intents.all.push(intent);
        self.promise_facts(vec![fact], before);
    }

    /// The charger has the reservation under this number for one card alone, the last (semantics K-30).
    pub(super) fn reservation_is_for(&mut self, intent: &Intent) {
        let is_number = matches!(intent.purpose, Announced::Reservation(_));
        self.withdraw(|other| {
            is_number && other.purpose == intent.purpose && !other.id_tag.eq_ignore_ascii_case(&intent.id_tag)
        });
    }

    /// Who may not start a session, or reserve, by the plan of now has announced nothing.
    pub(super) fn withdraw_what_is_not_granted(&mut self) {
        let (plan, leader) = (self.plan.clone(), self.leader.clone());
        self.withdraw(|intent| {
            let command = match intent.purpose {
                Announced::RemoteStart => "RemoteStartTransaction",
                Announced::Reservation(_) => "ReserveNow",
            };
            let grants = |follower: &Follower| follower.grant.commands.contains(command);
            intent.by != leader && !plan.follower(&intent.by).is_some_and(grants)
        });
    }

    /// What was announced holds no longer.
    pub(super) fn withdraw(&mut self, which: impl Fn(&Intent) -> bool) {
        let (ended, kept): (Vec<Intent>, Vec<Intent>) =
            std::mem::take(&mut self.intents.all).into_iter().partition(which);
        self.intents.all = kept;
        let facts = ended.iter().map(|intent| Intents::fact(intent, false)).collect();
        self.promise_facts(facts, []);
    }
}

/// A duration in the milliseconds of wall time.
pub(super) fn in_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
