//! A number put in the place of another: nothing else changes, not by a byte.

use engine::limits::JSON_DEPTH;
use engine::payload;

use crate::naive::{self, Kind, Value};

/// Three lines: the name of a member, the JSON token that it is to have, and the payload, which goes on to the end.
pub fn splice(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.splitn(3, '\n');
    let (Some(name), Some(token), Some(whole)) = (lines.next(), lines.next(), lines.next()) else { return };
    // What is looked for are the program's own words. No member is without a name but those whose name is no text,
    // and readers differ in what they call them.
    if name.is_empty() || name.contains(['"', '\\']) {
        return;
    }
    // What is no JSON never reaches these; still, nothing may panic.
    let Ok(read) = naive::read(whole, JSON_DEPTH) else {
        let _ = (
            payload::fields(whole, [name, "idTag"]),
            payload::elements(whole),
            payload::with(whole, name, "1"),
        );
        let _ =
            (payload::without(whole, whole, name), payload::integer(whole, name), payload::text(whole, name));
        return;
    };
    reading(whole, &read, name);
    let is_token = naive::read(token, JSON_DEPTH).is_ok_and(|value| value.token == token);
    if is_token {
        replacing(whole, &read, name, token);
    }
    removing(whole, &read, whole, &read, name);
    if let Some(inner) = read.members().and_then(|all| all.iter().find(|one| one.value.members().is_some())) {
        removing(whole, &read, inner.value.token, &inner.value, name);
    }
}

fn reading(whole: &str, read: &Value<'_>, name: &str) {
    let member = read.member(name);
    let token = member.map(|value| value.token);
    let times = read.members().unwrap_or_default().iter().filter(|member| member.name == name).count();
    let other = if name == "idTag" { "status" } else { "idTag" };
    let found = payload::fields(whole, [name, other]);
    assert_eq!(found.tokens, [token, read.member(other).map(|value| value.token)]);
    let others = read.members().unwrap_or_default().iter().filter(|member| member.name == other).count();
    assert_eq!(found.duplicated, times > 1 || others > 1);
    assert_eq!(payload::field(whole, name), token);
    assert_eq!(payload::text(whole, name).as_deref(), member.and_then(Value::text));
    if let Some(number) = payload::integer(whole, name) {
        let written = number.to_string();
        assert!(token == Some(&written) || (number, token) == (0, Some("-0")), "{token:?} is {number}");
    }
    let elements: Vec<&str> = read.elements().unwrap_or_default().iter().map(|one| one.token).collect();
    assert_eq!(payload::elements(whole), elements);
    assert_eq!(payload::says_twice(whole), says_twice(read));
    let status = read.member("idTagInfo").and_then(|info| info.member("status")).and_then(Value::text);
    assert_eq!(payload::id_tag_status(whole).as_deref(), status);
}

fn replacing(whole: &str, read: &Value<'_>, name: &str, token: &str) {
    // Every value in turn, however deep it stands.
    for old in read.all().into_iter().take(32) {
        let slice = &whole[old.at..old.at + old.token.len()];
        let expected = format!("{}{token}{}", &whole[..old.at], &whole[old.at + slice.len()..]);
        assert_eq!(payload::replaced(whole, slice, token), expected);
    }
    let written = payload::with(whole, name, token);
    let Some(members) = read.members() else {
        assert_eq!(written, whole);
        return;
    };
    match read.member(name) {
        Some(old) => {
            let expected = format!("{}{token}{}", &whole[..old.at], &whole[old.at + old.token.len()..]);
            assert_eq!(written, expected);
        }
        None => {
            let again = naive::read(&written, JSON_DEPTH + 1).expect("it is JSON as before");
            let mut expected = tokens(members);
            let key = serde_json::Value::from(name).to_string();
            expected.push((&key, token));
            assert_eq!(tokens(again.members().expect("it is an object as before")), expected);
            let end = members.last().map_or(read.at + 1, |last| last.value.at + last.value.token.len());
            assert_eq!(written[..end], whole[..end]);
        }
    }
    assert_eq!(payload::field(&written, name), Some(token));
}

/// Without the members of that name in a part of it.
fn removing(whole: &str, read: &Value<'_>, part: &str, of_part: &Value<'_>, name: &str) {
    let written = payload::without(whole, part, name);
    let Some(members) = of_part.members() else {
        assert_eq!(written, whole);
        return;
    };
    let (before, after) = (of_part.at, whole.len() - of_part.at - of_part.token.len());
    assert_eq!(written[..before], whole[..before]);
    assert_eq!(written[written.len() - after..], whole[whole.len() - after..]);
    let again = naive::read(&written, JSON_DEPTH).expect("it is JSON as before");
    let part_again = again.all().into_iter().find(|value| value.at == of_part.at);
    let kept = tokens(members).into_iter().filter(|(key, _)| name_of(key) != name).collect::<Vec<_>>();
    let part_again = part_again.expect("an object stands where one stood");
    assert_eq!(tokens(part_again.members().expect("it is still an object")), kept);
    if kept.len() == members.len() {
        assert_eq!(written, whole);
    }
    // What is beside the part is what it was.
    assert_eq!(
        again.members().map(<[_]>::len),
        read.members().map(|all| if part == whole { kept.len() } else { all.len() })
    );
}

fn tokens<'a>(members: &[naive::Member<'a>]) -> Vec<(&'a str, &'a str)> {
    members.iter().map(|member| (member.key, member.value.token)).collect()
}

fn name_of(key: &str) -> String {
    match naive::read(key, 0).map(|value| value.kind) {
        Ok(Kind::String(text)) => text.unwrap_or_default(),
        _ => String::new(),
    }
}

fn says_twice(value: &Value<'_>) -> bool {
    let members = value.members().unwrap_or_default();
    let mut names: Vec<String> = members.iter().map(|member| member.name.to_ascii_lowercase()).collect();
    names.sort();
    let is_twice = names.windows(2).any(|pair| pair[0] == pair[1]);
    is_twice
        || members.iter().any(|member| says_twice(&member.value))
        || value.elements().unwrap_or_default().iter().any(says_twice)
}
