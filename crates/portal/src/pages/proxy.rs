//! View > Proxy: which servers a charger has, who is Leader, how each of them is, and how another becomes
//! Leader.

mod deliveries;
mod leader;
mod server;
pub(crate) mod words;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use engine::ChargerId;
use gateway::{LeaderSource, LiveCharger, PlanView};
use maud::{Markup, html};
use store::{LeadChange, ListedLane};

use crate::access::guard::Visitor;
use crate::layout::{self, Tab, charger_path, moment};
use crate::limits::SWITCHES_SHOWN;
use crate::pages::known;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::words::shown;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/chargers/{id}/proxy", get(show))
        .route("/chargers/{id}/leader", get(leader::confirm).post(leader::set))
        .route("/chargers/{id}/deliveries", get(deliveries::show).post(deliveries::order))
}

async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(said): Path<String>,
) -> Result<Markup, Refusal> {
    let (charger, _) = known(&state, &said).await?;
    let (live, plan) = (state.view().charger(&charger).await, state.plan(&charger, visitor.role));
    let lanes = state.unmasked().lanes(&charger).await?;
    let history = state.unmasked().lead_history(&charger, SWITCHES_SHOWN).await?;
    let now = layout::now_unix_ms();
    let content = html! {
        p.lede { (words::servers(plan.as_ref(), live.as_ref(), now)) }
        @if let Some(plan) = &plan {
            (choice(&charger, plan, &visitor))
            div.servers { (cards(&charger, plan, live.as_ref(), &lanes, &visitor, now)) }
            (words::arrangement(&plan.plan, live.as_ref().map_or(&plan.plan.leader, |live| &live.leader)))
            (source(plan, &visitor))
        }
        (switches(&history))
    };
    Ok(layout::charger_page(&state, &visitor, &charger, Tab::Proxy, content))
}

/// The Leader first, then the others as `proxy.toml` has them.
fn cards(
    charger: &ChargerId,
    plan: &PlanView,
    live: Option<&LiveCharger>,
    lanes: &[ListedLane],
    visitor: &Visitor,
    now: i64,
) -> Markup {
    let leader = live.map_or(&plan.plan.leader, |live| &live.leader);
    let others = plan.plan.backoffices().filter(|id| *id != leader);
    let may_lead = visitor.may_order() && plan.leader_source == LeaderSource::Portal;
    html! {
        @for id in std::iter::once(leader).chain(others) {
            (server::card(&server::Server {
                charger,
                id,
                leads: id == leader,
                is_chosen: *id == plan.plan.leader,
                role: plan.plan.role(id),
                plan: &plan.plan,
                live: live.map(|live| live.backoffices.iter().find(|one| one.id == *id)),
                lane: lanes.iter().find(|lane| lane.backoffice == *id),
                may_be_made_leader: may_lead && *id != plan.plan.leader,
            }, now))
        }
    }
}

/// A person's choice of leader, with the way back to what `proxy.toml` says.
fn choice(charger: &ChargerId, plan: &PlanView, visitor: &Visitor) -> Markup {
    let Some(chosen) = &plan.overridden else { return html! {} };
    let back = charger_path(charger, "leader");
    html! {
        div.notice.strong {
            p {
                "Leader " strong { (chosen.leader) } " was set by " strong { (shown(&chosen.by)) } " at " (moment(chosen.unix_ms))
                ", " code { "proxy.toml" } " says " strong { (plan.file_leader) } "."
                @if !chosen.reason.is_empty() { " Reason: “" (shown(&chosen.reason)) "”" }
            }
            @if !plan.is_overridden() {
                p {
                    "It is not in force: "
                    @if plan.leader_source == LeaderSource::File { "the rule says that who leads is decided in proxy.toml alone." }
                    @else { "the rule does not name " (chosen.leader) " any more." }
                }
            }
            @if visitor.may_order() && plan.leader_source == LeaderSource::Portal {
                p { a.button.compact href=(back) { "Go back to proxy.toml" } }
            }
        }
    }
}

/// Where the rule stands, and who may change who leads.
fn source(plan: &PlanView, visitor: &Visitor) -> Markup {
    html! {
        p.muted.small.source {
            "By the rule " code { (plan.rule) } " in proxy.toml. "
            @if plan.leader_source == LeaderSource::File {
                "It has leader_source = \"file\": who leads is changed there alone."
            } @else if !visitor.may_order() {
                "You see it as a viewer; an operator may make another server Leader."
            }
        }
    }
}

fn switches(history: &[LeadChange]) -> Markup {
    html! {
        h2 { "Switches of the Leader" }
        @if history.is_empty() {
            p.muted { "Nobody has made another server Leader here; it is as proxy.toml says." }
        } @else {
            table.rows {
                thead { tr { th scope="col" { "When" } th scope="col" { "Leader from then on" } th scope="col" { "By" } th scope="col" { "Why" } } }
                tbody {
                    @for change in history {
                        tr {
                            td data-label="When" { (moment(change.unix_ms)) }
                            td data-label="Leader" { @match &change.leader { Some(leader) => strong { (leader) }, None => "as proxy.toml says" } }
                            td data-label="By" { (shown(&change.by)) }
                            td data-label="Why" { (shown(&change.reason)) }
                        }
                    }
                }
            }
        }
    }
}
