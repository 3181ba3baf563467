//! Runs the installed program as its unit does, in a root that cannot be written, and looks at whatever it
//! asks of the kernel: the unit would have refused nothing of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::clean_root::CleanRoot;
use crate::debian;
use crate::package::said;
use crate::shell::{root as repository, run as execute, works};

/// Makes all but the folder of the database read-only, drops privileges for good, and becomes the program.
/// $1 is the root, $2 the trace, the rest the program.
const CONFINE: &str = "set -e; root=$1; trace=$2; shift 2; \
    mount --bind \"$root\" \"$root\"; mount --bind \"$root/var/lib/ocpp-proxy\" \"$root/var/lib/ocpp-proxy\"; \
    mount -o remount,bind,ro \"$root\"; mount -t proc proc \"$root/proc\"; \
    exec env -i PATH=\"$PATH\" TMPDIR=/var/lib/ocpp-proxy strace -D -f -qq -o \"$trace\" chroot \"$root\" \
    setpriv --reuid=ocpp-proxy --regid=ocpp-proxy --clear-groups --no-new-privs --bounding-set=-all \"$@\"";

/// An error that names what the unit would have refused.
pub(super) fn run(root: &CleanRoot) -> Result<()> {
    if !works("strace", &["--version"]) {
        debian::install(&["strace"])?;
    }
    execute(&mut root.command("root", "install -d -m 0700 -o ocpp-proxy -g ocpp-proxy /var/lib/ocpp-proxy"))?;
    let state = root.path().join("var/lib/ocpp-proxy");
    // The installed example, but with ports that are free, and without the portal's link on each start.
    let example = fs::read_to_string(root.path().join("etc/ocpp-proxy/proxy.toml"))?;
    let own = example.replace("0.0.0.0:9000", "127.0.0.1:0").replace("127.0.0.1:9090", "127.0.0.1:0");
    fs::write(state.join("trial.toml"), own.replace("127.0.0.1:8080", "127.0.0.1:0"))?;
    execute(&mut root.command("root", "chmod 0644 /var/lib/ocpp-proxy/trial.toml"))?;

    let (trace, demo) = (state.join("trace"), state.join("demo-trace"));
    serve(confined(root, &trace, &["run", "--config", "/var/lib/ocpp-proxy/trial.toml"]))?;
    // A whole conversation, with sockets to all sides.
    let told = said(&mut confined(root, &demo, &["demo"]))?;
    ensure!(told.contains("BERT"), "the demo told something else:\n{told}");
    let mut calls = 0;
    for trace in [&trace, &demo] {
        calls += judge(&fs::read_to_string(trace).context("strace left no trace")?)?;
    }
    eprintln!("   {calls} system calls in a read-only root, none of which the unit would have refused");
    for path in [trace, demo, state.join("trial.toml")] {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn confined(root: &CleanRoot, trace: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", CONFINE, "sh"]);
    command.arg(root.path()).arg(trace).arg("/usr/bin/ocpp-proxy").args(arguments);
    command
}

/// Starts it, waits until it is ready, has it read its configuration again, and stops it.
fn serve(mut command: Command) -> Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start unshare")?;
    let outcome = talk(&mut child);
    if outcome.is_err() {
        let _ = child.kill();
    }
    let ended = child.wait()?;
    outcome?;
    ensure!(ended.success(), "it ended with {ended}");
    Ok(())
}

fn talk(child: &mut Child) -> Result<()> {
    let mut lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
    let mut next = |wanted: &str| -> Result<String> {
        for line in &mut lines {
            let line = line?;
            if line.contains(wanted) {
                return Ok(line);
            }
        }
        bail!("it ended without a line with {wanted}")
    };
    let line = next("\"admin\":\"")?;
    let address =
        line.split("\"admin\":\"").nth(1).and_then(|rest| rest.split('"').next()).context("no address")?;
    let mut socket = TcpStream::connect(address).context("nobody serves /readyz")?;
    socket.write_all(b"GET /readyz HTTP/1.1\r\nHost: trial\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "it is not ready: {answer}");
    for signal in ["-HUP", "-TERM"] {
        execute(Command::new("kill").args([signal, &child.id().to_string()]))?;
        next(if signal == "-HUP" { "configuration" } else { "stop" })?;
    }
    for line in lines {
        line?;
    }
    Ok(())
}

/// Looks through what strace saw from the moment the program began; how many calls those were.
fn judge(trace: &str) -> Result<usize> {
    let unit: PathBuf = repository().join("packaging/ocpp-proxy.service");
    let unit = fs::read_to_string(&unit).with_context(|| format!("cannot read {}", unit.display()))?;
    let allowed = filtered(&unit)?;
    let families =
        setting(&unit, "RestrictAddressFamilies").next().context("the unit restricts no families")?;
    let begin = trace.find("execve(\"/usr/bin/ocpp-proxy\"").context("the program never began")?;
    let mut calls = 0;
    for line in trace[begin..].lines().skip(1) {
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let Some((call, arguments)) = line.split_once('(') else { continue };
        if !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        calls += 1;
        ensure!(allowed.contains(call), "SystemCallFilter refuses {line}");
        let protection = |what: &str| arguments.contains(what);
        let writes_code = call == "mprotect" && protection("PROT_EXEC") || protection("PROT_WRITE|PROT_EXEC");
        ensure!(!writes_code, "MemoryDenyWriteExecute refuses {line}");
        if call == "socket" {
            let family = arguments.split(',').next().unwrap_or_default();
            ensure!(families.split(' ').any(|one| one == family), "RestrictAddressFamilies refuses {line}");
        }
    }
    ensure!(calls > 100, "strace saw {calls} calls: it is blind");
    Ok(calls)
}

/// What the unit's `SystemCallFilter` lets through.
fn filtered(unit: &str) -> Result<BTreeSet<String>> {
    let mut allowed = BTreeSet::new();
    for line in setting(unit, "SystemCallFilter") {
        let (names, takes_away) = line.strip_prefix('~').map_or((line, false), |names| (names, true));
        for call in expanded(names)? {
            if takes_away {
                allowed.remove(&call);
            } else {
                allowed.insert(call);
            }
        }
    }
    // Every filter has these, or no program could begin and end.
    allowed.extend(expanded("@default")?);
    Ok(allowed)
}

fn expanded(names: &str) -> Result<BTreeSet<String>> {
    let (mut calls, mut waiting) = (BTreeSet::new(), names.split(' ').map(str::to_owned).collect::<Vec<_>>());
    while let Some(name) = waiting.pop() {
        if name.starts_with('@') {
            let listed = said(Command::new("systemd-analyze").args(["syscall-filter", &name]))?;
            let members = listed.lines().skip(1).map(str::trim);
            waiting
                .extend(members.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned));
        } else {
            calls.insert(name);
        }
    }
    Ok(calls)
}

/// The values that the unit gives to a setting, line by line.
fn setting<'a>(unit: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    unit.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix('='))
}
