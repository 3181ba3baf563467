//! Builds the Debian package with nothing but Debian's own dpkg-deb.

use std::env::consts::ARCH;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::debian;
use crate::shell::{Step, cargo, root, run, target, works};

/// What is installed, whence in the repository, and with which mode. The manual page, the configuration and
/// the program itself are made.
const FILES: [(&str, &str, u32); 7] = [
    ("packaging/ocpp-proxy.service", "usr/lib/systemd/system/ocpp-proxy.service", 0o644),
    ("packaging/ocpp-proxy.sysusers", "usr/lib/sysusers.d/ocpp-proxy.conf", 0o644),
    ("packaging/debian/copyright", "usr/share/doc/ocpp-proxy/copyright", 0o644),
    ("README.md", "usr/share/doc/ocpp-proxy/README.md", 0o644),
    ("packaging/debian/postinst", "DEBIAN/postinst", 0o755),
    ("packaging/debian/prerm", "DEBIAN/prerm", 0o755),
    ("packaging/debian/postrm", "DEBIAN/postrm", 0o755),
];

/// The line of the example that says where the database is; relative paths would end beside the
/// configuration, where the service may not write.
const STORE: (&str, &str) =
    ("path = \"ocpp-proxy.db\"   ", "path = \"/var/lib/ocpp-proxy/ocpp-proxy.db\"   ");

/// How the program in the package is built.
#[derive(Args)]
pub(crate) struct Package {
    /// The profile of Cargo.toml.
    #[arg(long, default_value = "dist")]
    profile: String,
}

impl Package {
    /// As the tests build it: sooner there, and larger.
    pub(crate) fn unoptimised() -> Self {
        Self { profile: "dev".to_owned() }
    }
}

/// Builds the package and says where it is.
pub(crate) fn build(asked: &Package) -> Result<PathBuf> {
    let step = Step::begin("the Debian package");
    if !works("dpkg-shlibdeps", &["--version"]) || !works("strip", &["--version"]) {
        debian::install(&["dpkg-dev", "binutils"])?;
    }
    debian::install(debian::missing_for_openssl())?;
    let program = ["build", "--locked", "--package", "ocpp-proxy", "--features", "openssl"];
    run(cargo(&program).args(["--profile", &asked.profile]))?;
    let folder = if asked.profile == "dev" { "debug" } else { &asked.profile };
    let program = target().join(folder).join("ocpp-proxy");
    let work = target().join("debian");
    let tree = work.join("tree");
    let _ = fs::remove_dir_all(&work);
    let installed = tree.join("usr/bin/ocpp-proxy");
    put(&installed, &fs::read(&program).with_context(|| format!("no {}", program.display()))?, 0o755)?;
    // The names of functions stay, for whoever reports a panic.
    run(Command::new("strip").arg("--strip-debug").arg(&installed))?;
    for (from, to, mode) in FILES {
        let content = fs::read(root().join(from)).with_context(|| format!("cannot read {from}"))?;
        put(&tree.join(to), &content, mode)?;
    }
    for page in pages()? {
        let name = page.file_name().context("a page has a name")?;
        put(&tree.join("usr/share/doc/ocpp-proxy/docs").join(name), &fs::read(&page)?, 0o644)?;
    }
    let manual = said(Command::new(&program).args(["docs", "manual"]))?;
    put(&tree.join("usr/share/man/man1/ocpp-proxy.1.gz"), &compressed(manual.as_bytes())?, 0o644)?;
    let example = fs::read_to_string(root().join("proxy.toml")).context("cannot read proxy.toml")?;
    ensure!(example.matches(STORE.0).count() == 1, "proxy.toml has no line {:?}", STORE.0);
    put(&tree.join("etc/ocpp-proxy/proxy.toml"), example.replace(STORE.0, STORE.1).as_bytes(), 0o640)?;
    put(&tree.join("DEBIAN/conffiles"), b"/etc/ocpp-proxy/proxy.toml\n", 0o644)?;
    put(&tree.join("DEBIAN/control"), control(&tree, &work)?.as_bytes(), 0o644)?;
    // What is only tried may be large.
    let compression = if asked.profile == "dev" { "-z1" } else { "-z9" };
    // Whoever builds it may have a umask of his own; folders are everybody's to enter.
    run(Command::new("find").arg(&tree).args(["-type", "d", "-exec", "chmod", "0755", "{}", "+"]))?;
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build", "-Zgzip", compression])
        .arg(&tree)
        .arg(&work))?;
    let package = fs::read_dir(&work)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("dpkg-deb left no package")?;
    eprintln!("   {}, {} KiB", package.display(), fs::metadata(&package)?.len() / 1024);
    step.end();
    Ok(package)
}

fn control(tree: &Path, work: &Path) -> Result<String> {
    let architecture = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("Debian's name for {other} is not known here"),
    };
    // It wants to be in the folder of a source package.
    put(
        &work.join("debian/control"),
        b"Source: ocpp-proxy\n\nPackage: ocpp-proxy\nArchitecture: any\n",
        0o644,
    )?;
    let libraries =
        said(Command::new("dpkg-shlibdeps").current_dir(work).args(["-O", "tree/usr/bin/ocpp-proxy"]))?;
    let libraries =
        libraries.trim().strip_prefix("shlibs:Depends=").context("dpkg-shlibdeps named no libraries")?;
    let size = said(Command::new("du").args(["--summarize", "--block-size=1K"]).arg(tree))?;
    let size = size.split_whitespace().next().context("du named no size")?;
    Ok(format!(
        "Package: ocpp-proxy\n\
         Version: {}\n\
         Architecture: {architecture}\n\
         Maintainer: the authors of ocpp-proxy <ocpp-proxy@localhost>\n\
         Installed-Size: {size}\n\
         Depends: {libraries}, procps, systemd | systemd-standalone-sysusers\n\
         Recommends: ca-certificates\n\
         Section: net\n\
         Priority: optional\n\
         Description: one OCPP socket to each charger, one to each of its backoffices\n \
          Holds one WebSocket to an EV charger (OCPP 1.6J) and one to each of several\n \
          backoffices. The answers of one, the leader, reach the charger; the others\n \
          get every message as if they were alone, and their answers are logged.\n",
        env!("CARGO_PKG_VERSION"),
    ))
}

/// The pages of docs/.
fn pages() -> Result<Vec<PathBuf>> {
    let pages: Vec<PathBuf> = fs::read_dir(root().join("docs"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    ensure!(pages.iter().any(|page| page.ends_with("operating.md")), "docs/operating.md is not there");
    Ok(pages)
}

/// Writes a file with this mode, and the folders above it.
fn put(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// Debian wants manual pages compressed, and without the time of day in them.
fn compressed(content: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = Command::new("gzip")
        .args(["--no-name", "--best", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start gzip")?;
    gzip.stdin.take().expect("it was asked for").write_all(content)?;
    Ok(gzip.wait_with_output()?.stdout)
}

/// What a program prints; an error if it fails or prints nothing.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(output.status.success(), "{} failed: {}", command.get_program().display(), output.status);
    ensure!(!output.stdout.is_empty(), "{} printed nothing", command.get_program().display());
    String::from_utf8(output.stdout).context("something else than UTF-8 was printed")
}
