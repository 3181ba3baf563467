//! The program with a log that shows all there is to show, at a terminal or where nobody watches.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::support::eventually;

/// What `${SECRET}` stands for in proxy.toml.
pub const SECRET: &str = "CANARY-of-the-environment";

/// The program, and all that it has written.
pub struct Logging {
    pub folder: TempDir,
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Logging {
    /// At a terminal of its own, or where nobody watches.
    pub fn start(rules: &str, at_a_terminal: bool) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), rules, at_a_terminal)
    }

    /// The same in a folder with what the rules name.
    pub fn start_in(folder: TempDir, rules: &str, at_a_terminal: bool) -> Self {
        let text = format!(
            "[listen]\nchargers = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[portal]\nlisten = \"127.0.0.1:0\"\n{rules}"
        );
        fs::write(folder.path().join("proxy.toml"), text).unwrap();
        let program = env!("CARGO_BIN_EXE_ocpp-proxy");
        let mut command = if at_a_terminal {
            let mut script = Command::new("script");
            script.args(["--quiet", "--return", "--command", &format!("exec {program} run"), "/dev/null"]);
            script
        } else {
            let mut command = Command::new(program);
            command.arg("run");
            command
        };
        command
            .env("OCPP_PROXY_LOG", "debug")
            .env("NO_COLOR", "1")
            .env("SECRET", SECRET)
            .current_dir(folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = Arc::new(Mutex::new(Vec::new()));
        let (mut from, into) = (child.stdout.take().unwrap(), Arc::clone(&output));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                into.lock().unwrap().extend(&buffer[..count]);
            }
        });
        Self { folder, child, output }
    }

    /// What it has written so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.output.lock().unwrap().clone()).expect("the log is UTF-8")
    }

    /// The address that it says it serves there.
    pub fn address(&self, key: &str) -> SocketAddr {
        let marks = [format!("{key}=127.0.0.1:"), format!("\"{key}\":\"127.0.0.1:")];
        eventually(&format!("the line that says where {key} connect"), || {
            let text = self.text();
            let rest = marks.iter().find_map(|mark| text.split_once(mark))?.1;
            let port = rest.split(|character: char| !character.is_ascii_digit()).next()?;
            Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)))
        })
    }

    /// Ends it in good order, and waits for that.
    pub fn end(&mut self) {
        let mut kill = Command::new("kill");
        assert!(kill.args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        let child = &mut self.child;
        eventually("the end of the program", || child.try_wait().unwrap());
    }

    /// What another command of the program prints.
    pub fn printed(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocpp-proxy"));
        command.env("SECRET", SECRET);
        let output = command.args(arguments).current_dir(self.folder.path()).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }
}
