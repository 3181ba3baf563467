//! Make leader: what it will mean, why it is done, and the order itself.

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use engine::{BackofficeId, ChargerId, PeerState, Plan, TransactionRow, VerdictRule};
use gateway::{LiveLink, PlanView, SetLeaderError};
use maud::{Markup, html};
use serde::Deserialize;
use store::TransactionsQuery;

use crate::access::guard::Visitor;
use crate::layout::{self, Tab, charger_path, when};
use crate::limits::{REASON_CHARACTERS, ROWS};
use crate::pages::known;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::words::shown;

#[derive(Debug, Deserialize)]
pub(super) struct Candidate {
    /// Empty: whom `proxy.toml` names.
    #[serde(default)]
    to: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    /// Empty: whom `proxy.toml` names.
    #[serde(default)]
    backoffice: String,
    #[serde(default)]
    reason: String,
}

/// Says what will happen, and asks why.
pub(super) async fn confirm(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(said): Path<String>,
    Query(candidate): Query<Candidate>,
) -> Result<Markup, Refusal> {
    if !visitor.may_order() {
        return Err(Refusal::viewer());
    }
    let (charger, _) = known(&state, &said).await?;
    let plan = state
        .view()
        .plan(&charger)
        .ok_or_else(|| refused(SetLeaderError::UnknownCharger(charger.clone())))?;
    let to = match candidate.to.as_str() {
        "" => plan.file_leader.clone(),
        to => BackofficeId::from(to),
    };
    if !plan.plan.names(&to) {
        let remedy = format!(
            "The rule {:?} in proxy.toml does not name it. Choose one of the charger's servers.",
            plan.rule
        );
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            format!("{} cannot lead this charger", shown(to.as_str())),
            remedy,
        ));
    }
    let query = TransactionsQuery {
        charger: Some(charger.clone()),
        running_only: true,
        limit: ROWS,
        ..Default::default()
    };
    let running = state.reader(visitor.role).transactions(query).await?;
    let running: Vec<_> =
        running.items.into_iter().map(|listed| listed.row).filter(|row| !row.superseded).collect();
    let is_back = candidate.to.is_empty();
    let back = charger_path(&charger, "proxy");
    let content = html! {
        section.card.reason {
            h2 { @if is_back { "Let proxy.toml decide again: " (to) " leads" } @else { "Make " (to) " leader" } }
            (consequences(&plan, &to))
            (link(&state, &charger, &to).await)
            (transactions(&running, &to, &plan.plan.leader))
            form.reason method="post" action=(charger_path(&charger, "leader")) {
                (layout::csrf(&visitor))
                @if !is_back { input type="hidden" name="backoffice" value=(to); }
                label {
                    "Why? It is kept with your name and the time."
                    input type="text" name="reason" required maxlength=(REASON_CHARACTERS) autocomplete="off" placeholder="For example: contract moves to them today";
                }
                div.actions {
                    button.primary type="submit" { @if is_back { "Go back to proxy.toml" } @else { "Make " (to) " leader" } }
                    a.button.quiet href=(back) { "Cancel" }
                }
            }
        }
    };
    Ok(layout::charger_page(&state, &visitor, &charger, Tab::Below, content))
}

fn consequences(plan: &PlanView, to: &BackofficeId) -> Markup {
    let former = &plan.plan.leader;
    html! {
        ul.plainlist {
            @if former == to {
                li { strong { (to) } " leads already; nothing changes for the charger." }
            } @else {
                li {
                    "From then on the charger gets the answers of " strong { (to) } ", which may start and stop transactions"
                    @if decides_alone(&plan.plan) { " and decides about cards" } "."
                }
                li {
                    strong { (former) } " stays connected and follows: it still hears everything"
                    @if decides_alone(&plan.plan) { ", but no longer decides." }
                    @else { ". Who decides about cards stays as proxy.toml says, and so does whether " (former) " does." }
                }
                li { "It happens between two messages, usually at once. The charger does not reconnect and notices nothing." }
            }
            li { "It holds until somebody changes it here or on the command line, also after a restart. " code { "proxy.toml" } " is not touched." }
        }
    }
}

fn decides_alone(plan: &Plan) -> bool {
    plan.cards.rule == VerdictRule::LeaderOnly && plan.cards.routes.is_empty()
}

