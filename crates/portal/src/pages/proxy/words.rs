//! Who leads and who follows, in sentences.

use engine::{BackofficeId, OnLeaderLost, Plan, Role, VerdictRule};
use gateway::{LiveCharger, PlanView};
use maud::{Markup, html};

use crate::layout::duration;

/// Whether there is one server or several, and who is Leader.
pub(crate) fn servers(plan: Option<&PlanView>, live: Option<&LiveCharger>, now: i64) -> Markup {
    let Some(found) = plan else {
        return html! {
            "No rule in " code { "proxy.toml" } " matches this charger any more: it is refused when it connects."
        };
    };
    let plan = &found.plan;
    let leader = live.map_or(&plan.leader, |live| &live.leader);
    let others: Vec<&BackofficeId> = plan.backoffices().filter(|id| *id != leader).collect();
    let leader_decides = plan.cards.rule == VerdictRule::LeaderOnly && plan.cards.routes.is_empty();
    let except = if leader_decides { "" } else { ", except about cards (below)" };
    html! {
        @match others.as_slice() {
            [] => { "This charger has one server: " strong { (leader) } ". It is Leader: the charger gets its answers." },
            [other] => {
                "This charger has two servers. " strong { (leader) } " is Leader: the charger gets its answers. "
                strong { (other) } " follows: it hears everything, and what it answers is only compared" (except) "."
            },
            _ => {
                "This charger has " (count(others.len() + 1)) " servers. " strong { (leader) }
                " is Leader: the charger gets its answers. " (names(&others))
                " follow: they hear everything, and what they answer is only compared" (except) "."
            },
        }
        @if let Some(since) = live.and_then(|live| live.leader_away_since_unix_ms) {
            " " (away(plan, leader, now - since))
        } @else if *leader != plan.leader {
            " It leads in the place of " strong { (plan.leader) } ", which was away, until that has been back for a while."
        }
    }
}

fn away(plan: &Plan, leader: &BackofficeId, for_ms: i64) -> Markup {
    let meanwhile = match &plan.outage.on_leader_lost {
        OnLeaderLost::Absorb => "The proxy answers in its place and tells it everything when it is back.",
        OnLeaderLost::Mirror => {
            "The proxy bridges a short loss; then the charger is sent away until it is back."
        }
        OnLeaderLost::Failover(_) => "The proxy answers in its place until another server leads.",
    };
    html! { strong { (leader) " has been away for " (duration(for_ms)) "." } " " (meanwhile) }
}

fn count(servers: usize) -> String {
    let words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    words.get(servers).map_or_else(|| servers.to_string(), |word| (*word).to_owned())
}

fn names(ids: &[&BackofficeId]) -> Markup {
    html! {
        @for (place, id) in ids.iter().enumerate() {
            @if place + 1 == ids.len() && place > 0 { " and " } @else if place > 0 { ", " }
            strong { (id) }
        }
    }
}

/// What a server may do besides being informed.
pub(super) fn may(plan: &Plan, id: &BackofficeId, leads: bool) -> Markup {
    if leads {
        return html! {
            p.small.muted {
                "The charger gets its answers. It may command everything except what is another's (below), and what could part \
                 the charger from the proxy."
            }
        };
    }
    let may = crate::words::plan::may(plan, id);
    let rate = plan.follower(id).map(|follower| follower.grant.commands_per_minute);
    html! {
        @if may.is_empty() {
            p.small.muted { "Sees everything; its commands are refused." }
        } @else {
            div.small.muted {
                p { "Sees everything. At the charger it may" }
                ul.plainlist { @for what in &may { li { (what) } } }
                @if let Some(rate) = rate { p { "Everything else is refused, and so are more than " (rate) " commands a minute." } }
            }
        }
    }
}

/// Who decides about cards, and whose is what the charger has one of.
pub(super) fn arrangement(plan: &Plan, leader: &BackofficeId) -> Markup {
    html! {
        section aria-label="Who decides about cards" {
            h2 { "Who decides about cards" }
            ul.plainlist { @for sentence in crate::words::plan::cards(plan, leader) { li { (sentence) } } }
        }
        section aria-label="What the charger has one of" {
            h2 { "What the charger has one of" }
            dl.facts {
                @for (what, whose) in crate::words::plan::sharing(plan, leader) { dt { (what) } dd { (whose) } }
            }
        }
    }
}

/// The role in one word.
pub(super) fn role(leads: bool, role: Option<Role>) -> &'static str {
    match role {
        _ if leads => "leader",
        Some(Role::Control) => "follower · control",
        Some(Role::Energy) => "follower · energy",
        Some(Role::Roaming) => "follower · roaming",
        Some(Role::Maintenance) => "follower · maintenance",
        Some(Role::Observer) => "follower · observer",
        None => "follower",
    }
}

/// What a server answered to the charger's BootNotification.
pub(super) fn boot(status: &str) -> &'static str {
    match status {
        "Accepted" => "accepted the charger",
        "Pending" => "has not accepted the charger yet (Pending)",
        "Rejected" => "rejected the charger: not registered there, or blocked",
        _ => "not answered yet",
    }
}
