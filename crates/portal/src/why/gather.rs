//! Reads from the log what the ladder needs: a few indexed questions, however large the log is.

use std::collections::BTreeSet;

use engine::{BackofficeId, ChargerId, Plan, Side, TraceId, payload};
use jiff::tz::TimeZone;
use store::{Browser, CallsQuery, LoggedCall, OutcomeIs, StoreError};

use super::attempts::attempts;
use super::state::AROUND_MS;
use super::{Facts, KnownCard, cards, ladder};

/// Presentations of one card, or of any, that are looked at.
const PRESENTATIONS: usize = 200;
/// Reports on the state of connectors; a charger has few.
const STATES: usize = 60;
/// Commands of one kind.
const COMMANDS: usize = 10;
/// Occurrences.
const OCCURRENCES: usize = 60;
/// The part of the log that is searched for a card unless somebody says otherwise.
const SINCE_MS: i64 = 7 * 24 * 3_600_000;

/// What somebody wants to know.
#[derive(Debug, Clone)]
pub struct Question {
    /// Which charger.
    pub charger: ChargerId,
    /// The card, as somebody read or typed it; `None` asks for the last rejection, whatever the card.
    pub id_tag: Option<String>,
    /// One call of the attempt that is meant; `None` asks for the last rejection.
    pub attempt: Option<TraceId>,
    /// The log is searched since then (UTC, milliseconds since 1970); a week if `None`.
    pub since_unix_ms: Option<i64>,
    /// Whether the charger is connected now, as far as that is known.
    pub is_online: Option<bool>,
    /// Who leads now, as far as that is known.
    pub leader: Option<BackofficeId>,
    /// The plan that holds now, as far as it is known.
    pub plan: Option<Plan>,
    /// Now; UTC, milliseconds since 1970.
    pub now_unix_ms: i64,
    /// In which times are to be told.
    pub zone: TimeZone,
}

/// Reads what is known.
///
/// # Errors
/// When the log cannot be read, or too many questions wait.
pub async fn facts(browser: &Browser, question: Question) -> Result<Facts, StoreError> {
    let meant = match question.attempt {
        Some(trace) => browser.call(trace).await?.filter(|call| is_of(call, &question.charger)),
        None => None,
    };
    let since_unix_ms = question.since_unix_ms.unwrap_or(question.now_unix_ms - SINCE_MS);
    // A permalink holds for longer than a week.
    let since_unix_ms =
        meant.as_ref().map_or(since_unix_ms, |call| since_unix_ms.min(call.received_unix_ms - AROUND_MS));
    let mut facts = Facts {
        id_tag: question
            .id_tag
            .map(|tag| own_number(question.plan.as_ref(), tag))
            .or_else(|| meant.as_ref().and_then(|call| call.id_tag.clone())),
        attempt: meant.as_ref().map(|call| call.trace),
        charger: question.charger,
        calls: meant.iter().cloned().collect(),
        occurrences: Vec::new(),
        known: Vec::new(),
        is_online: question.is_online,
        leader: question.leader,
        plan: question.plan,
        since_unix_ms,
        now_unix_ms: question.now_unix_ms,
        zone: question.zone,
        marks_moments: false,
        at_command_line: false,
    };
    let reader = Reader { browser, charger: facts.charger.clone(), since_unix_ms };
    let until = meant.as_ref().map(|call| call.received_unix_ms + super::attempts::START_FOLLOWS_MS);
    if let Some(tag) = facts.id_tag.clone() {
        facts.calls.extend(
            reader
                .calls(|query| {
                    query.id_tag = Some(tag);
                    query.until_unix_ms = until;
                })
                .await?,
        );
    }
    let says_nothing = attempts(&facts.calls).is_empty();
    if facts.id_tag.is_none() || says_nothing {
        for action in ["Authorize", "StartTransaction"] {
            facts.calls.extend(reader.action(action, None, PRESENTATIONS).await?);
        }
    }
    once(&mut facts.calls);
    stops(&reader, &mut facts).await?;
    let around = ladder::moment_of(&facts);
    let around_end = around.map_or(question.now_unix_ms, |unix_ms| unix_ms + AROUND_MS);
    facts.calls.extend(reader.action("StatusNotification", Some(around_end), STATES).await?);
    for command in ["ReserveNow", "SendLocalList"] {
        facts.calls.extend(reader.action(command, Some(around_end), COMMANDS).await?);
    }
    once(&mut facts.calls);
    let since = around.map_or(since_unix_ms, |unix_ms| unix_ms - AROUND_MS);
    facts.occurrences =
        browser.occurrences(&facts.charger, Some(since), Some(around_end + AROUND_MS), OCCURRENCES).await?;
    if facts.leader.is_none() {
        let newest = reader.calls(|query| (query.limit, query.since_unix_ms) = (1, None)).await?;
        facts.leader = newest.into_iter().next().map(|call| call.leader);
    }
    let tag = ladder::tag_of(&facts);
    facts.known = known(browser, &reader, tag.as_deref()).await?;
    Ok(facts)
}

