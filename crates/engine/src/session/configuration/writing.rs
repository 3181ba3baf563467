//! Writing a setting of which each backoffice has a value of its own: the charger is sent what all of their
//! wishes come to, and only when that is another than it has (semantics K-13).

use std::collections::VecDeque;
use std::time::Duration;

use crate::session::Earliest;
use crate::session::boot::Gate;
use crate::session::command_queue::{Command, Consequence};
use crate::session::configuration::combined::{is_same, is_sound, satisfies, seconds};
use crate::session::configuration::keys::{Kind, virtual_key};
use crate::session::translations::{ACCEPTED, Admission, REJECTED, Sending, local};
use crate::session::turns::Turn;
use crate::session::{Reply, Session};
use crate::{BackofficeId, Side, Text, Tick, limits, payload};

/// A setting that a backoffice writes, or the proxy in everybody's name.
#[derive(Debug, Clone)]
pub(in crate::session) struct Setting {
    key: &'static str,
    /// What it asked for; `None` for what the wishes of all come to.
    wish: Option<(BackofficeId, String)>,
    /// What the charger is sent.
    sent: String,
}

/// What a wish leads to.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// The charger has what it comes to.
    Settled,
    /// The charger cannot have it.
    Refused,
    /// It must first be known what the charger has.
    Read,
    /// The charger is to have this.
    Write(String),
}

impl Session {
    pub(in crate::session) fn change_configuration(
        &mut self,
        id: &BackofficeId,
        request: &Text,
    ) -> Admission {
        let [key, value] = ["key", "value"].map(|name| payload::text(request, name).unwrap_or_default());
        if let Some(admission) = self.change_key(id, request) {
            return admission;
        }
        let as_it_is = || Sending::one(request.clone(), Some(Consequence::ConfigurationChanged));
        let Some((key, kind)) = virtual_key(&key) else { return as_it_is() };
        match (kind, self.leads(id)) {
            // The charger's own signs of life are for the leader, and the charger knows what it can do.
            (Kind::SignsOfLife, true) => as_it_is(),
            // Nobody is helped by remembering what no charger takes.
            (_, false) if value.len() > limits::SETTING_BYTES => local(REJECTED, "K-13"),
            (_, true) if !is_sound(kind, &value) || value.len() > limits::SETTING_BYTES => as_it_is(),
            (Kind::SignsOfLife, false) => self.own_sign_of_life(id, key, &value),
            (_, false) if !is_sound(kind, &value) => local(REJECTED, "K-13"),
            _ => {
                let way = if self.is_writing(key) { Way::Read } else { self.way_of(key, kind, id, &value) };
                match way {
                    Way::Settled => {
                        self.wish(id, key, &value);
                        Admission::Own("K-13")
                    }
                    Way::Refused => local(REJECTED, "K-13"),
                    // How things stand when its turn comes decides.
                    Way::Read | Way::Write(_) => {
                        let wish = Some((id.clone(), value.to_string()));
                        let setting = Setting { key, wish, sent: value.into_owned() };
                        Sending::one(request.clone(), Some(Consequence::Sets(setting)))
                    }
                }
            }
        }
    }

    /// A follower's own Heartbeats come from the proxy (semantics B-31), and so do the pings on its link.
    fn own_sign_of_life(&mut self, id: &BackofficeId, key: &'static str, value: &str) -> Admission {
        if key != "HeartbeatInterval" {
            if seconds(value).is_none() {
                return local(REJECTED, "K-13");
            }
            self.wish(id, key, value);
            return Admission::Own("K-13");
        }
        match (seconds(value), self.at(id)) {
            (Some(seconds), Some(at)) if seconds > 0 => {
                self.set_heartbeat(at, Duration::from_secs(seconds));
                self.wish(id, key, value);
                Admission::Own("B-31")
            }
            _ => local(REJECTED, "B-31"),
        }
    }

    /// Whether a command is under way that changes what the charger has of this setting.
    pub(super) fn is_writing(&self, key: &str) -> bool {
        self.writes(key).next().is_some()
    }

