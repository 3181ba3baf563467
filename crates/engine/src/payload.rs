//! Reading and rewriting single fields of a payload, byte-exact everywhere else.

use std::borrow::Cow;
use std::ops::Range;

pub use crate::frame::string;
use crate::json;

/// Some members of an object, each as its JSON token. Of members that stand twice the last counts
/// (semantics F-6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields<'a, const N: usize> {
    /// The tokens, in the order asked for.
    pub tokens: [Option<&'a str>; N],
    /// A member stands twice.
    pub duplicated: bool,
}

impl<'a, const N: usize> Fields<'a, N> {
    pub(crate) const NONE: Self = Self { tokens: [None; N], duplicated: false };

    /// Takes in a member, if it has one of the names.
    pub(crate) fn see(&mut self, names: &[&str; N], key: &'a str, value: &'a str) {
        let place = |name: &str| names.iter().position(|wanted| *wanted == name);
        // Hardly a name is written with escapes.
        let at = place(&key[1..key.len() - 1]).or_else(|| match string(key)? {
            Cow::Owned(name) => place(&name),
            Cow::Borrowed(_) => None,
        });
        if let Some(at) = at {
            self.duplicated |= self.tokens[at].is_some();
            self.tokens[at] = Some(value);
        }
    }
}

/// The members of that name; none where the text is not an object.
pub fn fields<'a, const N: usize>(object: &'a str, names: [&str; N]) -> Fields<'a, N> {
    let mut found = Fields::NONE;
    each_member(object, |member| found.see(&names, member.key, member.value));
    found
}

/// The member of that name.
pub fn field<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    fields(object, [name]).tokens[0]
}

/// The text of the member of that name, if it is a string.
pub fn text<'a>(object: &'a str, name: &str) -> Option<Cow<'a, str>> {
    field(object, name).and_then(string)
}

/// The number in the member of that name, if it is an integer of 64 bits.
pub fn integer(object: &str, name: &str) -> Option<i64> {
    field(object, name)?.parse().ok()
}

/// The elements of an array, each as its JSON token; none where the text is not an array.
pub fn elements(array: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let walked = json::elements(array, |element| elements.push(&array[element]), |_, _, _| ());
    walked.map(|_| elements).unwrap_or_default()
}

/// Whether a member stands twice anywhere in it. Readers differ in which they take, and those of small firmware take
/// a name in capitals for the same.
pub fn says_twice(value: &str) -> bool {
    let mut names: Vec<String> = Vec::new();
    let mut values: Vec<&str> = elements(value);
    each_member(value, |member| {
        names.push(member.name().to_ascii_lowercase());
        values.push(member.value);
    });
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() < count || values.into_iter().filter(|inner| inner.starts_with(['{', '['])).any(says_twice)
}

/// `idTagInfo.status` of an answer, if it has one.
pub fn id_tag_status(answer: &str) -> Option<Cow<'_, str>> {
    text(field(answer, "idTagInfo")?, "status")
}

/// A copy of `whole` in which the bytes of `part`, a slice of it, are replaced.
pub fn replaced(whole: &str, part: &str, replacement: &str) -> String {
    let Range { start, end } = span(whole, part);
    let mut text = String::with_capacity(whole.len() - part.len() + replacement.len());
    text.push_str(&whole[..start]);
    text.push_str(replacement);
    text.push_str(&whole[end..]);
    text
}

/// A copy of `object` whose member of that name is this token; a member that it has not is its last.
pub fn with(object: &str, name: &str, token: &str) -> String {
    if let Some(old) = field(object, name) {
        return replaced(object, old, token);
    }
    let Some(members) = object.trim_end().strip_suffix('}') else { return object.to_owned() };
    let comma = if members.trim_end().ends_with('{') { "" } else { "," };
    format!("{members}{comma}{}:{token}}}", serde_json::Value::from(name))
}

/// A copy of `whole` without the members of that name in `object`, a slice of it.
pub fn without(whole: &str, object: &str, name: &str) -> String {
    // Neighbours leave together: a comma between them goes only once.
    let mut cuts: Vec<Range<usize>> = Vec::new();
    let mut was_cut = false;
    each_member(object, |member| {
        let is_cut = member.name() == name;
        if is_cut {
            let end = span(object, member.value).end;
            match cuts.last_mut() {
                Some(cut) if was_cut => cut.end = end,
                _ => cuts.push(span(object, member.key).start..end),
            }
        }
        was_cut = is_cut;
    });
    let mut text = String::with_capacity(whole.len());
    let base = span(whole, object).start;
    let mut kept_to = 0;
    for cut in cuts.into_iter().map(|cut| with_one_comma(object, cut)) {
        text.push_str(&whole[kept_to..base + cut.start]);
        kept_to = base + cut.end;
    }
    text.push_str(&whole[kept_to..]);
    text
}

/// Where `part`, a slice of `whole`, lies in it.
fn span(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    assert!(start.checked_add(part.len()).is_some_and(|end| end <= whole.len()), "a slice of the text");
    start..start + part.len()
}

