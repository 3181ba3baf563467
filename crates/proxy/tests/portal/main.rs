//! The portal, as people and programs use it: the real program with chargers and backoffices that others
//! wrote, seen through Debian's Chromium and through the API. `cargo xtask test` sets up what they need.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "a test program has no users")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other test programs need more of it")]
mod support;

mod api;
mod cards;
mod chromium;
mod crowd;
mod help_page;
mod hostile;
mod keyboard;
mod knocking;
mod live;
mod looks;
mod pictures;
mod scene;
