//! Chargers: which there are and how they are, and one of them at a glance.

mod overview;

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use engine::{BackofficeId, ChargerId};
use futures_util::future::join_all;
use gateway::LiveCharger;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use store::{ChargerSummary, ChargersQuery, Connector, RunningTransaction};

use crate::access::guard::Visitor;
use crate::layout::{self, Frame, Icon, Section, Tone, ago, badge, charger_path, duration, icon};
use crate::limits::{CONNECTORS_SHOWN, ROWS};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::words::shown;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/chargers", get(list)).route("/chargers/{id}", get(overview::show))
}

#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    after: String,
}

async fn list(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Refusal> {
    let after = (!asked.after.is_empty()).then(|| ChargerId::from(asked.after.as_str()));
    let query = ChargersQuery { search: asked.q.clone(), after, limit: ROWS };
    let page = state.reader(visitor.role).chargers(query).await?;
    let live = live(&state, &page.items).await;
    let now = layout::now_unix_ms();
    let is_searched = !asked.q.trim().is_empty();
    let content = html! {
        div.titleline {
            h1 { "Chargers" }
            p.tally { (state.view().online()) " online" }
        }
        form.filters method="get" action="/chargers" role="search" {
            div.search {
                (icon(Icon::Search))
                input type="search" name="q" value=(asked.q) placeholder="Identity, vendor or model" aria-label="Search chargers" autocomplete="off" spellcheck="false" data-search;
                kbd aria-hidden="true" { "/" }
            }
            button type="submit" { "Search" }
            @if is_searched { a.button.quiet href="/chargers" { "Show all" } }
        }
        @if page.items.is_empty() {
            (nothing(&asked))
        } @else {
            table.rows.chargers {
                thead { tr {
                    th scope="col" { "Charger" }
                    th scope="col" { "State" }
                    th scope="col" { "Leader" }
                    th scope="col" { "Connectors" }
                    th scope="col" { "Running" }
                    th scope="col" { "Needs a look" }
                    th scope="col" { span.visually-hidden { "Open" } }
                } }
                tbody { @for charger in &page.items { (row(&state, charger, live.get(&charger.charger), now)) } }
            }
        }
        div.pages {
            @if !asked.after.is_empty() { a href=(address(&asked.q, None)) { "First page" } }
            @if let Some(next) = &page.next { a.button href=(address(&asked.q, Some(next))) rel="next" { "Next page" } }
        }
    };
    Ok(layout::page(&Frame { title: "Chargers", active: Section::Chargers, visitor: &visitor }, content))
}

fn address(search: &str, after: Option<&ChargerId>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let after = after.map(|after| format!("&after={}", encoded(after.as_str()))).unwrap_or_default();
    format!("/chargers?q={}{after}", encoded(search))
}

fn nothing(asked: &Asked) -> Markup {
    if !asked.q.trim().is_empty() {
        return layout::empty(
            &format!("No charger matches “{}”", shown(asked.q.trim())),
            html! { "Every word must occur in the identity, the vendor or the model. Capitals do not matter." },
        );
    }
    if !asked.after.is_empty() {
        return layout::empty("That was the last page", html! { a href="/chargers" { "To the first" } });
    }
    layout::empty(
        "No charger has connected yet",
        html! {
            "Point a charger at " code { "ws://THIS-HOST:9000/ocpp/ITS-IDENTITY" }
            " (listen.chargers in proxy.toml), or run " code { "ocpp-proxy demo" } " to see a made-up day."
        },
    )
}

/// How those of the page that are connected are.
async fn live(state: &AppState, page: &[ChargerSummary]) -> BTreeMap<ChargerId, LiveCharger> {
    let online = page.iter().map(|summary| &summary.charger).filter(|id| state.view().is_online(id));
    let asked = online.map(async |id| Some((id.clone(), state.view().charger(id).await?)));
    join_all(asked).await.into_iter().flatten().collect()
}

fn row(state: &AppState, charger: &ChargerSummary, live: Option<&LiveCharger>, now: i64) -> Markup {
    let view = charger_path(&charger.charger, "");
    let make = [charger.vendor.as_deref(), charger.model.as_deref()];
    let make = make.into_iter().flatten().map(shown).collect::<Vec<_>>().join(" ");
    html! {
        tr data-href=(view) {
            td { div { a.name href=(view) { (shown(charger.charger.as_str())) } @if !make.is_empty() { span.sub { (make) } } } }
            td data-label="State" { (presence(state, charger, live, now)) }
            td data-label="Leader" { (leader(state, &charger.charger, live)) }
            td.none[charger.connectors.is_empty()] data-label="Connectors" { (connectors(&charger.connectors)) }
            td.none[charger.running.is_empty()] data-label="Running" { div { @for one in current(&charger.running) { (running(one, now)) } } }
            td.none[!needs_a_look(charger)] data-label="Needs a look" { (attention(charger, now)) }
            td.go { a.button.compact href=(view) aria-label={ "View " (charger.charger) } { "View" } }
        }
    }
}

/// Online, or since when offline.
pub(super) fn presence(
    state: &AppState,
    charger: &ChargerSummary,
    live: Option<&LiveCharger>,
    now: i64,
) -> Markup {
    let is_online = state.view().is_online(&charger.charger);
    html! {
        div {
            (layout::online(is_online))
            @if is_online {
                @if let Some(since) = live.and_then(|live| live.connected_since_unix_ms) {
                    span.sub { "for " (duration(now - since)) }
                }
            } @else if let Some(seen) = charger.last_seen_unix_ms {
                span.sub { "last seen " (ago(seen, now)) }
            }
        }
    }
}

fn leader(state: &AppState, charger: &ChargerId, live: Option<&LiveCharger>) -> Markup {
    let plan = state.view().plan(charger);
    let leader: Option<&BackofficeId> =
        live.map(|live| &live.leader).or(plan.as_ref().map(|plan| &plan.plan.leader));
    html! {
        div {
            @match leader {
                Some(leader) => (leader),
                None => span.muted title="No rule in proxy.toml matches it: it is refused" { "no rule" },
            }
            @if live.is_some_and(|live| live.leader_away_since_unix_ms.is_some()) {
                span.sub { (badge(Tone::Warning, Icon::Alert, "away")) }
            } @else if plan.is_some_and(|plan| plan.is_overridden()) {
                span.sub { "set by a person" }
            }
        }
    }
}

/// How the connectors are: one by one where something goes on, together where nothing does. The charger
/// itself (connector 0) only when it has something to say.
fn connectors(connectors: &[Connector]) -> Markup {
    let is_free = |one: &&Connector| one.status == "Available" && !has_trouble(one);
    let (free, busy): (Vec<_>, Vec<_>) = connectors.iter().partition(is_free);
    let free: Vec<_> = free.into_iter().filter(|one| one.id != 0).collect();
    html! {
        div.connectors {
            @for one in busy.iter().take(CONNECTORS_SHOWN) {
                span.connector {
                    span.plug { @if one.id == 0 { "charger" } @else { (one.id) } }
                    (status(one))
                }
            }
            @if busy.len() > CONNECTORS_SHOWN { span.muted { "and " (busy.len() - CONNECTORS_SHOWN) " more" } }
            @match free.as_slice() {
                [] => {},
                [one] => span.connector { span.plug { (one.id) } (status(one)) },
                [one, ..] => span.connector { span.plug { (free.len()) " ×" } (status(one)) },
            }
        }
    }
}

fn has_trouble(connector: &Connector) -> bool {
    connector.error_code.as_deref().is_some_and(|code| code != "NoError")
}

/// OCPP's word for how a connector is (OCPP 1.6 §7.7), with a shape.
pub(super) fn status(connector: &Connector) -> Markup {
    let (tone, shape) = match connector.status.as_str() {
        "Available" => (Tone::Plain, Icon::Ring),
        "Charging" => (Tone::Good, Icon::Bolt),
        "Faulted" => (Tone::Bad, Icon::Alert),
        "Unavailable" => (Tone::Warning, Icon::Cross),
        "Preparing" | "SuspendedEV" | "SuspendedEVSE" | "Finishing" | "Reserved" => {
            (Tone::Plain, Icon::Clock)
        }
        _ => (Tone::Plain, Icon::Ring),
    };
    let trouble = connector.error_code.as_deref().filter(|_| has_trouble(connector));
    html! {
        (badge(tone, shape, &shown(&connector.status)))
        @if let Some(trouble) = trouble { " " span.small { (shown(trouble)) } }
    }
}

fn running(one: &RunningTransaction, now: i64) -> Markup {
    html! {
        div title={ "Connector " (one.connector_id) ", since " (one.started_at) } {
            code { (shown(&one.id_tag)) }
            " " span.muted.small { "for " (duration(now - one.received_unix_ms)) }
        }
    }
}

/// Those that can be running: an older one on the same connector was never stopped, but is over.
pub(super) fn current(running: &[RunningTransaction]) -> Vec<&RunningTransaction> {
    let newest: BTreeMap<i64, &RunningTransaction> =
        running.iter().map(|one| (one.connector_id, one)).collect();
    newest.into_values().collect()
}

fn needs_a_look(charger: &ChargerSummary) -> bool {
    charger.diverging_24h > 0 || charger.waiting > 0 || charger.parked > 0
}

/// What somebody should look at, each with where.
pub(super) fn attention(charger: &ChargerSummary, now: i64) -> Markup {
    let proxy = charger_path(&charger.charger, "proxy");
    html! {
        div.badges {
            @if charger.parked > 0 {
                a.plain href=(proxy) title="Not sent by themselves any more: an operator decides" {
                    (badge(Tone::Bad, Icon::Alert, &format!("{} parked", charger.parked)))
                }
            }
            @if charger.waiting > 0 {
                a.plain href=(proxy) title="Messages that a server has not been told yet" {
                    (badge(Tone::Warning, Icon::Clock, &waiting(charger, now)))
                }
            }
            @if charger.diverging_24h > 0 {
                a.plain href=(charger_path(&charger.charger, "logs?outcome=differs")) title="Calls of the last 24 hours that a follower answered differently than the leader" {
                    (badge(Tone::Warning, Icon::Differs, &format!("{} diverging", charger.diverging_24h)))
                }
            }
        }
    }
}

fn waiting(charger: &ChargerSummary, now: i64) -> String {
    match charger.oldest_waiting_unix_ms {
        Some(oldest) => format!("{} waiting, {}", charger.waiting, duration(now - oldest)),
        None => format!("{} waiting", charger.waiting),
    }
}
