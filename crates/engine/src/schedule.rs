//! Charging profiles as limits over time: what each backoffice allows, the least of it, and that as one profile.
//!
//! ```text
//! Profile::read      one profile of OCPP 1.6                        profile.rs, in_force.rs
//! Course::of         what one backoffice's profiles allow           course.rs
//! Composite::of      the least of what all backoffices allow        bound.rs, composite.rs
//! Composite::write   one profile that allows no more than that      written.rs
//! ```
//!
//! Pure arithmetic (OCPP 1.6 §3.13, §5.16, §7.8 to §7.14; semantics §6.4): it knows no session, and the time is
//! handed in. Times are UTC, in whole seconds since 1970; fractions of a second in a profile are cut off.
//!
//! Where OCPP leaves a choice, the lower limit is taken: while nobody can correct it, a charger that gives too
//! little is a nuisance and one that gives too much a blown fuse.

mod bound;
mod composite;
mod course;
mod in_force;
mod invalid;
mod profile;
mod written;

pub use bound::Ceiling;
pub use composite::Composite;
pub use course::{Course, Installed, Place, Running};
pub use invalid::Invalid;
pub use profile::{Limit, Profile, Unit};
pub use written::{Heading, Written};

/// A day and a week: how far apart the occurrences of a Recurring profile are (OCPP 1.6 §7.11).
const DAY_S: i64 = 86_400;
const WEEK_S: i64 = 7 * DAY_S;

/// How far ahead a composite is worth writing: a day, in which every daily profile has shown all it has.
pub const HORIZON_S: i64 = DAY_S;