/// Whether the new leader is there at all.
async fn link(state: &AppState, charger: &ChargerId, to: &BackofficeId) -> Markup {
    let live = state.view().charger(charger).await;
    let link =
        live.as_ref().and_then(|live| live.backoffices.iter().find(|one| one.id == *to)).map(|one| &one.link);
    html! {
        @match link {
            None if live.is_none() => div.notice { p { "The charger is offline. The choice holds from its next connection on." } },
            Some(LiveLink::Up { .. }) => {},
            _ => div.notice.bad { p {
                strong { (to) " is not connected now." }
                " Until it is, the charger is served as when its leader is away (on_leader_lost in proxy.toml)."
            } },
        }
    }
}

/// What happens to what is running (semantics T-70 to T-72).
fn transactions(running: &[TransactionRow], to: &BackofficeId, former: &BackofficeId) -> Markup {
    html! {
        h3 { "Running transactions" }
        @if running.is_empty() {
            p { "None is running now." }
        } @else {
            p { "They go on. The charger keeps the number it has; the proxy puts it into " strong { (to) } "'s own. "
                strong { (former) } " keeps its number and hears of the end, so that it can bill its part." }
            table.rows {
                thead { tr { th scope="col" { "Connector" } th scope="col" { "Card" } th scope="col" { "Since" } th scope="col" { "What " (to) " knows" } } }
                tbody {
                    @for row in running {
                        tr {
                            td data-label="Connector" { (row.connector_id) }
                            td data-label="Card" { (layout::copyable(&shown(&row.id_tag))) }
                            td data-label="Since" { (when(&shown(&row.started_at))) }
                            td data-label=(format!("{to} knows")) { (knows(row, to)) }
                        }
                    }
                }
            }
        }
    }
}

fn knows(row: &TransactionRow, to: &BackofficeId) -> String {
    let Some(peer) = row.peers.get(to) else {
        return "nothing yet; it is told the start first".to_owned();
    };
    match (peer.state, &peer.number, peer.status.as_deref()) {
        (PeerState::Mapped, Some(number), Some(status)) if status != "Accepted" => {
            format!("it, under its number {}, and would have refused the card ({})", number.0, shown(status))
        }
        (PeerState::Mapped, Some(number), _) => format!("it, under its number {}", number.0),
        (PeerState::Failed, ..) => "it did not take the start; it may not bill it".to_owned(),
        _ => "it is being told the start".to_owned(),
    }
}

/// Sets it, and shows the result.
pub(super) async fn set(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(said): Path<String>,
    Form(wish): Form<Wish>,
) -> Result<Redirect, Refusal> {
    let (charger, _) = known(&state, &said).await?;
    let reason = wish.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARACTERS {
        let remedy =
            format!("Nothing was changed. Go back and say why, in at most {REASON_CHARACTERS} characters.");
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "A reason is needed", remedy));
    }
    let leader = (!wish.backoffice.is_empty()).then(|| BackofficeId::from(wish.backoffice.as_str()));
    tracing::info!(%charger, leader = ?leader, by = visitor.name, reason, "an operator says who leads");
    state.view().set_leader(&charger, leader, &visitor.name, reason).await.map_err(refused)?;
    Ok(Redirect::to(&charger_path(&charger, "proxy")))
}

fn refused(error: SetLeaderError) -> Refusal {
    let status = match error {
        SetLeaderError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    Refusal::new(status, "The leader was not changed", format!("Nothing was changed: {error}."))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::{Follower, Role};
    use gateway::LeaderSource;

    use super::*;

    #[test]
    fn who_decides_about_cards_is_said_once() {
        let said = |rule| {
            let followers = vec![Follower::new("acme".into(), Role::Control)];
            let mut plan = Plan::new("volt".into(), followers);
            plan.cards.rule = rule;
            let view = PlanView {
                plan: Arc::new(plan),
                file_leader: "volt".into(),
                overridden: None,
                leader_source: LeaderSource::Portal,
                rule: "*".to_owned(),
            };
            consequences(&view, &"acme".into()).into_string()
        };
        let (alone, together) = (said(VerdictRule::LeaderOnly), said(VerdictRule::AnyAccept));
        assert!(alone.contains("but no longer decides") && !alone.contains("stays as"), "{alone}");
        assert!(together.contains("stays as") && !together.contains("no longer decides"), "{together}");
    }
}
