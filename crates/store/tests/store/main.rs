//! What any store must do, tried on a real file.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod crash;
mod log;
mod memory;
mod opening;
mod retention;
mod trouble;
mod world;
