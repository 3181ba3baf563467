//! Writes JSON as nobody should and everybody may (RFC 8259): the same seed, the same texts.

use fastrand::Rng;

const SPACE: [&str; 8] = ["", "", "", " ", "  ", "\n", "\t", "\r\n "];
const NUMBERS: [&str; 14] = [
    "0",
    "-0",
    "0.10",
    "1e3",
    "1E+400",
    "-1.50e-7",
    "18446744073709551616",
    "123456789012345678901234567890",
    "0.0",
    "1.0",
    "9007199254740993",
    "-2147483649",
    "0e0",
    "3.141592653589793238462643383279",
];
const STRINGS: [&str; 18] = [
    "",
    "a",
    "\\u0041",
    "\\/",
    "/",
    "\\\"",
    "\\\\",
    "\\u0000",
    "\\ud83d\\ude00",
    "😀",
    "\\ud800",
    "\\uDFFF x",
    "\u{7f}",
    "é",
    "e\u{301}",
    "\u{202e}txt",
    "</script>",
    "\u{feff}\u{2028}",
];
/// None of them has a meaning in OCPP.
const NAMES: [&str; 10] = ["", "a", "A", "x-y", "é", "\\u0061", "\\ud800", "vendor ext", "\\n", "customData"];

/// A generator of texts.
pub(crate) struct Writer {
    random: Rng,
    count: u64,
}

impl Writer {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), count: 0 }
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.random.usize(..end)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn space(&mut self) -> &'static str {
        self.one_of(&SPACE)
    }

    /// A message id that was not used before, as a JSON token.
    pub(crate) fn id(&mut self) -> String {
        self.count += 1;
        let count = self.count;
        match self.below(5) {
            0 => count.to_string(),
            1 => format!("{count}.50"),
            2 => format!("\"{count}-{}\"", self.one_of(&STRINGS)),
            3 => format!("\"{:036}\"", count),
            _ => format!("\"{count}\""),
        }
    }

    /// A number that was not used before and that everybody can hold.
    pub(crate) fn number(&mut self) -> u64 {
        self.count += 1;
        self.count * 61 % 1_000_000_007
    }

    /// A name as a JSON token, perhaps with a letter escaped.
    pub(crate) fn name(&mut self, name: &str) -> String {
        if self.below(4) > 0 {
            return format!("\"{name}\"");
        }
        let at = self.below(name.len());
        format!("\"{}\\u{:04x}{}\"", &name[..at], name.as_bytes()[at], &name[at + 1..])
    }

    /// A text that reads the same however a writer of JSON escapes it.
    pub(crate) fn plain_text(&mut self) -> String {
        format!("\"{}\"", self.one_of(&["", "no", "é 😀", "a/b"]))
    }

    /// A frame of these tokens, with space between them.
    pub(crate) fn frame(&mut self, parts: &[&str]) -> String {
        let mut text = format!("{}[{}", self.space(), self.space());
        for (index, part) in parts.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            text.push_str(&format!("{comma}{}{part}{}", self.space(), self.space()));
        }
        text + "]" + self.space()
    }

    /// An object with these members, in this order, among others. `@` stands for a number that is filled in.
    pub(crate) fn object(&mut self, members: &[(&str, &str)], twice: bool) -> String {
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, token) in members {
            self.others(&mut all, 3, twice);
            all.push((self.name(name), (*token).to_owned()));
        }
        self.others(&mut all, 3, twice);
        self.written(&all)
    }

    fn others(&mut self, all: &mut Vec<(String, String)>, depth: usize, twice: bool) {
        for _ in 0..self.below(3) {
            self.count += 1;
            let name = match twice {
                true => format!("\"{}\"", self.one_of(&NAMES)),
                // Of names that are no text nobody can say that they differ.
                false => format!("\"{}{}\"", self.one_of(&NAMES).replace("\\ud800", "b"), self.count),
            };
            all.push((name, self.value(depth, twice)));
        }
    }

    fn written(&mut self, members: &[(String, String)]) -> String {
        let mut text = String::from("{");
        for (index, (name, value)) in members.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            text.push_str(&format!("{comma}{}{name}{}:{}{value}", self.space(), self.space(), self.space()));
        }
        text + self.space() + "}"
    }

    fn value(&mut self, depth: usize, twice: bool) -> String {
        match self.below(if depth == 0 { 4 } else { 7 }) {
            0 => self.one_of(&NUMBERS).to_owned(),
            1 => self.one_of(&["null", "true", "false"]).to_owned(),
            2 | 3 => format!("\"{}{}\"", self.one_of(&STRINGS), self.one_of(&STRINGS)),
            4 => {
                let items: Vec<String> =
                    (0..self.below(4)).map(|_| self.value(depth - 1, twice) + self.space()).collect();
                format!("[{}{}]", self.space(), items.join(","))
            }
            5 => {
                // Deep, but not deeper than is passed.
                let levels = self.below(40);
                format!("{}{}{}", "[".repeat(levels), self.one_of(&NUMBERS), "]".repeat(levels))
            }
            _ => {
                let mut members = Vec::new();
                self.others(&mut members, depth - 1, twice);
                self.written(&members)
            }
        }
    }
}

/// The text with this number where `@` stands.
pub(crate) fn filled(text: &str, number: &str) -> String {
    text.replace('@', number)
}
