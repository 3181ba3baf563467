//! Why was a card rejected? The verdict as a sentence, what to do, and what that rests on.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use engine::{BackofficeId, ChargerId, TraceId};
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;
use store::{CallsQuery, LoggedCall, StoreError};

use crate::access::guard::Visitor;
use crate::layout::{self, Icon, Tab, Tone, badge, charger_path, copyable, empty, icon, moment, now_unix_ms};
use crate::pages::known;
use crate::privacy;
use crate::reader::{aside, hides_cards};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::why::{self, Cause, Evidence, Next, Question, TurnedAway, Verdict, WhoDecided};

/// The periods that can be chosen: name in the address, words, milliseconds.
const PERIODS: [(&str, &str, i64); 4] = [
    ("1h", "the last hour", 3_600_000),
    ("24h", "the last 24 hours", 24 * 3_600_000),
    ("7d", "the last 7 days", 7 * 24 * 3_600_000),
    ("30d", "the last 30 days", 30 * 24 * 3_600_000),
];
/// When nobody chooses one.
const PERIOD: &str = "7d";
/// A card's number is cut here; OCPP 1.6 has 20 characters.
const LONGEST_TAG: usize = 255;
/// Presentations of cards that are looked through for the list.
const PRESENTATIONS: usize = 200;
/// Cards in the list.
const CARDS: usize = 20;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/chargers/{charger}/cards", get(show))
}

/// What is asked, as it stands in the address. Whatever is not understood is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The card.
    id_tag: String,
    /// A call of the attempt that is meant, by its trace.
    call: String,
    /// A name of [`PERIODS`].
    time: String,
}

impl Asked {
    fn tag(&self) -> Option<String> {
        let tag: String = self.id_tag.chars().take(LONGEST_TAG).collect();
        (!tag.trim().is_empty()).then_some(tag)
    }

    fn period(&self) -> (&'static str, i64) {
        let chosen = PERIODS.iter().find(|(name, ..)| *name == self.time);
        let chosen = chosen.or_else(|| PERIODS.iter().find(|(name, ..)| *name == PERIOD));
        chosen.map_or((PERIOD, 0), |(name, _, ms)| (*name, *ms))
    }
}

async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(charger): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Refusal> {
    let (charger, _) = known(&state, &charger).await?;
    let now = now_unix_ms();
    let (period, ms) = asked.period();
    let question = Question {
        id_tag: asked.tag(),
        attempt: TraceId::try_from(asked.call.clone()).ok(),
        since_unix_ms: Some(now - ms),
        is_online: Some(state.view().is_online(&charger)),
        leader: leader(&state, &charger).await,
        plan: state.view().plan(&charger).map(|found| (*found.plan).clone()),
        now_unix_ms: now,
        zone: TimeZone::UTC,
        charger: charger.clone(),
    };
    let mut facts = why::facts(state.unmasked(), question).await?;
    facts.marks_moments = true;
    let mut turned_away = why::turned_away(&presented(&state, &charger, now - ms).await?);
    let mut verdict = why::explain(&facts);
    // Without a card and a rejection there is nothing to explain.
    let is_asked = facts.id_tag.is_some() || verdict.cause.is_rejection() && !turned_away.is_empty();
    let hides_cards = hides_cards(visitor.role);
    if hides_cards {
        verdict = aside(verdict, move |verdict| privacy::verdict(verdict, &facts)).await;
        turned_away.iter_mut().for_each(privacy::turned_away);
    }
    let content = html! {
        (search(&charger, &asked, period, hides_cards))
        @if is_asked { (answer(&charger, &verdict)) }
        @else { (empty("No card was turned away in this time", html! {
            "If somebody was, the charger has not asked: enter the number of the card, and this page says what is \
             known. A longer time may help."
        })) }
        @if !turned_away.is_empty() { (list(&charger, &turned_away, period)) }
    };
    Ok(layout::charger_page(&state, &visitor, &charger, Tab::Cards, content))
}

/// Who leads now: by the running session or, without one, by the plan.
async fn leader(state: &AppState, charger: &ChargerId) -> Option<BackofficeId> {
    match state.view().charger(charger).await {
        Some(live) => Some(live.leader),
        None => state.view().plan(charger).map(|found| found.plan.leader.clone()),
    }
}

