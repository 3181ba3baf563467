//! Cards' numbers that are known to be such, and their search in what people and programs wrote.

use std::collections::HashSet;

use aho_corasick::{AhoCorasick, MatchKind};

use super::fields::is_of_card;
use super::{CUT, card};
use crate::limits;

/// A word of free text that is at least as long and hexadecimal may be a card's number.
const LEAST_SUSPECT: usize = 8;
/// A shorter number stands by chance in too much else.
const LEAST_SEARCHED: usize = 4;

/// Numbers, as they are found.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// In small letters.
    words: HashSet<String>,
    /// Those with spaces and the like are no words.
    odd: HashSet<String>,
    odd_bytes: usize,
}

impl Numbers {
    pub(super) fn add(&mut self, number: &str) {
        let number = number.trim();
        if number.len() < LEAST_SEARCHED {
            return;
        }
        if number.chars().all(is_of_word) {
            self.words.insert(number.to_lowercase());
        } else if self.odd_bytes <= limits::MASKED_BYTES && self.odd.insert(number.to_owned()) {
            self.odd_bytes += number.len();
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.odd.is_empty()
    }

    /// Ready to be searched for.
    pub(super) fn known(self) -> Known {
        let is_too_much = self.odd_bytes > limits::MASKED_BYTES;
        let odd = (!is_too_much && !self.odd.is_empty()).then(|| {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::LeftmostLongest)
                .build(&self.odd)
                .expect("so few bytes are no too large automaton")
        });
        Known { words: self.words, odd, is_too_much }
    }
}

/// Numbers that are searched for, all of them at once.
#[derive(Debug)]
pub(super) struct Known {
    words: HashSet<String>,
    odd: Option<AhoCorasick>,
    is_too_much: bool,
}

impl Known {
    /// The text with these numbers masked, wherever they stand; `None` when they do not.
    pub(super) fn masked(&self, text: &str) -> Option<String> {
        self.hidden(text, false)
    }

    /// The same for text that people or programs wrote: what looks like a card's number is masked, too.
    pub(super) fn free_text(&self, text: &str) -> Option<String> {
        self.hidden(text, true)
    }

    fn hidden(&self, text: &str, suspects: bool) -> Option<String> {
        // More than anybody's list of cards has: what is not searched for is not shown.
        if self.is_too_much && text.len() >= LEAST_SEARCHED {
            return Some(CUT.to_owned());
        }
        let without_odd = self.odd.as_ref().and_then(|odd| {
            let (mut masked, mut done) = (String::new(), 0);
            for found in odd.find_iter(text) {
                masked.push_str(&text[done..found.start()]);
                masked.push_str(&card(&text[found.range()]));
                done = found.end();
            }
            (done > 0).then(|| masked + &text[done..])
        });
        let text = without_odd.as_deref().unwrap_or(text);
        self.words(text, suspects).or(without_odd)
    }

    fn words(&self, text: &str, suspects: bool) -> Option<String> {
        let (mut masked, mut done, mut at) = (String::new(), 0, 0);
        // What follows `idTag:` or `idTag=`.
        let mut is_named = false;
        while at < text.len() {
            let rest = &text[at..];
            let is_word = rest.starts_with(is_of_word);
            let length = rest.find(|one| is_of_word(one) != is_word).unwrap_or(rest.len());
            let part = &rest[..length];
            if !is_word {
                is_named &= part.contains([':', '=', '"']);
            } else {
                if is_named || (suspects && is_suspect(part)) || self.is_known(part) {
                    masked.push_str(&text[done..at]);
                    masked.push_str(&card(part));
                    done = at + length;
                }
                is_named = suspects && is_of_card(part);
            }
            at += length;
        }
        (done > 0).then(|| masked + &text[done..])
    }

    fn is_known(&self, word: &str) -> bool {
        !self.words.is_empty() && word.len() >= LEAST_SEARCHED && self.words.contains(&word.to_lowercase())
    }
}

fn is_suspect(word: &str) -> bool {
    let is_hexadecimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    // `RFID04A2B3C4D5E69F`: glued to letters; with hyphens it would be any UUID.
    let is_number = |run: &str| run.len() >= LEAST_SUSPECT && run.bytes().any(|byte| byte.is_ascii_digit());
    let has_number = || word.split(|one: char| !one.is_ascii_hexdigit()).any(is_number);
    word.len() >= LEAST_SUSPECT && (is_hexadecimal(word) || (!word.contains('-') && has_number()))
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '_')
}
