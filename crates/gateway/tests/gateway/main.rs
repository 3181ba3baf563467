//! The gateway on real sockets: who gets in, what happens to sockets that misbehave, and what
//! operators see. One program, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admin;
mod backoffice;
mod charger;
mod deliveries;
mod figures;
mod fronts;
mod handshakes;
mod identities;
mod journal;
mod keys;
mod leaders;
mod outages;
mod rules;
mod sessions;
mod sockets;
mod store_trouble;
mod tls;
mod tunnels;
mod world;
mod wss;
