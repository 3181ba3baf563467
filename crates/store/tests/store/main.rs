//! What any store must do, tried on a real file.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod crash;
mod deliveries;
mod durable;
mod full_disk;
mod lane_bounds;
mod log;
mod memory;
mod opening;
mod orders;
mod retention;
mod trouble;
mod world;
