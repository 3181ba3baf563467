//! `ocpp-proxy deliveries`: what backoffices must still be told, and what an operator does about it.

mod words;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use engine::{BackofficeId, ChargerId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::{DeliveryOrder, ListedDelivery, ListedLane, OrderWhat, Ordered, Which};

use crate::cli::{Deliveries, DeliveriesOrder, Meant};
use crate::logs;

/// Shown at most; `--json` shows all.
const SHOWN: u64 = 1_000;
/// A proxy that runs carries an order out within about a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what the command line says.
pub(crate) fn look_after(which: &Deliveries) -> anyhow::Result<()> {
    match &which.order {
        None => logs::heard(show(&mut BufWriter::new(io::stdout().lock()), which)),
        Some(DeliveriesOrder::Retry(meant)) => retry(meant),
        Some(DeliveriesOrder::Drop { meant, yes }) => drop_for_good(meant, *yes),
    }
}

fn show(out: &mut impl Write, asked: &Deliveries) -> anyhow::Result<()> {
    let list = store::Deliveries::open(&config::store_path(&asked.config.path)?)?;
    let which = Which {
        charger: asked.charger.as_deref().map(ChargerId::from),
        backoffice: asked.backoffice.as_deref().map(BackofficeId::from),
        parked: asked.parked,
    };
    if asked.json {
        list.list(&which, u64::MAX, |delivery| -> anyhow::Result<()> {
            Ok(writeln!(out, "{}", serde_json::to_string(&delivery)?)?)
        })?;
        return Ok(out.flush()?);
    }
    let lanes = list.lanes(&which)?;
    if lanes.is_empty() {
        let is_all = which == Which::default();
        writeln!(out, "{}", if is_all { words::ALL_TOLD } else { words::NOTHING_MATCHES })?;
        return Ok(out.flush()?);
    }
    let (now, zone) = (Timestamp::now().as_millisecond(), TimeZone::system());
    if asked.charger.is_none() && !asked.parked {
        for lane in &lanes {
            writeln!(out, "{}", words::lane(lane, now))?;
        }
        writeln!(out, "\nocpp-proxy deliveries CHARGER shows the messages of a charger.")?;
        return Ok(out.flush()?);
    }
    let mut lanes = lanes.into_iter().peekable();
    let (mut shown, mut parked) = (0, BTreeSet::new());
    list.list(&which, SHOWN, |delivery| -> anyhow::Result<()> {
        // Before the first message of a lane, the lane. One that came into being meanwhile has none.
        while lanes.peek().is_some_and(|lane| is_before_or_of(lane, &delivery)) {
            let lane = lanes.next().expect("one was peeked");
            writeln!(out, "{}", words::lane(&lane, now))?;
        }
        writeln!(out, "{}", words::message(&delivery, &zone))?;
        if delivery.delivery.parked.is_some() {
            parked.insert((delivery.charger.clone(), delivery.delivery.backoffice.clone()));
        }
        shown += 1;
        Ok(())
    })?;
    if shown == SHOWN {
        writeln!(out, "\nThe first {SHOWN} messages; --json shows all.")?;
    }
    if let Some((charger, backoffice)) = parked.first() {
        writeln!(out, "\n{}", words::what_to_do(charger, backoffice))?;
    }
    Ok(out.flush()?)
}

fn is_before_or_of(lane: &ListedLane, delivery: &ListedDelivery) -> bool {
    (&lane.charger, &lane.backoffice) <= (&delivery.charger, &delivery.delivery.backoffice)
}

fn retry(meant: &Meant) -> anyhow::Result<()> {
    match give(meant, OrderWhat::Retry)? {
        Ordered::Done(0) => bail!(
            "no such message is parked or was tried in vain; `ocpp-proxy deliveries {}` shows what there is",
            meant.charger
        ),
        Ordered::Done(count) => logs::print(&words::tried_again(count, &meant.backoffice)),
        Ordered::Pending => logs::print(words::PENDING),
    }
}

fn drop_for_good(meant: &Meant, yes: bool) -> anyhow::Result<()> {
    if meant.numbers.is_empty() && !meant.all {
        bail!("say which messages are to be dropped: their numbers, or --all");
    }
    if !yes && !is_agreed(meant)? {
        return logs::print("Nothing was dropped.\n");
    }
    match give(meant, OrderWhat::Drop)? {
        Ordered::Done(0) => bail!(
            "there is no such message any more; `ocpp-proxy deliveries {}` shows what there is",
            meant.charger
        ),
        Ordered::Done(count) => logs::print(&words::dropped(count, &meant.backoffice)),
        Ordered::Pending => logs::print(words::PENDING),
    }
}

fn give(meant: &Meant, what: OrderWhat) -> anyhow::Result<Ordered> {
    let order = DeliveryOrder {
        what,
        charger: meant.charger.as_str().into(),
        backoffice: meant.backoffice.as_str().into(),
        numbers: (!meant.numbers.is_empty()).then(|| meant.numbers.clone()),
    };
    Ok(order.give(&config::store_path(&meant.config.path)?)?.wait(PATIENCE)?)
}

/// Asks whoever sits at the terminal.
fn is_agreed(meant: &Meant) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("dropping cannot be undone and nobody is here to be asked; add --yes if it is meant");
    }
    let which = if meant.all { "everything that waits for it or is parked" } else { "these messages" };
    eprint!(
        "{} will never be told {which} of charger {}. Drop for good? [y/N] ",
        meant.backoffice, meant.charger
    );
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("the answer cannot be read")?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_drops() {
        assert!(["y", "Y\n", "yes\r\n", " YES "].iter().all(|answer| is_yes(answer)));
        assert!(["", "\n", "n", "no", "yeah", "ye s"].iter().all(|answer| !is_yes(answer)));
    }
}
