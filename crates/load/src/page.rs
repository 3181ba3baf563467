//! docs/performance.md: all measurements of one run, beside what they must come to.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::ledger::Tally;
use crate::machine;
use crate::passes::{Contender, Outcome, Terms, compare};
use crate::statistics::Spread;
use crate::system::System;
use crate::weighings::Bench;

/// The part of the page that people write.
const BY_HAND: &str = "\n## Where the time goes";

/// How much of everything.
#[derive(Debug, Clone)]
pub struct Extent {
    /// How systems are visited side by side.
    pub terms: Terms,
    /// Messages whose system calls are counted.
    pub counted: u64,
    /// Idle chargers are so many, and then twice as many.
    pub idle: usize,
    /// Chargers that come back at once.
    pub storm: usize,
    /// How often a storm is raised at each system.
    pub storms: usize,
    /// How long a follower does not read.
    pub stalled: Duration,
}

impl Extent {
    /// For the page: about a quarter of an hour.
    pub fn full() -> Self {
        let terms = Terms { chargers: 200, per_second: 1_000.0, burst: Duration::from_secs(2), passes: 7 };
        Self { terms, counted: 4_000, idle: 1_000, storm: 500, storms: 5, stalled: Duration::from_secs(60) }
    }

    /// To see that everything works: a few minutes. Its figures say little.
    pub fn quick() -> Self {
        let terms = Terms { chargers: 50, per_second: 500.0, burst: Duration::from_secs(1), passes: 3 };
        Self { terms, counted: 1_000, idle: 100, storm: 100, storms: 2, stalled: Duration::from_secs(30) }
    }
}

/// What the figure of a row has to be.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    AtMost(f64, f64),
    AtLeast(f64, f64),
}

impl Wanted {
    fn text(self) -> [String; 2] {
        match self {
            Wanted::AtMost(must, goal) => [must, goal].map(|bound| format!("≤ {bound}")),
            Wanted::AtLeast(must, goal) => [must, goal].map(|bound| format!("≥ {bound}")),
        }
    }

    fn reached(self, figure: f64) -> &'static str {
        let (must, goal) = match self {
            Wanted::AtMost(must, goal) => (figure <= must, figure <= goal),
            Wanted::AtLeast(must, goal) => (figure >= must, figure >= goal),
        };
        match (must, goal) {
            (_, true) => "goal",
            (true, false) => "must",
            (false, false) => "no",
        }
    }
}

/// The page as it grows.
struct Page {
    rows: String,
    faults: Vec<String>,
    messages: u64,
    overtaken: u64,
}

impl Page {
    fn row(&mut self, measure: &str, wanted: Wanted, figure: Option<(f64, String)>) {
        let [must, goal] = wanted.text();
        let (shown, reached) = figure.map_or_else(
            || ("not measured".to_owned(), ""),
            |(figure, shown)| (shown, wanted.reached(figure)),
        );
        writeln!(self.rows, "| {measure} | {must} | {goal} | {shown} | {reached} |")
            .expect("memory can be written to");
    }

    fn spread(&mut self, measure: &str, wanted: Wanted, spread: Option<Spread>) {
        self.row(measure, wanted, spread.map(|spread| (spread.median, spread.to_string())));
    }

    /// Takes the books of a measurement in.
    fn account(&mut self, of: &str, tally: &Tally) {
        self.messages += tally.calls;
        self.overtaken += tally.overtaken;
        for (name, count) in tally.faults() {
            if count > 0 {
                self.faults.push(format!("{of}: {count} {name}"));
            }
        }
    }
}

const PLAIN: [System; 7] = [
    System::Direct,
    System::Nginx,
    System::Haproxy,
    OFF,
    ON,
    System::Proxy { followers: 2, log: false },
    System::Proxy { followers: 3, log: false },
];
/// A leader and a follower, without the message log.
const OFF: System = System::Proxy { followers: 1, log: false };
/// The same with everything on.
const ON: System = System::Proxy { followers: 1, log: true };

