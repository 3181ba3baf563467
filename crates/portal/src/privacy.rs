//! Cards' numbers, hidden from those who may only look: who charges where, and when, is told by a number that
//! can be copied onto a card (SECURITY.md S17).
//!
//! Nobody who may only look can ask with a number either ([`asks_for_card`]): an answer would tell a right guess from
//! a wrong one, and the rest of a number is soon guessed.

mod fields;
mod numbers;
#[cfg(test)]
mod tests;

use engine::{CardPattern, Plan};
use serde_json::Value;
use store::{LoggedAnswer, LoggedCall, LoggedOccurrence, NewsItem};

use self::fields::{Field, is_of_card};
use self::numbers::{Known, Numbers};
use crate::limits;
use crate::why::{Facts, TurnedAway, Verdict};

/// What stands for what is left out, however long.
const CUT: &str = "…";
/// A shorter number is hidden whole: of each at least six characters are.
const LEAST_SHOWN: usize = 10;

/// `04…9F`: enough to tell most cards on one page apart, too little to copy one or to guess the rest. How long the
/// number is does not show.
pub(crate) fn card(number: &str) -> String {
    let characters: Vec<char> = number.chars().collect();
    match characters.len() {
        0 => String::new(),
        length if length < LEAST_SHOWN => CUT.to_owned(),
        length => {
            let (first, last) = (characters[..2].iter(), characters[length - 2..].iter());
            first.collect::<String>() + CUT + &last.collect::<String>()
        }
    }
}

/// Whether the number is one as viewers are shown it, which finds nothing.
pub(crate) fn is_masked(number: &str) -> bool {
    number.contains(CUT)
}

/// Whether what stands in an address behind `?` asks for a card by its number. What cannot be read might.
pub(crate) fn asks_for_card(parameters: Option<&str>) -> bool {
    let Some(parameters) = parameters else { return false };
    match serde_urlencoded::from_str::<Vec<(String, String)>>(parameters) {
        Ok(pairs) => pairs.iter().any(|(name, value)| name == "id_tag" && !value.trim().is_empty()),
        Err(_) => true,
    }
}

/// A call with its answers.
pub(crate) fn call(call: &mut LoggedCall) {
    let mut numbers = Numbers::default();
    if let Some(number) = &mut call.id_tag {
        numbers.add(number);
        *number = card(number);
    }
    let is_opaque = call.action == "DataTransfer";
    let answers = call.answers.iter_mut().filter_map(|answer| answer.payload.as_mut());
    let mut payloads: Vec<&mut String> =
        std::iter::once(&mut call.payload).chain(&mut call.answer).chain(answers).collect();
    for text in &mut payloads {
        **text = without_cards(text, is_opaque, &mut numbers);
    }
    // What was found in one may stand in the free text of another.
    let known = numbers.known();
    for text in payloads {
        hide_known(text, &known);
    }
    for text in call.error_description.iter_mut().chain(&mut call.error_code) {
        hide_in_text(text, &known);
    }
    for answer in &mut call.answers {
        hide_beside_payload(answer, is_opaque, &known);
    }
}

/// The differences and what an error says.
fn hide_beside_payload(answer: &mut LoggedAnswer, is_opaque: bool, known: &Known) {
    for difference in &mut answer.differences {
        let is_card = difference.pointer.rsplit('/').next().is_some_and(is_of_card);
        for value in [&mut difference.leader, &mut difference.follower].into_iter().flatten() {
            if is_card || is_opaque {
                *value = card(value.trim_matches('"'));
            } else {
                hide_in_text(value, known);
            }
        }
    }
    for text in answer.error_description.iter_mut().chain(&mut answer.error_code) {
        hide_in_text(text, known);
    }
}

/// What is told of the log as it is written.
pub(crate) fn news(item: &mut NewsItem) {
    match item {
        NewsItem::Call(told) => call(told),
        NewsItem::LateAnswer { action, answer: told, .. } => {
            let (mut numbers, is_opaque) = (Numbers::default(), action == "DataTransfer");
            let payload = told.payload.as_deref();
            told.payload = payload.map(|payload| without_cards(payload, is_opaque, &mut numbers));
            let known = numbers.known();
            told.payload.iter_mut().for_each(|payload| hide_known(payload, &known));
            hide_beside_payload(told, is_opaque, &known);
        }
        NewsItem::Occurrence { occurrence: told } => occurrence(told),
    }
}

