//! The program `load`: weighs `ocpp-proxy` beside others. `cargo xtask performance` and `cargo xtask costs` run it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use load::{Asked, Bench, Contender, Extent, LogMark, Outcome, Spread, System, Terms, compare};

/// Weighs ocpp-proxy beside nginx and HAProxy.
#[derive(Parser)]
#[command(name = "load")]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    task: Task,
}

#[derive(Args)]
struct Common {
    /// The program under test.
    #[arg(long, global = true, default_value = "target/release/ocpp-proxy")]
    proxy: PathBuf,
    /// Where its files go, on a disk like that of a real installation.
    #[arg(long, global = true, default_value = "target/performance")]
    folder: PathBuf,
    /// The core that is the system's own; any without it.
    #[arg(long, global = true)]
    core: Option<usize>,
    /// Whether ocpp-proxy writes its message log, where only one of both is weighed.
    #[arg(long, global = true)]
    log: bool,
    /// TLS on every hop, where only one of both is weighed.
    #[arg(long, global = true)]
    tls: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Measures everything and writes the page; its section "Where the time goes" stays.
    Page {
        /// Where to.
        path: PathBuf,
        /// Little of everything, to see that it works.
        #[arg(long)]
        quick: bool,
    },
    /// Compares the costs that are the same on every machine with what is allowed.
    Costs {
        /// The file of what is allowed.
        kept: PathBuf,
    },
    /// nginx, HAProxy and ocpp-proxy side by side.
    Compare {
        #[arg(long, default_value_t = 200)]
        chargers: usize,
        #[arg(long, default_value_t = 1000.0)]
        per_second: f64,
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
        #[arg(long, default_value_t = 9)]
        passes: usize,
    },
    /// System calls for each message, by name.
    Calls {
        #[arg(long, default_value_t = 2000)]
        messages: u64,
    },
    /// Memory of an idle charger.
    Idle {
        #[arg(long, default_value_t = 300)]
        chargers: usize,
    },
    /// All chargers come back at once.
    Storm {
        #[arg(long, default_value_t = 500)]
        chargers: usize,
    },
    /// A follower stops reading.
    Stall {
        #[arg(long, default_value_t = 1000)]
        chargers: usize,
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// A message log of any length: what a row costs, and how long the portal's questions take.
    Log {
        /// Lengths in rows, each larger than the one before.
        #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
        rows: Vec<u64>,
        #[arg(long, default_value_t = 6000)]
        chargers: usize,
        /// How often each question is asked.
        #[arg(long, default_value_t = 60)]
        times: usize,
        /// Where to write it, docs/growth.md.
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// A charger among few and among many.
    Chargers {
        #[arg(long, default_value_t = 100)]
        few: usize,
        #[arg(long, default_value_t = 6000)]
        many: usize,
        #[arg(long, default_value_t = 500.0)]
        per_second: f64,
        #[arg(long, default_value_t = 7)]
        passes: usize,
        /// Where to write it, docs/growth.md.
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// Memory while traffic goes on.
    Time {
        #[arg(long, default_value_t = 200)]
        chargers: usize,
        #[arg(long, default_value_t = 500.0)]
        per_second: f64,
        #[arg(long, default_value_t = 30)]
        minutes: u64,
        /// Where to write it, docs/growth.md.
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// More than the program can take.
    Overload {
        #[arg(long, default_value_t = 400)]
        chargers: usize,
    },
}

fn main() -> Result<()> {
    let Arguments { common, task } = Arguments::parse();
    fs::create_dir_all(&common.folder).context("the folder for files of the run")?;
    let (folder, proxy) =
        (common.folder.canonicalize()?, common.proxy.canonicalize().context("the program")?);
    let bench = Bench { proxy: &proxy, folder: &folder, core: common.core };
    let own = System::Proxy { followers: 1, log: common.log };
    let all = [System::Nginx, System::Haproxy, own];
    let full = System::Proxy { followers: 1, log: true };
    match task {
        Task::Page { path, quick } => {
            load::write(&bench, &if quick { Extent::quick() } else { Extent::full() }, &path)?;
        }
        Task::Costs { kept } => load::watch(&bench, &kept)?,
        Task::Compare { chargers, per_second, seconds, passes } => {
            let terms = Terms { chargers, per_second, burst: Duration::from_secs_f64(seconds), passes };
            let more = System::Proxy { followers: 3, log: common.log };
            let systems =
                [System::Direct, System::Nginx, System::Haproxy, own, more].map(|one| (one, common.tls));
            let contenders = compare(&systems, &terms, &proxy, &folder, common.core)?;
            contenders.iter().for_each(|one| show(one, Outcome(&contenders)));
            if let Some(added) = Outcome(&contenders).cpu_ratio_added(own, more) {
                println!("each further backoffice: {added}");
            }
        }
        Task::Calls { messages } => {
            for system in all {
                let calls = bench.system_calls(system, 200.0, messages)?;
                println!("{}: {:.2} {:?} {:?}", system.name(), calls.per_message, calls.by_name, calls.tally);
            }
        }
        Task::Idle { chargers } => {
            for system in all {
                println!("{}: {:.1} KiB", system.name(), bench.idle_kib(system, common.tls, chargers)?);
            }
        }
        Task::Storm { chargers } => {
            for system in all {
                let (per_second, tally) = bench.storm(system, common.tls, chargers)?;
                println!("{}: {per_second:.0} a second, {tally:?}", system.name());
            }
        }
        Task::Stall { chargers, seconds } => {
            println!("{:?}", bench.stalled_follower(own, chargers, Duration::from_secs(seconds))?);
        }
        Task::Chargers { few, many, per_second, passes, page } => {
            let grown = bench.grown(full, [few, many], per_second, passes)?;
            println!("{grown:?}");
            if let Some(page) = page {
                load::write_grown(&bench, &page, [few, many], per_second, &grown)?;
            }
        }
        Task::Time { chargers, per_second, minutes, page } => {
            let told = |minute: f64, kib: u64| println!("{minute:6.1} min {kib} KiB");
            let how_long = Duration::from_secs(60 * minutes);
            let flat = bench.flat(full, chargers, per_second, how_long, told)?;
            println!("{:.1} KiB more a minute; {:?}", flat.slope, flat.tally);
            if let Some(page) = page {
                load::write_flat(&bench, &page, chargers, per_second, &flat)?;
            }
        }
        Task::Log { rows, chargers, times, page } => {
            let marks = load::grow(&folder, &rows, chargers, times, tell)?;
            if let Some(page) = page {
                load::write_log(&bench, &page, chargers, &marks)?;
            }
        }
        Task::Overload { chargers } => {
            let (ratio, best, tally) = bench.overload(own, chargers)?;
            println!("{ratio} of {best:.0} a second, {tally:?}");
        }
    }
    Ok(())
}

fn tell(mark: &LogMark) {
    println!(
        "{} rows, {:.1} GB: {:.0} rows a second, {:.1} us of CPU each, commits {:.1} ms",
        mark.rows,
        mark.bytes as f64 / 1e9,
        mark.per_second,
        mark.cpu_us,
        mark.commit_ms
    );
    for Asked { what, p50, p95 } in &mark.asked {
        println!("  {:8.1} ms {:8.1} ms  {what}", p50.as_secs_f64() * 1e3, p95.as_secs_f64() * 1e3);
    }
}

fn show(one: &Contender, all: Outcome<'_>) {
    let of = |figure: fn(&load::Visit) -> f64| {
        Spread::of(one.visits.iter().map(figure)).map_or_else(String::new, |spread| format!("{spread:.1}"))
    };
    println!("{}{}", one.system.name(), if one.over_tls { " with TLS" } else { "" });
    println!("  CPU {} us, at pace {} us", of(|v| v.cpu_ns / 1e3), of(|v| v.paced_cpu_ns / 1e3));
    println!("  p50 {} us, p99 {} us; {} a second", of(|v| v.p50_us), of(|v| v.p99_us), of(|v| v.per_second));
    if let (Some(cpu), Some(added)) =
        (all.cpu_ratio(one.system, one.over_tls), all.added_p50_ratio(one.system, one.over_tls))
    {
        println!("  CPU ratio {cpu}, added p50 ratio {added}");
    }
    for (thread, used) in &one.threads {
        println!("  {:.1} us {thread}", used / 1e3);
    }
    println!("  {:?}", one.tally);
}
