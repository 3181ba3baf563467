//! One charger at a glance, and the way to everything else about it.

use axum::extract::{Path, State};
use gateway::{LiveCharger, PlanView};
use maud::{Markup, html};
use store::{ChargerSummary, Knocking};

use super::{attention, current, needs_a_look, presence, status};
use crate::access::Role;
use crate::access::guard::Visitor;
use crate::layout::{self, Tab, ago, charger_path, copyable, when};
use crate::pages::knocking::times;
use crate::pages::proxy::words;
use crate::pages::{known, why_address};
use crate::reader::hides_cards;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::words::{entrance, shown};

pub(super) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(said): Path<String>,
) -> Result<Markup, Refusal> {
    let (charger, summary) = known(&state, &said).await?;
    let (live, plan) = (state.view().charger(&charger).await, state.view().plan(&charger));
    let now = layout::now_unix_ms();
    let turned_away = state.view().turned_away(&charger);
    let content = html! {
        @if let Some(one) = &turned_away { (failed(one, live.is_some(), now)) }
        p.lede { (words::servers(plan.as_ref(), live.as_ref(), now)) }
        @match &summary {
            Some(summary) => (glance(&state, visitor.role, summary, live.as_ref(), plan.as_ref(), now)),
            None if turned_away.is_some() => (layout::empty("It has never come in", html! { "Everything else about it stands here once it does." })),
            None => (layout::empty("Nothing is known yet", html! { "The charger has only just connected. Load the page again in a moment." })),
        }
    };
    Ok(layout::charger_page(&state, &visitor, &charger, Tab::Overview, content))
}

/// That somebody was turned away who calls itself so.
fn failed(one: &Knocking, is_here: bool, now: i64) -> Markup {
    html! {
        div.notice.strong {
            p {
                @if is_here { "Somebody who calls itself " (shown(one.charger.as_str())) } @else { "It" }
                " was turned away " (times(one.times)) ", last " (ago(one.last_unix_ms, now)) ", from " code { (one.address) } ": "
                (entrance::turned_away(one)) "."
            }
            p { (entrance::remedy(one.why)) }
        }
    }
}

fn glance(
    state: &AppState,
    role: Role,
    summary: &ChargerSummary,
    live: Option<&LiveCharger>,
    plan: Option<&PlanView>,
    now: i64,
) -> Markup {
    let charger = &summary.charger;
    html! {
        div.glance {
            section.card {
                h2 { "Charger" }
                dl.facts {
                    dt { "Identity" } dd { (copyable(charger.as_str())) }
                    dt { "State" } dd { (presence(state, summary, live, now)) }
                    @if let Some(live) = live { dt { "From" } dd { (live.from) } }
                    @for (name, value) in [("Vendor", &summary.vendor), ("Model", &summary.model), ("Firmware", &summary.firmware)] {
                        @if let Some(value) = value { dt { (name) } dd { (shown(value)) } }
                    }
                    @if let Some(plan) = plan { dt { "Rule" } dd { code { (plan.rule) } " in proxy.toml" } }
                    @if needs_a_look(summary) { dt { "Needs a look" } dd { (attention(summary, now)) } }
                }
            }
            section.card {
                h2 { "Connectors" }
                @if summary.connectors.is_empty() { p.muted { "The charger has not said how they are." } }
                dl.facts {
                    @for connector in &summary.connectors {
                        dt { @if connector.id == 0 { "Charger" } @else { "Connector " (connector.id) } }
                        dd { (status(connector)) @if let Some(since) = &connector.since { span.sub { "since " (when(&shown(since))) } } }
                    }
                }
            }
            section.card {
                h2 { "Running transactions" }
                @if summary.running.is_empty() { p.muted { "Nobody is charging." } }
                @for one in current(&summary.running) {
                    dl.facts {
                        dt { "Card" } dd { (copyable(&shown(&one.id_tag))) }
                        dt { "Connector" } dd { (one.connector_id) }
                        dt { "Started" } dd { (when(&shown(&one.started_at))) " " span.muted.small { (ago(one.received_unix_ms, now)) } }
                        @if let Some(number) = one.charger_number { dt { "Number" } dd { (copyable(&number.to_string())) } }
                    }
                }
                p.actions { a href=(charger_path(charger, "transactions")) { "All transactions" } }
            }
            section.card {
                h2 { "A card was rejected?" }
                p { "Who rejected it, why, and what to do next:" }
                @if !hides_cards(role) {
                    form.filters method="get" action=(charger_path(charger, "cards")) {
                        input type="text" name="id_tag" placeholder="The card's number, if you have it" aria-label="Card" autocomplete="off" spellcheck="false";
                        button type="submit" { "Ask" }
                    }
                }
                p.muted.small { "Without a number: " a href=(why_address(charger, "")) { "the last rejected card" } "." }
            }
        }
    }
}
