//! Knocking: chargers that asked to be let in and were not, those that are let in, and an operator's word
//! about either.

mod admit;
mod orders;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use engine::ChargerId;
use gateway::{KnownCharger, TermsView};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use store::{AdmissionChange, Knocking};

use crate::access::guard::Visitor;
use crate::layout::{self, Frame, Icon, Section, Tone, ago, badge, charger_path, icon, moment};
use crate::limits::{ADMISSIONS_SHOWN, ROWS};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::words::{self, shown};

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/knocking", get(show))
        .route("/knocking/admit", get(admit::confirm).post(admit::admit))
        .route("/knocking/forget", post(orders::forget))
        .route("/knocking/remove", post(orders::remove))
        .route("/knocking/allow-plain", post(orders::allow_plain))
}

#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    /// The last charger of the page before.
    #[serde(default)]
    after: String,
    /// What was ordered just now.
    #[serde(default)]
    done: String,
}

async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Refusal> {
    let search = asked.q.trim().to_lowercase();
    let matches = |charger: &ChargerId, address: &str| {
        charger.as_str().to_lowercase().contains(&search) || address.contains(&search)
    };
    let entrance = state.view().entrance();
    let (mut knocking, mut turned_away) = (entrance.knocking, entrance.turned_away);
    let all = knocking.len();
    knocking.retain(|one| matches(&one.charger, &one.address));
    turned_away.retain(|one| matches(&one.charger, &one.address));
    let more_turned_away = turned_away.len().saturating_sub(ROWS);
    turned_away.truncate(ROWS);
    let more = knocking.len().saturating_sub(ROWS);
    knocking.truncate(ROWS);
    let (known, next) = page_of_known(&state, &search, &asked.after, ROWS);
    let history = state.unmasked().admission_history(ADMISSIONS_SHOWN).await?;
    let now = layout::now_unix_ms();
    let content = html! {
        @if let Some(done) = orders::said(&asked.done) { div.notice.good role="status" { p { (done) } } }
        div.titleline {
            h1 { "Knocking" }
            p.tally { (all) " not let in" }
        }
        p.lede {
            "Chargers that asked to be let in and were refused, because nobody has named them in "
            code { "proxy.toml" } " or admitted them here, or because no rule there matches them. Admit those that you know; \
             where no rule matches, " code { "proxy.toml" } " needs one first. The others do no harm."
        }
        form.filters method="get" action="/knocking" role="search" {
            div.search {
                (icon(Icon::Search))
                input type="search" name="q" value=(asked.q) placeholder="Identity or address" aria-label="Search" autocomplete="off" spellcheck="false" data-search;
                kbd aria-hidden="true" { "/" }
            }
            button type="submit" { "Search" }
            @if !search.is_empty() { a.button.quiet href="/knocking" { "Show all" } }
        }
        @if knocking.is_empty() {
            (layout::empty(
                if search.is_empty() { "Nobody knocks" } else { "None of those who knock matches" },
                html! { "A charger stands here once it has dialed the proxy under an identity that nobody has admitted." },
            ))
        } @else {
            (strangers(&state, &knocking, &visitor, now))
            @if more > 0 { p.muted { (more) " more knock; search for the one that you mean." } }
        }
        @if !turned_away.is_empty() {
            h2 { "Turned away" }
            p { "Chargers that are expected and failed to prove who they are, or others that call themselves so. Whoever comes in from the same address is off this list." }
            (failed(&turned_away, &visitor, now))
            @if more_turned_away > 0 { p.muted { (more_turned_away) " more were turned away; search for the one that you mean." } }
        }
        h2 { "Let in" }
        p { "Chargers that an operator has admitted, and others that have proved who they are. Besides, "
            code { "proxy.toml" } " lets in whom it names, and where it says "
            code { "unknown_chargers = \"admit\"" } " whoever matches." }
        @if known.is_empty() {
            p.muted { "None." }
        } @else {
            (let_in(&known, &visitor))
            div.pages {
                @if !asked.after.is_empty() { a href=(address(&asked.q, None)) { "First page" } }
                @if let Some(next) = &next { a.button href=(address(&asked.q, Some(next))) rel="next" { "Next page" } }
            }
        }
        @if visitor.may_order() {
            form.filters.another method="get" action="/knocking/admit" {
                label { "Admit one that has not knocked"
                    input type="text" name="charger" required maxlength="255" placeholder="Its identity" autocomplete="off" spellcheck="false";
                }
                button type="submit" { "Admit…" }
            }
        }
        (orders(&history))
    };
    Ok(layout::page(&Frame { title: "Knocking", active: Section::Knocking, visitor: &visitor }, content))
}

