//! What a command comes to when its turn is there. Of what several backoffices share, how things stand then
//! decides, not how they stood when the command came; and commands of the proxy's own.

use std::collections::VecDeque;

use crate::session::command_queue::{Command, Consequence};
use crate::session::{Reply, Session};
use crate::{Availability, Decider, LocalList, Text, actions};

/// What becomes of a command whose turn it is.
pub(super) enum Turn {
    /// The charger is sent its steps.
    Send,
    /// The charger has no part in it: this is the answer, by this rule.
    Here(Reply, &'static str),
    /// There is nothing to do, and nobody who waits.
    Nothing,
}

impl Session {
    /// Settles a command whose turn it is. Returns it if the charger is to be sent it.
    pub(super) fn take_turn(&mut self, command: Command) -> Option<Command> {
        let mut command = self.read_first(command)?;
        let turn = match command.name() {
            "ChangeConfiguration" => self.setting_turn(&mut command),
            "SendLocalList" if self.plan.sharing.local_list == LocalList::Merge => {
                self.local_list_turn(&mut command)
            }
            "SetChargingProfile" | "ClearChargingProfile" => self.profile_turn(&mut command),
            "RemoteStopTransaction" => self.stop_turn(&mut command),
            "ChangeAvailability" => match self.plan.sharing.availability {
                Availability::Merge(reply) => self.availability_turn(&mut command, reply),
                Availability::Last => Turn::Send,
            },
            _ => Turn::Send,
        };
        match turn {
            Turn::Send => return Some(command),
            Turn::Here(reply, rule) => self.reply_to(&mut command, reply, Decider::Proxy(rule)),
            Turn::Nothing => {}
        }
        None
    }

    /// A command that nobody waits for: the proxy itself wants it done.
    pub(super) fn own_command(
        &mut self,
        name: &'static str,
        payload: impl Into<Text>,
        consequences: Vec<Consequence>,
    ) -> Command {
        let payload = payload.into();
        Command {
            trace: self.mint_trace(),
            requesters: Vec::new(),
            action: actions::known(name),
            action_token: Text::from(format!("\"{name}\"")),
            payload: payload.clone(),
            received: self.now,
            steps: VecDeque::from([payload]),
            transaction: None,
            consequences,
            any_accepted: false,
            is_replied: true,
            flags: Vec::new(),
        }
    }
}
