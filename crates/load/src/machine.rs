//! What a run was made on, in words: figures without it say nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;

/// The machine and the programs, line by line.
pub(crate) fn description(proxy: &Path, folder: &Path, core: Option<usize>) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let of_system = core.map_or("not pinned".to_owned(), |core| {
        format!("the system under test on core {core} alone, chargers and backoffices on another")
    });
    vec![
        ("date", Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
        ("processor", format!("{}, {} cores; {of_system}", processor(), cores_online().unwrap_or(cores))),
        ("memory", field("/proc/meminfo", "MemTotal").unwrap_or_default()),
        ("kernel", fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()),
        ("system", field_of(&fs::read_to_string("/etc/os-release").unwrap_or_default(), "PRETTY_NAME", '=')),
        (
            "load average at the start",
            fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned(),
        ),
        ("file system of the store", said("stat", &["-f", "-c", "%T", &folder.display().to_string()])),
        ("ocpp-proxy", said(&proxy.display().to_string(), &["--version"])),
        ("nginx", said("/usr/sbin/nginx", &["-v"])),
        ("HAProxy", said("/usr/sbin/haproxy", &["-v"])),
    ]
}

fn processor() -> String {
    field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// All of them, also those that this process may not use.
fn cores_online() -> Option<usize> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    Some(stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count())
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    Some(field_of(&text, name, ':')).filter(|value| !value.is_empty())
}

fn field_of(text: &str, name: &str, separator: char) -> String {
    let line = text.lines().find_map(|line| {
        let (found, value) = line.split_once(separator)?;
        (found.trim() == name).then_some(value)
    });
    line.unwrap_or_default().trim().trim_matches('"').to_owned()
}

/// The first line that a program says, wherever it says it.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return "not there".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}