async fn presented(
    state: &AppState,
    charger: &ChargerId,
    since_unix_ms: i64,
) -> Result<Vec<LoggedCall>, StoreError> {
    let mut calls = Vec::new();
    for action in ["Authorize", "StartTransaction", "StopTransaction"] {
        let query = CallsQuery {
            charger: Some(charger.clone()),
            action: Some(action.to_owned()),
            since_unix_ms: Some(since_unix_ms),
            limit: PRESENTATIONS,
            ..CallsQuery::default()
        };
        calls.extend(state.unmasked().calls(query).await?.items);
    }
    Ok(calls)
}

fn search(charger: &ChargerId, asked: &Asked, period: &str, hides_cards: bool) -> Markup {
    html! {
        form.filters.whysearch action=(charger_path(charger, "cards")) method="get" role="search" {
            @if !hides_cards {
                div.search {
                    (icon(Icon::Search))
                    input type="search" name="id_tag" value=(asked.id_tag) maxlength="255" autocomplete="off" spellcheck="false"
                        aria-label="Card number (idTag)" placeholder="Card number (idTag), or empty for the last rejection";
                    kbd aria-hidden="true" { "/" }
                }
            }
            select name="time" aria-label="Time" {
                @for (name, words, _) in PERIODS {
                    option value=(name) selected[name == period] { (words) }
                }
            }
            button.primary type="submit" { "Why rejected?" }
        }
    }
}

fn answer(charger: &ChargerId, verdict: &Verdict) -> Markup {
    html! {
        section.card.ruling.(tone(verdict.cause).class()) aria-label="The answer" {
            div.badges {
                (badge(tone(verdict.cause), shape(verdict.cause), label(verdict.cause)))
                (who(&verdict.who_decided))
                @if let Some(tag) = &verdict.id_tag { span.muted { "Card " } (copyable(tag)) }
            }
            p.lede { (told(&verdict.sentence)) }
            @if let Some(trace) = verdict.trace {
                p.small { a href={ "/calls/" (trace) } { "The message in the log" } }
            }
        }
        (what_to_do(charger, &verdict.next))
        @if !verdict.evidence.is_empty() { (evidence(charger, &verdict.evidence)) }
    }
}

fn what_to_do(charger: &ChargerId, next: &Next) -> Markup {
    let allow = next.whitelist.as_ref().map(|list| {
        html! {
            dl.facts.allow {
                dt { "Card" } dd { (copyable(&list.id_tag)) }
                dt { "In" } dd { strong { (list.backoffice) } ", on its list of allowed cards (whitelist)" }
            }
        }
    });
    let is_about_leaders = next.everyone.iter().any(|step| step.contains("Before you switch"));
    let compare = is_about_leaders.then(|| {
        html! {
            p.small {
                a href=(charger_path(charger, "proxy")) { "Proxy" } " · "
                a href=(charger_path(charger, "switch")) { "Before you switch" }
            }
        }
    });
    let groups = [
        ("What to do", &next.everyone, compare),
        ("If it is the card of an employee or resident", &next.employee, allow),
        ("If the site is public", &next.public_site, None),
    ];
    html! {
        div.steps {
            @for (title, steps, more) in groups {
                @if !steps.is_empty() {
                    section.card {
                        h2 { (title) }
                        @if let [step] = steps.as_slice() { p { (told(step)) } }
                        @else { ol { @for step in steps { li { (told(step)) } } } }
                        @if let Some(more) = more { (more) }
                    }
                }
            }
        }
    }
}

fn evidence(charger: &ChargerId, rows: &[Evidence]) -> Markup {
    html! {
        h2 { "What this rests on" }
        table.rows.evidence {
            thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { span.visually-hidden { "In the log" } } } }
            tbody {
                @for row in rows {
                    tr.at[row.is_decisive] {
                        td data-label="When" { (moment(row.unix_ms)) }
                        td data-label="What" {
                            div {
                                @if row.is_decisive { (badge(Tone::Strong, Icon::Right, "decided")) " " }
                                (told(&row.sentence))
                            }
                        }
                        @match row.trace {
                            Some(trace) => td.go { a href={ "/calls/" (trace) } { "In the log" } },
                            None => td.go.none {},
                        }
                    }
                }
            }
        }
        p.small { a href=(charger_path(charger, "logs")) { "Everything in Logs" } }
    }
}

