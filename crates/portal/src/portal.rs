//! The portal as the program sees it: start, new users, drain.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gateway::View;
use store::Browser;

use crate::access::{Role, Token, User};
use crate::configuration::RefusedConfiguration;
use crate::server::{self, Server};
use crate::state::AppState;

/// Where the portal listens and who may come in.
#[derive(Debug, Clone)]
pub struct PortalSettings {
    /// Where browsers and API clients connect; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Who may log in. Without any, [`Portal::first_link`] lets someone in.
    pub users: Vec<User>,
    /// Who may use the API.
    pub tokens: Vec<Token>,
    /// The store's file: orders about deliveries are left there.
    pub store: PathBuf,
}

impl PortalSettings {
    /// Without users and tokens.
    pub fn new(listen: SocketAddr, store: PathBuf) -> Self {
        Self { listen, users: Vec::new(), tokens: Vec::new(), store }
    }
}

/// Why the portal cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} (portal.listen): {cause}; {remedy}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
        /// What would do.
        remedy: &'static str,
    },
}

/// The running portal. Dropping it ends it at once.
#[derive(Debug)]
pub struct Portal {
    state: AppState,
    server: Server,
}

impl Portal {
    /// Listens and begins to serve. `view` says how things are, and `browser` how they were.
    ///
    /// # Errors
    /// Names the address that cannot be listened on, why, and what would do.
    pub async fn start(settings: PortalSettings, view: View, browser: Browser) -> Result<Portal, StartError> {
        let bound = server::bind(settings.listen)?;
        let state = AppState::new(&bound, settings, view, browser);
        let server = Server::start(bound, state.clone());
        tracing::info!(portal = %server.address(), "serving the portal");
        Ok(Portal { state, server })
    }

    /// Where the portal is.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The link that lets one person in who has no password yet, as operator, once, from this machine,
    /// within 15 minutes of the start; `None` when there are users. For the terminal, never for a log file.
    pub fn first_link(&self) -> Option<String> {
        self.state.access().first_path().map(|path| format!("http://{}{path}", self.address()))
    }

    /// Puts other users and tokens in force. Sessions of users who are gone or have a new password end;
    /// a new role holds from the next request on.
    pub fn apply(&self, users: Vec<User>, tokens: Vec<Token>) {
        self.state.access().apply(users, tokens);
    }

    /// Says on every page that `proxy.toml` was changed and is not in force, until it is told `None`.
    pub fn configuration_refused(&self, refused: Option<RefusedConfiguration>) {
        self.state.set_refused_configuration(refused);
    }

    /// Stops: accepts nothing new, ends live tails, lets answers that are under way finish, and cuts off
    /// what is left after `deadline`.
    pub async fn drain(self, deadline: Duration) {
        self.state.stop();
        self.server.drain(deadline).await;
    }
}

/// What a role may do.
impl Role {
    /// The word used in `proxy.toml`.
    pub fn label(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
        }
    }
}
