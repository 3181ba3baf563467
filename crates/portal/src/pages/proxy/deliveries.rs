//! What one server has not been told yet, message by message; and what becomes of it.

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use engine::BackofficeId;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use store::{DeliveryOrder, ListedDelivery, OrderWhat, Ordered};

use crate::access::guard::Visitor;
use crate::lanes::meaning_of_parked;
use crate::layout::{self, Icon, Tab, Tone, ago, badge, charger_path};
use crate::limits::DELIVERIES_SHOWN;
use crate::pages::known;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::words::{meaning_of_action, shown};

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    backoffice: String,
    /// What was ordered just now.
    #[serde(default)]
    done: Option<u64>,
    /// What was ordered is not carried out yet.
    #[serde(default)]
    pending: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    backoffice: String,
    /// `retry` or `drop`.
    what: String,
    /// One message; without, all of them when they are tried again.
    #[serde(default)]
    number: Option<u64>,
}

pub(super) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(said): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Refusal> {
    let (charger, _) = known(&state, &said).await?;
    let backoffice = BackofficeId::from(asked.backoffice.as_str());
    let waiting = state.lanes().list(&charger, &backoffice).await?;
    let now = layout::now_unix_ms();
    let address = charger_path(&charger, "deliveries");
    let parked = waiting.iter().filter(|listed| listed.delivery.parked.is_some()).count();
    let order = |what: &str, number: Option<u64>, button: Markup| {
        html! {
            form method="post" action=(address) {
                (layout::csrf(&visitor))
                input type="hidden" name="backoffice" value=(backoffice);
                input type="hidden" name="what" value=(what);
                @if let Some(number) = number { input type="hidden" name="number" value=(number); }
                (button)
            }
        }
    };
    let content = html! {
        @if let Some(done) = asked.done { div.notice.good role="status" { p { "Done: it concerned " (done) " " (messages(done)) "." } } }
        @if asked.pending { div.notice role="status" { p { "The order is written down and carried out in a moment." } } }
        div.titleline {
            h2 { "What " (shown(backoffice.as_str())) " has not been told yet" }
            a href=(charger_path(&charger, "proxy")) { "Back to Proxy" }
        }
        p {
            "These messages matter for billing: they are kept until the server has answered, and sent in this order. "
            "A parked one is not sent by itself any more. Once the cause is mended, try it again. If you drop it, "
            "the server will never be told."
        }
        @if waiting.is_empty() {
            (layout::empty("Nothing waits", html! { "The server has been told everything that it must know." }))
        } @else {
            @if visitor.may_order() && parked > 0 {
                div.actions { (order("retry", None, html! { button.primary type="submit" { "Try all again" } })) }
            }
            table.rows.lane {
                thead { tr { th scope="col" { "Message" } th scope="col" { "From" } th scope="col" { "State" } th scope="col" { span.visually-hidden { "Orders" } } } }
                tbody {
                    @for ListedDelivery { delivery, .. } in &waiting {
                        tr {
                            td { div { strong { (shown(&delivery.action)) } span.sub { @if let Some(meaning) = meaning_of_action(&delivery.action) { (meaning) } " #" (delivery.number) } } }
                            td data-label="From" { (ago(delivery.queued_unix_ms, now)) }
                            td data-label="State" { (condition(delivery)) }
                            td.go {
                                @if visitor.may_order() && delivery.parked.is_some() {
                                    div.deliveries {
                                        (order("retry", Some(delivery.number), html! { button.compact type="submit" { "Try again" } }))
                                        (order("drop", Some(delivery.number), html! { button.compact.danger type="submit" data-confirm="Drop it? The server will never be told." { "Drop" } }))
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if waiting.len() as u64 >= DELIVERIES_SHOWN { p.muted { "More wait behind these." } }
        }
    };
    Ok(layout::charger_page(&state, &visitor, &charger, Tab::Below, content))
}

fn condition(delivery: &engine::Delivery) -> Markup {
    match &delivery.parked {
        Some(why) => html! {
            div { (badge(Tone::Bad, Icon::Alert, "parked")) span.sub { (meaning_of_parked(why, delivery.attempts)) } }
        },
        None if delivery.attempts == 0 => badge(Tone::Plain, Icon::Clock, "waits its turn"),
        None if delivery.attempts == 1 => badge(Tone::Warning, Icon::Clock, "tried once"),
        None => badge(Tone::Warning, Icon::Clock, &format!("tried {} times", delivery.attempts)),
    }
}

fn messages(count: u64) -> &'static str {
    if count == 1 { "message" } else { "messages" }
}

pub(super) async fn order(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(said): Path<String>,
    Form(wish): Form<Wish>,
) -> Result<Redirect, Refusal> {
    let (charger, _) = known(&state, &said).await?;
    let what = match (wish.what.as_str(), wish.number) {
        ("retry", _) => OrderWhat::Retry,
        ("drop", Some(_)) => OrderWhat::Drop,
        _ => {
            let remedy = "Nothing was changed. Messages are tried again (retry), or dropped one by one (drop, with a number).";
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "There is no such order", remedy));
        }
    };
    let backoffice = BackofficeId::from(wish.backoffice.as_str());
    tracing::info!(%charger, %backoffice, ?what, number = ?wish.number, by = visitor.name, "an operator orders about deliveries");
    let numbers = wish.number.map(|number| vec![number]);
    let order = DeliveryOrder { what, charger: charger.clone(), backoffice, numbers };
    let outcome = match state.lanes().order(order).await? {
        Ordered::Done(count) => format!("done={count}"),
        Ordered::Pending => "pending=true".to_owned(),
    };
    let backoffice = utf8_percent_encode(&wish.backoffice, NON_ALPHANUMERIC);
    Ok(Redirect::to(&charger_path(&charger, &format!("deliveries?backoffice={backoffice}&{outcome}"))))
}
