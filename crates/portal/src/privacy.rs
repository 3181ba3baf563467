//! Cards' numbers, hidden from those who may only look: who charges where, and when, is told by a number that
//! can be copied onto a card (SECURITY.md S17).

use std::collections::HashSet;

use engine::{CardPattern, Plan};
use serde_json::Value;
use store::{LoggedAnswer, LoggedCall, LoggedOccurrence, NewsItem};

use crate::why::{TurnedAway, Verdict};

/// What stands for what is left out.
const CUT: &str = "…";
/// A shorter number is hidden whole: what would be left of it could be guessed.
const LEAST_SHOWN: usize = 10;
/// A word of free text that is at least as long and hexadecimal may be a card's number.
const LEAST_SUSPECT: usize = 8;

/// `04A2…9F`: enough to tell two cards on one page apart, too little to copy one.
pub(crate) fn card(number: &str) -> String {
    let characters: Vec<char> = number.chars().collect();
    match characters.len() {
        0 => String::new(),
        length if length < LEAST_SHOWN => CUT.to_owned(),
        length => {
            let (first, last) = (characters[..4].iter(), characters[length - 2..].iter());
            first.collect::<String>() + CUT + &last.collect::<String>()
        }
    }
}

/// Whether somebody who may only look sent a number back as it was shown to him.
pub(crate) fn is_masked(number: &str) -> bool {
    number.contains(CUT)
}

/// A call with its answers.
pub(crate) fn call(call: &mut LoggedCall) {
    let mut numbers = Numbers::default();
    if let Some(number) = &mut call.id_tag {
        numbers.add(number);
        *number = card(number);
    }
    let is_opaque = call.action == "DataTransfer";
    call.payload = payload(&call.payload, is_opaque, &mut numbers);
    call.answer = call.answer.as_deref().map(|answer| payload(answer, is_opaque, &mut numbers));
    for one in &mut call.answers {
        answer(one, is_opaque, &mut numbers);
    }
    // What was found in one may stand in the free text of another.
    call.payload = numbers.masked(&call.payload);
    call.answer = call.answer.as_deref().map(|answer| numbers.masked(answer));
    call.error_description = call.error_description.as_deref().map(|text| numbers.free_text(text));
    for answer in &mut call.answers {
        answer.payload = answer.payload.as_deref().map(|payload| numbers.masked(payload));
    }
}

fn answer(answer: &mut LoggedAnswer, is_opaque: bool, numbers: &mut Numbers) {
    answer.payload = answer.payload.as_deref().map(|answer| payload(answer, is_opaque, numbers));
    for difference in &mut answer.differences {
        let is_card = difference.pointer.rsplit('/').next().is_some_and(is_of_card);
        for value in [&mut difference.leader, &mut difference.follower].into_iter().flatten() {
            *value =
                if is_card || is_opaque { card(value.trim_matches('"')) } else { numbers.free_text(value) };
        }
    }
    answer.error_description = answer.error_description.as_deref().map(|text| numbers.free_text(text));
}

/// What is told of the log as it is written.
pub(crate) fn news(item: &mut NewsItem) {
    match item {
        NewsItem::Call(told) => call(told),
        NewsItem::LateAnswer { action, answer: told, .. } => {
            answer(told, action == "DataTransfer", &mut Numbers::default());
        }
        NewsItem::Occurrence { occurrence: told } => occurrence(told),
    }
}

/// What happened beside the calls.
pub(crate) fn occurrence(occurrence: &mut LoggedOccurrence) {
    occurrence.detail = Numbers::default().free_text(&occurrence.detail);
}

