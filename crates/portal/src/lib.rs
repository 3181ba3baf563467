//! Shows. Server-rendered pages and the API, for the people who look after chargers.
//!
//! Where to start reading: [`Portal`]; then `server` (who gets in and what every answer carries),
//! `access/guard.rs` (what a request must be to reach a page) and `layout` (what every page looks like).
//! Everything that chargers and backoffices send is hostile text: only `maud` writes HTML.

mod access;
mod api;
mod assets;
mod configuration;
mod export;
mod lanes;
mod layout;
mod limits;
mod pages;
mod portal;
mod privacy;
mod reader;
mod refusal;
pub mod search;
mod server;
mod state;
mod tail;
pub mod why;
pub mod words;

pub use access::password::{InvalidHash, check_hash, hash_password};
pub use access::token::{check_token_hash, hash_token, new_token};
pub use access::{Role, Token, User};
pub use configuration::{ConfigurationError, RefusedConfiguration};
pub use portal::{Portal, PortalSettings, StartError};
