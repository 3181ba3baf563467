//! Transactions, running and past: everyone's number, the energy, and what backoffices must still be told.

mod row;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use engine::ChargerId;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use store::TransactionsQuery;

use crate::access::Role;
use crate::access::guard::Visitor;
use crate::layout::{self, Frame, Icon, Section, Tab, charger_path, empty, icon, now_unix_ms};
use crate::limits::ROWS;
use crate::pages::known;
use crate::reader::hides_cards;
use crate::refusal::Refusal;
use crate::state::AppState;

/// A card's number is cut here; OCPP 1.6 has 20 characters.
const LONGEST_TAG: usize = 255;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/transactions", get(show_all))
        .route("/chargers/{charger}/transactions", get(show_one))
}

/// Which transactions, as it stands in the address. Whatever is not understood is left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Choice {
    /// Of this card.
    id_tag: String,
    /// `running` leaves out those that have ended.
    which: String,
    /// Where the page begins.
    before: String,
}

impl Choice {
    fn query(&self, charger: Option<ChargerId>) -> TransactionsQuery {
        let tag: String = self.id_tag.trim().chars().take(LONGEST_TAG).collect();
        TransactionsQuery {
            charger,
            running_only: self.which == "running",
            id_tag: Some(tag).filter(|tag| !tag.is_empty()),
            before: self.before.parse().ok(),
            limit: ROWS,
        }
    }

    fn address(&self, address: &str) -> String {
        let filled = [("id_tag", &self.id_tag), ("which", &self.which), ("before", &self.before)];
        let filled: Vec<_> = filled.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        match serde_urlencoded::to_string(&filled) {
            Ok(parameters) if !parameters.is_empty() => format!("{address}?{parameters}"),
            _ => address.to_owned(),
        }
    }
}

async fn show_all(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(choice): Query<Choice>,
) -> Result<Markup, Refusal> {
    let content = list(&state, visitor.role, None, &choice, "/transactions").await?;
    let frame = Frame { title: "Transactions", active: Section::Transactions, visitor: &visitor };
    Ok(layout::page(
        &frame,
        html! {
            div.titleline { h1 { "Transactions" } p.muted { "Charging sessions of all chargers, those begun last first" } }
            (content)
        },
    ))
}

async fn show_one(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(charger): Path<String>,
    Query(choice): Query<Choice>,
) -> Result<Markup, Refusal> {
    let (charger, _) = known(&state, &charger).await?;
    let address = charger_path(&charger, "transactions");
    let content = list(&state, visitor.role, Some(charger.clone()), &choice, &address).await?;
    Ok(layout::charger_page(&state, &visitor, &charger, Tab::Transactions, content))
}

async fn list(
    state: &AppState,
    role: Role,
    charger: Option<ChargerId>,
    choice: &Choice,
    address: &str,
) -> Result<Markup, Refusal> {
    let of_one = charger.is_some();
    let page = state.reader(role).transactions(choice.query(charger)).await?;
    let now = now_unix_ms();
    let older = page.next.map(|next| Choice { before: next.to_string(), ..choice.clone() });
    let newest = Choice { before: String::new(), ..choice.clone() };
    Ok(html! {
        (search(choice, address, hides_cards(role)))
        @if page.items.is_empty() && older.is_none() { (nothing(choice, address)) }
        @else {
            table.rows.transactions {
                thead { tr {
                    th scope="col" { "Begun" }
                    @if !of_one { th scope="col" { "Charger" } }
                    th scope="col" { "Connector" }
                    th scope="col" { "Card" }
                    th scope="col" { "State" }
                    th.num scope="col" { "Energy" }
                    th scope="col" { "Charger’s number" }
                    th scope="col" { "Backoffices: their number, their answer, what they were told" }
                    th scope="col" { span.visually-hidden { "Log" } }
                } }
                tbody { @for listed in &page.items { (row::row(listed, of_one, now)) } }
            }
        }
        @if older.is_some() || !choice.before.is_empty() {
            nav.pages aria-label="Pages" {
                @if !choice.before.is_empty() { a.button href=(newest.address(address)) { "Newest" } }
                @if let Some(older) = &older { a.button href=(older.address(address)) rel="next" { "Older" } }
            }
        }
    })
}

fn search(choice: &Choice, address: &str, hides_cards: bool) -> Markup {
    html! {
        form.filters action=(address) method="get" role="search" {
            @if !hides_cards {
                div.search {
                    (icon(Icon::Search))
                    input type="search" name="id_tag" value=(choice.id_tag) maxlength="255" autocomplete="off" spellcheck="false"
                        aria-label="Card number (idTag)" placeholder="Card number (idTag)";
                    kbd aria-hidden="true" { "/" }
                }
            }
            select name="which" aria-label="Which" {
                option value="" selected[choice.which != "running"] { "running and past" }
                option value="running" selected[choice.which == "running"] { "running only" }
            }
            button type="submit" { "Search" }
        }
    }
}

fn nothing(choice: &Choice, address: &str) -> Markup {
    if choice.id_tag.is_empty() && choice.which.is_empty() && choice.before.is_empty() {
        return empty(
            "No transactions yet",
            html! { "One appears here as soon as a charger reports StartTransaction." },
        );
    }
    empty("No such transactions", html! { a href=(address) { "Show all, running and past" } })
}