/// The card's own number, where somebody asks with the one of a backoffice (semantics A-24).
fn own_number(plan: Option<&Plan>, tag: String) -> String {
    let mut aliases = plan.into_iter().flat_map(|plan| plan.aliases.values());
    aliases.find_map(|aliases| aliases.meant_by(tag.trim())).map(str::to_owned).unwrap_or(tag)
}

/// Chargers are one however they are spelled.
fn is_of(call: &LoggedCall, charger: &ChargerId) -> bool {
    call.charger.as_str().eq_ignore_ascii_case(charger.as_str())
}

struct Reader<'a> {
    browser: &'a Browser,
    charger: ChargerId,
    since_unix_ms: i64,
}

impl Reader<'_> {
    async fn calls(&self, narrow: impl FnOnce(&mut CallsQuery)) -> Result<Vec<LoggedCall>, StoreError> {
        let mut query = CallsQuery {
            charger: Some(self.charger.clone()),
            since_unix_ms: Some(self.since_unix_ms),
            limit: PRESENTATIONS,
            ..CallsQuery::default()
        };
        narrow(&mut query);
        Ok(self.browser.calls(query).await?.items)
    }

    async fn action(
        &self,
        action: &str,
        until: Option<i64>,
        limit: usize,
    ) -> Result<Vec<LoggedCall>, StoreError> {
        self.calls(|query| {
            query.action = Some(action.to_owned());
            query.until_unix_ms = until;
            query.limit = limit;
            // A state or a list holds until the next one, however old it is.
            if !matches!(action, "Authorize" | "StartTransaction") {
                query.since_unix_ms = None;
            }
        })
        .await
    }
}

/// How the sessions ended: the end need not name the card.
async fn stops(reader: &Reader<'_>, facts: &mut Facts) -> Result<(), StoreError> {
    let Some(start) = ladder::start_of(facts) else { return Ok(()) };
    let Some(number) = start.answer.as_deref().and_then(|answer| payload::integer(answer, "transactionId"))
    else {
        return Ok(());
    };
    let began = start.received_unix_ms;
    for action in ["StopTransaction", "RemoteStopTransaction"] {
        let found = reader
            .calls(|query| {
                query.transaction = Some(number);
                query.action = Some(action.to_owned());
                query.since_unix_ms = Some(began);
                query.limit = COMMANDS;
            })
            .await?;
        facts.calls.extend(found);
    }
    once(&mut facts.calls);
    Ok(())
}

/// Cards that were accepted: this one and what it may be misread, anywhere; and any, at this charger.
async fn known(
    browser: &Browser,
    reader: &Reader<'_>,
    tag: Option<&str>,
) -> Result<Vec<KnownCard>, StoreError> {
    let mut accepted = reader
        .calls(|query| {
            query.action = Some("Authorize".to_owned());
            query.outcome = Some(OutcomeIs::Accepted);
        })
        .await?;
    let mut forms = tag.map(cards::forms).unwrap_or_default();
    forms.extend(tag.map(ToOwned::to_owned));
    for form in forms {
        let query = CallsQuery {
            id_tag: Some(form),
            outcome: Some(OutcomeIs::Accepted),
            limit: 1,
            ..CallsQuery::default()
        };
        accepted.extend(browser.calls(query).await?.items);
    }
    let mut seen = BTreeSet::new();
    accepted.sort_by_key(|call| std::cmp::Reverse(call.received_unix_ms));
    let known = accepted.into_iter().filter(|call| call.from == Side::Charger && call.decider == "leader");
    let known = known.filter_map(|call| {
        let id_tag = call.id_tag.clone()?;
        seen.insert(id_tag.clone()).then(|| KnownCard {
            id_tag,
            charger: call.charger.clone(),
            by: ladder::decider(&call),
            unix_ms: call.received_unix_ms,
        })
    });
    Ok(known.collect())
}

/// Questions overlap; a call counts once.
fn once(calls: &mut Vec<LoggedCall>) {
    calls.sort_by_key(|call| call.seq);
    calls.dedup_by_key(|call| call.seq);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::Aliases;

    use super::*;

    #[test]
    fn a_card_is_found_by_the_number_of_a_backoffice() {
        let mut plan = Plan::new("acme".into(), Vec::new());
        let aliases = Aliases::new(vec![("04AABBCC".to_owned(), "DE-ABC-C1".to_owned())]);
        plan.aliases.insert("acme".into(), Arc::new(aliases));
        let own = |tag: &str| own_number(Some(&plan), tag.to_owned());
        assert_eq!((own("de-abc-c1").as_str(), own("OTHER").as_str()), ("04AABBCC", "OTHER"));
        assert_eq!(own_number(None, "DE-ABC-C1".to_owned()), "DE-ABC-C1");
    }
}
