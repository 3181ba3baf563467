//! Whoever wants to hear of orders that other programs left in the file.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Everybody who wants to hear of orders that other programs gave.
pub(crate) struct OrderWatchers<O>(Mutex<Vec<UnboundedSender<O>>>);

impl<O> Default for OrderWatchers<O> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<O: Clone> OrderWatchers<O> {
    pub(crate) fn subscribe(&self) -> UnboundedReceiver<O> {
        // Only an operator's orders make it grow, no peer.
        let (sender, orders) = mpsc::unbounded_channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        orders
    }

    pub(crate) fn tell(&self, orders: &[O]) {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| orders.iter().all(|order| watcher.send(order.clone()).is_ok()));
    }
}
