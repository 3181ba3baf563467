//! The gateway on real sockets: who gets in, what happens to sockets that misbehave, and what
//! operators see. One program, so that it is linked once.

mod admin;
mod backoffice;
mod charger;
mod handshakes;
mod rules;
mod sockets;
mod tls;
mod world;
