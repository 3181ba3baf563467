//! What the handle does about who is let in, and with which keys.

use std::sync::Arc;

use engine::ChargerId;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::{Kept, Store};
use crate::StoreError;
use crate::entrance::{self, Admission, AdmissionOrder, EntranceRecord, Knocking, Login};
use crate::keys::{self, ChargerKeys, LinkKeys};
use crate::queue::Order;
use crate::seal::{LostSeal, Seal};

impl Store {
    /// With what chargers' keys are sealed.
    pub fn seal(&self) -> Arc<Seal> {
        self.0.seal.clone()
    }

    /// Keys that were sealed with another secret than the one that lies beside the store, if there are any.
    pub fn lost_seal(&self) -> Option<LostSeal> {
        self.0.lost_seal
    }

    /// Every charger that an operator has let in.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn admissions(&self) -> Result<Vec<Admission>, StoreError> {
        self.read(entrance::admissions).await
    }

    /// How each charger proved last who it is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn logins(&self) -> Result<Vec<Login>, StoreError> {
        self.read(entrance::logins).await
    }

    /// Chargers that asked to be let in and were not, the last first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn knocking(&self) -> Result<Vec<Knocking>, StoreError> {
        self.read(entrance::knocks).await
    }

    /// Every key that a backoffice has set for a link.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn link_keys(&self) -> Result<Vec<LinkKeys>, StoreError> {
        self.read(keys::link_keys).await
    }

    /// Every charger that its leader has given another key.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn charger_keys(&self) -> Result<Vec<ChargerKeys>, StoreError> {
        self.read(keys::charger_keys).await
    }

    /// Makes the keys of a link durable, in place of all that were kept of it.
    pub fn keep_link_keys(&self, keys: LinkKeys) -> Kept {
        self.entrance(EntranceRecord::LinkKeys(keys))
    }

    /// Makes the keys of a charger durable, in place of all that were kept of it.
    pub fn keep_charger_keys(&self, keys: ChargerKeys) -> Kept {
        self.entrance(EntranceRecord::ChargerKeys(keys))
    }

    /// Makes an operator's word about who is let in durable.
    pub fn admit(&self, order: AdmissionOrder) -> Kept {
        self.entrance(EntranceRecord::Ordered(order))
    }

    /// Makes durable how a charger proved who it is.
    pub fn logged_in(&self, login: Login) -> Kept {
        self.entrance(EntranceRecord::LoggedIn(login))
    }

    /// Remembers that a charger knocks; as it is now, in place of what was remembered of it. Need not be
    /// waited for.
    pub fn knocked(&self, knocking: Knocking) -> Kept {
        self.entrance(EntranceRecord::Knocked(knocking))
    }

    /// Forgets that a charger was turned away, since it has proved who it is. Need not be waited for.
    pub fn came_in(&self, charger: ChargerId) -> Kept {
        self.entrance(EntranceRecord::CameIn(charger))
    }

    fn entrance(&self, record: EntranceRecord) -> Kept {
        let (done, outcome) = oneshot::channel();
        self.0.queue.order(Order::Entrance(Box::new(record), done));
        Kept(outcome)
    }

    /// Tells from now on what other programs ordered about who is let in; it stands in the file already.
    pub fn admission_orders(&self) -> UnboundedReceiver<AdmissionOrder> {
        self.0.admission_watchers.subscribe()
    }
}
