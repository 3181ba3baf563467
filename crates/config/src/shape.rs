//! Checks the tree against the schema of [`super::schema`]: unknown keys, missing keys, wrong types,
//! words that are not among the allowed ones. All in one pass, and without hiding from the checks that
//! follow what is right.

use std::sync::LazyLock;

use serde_json::Value as Json;

use super::explain::{Finding, nearest, quoted, suggestion};
use super::schema;
use super::source::{Entry, Node, Value};

/// The schema of the file, made from the structs.
pub(crate) static SCHEMA: LazyLock<Json> = LazyLock::new(|| schemars::schema_for!(schema::File).to_value());

/// Stands where something is missing or wrong, so that the rest can be checked. What is said of it is
/// a consequence and left out.
const PLACEHOLDER: &str = "\u{0}";

/// What the shape check found.
#[derive(Default)]
pub(crate) struct Shape {
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// Where something stands that the file does not have.
    pub(crate) placeholders: Vec<usize>,
    /// The sections that could not be read and were taken out.
    pub(crate) removed: Vec<String>,
}

/// Checks the whole tree and repairs it, so that the structs can be read from it: what nobody knows is
/// taken out or taken for the known key that is near, what has the wrong type gives way to the default
/// or to a placeholder. Whoever finds anything in [`Shape::findings`] must not use the values.
pub(crate) fn check(root: &mut Node, text: &str, file: &str) -> Shape {
    let mut shape = Shape::default();
    let top = file.rsplit('/').next().unwrap_or(file);
    let backoffice = followers(root).next().map(str::to_owned);
    Walk { text, top, backoffice, shape: &mut shape }.check_table(root, &SCHEMA, top);
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

/// Who follows by the file, as far as that can be read.
fn followers(root: &Node) -> impl Iterator<Item = &str> {
    let rules = root.get("chargers").into_iter().flat_map(items);
    let followers = rules.filter_map(|rule| rule.get("followers")).flat_map(items);
    followers.filter_map(|follower| match &follower.get("backoffice")?.value {
        Value::Text(name) => Some(name.as_str()),
        _ => None,
    })
}

fn items(list: &Node) -> impl Iterator<Item = &Node> {
    (0..).map_while(|at| list.item(at))
}

struct Walk<'a> {
    text: &'a str,
    /// What the outermost table is called in messages.
    top: &'a str,
    /// One that follows, for examples.
    backoffice: Option<String>,
    shape: &'a mut Shape,
}

