//! What the tables write instead of what cannot be read: `«hex ff fe»` for bytes, `«70×{"a":»` for what is
//! repeated; and patterns, in which `*` is any text.

/// The bytes that a line of a table stands for.
///
/// # Panics
/// When it is written wrongly.
pub fn bytes(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('«') {
        bytes.extend(before.as_bytes());
        let (inside, after) = after.split_once('»').unwrap_or_else(|| panic!("no » in {line}"));
        if let Some(hex) = inside.strip_prefix("hex ") {
            bytes.extend(hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("a byte")));
        } else {
            let (times, what) = inside.split_once('×').unwrap_or_else(|| panic!("no × in {line}"));
            bytes.extend(what.as_bytes().repeat(times.parse().expect("how often")));
        }
        rest = after;
    }
    bytes.extend(rest.as_bytes());
    bytes
}

/// Whether a text is what the pattern says.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.split_once(middle) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |end| rest.ends_with(end))
}

/// The cases of a table: title and lines. What stands before the first title is for readers.
pub fn cases(table: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    table
        .split("\n== ")
        .skip(1)
        .map(|case| {
            let (title, rest) = case.split_once('\n').unwrap_or((case, ""));
            (title, rest.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect())
        })
        .collect()
}
