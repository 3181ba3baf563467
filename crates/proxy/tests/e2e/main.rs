//! End to end: the real program, real sockets, and OCPP programs that others wrote. `cargo xtask test`
//! sets up what they need.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "a test program has no users")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other test programs need more of it")]
mod support;

mod arbitration;
mod authority;
mod cards;
mod cases;
mod commands;
mod crowd;
mod direct;
mod doors;
mod edits;
mod followers;
mod fronts;
mod keys;
mod leaders;
mod matrix;
mod operation;
mod outages;
mod restarts;
mod sessions;
mod sizes;
mod tls;
mod transactions;
mod wss;
