//! Keys that backoffices set: made durable before anybody is told, and in force from then on (semantics §7.3).

use std::pin::Pin;
use std::task::{Context, Poll};

use engine::{BackofficeId, Event, KeyReach, NewKey, TraceId};

use super::Talk;

type Keeping = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Keys that are being made durable; the engine has one of each backoffice at a time.
#[derive(Default)]
pub(super) struct KeysKept(Vec<(NewKey, Keeping)>);

impl KeysKept {
    /// Ready when one is durable, or cannot be.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(NewKey, bool)> {
        for at in 0..self.0.len() {
            if let Poll::Ready(is_kept) = self.0[at].1.as_mut().poll(cx) {
                let (new, _) = self.0.swap_remove(at);
                return Poll::Ready((new, is_kept));
            }
        }
        Poll::Pending
    }
}

impl Talk {
    pub(super) fn keep_key(&mut self, new: NewKey) {
        let (shared, charger) = (&self.shared, &self.charger);
        let (store, links) = (&shared.store, &shared.keys_of_links);
        let NewKey { trace, backoffice, key, reach } = &new;
        // It is for whoever has just set it.
        let slot = self.slots.iter().find(|slot| slot.backoffice == *backoffice);
        let url = slot.map_or("", |slot| &slot.destination.settings.url);
        let of_link =
            |is_first| links.set(store, charger, (backoffice, url), (*trace, key.as_str()), is_first);
        let keeping: Keeping = match reach {
            KeyReach::Link => {
                let kept = of_link(true);
                Box::pin(async move { kept.await.is_ok() })
            }
            KeyReach::Charger => {
                let sealed = shared.entrance.seal(charger, key);
                let offered = shared.entrance.changed.offered(store, charger, *trace, sealed);
                // Whether the leader is going to expect it is not known yet.
                let of_link = (!self.plan.keys.forwarded.contains(backoffice)).then(|| of_link(false));
                Box::pin(async move {
                    let Some(offered) = offered else { return false };
                    let link_is_kept = match of_link {
                        Some(kept) => kept.await.is_ok(),
                        None => true,
                    };
                    offered.await.is_ok() && link_is_kept
                })
            }
        };
        self.keys_kept.0.push((new, keeping));
    }

    pub(super) fn key_kept(&mut self, new: NewKey, is_kept: bool) {
        let NewKey { trace, backoffice, reach, .. } = new;
        let (shared, charger) = (&self.shared, &self.charger);
        if is_kept {
            tracing::info!(%charger, %backoffice, whose = whose(reach), "the backoffice has set another key");
        } else {
            tracing::error!(%charger, %backoffice, "another key was refused: it cannot be kept");
            shared.keys_of_links.withdraw(&shared.store, charger, &backoffice, trace);
            shared.entrance.changed.withdraw(&shared.store, charger, trace);
        }
        self.tell(Event::KeyKept { trace, is_kept });
    }

    /// The charger has accepted a key.
    pub(super) fn key_accepted(&mut self, backoffice: &BackofficeId, trace: TraceId, is_told: bool) {
        let (shared, charger) = (&self.shared, &self.charger);
        shared.entrance.changed.accepted(&shared.store, charger, trace);
        if is_told {
            shared.keys_of_links.accepted(&shared.store, charger, backoffice, trace);
        }
        tracing::info!(%charger, %backoffice, "the charger has accepted another key; the former counts until it uses it");
    }

    /// The charger does not have a key, so that its leader does not expect it either.
    pub(super) fn key_refused(&mut self, backoffice: &BackofficeId, trace: TraceId, was_sent: bool) {
        let (shared, charger) = (&self.shared, &self.charger);
        shared.keys_of_links.withdraw(&shared.store, charger, backoffice, trace);
        if was_sent {
            shared.entrance.changed.refused(&shared.store, charger, trace);
            tracing::warn!(%charger, %backoffice, "the charger has refused another key; it counts for a week besides the former");
        } else {
            shared.entrance.changed.withdraw(&shared.store, charger, trace);
            tracing::warn!(%charger, %backoffice, "another key was given up: the charger could not be sent it");
        }
    }
}

fn whose(reach: KeyReach) -> &'static str {
    match reach {
        KeyReach::Link => "link",
        KeyReach::Charger => "charger",
    }
}
