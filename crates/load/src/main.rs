//! The program `load`: weighs `ocpp-proxy` beside others. `cargo xtask performance` and `cargo xtask costs` run it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use load::{Bench, Contender, Extent, Outcome, Spread, System, Terms, compare};

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
        #[arg(long, default_value_t = 30)]
        seconds: u64,
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
        Task::Stall { seconds } => {
            println!("{:?}", bench.stalled_follower(own, 20, Duration::from_secs(seconds))?);
        }
        Task::Overload { chargers } => {
            let (ratio, best, tally) = bench.overload(own, chargers)?;
            println!("{ratio} of {best:.0} a second, {tally:?}");
        }
    }
    Ok(())
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
