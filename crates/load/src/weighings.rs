//! What is measured at one system alone: system calls, memory, storms, a follower that stalls, too much load.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::certificates::Certificates;
use crate::ledger::Tally;
use crate::scene::{RouteId, Scene};
use crate::statistics::Spread;
use crate::system::{Places, System};
use crate::under_test::UnderTest;

/// How often a system is overloaded.
const OVERLOADS: usize = 5;

/// Where the program and its files are, and which core is its own.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'a> {
    /// The program `ocpp-proxy`.
    pub proxy: &'a Path,
    /// For files of the run.
    pub folder: &'a Path,
    /// The core of the system under test.
    pub core: Option<usize>,
}

/// One system with its own scene.
pub(crate) struct Setting {
    pub(crate) scene: Scene,
    pub(crate) route: RouteId,
    pub(crate) under_test: UnderTest,
}

impl Bench<'_> {
    pub(crate) fn set(&self, system: System, over_tls: bool, traced: Option<&Path>) -> Result<Setting> {
        self.set_in("alone", system, over_tls, traced)
    }

    /// In a folder of its own, beside others.
    pub(crate) fn set_in(
        &self,
        name: &str,
        system: System,
        over_tls: bool,
        traced: Option<&Path>,
    ) -> Result<Setting> {
        let certificates = Rc::new(Certificates::issue(self.folder)?);
        let mut scene = Scene::new(certificates.clone())?;
        let places =
            Places { proxy: self.proxy, folder: self.folder, core: self.core, certificates: &certificates };
        let route = scene.add(system.backoffices(), over_tls)?;
        let under_test = system
            .start(&places, name, scene.backoffices(route), over_tls, traced)?
            .context("there is nothing between chargers and backoffices to be weighed")?;
        Ok(Setting { scene, route, under_test })
    }

    /// System calls for each message at this pace, counted one by one, by their names; the most frequent first.
    pub fn system_calls(&self, system: System, per_second: f64, messages: u64) -> Result<SystemCalls> {
        let trace = self.folder.join("trace");
        let Setting { mut scene, route, under_test } = self.set(system, false, Some(&trace))?;
        scene.connect(route, under_test.address, 50)?;
        scene.begin_transactions(route)?;
        // What is written behind, is written.
        scene.rest(Duration::from_secs(3))?;
        let began = unix_time();
        let burst = scene.one_by_one(route, per_second, messages)?;
        let ended = unix_time();
        let tally = scene.tally(route).clone();
        drop(under_test);
        let text = fs::read_to_string(&trace).context("the tracer has written nothing")?;
        Ok(SystemCalls::count(&text, began, ended, burst.answered, tally))
    }

    /// What a further charger costs while nobody says anything, in KiB: so many more than as many.
    pub fn idle_kib(&self, system: System, over_tls: bool, chargers: usize) -> Result<f64> {
        let Setting { mut scene, route, under_test } = self.set(system, over_tls, None)?;
        let mut memory = [0, 0];
        for memory in &mut memory {
            scene.connect(route, under_test.address, chargers)?;
            scene.rest(Duration::from_secs(3))?;
            *memory = under_test.memory_kib()?;
        }
        ensure!(scene.tally(route).is_clean(), "not all is well: {:?}", scene.tally(route));
        Ok((memory[1] as f64 - memory[0] as f64) / chargers as f64)
    }

    /// All chargers lose their connections at once and come back; how many come back in a second.
    pub fn storm(&self, system: System, over_tls: bool, chargers: usize) -> Result<(f64, Tally)> {
        let Setting { mut scene, route, under_test } = self.set(system, over_tls, None)?;
        scene.connect(route, under_test.address, chargers)?;
        let took = scene.reconnect_all(route)?;
        Ok((chargers as f64 / took.as_secs_f64(), scene.tally(route).clone()))
    }

    /// What the leader's chargers get through while a follower does not read, and what that does to memory.
    pub fn stalled_follower(
        &self,
        system: System,
        chargers: usize,
        stalled_for: Duration,
    ) -> Result<Stalled> {
        let Setting { mut scene, route, under_test } = self.set(system, false, None)?;
        scene.connect(route, under_test.address, chargers)?;
        scene.begin_transactions(route)?;
        let part = Duration::from_secs(5);
        scene.flood(route, part)?;
        let healthy = scene.flood(route, part)?.rate();
        let before = under_test.memory_kib()?;
        scene.set_deaf(route, 1, true);
        let (mut rates, mut most) = (Vec::new(), before);
        for _ in 0..stalled_for.as_secs().div_ceil(part.as_secs()) {
            rates.push(scene.flood(route, part)?.rate());
            most = most.max(under_test.memory_kib()?);
        }
        Ok(Stalled {
            slowest: rates.iter().copied().fold(f64::INFINITY, f64::min) / healthy,
            all: rates.iter().sum::<f64>() / rates.len() as f64 / healthy,
            kib: (most - before) as f64 / chargers as f64,
            tally: scene.tally(route).clone(),
        })
    }

    /// Throughput at twice the load that the system can take, divided by what it was just before; and that, in messages
    /// a second.
    pub fn overload(&self, system: System, chargers: usize) -> Result<(Spread, Spread, Tally)> {
        let Setting { mut scene, route, under_test } = self.set(system, false, None)?;
        scene.connect(route, under_test.address, chargers)?;
        scene.begin_transactions(route)?;
        let part = Duration::from_secs(4);
        scene.flood(route, part)?;
        let (mut ratios, mut bests) = (Vec::new(), Vec::new());
        for _ in 0..OVERLOADS {
            let best = scene.flood(route, part)?.rate();
            ratios.push(scene.overload(route, best * 2.0, part)?.rate() / best);
            bests.push(best);
        }
        let spread = |values| Spread::of(values).context("it was overloaded at least once");
        Ok((spread(ratios)?, spread(bests)?, scene.tally(route).clone()))
    }
}

