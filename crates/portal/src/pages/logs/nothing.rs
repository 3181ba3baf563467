//! The log when nothing is found: why, as far as it can be told, and what would find what was meant.

use maud::{Markup, html};

use super::choice::Choice;
use super::page::Logs;
use crate::pages::why_address;
use crate::words;

/// What there is of a session only if it began.
const OF_SESSIONS: [&str; 2] = ["StartTransaction", "StopTransaction"];
/// OCPP's longest idTag.
const LONGEST_CARD: usize = 20;
/// A number that is shorter may be a transaction's.
const LEAST_DIGITS: usize = 8;

/// Says why there is nothing, as far as it can be told, and what would do.
pub(super) fn nothing(logs: &Logs<'_>, address: &str) -> Markup {
    html! {
        div.empty {
            @if logs.choice.is_narrowed() {
                p.what { "Nothing matches" }
                (instead(logs, address))
                p { "No entry fulfils all the conditions above. Remove one of them, or " a href=(address) { "show everything" } "." }
                @if !logs.choice.q.trim().is_empty() { p.muted { (terms(logs.hides_cards)) } }
            } @else if logs.is_online {
                p.what { "Nothing was said yet" }
                p { "The charger is connected. What it says appears here by itself." }
            } @else {
                p.what { "Nothing is kept of what this charger said" }
                p { "Entries are kept for as long as [log] in proxy.toml says. What it says next appears here." }
            }
        }
    }
}

/// How a search is read.
fn terms(hides_cards: bool) -> &'static str {
    if hides_cards {
        "Terms that are separated by spaces must all occur. A term is found in the message's name, the status, what was said \
         and answered, and a number is found as anyone's transaction number. Viewers are not shown cards' numbers: their \
         searches do not look where these stand."
    } else {
        "Terms that are separated by spaces must all occur. A term is found in the message's name, the idTag, the status, \
         what was said and answered, and a number is found as anyone's transaction number."
    }
}

/// Whoever looks for the start of a session that was refused before it began finds nothing: what to look for instead.
fn instead(logs: &Logs<'_>, address: &str) -> Markup {
    let choice = logs.choice.newest();
    let (action, text) = choice.action_and_text();
    let is_of_session = action
        .as_deref()
        .is_some_and(|action| OF_SESSIONS.iter().any(|one| one.eq_ignore_ascii_case(action)));
    let card = card(&choice, &text, is_of_session);
    // Viewers do not find cards by their numbers.
    let findable = card.as_ref().filter(|_| !logs.hides_cards);
    let text = if card.is_some() && logs.hides_cards { String::new() } else { text };
    let with_card = html! { @if let Some(card) = findable { " with " bdi { (words::shown(card)) } } };
    let mut links = Vec::new();
    if action.is_some() && findable.is_some() {
        let alone = Choice { q: text.clone(), action: String::new(), ..choice.clone() };
        links.push((address.to_owned() + &alone.parameters(), html! { "everything" (with_card) }));
    }
    if is_of_session {
        let asked = authorize(&choice, &text);
        links.push((address.to_owned() + &asked.parameters(), html! { "Authorize" (with_card) }));
    }
    if is_of_session || findable.is_some() {
        let why = why_address(logs.charger, findable.map_or("", String::as_str));
        links.push((why, html! { "Why rejected?" }));
    }
    html! {
        @if is_of_session {
            p {
                "A charger that asks first whether a card may charge (" code { "Authorize" } ") and is refused never starts: \
                 there is no " code { "StartTransaction" } " then."
            }
        }
        @if !links.is_empty() {
            p {
                "Look at "
                @for (index, (href, words)) in links.iter().enumerate() {
                    @if index > 0 { " · " }
                    a href=(href) { (words) }
                }
            }
        }
    }
}

/// The same, of the question whether a card may charge.
fn authorize(choice: &Choice, text: &str) -> Choice {
    if choice.action.trim().is_empty() {
        let q = format!("Authorize {text}").trim_end().to_owned();
        Choice { q, ..choice.clone() }
    } else {
        Choice { action: "Authorize".to_owned(), q: text.to_owned(), ..choice.clone() }
    }
}

/// The card that is looked for: the one that the address names, or the only term that can be one. Beside the message of a
/// session most terms can, without it only what looks like a number of a card.
fn card(choice: &Choice, text: &str, is_of_session: bool) -> Option<String> {
    let named = choice.id_tag.trim();
    if !named.is_empty() {
        return Some(named.to_owned());
    }
    let mut terms = text.split_whitespace();
    let (Some(term), None) = (terms.next(), terms.next()) else { return None };
    let is_long = term.len() >= LEAST_DIGITS;
    let is_number = is_long && term.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_short_number = !is_long && term.bytes().all(|byte| byte.is_ascii_digit());
    let can_be_one = is_number || (is_of_session && !is_short_number);
    (term.chars().count() <= LONGEST_CARD && can_be_one).then(|| term.to_owned())
}
