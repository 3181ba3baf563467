//! What any store must do, tried on a real file.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod browse_calls;
mod browse_chargers;
mod browse_comparison;
mod crash;
mod deliveries;
mod durable;
mod entrance;
mod eras;
mod full_disk;
mod keys;
mod lane_bounds;
mod lead;
mod log;
mod memory;
mod oblivion;
mod opening;
mod orders;
mod retention;
mod trouble;
mod world;
