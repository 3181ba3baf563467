//! The door, tried without a browser: who gets in, what is taken from whom, what every answer carries.

mod entrance;
mod forgeries;
mod guessers;
mod limits;
mod people;
mod world;
