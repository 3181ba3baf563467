//! Admit: what the rule asks of the charger, with a new key or without, and the key, shown once.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use engine::ChargerId;
use gateway::{AdmitError, SecurityProfile, TermsView, new_charger};
use maud::{Markup, html};
use serde::Deserialize;
use store::{Admission, new_key};

use super::orders::refused;
use crate::access::guard::Visitor;
use crate::layout::{self, Frame, Section, copyable, moment};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::words::{self, shown};

#[derive(Debug, Deserialize)]
pub(super) struct Candidate {
    charger: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    charger: String,
    /// `new` or `none`.
    key: String,
    /// When it was admitted before, as the page with the question showed it; 0 if it was not. A form that is
    /// sent twice must not replace a key that somebody has typed into a charger by then.
    #[serde(default)]
    before: i64,
}

/// Says what is asked of the charger, and asks with which key it is let in.
pub(super) async fn confirm(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(candidate): Query<Candidate>,
) -> Result<Markup, Refusal> {
    if !visitor.may_order() {
        return Err(Refusal::viewer());
    }
    let charger = new_charger(&candidate.charger).map_err(refused)?;
    let terms = terms(&state, &charger)?;
    let former = admission(&state, &charger);
    let before = former.as_ref().map_or(0, |former| former.unix_ms);
    let by_certificate = terms.profile == SecurityProfile::ClientCertificate;
    let may_go_without = matches!(terms.profile, SecurityProfile::None | SecurityProfile::ClientCertificate);
    let content = html! {
        nav.crumbs aria-label="Where you are" { a href="/knocking" { "Knocking" } span aria-hidden="true" { "/" } }
        section.card.reason {
            h1 { "Admit " span.identity { (shown(charger.as_str())) } }
            ul.plainlist {
                li { "Its rule in proxy.toml is " code { (terms.rule) } ". By that it must come with " (words::entrance::asks(terms.profile)) "." }
                @if by_certificate {
                    li { "It proves who it is with its certificate: no key is given out." }
                }
                @if let Some(former) = &former {
                    li { strong { "It is admitted already" } ", by " (shown(&former.by)) " at " (moment(former.unix_ms)) ". "
                        @if former.key.is_some() { "With a new key the one it has opens no more, from its next connection on." }
                        @else { "So far it is asked for no key; once it has one it must send it." }
                    }
                }
                li { "From then on backoffices hear of it, and it may charge. It is kept with your name and the time." }
            }
            div.actions {
                @if !by_certificate { (choice(&visitor, &charger, before, "new", "Admit with a new key", true)) }
                @if may_go_without { (choice(&visitor, &charger, before, "none", if by_certificate { "Admit" } else { "Admit without a key" }, by_certificate)) }
                a.button.quiet href="/knocking" { "Cancel" }
            }
            @if may_go_without && !by_certificate {
                p.muted.small { "Without a key whoever knows the identity is taken for this charger. Choose that in a closed network alone, or for a charger that cannot be given a key." }
            }
        }
    };
    Ok(layout::page(
        &Frame { title: "Admit a charger", active: Section::Knocking, visitor: &visitor },
        content,
    ))
}

fn choice(
    visitor: &Visitor,
    charger: &ChargerId,
    before: i64,
    key: &str,
    word: &str,
    is_first: bool,
) -> Markup {
    html! {
        form method="post" action="/knocking/admit" data-once {
            (layout::csrf(visitor))
            input type="hidden" name="charger" value=(charger);
            input type="hidden" name="before" value=(before);
            input type="hidden" name="key" value=(key);
            button.primary[is_first] type="submit" { (word) }
        }
    }
}

/// Lets it in, and shows its key this once.
pub(super) async fn admit(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(wish): Form<Wish>,
) -> Result<Markup, Refusal> {
    let charger = new_charger(&wish.charger).map_err(refused)?;
    let terms = terms(&state, &charger)?;
    let with_key = match wish.key.as_str() {
        "new" if terms.profile != SecurityProfile::ClientCertificate => true,
        "new" | "none" => false,
        _ => {
            let remedy = "Nothing was changed. It is admitted with a new key (new) or without one (none).";
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "There is no such order", remedy));
        }
    };
    let _one_at_a_time = state.admitting().await;
    if admission(&state, &charger).map_or(0, |former| former.unix_ms) != wish.before {
        let remedy = "Nothing was changed: it was admitted or removed since the page with the question was \
                      opened, perhaps by this very form. A key is shown once; if it is lost, make a new one.";
        return Err(Refusal::new(StatusCode::CONFLICT, "This form is out of date", remedy));
    }
    let key = with_key.then(new_key);
    state.view().admit(&charger, key.as_deref(), &visitor.name).await.map_err(refused)?;
    tracing::info!(%charger, with_key, by = visitor.name, "an operator admits a charger");
    let content = html! {
        nav.crumbs aria-label="Where you are" { a href="/knocking" { "Knocking" } span aria-hidden="true" { "/" } }
        section.card {
            h1 { span.identity { (shown(charger.as_str())) } " is let in from now on" }
            @match &key {
                Some(key) => (shown_once(key, &terms)),
                None if terms.profile == SecurityProfile::ClientCertificate => p { "It proves who it is with its certificate." },
                None => p { "It is asked for no key." },
            }
            p.actions { a.button href="/knocking" { "Done" } }
        }
    };
    Ok(layout::page(&Frame { title: "Admitted", active: Section::Knocking, visitor: &visitor }, content))
}

/// The key, and what to type where.
fn shown_once(key: &str, terms: &TermsView) -> Markup {
    html! {
        div.notice.warning { p { strong { "This is its key. It is shown this once" } ", and nobody can read it out of the proxy afterwards." } }
        dl.facts.key {
            dt { "Password (AuthorizationKey)" } dd { (copyable(key)) }
            dt { "User name" } dd { (copyable(&terms.user)) }
        }
        p { "Type both into the charger's settings for its backoffice. It may ask for the security profile, too: "
            @if terms.profile == SecurityProfile::TlsWithBasic { "2, and an address that begins with " code { "wss://" } "." }
            @else { "1, or 2 with an address that begins with " code { "wss://" } "." }
            " If it takes the password as text only, type it as it stands here; it is recognised." }
        p.muted { "Until the charger sends it, it is refused. If the key is lost, make a new one." }
    }
}

fn terms(state: &AppState, charger: &ChargerId) -> Result<TermsView, Refusal> {
    state.view().terms(charger).ok_or_else(|| refused(AdmitError::NoRule(charger.clone())))
}

/// The operator's word by which it is let in already.
pub(super) fn admission(state: &AppState, charger: &ChargerId) -> Option<Admission> {
    let mut admitted = state.view().entrance().admitted.into_iter().map(|(admission, _)| admission);
    admitted.find(|one| one.charger.as_str().eq_ignore_ascii_case(charger.as_str()))
}
