//! Threads for the chargers' TLS handshakes alone. A signature takes as long as hundreds of messages, and
//! whoever dials needs no password to have one made: a storm of handshakes waits here for its turn, and the
//! system divides the processor between it and the sessions. Those who dial take turns by where they come from.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::turns::Turns;
use crate::entrance::site;
use crate::limits;

/// The threads. They end with the value.
#[derive(Debug)]
pub(crate) struct HandshakeThreads {
    runtime: Option<Runtime>,
    turns: Arc<Turns>,
}

impl HandshakeThreads {
    /// Starts them.
    pub(crate) fn start() -> io::Result<Self> {
        let threads = limits::tls_handshake_threads();
        // One more than work, for putting those who come into the order.
        let runtime =
            Builder::new_multi_thread().worker_threads(threads + 1).thread_name("tls-handshake").build();
        Ok(Self { runtime: Some(runtime?), turns: Turns::new(threads) })
    }

    /// Does this there, in turns with what comes from elsewhere. It is given up with the future that is returned.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        from: IpAddr,
        handshake: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let runtime = self.runtime.as_ref().expect("it is taken on drop alone");
        let mut tasks = JoinSet::new();
        tasks.spawn_on(self.turns.in_turn(site(from), handshake), runtime.handle());
        let done = tasks.join_next().await.expect("one was spawned");
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Drop for HandshakeThreads {
    fn drop(&mut self) {
        // The last owner may be a task, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn a_flood_from_one_place_keeps_nobody_else_waiting() {
        let threads = Arc::new(HandshakeThreads::start().unwrap());
        let at_once = limits::tls_handshake_threads();
        let done = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(std::sync::Mutex::new(wait));
        let run = |host: u8| {
            let (threads, done, wait) = (threads.clone(), done.clone(), wait.clone());
            tokio::spawn(async move {
                let work = async move {
                    wait.lock().unwrap().recv().unwrap();
                    done.lock().unwrap().push(host);
                    Ok(())
                };
                threads.run(IpAddr::from([10, 0, 0, host]), work).await.unwrap();
            })
        };
        let mut all: Vec<_> = (0..at_once + 50).map(|_| run(1)).collect();
        while threads.turns.waiting() < 50 {
            tokio::task::yield_now().await;
        }
        all.push(run(2));
        while threads.turns.waiting() < 51 {
            tokio::task::yield_now().await;
        }
        (0..all.len()).for_each(|_| go.send(()).unwrap());
        join_all(all).await;
        let done = done.lock().unwrap();
        let place = done.iter().position(|host| *host == 2).unwrap();
        // Those at work, one of the flood's that was before it, and whoever overtakes it in noting that it is done.
        assert!(place <= 2 * at_once + 1, "{place} of {}", done.len());
    }
}
