//! Threads for the chargers' TLS handshakes alone. A signature takes as long as hundreds of messages, and
//! whoever dials needs no password to have one made: a storm of handshakes waits here for its turn, and the
//! system divides the processor between it and the sessions.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::limits;

/// The threads. They end with the value.
#[derive(Debug)]
pub(crate) struct HandshakeThreads(Option<Runtime>);

impl HandshakeThreads {
    /// Starts them.
    pub(crate) fn start() -> io::Result<Self> {
        let threads = limits::tls_handshake_threads();
        let runtime =
            Builder::new_multi_thread().worker_threads(threads).thread_name("tls-handshake").build();
        Ok(Self(Some(runtime?)))
    }

    /// Does this there. It is given up with the future that is returned.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        handshake: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let runtime = self.0.as_ref().expect("it is taken on drop alone");
        let mut tasks = JoinSet::new();
        tasks.spawn_on(handshake, runtime.handle());
        let done = tasks.join_next().await.expect("one was spawned");
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Drop for HandshakeThreads {
    fn drop(&mut self) {
        // The last owner may be a task, which must not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
