//! The process under test: one core, and what it has used, by the kernel's own books.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a system may take until it listens.
const START: Duration = Duration::from_secs(30);

/// A running system. Killed with the value.
#[derive(Debug)]
pub struct UnderTest {
    child: Child,
    pid: u32,
    /// Where chargers connect.
    pub address: SocketAddr,
    /// Where it tells its metrics, if it does.
    pub(crate) metrics: Option<SocketAddr>,
}

/// What became of the rows of the message log so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogRows {
    written: f64,
    dropped: f64,
    waiting: f64,
}

impl LogRows {
    /// Which part of the rows that came since then was dropped.
    pub fn dropped_since(&self, before: &LogRows) -> f64 {
        let dropped = self.dropped - before.dropped;
        let came = dropped + self.written - before.written + self.waiting - before.waiting;
        if came > 0.0 { dropped / came } else { 0.0 }
    }

    /// Sums the samples of metrics in their text format.
    fn read(metrics: &str) -> Self {
        let sum = |name: &str| -> f64 {
            let of_name = metrics.lines().filter(|line| line.starts_with(name));
            of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        Self {
            written: sum("ocpp_proxy_log_rows_written_total"),
            dropped: sum("ocpp_proxy_log_rows_dropped_total"),
            waiting: sum("ocpp_proxy_log_rows_waiting"),
        }
    }
}

/// What the threads of a process have used, in nanoseconds on a CPU.
#[derive(Debug, Clone, Default)]
pub struct Cpu(BTreeMap<u32, (String, u64)>);

impl Cpu {
    /// What the threads of a process have used so far.
    pub(crate) fn of(pid: u32) -> Result<Cpu> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
            let entry = entry?;
            // A thread that ends while it is looked at is left out.
            let Ok(thread) = entry.file_name().to_string_lossy().parse() else { continue };
            let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
            let Ok(figures) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            // Nanoseconds on a CPU, nanoseconds waiting for one, turns (kernel: Documentation/scheduler).
            let used = figures.split(' ').next().and_then(|used| used.parse().ok());
            threads.insert(
                thread,
                (name.trim_end().to_owned(), used.context("schedstat begins with a number")?),
            );
        }
        Ok(Cpu(threads))
    }

    /// What has been used since then, by the threads that are there now.
    pub fn since(&self, before: &Cpu) -> u64 {
        self.by_thread(before).iter().map(|(_, used)| used).sum()
    }

    /// The same by the names of the threads.
    pub fn by_thread(&self, before: &Cpu) -> Vec<(String, u64)> {
        let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
        for (thread, (name, used)) in &self.0 {
            let earlier = before.0.get(thread).map_or(0, |(_, used)| *used);
            *by_name.entry(name.clone()).or_default() += used.saturating_sub(earlier);
        }
        by_name.into_iter().collect()
    }
}

impl UnderTest {
    /// Starts a program on one core and waits until it listens. What it prints goes into a file beside its other
    /// files. With `traced`, its system calls are written there.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        folder: &Path,
        address: SocketAddr,
        core: Option<usize>,
        traced: Option<&Path>,
    ) -> Result<Self> {
        let mut command = Vec::new();
        if let Some(core) = core {
            command.extend(["taskset".to_owned(), "--cpu-list".to_owned(), core.to_string()]);
        }
        if let Some(trace) = traced {
            let file = trace.display().to_string();
            command.extend(
                ["strace", "-f", "-qq", "-ttt", "-s", "0", "-e", "signal=none", "-o"].map(str::to_owned),
            );
            command.push(file);
        }
        command.push(program.display().to_string());
        command.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let said = File::create(folder.join("said")).context("cannot write down what the system says")?;
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .with_context(|| format!("cannot start {}", command.join(" ")))?;
        let until = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if child.try_wait()?.is_some() || Instant::now() > until {
                let _ = child.kill();
                let said = fs::read_to_string(folder.join("said")).unwrap_or_default();
                bail!("`{}` does not listen at {address}:\n{said}", command.join(" "));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // The tracer is the parent of what it traces; taskset becomes what it starts.
        let pid = if traced.is_some() { only_child(child.id())? } else { child.id() };
        Ok(Self { child, pid, address, metrics: None })
    }

    /// What became of the rows of its message log so far; none of a system that has no metrics.
    pub fn log_rows(&self) -> Result<LogRows> {
        let Some(address) = self.metrics else { return Ok(LogRows::default()) };
        let mut stream = TcpStream::connect(address).context("the system tells no metrics any more")?;
        write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(LogRows::read(&text))
    }

    /// What its threads have used so far.
    pub fn cpu(&self) -> Result<Cpu> {
        Cpu::of(self.pid)
    }

    /// Memory that is its own: private, and its part of what it shares, in KiB.
    pub fn memory_kib(&self) -> Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("smaps_rollup has Pss")?;
        Ok(line.split_whitespace().nth(1).context("Pss has a value")?.parse()?)
    }
}

impl Drop for UnderTest {
    fn drop(&mut self) {
        // A tracer that is killed leaves what it traces behind.
        if self.pid != self.child.id() {
            let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
        } else {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn only_child(of: u32) -> Result<u32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children"))?;
    children.split_whitespace().next().context("the tracer has started nothing")?.parse().map_err(Into::into)
}

/// An address that nobody listens at.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_log_are_counted_by_the_metrics() {
        let before = "# TYPE ocpp_proxy_log_rows_written_total counter\n\
                      ocpp_proxy_log_rows_written_total{kind=\"call\"} 10\n\
                      ocpp_proxy_log_rows_written_total{kind=\"answer\"} 20\n";
        let after = "ocpp_proxy_log_rows_written_total{kind=\"call\"} 40\n\
                     ocpp_proxy_log_rows_written_total{kind=\"answer\"} 40\n\
                     ocpp_proxy_log_rows_waiting 25\n\
                     ocpp_proxy_log_rows_dropped_total{kind=\"call\",reason=\"queue_full\"} 25\n";
        let (before, after) = (LogRows::read(before), LogRows::read(after));
        assert_eq!(after.dropped_since(&before), 0.25);
        assert_eq!(before.dropped_since(&before), 0.0);
    }
}
