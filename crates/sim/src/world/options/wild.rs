//! What a wilder world has on top: networks that die by halves, backoffices that sleep and lie,
//! crashes at the very moment of keeping, and leaders that are away.

use std::time::Duration;

use super::{FIRST_SHARED_SEED, pick};
use crate::backoffice::BackofficeSettings;

/// Seeds below this stand for the milder worlds of old, so that what they found stays found.
pub const FIRST_WILD_SEED: u64 = 1_000_000;

/// Whether the seed stands for a wild world.
pub(super) fn is_wild(seed: u64) -> bool {
    seed >= FIRST_SHARED_SEED && seed % 2 == 1 || (FIRST_WILD_SEED..FIRST_SHARED_SEED).contains(&seed)
}

/// What else goes wrong; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Wild {
    /// One-way time to the charger, at most; that of the world if `None`.
    pub charger_latency: Option<Duration>,
    /// The same for each backoffice, in their order.
    pub backoffice_latency: Vec<Duration>,
    /// Mean time between links that break, each direction at its own moment.
    pub breaks_every: Option<Duration>,
    /// Mean time between backoffices that think for minutes.
    pub sleeps_every: Option<Duration>,
    /// Mean time between crashes of the proxy when it is about to keep something.
    pub keep_crashes_every: Option<Duration>,
    /// Mean time between failures of the store that last.
    pub store_outages_every: Option<Duration>,
    /// Mean time between edits of one thing in the plan.
    pub plan_edits_every: Option<Duration>,
    /// Mean time between such edits just when a transaction begins or ends.
    pub edits_in_transactions_every: Option<Duration>,
    /// Whether plans say what holds while the leader is away; otherwise all say the same.
    pub outage_modes: bool,
}

impl Wild {
    /// What the seed stands for; also makes the backoffices worse.
    pub(super) fn draw(seed: u64, backoffices: &mut [BackofficeSettings]) -> Self {
        if !is_wild(seed) {
            return Self::default();
        }
        let mut random = fastrand::Rng::with_seed(seed ^ 0x0077_696c_6400);
        let backoffice_latency = backoffices.iter_mut().map(|settings| {
            let latency = Duration::from_millis(pick(&mut random, &[1, 100, 800, 2_500]));
            // Calls that follow each other at the right distance may arrive closer to each other.
            settings.patience -= latency;
            let mut fault = |most: u32| if random.u32(..4) == 0 { random.u32(1..most) } else { 0 };
            settings.faults.minutes_late = fault(40);
            settings.faults.refused = fault(150);
            settings.faults.wrong_types = fault(60);
            settings.faults.stray = fault(80);
            settings.faults.odd_number = fault(150);
            latency
        });
        let backoffice_latency = backoffice_latency.collect();
        let charger_latency = Some(Duration::from_millis(pick(&mut random, &[1, 100, 800, 2_000])));
        let mut sometimes = |of_ten: u32, mean_s: u64| {
            (random.u32(..10) < of_ten).then(|| Duration::from_secs(random.u64(mean_s / 3..=mean_s * 2)))
        };
        Self {
            charger_latency,
            backoffice_latency,
            breaks_every: sometimes(6, 120),
            sleeps_every: sometimes(3, 300),
            keep_crashes_every: sometimes(4, 150),
            store_outages_every: sometimes(1, 500),
            plan_edits_every: sometimes(4, 150),
            edits_in_transactions_every: sometimes(3, 100),
            outage_modes: true,
        }
    }
}
