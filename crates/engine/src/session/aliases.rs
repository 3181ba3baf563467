//! Cards that a backoffice knows by other numbers (semantics A-24).

use crate::session::Session;
use crate::{BackofficeId, Text, payload};

impl Session {
    /// The message with the card as this backoffice knows it; the same bytes where it knows no other number.
    pub(super) fn with_alias(&self, id: &BackofficeId, message: Text) -> Text {
        let Some(aliases) = self.plan.aliases.get(id) else { return message };
        let alias = payload::text(&message, "idTag").and_then(|tag| aliases.of(&tag).map(quoted));
        alias.map_or(message.clone(), |alias| with_tag(&message, &alias))
    }

    /// The command with the card as the charger knows it, and whether it is another number.
    pub(super) fn with_card(&self, id: &BackofficeId, command: &Text) -> (Text, bool) {
        let Some(aliases) = self.plan.aliases.get(id) else { return (command.clone(), false) };
        match payload::text(command, "idTag").and_then(|tag| aliases.meant_by(&tag).map(quoted)) {
            Some(card) => (with_tag(command, &card), true),
            None => (command.clone(), false),
        }
    }
}

fn quoted(tag: &str) -> String {
    serde_json::Value::from(tag).to_string()
}

fn with_tag(message: &Text, tag: &str) -> Text {
    match payload::field(message, "idTag") {
        Some(token) => payload::replaced(message, token, tag).into(),
        None => message.clone(),
    }
}
