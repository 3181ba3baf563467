//! The page: search bar, filters, the live tail's controls, the rows and what happened between them.

use engine::{BackofficeId, ChargerId};
use maud::{Markup, html};
use store::{LoggedCall, LoggedOccurrence};

use super::choice::{Choice, OUTCOMES, PERIODS};
use super::nothing::nothing;
use super::row;
use crate::layout::{Icon, charger_path, icon};
use crate::words;

/// Everything that the page shows.
#[derive(Debug)]
pub(crate) struct Logs<'a> {
    pub(crate) charger: &'a ChargerId,
    pub(crate) choice: &'a Choice,
    /// The messages that occur in its log.
    pub(crate) actions: &'a [String],
    /// The backoffices that can have called.
    pub(crate) backoffices: &'a [BackofficeId],
    /// The newest first.
    pub(crate) calls: &'a [LoggedCall],
    /// The newest first.
    pub(crate) occurrences: &'a [LoggedOccurrence],
    /// What the page with older rows begins with.
    pub(crate) older: Option<Choice>,
    /// Where the live tail goes on.
    pub(crate) cursor: i64,
    /// Whether it is connected now.
    pub(crate) is_online: bool,
    /// Whether whoever looks is not shown cards' numbers, and does not find them.
    pub(crate) hides_cards: bool,
}

impl Logs<'_> {
    pub(crate) fn body(&self) -> Markup {
        let address = charger_path(self.charger, "logs");
        let is_first_page = self.choice.before.is_empty();
        html! {
            (self.search(&address))
            (self.conditions(&address))
            div.logbar {
                @if is_first_page && self.choice.until.is_empty() { (self.live()) }
                @if is_first_page { a.newer href={ (address) (self.choice.newest().parameters()) } { "Newer" } }
                @else { a.newer href={ (address) (self.choice.newest().parameters()) } { "Newest" } }
                span.exports {
                    "Export these as "
                    a href={ (address) ".csv" (self.choice.newest().parameters()) } download { "CSV" }
                    " or "
                    a href={ (address) ".ndjson" (self.choice.newest().parameters()) } download { "NDJSON" }
                }
            }
            @if self.calls.is_empty() && self.occurrences.is_empty() && is_first_page && self.older.is_none() {
                (nothing(self, &address))
            }
            div.log data-log="" { (self.rows()) }
            nav.older aria-label="Older entries" {
                @match &self.older {
                    Some(older) => {
                        @if self.calls.is_empty() {
                            p { "Nothing found so far; there is more of the log to search." }
                        }
                        a.button data-older="" href={ (address) (older.parameters()) } rel="next" { "Older" }
                    },
                    None if self.calls.is_empty() => {},
                    None => p.muted { "This is the oldest entry." },
                }
            }

        }
    }

    fn search(&self, address: &str) -> Markup {
        let choice = self.choice;
        let is_more_chosen = !(choice.action.is_empty()
            && choice.from.is_empty()
            && choice.outcome.is_empty()
            && choice.time.is_empty()
            && choice.since.is_empty()
            && choice.until.is_empty());
        html! {
            form.logsearch action=(address) method="get" role="search" {
                div.filters {
                    div.search {
                        (icon(Icon::Search))
                        input type="search" name="q" data-search="" value=(choice.q) maxlength="500" autocomplete="off" spellcheck="false"
                            aria-label="Search" placeholder="StartTransaction, an idTag, a transaction number, any text";
                        kbd aria-hidden="true" { "/" }
                    }
                    button.primary type="submit" { "Search" }
                    label.check {
                        input type="checkbox" name="routine" value="hide" checked[choice.routine == "hide"] data-submits="";
                        span { "Hide the routine " span.muted { "(Heartbeat, MeterValues)" } }
                    }
                }
                details.logfilters open[is_more_chosen] {
                    summary { "Filters" }
                    div.fields {
                        label { "Message" (self.actions()) }
                        label { "Direction and who" (self.callers()) }
                        label { "Outcome"
                            select name="outcome" {
                                (option("", "any", &choice.outcome))
                                @for (name, words, _) in OUTCOMES { (option(name, words, &choice.outcome)) }
                            }
                        }
                        label { "Time"
                            select name="time" {
                                (option("", "any", &choice.time))
                                @for (name, words, _) in PERIODS { (option(name, words, &choice.time)) }
                            }
                        }
                        label { "Since " span data-utc="" { "(UTC)" } input type="datetime-local" name="since" value=(choice.since) step="1" data-utc=""; }
                        label { "Until " span data-utc="" { "(UTC)" } input type="datetime-local" name="until" value=(choice.until) step="1" data-utc=""; }
                    }
                }
                @if !choice.id_tag.is_empty() { input type="hidden" name="id_tag" value=(choice.id_tag); }
                @if !choice.transaction.is_empty() { input type="hidden" name="transaction" value=(choice.transaction); }
            }
        }
    }

    /// The messages that occur; one that was asked for all the same stays.
    fn actions(&self) -> Markup {
        let chosen = self.choice.action.as_str();
        let occurs = self.actions.iter().any(|name| name.eq_ignore_ascii_case(chosen));
        html! {
            select name="action" {
                (option("", "any", chosen))
                @if !chosen.is_empty() && !occurs { (option(chosen, &words::shown(chosen), chosen)) }
                @for name in self.actions {
                    option value=(name) selected[name.eq_ignore_ascii_case(chosen)] { (words::shown(name)) }
                }
            }
        }
    }

    fn callers(&self) -> Markup {
        let chosen = self.choice.from.as_str();
        html! {
            select name="from" {
                (option("", "any", chosen))
                (option("charger", "→ from the charger", chosen))
                (option("backoffices", "← from any backoffice", chosen))
                @for backoffice in self.backoffices {
                    (option(&format!("backoffice:{backoffice}"), &format!("← from {backoffice}"), chosen))
                }
            }
        }
    }

    fn conditions(&self, address: &str) -> Markup {
        let conditions = self.choice.conditions();
        html! {
            @if !conditions.is_empty() {
                p.conditions {
                    "Shown: "
                    @for (words, without) in &conditions {
                        a.condition href={ (address) (without.parameters()) } title="remove this condition" {
                            bdi { (words) } " " (icon(Icon::Cross))
                            span.visually-hidden { " (remove)" }
                        }
                        " "
                    }
                    @if conditions.len() > 1 { a href=(address) { "show everything" } }
                }
            }
        }
    }

    /// Stays hidden without scripts, where the link to newer entries does the same by hand.
    fn live(&self) -> Markup {
        let after = Choice { after: self.cursor.to_string(), ..self.choice.newest() };
        let address = charger_path(self.charger, "tail") + &after.parameters();
        html! {
            div.live data-live=(address) hidden {
                span.live-state role="status" data-live-state="" { "Live" }
                button type="button" data-live-pause="" { "Pause" }
                button type="button" data-live-jump="" hidden { "Jump to latest" }
            }
        }
    }

    /// Calls and occurrences by their time, the newest first.
    fn rows(&self) -> Markup {
        let mut occurrences = self.occurrences.iter().peekable();
        html! {
            @for call in self.calls {
                @while let Some(occurrence) = occurrences.next_if(|one| one.unix_ms >= call.received_unix_ms) {
                    (row::occurrence(occurrence))
                }
                (row::call(call))
            }
            @for occurrence in occurrences { (row::occurrence(occurrence)) }
        }
    }
}

fn option(value: &str, words: &str, chosen: &str) -> Markup {
    html! { option value=(value) selected[value == chosen] { (words) } }
}
