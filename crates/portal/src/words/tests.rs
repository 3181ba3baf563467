//! Does every rule that the engine can name have a sentence?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

/// Every remark that the engine makes has a sentence.
#[test]
fn every_remark_has_a_sentence() {
    assert!(FLAGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let mut named = BTreeSet::new();
    for source in sources() {
        for (at, call) in source.match_indices("flags.push(\"") {
            named.extend(source[at + call.len()..].split('"').next().map(str::to_owned));
        }
    }
    let unknown: Vec<_> = named.iter().filter(|flag| !FLAGS.iter().any(|(known, _)| known == flag)).collect();
    assert_eq!(unknown, Vec::<&String>::new());
    assert!(named.len() >= 8, "{named:?}");
}

/// The calls by which the engine names a rule, and which of their arguments it is.
const NAMING: [(&str, Argument); 9] = [
    ("Decider::Proxy(", Argument::Last),
    ("answer_in_leaders_place(", Argument::Last),
    ("Admission::Local(", Argument::Last),
    ("Turn::Here(", Argument::Last),
    ("no.by(", Argument::First),
    ("Err(", Argument::Last),
    ("failed(", Argument::Last),
    ("fail(", Argument::Last),
    ("local(", Argument::Last),
];

#[derive(Clone, Copy)]
enum Argument {
    First,
    Last,
}

/// The arguments of a call, from behind its parenthesis; without comments and trailing comma.
fn arguments(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let (mut depth, mut rest) = (0, text);
    while let Some(character) = rest.chars().next() {
        let length = match character {
            'r' if rest.starts_with("r#\"") => rest.find("\"#").unwrap() + 2,
            '"' => rest[1..].replace("\\\"", "__").find('"').unwrap() + 2,
            _ => character.len_utf8(),
        };
        match character {
            ')' if depth == 0 => break,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if character == ',' && depth == 0 {
            found.push(String::new());
        } else {
            found.last_mut().unwrap().push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    found.retain(|argument| !argument.trim().is_empty());
    found
}

fn rules_in(source: &str) -> impl Iterator<Item = String> {
    NAMING.into_iter().flat_map(move |(call, which)| {
        source.match_indices(call).filter_map(move |(at, _)| {
            let arguments = arguments(&source[at + call.len()..]);
            let rule = match which {
                Argument::First => arguments.first(),
                Argument::Last => arguments.last(),
            };
            let rule = rule?.trim().strip_prefix('"')?.strip_suffix('"')?;
            Some(rule.to_owned())
        })
    })
}

/// Rules that are chosen first and named later: every text in a line `let rule = …`.
fn chosen_in(source: &str) -> Vec<String> {
    let choices = source.lines().filter_map(|line| line.trim().strip_prefix("let rule = if "));
    let texts = choices.flat_map(|line| line.split('{').skip(1).filter_map(|part| part.split('"').nth(1)));
    texts.map(str::to_owned).collect()
}

/// The engine's files.
fn sources() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/src/session")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn every_rule_of_the_engine_has_a_sentence() {
    let mut found: BTreeSet<String> = sources().iter().flat_map(|source| rules_in(source)).collect();
    found.extend(sources().iter().flat_map(|source| chosen_in(source)));
    let known: Vec<&str> = RULES.iter().map(|(code, _)| *code).collect();
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), known);
    assert!(found.len() > 40, "{} rules", found.len());
    assert!(found.iter().all(|rule| meaning_of_rule(rule).is_some()));
}

#[test]
fn a_rule_is_found_however_the_call_is_written() {
    let source = r##"
        return Err(no.by("K-1", "why, and (how)"));
        self.reply_to(&mut command, Reply::result(r#"{"status":"Rejected"}"#), Decider::Proxy("T-1"));
        None => local(r#"{"status":"Unknown"}"#, "K-2"),
        Admission::Local(
            Reply::error("GenericError", "busy"),
            "K-3",
        ),
        fn fail(&mut self, rule: &'static str) {}
        Decider::Proxy(rule)
    "##;
    let found: BTreeSet<String> = rules_in(source).collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["K-1", "K-2", "K-3", "T-1"]);
}
