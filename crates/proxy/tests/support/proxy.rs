//! The program itself, as a child with a proxy.toml of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::{Lines, PATIENCE, eventually, shortened};

/// A running `ocpp-proxy`. Killed with the value; its folder, with the store, lives as long.
pub struct Proxy {
    child: Child,
    folder: TempDir,
    life: u32,
    /// Where chargers connect.
    pub chargers: SocketAddr,
    /// Where metrics and health are.
    pub admin: SocketAddr,
    /// What it logged since its last start.
    pub log: Arc<Lines>,
}

/// How an editor, a deployment tool or Kubernetes replaces a file.
#[derive(Debug, Clone, Copy)]
pub enum Edit {
    /// The file is truncated and written.
    InPlace,
    /// A new file is renamed over it.
    Rename,
    /// The file is a symbolic link through a folder that is itself a link, and that one is swapped.
    SymlinkSwap,
}

/// A backoffice for [`rules`]: its name, its URL, and more lines for its table.
pub type Named<'a> = (&'a str, String, &'a str);

/// The part of proxy.toml that says who serves whom: the first backoffice leads, the others follow in
/// the given roles.
pub fn rules(leader: Named<'_>, followers: &[(Named<'_>, &str)]) -> String {
    let mut text = String::new();
    for (name, url, more) in std::iter::once(&leader).chain(followers.iter().map(|(named, _)| named)) {
        text += &format!("[backoffices.{name}]\nurl = \"{url}\"\n{more}\n");
    }
    let followers: Vec<_> = followers
        .iter()
        .map(|((name, ..), role)| format!("{{ backoffice = \"{name}\", role = \"{role}\" }}"))
        .collect();
    text += &format!(
        "[[chargers]]\nmatch = \"CP*\"\nunknown_chargers = \"admit\"\nleader = \"{}\"\nfollowers = [{}]\n",
        leader.0,
        followers.join(", ")
    );
    text
}

impl Proxy {
    /// Starts the program with these rules and waits until it listens.
    pub fn start(rules: &str) -> Self {
        Self::start_edited_by(Edit::InPlace, rules)
    }

