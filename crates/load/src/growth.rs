//! What becomes of costs as a fleet or a run grows: a charger among few and among many, memory while traffic goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::ledger::Tally;
use crate::statistics::Spread;
use crate::system::System;
use crate::weighings::{Bench, Setting};

/// Chargers that are added to see what one more costs.
const MORE: usize = 100;
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(10);
/// What a run takes to become warm: caches and statements are filled as they are needed, once.
const WARM: f64 = 0.25;

/// A charger among few, and among many.
#[derive(Debug)]
pub struct Grown {
    /// KiB for one more idle charger, among few and among many.
    pub kib: [f64; 2],
    /// CPU for a message at the same pace of the whole fleet, among few and among many, in microseconds.
    pub cpu_us: [Spread; 2],
    /// CPU for a message among many divided by that among few, formed within a pass.
    pub ratio: Spread,
    /// What became of all messages.
    pub tallies: [Tally; 2],
}

/// Memory while traffic goes on.
#[derive(Debug)]
pub struct Flat {
    /// Minutes since the beginning, and KiB then.
    pub looks: Vec<(f64, u64)>,
    /// KiB a minute, by the line that fits best to all looks but those of the warming up.
    pub slope: f64,
    /// What became of all messages.
    pub tally: Tally,
}

impl Bench<'_> {
    /// Two fleets side by side, visited in turns at the same pace.
    pub fn grown(&self, system: System, fleets: [usize; 2], per_second: f64, passes: usize) -> Result<Grown> {
        let mut settings = Vec::new();
        let mut kib = [0.0; 2];
        for ((chargers, kib), name) in fleets.into_iter().zip(&mut kib).zip(["few", "many"]) {
            let mut setting = self.set_in(name, system, false, None)?;
            let Setting { scene, route, under_test } = &mut setting;
            scene.connect(*route, under_test.address, chargers)?;
            scene.rest(Duration::from_secs(3))?;
            let before = under_test.memory_kib()?;
            scene.connect(*route, under_test.address, MORE)?;
            scene.rest(Duration::from_secs(3))?;
            *kib = (under_test.memory_kib()? as f64 - before as f64) / MORE as f64;
            scene.begin_transactions(*route)?;
            settings.push(setting);
        }
        let mut used = [Vec::new(), Vec::new()];
        // The first pass warms up.
        for pass in 0..=passes {
            for (setting, used) in settings.iter_mut().zip(&mut used) {
                let Setting { scene, route, under_test } = setting;
                // Pings and what else has waited go first.
                scene.rest(Duration::from_millis(200))?;
                let before = under_test.cpu()?;
                let burst = scene.burst(*route, per_second, Duration::from_secs(4))?;
                let after = under_test.cpu()?;
                if pass > 0 {
                    used.push(after.since(&before) as f64 / 1e3 / burst.answered.max(1) as f64);
                }
            }
        }
        let ratio = Spread::of(used[1].iter().zip(&used[0]).map(|(many, few)| many / few));
        let [few, many] = used.map(Spread::of);
        Ok(Grown {
            kib,
            cpu_us: [few.context("there was a pass")?, many.context("there was a pass")?],
            ratio: ratio.context("there was a pass")?,
            tallies: [0, 1].map(|at| settings[at].scene.tally(settings[at].route).clone()),
        })
    }

    /// Traffic at one pace for so long.
    pub fn flat(
        &self,
        system: System,
        chargers: usize,
        per_second: f64,
        how_long: Duration,
        mut tell: impl FnMut(f64, u64),
    ) -> Result<Flat> {
        let Setting { mut scene, route, under_test } = self.set(system, false, None)?;
        scene.connect(route, under_test.address, chargers)?;
        scene.begin_transactions(route)?;
        let began = Instant::now();
        let mut looks = Vec::new();
        while began.elapsed() < how_long {
            scene.burst(route, per_second, LOOK)?;
            let look = (began.elapsed().as_secs_f64() / 60.0, under_test.memory_kib()?);
            tell(look.0, look.1);
            looks.push(look);
        }
        let warm = (looks.len() as f64 * WARM) as usize;
        Ok(Flat { slope: slope(&looks[warm..]), looks, tally: scene.tally(route).clone() })
    }
}

/// Of the line with the least squares.
fn slope(looks: &[(f64, u64)]) -> f64 {
    let count = looks.len() as f64;
    let mean = |of: fn(&(f64, u64)) -> f64| looks.iter().map(of).sum::<f64>() / count;
    let (minute, kib) = (mean(|look| look.0), mean(|look| look.1 as f64));
    let both: f64 = looks.iter().map(|look| (look.0 - minute) * (look.1 as f64 - kib)).sum();
    let square: f64 = looks.iter().map(|look| (look.0 - minute).powi(2)).sum();
    if square > 0.0 { both / square } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line() {
        assert_eq!(slope(&[(0.0, 100), (1.0, 110), (2.0, 120)]), 10.0);
        assert_eq!(slope(&[(3.0, 100)]), 0.0);
    }
}
