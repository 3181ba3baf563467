//! Systems side by side: all of them run and have their chargers connected, and each pass visits them in another order
//! for a short burst. Whatever else the machine does meets all of them, and ratios are formed within a pass.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::certificates::Certificates;
use crate::ledger::Tally;
use crate::scene::{RouteId, Scene};
use crate::statistics::Spread;
use crate::system::{Places, System};
use crate::under_test::UnderTest;

/// How the systems are visited.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Chargers of each system.
    pub chargers: usize,
    /// Messages a second in a burst.
    pub per_second: f64,
    /// How long a burst lasts, at that pace and then again without one.
    pub burst: Duration,
    /// How often every system is visited.
    pub passes: usize,
}

/// What one burst at one system showed.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// CPU of the system under test for each call, in nanoseconds, while every charger says the next thing as soon as
    /// it has its answer. A core that sleeps between two messages is charged for waking up, which costs more than the
    /// message and differs from machine to machine.
    pub cpu_ns: f64,
    /// The same at the pace at which latency is measured.
    pub paced_cpu_ns: f64,
    /// Median time from when a call was due to its answer, in microseconds.
    pub p50_us: f64,
    /// The same, of the slowest hundredth.
    pub p99_us: f64,
    /// Messages a second while every charger says the next thing at once; whoever weighs may be the slower one.
    pub per_second: f64,
    /// Which part of the rows of the message log was dropped meanwhile.
    pub rows_dropped: f64,
    /// The same at the pace at which latency is measured.
    pub paced_rows_dropped: f64,
}

/// A system and what its bursts showed, one for each pass.
#[derive(Debug)]
pub struct Contender {
    /// Which system.
    pub system: System,
    /// Whether there is TLS on every hop.
    pub over_tls: bool,
    /// One for each pass, in their order.
    pub visits: Vec<Visit>,
    /// CPU of its threads by their names in all bursts, in nanoseconds for each call.
    pub threads: Vec<(String, f64)>,
    /// What became of all messages.
    pub tally: Tally,
}

struct Running {
    route: RouteId,
    under_test: Option<UnderTest>,
    contender: Contender,
}

/// Starts the systems, visits them, and ends them.
pub fn compare(
    systems: &[(System, bool)],
    terms: &Terms,
    proxy: &Path,
    folder: &Path,
    core: Option<usize>,
) -> Result<Vec<Contender>> {
    let certificates = Rc::new(Certificates::issue(folder)?);
    let mut scene = Scene::new(certificates.clone())?;
    let places = Places { proxy, folder, core, certificates: &certificates };
    let mut running = Vec::new();
    for (number, (system, over_tls)) in systems.iter().enumerate() {
        running.push(start(&mut scene, &places, number, *system, *over_tls, terms.chargers)?);
    }
    // The first pass warms up.
    for pass in 0..=terms.passes {
        fastrand::shuffle(&mut running);
        for one in &mut running {
            visit(&mut scene, one, terms, pass > 0)?;
        }
        eprintln!("   pass {pass} of {}", terms.passes);
    }
    running.sort_by_key(|one| {
        systems
            .iter()
            .position(|(system, tls)| (*system, *tls) == (one.contender.system, one.contender.over_tls))
    });
    Ok(running
        .into_iter()
        .map(|mut one| {
            one.contender.tally = scene.tally(one.route).clone();
            one.contender
        })
        .collect())
}

fn start(
    scene: &mut Scene,
    places: &Places<'_>,
    number: usize,
    system: System,
    over_tls: bool,
    chargers: usize,
) -> Result<Running> {
    let route = scene.add(system.backoffices(), over_tls)?;
    let name = format!("system{number}");
    let under_test = system.start(places, &name, scene.backoffices(route), over_tls, None)?;
    let address = under_test.as_ref().map_or(scene.backoffices(route)[0], |under_test| under_test.address);
    scene
        .connect(route, address, chargers)
        .and_then(|_| scene.begin_transactions(route))
        .with_context(|| format!("{}{}", system.name(), if over_tls { " with TLS" } else { "" }))?;
    eprintln!("   {}{}: {chargers} chargers", system.name(), if over_tls { " with TLS" } else { "" });
    let contender =
        Contender { system, over_tls, visits: Vec::new(), threads: Vec::new(), tally: Tally::default() };
    Ok(Running { route, under_test, contender })
}

