//! The pages, one file each. A page reads, and writes HTML; whatever it needs to know it asks the store's
//! browser and the gateway's view.

pub(crate) mod chargers;
pub(crate) mod knocking;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod proxy;
pub(crate) mod switch;
pub(crate) mod transactions;
pub(crate) mod why;

use axum::http::StatusCode;
use engine::ChargerId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use store::{ChargerSummary, Knocking};

use crate::access::Role;
use crate::layout;
use crate::privacy;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::words::entrance::why_refused;
use crate::words::shown;

/// Where it is told why this card was rejected; the address has no number that is hidden.
pub(crate) fn why_address(charger: &ChargerId, id_tag: &str) -> String {
    let id_tag = if privacy::is_masked(id_tag) { "" } else { id_tag };
    let id_tag = utf8_percent_encode(id_tag, NON_ALPHANUMERIC);
    format!("{}?id_tag={id_tag}", layout::charger_path(charger, "cards"))
}

/// The charger of an address, as it spells itself, and what is remembered of it; a page that explains
/// when there is none.
pub(crate) async fn known(
    state: &AppState,
    said: &str,
) -> Result<(ChargerId, Option<ChargerSummary>), Refusal> {
    let said = ChargerId::from(said);
    if let Some(summary) = state.reader(Role::Viewer).charger(&said).await? {
        return Ok((summary.charger.clone(), Some(summary)));
    }
    if state.view().is_online(&said) {
        return Ok((said, None));
    }
    if let Some(one) = state.view().turned_away(&said) {
        return Ok((one.charger, None));
    }
    if let Some(one) = state.view().knocks(&said) {
        return Err(not_let_in(state, &one));
    }
    let remedy = "A charger is known from its first connection on. Check the spelling, or search for a part of \
                  it in the list of chargers.";
    Err(Refusal::new(StatusCode::NOT_FOUND, format!("No charger {said} has ever connected"), remedy))
}

/// Instead of the page of a charger that knocks.
fn not_let_in(state: &AppState, one: &Knocking) -> Refusal {
    let (times, why) =
        (knocking::times(one.times), why_refused(state.view().terms(&one.charger).as_ref(), one.why));
    let remedy = format!(
        "It asked {times}, last from {}, and was refused. {why} Its pages are here from the moment on at which it comes in.",
        one.address
    );
    let what = format!("{} asked to be let in and is not", shown(one.charger.as_str()));
    let way = Some((knocking::address(one.charger.as_str(), None), "See it under Knocking"));
    Refusal { way, ..Refusal::not_found(what, remedy) }
}
