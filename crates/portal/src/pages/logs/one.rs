//! The page of one call, to be handed on: everything that is known of it.

use engine::ChargerId;
use maud::{Markup, html};
use store::LoggedCall;

use super::choice::Choice;
use super::row;
use crate::layout::charger_path;
use crate::pages::why_address;
use crate::privacy;
use crate::words::shown;

/// So much before and after a call is "around it", in milliseconds.
const AROUND: i64 = 5 * 60_000;

/// The whole call.
pub(super) fn body(call: &LoggedCall) -> Markup {
    html! {
        article.call.alone {
            div.call-when { (row::moment(call.received_unix_ms)) (row::direction(call)) }
            div.call-what { (row::subject(call)) }
            div.call-answers { (row::answers(call)) }
        }
        p.actions {
            @if let Some(id_tag) = call.id_tag.as_deref().filter(|_| row::may_be_asked_why(call)) {
                a.button.primary href={ (why_address(&call.charger, id_tag)) "&call=" (call.trace) } {
                    "Why was this card rejected?"
                }
                " "
            }
            a.button href=(around(&call.charger, call.received_unix_ms)) { "What happened around it" }
            @if let Some(id_tag) = call.id_tag.as_deref().filter(|id_tag| !privacy::is_masked(id_tag)) {
                " " a.button href=(of_card(&call.charger, id_tag)) { "Everything about " bdi { (shown(id_tag)) } }
            }
            @if let Some(number) = call.transaction_number {
                " " a.button href=(of_transaction(&call.charger, number)) { "Everything about transaction " (number) }
            }
        }
        h2 { "As it was logged" }
        (row::raw(call, None))
        p.muted { "Payloads are shown as they were, but for line breaks and spaces between their parts." }
    }
}

fn logs(charger: &ChargerId, choice: &Choice) -> String {
    charger_path(charger, "logs") + &choice.parameters()
}

fn around(charger: &ChargerId, unix_ms: i64) -> String {
    let field = |unix_ms: i64| {
        let moment = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or_default();
        moment.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    };
    let (since, until) = (field(unix_ms - AROUND), field(unix_ms + AROUND));
    logs(charger, &Choice { since, until, ..Choice::default() })
}

fn of_card(charger: &ChargerId, id_tag: &str) -> String {
    logs(charger, &Choice { id_tag: id_tag.to_owned(), ..Choice::default() })
}

fn of_transaction(charger: &ChargerId, number: i64) -> String {
    logs(charger, &Choice { transaction: number.to_string(), ..Choice::default() })
}
