//! Forget, remove, allow without TLS: orders that need no further question.

use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Redirect;
use engine::ChargerId;
use gateway::{AdmitError, new_charger};
use maud::{Markup, html};
use serde::Deserialize;

use crate::access::guard::Visitor;
use crate::layout;
use crate::refusal::Refusal;
use crate::state::AppState;

#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    charger: String,
}

/// A form that is one button.
pub(super) fn button(
    visitor: &Visitor,
    what: &str,
    charger: &ChargerId,
    word: &str,
    question: Option<&str>,
) -> Markup {
    html! {
        form method="post" action={ "/knocking/" (what) } {
            (layout::csrf(visitor))
            input type="hidden" name="charger" value=(charger);
            button.compact.danger[what == "remove"] type="submit" data-confirm=[question] aria-label={ (word) " " (charger) } { (word) }
        }
    }
}

/// What was done, by the word in the address.
pub(super) fn said(done: &str) -> Option<&'static str> {
    match done {
        "forgotten" => Some("It is off the list. If it knocks again it stands here again."),
        "removed" => {
            Some("It is let in no more, unless proxy.toml lets it in. If it was connected it is sent away.")
        }
        "plain" => {
            Some("It may come without TLS, unless its rule wants TLS. Once it comes with TLS, it must again.")
        }
        _ => None,
    }
}

pub(super) async fn forget(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(wish): Form<Wish>,
) -> Result<Redirect, Refusal> {
    let charger = new_charger(&wish.charger).map_err(refused)?;
    state.view().forget_knocks(&charger, &visitor.name).await.map_err(refused)?;
    Ok(Redirect::to("/knocking?done=forgotten"))
}

pub(super) async fn remove(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(wish): Form<Wish>,
) -> Result<Redirect, Refusal> {
    let charger = new_charger(&wish.charger).map_err(refused)?;
    tracing::info!(%charger, by = visitor.name, "an operator lets a charger in no more");
    state.view().remove(&charger, &visitor.name).await.map_err(refused)?;
    Ok(Redirect::to("/knocking?done=removed"))
}

pub(super) async fn allow_plain(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(wish): Form<Wish>,
) -> Result<Redirect, Refusal> {
    let charger = new_charger(&wish.charger).map_err(refused)?;
    tracing::info!(%charger, by = visitor.name, "an operator lets a charger come without TLS");
    state.view().allow_plain(&charger, &visitor.name).await.map_err(refused)?;
    Ok(Redirect::to("/knocking?done=plain"))
}

/// An order that cannot be carried out.
pub(super) fn refused(error: AdmitError) -> Refusal {
    let status = match &error {
        AdmitError::NoIdentity(..) => StatusCode::UNPROCESSABLE_ENTITY,
        AdmitError::NoRule(_) | AdmitError::NeedsKey(_) => StatusCode::CONFLICT,
        AdmitError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let remedy = match &error {
        AdmitError::NoIdentity(..) => "Write it as the charger does in the address that it dials.",
        AdmitError::NoRule(_) => "Give proxy.toml a rule whose match fits it.",
        AdmitError::NeedsKey(_) => "Go back and choose a new key.",
        AdmitError::Store(_) => "Look at the log of the program and at its disk; then try again.",
    };
    Refusal::new(status, "Nobody was admitted or removed", format!("Nothing was changed: {error}. {remedy}"))
}
