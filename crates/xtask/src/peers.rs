//! Sets up the programs of others that the end-to-end tests talk to: Python and Node with their
//! OCPP libraries, schemathesis, a browser, HAProxy and promtool. Everything but Debian packages goes under the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::shell::{Step, root, run, target, works};

/// Debian's browser.
const CHROMIUM: &str = "chromium";
/// Debian's load balancer, whose folder is not on everybody's path. Its service starts with it, and listens
/// nowhere.
const HAPROXY: &str = "/usr/sbin/haproxy";

/// Where the tests find what was set up.
pub(crate) struct Peers {
    python: PathBuf,
    node_modules: PathBuf,
    promtool: PathBuf,
    chromium: PathBuf,
}

impl Peers {
    /// The environment variables that the tests read.
    pub(crate) fn variables(&self) -> [(&'static str, &Path); 4] {
        [
            ("OCPP_PROXY_TEST_PYTHON", &self.python),
            ("OCPP_PROXY_TEST_NODE_MODULES", &self.node_modules),
            ("OCPP_PROXY_TEST_PROMTOOL", &self.promtool),
            ("OCPP_PROXY_TEST_CHROMIUM", &self.chromium),
        ]
    }
}

/// Sets up whatever is not there yet.
pub(crate) fn set_up() -> Result<Peers> {
    let step = Step::begin("what the tests need");
    debian()?;
    let peers = Peers {
        python: python()?,
        node_modules: node_modules()?,
        promtool: promtool()?,
        chromium: CHROMIUM.into(),
    };
    step.end();
    Ok(peers)
}

/// Installs the Debian packages whose programs are missing.
fn debian() -> Result<()> {
    let probe = target().join("peers/probe");
    let mut missing = Vec::new();
    // `python3 -m venv` needs more than python3 brings on Debian, so it is tried for real.
    let venv = ["-m", "venv", "--clear", probe.to_str().context("the target folder's path is not UTF-8")?];
    if !venv_of_the_locked_packages().exists() && !works("python3", &venv) {
        missing.extend(["python3", "python3-venv"]);
    }
    let _ = fs::remove_dir_all(&probe);
    if !works("node", &["--version"]) {
        missing.push("nodejs");
    }
    if !works("npm", &["--version"]) {
        missing.push("npm");
    }
    if !works("openssl", &["version"]) {
        missing.push("openssl");
    }
    if !works(CHROMIUM, &["--version"]) {
        // The fonts have the arrows and letters of all scripts that a hostile charger may send.
        missing.extend(["chromium", "fonts-dejavu-core"]);
    }
    missing.extend(debian::missing_for_openssl());
    if !works(HAPROXY, &["-v"]) {
        missing.push("haproxy");
    }
    debian::install(&missing)
}

/// promtool: the one on the path, or the one out of Debian's package. That package is unpacked, not
/// installed, because installing it would start a Prometheus on the developer's machine.
fn promtool() -> Result<PathBuf> {
    if works("promtool", &["--version"]) {
        return Ok("promtool".into());
    }
    let folder = target().join("peers/prometheus");
    let promtool = folder.join("usr/bin/promtool");
    if works(&promtool, &["--version"]) {
        return Ok(promtool);
    }
    eprintln!("   promtool into {}", folder.display());
    fs::create_dir_all(&folder)?;
    let download = || {
        Command::new("apt-get")
            .args(["-qq", "download", "prometheus"])
            .current_dir(&folder)
            .status()
            .is_ok_and(|s| s.success())
    };
    if !download() {
        debian::apt_as_root(&["update"])?;
        if !download() {
            bail!("`apt-get download prometheus` failed");
        }
    }
    let package = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no package")?;
    run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&folder))?;
    fs::remove_file(&package)?;
    if !works(&promtool, &["--version"]) {
        bail!("{} does not start", promtool.display());
    }
    Ok(promtool)
}

/// A virtual environment with the pinned Python packages; its `python`.
fn python() -> Result<PathBuf> {
    let wanted = requirements()?;
    let folder = target().join("peers/python");
    let python = folder.join("bin/python");
    let stamp = venv_of_the_locked_packages();
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted)
        && works(&python, &["-c", "import ocpp, schemathesis"])
    {
        return Ok(python);
    }
    eprintln!("   PyPI packages into {}", folder.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(sources().join("requirements.txt")))?;
    fs::write(&stamp, wanted)?;
    Ok(python)
}

/// The pinned npm packages; their `node_modules`.
fn node_modules() -> Result<PathBuf> {
    let folder = target().join("peers/node");
    let wanted = fs::read_to_string(sources().join("package-lock.json"))?;
    let modules = folder.join("node_modules");
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && modules.join("ocpp-rpc").is_dir() {
        return Ok(modules);
    }
    eprintln!("   npm packages into {}", modules.display());
    fs::create_dir_all(&folder)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(sources().join(name), folder.join(name))?;
    }
    run(Command::new("npm")
        .args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&folder))?;
    fs::write(&stamp, wanted)?;
    Ok(modules)
}

/// The file that says which Python packages the virtual environment holds.
fn venv_of_the_locked_packages() -> PathBuf {
    target().join("peers/python/installed")
}

fn requirements() -> Result<String> {
    let path = sources().join("requirements.txt");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Where the peers' scripts and the lists of what they need lie.
fn sources() -> PathBuf {
    root().join("crates/proxy/tests/peers")
}
