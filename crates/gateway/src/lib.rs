//! Talks. Sockets, TLS, handshakes, dialing, one task per charger, metrics.

mod routing;

pub use routing::{BackofficeSettings, BasicAuth, Routing, Rule, Secret};