    /// Whether the charger is still to get what the wishes come to since they changed.
    pub(super) fn is_unsettled(&self, key: &str) -> bool {
        self.configuration.wishes.unsettled.contains(key)
            || self.writes(key).any(|setting| setting.wish.is_none())
    }

    fn writes(&self, key: &str) -> impl Iterator<Item = &Setting> {
        let sent = self.queue.sent.iter().map(|sent| &sent.command);
        let open = sent.chain(&self.queue.waiting).flat_map(|command| &command.consequences);
        open.filter_map(move |consequence| match consequence {
            Consequence::Sets(setting) if setting.key == key => Some(setting),
            _ => None,
        })
    }

    fn way_of(&self, key: &'static str, kind: Kind, id: &BackofficeId, value: &str) -> Way {
        let leads = self.leads(id);
        let is_known = self.configuration.is_known(key);
        if !leads && !is_known && self.configuration.wishes.get(&self.leader, key).is_none() {
            // A follower must not slow down what the leader is content with.
            return Way::Read;
        }
        let all = self.wanted_by_all(key, kind, id, value);
        if !leads && !satisfies(kind, &all, value) {
            return Way::Refused;
        }
        // The leader's own value is sent even if the charger should have it: the leader may know better.
        let is_leaders = leads && is_same(kind, &all, value);
        let has_it = is_known && self.configuration.real(key).is_some_and(|real| is_same(kind, real, &all));
        if has_it && !is_leaders { Way::Settled } else { Way::Write(all) }
    }

