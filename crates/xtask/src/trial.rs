//! Installs the Debian package in a clean root, lets the program run there as the unit would let it, and
//! takes the package away again.

mod clean_root;
mod confined;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use self::clean_root::CleanRoot;
use crate::debian;
use crate::package::said;
use crate::shell::{Step, run, target};

/// What must lie where, whose, with which mode.
const INSTALLED: [&str; 7] = [
    "640 root:ocpp-proxy /etc/ocpp-proxy/proxy.toml",
    "755 root:root /usr/bin/ocpp-proxy",
    "644 root:root /usr/lib/systemd/system/ocpp-proxy.service",
    "644 root:root /usr/lib/sysusers.d/ocpp-proxy.conf",
    "644 root:root /usr/share/doc/ocpp-proxy/copyright",
    "644 root:root /usr/share/doc/ocpp-proxy/docs/operating.md",
    "644 root:root /usr/share/man/man1/ocpp-proxy.1.gz",
];

/// Does it all; an error that says what is not as it should be.
pub(crate) fn run_through(package: &Path) -> Result<()> {
    let step = Step::begin("the Debian package, tried");
    ensure!(debian::is_root(), "a package can only be tried as root: its files get owners");
    let depends = said(std::process::Command::new("dpkg-deb").arg("--field").arg(package).arg("Depends"))?;
    let root = CleanRoot::lay_out(target().join("trial"), &depends)?;
    fs::copy(package, root.path().join("tmp/ocpp-proxy.deb"))?;
    let before = root.files()?;

    run(&mut root.command("root", "dpkg --install /tmp/ocpp-proxy.deb"))?;
    let paths: Vec<&str> = INSTALLED.iter().filter_map(|line| line.rsplit(' ').next()).collect();
    let found = root.said("root", &format!("stat --format='%a %U:%G %n' {}", paths.join(" ")))?;
    ensure!(found.lines().eq(INSTALLED), "installed is\n{found}instead of\n{INSTALLED:#?}");
    let readable = root.command("nobody", "cat /etc/ocpp-proxy/proxy.toml >/dev/null 2>&1").status()?;
    ensure!(!readable.success(), "everybody can read the configuration");
    let checked = root.said("ocpp-proxy", "ocpp-proxy check --config /etc/ocpp-proxy/proxy.toml")?;
    ensure!(checked.contains("proxy.toml: valid; "), "the installed example: {checked}");
    let manual = root.said("nobody", "gzip -dc /usr/share/man/man1/ocpp-proxy.1.gz")?;
    ensure!(manual.contains(".SH LOGS\n"), "the manual page says nothing of `logs`");
    run(&mut root.command("root", "systemd-analyze verify --man=no ocpp-proxy.service"))?;

    confined::run(&root)?;

    let edit = "echo '# ours' >>/etc/ocpp-proxy/proxy.toml; chmod 0600 /etc/ocpp-proxy/proxy.toml";
    run(&mut root.command("root", edit))?;
    run(&mut root.command("root", "dpkg --install /tmp/ocpp-proxy.deb"))?;
    let kept = root
        .said("root", "stat --format=%a /etc/ocpp-proxy/proxy.toml; tail -n 1 /etc/ocpp-proxy/proxy.toml")?;
    ensure!(kept == "600\n# ours\n", "an upgrade changed the configuration: {kept}");
    run(&mut root.command("root", "dpkg --remove ocpp-proxy"))?;
    ensure!(!root.path().join("usr/bin/ocpp-proxy").exists(), "removing leaves the program");
    ensure!(root.path().join("etc/ocpp-proxy/proxy.toml").exists(), "removing takes the configuration");
    run(&mut root.command("root", "dpkg --purge ocpp-proxy"))?;
    let after = root.files()?;
    let left: Vec<&String> = after.difference(&before).filter(|path| !is_meant_to_stay(path)).collect();
    ensure!(left.is_empty(), "purging leaves {left:?}");
    let database = root.path().join("var/lib/ocpp-proxy/ocpp-proxy.db");
    fs::metadata(&database).context("purging took the database")?;
    step.end();
    Ok(())
}

/// The database, the user to whom it belongs, and what lasts until the next start.
fn is_meant_to_stay(path: &str) -> bool {
    path.starts_with("./run/")
        || path.starts_with("./var/lib/ocpp-proxy")
        || path.starts_with("./etc/") && !path.contains("ocpp-proxy")
}
