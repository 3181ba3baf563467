//! View > Logs: one row per call, with everyone's answer, the leader's first.

pub(crate) mod choice;
pub(crate) mod live;
mod nothing;
mod one;
mod page;
mod payload;
pub(crate) mod row;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use engine::{BackofficeId, ChargerId, Side, TraceId};
use jiff::Timestamp;
use maud::Markup;
use store::{CallsQuery, LoggedCall, LoggedOccurrence, StoreError};

use crate::access::Role;
use crate::access::guard::Visitor;
use crate::layout::{self, Tab};
use crate::limits::{OCCURRENCES, ROWS, SEARCHES};
use crate::pages::known;
use crate::reader::hides_cards;
use crate::refusal::Refusal;
use crate::state::AppState;
use choice::Choice;

/// A page with fewer rows goes on searching.
const ENOUGH: usize = 20;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/chargers/{charger}/logs", get(show)).route("/calls/{trace}", get(show_one))
}

async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(charger): Path<String>,
    Query(choice): Query<Choice>,
) -> Result<Markup, Refusal> {
    let (charger, _) = known(&state, &charger).await?;
    // The end is taken first: what is written in between is news.
    let cursor = state.unmasked().cursor().await?;
    let (calls, next) = search(&state, visitor.role, choice.query(&charger, Timestamp::now())).await?;
    let occurrences = occurrences(&state, visitor.role, &charger, &choice, &calls, next.is_some()).await?;
    let backoffices = backoffices(&state, &charger, &calls);
    let actions = state.unmasked().actions(&charger).await?;
    let logs = page::Logs {
        charger: &charger,
        choice: &choice,
        actions: &actions,
        backoffices: &backoffices,
        calls: &calls,
        occurrences: &occurrences,
        older: next.map(|next| choice.older(next, calls.last(), Timestamp::now())),
        cursor,
        is_online: state.view().is_online(&charger),
        hides_cards: hides_cards(visitor.role),
    };
    Ok(layout::charger_page(&state, &visitor, &charger, Tab::Logs, logs.body()))
}

async fn show_one(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(trace): Path<String>,
) -> Result<Markup, Refusal> {
    let call = match TraceId::try_from(trace) {
        Ok(trace) => state.reader(visitor.role).call(trace).await?,
        Err(_) => None,
    };
    let call = call.ok_or_else(|| {
        let remedy =
            "Calls are kept for as long as [log] in proxy.toml says. Search the charger's Logs for others.";
        Refusal::not_found("There is no such call", remedy)
    })?;
    Ok(layout::charger_page(&state, &visitor, &call.charger, Tab::Below, one::body(&call)))
}

/// Searches until there is something to look at; one answer of the store covers a bounded number of rows.
async fn search(
    state: &AppState,
    role: Role,
    query: CallsQuery,
) -> Result<(Vec<LoggedCall>, Option<i64>), StoreError> {
    let mut calls = Vec::new();
    let mut next = query.before;
    for _ in 0..SEARCHES {
        let query = CallsQuery { before: next, limit: ROWS - calls.len(), ..query.clone() };
        let page = state.reader(role).calls(query).await?;
        calls.extend(page.items);
        next = page.next;
        if next.is_none() || calls.len() >= ENOUGH {
            break;
        }
    }
    Ok((calls, next))
}

/// What happened in the time that the page covers: down to its last call, or to the beginning if there
/// are no more pages.
async fn occurrences(
    state: &AppState,
    role: Role,
    charger: &ChargerId,
    choice: &Choice,
    calls: &[LoggedCall],
    is_more: bool,
) -> Result<Vec<LoggedOccurrence>, StoreError> {
    let since = match (is_more, calls.last()) {
        (true, None) => return Ok(Vec::new()),
        (true, Some(last)) => Some(last.received_unix_ms),
        (false, _) => choice.since_unix_ms(Timestamp::now()),
    };
    let before = choice.before().map(|(_, unix_ms)| unix_ms - 1);
    let until = [before, choice.until_unix_ms()].into_iter().flatten().min();
    // A search looks at more than it shows.
    let looked_at = if choice.q.trim().is_empty() { OCCURRENCES } else { OCCURRENCES * 10 };
    let mut occurrences = state.reader(role).occurrences(charger, since, until, looked_at).await?;
    occurrences.retain(|occurrence| choice.shows(occurrence));
    occurrences.truncate(OCCURRENCES);
    Ok(occurrences)
}

/// Those of the plan, and those that the rows name.
fn backoffices(state: &AppState, charger: &ChargerId, calls: &[LoggedCall]) -> Vec<BackofficeId> {
    let mut found: Vec<BackofficeId> = calls
        .iter()
        .filter_map(|call| match &call.from {
            Side::Backoffice(backoffice) => Some(backoffice.clone()),
            Side::Charger => None,
        })
        .collect();
    if let Some(view) = state.view().plan(charger) {
        found.extend(view.plan.backoffices().cloned());
    }
    found.sort_unstable();
    found.dedup();
    found
}