fn list(charger: &ChargerId, cards: &[TurnedAway], period: &str) -> Markup {
    let words = PERIODS.iter().find(|(name, ..)| *name == period).map_or("", |(_, words, _)| words);
    let address = |card: &TurnedAway| {
        let tag = if privacy::is_masked(&card.id_tag) { "" } else { &*card.id_tag };
        let tag = serde_urlencoded::to_string([
            ("id_tag", tag),
            ("call", &card.trace.to_string()),
            ("time", period),
        ]);
        format!("{}?{}", charger_path(charger, "cards"), tag.unwrap_or_default())
    };
    html! {
        h2 { "Cards turned away here in " (words) }
        table.rows.turnedaway {
            thead { tr {
                th scope="col" { "Card" } th scope="col" { "The charger was told" } th.num scope="col" { "Times" }
                th scope="col" { "Last" } th scope="col" { span.visually-hidden { "Explanation" } }
            } }
            tbody {
                @for card in cards.iter().take(CARDS) {
                    tr {
                        td data-label="Card" { (copyable(&card.id_tag)) }
                        td data-label="Was told" {
                            div.badges {
                                @match &card.told {
                                    Some(told) => (badge(Tone::Bad, Icon::Cross, told)),
                                    None => (badge(Tone::Warning, Icon::Alert, "no answer")),
                                }
                                @if card.is_accepted_since { (badge(Tone::Good, Icon::Check, "accepted since")) }
                            }
                        }
                        td.num data-label="Times" { (card.times) }
                        td data-label="Last" { (moment(card.unix_ms)) }
                        td.go { a href=(address(card)) { "Why?" } }
                    }
                }
            }
        }
        @if cards.len() > CARDS {
            p.muted.small { "And " (cards.len() - CARDS) " more; Logs shows all, with the outcome “refused”." }
        }
    }
}

/// A sentence with its moments in the reader's own time.
fn told(sentence: &str) -> Markup {
    html! {
        @for piece in why::pieces(sentence) {
            @match piece { Ok(text) => (text), Err(unix_ms) => (moment(unix_ms)) }
        }
    }
}

fn who(who: &WhoDecided) -> Markup {
    let (shape, words) = match who {
        WhoDecided::Leader { backoffice } => (Icon::Star, format!("decided by {backoffice}, Leader")),
        WhoDecided::Follower { backoffice } => (Icon::Ring, format!("decided by {backoffice}, follower")),
        WhoDecided::Proxy { rule } => (Icon::Bolt, format!("decided by the proxy, rule {rule}")),
        WhoDecided::Charger => (Icon::Bolt, "decided by the charger".to_owned()),
        WhoDecided::Nobody => (Icon::Clock, "decided by nobody".to_owned()),
    };
    badge(Tone::Plain, shape, &words)
}

fn tone(cause: Cause) -> Tone {
    use Cause::{
        Accepted, AcceptedByCharger, AcceptedNotStarted, ChargerOffline, LeaderAway, LeaderError,
        LeaderTimeout, LinkLost, NothingKnown, ProxyTrouble,
    };
    match cause {
        Accepted | AcceptedByCharger => Tone::Good,
        NothingKnown => Tone::Plain,
        AcceptedNotStarted | ChargerOffline | LeaderAway | LeaderError | LeaderTimeout | LinkLost
        | ProxyTrouble => Tone::Warning,
        _ => Tone::Bad,
    }
}

fn shape(cause: Cause) -> Icon {
    match tone(cause) {
        Tone::Good => Icon::Check,
        Tone::Warning => Icon::Alert,
        Tone::Plain | Tone::Strong => Icon::Ring,
        Tone::Bad => Icon::Cross,
    }
}

/// The cause in a few words.
fn label(cause: Cause) -> &'static str {
    match cause {
        Cause::RefusedByLeader => "Rejected by the Leader",
        Cause::RefusedByFollower => "Rejected by a follower that decides",
        Cause::Undecided => "Nobody decided",
        Cause::RefusedAtStart => "Rejected at the start",
        Cause::RefusedLate => "Rejected afterwards",
        Cause::RefusedByProxy => "Rejected in the Leader's place",
        Cause::LeaderError => "The Leader has an error",
        Cause::LeaderTimeout => "The Leader was too slow",
        Cause::LeaderAway => "The Leader was away",
        Cause::LinkLost => "Connection lost",
        Cause::ProxyTrouble => "The proxy could not answer",
        Cause::ChargerRefused => "Not asked",
        Cause::ConnectorNotAvailable => "Charger not ready",
        Cause::Reserved => "Reserved",
        Cause::ChargerOffline => "Charger offline",
        Cause::LocalListConflict => "The charger's list disagrees",
        Cause::Misread => "Card misread",
        Cause::StoppedLater => "Stopped later",
        Cause::AcceptedNotStarted => "Accepted, not started",
        Cause::AcceptedByCharger => "Accepted by the charger",
        Cause::Accepted => "Accepted",
        Cause::NothingKnown => "Nothing known",
    }
}