/// What happened beside the calls.
pub(crate) fn occurrence(occurrence: &mut LoggedOccurrence) {
    hide_in_text(&mut occurrence.detail, &Numbers::default().known());
}

/// A payload by itself.
pub(crate) fn message(action: &str, text: &str) -> String {
    let mut numbers = Numbers::default();
    let mut masked = without_cards(text, action == "DataTransfer", &mut numbers);
    hide_known(&mut masked, &numbers.known());
    masked
}

/// Whose cards are whose, as proxy.toml has it. A pattern of many cards is nobody's number.
pub(crate) fn plan(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let lists = plan.cards.routes.iter_mut().map(|route| &mut route.cards);
    for list in std::iter::once(&mut plan.cards.allow).chain(lists) {
        for pattern in list.iter_mut().filter(|pattern| !pattern.text().contains(['*', '?'])) {
            let masked: Vec<String> = pattern.text().split("..").map(card).collect();
            if let Ok(masked) = CardPattern::new(&masked.join("…")) {
                *pattern = masked;
            }
        }
    }
    plan
}

/// An explanation, of these facts.
pub(crate) fn verdict(verdict: &mut Verdict, facts: &Facts) {
    let mut numbers = Numbers::default();
    let of_calls = facts.calls.iter().filter_map(|call| call.id_tag.as_ref());
    let known = facts.known.iter().map(|known| &known.id_tag);
    of_calls.chain(known).chain(&facts.id_tag).for_each(|number| numbers.add(number));
    for call in &facts.calls {
        let answers = call.answers.iter().filter_map(|answer| answer.payload.as_ref());
        for text in std::iter::once(&call.payload).chain(&call.answer).chain(answers) {
            without_cards(text, false, &mut numbers);
        }
    }
    let list = verdict.next.whitelist.as_mut().map(|list| &mut list.id_tag);
    for number in verdict.id_tag.as_mut().into_iter().chain(list) {
        numbers.add(number);
        *number = card(number);
    }
    let known = numbers.known();
    let next = &mut verdict.next;
    let sentences = [&mut next.everyone, &mut next.employee, &mut next.public_site].into_iter().flatten();
    let evidence = verdict.evidence.iter_mut().map(|evidence| &mut evidence.sentence);
    for sentence in sentences.chain(evidence).chain(std::iter::once(&mut verdict.sentence)) {
        hide_in_text(sentence, &known);
    }
}

/// A card that was turned away.
pub(crate) fn turned_away(one: &mut TurnedAway) {
    one.id_tag = card(&one.id_tag);
}

/// A payload without cards' numbers; those that stood there are added. What only the two ends understand is
/// hidden whole, and so is what is too large to be read for each who looks.
fn without_cards(text: &str, is_opaque: bool, numbers: &mut Numbers) -> String {
    if text.len() > limits::MASKED_BYTES {
        return Value::from(too_large(text)).to_string();
    }
    let without_data;
    let text = if is_opaque {
        let Ok(mut tree) = serde_json::from_str::<Value>(text) else { return CUT.to_owned() };
        let fields = tree.as_object_mut().into_iter().flatten();
        for (_, data) in fields.filter(|(name, _)| name.eq_ignore_ascii_case("data")) {
            *data = Value::from(CUT);
        }
        without_data = tree.to_string();
        &without_data
    } else {
        text
    };
    // What looks like a number is one where nothing says what it is.
    let none = Numbers::default().known();
    let masked = fields::changed(text, &mut |field, value| match field {
        Field::Card => {
            numbers.add(value);
            Some(card(value))
        }
        Field::Text => none.free_text(value),
        Field::NoCard | Field::Reading => None,
    });
    masked.unwrap_or_else(|| text.to_owned())
}

fn hide_known(payload: &mut String, known: &Known) {
    if let Some(masked) = fields::changed(payload, &mut |_, value| known.masked(value)) {
        *payload = masked;
    }
}

fn hide_in_text(text: &mut String, known: &Known) {
    if text.len() > limits::MASKED_BYTES {
        *text = too_large(text);
    } else if let Some(masked) = known.free_text(text) {
        *text = masked;
    }
}

fn too_large(text: &str) -> String {
    format!("{CUT} ({} KiB: only operators are shown so much)", text.len().div_ceil(1024))
}
