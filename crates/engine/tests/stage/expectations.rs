//! What must stand in the transcript, and what may.

use engine::Effect;

use super::Stage;
use super::words::{kept_words, show, words};

impl Stage {
    /// The next effect that must stand in the transcript; what may stand there is passed over.
    pub(super) fn next_hard(&mut self) -> Option<Effect> {
        while let Some(effect) = self.pending.pop_front() {
            if !matches!(effect, Effect::Keep(_) | Effect::Note(_)) {
                return Some(effect);
            }
        }
        None
    }

    pub(super) fn expect_frame(&mut self, peer: &str, expected: &str) -> Result<(), String> {
        let effect = self.next_hard().ok_or("nothing more was done")?;
        let text = match &effect {
            Effect::SayToCharger(text) if peer == "charger" => text.clone(),
            Effect::SayToBackoffice(id, text) if id.as_str() == peer => text.clone(),
            other => return Err(format!("instead: {}", show(other))),
        };
        let mut expected = expected.replace("<now>", &self.now.to_ocpp());
        if let Some(name) = first_id(&expected).map(str::to_owned)
            && let Some(token) = text.get(3..41)
        {
            self.ids.entry(name).or_insert_with(|| token.to_owned());
        }
        expected = self.fill_in(&expected);
        if text == expected { Ok(()) } else { Err(format!("instead: {text}")) }
    }

    pub(super) fn expect_act(&mut self, expected: &str) -> Result<(), String> {
        let effect = self.next_hard().ok_or("nothing more was done")?;
        let act = show(&effect);
        if act == expected { Ok(()) } else { Err(format!("instead: {act}")) }
    }

    pub(super) fn expect_soft(&mut self, kind: &str, expected: &str) -> Result<(), String> {
        let mut passed = Vec::new();
        while let Some(effect) = self.pending.front() {
            let said = match effect {
                Effect::Keep(keep) if kind == "kept" => keep.records.iter().map(kept_words).collect(),
                Effect::Note(note) if kind == "note" => words(note),
                Effect::Keep(_) | Effect::Note(_) => String::new(),
                other => return Err(format!("before it: {}; noted so far: {passed:?}", show(other))),
            };
            self.pending.pop_front();
            if said == expected {
                return Ok(());
            }
            passed.push(said);
        }
        passed.retain(|said| !said.is_empty());
        Err(format!("instead: {passed:?}"))
    }

    pub(crate) fn nothing_unexpected(&mut self) -> Result<(), String> {
        match self.next_hard() {
            None => Ok(()),
            Some(effect) => Err(format!("not in the transcript: {}", show(&effect))),
        }
    }

    pub(super) fn fill_in(&self, frame: &str) -> String {
        let mut text = frame.to_owned();
        // Longer names first, so that #10 is not taken for #1.
        let mut names: Vec<_> = self.ids.iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, token) in names {
            text = text.replace(&format!("#{name}"), token);
        }
        text
    }
}

fn first_id(frame: &str) -> Option<&str> {
    let rest = frame.split_once('#')?.1;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    (frame.starts_with("[2,#")).then(|| &rest[..end])
}
