//! The table of negative cases, from four sides: one proxy serves them all, and an innocent charger with its leader and
//! follower beside them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use figures::counted;

use crate::requests::{self, Entrants};
use crate::stage::{INNOCENT, Stage};
use crate::text::cases;
use crate::{configurations, conversations};

const CHARGER: &str = include_str!("charger.txt");
const BACKOFFICE: &str = include_str!("backoffice.txt");
const BROWSER: &str = include_str!("browser.txt");

/// What went wrong where.
#[derive(Default)]
struct Verdict {
    seen: usize,
    failures: Vec<String>,
}

impl Verdict {
    fn judge(&mut self, stage: &mut Stage, case: &str, play: impl FnOnce(&Stage)) {
        self.seen += 1;
        if let Err(cause) = catch_unwind(AssertUnwindSafe(|| play(stage))) {
            self.failures.push(format!("{case}: {}", crate::words(&*cause)));
        }
        stage.check_the_innocent();
    }
}

#[test]
fn figure_s08_negative_cases() {
    let entrants = Entrants::new();
    let mut stage = Stage::start(&entrants.configuration);
    let mut verdict = Verdict::default();
    let mut seen = Vec::new();

    for (number, (title, lines)) in cases(CHARGER).into_iter().enumerate() {
        verdict.judge(&mut stage, &format!("charger: {title}"), |stage| {
            conversations::play(stage.proxy.chargers, &stage.backoffices, &format!("CP-{number}"), &lines);
        });
    }
    seen.push(verdict.seen);
    for (number, (title, lines)) in cases(BACKOFFICE).into_iter().enumerate() {
        for (name, lines) in spoken(&lines) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            verdict.judge(&mut stage, &format!("{name}: {title}"), |stage| {
                conversations::play(
                    stage.proxy.chargers,
                    &stage.backoffices,
                    &format!("CP-{name}-{number}"),
                    &lines,
                );
            });
        }
    }
    seen.push(verdict.seen);
    configurations::set_the_scene(&stage);
    let wrong = configurations::all();
    // Most of them stand beside the configuration's own tests, which count them.
    let configurations = wrong.len();
    assert!(configurations >= 160, "{configurations}");
    for wrong in wrong {
        verdict.judge(&mut stage, &format!("configuration: {}", wrong.title), |stage| {
            configurations::play(stage, &wrong);
        });
    }
    seen.push(verdict.seen);
    let words = entrants.words(stage.portal, INNOCENT);
    for (title, lines) in cases(BROWSER) {
        verdict
            .judge(&mut stage, &format!("browser: {title}"), |stage| requests::play(stage, &words, &lines));
    }
    seen.push(verdict.seen);
    stage.finish();

    let Verdict { seen: all, failures } = verdict;
    assert!(failures.is_empty(), "{} of {all} fail:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(seen, [295, 607, 607 + configurations, 767 + configurations]);
    let attempted = format!(
        "{} negative cases against one running proxy: {} frames of chargers, {} of backoffices, {} configurations, \
         {} requests",
        counted(all),
        seen[0],
        seen[1] - seen[0],
        seen[2] - seen[1],
        seen[3] - seen[2],
    );
    let right = counted(all - failures.len());
    figures::row(
        "S8",
        attempted,
        format!("{right} answered as they must be, nothing lost of a charger beside them"),
    );
}

/// A case that both kinds of backoffice play stands in the table once.
fn spoken(lines: &[&'static str]) -> Vec<(&'static str, Vec<String>)> {
    let is_for_both = lines.iter().any(|line| line.starts_with('B'));
    let by = |letter: &str| {
        let line =
            |line: &&str| line.strip_prefix('B').map_or(line.to_string(), |rest| format!("{letter}{rest}"));
        lines.iter().map(line).collect()
    };
    if is_for_both { vec![("leader", by("L")), ("follower", by("F"))] } else { vec![("backoffice", by(""))] }
}