/// Those after `after` whose identity has every term of `search` in it, and whom to ask after for the rest.
pub(crate) fn page_of_known(
    state: &AppState,
    search: &str,
    after: &str,
    most: usize,
) -> (Vec<KnownCharger>, Option<ChargerId>) {
    let key = |charger: &ChargerId| charger.as_str().to_lowercase();
    let after = after.to_lowercase();
    let mut known = state.view().known_chargers();
    let fits = |key: &str| search.split_whitespace().all(|term| key.contains(term));
    known.retain(|one| key(&one.charger) > after && fits(&key(&one.charger)));
    let is_more = known.len() > most;
    known.truncate(most);
    let next = is_more.then(|| known.last().map(|one| one.charger.clone())).flatten();
    (known, next)
}

pub(crate) fn address(search: &str, after: Option<&ChargerId>) -> String {
    let after = after.map(|after| format!("&after={}", encoded(after.as_str()))).unwrap_or_default();
    format!("/knocking?q={}{after}", encoded(search))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The way to admit a charger.
fn admit_address(charger: &ChargerId) -> String {
    format!("/knocking/admit?charger={}", encoded(charger.as_str()))
}

fn strangers(state: &AppState, knocking: &[Knocking], visitor: &Visitor, now: i64) -> Markup {
    html! {
        table.rows.knocking {
            thead { tr {
                th scope="col" { "Charger" }
                th scope="col" { "From" }
                th scope="col" { "Knocked" }
                th scope="col" { "Sent" }
                th scope="col" { "Why it is refused" }
                th scope="col" { "Rule" }
                th scope="col" { span.visually-hidden { "Orders" } }
            } }
            tbody {
                @for one in knocking {
                    @let terms = state.view().terms(&one.charger);
                    tr {
                        td { div { span.name { (shown(one.charger.as_str())) } } }
                        td data-label="From" { code { (one.address) } }
                        td data-label="Knocked" { div { (times(one.times)) ", last " (ago(one.last_unix_ms, now)) span.sub { "first " (moment(one.first_unix_ms)) } } }
                        td data-label="Sent" { @if one.sent_credentials { "a user name and password" } @else { "no password" } }
                        td data-label="Why" { (words::entrance::why_refused(terms.as_ref(), one.why)) }
                        td data-label="Rule" { (rule(terms.as_ref())) }
                        td.go { @if visitor.may_order() { div.deliveries {
                            @if terms.is_some() { a.button.compact.primary href=(admit_address(&one.charger)) aria-label={ "Admit " (one.charger) } { "Admit…" } }
                            (orders::button(visitor, "forget", &one.charger, "Forget", None))
                        } } }
                    }
                }
            }
        }
    }
}

fn failed(all: &[Knocking], visitor: &Visitor, now: i64) -> Markup {
    html! {
        table.rows.turnedaway {
            thead { tr {
                th scope="col" { "Charger" }
                th scope="col" { "From" }
                th scope="col" { "Turned away" }
                th scope="col" { "What was wrong" }
                th scope="col" { "What to do" }
                th scope="col" { span.visually-hidden { "Orders" } }
            } }
            tbody {
                @for one in all {
                    tr {
                        td { div { a.name href=(charger_path(&one.charger, "")) { (shown(one.charger.as_str())) } } }
                        td data-label="From" { code { (one.address) } }
                        td data-label="Turned away" { div { (times(one.times)) ", last " (ago(one.last_unix_ms, now)) span.sub { "first " (moment(one.first_unix_ms)) } } }
                        td data-label="What was wrong" { (words::entrance::turned_away(one)) }
                        td data-label="What to do" { (words::entrance::remedy(one.why)) }
                        td.go { @if visitor.may_order() { div.deliveries {
                            (orders::button(visitor, "forget", &one.charger, "Forget", None))
                        } } }
                    }
                }
            }
        }
    }
}

pub(crate) fn times(times: u64) -> String {
    if times == 1 { "once".to_owned() } else { format!("{times} times") }
}

fn rule(terms: Option<&TermsView>) -> Markup {
    html! { @match terms { Some(terms) => code { (terms.rule) }, None => span.muted { "none" } } }
}

fn let_in(known: &[KnownCharger], visitor: &Visitor) -> Markup {
    html! {
        table.rows.letin {
            thead { tr {
                th scope="col" { "Charger" }
                th scope="col" { "Let in by" }
                th scope="col" { "Key" }
                th scope="col" { "Came last with" }
                th scope="col" { "TLS" }
                th scope="col" { span.visually-hidden { "Orders" } }
            } }
            tbody {
                @for one in known {
                    @let over_tls = one.login.as_ref().is_some_and(|login| login.over_tls);
                    tr {
                        td { div { @if one.login.is_some() { a.name href=(charger_path(&one.charger, "")) { (shown(one.charger.as_str())) } } @else { span.name { (shown(one.charger.as_str())) } } } }
                        td data-label="Let in by" { @match &one.admission {
                            Some(admission) => div { (shown(&admission.by)) span.sub { (moment(admission.unix_ms)) } },
                            None => "proxy.toml",
                        } }
                        td data-label="Key" { @match &one.admission {
                            Some(admission) if admission.key.is_some() => "given out",
                            Some(_) => "none asked for",
                            None => "as proxy.toml says",
                        } }
                        td data-label="Came last with" { (words::entrance::login(one.login.as_ref())) }
                        td data-label="TLS" { @if over_tls {
                            div { (badge(Tone::Good, Icon::Check, "pinned")) span.sub { "without TLS it is refused" } }
                        } @else { span.muted { "not pinned" } } }
                        td.go { @if visitor.may_order() { div.deliveries {
                            @if over_tls { (orders::button(visitor, "allow-plain", &one.charger, "Allow without TLS", Some("Let it come without TLS once more? Its key and everything it says can then be read on the way."))) }
                            @if one.admission.is_some() {
                                a.button.compact href=(admit_address(&one.charger)) aria-label={ "New key for " (one.charger) } { "New key…" }
                                (orders::button(visitor, "remove", &one.charger, "Remove", Some("Let it in no more? If it is connected it is sent away.")))
                            }
                        } } }
                    }
                }
            }
        }
    }
}

fn orders(history: &[AdmissionChange]) -> Markup {
    html! {
        h2 { "What was ordered" }
        @if history.is_empty() {
            p.muted { "Nobody has admitted or removed a charger here yet." }
        } @else {
            table.rows {
                thead { tr { th scope="col" { "When" } th scope="col" { "Charger" } th scope="col" { "What" } th scope="col" { "By" } } }
                tbody {
                    @for change in history {
                        tr {
                            td data-label="When" { (moment(change.unix_ms)) }
                            td data-label="Charger" { (shown(change.charger.as_str())) }
                            td data-label="What" { (words::entrance::order(&change.what, change.with_key)) }
                            td data-label="By" { (shown(&change.by)) }
                        }
                    }
                }
            }
        }
    }
}
