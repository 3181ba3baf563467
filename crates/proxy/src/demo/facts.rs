//! What the proxy noted: the story is told from it, so that it tells what really happened.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use engine::{AnswerNote, CallNote, ChargerId, Note, Side};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How long the story waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Notes remembered until somebody asks for them.
const MOST_REMEMBERED: usize = 1_000;

/// A call, the answer its originator got, and what every backoffice answered.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    pub(super) call: CallNote,
    pub(super) answers: Vec<AnswerNote>,
}

/// The notes of one charger.
#[derive(Debug)]
pub(super) struct Facts {
    charger: ChargerId,
    notes: broadcast::Receiver<(ChargerId, Arc<Note>)>,
    calls: Vec<CallNote>,
    answers: Vec<AnswerNote>,
    links_up: usize,
}

impl Facts {
    pub(super) fn new(charger: ChargerId, notes: broadcast::Receiver<(ChargerId, Arc<Note>)>) -> Self {
        Self { charger, notes, calls: Vec::new(), answers: Vec::new(), links_up: 0 }
    }

    /// Waits until so many links have come up.
    ///
    /// # Errors
    /// They did not in time.
    pub(super) async fn links_up(&mut self, wanted: usize) -> anyhow::Result<()> {
        let waiting = async {
            while self.links_up < wanted {
                self.learn().await?;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, waiting).await.context("the backoffices were not connected in time")?
    }

    /// Waits for the next call of the charger with this action in whose payload the text occurs,
    /// answered by so many backoffices.
    ///
    /// # Errors
    /// It did not happen in time.
    pub(super) async fn conversation(
        &mut self,
        action: &str,
        text: &str,
        backoffices: usize,
    ) -> anyhow::Result<Conversation> {
        self.call(Side::Charger, action, text, backoffices).await
    }

    /// Waits for the next command of a backoffice with this action.
    ///
    /// # Errors
    /// It did not happen in time.
    pub(super) async fn command(&mut self, from: &str, action: &str) -> anyhow::Result<CallNote> {
        Ok(self.call(Side::Backoffice(from.into()), action, "", 0).await?.call)
    }

    /// Waits until another backoffice leads.
    ///
    /// # Errors
    /// It did not happen in time.
    pub(super) async fn leader_changed(&mut self) -> anyhow::Result<()> {
        let waiting = async {
            while !matches!(*self.learn().await?, Note::LeaderChanged { .. }) {}
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, waiting).await.context("the leader did not change in time")?
    }

    /// Waits for the next call of the charger of one of these actions; without limit.
    ///
    /// # Errors
    /// The gateway is gone.
    pub(super) async fn any_of(
        &mut self,
        actions: &[&str],
        backoffices: usize,
    ) -> anyhow::Result<Conversation> {
        loop {
            let wanted = |call: &CallNote| call.from == Side::Charger && actions.contains(&&*call.action);
            if let Some(found) = self.take(wanted, backoffices) {
                return Ok(found);
            }
            self.learn().await?;
        }
    }

    async fn call(
        &mut self,
        from: Side,
        action: &str,
        text: &str,
        backoffices: usize,
    ) -> anyhow::Result<Conversation> {
        let wanted =
            |call: &CallNote| call.from == from && *call.action == *action && call.payload.contains(text);
        let waiting = async {
            loop {
                if let Some(found) = self.take(wanted, backoffices) {
                    return anyhow::Ok(found);
                }
                self.learn().await?;
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, waiting).await;
        outcome.with_context(|| format!("no complete {action} of {from} in {PATIENCE:?}"))?
    }

    fn take(&mut self, wanted: impl Fn(&CallNote) -> bool, backoffices: usize) -> Option<Conversation> {
        let complete = |call: &CallNote| wanted(call) && self.answers_to(call).count() >= backoffices;
        let at = self.calls.iter().position(complete)?;
        let mut answers: Vec<AnswerNote> = self.answers_to(&self.calls[at]).cloned().collect();
        answers.sort_by_key(|answer| !answer.led);
        Some(Conversation { call: self.calls.remove(at), answers })
    }

    fn answers_to(&self, call: &CallNote) -> impl Iterator<Item = &AnswerNote> {
        let trace = call.trace;
        self.answers.iter().filter(move |answer| answer.trace == trace)
    }

    async fn learn(&mut self) -> anyhow::Result<Arc<Note>> {
        loop {
            let note = match self.notes.recv().await {
                Ok((charger, note)) if charger == self.charger => note,
                Ok(_) | Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => bail!("the gateway has stopped"),
            };
            match &*note {
                Note::Call(call) => self.calls.push((**call).clone()),
                Note::Answer(answer) => self.answers.push((**answer).clone()),
                Note::LinkUp(_) => self.links_up += 1,
                _ => {}
            }
            let surplus = |length: usize| length.saturating_sub(MOST_REMEMBERED);
            self.calls.drain(..surplus(self.calls.len()));
            self.answers.drain(..surplus(self.answers.len()));
            return Ok(note);
        }
    }
}
