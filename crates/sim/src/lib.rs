//! Doubts. A seeded simulated world around the engine: believable chargers and backoffices, links
//! that fail, plans that change, programs that crash, and a judge who checks after every step that
//! no promise was broken.
//!
//! [`Charger`] and [`Backoffice`] are pure machines like the engine itself and may also be put on
//! real sockets. [`World`] runs them against one `engine::Session` in virtual time.

mod backoffice;
mod charger;
pub mod frame;
mod world;

pub use backoffice::{
    Backoffice, BackofficeFaults, BackofficeNews, BackofficeSettings, BookedTransaction, Command,
    CommandRange, Complaint,
};
pub use charger::{
    Charger, ChargerNews, ChargerSettings, ChargingSession, InstalledProfile, Number, SESSION_BAND_WH,
};
pub use world::{
    COMMON_CARD, FIRST_SHARED_SEED, FIRST_WILD_SEED, Failure, Promises, Summary, Wild, World, WorldOptions,
};