/// A payload by itself.
pub(crate) fn message(action: &str, text: &str) -> String {
    payload(text, action == "DataTransfer", &mut Numbers::default())
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

/// An explanation, of what these calls said.
pub(crate) fn verdict(verdict: &mut Verdict, calls: &[LoggedCall]) {
    let mut numbers = Numbers::default();
    for call in calls {
        call.id_tag.iter().for_each(|number| numbers.add(number));
        for text in std::iter::once(&call.payload).chain(&call.answer) {
            payload(text, false, &mut numbers);
        }
        for text in call.answers.iter().filter_map(|answer| answer.payload.as_ref()) {
            payload(text, false, &mut numbers);
        }
    }
    let list = verdict.next.whitelist.as_mut().map(|list| &mut list.id_tag);
    for number in verdict.id_tag.as_mut().into_iter().chain(list) {
        numbers.add(number);
        *number = card(number);
    }
    let next = &mut verdict.next;
    let sentences = [&mut next.everyone, &mut next.employee, &mut next.public_site].into_iter().flatten();
    let evidence = verdict.evidence.iter_mut().map(|evidence| &mut evidence.sentence);
    for sentence in sentences.chain(evidence).chain(std::iter::once(&mut verdict.sentence)) {
        *sentence = numbers.free_text(sentence);
    }
}

/// A card that was turned away.
pub(crate) fn turned_away(one: &mut TurnedAway) {
    one.id_tag = card(&one.id_tag);
}

/// The names of fields that hold a card's number: `idTag`, `parentIdTag`, `idToken`, and what vendors make of
/// them.
fn is_of_card(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("idtag") || name.ends_with("idtoken")
}

/// A payload without cards' numbers; those that stood there are added. What only the two ends understand is
/// hidden whole.
fn payload(text: &str, is_opaque: bool, numbers: &mut Numbers) -> String {
    // Read as a tree only where the text alone does not say which field is which.
    if is_opaque || text.contains("\\u") {
        let Ok(mut tree) = serde_json::from_str::<Value>(text) else { return CUT.to_owned() };
        if is_opaque && let Some(data) = tree.get_mut("data") {
            *data = Value::from(CUT);
        }
        mask_tree(&mut tree, numbers);
        return tree.to_string();
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, number, after)) = next_number(rest) {
        masked.push_str(before);
        numbers.add(number);
        masked.push_str(&card(number));
        rest = after;
    }
    masked + rest
}

fn mask_tree(value: &mut Value, numbers: &mut Numbers) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(number) if is_of_card(name) => {
                        numbers.add(number);
                        *number = card(number);
                    }
                    value => mask_tree(value, numbers),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mask_tree(value, numbers)),
        Value::String(text) => *text = payload_in_text(text, numbers),
        _ => {}
    }
}

/// JSON within a string, as vendors have it.
fn payload_in_text(text: &str, numbers: &mut Numbers) -> String {
    if text.contains('"') { payload(&text.replace("\\u", "\\\\u"), false, numbers) } else { text.to_owned() }
}

/// What is before the next card's number, the number, and what follows. JSON within strings of JSON has more
/// backslashes before its quotes; the same number of them ends the value.
fn next_number(text: &str) -> Option<(&str, &str, &str)> {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let found = ["idtag", "idtoken"]
            .into_iter()
            .filter_map(|name| lower[from..].find(name).map(|at| from + at + name.len()));
        let end = found.min()?;
        from = end;
        let after_name = &text[end..];
        let quoting = after_name.find('"')?;
        let quote = &after_name[..=quoting];
        if !quote[..quoting].bytes().all(|byte| byte == b'\\') {
            continue;
        }
        let after_colon = after_name[quoting + 1..].trim_start().strip_prefix(':').map(str::trim_start);
        let Some(value) = after_colon.and_then(|value| value.strip_prefix(quote)) else { continue };
        let start = text.len() - value.len();
        let length = ending(value, quote)?;
        return Some((&text[..start], &text[start..start + length], &text[start + length..]));
    }
}

