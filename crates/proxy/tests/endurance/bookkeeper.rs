//! A backoffice that writes down what it books, and can be killed and started again in its place.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use super::support::peer::{Backoffice, Library};

/// A backoffice with a journal.
pub struct Bookkeeper {
    /// As in proxy.toml.
    pub name: &'static str,
    /// What it booked.
    pub journal: PathBuf,
    /// When it was killed and when it listened again, in seconds since 1970.
    pub outages: Vec<(f64, f64)>,
    behaviour: Value,
    program: Option<Backoffice>,
    port: u16,
    killed: f64,
    // Bound, so that nobody is given its port while it is down.
    _port: TcpSocket,
}

impl Bookkeeper {
    /// Starts one whose transactions are numbered from `first_transaction`.
    pub fn start(name: &'static str, journal: PathBuf, first_transaction: i64) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let behaviour =
            json!({"port": port, "journal": journal, "first_transaction": first_transaction, "quiet": true});
        let program = Some(Backoffice::start(Library::Python, behaviour.clone()));
        Self { name, journal, outages: Vec::new(), behaviour, program, port, killed: 0.0, _port: socket }
    }

    /// For proxy.toml; the path says which start of the proxy dials.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/life/${{PROXY_LIFE:-0}}/{{charger}}", self.port)
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.killed = now();
        drop(self.program.take());
    }

    /// Starts it again and waits until it listens.
    pub fn start_again(&mut self) {
        self.program = Some(Backoffice::start(Library::Python, self.behaviour.clone()));
        self.outages.push((self.killed, now()));
    }
}

/// In seconds since 1970, as a journal has it.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}