    /// The same, with a log that shows all there is to show.
    pub fn start_tracing(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("proxy.toml"), whole(&folder, rules)).unwrap();
        let (child, log) = spawn(program(&folder, &["run"]).env("OCPP_PROXY_LOG", "trace"));
        Self::running(folder, child, log)
    }

    /// The same, with more lines for `[listen]`.
    pub fn start_listening(listen: &str, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = whole(&folder, rules).replacen("[listen]\n", &format!("[listen]\n{listen}\n"), 1);
        fs::write(folder.path().join("proxy.toml"), text).unwrap();
        let (child, log) = launch(&folder, 1);
        Self::running(folder, child, log)
    }

    /// The same, with proxy.toml laid out so that it can be replaced in this way.
    pub fn start_edited_by(edit: Edit, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if matches!(edit, Edit::SymlinkSwap) {
            fs::create_dir(folder.path().join("..first")).unwrap();
            symlink("..first", folder.path().join("..data")).unwrap();
            symlink("..data/proxy.toml", folder.path().join("proxy.toml")).unwrap();
        }
        fs::write(folder.path().join("proxy.toml"), whole(&folder, rules)).unwrap();
        let (child, log) = launch(&folder, 1);
        Self::running(folder, child, log)
    }

    /// The same, on a disk that can be [filled](Self::fill_disk).
    pub fn start_on_small_disk(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("proxy.toml"), whole(&folder, rules)).unwrap();
        let program = program(&folder, &["run"]);
        // Writing beyond the limit is to fail, not to end the program.
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(program.get_program());
        shell.args(program.get_args()).current_dir(folder.path()).stdin(Stdio::null());
        let (child, log) = spawn(&mut shell);
        Self::running(folder, child, log)
    }

    fn running(folder: TempDir, child: Child, log: Arc<Lines>) -> Self {
        let (chargers, admin) = addresses(&log);
        Self { child, folder, life: 1, chargers, admin, log }
    }

    /// From now on no file of the program can be written.
    pub fn fill_disk(&self) {
        self.limit_files("0");
    }

    /// Its files can be written again.
    pub fn free_disk(&self) {
        self.limit_files("unlimited");
    }

    fn limit_files(&self, bytes: &str) {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--pid={}", self.child.id())).arg(format!("--fsize={bytes}:"));
        assert!(prlimit.status().unwrap().success());
    }

    /// Replaces proxy.toml.
    pub fn edit(&self, edit: Edit, rules: &str) {
        let text = whole(&self.folder, rules);
        let path = self.config();
        match edit {
            Edit::InPlace => fs::write(&path, text).unwrap(),
            Edit::Rename => {
                let fresh = self.folder.path().join(".proxy.toml.swap");
                fs::write(&fresh, text).unwrap();
                fs::rename(&fresh, &path).unwrap();
            }
            Edit::SymlinkSwap => {
                let second = self.folder.path().join("..second");
                fs::create_dir(&second).unwrap();
                fs::write(second.join("proxy.toml"), text).unwrap();
                let fresh = self.folder.path().join("..data_tmp");
                symlink("..second", &fresh).unwrap();
                fs::rename(&fresh, self.folder.path().join("..data")).unwrap();
            }
        }
    }

    /// Where proxy.toml is.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("proxy.toml")
    }

    /// The URL of a charger.
    pub fn url(&self, charger: &str) -> String {
        format!("ws://{}/ocpp/{charger}", self.chargers)
    }

    /// Sends a signal by its name, for example `TERM`.
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the program to end by itself.
    pub fn wait_end(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the end of the program", || child.try_wait().unwrap())
    }

    /// Ends the program by this signal and starts it again on the same store; on other ports.
    pub fn restart_after(&mut self, signal: &str) {
        self.signal(signal);
        self.wait_end();
        self.start_again();
    }

    /// Ends the program as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the program again on the same store, once it has ended; on other ports.
    pub fn start_again(&mut self) {
        self.life += 1;
        (self.child, self.log) = launch(&self.folder, self.life);
        (self.chargers, self.admin) = addresses(&self.log);
    }

    /// The file of its store.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("ocpp-proxy.db")
    }

    /// Fetches a page of the admin address: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.admin).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
        (status, body.to_owned())
    }

    /// The sum of a metric's samples whose labels hold all of `labels`; `None` when there is none.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        let samples: Vec<f64> = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        (!samples.is_empty()).then(|| samples.iter().sum())
    }

    /// Waits until a metric has this value.
    pub fn wait_metric(&self, name: &str, labels: &[&str], value: f64) {
        eventually(&format!("{name} {labels:?} = {value}"), || {
            (self.metric(name, labels) == Some(value)).then_some(())
        });
    }

    /// Runs another command of the program on the same proxy.toml: its status, output and errors.
    pub fn command(&self, arguments: &[&str]) -> (ExitStatus, String, String) {
        let output = program(&self.folder, arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status, text(output.stdout), text(output.stderr))
    }

    /// Waits until the store holds nothing that a backoffice must still be told; metrics may lag behind.
    pub fn wait_all_told(&self, backoffice: &str) {
        eventually(&format!("{backoffice} to be told everything"), || {
            let (status, left, errors) = self.command(&["deliveries", "--backoffice", backoffice, "--json"]);
            assert!(status.success(), "{errors}");
            left.is_empty().then_some(())
        });
    }

    /// Waits until `ocpp-proxy logs CHARGER --json …` shows a row that fits.
    pub fn wait_logged(&self, arguments: &[&str], mut fits: impl FnMut(&Value) -> bool) -> Value {
        let arguments = [&["logs"], arguments, &["--json"]].concat();
        let mut last = String::new();
        let mut look = || {
            let (status, output, errors) = self.command(&arguments);
            // Nothing is known before the first row is written.
            let is_early = errors.starts_with("nothing is known of ") || errors.contains(" has no ");
            assert!(status.success() || is_early, "{arguments:?}: {errors}");
            last = output;
            last.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).find(&mut fits)
        };
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(row) = look() {
                return row;
            }
            assert!(std::time::Instant::now() < deadline, "no such row; `logs {arguments:?}` shows:\n{last}");
        }
    }

    /// Resident memory in MiB.
    pub fn memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Waits for a line of the log that holds all of these texts.
    pub fn wait_log(&self, texts: &[&str]) -> Value {
        self.log.wait(&format!("a log line with {texts:?}"), |line| {
            let text = line.to_string();
            texts.iter().all(|wanted| text.contains(wanted)).then(|| line.clone())
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let lines = self.log.all();
            let last: Vec<_> = lines.iter().rev().take(60).rev().map(shortened).collect();
            eprintln!(
                "--- the proxy's log (last {} of {} lines)\n{}",
                last.len(),
                lines.len(),
                last.join("\n")
            );
        }
    }
}

/// proxy.toml with ports that the kernel chooses and a store in the test's own folder.
fn whole(folder: &TempDir, rules: &str) -> String {
    format!(
        "[listen]\nchargers = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\n[portal]\nlisten = \"127.0.0.1:0\"\n\n[store]\npath = \"{}\"\n\n{rules}",
        folder.path().join("ocpp-proxy.db").display()
    )
}

fn program(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-proxy"));
    command.args(arguments).arg("--config").arg(folder.path().join("proxy.toml")).current_dir(folder.path());
    command.stdin(Stdio::null());
    command
}

/// What proxy.toml may name beside [`launch`]'s own variable.
const VARIABLES: [(&str, &str); 2] = [("SET", "from the environment"), ("EMPTY", "")];

/// `${PROXY_LIFE}` in proxy.toml stands for how often the program was started.
fn launch(folder: &TempDir, life: u32) -> (Child, Arc<Lines>) {
    spawn(program(folder, &["run"]).env("PROXY_LIFE", life.to_string()).envs(VARIABLES))
}

fn spawn(program: &mut Command) -> (Child, Arc<Lines>) {
    let mut child =
        program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let log = Arc::new(Lines::default());
    for output in [
        Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ] {
        let log = Arc::clone(&log);
        std::thread::spawn(move || log.read(output));
    }
    (child, log)
}

/// Where the program says that it listens, for chargers and for its operator.
fn addresses(log: &Lines) -> (SocketAddr, SocketAddr) {
    let address = |key: &str| {
        log.wait(&format!("the line that says where {key} connect"), |line| {
            line.get(key)?.as_str()?.parse().ok()
        })
    };
    (address("chargers"), address("admin"))
}