/// Measures everything; the text of the page.
fn page(bench: &Bench<'_>, extent: &Extent) -> Result<String> {
    let machine = machine::description(bench.proxy, bench.folder, bench.core);
    let mut page = Page { rows: String::new(), faults: Vec::new(), messages: 0, overtaken: 0 };
    let calls = system_calls(bench, extent, &mut page)?;
    let contenders = side_by_side(bench, extent, &mut page)?;
    idle(bench, extent, &mut page)?;
    protected(&contenders, &mut page);
    storms(bench, extent, &mut page)?;
    stalled(bench, extent, &mut page)?;
    overload(bench, &mut page)?;
    let faults = page.faults.len() as f64;
    let shown = if page.faults.is_empty() {
        let (messages, overtaken) = (page.messages, page.overtaken);
        format!("0 of {messages} messages; {overtaken} were overtaken by one about a state, as they may be")
    } else {
        page.faults.join("; ")
    };
    let wanted = Wanted::AtMost(0.0, 0.0);
    page.row(
        "lost, doubled, reordered, stray, altered, lost boots, unknown transactions",
        wanted,
        Some((faults, shown)),
    );
    Ok(text(&machine, extent, &page.rows, &contenders, &calls))
}

fn system_calls(bench: &Bench<'_>, extent: &Extent, page: &mut Page) -> Result<Vec<(String, f64)>> {
    eprintln!("== system calls");
    let mut by_system = Vec::new();
    for system in [System::Nginx, System::Haproxy, OFF, ON] {
        let calls = bench.system_calls(system, 200.0, extent.counted)?;
        page.account(&system.name(), &calls.tally);
        if system == OFF {
            let figure = (calls.per_message, format!("{:.1}", calls.per_message));
            page.row(
                "system calls for a message at 200 a second, log off",
                Wanted::AtMost(10.0, 9.0),
                Some(figure),
            );
        }
        let names: Vec<String> =
            calls.by_name.iter().take(6).map(|(name, count)| format!("{name} {count:.2}")).collect();
        by_system.push((format!("{}: {}", system.name(), names.join(", ")), calls.per_message));
    }
    Ok(by_system)
}

fn side_by_side(bench: &Bench<'_>, extent: &Extent, page: &mut Page) -> Result<Vec<Contender>> {
    eprintln!("== side by side");
    let with_tls = [System::Direct, System::Nginx, System::Haproxy, OFF, ON];
    let systems: Vec<(System, bool)> = PLAIN
        .map(|system| (system, false))
        .into_iter()
        .chain(with_tls.map(|system| (system, true)))
        .collect();
    let contenders = compare(&systems, &extent.terms, bench.proxy, bench.folder, bench.core)?;
    for one in &contenders {
        page.account(&one.system.name(), &one.tally);
    }
    let outcome = Outcome(&contenders);
    let relays = "mean(nginx, HAProxy 1:1)";
    page.spread(
        &format!("CPU for a message ÷ {relays}, log off"),
        Wanted::AtMost(2.0, 1.65),
        outcome.cpu_ratio(OFF, false),
    );
    page.spread(
        &format!("CPU for a message ÷ {relays}, log on"),
        Wanted::AtMost(2.5, 2.0),
        outcome.cpu_ratio(ON, false),
    );
    page.spread(
        "each further backoffice, in the same unit, log off",
        Wanted::AtMost(0.9, 0.7),
        outcome.cpu_ratio_added(OFF, PLAIN[6]),
    );
    page.spread(
        "added median latency ÷ that of HAProxy 1:1, log on",
        Wanted::AtMost(1.3, 1.1),
        outcome.added_p50_ratio(ON, false),
    );
    Ok(contenders)
}

