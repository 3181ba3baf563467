//! Weighs. Chargers and backoffices on real sockets, the systems between them, and what these cost: CPU by the
//! scheduler's own clock, system calls, memory, and time, with every message accounted for by its content.

mod backoffice;
mod certificates;
mod charger;
mod frame;
mod gates;
mod growth;
mod growth_page;
mod ledger;
mod log;
mod machine;
mod page;
mod passes;
mod said;
mod scene;
mod statistics;
mod system;
mod under_test;
mod upgrade;
mod weighings;
mod wire;

pub use certificates::Certificates;
pub use gates::watch;
pub use growth::{Flat, Grown};
pub use growth_page::{write_flat, write_grown, write_log};
pub use ledger::Tally;
pub use log::{Asked, LogMark, grow};
pub use page::{Extent, write};
pub use passes::{Contender, Outcome, Terms, Visit, compare};
pub use said::METER_VALUES_BYTES;
pub use scene::{Burst, RouteId, Scene};
pub use statistics::Spread;
pub use system::{Places, System};
pub use under_test::{Cpu, UnderTest};
pub use weighings::{Bench, Stalled, SystemCalls};