/// Widens the range of neighbouring members by the comma that goes with it.
fn with_one_comma(object: &str, member: Range<usize>) -> Range<usize> {
    let after = object[member.end..].trim_start();
    if after.starts_with(',') {
        let end = object.len() - after.len() + 1;
        return member.start..end;
    }
    let before = object[..member.start].trim_end();
    if before.ends_with(',') { before.len() - 1..member.end } else { member }
}

struct Member<'a> {
    /// The name as its JSON token.
    key: &'a str,
    value: &'a str,
}

impl<'a> Member<'a> {
    fn name(&self) -> Cow<'a, str> {
        string(self.key).unwrap_or_default()
    }
}

fn each_member<'a>(object: &'a str, mut see: impl FnMut(Member<'a>)) {
    json::members(object, |key, value| see(Member { key: &object[key], value: &object[value] }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"connectorId":1, "idTag":"A\u0042C","reservationId" : 7 ,"meterStart":0.10}"#;

    #[test]
    fn what_is_said_twice_is_found() {
        let twice = [
            r#"{"key":"A","key":"B"}"#,
            r#"{"KEY":"A","key":"B"}"#,
            r#"{"k\u0065y":"A","key":"B"}"#,
            r#"{"a":{"b":[{"c":1,"c":1}]}}"#,
        ];
        let once = [r#"{"key":"A","value":"key"}"#, r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#, "[]", "7"];
        assert_eq!((twice.map(says_twice), once.map(says_twice)), ([true; 4], [false; 4]));
    }

    #[test]
    fn members_are_slices_of_the_text() {
        let found = fields(START, ["idTag", "reservationId", "missing", "meterStart"]);
        assert_eq!(found.tokens, [Some(r#""A\u0042C""#), Some("7"), None, Some("0.10")]);
        assert!(!found.duplicated);
        assert_eq!(text(START, "idTag").as_deref(), Some("ABC"));
        assert_eq!(integer(START, "connectorId"), Some(1));
        assert_eq!(integer(START, "meterStart"), None);
        assert_eq!(fields("[1]", ["idTag"]).tokens, [None]);
    }

    #[test]
    fn of_two_members_the_last_counts() {
        let found = fields(r#"{"idTag":"A","idTag":"B"}"#, ["idTag"]);
        assert_eq!(found.tokens, [Some("\"B\"")]);
        assert!(found.duplicated);
    }

    #[test]
    fn numbers_are_taken_as_they_stand() {
        let cases = [
            (r#"{"n":9223372036854775807}"#, Some(i64::MAX)),
            (r#"{"n":9223372036854775808}"#, None),
            (r#"{"n":-1}"#, Some(-1)),
            (r#"{"n":"5"}"#, None),
            (r#"{"n":null}"#, None),
            (r#"{"n":1e3}"#, None),
        ];
        for (object, expected) in cases {
            assert_eq!(integer(object, "n"), expected, "{object}");
        }
    }

    #[test]
    fn only_the_field_itself_is_rewritten() {
        let token = field(START, "reservationId").unwrap();
        assert_eq!(
            replaced(START, token, "1500000001"),
            r#"{"connectorId":1, "idTag":"A\u0042C","reservationId" : 1500000001 ,"meterStart":0.10}"#
        );
    }

    #[test]
    fn a_member_leaves_with_its_comma() {
        let cases = [
            (r#"{"a":1,"b":2}"#, "a", r#"{"b":2}"#),
            (r#"{"a":1,"b":2}"#, "b", r#"{"a":1}"#),
            (r#"{"a":1 , "b":2 , "c":3}"#, "b", r#"{"a":1 ,  "c":3}"#),
            (r#"{ "a":1 }"#, "a", r#"{  }"#),
            (r#"{"a":1,"b":2,"a":3}"#, "a", r#"{"b":2}"#),
            (r#"{"b":2}"#, "a", r#"{"b":2}"#),
            (r#"{"a":1,"a":2}"#, "a", r#"{}"#),
            (r#"{"b":2 , "a":1 , "a":3, "a":4 }"#, "a", r#"{"b":2  }"#),
            (r#"{"a":1,"a":3 , "b":2,"a":4,"c":5}"#, "a", r#"{ "b":2,"c":5}"#),
        ];
        for (object, name, expected) in cases {
            assert_eq!(without(object, object, name), expected, "{object} without {name}");
        }
        let nested = r#"{"p":{"t":1,"u":2},"t":3}"#;
        let inner = field(nested, "p").unwrap();
        assert_eq!(without(nested, inner, "t"), r#"{"p":{"u":2},"t":3}"#);
    }

    #[test]
    fn a_member_is_replaced_or_comes_last() {
        let cases = [
            (r#"{"a":1 ,"b":2}"#, r#"{"a":"x" ,"b":2}"#),
            (r#"{"b":2 }"#, r#"{"b":2 ,"a":"x"}"#),
            ("{ }", r#"{ "a":"x"}"#),
            ("[]", "[]"),
        ];
        for (object, expected) in cases {
            assert_eq!(with(object, "a", "\"x\""), expected, "{object}");
        }
    }
}
