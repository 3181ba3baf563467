//! Each backoffice's own list, and the charger's list made of them (semantics A-41).

use std::collections::BTreeMap;

use super::updates::{digest, steps};
use super::{Card, Cards, List, Written};
use crate::session::command_queue::{Command, Consequence};
use crate::session::turns::Turn;
use crate::session::{Reply, Session};
use crate::{BackofficeId, Fact, LocalList, Record, Role, Side, Text, payload};

/// What is so when the charger has taken everything that it was sent.
#[derive(Debug, Clone)]
pub(in crate::session) struct Writing {
    /// Whose list that makes new.
    new: Option<(BackofficeId, List)>,
    /// Stands for the cards that the charger has then.
    digest: u64,
    /// The version it has then.
    version: i64,
    /// It was sent a whole list, not what differs.
    is_full: bool,
}

impl Session {
    /// A backoffice's list as it knows it: the charger has another version.
    pub(in crate::session) fn own_list_version(&self, id: &BackofficeId) -> Reply {
        let version = self.local_lists.version(id);
        Reply::result(format!(r#"{{"listVersion":{version}}}"#))
    }

    /// A SendLocalList whose turn it is: its sender's list is another then, and the charger is sent what that
    /// changes. One of the proxy's own brings the charger's list in line.
    pub(in crate::session) fn local_list_turn(&mut self, command: &mut Command) -> Turn {
        let mut new = None;
        if let Some(requester) = command.requesters.first() {
            let id = requester.id.clone();
            command.flags.push("merged_list");
            let list = self.local_lists.of.get(&id).cloned().unwrap_or_default();
            match list.updated(&command.payload) {
                Ok(list) => new = Some((id, list)),
                Err(unfit) => return Turn::Here(Reply::result(unfit.answer()), "merged list"),
            }
        }
        let wanted = digest(&self.all_cards(new.as_ref()));
        if self.local_lists.written.as_ref().is_some_and(|written| written.digest == Some(wanted)) {
            let Some((id, list)) = new else { return Turn::Nothing };
            let fact = self.local_lists.keep(&id, list);
            self.promise(Record::Fact(fact), [Side::Backoffice(id)]);
            return Turn::Here(Reply::result(r#"{"status":"Accepted"}"#), "merged list");
        }
        self.write_list(command, new, false);
        Turn::Send
    }

    /// Puts into the command what the charger is sent. What it has is in doubt until it has taken all of it.
    fn write_list(&mut self, command: &mut Command, new: Option<(BackofficeId, List)>, whole: bool) {
        let has = self.all_cards(None);
        let wanted = self.all_cards(new.as_ref());
        let written = self.local_lists.written.clone().unwrap_or_default();
        let is_known = !whole && written.digest == Some(digest(&has));
        let most = self.configuration.real("SendLocalListMaxLength").and_then(|most| most.parse().ok());
        let most = most.unwrap_or(usize::MAX);
        command.steps = steps(is_known.then_some(&has), &wanted, written.version, most);
        let version = written.version + i64::try_from(command.steps.len()).unwrap_or(1);
        let fact = self.local_lists.write(Some(Written { version, digest: None }));
        self.promise(Record::Fact(fact), [Side::Charger]);
        let writing = Writing { new, digest: digest(&wanted), version, is_full: !is_known };
        command.consequences = vec![Consequence::WritesList(Box::new(writing))];
    }

    /// What the charger is sent after its answer to a part of the list: the next part, or all of it where it does
    /// not have what the proxy thought it has.
    pub(in crate::session) fn next_of_list(
        &mut self,
        command: &mut Command,
        is_accepted: bool,
        reply: &Reply,
    ) -> Option<Text> {
        let Some(Consequence::WritesList(writing)) = command.consequences.first() else { return None };
        let Reply::Result(answer) = reply else { return None };
        let status = payload::text(answer, "status").unwrap_or_default();
        if !is_accepted && !writing.is_full && matches!(&*status, "Failed" | "VersionMismatch") {
            let new = writing.new.clone();
            self.write_list(command, new, true);
            return command.steps.pop_front();
        }
        is_accepted.then(|| command.steps.pop_front()).flatten()
    }

    /// The charger has taken everything; unless it was sent more meanwhile, because this answer came late.
    pub(in crate::session) fn list_written(&mut self, writing: Writing) {
        let Writing { new, digest, version, .. } = writing;
        if self.local_lists.written.as_ref().is_none_or(|written| written.version != version) {
            return;
        }
        let mut facts = vec![self.local_lists.write(Some(Written { version, digest: Some(digest) }))];
        let owner = new.as_ref().map(|(id, _)| Side::Backoffice(id.clone()));
        facts.extend(new.map(|(id, list)| self.local_lists.keep(&id, list)));
        self.promise_facts(facts, owner.as_slice().to_vec());
    }

    /// Whoever has no list here any more is forgotten, and the charger's list brought in line with what is left.
    pub(in crate::session) fn review_local_lists(&mut self) {
        let merges = self.plan.sharing.local_list == LocalList::Merge;
        let entitled: Vec<BackofficeId> = self.with_lists().into_iter().cloned().collect();
        let mut facts: Vec<Fact> = self.local_lists.retain(|id| merges && entitled.contains(id));
        if !merges && self.local_lists.written.is_some() {
            facts.push(self.local_lists.write(None));
        }
        self.promise_facts(facts, []);
        let wanted = digest(&self.all_cards(None));
        let is_another = self.local_lists.written.as_ref().is_some_and(|w| w.digest != Some(wanted));
        let waits = self.queue.waiting.iter().any(|c| c.requesters.is_empty() && c.name() == "SendLocalList");
        if is_another && self.charger.is_here && !waits {
            let command = self.own_command("SendLocalList", Text::from_static("{}"), Vec::new());
            self.queue_command(command);
        }
    }

    /// Who has a list here; whose entry for a card counts comes first.
    fn with_lists(&self) -> Vec<&BackofficeId> {
        let others = self.plan.backoffices().filter(|id| !self.leads(id));
        let others = others.filter(|id| self.plan.role(id) != Some(Role::Observer));
        std::iter::once(&self.leader).chain(others).collect()
    }

    /// What all lists come to, in the charger's own card numbers; with one of them new.
    fn all_cards(&self, new: Option<&(BackofficeId, List)>) -> Cards {
        let mut all: BTreeMap<String, Card> = BTreeMap::new();
        for id in self.with_lists() {
            let list = match new {
                Some((owner, list)) if owner == id => Some(list),
                _ => self.local_lists.of.get(id),
            };
            for (key, card) in list.into_iter().flat_map(|list| &list.cards) {
                let meant = self.plan.aliases.get(id).and_then(|aliases| aliases.meant_by(&card.tag));
                let tag = meant.unwrap_or(&card.tag).to_owned();
                let key = meant.map_or_else(|| key.clone(), str::to_ascii_lowercase);
                all.entry(key).or_insert_with(|| Card { tag, info: card.info.clone() });
            }
        }
        all
    }
}
