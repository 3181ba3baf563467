//! Hostile input against the running program: tables of what chargers, backoffices, configurations and browsers may
//! send that is wrong, and what each must get for it, while others are served as if nothing were.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "a test program has no users")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the other test programs need more of it")]
mod support;

mod authority;
mod canaries;

mod configurations;
mod conversations;
mod fetching;
mod forging;
mod negatives;
mod program;
mod requests;
mod stage;
mod text;
mod wire;

/// What a panic says.
fn words(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or(cause.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