fn idle(bench: &Bench<'_>, extent: &Extent, page: &mut Page) -> Result<()> {
    eprintln!("== idle chargers");
    for (over_tls, name, wanted) in [
        (false, "KiB for an idle charger", Wanted::AtMost(16.0, 8.0)),
        (true, "KiB for an idle charger, TLS on every hop", Wanted::AtMost(45.0, 34.0)),
    ] {
        let kib = bench.idle_kib(ON, over_tls, extent.idle)?;
        let others =
            [System::Nginx, System::Haproxy].map(|system| bench.idle_kib(system, over_tls, extent.idle));
        let [nginx, haproxy] = others;
        let shown = format!("{kib:.1} (nginx {:.1}, HAProxy {:.1})", nginx?, haproxy?);
        page.row(name, wanted, Some((kib, shown)));
    }
    Ok(())
}

fn protected(contenders: &[Contender], page: &mut Page) {
    let spread = Outcome(contenders).cpu_ratio(ON, true);
    page.spread(
        "CPU for a message with TLS ÷ mean(nginx, HAProxy with TLS 1:1), log on",
        Wanted::AtMost(1.9, 1.5),
        spread,
    );
}

fn storms(bench: &Bench<'_>, extent: &Extent, page: &mut Page) -> Result<()> {
    eprintln!("== storms");
    for (over_tls, name, wanted) in [
        (false, "chargers that come back, a second ÷ HAProxy's", Wanted::AtLeast(0.5, 0.7)),
        (true, "the same with TLS", Wanted::AtLeast(1.0, 2.0)),
    ] {
        let mut ratios = Vec::new();
        for _ in 0..extent.storms {
            let (haproxy, _) = bench.storm(System::Haproxy, over_tls, extent.storm)?;
            let (own, tally) = bench.storm(ON, over_tls, extent.storm)?;
            page.account("a storm", &tally);
            ratios.push(own / haproxy);
        }
        page.spread(name, wanted, Spread::of(ratios));
    }
    Ok(())
}

fn stalled(bench: &Bench<'_>, extent: &Extent, page: &mut Page) -> Result<()> {
    eprintln!("== a stalled follower");
    for (chargers, name) in [
        (1000, "leader's rate with a stalled follower ÷ healthy, 1,000 chargers; memory"),
        (20, "the same with 20 chargers, each of which waits for the disk"),
    ] {
        let stalled = bench.stalled_follower(ON, chargers, extent.stalled)?;
        page.account("a stalled follower", &stalled.tally);
        let shown = format!(
            "{:.2} (the slowest 5 s: {:.2}); {:.0} KiB more for each charger",
            stalled.all, stalled.slowest, stalled.kib
        );
        page.row(name, Wanted::AtLeast(0.9, 0.95), Some((stalled.all, shown)));
    }
    Ok(())
}

fn overload(bench: &Bench<'_>, page: &mut Page) -> Result<()> {
    eprintln!("== too much");
    let (ratio, best, tally) = bench.overload(ON, 400)?;
    page.account("too much", &tally);
    let shown = format!("{ratio}; its best: {best:.0} a second");
    page.row(
        "throughput at twice the load it can take ÷ its best while each charger waits for its answers",
        Wanted::AtLeast(0.9, 0.95),
        Some((ratio.median, shown)),
    );
    Ok(())
}

/// What the message log did not take.
fn log_rows(contenders: &[Contender], per_second: f64) -> String {
    let mut text = "\nNobody waits for the message log: rows that its writer does not come after with are dropped, and counted. Of \
                    the rows in these bursts it dropped:\n\n"
        .to_owned();
    for one in contenders.iter().filter(|one| matches!(one.system, System::Proxy { log: true, .. })) {
        let share = |part: fn(&crate::passes::Visit) -> f64| {
            Spread::of(one.visits.iter().map(|visit| part(visit) * 100.0))
                .map_or_else(String::new, |spread| format!("{spread:.0} %"))
        };
        let (at_once, paced) = (share(|visit| visit.rows_dropped), share(|visit| visit.paced_rows_dropped));
        let tls = if one.over_tls { " with TLS" } else { "" };
        writeln!(
            text,
            "- {}{tls}: {at_once} while every charger spoke as soon as it was answered, {paced} at {per_second} a second",
            one.system.name()
        )
        .expect("memory can be written to");
    }
    text
}