impl Walk<'_> {
    /// Whether the value fits, or was made to.
    fn check(&mut self, node: &mut Node, spot: &Spot<'_>) -> bool {
        let schema = resolved(spot.property);
        let wanted = type_name(schema);
        let start = node.span.start;
        match (wanted, &mut node.value) {
            // What could not be expanded was reported.
            (_, Value::Unread) => false,
            ("object", Value::Table(_)) => {
                self.check_table(node, schema, &spot.place);
                true
            }
            ("array", Value::Array(items)) => {
                let item = Spot { property: &schema["items"], example: None, ..spot.clone() };
                let written = items.len();
                items.retain_mut(|node| self.check(node, &item));
                if items.is_empty() && written > 0 {
                    // That nothing is left is no mistake of its own.
                    self.shape.placeholders.push(start);
                }
                true
            }
            ("array", Value::Table(_)) if is_of_tables(schema) => {
                self.wrong_kind(node, spot);
                let table = Node { span: node.span.clone(), value: std::mem::take(&mut node.value) };
                node.value = Value::Array(vec![table]);
                self.check(node, spot)
            }
            ("array", _) if !is_of_tables(schema) => {
                self.wrong_kind(node, spot);
                node.value = Value::Array(Vec::new());
                self.shape.placeholders.push(start);
                true
            }
            ("string", Value::Text(word)) => {
                let words = words(schema);
                if words.is_empty() || words.iter().any(|(known, _)| known == word) {
                    return true;
                }
                let near = match schema["mistaken"][word.as_str()].as_str() {
                    Some(hint) => {
                        let example = self.backoffice.as_deref().unwrap_or("acme");
                        format!("; {}", hint.replace("\"acme\"", &quoted(example)))
                    }
                    None => suggestion(word, words.iter().map(|(known, _)| *known)),
                };
                let message = format!("unknown {} {}{near}", last_key(&spot.place), quoted(word));
                self.error(start, message);
                let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
                let Some(meant) = nearest(word, &known) else { return false };
                meant.clone_into(word);
                true
            }
            ("integer", Value::Integer(number)) => {
                let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
                let most = schema["maximum"].as_i64().unwrap_or(i64::MAX);
                let fits = (least..=most).contains(number);
                if !fits {
                    let message = format!("{} is {number}; it must be from {least} to {most}", spot.place);
                    self.error(start, message);
                }
                fits
            }
            ("boolean", Value::Boolean(_)) => true,
            _ => {
                self.wrong_kind(node, spot);
                false
            }
        }
    }

    fn wrong_kind(&mut self, node: &Node, spot: &Spot<'_>) {
        let wanted = kind(resolved(spot.property));
        let line = match (spot.line(), spot.example) {
            (Some(line), _) if line.starts_with('[') => format!("; write {line}"),
            (Some(line), _) => format!("; for example {line}"),
            (None, Some(example)) => format!("; for example {} = {example}", spot.key),
            (None, None) => String::new(),
        };
        self.error(node.span.start, format!("{} must be {wanted}, not {}{line}", spot.place, node.kind()));
    }

    fn check_table(&mut self, node: &mut Node, schema: &Json, place: &str) {
        let start = node.span.start;
        let Value::Table(written) = &mut node.value else { return };
        let properties = schema["properties"].as_object();
        let any_key = schema["additionalProperties"].as_object().map(|_| &schema["additionalProperties"]);
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_required = |key: &str| required.iter().any(|name| name == key);
        let mut entries = self.with_known_keys(std::mem::take(written), schema, place);
        if let Some(own) = properties {
            entries.iter_mut().for_each(|entry| self.without_strays(entry, own, place));
        }
        entries.retain_mut(|entry| {
            let property = properties.and_then(|properties| properties.get(&entry.key)).or(any_key);
            let property = property.expect("only known keys are left");
            let default = [&property["examples"][0], &property["default"], &schema["default"][&entry.key]];
            let spot = Spot {
                place: nested(place == self.top, place, &entry.key, property),
                key: &entry.key,
                property,
                example: default.into_iter().find(|value| !value.is_null()),
            };
            if self.check(&mut entry.node, &spot) {
                return true;
            }
            let stays = any_key.is_some() || is_required(&entry.key);
            if stays {
                self.shape.placeholders.push(entry.node.span.start);
                entry.node.value = placeholder(property, &entry.node);
            } else {
                self.shape.removed.push(spot.place);
            }
            stays
        });
        for key in required.iter().filter_map(Json::as_str) {
            if entries.iter().all(|entry| entry.key != key) {
                let property = &schema["properties"][key];
                let example = &resolved(property)["examples"][0];
                self.error(start, format!("{place} lacks {key:?}; for example {key} = {example}"));
                self.shape.placeholders.push(start);
                let value = Value::Text(PLACEHOLDER.to_owned());
                let node = Node { span: start..start, value };
                entries.push(Entry { key: key.to_owned(), key_span: start..start, node });
            }
        }
        *written = entries;
    }

    /// A header of TOML holds until the next one: a key of this table that is written below the header of a table within it,
    /// in which any name is one, would be taken for a name.
    fn without_strays(&mut self, entry: &mut Entry, own: &serde_json::Map<String, Json>, place: &str) {
        let Some(property) = own.get(&entry.key) else { return };
        let is_of_texts = type_name(&resolved(property)["additionalProperties"]) == "string"
            && resolved(property)["additionalProperties"].is_object();
        let Value::Table(within) = &mut entry.node.value else { return };
        if !is_of_texts {
            return;
        }
        let below = nested(place == self.top, place, &entry.key, property);
        within.retain(|stray| {
            if !own.contains_key(&stray.key) {
                return true;
            }
            let key = quoted(&stray.key);
            let message = format!(
                "{key} stands in {below}, and is a key of {place}: a table holds whatever follows its header; write {key} \
                 above the line {below}"
            );
            self.error(stray.key_span.start, message);
            false
        });
    }

    /// The entries whose keys are known, or near to one that is not there: so that what is wrong below
    /// a misspelled key is found, too.
    fn with_known_keys(&mut self, written: Vec<Entry>, schema: &Json, place: &str) -> Vec<Entry> {
        let Some(properties) = schema["properties"].as_object() else { return written };
        let (mut entries, unknown): (Vec<Entry>, Vec<Entry>) =
            written.into_iter().partition(|entry| properties.contains_key(&entry.key));
        for mut entry in unknown {
            let known: Vec<&str> = properties.keys().map(String::as_str).collect();
            let near = suggestion(&entry.key, known.iter().copied());
            self.error(entry.key_span.start, format!("unknown key {} in {place}{near}", quoted(&entry.key)));
            let Some(meant) = nearest(&entry.key, &known) else { continue };
            match entries.iter_mut().find(|other| other.key == meant) {
                None => {
                    meant.clone_into(&mut entry.key);
                    entries.push(entry);
                }
                Some(other) => merge(&mut other.node.value, entry.node.value),
            }
        }
        entries
    }

    fn error(&mut self, at: usize, message: String) {
        self.shape.findings.push(Finding::error(self.text, at, message));
    }
}

