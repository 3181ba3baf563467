//! Checks the tree against the schema of [`super::schema`]: unknown keys, missing keys, wrong types,
//! words that are not among the allowed ones. All in one pass.

use std::sync::LazyLock;

use serde_json::Value as Json;

use super::explain::{Finding, quoted, suggestion};
use super::schema;
use super::source::{Node, Value};

/// The schema of the file, made from the structs.
pub(crate) static SCHEMA: LazyLock<Json> = LazyLock::new(|| schemars::schema_for!(schema::File).to_value());

/// What the outermost table is called in messages.
const TOP: &str = "proxy.toml";

/// What the shape check found.
#[derive(Default)]
pub(crate) struct Shape {
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// Whether the structs can be read from the tree in spite of it: only unknown keys were found, and
    /// those are taken out.
    pub(crate) broken: bool,
}

/// Checks the whole tree and takes out the keys nobody knows.
pub(crate) fn check(root: &mut Node, text: &str) -> Shape {
    let mut shape = Shape::default();
    Walk { text, shape: &mut shape }.check(root, &SCHEMA, TOP);
    shape
}

/// The schema behind `$ref` and behind "this or nothing".
pub(crate) fn resolved(schema: &Json) -> &Json {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return resolved(&SCHEMA["$defs"][name]);
    }
    let options = schema["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    options.iter().find(|option| option["type"] != "null").map_or(schema, resolved)
}

/// The words a schema allows, with what they mean; empty when any text will do.
pub(crate) fn words(schema: &Json) -> Vec<(&str, &str)> {
    let options = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    options
        .iter()
        .filter_map(|option| Some((option["const"].as_str()?, option["description"].as_str().unwrap_or(""))))
        .collect()
}

/// The type a schema wants: `"object"`, `"array"`, `"string"`, `"integer"`, `"boolean"`.
pub(crate) fn type_name(schema: &Json) -> &str {
    match &schema["type"] {
        Json::Array(types) => types.iter().filter_map(Json::as_str).find(|name| *name != "null"),
        other => other.as_str(),
    }
    .unwrap_or("string")
}

struct Walk<'a> {
    text: &'a str,
    shape: &'a mut Shape,
}

impl Walk<'_> {
    fn check(&mut self, node: &mut Node, schema: &Json, place: &str) {
        let schema = resolved(schema);
        let wanted = type_name(schema);
        let start = node.span.start;
        match (wanted, &mut node.value) {
            ("object", Value::Table(_)) => self.check_table(node, schema, place),
            ("array", Value::Array(items)) => {
                for item in items {
                    self.check(item, &schema["items"], place);
                }
            }
            ("string", Value::Text(word)) => {
                let words = words(schema);
                if !words.is_empty() && words.iter().all(|(known, _)| known != word) {
                    let near = suggestion(word, words.iter().map(|(known, _)| *known));
                    let message = format!("unknown {} {}{near}", last_key(place), quoted(word));
                    self.break_with(start, message);
                }
            }
            ("integer", Value::Integer(number)) => {
                let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
                if least.is_some_and(|least| *number < least) || most.is_some_and(|most| *number > most) {
                    let message = format!(
                        "{place} is {number}; it must be from {} to {}",
                        least.unwrap_or(i64::MIN),
                        most.unwrap_or(i64::MAX)
                    );
                    self.break_with(start, message);
                }
            }
            ("boolean", Value::Boolean(_)) => {}
            _ => {
                let message = format!("{place} must be {}, not {}", kind(wanted), node.kind());
                self.break_with(start, message);
            }
        }
    }

    fn check_table(&mut self, node: &mut Node, schema: &Json, place: &str) {
        let start = node.span.start;
        let Value::Table(entries) = &mut node.value else { return };
        let properties = schema["properties"].as_object();
        let any_key = schema["additionalProperties"].as_object().map(|_| &schema["additionalProperties"]);
        entries.retain_mut(|entry| {
            let known = properties.and_then(|properties| properties.get(&entry.key));
            if let Some(schema) = known.or(any_key) {
                self.check(&mut entry.node, schema, &nested(place, &entry.key, schema));
                return true;
            }
            let known = properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
            let near = suggestion(&entry.key, known);
            let message = format!("unknown key {} in {place}{near}", quoted(&entry.key));
            self.shape.findings.push(Finding::error(self.text, entry.key_span.start, message));
            false
        });
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for key in required.iter().filter_map(Json::as_str) {
            if entries.iter().all(|entry| entry.key != key) {
                let example = resolved(&schema["properties"][key])["examples"][0].to_string();
                let message = format!("{place} lacks {key:?}; for example {key} = {example}");
                self.break_with(start, message);
            }
        }
    }

    fn break_with(&mut self, at: usize, message: String) {
        self.shape.broken = true;
        self.shape.findings.push(Finding::error(self.text, at, message));
    }
}

/// How a place is called in messages: `[listen]`, `listen.path`, `[backoffices.volt]`, `[[chargers]]`.
fn nested(place: &str, key: &str, schema: &Json) -> String {
    let wanted = type_name(resolved(schema));
    let outer = place.trim_matches(['[', ']']);
    let path = if place == TOP { key.to_owned() } else { format!("{outer}.{key}") };
    match wanted {
        "object" => format!("[{path}]"),
        "array" => format!("[[{path}]]"),
        _ => path,
    }
}

fn last_key(place: &str) -> &str {
    place.rsplit('.').next().unwrap_or(place)
}

fn kind(wanted: &str) -> &'static str {
    match wanted {
        "object" => "a table",
        "array" => "an array of tables",
        "integer" => "a whole number",
        "boolean" => "true or false",
        _ => "text in quotes",
    }
}