fn text(
    machine: &[(&str, String)],
    extent: &Extent,
    rows: &str,
    contenders: &[Contender],
    calls: &[(String, f64)],
) -> String {
    let Terms { chargers, per_second, burst, passes } = &extent.terms;
    let mut text = format!(
        "# What it costs\n\n<!-- Generated by `cargo xtask performance`; do not edit. -->\n\n\
         `ocpp-proxy` beside nginx and HAProxy, which pass each charger on to one backoffice (1:1). 1+2 are the \
         charger's socket and two of backoffices, a leader and a follower; 1+3 and 1+4 have more followers. Everything is on: transaction numbers are mapped, answers compared, metrics counted, and what \
         a follower must be told is durable; with *log on* the message log is written as well: a row for each call and one for each \
         answer, as far as its bounded queue takes them (below). One message is a call \
         of a charger with its answer and all that follows from it.\n\n\
         {chargers} chargers for each system speak OCPP 1.6: of 60 messages 54 are MeterValues of 600 bytes, the rest is what \
         a charging session needs. All systems run at once and are visited in shuffled bursts: {} s with {per_second} messages a second, \
         of which latency is measured, and as long with every charger speaking as soon as it is answered, of which CPU is \
         measured: between messages that are far apart a core sleeps, and waking it up costs more than they do. Ratios are formed within a pass, shown is their median of {passes} passes and between what the middle half \
         lies. Latency counts from the moment at which a message was due. CPU is what the scheduler booked for the threads of \
         the system. Each message is accounted for by its content at every backoffice, each answer at its charger.\n\n\
         | measure | must | goal | measured | reached |\n|---|---|---|---|---|\n{rows}\n## In absolute figures\n\n\
         Of this machine in this hour. Messages a second are those at which CPU was measured; of the fastest systems \
         it is the generator of the load that was slower.\n\n| system | CPU for a message, µs | messages a second | CPU for a message at {per_second} a \
         second, µs | p50, µs | p99, µs |\n|---|---|---|---|---|---|\n",
        burst.as_secs_f64()
    );
    for one in contenders {
        let of = |figure: fn(&crate::passes::Visit) -> f64| {
            Spread::of(one.visits.iter().map(figure))
                .map_or_else(String::new, |spread| format!("{spread:.0}"))
        };
        let tls = if one.over_tls { " with TLS" } else { "" };
        let [cpu, paced] = if one.system == System::Direct {
            [String::new(), String::new()]
        } else {
            [of(|visit| visit.cpu_ns / 1000.0), of(|visit| visit.paced_cpu_ns / 1000.0)]
        };
        let (p50, p99, rate) =
            (of(|visit| visit.p50_us), of(|visit| visit.p99_us), of(|visit| visit.per_second));
        writeln!(text, "| {}{tls} | {cpu} | {rate} | {paced} | {p50} | {p99} |", one.system.name())
            .expect("memory can be written to");
    }
    text += &log_rows(contenders, *per_second);
    text += "\nSystem calls for a message at 200 a second, the most frequent by name:\n\n";
    for (names, sum) in calls {
        writeln!(text, "- {sum:.1}: {names}").expect("memory can be written to");
    }
    text += "\n## Measured on\n\n| | |\n|---|---|\n";
    for (name, value) in machine {
        writeln!(text, "| {name} | {value} |").expect("memory can be written to");
    }
    text
}

/// Measures everything and writes the page; what stands there under the heading for remarks by hand is kept.
pub fn write(bench: &Bench<'_>, extent: &Extent, path: &Path) -> Result<()> {
    let before = fs::read_to_string(path).unwrap_or_default();
    let kept = before.find(BY_HAND).map_or("", |at| &before[at..]);
    let text = page(bench, extent)? + kept;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
