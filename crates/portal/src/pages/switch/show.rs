//! The page: the conclusion, the cards, and everything else side by side.

use maud::{Markup, html};
use store::{CardDifference, Comparison, Latency};

use super::conclusion::conclude;
use super::{PERIODS, Subject, would_be_refused};
use crate::layout::{Icon, Tone, badge, charger_path, copyable, empty, icon, leader_badge, moment};
use crate::limits::ROWS;
use crate::words;

pub(super) fn body(subject: &Subject, comparison: &Comparison) -> Markup {
    let refused: Vec<&CardDifference> =
        comparison.cards.iter().filter(|card| would_be_refused(card)).collect();
    let gained: Vec<&CardDifference> = comparison
        .cards
        .iter()
        .filter(|card| card.leader_status != "Accepted" && card.follower_status == "Accepted")
        .collect();
    let conclusion = conclude(subject.follower.as_str(), comparison);
    html! {
        div.titleline {
            h2 { "Before you switch" }
            p.muted { "What would have been different if " strong { (subject.follower) } " had led" }
        }
        (choose(subject))
        section.card.ruling.(conclusion.tone.class()) aria-label="Conclusion" {
            p.lede { (icon(shape(conclusion.tone))) " " (conclusion.headline) }
            @if !conclusion.objections.is_empty() { ul { @for one in &conclusion.objections { li { (one) } } } }
            p.actions { a.button href=(charger_path(&subject.charger, "proxy")) { "Proxy: who leads" } }
        }
        @if let Some(policy) = subject.policy {
            div.notice { p {
                "Who decides about cards here is set by the policy " code { (policy) } " in " code { "proxy.toml" }
                ", whoever leads. The lists of cards below say what each would answer; they are no list of cards that \
                 would stop or begin to work."
            } }
        }
        (side_by_side(subject, comparison))
        h2 { "Cards that would be refused" }
        @if refused.is_empty() {
            (empty("None", html! { "Every card that the Leader accepted in this time, " (subject.follower) " accepted as well." }))
        } @else {
            p {
                "The Leader accepted " @if refused.len() == 1 { "this card" } @else { "these " (refused.len()) " cards" }
                " in " (subject.words) "; " (subject.follower) " did not. Once on its list of allowed cards (whitelist), "
                @if refused.len() == 1 { "it goes" } @else { "they go" } " on working. "
                a.button.compact href={ (charger_path(&subject.charger, "switch.csv")) "?" (subject.parameters()) } download {
                    "Download as CSV"
                }
            }
            (cards(&refused, subject))
        }
        @if !gained.is_empty() {
            h2 { "Cards that would be accepted" }
            p { "The Leader refused these, and " (subject.follower) " would let them charge." }
            (cards(&gained, subject))
        }
        (fields(comparison))
    }
}

fn choose(subject: &Subject) -> Markup {
    html! {
        form.filters.compare action=(charger_path(&subject.charger, "switch")) method="get" {
            label { "Follower"
                select name="follower" {
                    @for follower in &subject.followers {
                        option value=(follower) selected[*follower == subject.follower] { (follower) }
                    }
                }
            }
            label { "Time"
                select name="time" {
                    @for (name, words, _) in PERIODS { option value=(name) selected[name == subject.period] { (words) } }
                }
            }
            label { "Chargers"
                select name="chargers" {
                    option value="" selected[!subject.on_all] { "this charger" }
                    option value="all" selected[subject.on_all] { "all chargers" }
                }
            }
            button.primary type="submit" { "Compare" }
        }
    }
}

