//! `ocpp-proxy forget-card`: takes the number of a card out of everything that is kept.

use anyhow::Context;
use store::{ForgetError, Forgotten, OpenError};

use crate::cli::ForgetCard;
use crate::{counted, logs};

/// Does what the command line says.
pub(crate) fn forget(which: &ForgetCard) -> anyhow::Result<()> {
    let store = config::store_path(&which.config.path)?;
    let forgotten = store::forget_card(&store, &which.card, which.although_running);
    if let Err(ForgetError::Open(OpenError::InUse { .. })) = forgotten {
        return forgotten.map(drop).context(
            "stop the proxy first: what it has in memory it would write again; then start it again",
        );
    }
    let Forgotten { log, transactions, facts, others } = forgotten?;
    let count = |number: u64, what: &str| counted(usize::try_from(number).unwrap_or(usize::MAX), what);
    if log + transactions + facts + others == 0 {
        return logs::print("Nothing is kept of this card.\n");
    }
    logs::print(&format!(
        "Forgotten: the number of the card is taken out of {} of the log, {} and {}. Backups, the log of the program, \
         chargers and backoffices are not reached from here.\n",
        count(log, "line"),
        count(transactions, "session"),
        count(facts + others, "memory").replace("memorys", "memories"),
    ))
}
