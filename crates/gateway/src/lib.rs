//! Talks. Sockets, TLS, handshakes, dialing, one task per charger, metrics.
//!
//! Where to start reading: [`Gateway`]; then `handshake` (how a charger gets in), `entrance`
//! (whether it may), `greeting` (the
//! leader is agreed before the charger is answered) and `task` (the loop around the engine).

mod admin;
mod clock;
mod dial;
mod entrance;
mod fleet;
mod framing;
mod front;
mod gateway;
mod greeting;
mod handshake;
mod held;
mod identity;
mod journal;
mod limits;
mod links;
mod listener;
mod metrics;
mod notes;
mod overrides;
mod peer;
mod postponed;
mod proofs;
mod quarantine;
mod rate;
mod recalls;
mod routing;
mod served;
mod shared;
mod socket;
mod subprotocol;
mod task;
mod tls;
mod tunnel;
mod view;
mod wire;

pub use entrance::{Credentials, EntranceTerms, SecurityProfile, UnknownChargers};
pub use gateway::{Gateway, Settings, StartError};
pub use identity::is_invisible;
pub use metrics::{Metrics, metrics_markdown};
pub use routing::{
    BackofficeSettings, BasicAuth, ForwardProxy, LeaderSource, LetInBy, Pattern, Routing, Rule, Secret,
};
pub use store::LeaderOverride;
pub use tls::{CertificateError, Fingerprint, ListenerCertificates, OwnCertificate, SPEAKS_LEGACY_SUITES};
pub use view::{
    AdmitError, EntranceView, KnownCharger, LiveBackoffice, LiveCharger, LiveLink, PlanView, SetLeaderError,
    TermsView, View, new_charger,
};
