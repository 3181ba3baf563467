//! Invents input that nobody thought of, for whatever reads text from outside, and holds what becomes of it against
//! a naive reference. `cargo xtask fuzz` looks for inputs; the ordinary tests try those that were kept
//! (`corpus/`) again.
//!
//! Each target is a function of bytes that panics when something is wrong.

mod basic_auth;
mod envelope;
mod log;
mod naive;
mod proxy_toml;
mod search_query;
mod splice;

pub use basic_auth::basic_auth;
pub use envelope::envelope;
pub use proxy_toml::proxy_toml;
pub use search_query::search_query;
pub use splice::splice;

/// A function that tries one input.
pub type Target = fn(&[u8]);

/// Every target, by the name of its program and of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 5] = [
    ("basic_auth", basic_auth),
    ("envelope", envelope),
    ("search_query", search_query),
    ("splice", splice),
    ("toml", proxy_toml),
];
