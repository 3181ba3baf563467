//! What survives kill -9, and a full disk: the real program on a real store, and backoffices that write
//! down what they book before they answer. `cargo xtask test` runs a small version, `cargo xtask endurance` the long one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "a test program has no users")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other test programs need more of it")]
mod support;

mod bookkeeper;
mod charger;
mod disk;
mod journal;
mod kills;
mod late;
mod ledger;
mod points;
mod scene;
mod verdict;
