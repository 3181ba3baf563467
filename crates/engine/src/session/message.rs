//! A message of the charger, or in its name: what all its copies share.

use std::borrow::Cow;

use crate::actions::{self, Action, Keeping};
use crate::fingerprint::fingerprint;
use crate::frame;
use crate::session::meter::Meter;
use crate::{Text, TraceId};

/// What a message is, whoever is told it and however often.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) action: Option<&'static Action>,
    /// The action as it was spelled.
    pub(super) action_token: Text,
    /// As the charger sent it; numbers are rewritten when it is sent, when they are known.
    pub(super) payload: Text,
    /// Of a MeterValues, what it says about itself.
    pub(super) meter: Option<Meter>,
}

impl Message {
    pub(super) fn name(&self) -> &'static str {
        actions::label(self.action)
    }

    /// The name of its action as it was spelled.
    pub(super) fn spelled_action(&self) -> Text {
        match frame::string(&self.action_token) {
            Some(Cow::Borrowed(name)) => self.action_token.slice_ref(name),
            Some(Cow::Owned(name)) => name.into(),
            None => Text::new(),
        }
    }

    /// A backoffice asked for it.
    pub(super) fn is_triggered(&self) -> bool {
        self.meter.as_ref().is_some_and(|meter| meter.is_triggered)
    }

    /// What happens to a copy while its backoffice is away.
    pub(super) fn keeping(&self) -> Keeping {
        let keeping =
            self.action.and_then(|a| a.from_charger.as_ref()).map_or(Keeping::Volatile, |a| a.keeping);
        // A meter value that was asked for is no transaction message (semantics T-30).
        if self.is_triggered() { Keeping::Volatile } else { keeping }
    }

    /// By what it is recognised when it is said again, where its content alone says that it is; starts, and stops of
    /// transactions that are known, are recognised by their transaction.
    pub(super) fn recognised(&self, transaction: Option<TraceId>) -> Option<u64> {
        match (self.name(), &self.meter) {
            ("MeterValues", Some(meter)) => Some(meter.fingerprint),
            (name @ "SecurityEventNotification", _) => Some(fingerprint((name, &*self.payload))),
            (name @ "StopTransaction", _) if transaction.is_none() => {
                Some(fingerprint((name, &*self.payload)))
            }
            _ => None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.payload.len() + self.action_token.len()
    }
}