    /// Reads what the charger has before a command whose turn it is, where that must be known. The command
    /// keeps its place.
    pub(in crate::session) fn read_first(&mut self, command: Command) -> Option<Command> {
        let Some(Consequence::Sets(Setting { key, wish: Some((id, value)), .. })) =
            command.consequences.first()
        else {
            return Some(command);
        };
        let (key, kind) = virtual_key(key)?;
        if self.way_of(key, kind, id, value) != Way::Read {
            return Some(command);
        }
        self.queue.waiting.push_front(command);
        let request = format!(r#"{{"key":["{key}"]}}"#);
        let mut read = self.own_command("GetConfiguration", request, vec![Consequence::Reads(key)]);
        let step = read.steps.pop_front()?;
        self.send_command(read, &step);
        None
    }

    /// The turn of a command that writes a setting has come.
    pub(in crate::session) fn setting_turn(&mut self, command: &mut Command) -> Turn {
        let Some(Consequence::Sets(setting)) = command.consequences.first_mut() else { return Turn::Send };
        let Some((key, kind)) = virtual_key(setting.key) else { return Turn::Send };
        let Some((id, value)) = setting.wish.clone() else {
            // Somebody may have written it meanwhile.
            let is_still_due = self.wanted_of(key, kind).as_deref() == Some(&*setting.sent)
                && self.configuration.real(key) != Some(&*setting.sent);
            return if is_still_due { Turn::Send } else { Turn::Nothing };
        };
        match self.way_of(key, kind, &id, &value) {
            Way::Settled => {
                self.wish(&id, key, &value);
                command.flags.push("virtual_key");
                Turn::Here(Reply::result(ACCEPTED), "K-13")
            }
            Way::Refused => Turn::Here(Reply::result(REJECTED), "K-13"),
            Way::Read => Turn::Send,
            Way::Write(all) => {
                let leads = self.leads(&id);
                let is_own = is_same(kind, &all, &value);
                if !leads || !is_own {
                    command.flags.push("virtual_key");
                }
                if !is_own {
                    command.flags.push("real_value");
                    let request = command.payload.clone();
                    let token = serde_json::Value::from(all.as_str()).to_string();
                    let real = Text::from(payload::with(&request, "value", &token));
                    // What followers wish for does not cost the leader its own.
                    command.steps = [Some(real), leads.then_some(request)].into_iter().flatten().collect();
                }
                setting.sent = if is_own { value } else { all };
                Turn::Send
            }
        }
    }

    /// What the leader asked for, when the charger does not take it together with what others want.
    pub(in crate::session) fn leaders_own_setting(&self, command: &mut Command) -> Option<Text> {
        let Some(Consequence::Sets(setting)) = command.consequences.first_mut() else { return None };
        // Who was told that there is no answer is told nothing else.
        let step = command.steps.pop_front().filter(|_| !command.is_replied)?;
        setting.sent = setting.wish.as_ref()?.1.clone();
        command.flags.retain(|flag| *flag != "real_value");
        Some(step)
    }

    /// The charger has accepted a setting.
    pub(in crate::session) fn is_set(&mut self, setting: &Setting) {
        let Setting { key, wish, sent } = setting;
        // First the wish: what the charger had until now may be the leader's.
        if let Some((id, value)) = wish {
            self.wish(id, key, value);
            self.warn_of_setting(id, &serde_json::json!({ "key": key, "value": sent }).to_string());
        }
        self.configuration.forget();
        let facts = self.configuration.learn_value(key, sent.clone());
        let requester = wish.as_ref().map(|(id, _)| Side::Backoffice(id.clone()));
        self.promise_facts(facts, requester);
    }

    /// The charger has told what it has of a setting, or that it has none.
    pub(in crate::session) fn is_read(&mut self, key: &'static str, answer: &str) {
        let array = payload::field(answer, "configurationKey").map(payload::elements).unwrap_or_default();
        let facts = array.into_iter().flat_map(|setting| self.configuration.learn_setting(setting)).collect();
        self.promise_facts(facts, []);
        self.configuration.is_asked(key);
    }

    /// The charger does not tell what it has: without that nobody but the leader may write it.
    pub(in crate::session) fn is_not_read(&mut self, key: &'static str) {
        let waiting = std::mem::take(&mut self.queue.waiting);
        let is_for = |command: &Command| {
            matches!(command.consequences.first(), Some(Consequence::Sets(setting)) if setting.key == key)
                && !command.requesters.iter().any(|requester| self.leads(&requester.id))
        };
        let (refused, others): (VecDeque<_>, _) = waiting.into_iter().partition(is_for);
        self.queue.waiting = others;
        for mut command in refused {
            self.reply_to(&mut command, Reply::result(REJECTED), crate::Decider::Proxy("K-12"));
        }
    }

    /// From when the charger can be written to in nobody's name.
    fn may_write_from(&self) -> Option<Tick> {
        let may = self.charger.is_here && !self.is_draining && !self.queue.is_dead();
        match self.gate(true, false) {
            _ if !may => None,
            Gate::Open => Some(self.now.tick),
            Gate::Until(when) => Some(when),
            Gate::Closed => None,
        }
    }

    pub(super) fn may_write_now(&self) -> bool {
        self.may_write_from().is_some_and(|when| when <= self.now.tick)
    }

    pub(in crate::session) fn wish_deadlines(&self, earliest: &mut Earliest) {
        let from = self.may_write_from().filter(|when| *when > self.now.tick);
        if let Some(when) = from.filter(|_| self.wishes_are_due()) {
            earliest.at(when);
        }
    }

    /// Writes what the wishes for a setting come to, if the charger is known to have something else; if it may
    /// have, as soon as that is known.
    pub(super) fn settle_key(&mut self, key: &'static str) {
        let Some((_, kind)) = virtual_key(key).filter(|(_, kind)| *kind != Kind::SignsOfLife) else { return };
        let Some(all) = self.wanted_of(key, kind) else { return };
        let is_writing = self.is_writing(key);
        let differs = self.configuration.real(key).is_some_and(|real| !is_same(kind, real, &all));
        if is_writing || differs && !self.configuration.is_known(key) {
            self.configuration.wishes.unsettled.insert(key);
            return;
        }
        if !differs {
            return;
        }
        let request = serde_json::json!({ "key": key, "value": all }).to_string();
        let setting = Setting { key, wish: None, sent: all };
        let command = self.own_command("ChangeConfiguration", request, vec![Consequence::Sets(setting)]);
        self.queue_command(command);
    }
}
