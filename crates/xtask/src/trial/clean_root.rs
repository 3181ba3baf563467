//! A root file system of just the packages that Debian always has and those that ours depends on, laid out
//! from this machine's own files: what the package forgot to name is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::package::said;
use crate::shell::run;

/// Lists every installed package: its name, whether Debian always has it, what it needs, what it stands for.
const FORMAT: &str =
    "${Package}\t${db:Status-Status}\t${Essential}\t${Pre-Depends}, ${Depends}\t${Provides}\n";

/// Where it is; taken away with the value.
pub(super) struct CleanRoot(PathBuf);

impl CleanRoot {
    /// Lays it out in this folder.
    pub(super) fn lay_out(folder: PathBuf, depends: &str) -> Result<Self> {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let root = Self(folder);
        let packages = closure(&said(Command::new("dpkg-query").args(["-W", "-f", FORMAT]))?, depends)?;
        root.copy_files(&packages)?;
        root.fill_in(&packages)?;
        eprintln!("   a clean root of {} packages", packages.len());
        Ok(root)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A command in it, as this user.
    pub(super) fn command(&self, user: &str, line: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={user}")).arg(&self.0).args(["/bin/sh", "-c", line]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// What such a command prints.
    pub(super) fn said(&self, user: &str, line: &str) -> Result<String> {
        said(&mut self.command(user, line)).with_context(|| format!("`{line}` as {user}"))
    }

    /// Every file in it but what dpkg and systemd-sysusers remember.
    pub(super) fn files(&self) -> Result<BTreeSet<String>> {
        let found = said(Command::new("find").arg(".").current_dir(&self.0))?;
        let is_memory = |path: &str| path.starts_with("./var/lib/dpkg/") || path.starts_with("./var/log/");
        Ok(found.lines().filter(|path| !is_memory(path)).map(str::to_owned).collect())
    }

    fn copy_files(&self, packages: &[String]) -> Result<()> {
        let listed = said(Command::new("dpkg-query").arg("-L").args(packages))?;
        let mut files: BTreeSet<&str> = listed.lines().filter(|path| path.starts_with('/')).collect();
        // Debian's base has these as links.
        files.extend(["/bin", "/sbin", "/lib", "/lib64"]);
        let files: Vec<&str> = files
            .into_iter()
            .filter(|path| Path::new(path).symlink_metadata().is_ok() && !path.starts_with("/usr/share/doc"))
            .map(|path| path.trim_start_matches('/'))
            .collect();
        // Links to these are laid out before what lies in them.
        for folder in ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64"] {
            fs::create_dir_all(self.0.join(folder))?;
        }
        let archive = self.0.join("archive.tar");
        let mut pack = Command::new("tar")
            .args(["--create", "--no-recursion", "--directory=/", "--files-from=-", "--file"])
            .arg(&archive)
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start tar")?;
        pack.stdin.take().expect("it was asked for").write_all(files.join("\n").as_bytes())?;
        ensure!(pack.wait()?.success(), "tar could not read this machine's files");
        run(Command::new("tar")
            .args(["--extract", "--keep-directory-symlink", "--file"])
            .arg(&archive)
            .arg("--directory")
            .arg(&self.0))?;
        Ok(fs::remove_file(archive)?)
    }

    /// What no package holds, because its scripts make it.
    fn fill_in(&self, packages: &[String]) -> Result<()> {
        let memory = self.0.join("var/lib/dpkg");
        for folder in ["info", "updates", "triggers"] {
            fs::create_dir_all(memory.join(folder))?;
        }
        fs::write(memory.join("status"), said(Command::new("dpkg-query").arg("-s").args(packages))?)?;
        for package in packages {
            fs::write(memory.join(format!("info/{package}.list")), "/.\n")?;
        }
        for name in ["passwd", "group"] {
            fs::copy(
                self.0.join(format!("usr/share/base-passwd/{name}.master")),
                self.0.join("etc").join(name),
            )?;
        }
        for folder in ["dev", "proc", "tmp", "run", "var/log", "var/lib"] {
            fs::create_dir_all(self.0.join(folder))?;
        }
        run(Command::new("mknod").args(["-m", "0666"]).arg(self.0.join("dev/null")).args(["c", "1", "3"]))?;
        run(Command::new("chmod").arg("1777").arg(self.0.join("tmp")))
    }
}

impl Drop for CleanRoot {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The packages that are always there, those named, and all that they need, as far as installed.
fn closure(installed: &str, depends: &str) -> Result<Vec<String>> {
    let (mut needs, mut providers, mut wanted) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for line in installed.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[name, "installed", essential, needed, provided] = fields.as_slice() else { continue };
        needs.insert(name, needed);
        providers.extend(provided.split(',').map(|provided| (bare(provided), name)));
        if essential == "yes" {
            wanted.push(name);
        }
    }
    ensure!(wanted.len() >= 10, "only {} packages are said to be always there", wanted.len());
    let named = |list: &str| -> Vec<&str> {
        let groups = list.split(',').filter(|group| !group.trim().is_empty());
        groups
            .filter_map(|group| {
                let mut choices = group.split('|').map(bare);
                choices.find_map(|name| {
                    let (name, _) =
                        needs.get_key_value(name).or_else(|| needs.get_key_value(providers.get(name)?))?;
                    Some(*name)
                })
            })
            .collect()
    };
    wanted.extend(named(depends));
    let mut packages = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if packages.insert(name.to_owned()) {
            wanted.extend(named(needs[name]));
        }
    }
    Ok(packages.into_iter().collect())
}

/// `libc6` of ` libc6:any (>= 2.34)`.
fn bare(named: &str) -> &str {
    let named = named.trim();
    &named[..named.find([' ', ':', '(']).unwrap_or(named.len())]
}