/// Where the quote is that ends a value: the first with as many backslashes before it as the one that began it.
fn ending(value: &str, quote: &str) -> Option<usize> {
    let backslashes = quote.len() - 1;
    value.match_indices('"').map(|(at, _)| at).find_map(|at| {
        let before = value[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        (before == backslashes || backslashes == 0 && before % 2 == 0).then(|| at - backslashes.min(before))
    })
}

/// Cards' numbers that are known to be such, in small letters.
#[derive(Default)]
struct Numbers(HashSet<String>);

impl Numbers {
    fn add(&mut self, number: &str) {
        if !number.trim().is_empty() {
            self.0.insert(number.trim().to_lowercase());
        }
    }

    /// The text with the numbers that are known masked, wherever they stand.
    fn masked(&self, text: &str) -> String {
        self.words(text, |word| word.len() > 3 && self.0.contains(&word.to_lowercase()))
    }

    /// The same for text that people or programs wrote: what looks like a card's number is masked, too.
    fn free_text(&self, text: &str) -> String {
        self.words(text, |word| {
            let is_suspect = word.len() >= LEAST_SUSPECT && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_suspect || self.0.contains(&word.to_lowercase())
        })
    }

    fn words(&self, text: &str, is_number: impl Fn(&str) -> bool) -> String {
        // Numbers with spaces and the like are no words.
        let odd = self.0.iter().filter(|number| number.len() > 3 && !number.chars().all(is_of_word));
        let mut text = odd.fold(text.to_owned(), |text, number| replaced(&text, number));
        let mut masked = String::with_capacity(text.len());
        while !text.is_empty() {
            let is_word = text.starts_with(is_of_word);
            let end = text.find(|one| is_of_word(one) != is_word).unwrap_or(text.len());
            let rest = text.split_off(end);
            if is_word && is_number(&text) {
                masked.push_str(&card(&text))
            } else {
                masked.push_str(&text)
            }
            text = rest;
        }
        masked
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '_')
}

/// Every occurrence, whatever its capitals; cards' numbers are ASCII where they are well-formed.
fn replaced(text: &str, number: &str) -> String {
    let (lower, mut masked, mut from) = (text.to_ascii_lowercase(), String::new(), 0);
    while let Some(at) = lower[from..].find(number).map(|at| from + at) {
        masked.push_str(&text[from..at]);
        masked.push_str(&card(number));
        from = at + number.len();
    }
    masked + &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_number_so_much_is_left_that_cards_can_be_told_apart() {
        for (number, shown) in [
            ("04A2B3C4D5E69F", "04A2…9F"),
            ("04A2B3C4D5", "04A2…D5"),
            ("04A2B3C4", "…"),
            ("ÄÖÜäöüßÄÖÜ", "ÄÖÜä…ÖÜ"),
            ("", ""),
        ] {
            assert_eq!(card(number), shown, "{number}");
        }
    }

    #[test]
    fn in_payloads_every_field_of_a_card_is_masked_and_nothing_else_changes() {
        let mut tried = 0;
        for (action, text, masked) in [
            ("Authorize", r#"{"idTag":"04A2B3C4D5E69F"}"#, r#"{"idTag":"04A2…9F"}"#),
            (
                "Authorize",
                r#"{ "IDTAG" :  "04A2B3C4D5E69F", "x": 0.10 }"#,
                r#"{ "IDTAG" :  "04A2…9F", "x": 0.10 }"#,
            ),
            (
                "Authorize",
                r#"{"idTagInfo":{"parentIdTag":"04A2B3C4D5E69F"}}"#,
                r#"{"idTagInfo":{"parentIdTag":"04A2…9F"}}"#,
            ),
            (
                "Authorize",
                r#"{"idToken":{"idToken":"04A2B3C4D5E69F","type":"ISO14443"}}"#,
                r#"{"idToken":{"idToken":"04A2…9F","type":"ISO14443"}}"#,
            ),
            ("Authorize", r#"{"idTag":"a\"b\\"}"#, r#"{"idTag":"…"}"#),
            ("Authorize", r#"{"idTag":null,"idTagInfo":{}}"#, r#"{"idTag":null,"idTagInfo":{}}"#),
            ("Authorize", r#"{"\u0069dTag":"04A2B3C4D5E69F"}"#, r#"{"idTag":"04A2…9F"}"#),
            (
                "SendLocalList",
                r#"{"l":[{"idTag":"04A2B3C4D5E69F"},{"idTag":"04A2B3C4D5E6AA"}]}"#,
                r#"{"l":[{"idTag":"04A2…9F"},{"idTag":"04A2…AA"}]}"#,
            ),
            ("Custom", r#"{"d":"{\"idTag\":\"04A2B3C4D5E69F\"}"}"#, r#"{"d":"{\"idTag\":\"04A2…9F\"}"}"#),
            ("DataTransfer", r#"{"data":"04A2B3C4D5E69F","vendorId":"x"}"#, r#"{"data":"…","vendorId":"x"}"#),
            ("DataTransfer", "not JSON 04A2B3C4D5E69F", "…"),
        ] {
            assert_eq!(message(action, text), masked, "{text}");
            tried += 1;
        }
        assert_eq!(tried, 11);
    }

    #[test]
    fn what_is_known_to_be_a_card_is_masked_in_what_people_wrote() {
        let mut numbers = Numbers::default();
        numbers.add("Card 1/2");
        numbers.add("GOODCARD77");
        for (text, masked) in [
            ("the card goodcard77, unknown", "the card good…77, unknown"),
            ("no card 1/2 here", "no … here"),
            ("04A2B3C4D5E69F is not known at 13:02:04", "04A2…9F is not known at 13:02:04"),
            ("decade", "decade"),
        ] {
            assert_eq!(numbers.free_text(text), masked, "{text}");
        }
    }
}
