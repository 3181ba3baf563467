//! Card numbers as readers write them: which are malformed, and which two are one card (semantics §5.8).

use serde::Serialize;

/// OCPP 1.6 gives an idTag so many characters (§7.28).
const LONGEST: usize = 20;
/// Numbers shorter than this are alike by chance.
const SHORTEST_ALIKE: usize = 4;
/// Numbers shorter than this differ in one character by chance.
const SHORTEST_MISTYPED: usize = 8;

/// How two different texts can be the number of one card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// Capitals and small letters.
    Case,
    /// Spaces or separators between or around.
    Separators,
    /// One goes on where the other ends.
    Cut,
    /// The bytes stand in the opposite order.
    ReversedBytes,
    /// One is the decimal number, the other the hexadecimal one.
    Decimal,
    /// Zeros before or after.
    Zeros,
    /// One character is another, missing, or too many.
    Mistyped,
}

impl Likeness {
    /// Completes "the same number …".
    pub fn words(self) -> &'static str {
        match self {
            Likeness::Case => "with capitals and small letters changed",
            Likeness::Separators => "with spaces or separators in it",
            Likeness::Cut => "cut off or with characters added",
            Likeness::ReversedBytes => "with its bytes in reverse order",
            Likeness::Decimal => "written as a decimal instead of a hexadecimal number",
            Likeness::Zeros => "with zeros added or left out",
            Likeness::Mistyped => "but for one character",
        }
    }
}

/// Whether both are the same card to OCPP 1.6, where capitals do not count (§7.28, CiString20).
pub fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// What is wrong with a number by itself, as the end of "this card number …".
pub fn malformed(tag: &str) -> Option<String> {
    let length = tag.chars().count();
    if tag.trim().is_empty() {
        Some("is empty".to_owned())
    } else if length > LONGEST {
        Some(format!("has {length} characters, and OCPP 1.6 allows {LONGEST}"))
    } else if tag.chars().any(char::is_control) {
        Some("contains a control character".to_owned())
    } else if tag.chars().any(char::is_whitespace) {
        Some("contains a space".to_owned())
    } else {
        None
    }
}

/// How `read` may be `known`, misread; `None` for equal texts and for different cards.
pub fn likeness(read: &str, known: &str) -> Option<Likeness> {
    if read == known {
        return None;
    }
    if is_same(read, known) {
        return Some(Likeness::Case);
    }
    let is_cut = |long: &str, short: &str| {
        let (long, short) = (long.to_lowercase(), short.to_lowercase());
        short.chars().count() >= LONGEST - 1 && long.starts_with(&short)
    };
    if is_cut(read, known) || is_cut(known, read) {
        return Some(Likeness::Cut);
    }
    let (read, known) = (bare(read), bare(known));
    if read.len().min(known.len()) < SHORTEST_ALIKE {
        return None;
    }
    if read == known {
        return Some(Likeness::Separators);
    }
    if reversed(&read).is_some_and(|reversed| reversed == known) {
        return Some(Likeness::ReversedBytes);
    }
    if is_decimal_of(&read, &known) || is_decimal_of(&known, &read) {
        return Some(Likeness::Decimal);
    }
    let (short_read, short_known) = (read.trim_matches('0'), known.trim_matches('0'));
    if short_read.len() >= SHORTEST_ALIKE && short_read == short_known {
        return Some(Likeness::Zeros);
    }
    None
}

/// Whether a person may have typed one for the other. Two cards of one series differ as little, so this
/// says nothing of what a reader read.
pub fn is_mistyped(typed: &str, known: &str) -> bool {
    let (typed, known): (Vec<char>, Vec<char>) =
        (bare(typed).chars().collect(), bare(known).chars().collect());
    if typed.len().min(known.len()) < SHORTEST_MISTYPED || typed.len().abs_diff(known.len()) > 1 {
        return false;
    }
    let ahead = typed.iter().zip(&known).take_while(|(one, other)| one == other).count();
    let left = typed.len().max(known.len()) - ahead;
    let behind = typed.iter().rev().zip(known.iter().rev()).take_while(|(one, other)| one == other).count();
    behind + 1 >= left
}

