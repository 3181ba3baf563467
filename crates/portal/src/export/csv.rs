//! Lines of a table for spreadsheets, in which nothing that a peer sent is a formula (RFC 4180).

/// Spreadsheets take text that begins with one of these for a formula, also in its wide form.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// One line, with its end. Every cell is quoted.
pub(crate) fn line<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let mut line = String::new();
    for cell in cells {
        if !line.is_empty() {
            line.push(',');
        }
        line.push('"');
        let cell = cell.as_ref();
        if is_formula(cell) {
            line.push('\'');
        }
        line.push_str(&cell.replace('"', "\"\"").replace('\0', "\u{fffd}"));
        line.push('"');
    }
    line + "\r\n"
}

/// Whether a spreadsheet could compute something from it. A plain number is none.
fn is_formula(cell: &str) -> bool {
    let is_blank =
        |character: char| character.is_whitespace() || character.is_control() || character == '\u{feff}';
    let starts = cell.trim_start_matches(is_blank);
    let is_number = cell.parse::<i64>().is_ok();
    !is_number && (starts.starts_with(FORMULA) || cell.starts_with(['\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_formula() {
        let cases = [
            ("plain", "\"plain\"\r\n"),
            ("", "\"\"\r\n"),
            ("-7", "\"-7\"\r\n"),
            ("=1+1", "\"'=1+1\"\r\n"),
            ("+cmd|' /C calc'!A0", "\"'+cmd|' /C calc'!A0\"\r\n"),
            ("-2+3", "\"'-2+3\"\r\n"),
            ("@SUM(A1)", "\"'@SUM(A1)\"\r\n"),
            (" =1", "\"' =1\"\r\n"),
            ("\t=1", "\"'\t=1\"\r\n"),
            ("\r\n=1", "\"'\r\n=1\"\r\n"),
            ("\tx", "\"'\tx\"\r\n"),
            ("\u{feff}=1", "\"'\u{feff}=1\"\r\n"),
            ("＝1", "\"'＝1\"\r\n"),
            ("a\",=b", "\"a\"\",=b\"\r\n"),
            ("a\nb", "\"a\nb\"\r\n"),
            ("a\0b", "\"a\u{fffd}b\"\r\n"),
        ];
        assert_eq!(cases.len(), 16);
        for (cell, expected) in cases {
            assert_eq!(line([cell]), expected, "{cell:?}");
        }
        assert_eq!(line(["a", "=b", "c"]), "\"a\",\"'=b\",\"c\"\r\n");
    }

    #[test]
    fn an_empty_first_cell_keeps_its_place() {
        assert_eq!(line(["", "b"]), "\"\",\"b\"\r\n");
    }
}
