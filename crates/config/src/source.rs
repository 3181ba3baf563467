//! The text of `proxy.toml` as a tree in which everything knows where it stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::explain::{Finding, quoted};

/// A value and its place in the text.
pub(crate) struct Node {
    /// The bytes it was written in.
    pub(crate) span: Range<usize>,
    /// What it is.
    pub(crate) value: Value,
}

/// The values TOML knows.
#[derive(Default)]
pub(crate) enum Value {
    /// Text with a `${…}` that could not be replaced.
    #[default]
    Unread,
    /// A table, in the order of the file.
    Table(Vec<Entry>),
    /// An array.
    Array(Vec<Node>),
    /// Text, with every `${…}` replaced once it is expanded.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A number with a fraction, a date, or a number too large: valid TOML, wanted nowhere.
    Other(&'static str),
}

/// A key of a table and what it holds.
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) key_span: Range<usize>,
    /// What it holds.
    pub(crate) node: Node,
}

/// More errors of syntax help nobody: what follows the first ones is often their echo.
const MOST_ERRORS: usize = 50;

/// Reads the text. Syntax errors are collected; a tree comes with none of them.
pub(crate) fn parse(text: &str) -> Result<Node, Vec<Finding>> {
    let (tree, errors) = recover(text);
    if errors.is_empty() { Ok(tree) } else { Err(errors) }
}

/// Reads what can be read in spite of syntax errors, and tells them.
pub(crate) fn recover(text: &str) -> (Node, Vec<Finding>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<Finding> = errors
        .iter()
        .map(|error| {
            let span = error.span().unwrap_or(0..0);
            let mut message = error.message().replace('\n', ", ");
            if message == "duplicate key" {
                message = format!("{} stands here for the second time", quoted(&text[span.clone()]));
            }
            Finding::error(text, span.start, message)
        })
        .collect();
    // Some are told only at the end of what they stand in.
    errors.sort_by_key(|finding| (finding.line, finding.column));
    // Of brackets that are nested deeply each is missed at the same end.
    errors.dedup();
    errors.truncate(MOST_ERRORS);
    (Node { span: table.span(), value: Value::Table(entries(table.into_inner())) }, errors)
}

fn entries(table: DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_span: key.span(),
            key: key.into_inner().into_owned(),
            node: node(value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}

fn node(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::Table(table) => Value::Table(entries(table)),
        DeValue::Array(items) => Value::Array(items.into_iter().map(node).collect()),
        DeValue::String(string) => Value::Text(string.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
            .map_or(Value::Other("a number that is too large"), Value::Integer),
        DeValue::Boolean(boolean) => Value::Boolean(boolean),
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Node { span, value }
}

impl Node {
    /// What stands under a key of this table.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// What stands under a key of this table, to change it.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Table(entries) => {
                entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
            }
            _ => None,
        }
    }

    /// Takes a key out of this table.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Value::Table(entries) = &mut self.value {
            entries.retain(|entry| entry.key != key);
        }
    }

    /// A key of this table with what it holds.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// An item of this array.
    pub(crate) fn item(&self, index: usize) -> Option<&Node> {
        match &self.value {
            Value::Array(items) => items.get(index),
            _ => None,
        }
    }

    /// Where what stands under the key begins; where this begins when there is no such key.
    pub(crate) fn place(&self, key: &str) -> usize {
        self.get(key).unwrap_or(self).span.start
    }

    /// The kind of value, for a person.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Table(_) => "a table",
            Value::Array(_) => "an array",
            Value::Text(_) => "text",
            Value::Integer(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Other(kind) => kind,
            Value::Unread => "nothing",
        }
    }

    /// The tree without the places, for serde.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Table(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
            }
            Value::Array(items) => items.iter().map(Node::to_json).collect(),
            Value::Text(text) => text.clone().into(),
            Value::Integer(number) => (*number).into(),
            Value::Boolean(boolean) => (*boolean).into(),
            Value::Other(_) | Value::Unread => serde_json::Value::Null,
        }
    }
}