fn side_by_side(subject: &Subject, comparison: &Comparison) -> Markup {
    let of = |number: u64| match comparison.calls_compared {
        0 => String::new(),
        all => format!("{:.1} %", number as f64 * 100.0 / all as f64),
    };
    let counts = [
        ("answered alike", Tone::Good, Icon::Check, comparison.same + comparison.noise),
        ("answered differently", Tone::Warning, Icon::Differs, comparison.conflicts),
        ("other clock", Tone::Warning, Icon::Clock, comparison.skew),
        ("errors", Tone::Bad, Icon::Cross, comparison.errors),
        ("no answer", Tone::Bad, Icon::Clock, comparison.unanswered),
        ("not comparable", Tone::Plain, Icon::Ring, comparison.not_comparable),
    ];
    html! {
        div.steps {
            section.card {
                h2 { "Calls compared" }
                p { strong { (comparison.calls_compared) } " since " (moment(comparison.counted_since_unix_ms)) }
                dl.facts {
                    @for (words, tone, shape, number) in counts {
                        dt { (badge(if number == 0 { Tone::Plain } else { tone }, shape, words)) }
                        dd { (number) " " span.muted { (of(number)) } }
                    }
                }
            }
            section.card {
                h2 { "Answer times" }
                table.plain {
                    thead { tr {
                        th { span.visually-hidden { "Measure" } }
                        th.num scope="col" { "Leader" }
                        th.num scope="col" { (subject.follower) }
                    } }
                    tbody {
                        @for (words, of) in TIMES {
                            tr {
                                th scope="row" { (words) }
                                td.num { (time(of(&comparison.leader_latency_us))) }
                                td.num { (time(of(&comparison.follower_latency_us))) }
                            }
                        }
                    }
                }
                p.muted.small { (leader_badge()) " now " (subject.leader) "; compared is with whoever led at the time." }
            }
        }
    }
}

/// A measure of times.
type Measure = fn(&Latency) -> u64;

const TIMES: [(&str, Measure); 3] = [
    ("half within", |times| times.p50),
    ("95 of 100 within", |times| times.p95),
    ("slowest", |times| times.max),
];

fn time(microseconds: u64) -> String {
    match microseconds {
        0 => "–".to_owned(),
        _ => words::duration(i64::try_from(microseconds).unwrap_or(i64::MAX)),
    }
}

fn cards(cards: &[&CardDifference], subject: &Subject) -> Markup {
    html! {
        table.rows.cards {
            thead { tr {
                th scope="col" { "Card" } th scope="col" { "Leader" } th scope="col" { (subject.follower) }
                th.num scope="col" { "Times" } th scope="col" { "Last" }
                @if subject.on_all { th scope="col" { "Charger" } }
                th scope="col" { span.visually-hidden { "In the log" } }
            } }
            tbody {
                @for card in cards.iter().take(ROWS) {
                    tr {
                        td data-label="Card" { (copyable(&card.id_tag)) }
                        td data-label="Leader" { (status(&card.leader_status)) }
                        td data-label=(subject.follower) { (status(&card.follower_status)) }
                        td.num data-label="Times" { (card.times) }
                        td data-label="Last" { (moment(card.last_unix_ms)) }
                        @if subject.on_all { td data-label="Charger" { a.name href=(charger_path(&card.charger, "")) { (card.charger) } } }
                        td.go { a href={ "/calls/" (card.last_trace) } { "In the log" } }
                    }
                }
            }
        }
        @if cards.len() > ROWS { p.muted.small { "And " (cards.len() - ROWS) " more." } }
    }
}

fn status(given: &str) -> Markup {
    match given {
        "Accepted" => badge(Tone::Good, Icon::Check, given),
        _ => badge(Tone::Bad, Icon::Cross, &words::shown(given)),
    }
}

/// What else differs.
fn fields(comparison: &Comparison) -> Markup {
    html! {
        h2 { "Other differences, by message and field" }
        @if comparison.fields.is_empty() { (empty("None", html! { "No answer differed in anything that matters." })) }
        @else {
            table.rows.fields {
                thead { tr { th scope="col" { "Message" } th scope="col" { "Field" } th.num scope="col" { "Times" } } }
                tbody {
                    @for field in comparison.fields.iter().take(ROWS) {
                        tr {
                            td data-label="Message" {
                                div {
                                    code { (field.action) }
                                    @if let Some(meaning) = words::meaning_of_action(&field.action) { span.sub { (meaning) } }
                                }
                            }
                            td data-label="Field" { (pointed(&field.pointer)) }
                            td.num data-label="Times" { (field.times) }
                        }
                    }
                }
            }
        }
    }
}

/// A JSON pointer as people write it.
fn pointed(pointer: &str) -> Markup {
    let field = pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~");
    html! { @if field.is_empty() { "the whole answer: one is an error" } @else { code { (words::shown(&field)) } } }
}

fn shape(tone: Tone) -> Icon {
    match tone {
        Tone::Good => Icon::Check,
        Tone::Warning => Icon::Alert,
        Tone::Bad => Icon::Cross,
        Tone::Plain | Tone::Strong => Icon::Ring,
    }
}