/// A value in the file, and what is to stand there.
#[derive(Clone)]
struct Spot<'a> {
    /// What it is called in messages.
    place: String,
    key: &'a str,
    property: &'a Json,
    example: Option<&'a Json>,
}

impl Spot<'_> {
    /// How it is written, where an example of the value alone would not tell.
    fn line(&self) -> Option<&str> {
        self.property["line"].as_str().or_else(|| resolved(self.property)["line"].as_str())
    }
}

/// Adds what stands in a misspelled section to the right one.
fn merge(there: &mut Value, more: Value) {
    match (there, more) {
        (Value::Table(there), Value::Table(more)) => {
            for entry in more {
                if there.iter().all(|other| other.key != entry.key) {
                    there.push(entry);
                }
            }
        }
        (Value::Array(there), Value::Array(more)) => there.extend(more),
        _ => {}
    }
}

fn placeholder(property: &Json, node: &Node) -> Value {
    let schema = resolved(property);
    if type_name(schema) != "object" {
        return Value::Text(PLACEHOLDER.to_owned());
    }
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let entries = required.iter().filter_map(Json::as_str).map(|key| Entry {
        key: key.to_owned(),
        key_span: node.span.clone(),
        node: Node { span: node.span.clone(), value: Value::Text(PLACEHOLDER.to_owned()) },
    });
    Value::Table(entries.collect())
}

/// How a place is called in messages: `[listen]`, `listen.path`, `[backoffices.volt]`, `[[chargers]]`.
fn nested(is_outermost: bool, place: &str, key: &str, schema: &Json) -> String {
    let wanted = type_name(resolved(schema));
    let outer = place.trim_matches(['[', ']']);
    let path = if is_outermost { key.to_owned() } else { format!("{outer}.{key}") };
    match wanted {
        "object" => format!("[{path}]"),
        "array" if is_of_tables(resolved(schema)) => format!("[[{path}]]"),
        _ => path,
    }
}

fn last_key(place: &str) -> &str {
    place.rsplit('.').next().unwrap_or(place)
}

/// Whether the items of an array are tables, rather than texts.
pub(crate) fn is_of_tables(array: &Json) -> bool {
    type_name(resolved(&array["items"])) == "object"
}

fn kind(wanted: &Json) -> &'static str {
    match type_name(wanted) {
        "object" => "a table",
        "array" if is_of_tables(wanted) => "an array of tables",
        "array" => "an array of texts",
        "integer" => "a whole number",
        "boolean" => "true or false",
        _ => "text in quotes",
    }
}