/// The texts that a misread form of this card would most likely be, to look them up one by one.
pub fn forms(tag: &str) -> Vec<String> {
    let bare = bare(tag).to_uppercase();
    let mut forms = vec![
        tag.trim().to_owned(),
        tag.to_uppercase(),
        tag.to_lowercase(),
        tag.chars().take(LONGEST).collect(),
        bare.clone(),
        bare.to_lowercase(),
    ];
    if let Some(reversed) = reversed(&bare) {
        forms.extend([reversed.to_uppercase(), reversed.to_lowercase()]);
    }
    if let Ok(number) = u64::from_str_radix(&bare, 16) {
        forms.push(number.to_string());
    }
    if let Some(number) = reversed(&bare).and_then(|reversed| u64::from_str_radix(&reversed, 16).ok()) {
        forms.push(number.to_string());
    }
    if let Ok(number) = bare.parse::<u64>() {
        forms.extend([format!("{number:08X}"), format!("{number:014X}")]);
    }
    forms.retain(|form| form != tag && !form.is_empty());
    forms.sort();
    forms.dedup();
    forms
}

/// Without spaces and separators, in small letters.
fn bare(tag: &str) -> String {
    tag.to_lowercase().chars().filter(|character| character.is_alphanumeric()).collect()
}

/// The bytes of a hexadecimal number in the opposite order.
fn reversed(tag: &str) -> Option<String> {
    let is_bytes = tag.len().is_multiple_of(2) && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_bytes.then(|| tag.as_bytes().rchunks(2).flatten().map(|byte| char::from(*byte)).collect())
}

fn is_decimal_of(decimal: &str, hexadecimal: &str) -> bool {
    let Ok(number) = decimal.parse::<u64>() else { return false };
    let is_that = |text: &str| u64::from_str_radix(text, 16).is_ok_and(|other| other == number);
    number > 0xFFFF && (is_that(hexadecimal) || reversed(hexadecimal).is_some_and(|text| is_that(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misread_card_is_known_again() {
        let cases = [
            ("04a2b3c4", "04A2B3C4", Some(Likeness::Case)),
            (" 04A2B3C4", "04A2B3C4", Some(Likeness::Separators)),
            ("04 A2 B3 C4", "04A2B3C4", Some(Likeness::Separators)),
            ("04:A2:B3:C4", "04-a2-b3-c4", Some(Likeness::Separators)),
            ("NL-TNM-C00122045-K-X1", "NL-TNM-C00122045-K-X", Some(Likeness::Cut)),
            ("012345678901234567890", "01234567890123456789", Some(Likeness::Cut)),
            ("C4B3A204", "04A2B3C4", Some(Likeness::ReversedBytes)),
            ("77771716", "04A2B3C4", Some(Likeness::Decimal)),
            ("3300106756", "04A2B3C4", Some(Likeness::Decimal)),
            ("04A2B3C4", "77771716", Some(Likeness::Decimal)),
            ("04A2B3C4000000", "04A2B3C4", Some(Likeness::Zeros)),
            ("004A2B3C4D", "4A2B3C4D", Some(Likeness::Zeros)),
            ("04A2B3C4", "04A2B3C4", None),
            ("04A2B3C4", "04A2B3C5", None),
            ("AB", "A B", None),
            ("ÄÖÜß", "äöüß", Some(Likeness::Case)),
        ];
        assert_eq!(cases.len(), 16);
        for (read, known, expected) in cases {
            assert_eq!(likeness(read, known), expected, "{read:?} for {known:?}");
            let finds_itself = forms(known).iter().any(|form| form == read);
            if matches!(expected, Some(Likeness::ReversedBytes | Likeness::Decimal)) {
                assert!(finds_itself, "{read:?} is not among the forms of {known:?}");
            }
        }
    }

    #[test]
    fn what_is_malformed_is_said() {
        let cases = [
            ("04A2B3C4", None),
            ("", Some("is empty")),
            ("  ", Some("is empty")),
            ("012345678901234567890", Some("has 21 characters, and OCPP 1.6 allows 20")),
            ("04A2 B3C4", Some("contains a space")),
            ("04A2\u{0}", Some("contains a control character")),
        ];
        for (tag, expected) in cases {
            assert_eq!(malformed(tag).as_deref(), expected, "{tag:?}");
        }
    }

    #[test]
    fn a_typing_error_is_one_character() {
        for (typed, known) in [
            ("04A2B3C5", "04A2B3C4"),
            ("04A2B3C", "04A2B3C4D"),
            ("4A2B3C4D5", "04A2B3C4D5"),
            ("X4A2B3C4", "04A2B3C4"),
        ] {
            let expected = typed.len() >= SHORTEST_MISTYPED;
            assert_eq!(is_mistyped(typed, known), expected, "{typed} for {known}");
        }
        for (typed, known) in [("04A2B355", "04A2B3C4"), ("04A2", "04A3"), ("04A2B3C4D5E6", "04A2B3C4")] {
            assert!(!is_mistyped(typed, known), "{typed} for {known}");
        }
    }
}
