//! The tests that show a row of the failure matrix, as they are found in the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// Who sees something, in the order of the page.
pub(crate) const PARTIES: [&str; 4] = ["charger", "leader", "followers", "operator"];

/// A test that bears the number of a row, or of a scenario.
pub(crate) struct Row {
    /// The whole title.
    pub(crate) title: String,
    /// What stands before the colon: rows, rules, scenarios.
    pub(crate) codes: Vec<String>,
    /// What stands behind it.
    pub(crate) situation: String,
    /// Its file, from the root of the repository.
    pub(crate) file: String,
    /// What kind of test it is.
    pub(crate) shown: Shown,
    sees: Vec<(String, String)>,
}

/// What kind of test shows it.
pub(crate) enum Shown {
    /// A transcript.
    Conversation,
    /// A test function of this name.
    Function(String),
}

impl Row {
    fn new(
        title: &str,
        comments: &[&str],
        body: &str,
        file: &str,
        shown: Shown,
    ) -> Result<Self, Vec<String>> {
        let (codes, situation) = title.split_once(": ").unwrap_or(("", title));
        let row = Self {
            title: title.to_owned(),
            codes: codes.split(", ").map(str::to_owned).collect(),
            situation: situation.to_owned(),
            file: file.to_owned(),
            shown,
            sees: seen(comments),
        };
        let mut findings = Vec::new();
        if row.is_described() {
            for party in PARTIES.iter().filter(|party| row.sees(party).is_empty()) {
                findings.push(format!("{file}: “{title}” does not say what this party sees: {party}"));
            }
        }
        for (party, text) in &row.sees {
            for claim in claims(text).filter(|claim| !shows(body, claim)) {
                findings.push(format!("{file}: “{title}” tells of {claim} ({party}), its test does not"));
            }
        }
        if findings.is_empty() { Ok(row) } else { Err(findings) }
    }

    /// The rows that it belongs to.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u8> {
        self.codes.iter().filter_map(|code| code.strip_prefix("X-")?.parse().ok())
    }

    /// The row that it describes; 0 when it bears no number.
    pub(crate) fn first_number(&self) -> u8 {
        self.numbers().next().unwrap_or(0)
    }

    /// Whether it says what each party sees.
    pub(crate) fn is_described(&self) -> bool {
        !self.sees.is_empty()
    }

    /// What this party sees.
    pub(crate) fn sees(&self, party: &str) -> &str {
        self.sees.iter().find(|(who, _)| who == party).map_or("", |(_, what)| what)
    }
}

/// Every test with the number of a row or a scenario, and what is wrong with others.
pub(crate) fn read(root: &Path) -> Result<(Vec<Row>, Vec<String>), String> {
    let mut files = Vec::new();
    for name in ["engine", "store", "gateway", "proxy", "sim"] {
        collect(&root.join("crates").join(name).join("tests"), &mut files)?;
    }
    files.sort();
    let (mut rows, mut findings) = (Vec::new(), Vec::new());
    for path in files {
        let text =
            fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let found =
            if file.ends_with(".txt") { conversations(&text, &file) } else { functions(&text, &file) };
        for row in found {
            match row {
                Ok(row) => rows.push(row),
                Err(wrong) => findings.extend(wrong),
            }
        }
    }
    Ok((rows, findings))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let is_transcript = path.parent().is_some_and(|folder| folder.ends_with("transcripts"));
        if path.is_dir() && !path.ends_with("node_modules") {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "rs" || (is_transcript && extension == "txt"))
        {
            files.push(path);
        }
    }
    Ok(())
}

type Found = Vec<Result<Row, Vec<String>>>;

fn conversations(text: &str, file: &str) -> Found {
    let mut found = Vec::new();
    for conversation in text.split("\n== ").skip(1) {
        let (title, lines) = conversation.split_once('\n').unwrap_or((conversation, ""));
        if has_number(title) {
            let (comments, body): (Vec<&str>, Vec<&str>) =
                lines.lines().partition(|line| line.starts_with('#'));
            let comments: Vec<&str> = comments.iter().map(|line| &line[1..]).collect();
            found.push(Row::new(title, &comments, &body.join("\n"), file, Shown::Conversation));
        }
    }
    found
}

fn functions(text: &str, file: &str) -> Found {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let follows_comment = at > 0 && lines[at - 1].starts_with("///");
        let Some(title) = line.strip_prefix("/// ").filter(|title| has_number(title) && !follows_comment)
        else {
            continue;
        };
        let comments: Vec<&str> = lines[at + 1..].iter().map_while(|line| line.strip_prefix("///")).collect();
        let rest = &lines[at + 1 + comments.len()..];
        let name = rest
            .iter()
            .find_map(|line| line.split_once("fn ")?.1.split_once('('))
            .map_or("", |(name, _)| name);
        let body: Vec<&str> = rest.iter().copied().take_while(|line| *line != "}").collect();
        found.push(Row::new(title, &comments, &body.join("\n"), file, Shown::Function(name.to_owned())));
    }
    found
}

fn has_number(title: &str) -> bool {
    let codes = title.split_once(": ").map_or("", |(codes, _)| codes);
    codes.split(", ").any(|code| code.starts_with("X-") || code.starts_with("scenario "))
}

/// `party: sentence` each, and further lines of a sentence, which are indented.
fn seen(comments: &[&str]) -> Vec<(String, String)> {
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in comments {
        let words = line.trim();
        let words = words.strip_prefix("- ").unwrap_or(words);
        let named = words.split_once(": ").filter(|(party, _)| PARTIES.contains(party));
        match (named, seen.last_mut()) {
            (Some((party, what)), _) => {
                seen.push((party.to_owned(), what.to_owned()));
                goes_on = true;
            }
            (None, Some((_, what))) if goes_on && line.starts_with("  ") => {
                what.push(' ');
                what.push_str(words);
            }
            _ => goes_on = false,
        }
    }
    seen
}

/// What a sentence claims literally: what stands in backticks, and numbers. The program's own
/// commands, and the settings of `proxy.toml`, are advice.
fn claims(text: &str) -> impl Iterator<Item = &str> {
    let is_advice = |quoted: &&str| {
        quoted.starts_with("ocpp-proxy ") || quoted.contains(" = ") || *quoted == "proxy.toml"
    };
    let quoted = text.split('`').skip(1).step_by(2).filter(move |quoted| !is_advice(quoted));
    let words =
        text.split('`').step_by(2).flat_map(|plain| plain.split(|c: char| !c.is_ascii_alphanumeric()));
    quoted.chain(words.filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())))
}

/// Whether the test says so; a number as a whole.
fn shows(body: &str, claim: &str) -> bool {
    let is_number = claim.bytes().all(|byte| byte.is_ascii_digit());
    body.match_indices(claim).any(|(at, _)| {
        let before = body[..at].bytes().next_back();
        let after = body[at + claim.len()..].bytes().next();
        !is_number || ![before, after].into_iter().flatten().any(|byte| byte.is_ascii_digit())
    })
}