/// What a stalled follower did.
#[derive(Debug)]
pub struct Stalled {
    /// The slowest five seconds of the leader's chargers, divided by those before.
    pub slowest: f64,
    /// All of the time, divided by those before.
    pub all: f64,
    /// Memory for each charger beyond that before, in KiB.
    pub kib: f64,
    /// What became of all messages but the follower's.
    pub tally: Tally,
}

/// System calls of a stretch of time.
#[derive(Debug)]
pub struct SystemCalls {
    /// For each message.
    pub per_message: f64,
    /// The same by name, the most frequent first.
    pub by_name: Vec<(String, f64)>,
    /// What became of all messages.
    pub tally: Tally,
}

impl SystemCalls {
    /// Counts the lines of a trace between two moments: `PID SECONDS.MICROSECONDS name(…`.
    fn count(trace: &str, began: f64, ended: f64, messages: u64, tally: Tally) -> Self {
        let mut by_name = std::collections::BTreeMap::<&str, u64>::new();
        for line in trace.lines() {
            let mut words = line.split_ascii_whitespace().skip(1);
            let at: Option<f64> = words.next().and_then(|at| at.parse().ok());
            // What was interrupted by another thread's line goes on with `<... name resumed>`.
            let name = words.next().and_then(|call| call.split_once('(')).map(|(name, _)| name);
            if let (Some(at), Some(name)) = (at, name)
                && (began..=ended).contains(&at)
            {
                *by_name.entry(name).or_default() += 1;
            }
        }
        let mut by_name: Vec<(String, f64)> = by_name
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count as f64 / messages as f64))
            .collect();
        by_name.sort_by(|one, other| other.1.total_cmp(&one.1));
        Self { per_message: by_name.iter().map(|(_, count)| count).sum(), by_name, tally }
    }
}

fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_of_the_stretch_counts_once() {
        let trace = "11 99.900000 read(3, \"\"..., 10) = 10\n11 100.000001 epoll_wait(4,  <unfinished ...>\n\
                     12 100.000002 write(5, \"\"..., 3) = 3\n11 100.000003 <... epoll_wait resumed>[], 1, 5) = 0\n\
                     11 100.500000 write(5, \"\"..., 3) = 3\n11 100.600000 +++ exited with 0 +++\n\
                     11 101.100000 write(5, \"\"..., 3) = 3\n";
        let calls = SystemCalls::count(trace, 100.0, 101.0, 2, Tally::default());
        assert_eq!(calls.by_name, [("write".to_owned(), 1.0), ("epoll_wait".to_owned(), 0.5)]);
        assert_eq!(calls.per_message, 1.5);
    }
}
