//! What any store must do, tried on a real file.

mod crash;
mod log;
mod memory;
mod opening;
mod retention;
mod trouble;
mod world;