fn visit(scene: &mut Scene, one: &mut Running, terms: &Terms, counts: bool) -> Result<()> {
    let cpu = |one: &Running| one.under_test.as_ref().map(UnderTest::cpu).transpose();
    let rows = |one: &Running| one.under_test.as_ref().map(UnderTest::log_rows).transpose();
    let rows_begun = rows(one)?.unwrap_or_default();
    let begun = cpu(one)?.unwrap_or_default();
    let burst = scene.burst(one.route, terms.per_second, terms.burst)?;
    let ended = cpu(one)?.unwrap_or_default();
    let rows_before = rows(one)?.unwrap_or_default();
    let before = cpu(one)?.unwrap_or_default();
    let flood = scene.flood(one.route, terms.burst)?;
    let after = cpu(one)?.unwrap_or_default();
    let rows_after = rows(one)?.unwrap_or_default();
    if !counts {
        return Ok(());
    }
    let calls = flood.answered as f64;
    one.contender.visits.push(Visit {
        cpu_ns: after.since(&before) as f64 / calls,
        paced_cpu_ns: ended.since(&begun) as f64 / burst.answered as f64,
        p50_us: burst.latency_us(0.5),
        p99_us: burst.latency_us(0.99),
        per_second: flood.rate(),
        rows_dropped: rows_after.dropped_since(&rows_before),
        paced_rows_dropped: rows_before.dropped_since(&rows_begun),
    });
    for (name, used) in after.by_thread(&before) {
        let part = used as f64 / calls / terms.passes as f64;
        match one.contender.threads.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += part,
            None => one.contender.threads.push((name, part)),
        }
    }
    Ok(())
}

/// All contenders of a run.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a>(pub &'a [Contender]);

impl Outcome<'_> {
    /// The visits of one system, pass by pass; none when it did not take part.
    pub fn of(&self, system: System, over_tls: bool) -> &[Visit] {
        let found = self.0.iter().find(|one| (one.system, one.over_tls) == (system, over_tls));
        found.map_or(&[], |one| &one.visits)
    }

    /// CPU for a call of the plain relays, pass by pass: the mean of nginx and HAProxy.
    fn unit(&self, over_tls: bool) -> impl Iterator<Item = f64> {
        let (nginx, haproxy) = (self.of(System::Nginx, over_tls), self.of(System::Haproxy, over_tls));
        nginx.iter().zip(haproxy).map(|(nginx, haproxy)| (nginx.cpu_ns + haproxy.cpu_ns) / 2.0)
    }

    /// CPU for a call, divided by the mean of nginx and HAProxy with the same protection.
    pub fn cpu_ratio(&self, system: System, over_tls: bool) -> Option<Spread> {
        Spread::of(
            self.of(system, over_tls).iter().zip(self.unit(over_tls)).map(|(own, unit)| own.cpu_ns / unit),
        )
    }

    /// What each backoffice of `more` beyond those of `fewer` adds, in the same unit.
    pub fn cpu_ratio_added(&self, fewer: System, more: System) -> Option<Spread> {
        let apart = (more.backoffices() - fewer.backoffices()) as f64;
        let pairs = self.of(more, false).iter().zip(self.of(fewer, false)).zip(self.unit(false));
        Spread::of(pairs.map(|((more, fewer), unit)| (more.cpu_ns - fewer.cpu_ns) / apart / unit))
    }

    /// What a system adds to the direct way's median, divided by what HAProxy adds.
    pub fn added_p50_ratio(&self, system: System, over_tls: bool) -> Option<Spread> {
        let direct = self.of(System::Direct, over_tls);
        let pairs = self.of(system, over_tls).iter().zip(self.of(System::Haproxy, over_tls)).zip(direct);
        Spread::of(
            pairs.map(|((own, haproxy), direct)| {
                (own.p50_us - direct.p50_us) / (haproxy.p50_us - direct.p50_us)
            }),
        )
    }
}
