//! From a file to rows: encoding, delimiter, and the row numbers that messages name.

use std::fs;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use encoding_rs::{Encoding, UTF_8};

use super::records::{Records, detect_delimiter};
use crate::error::{Error, IoContext, Remedy, Result, Setting};
use crate::text::mojibake;

/// The encoding that a label names (`windows-1252`, `latin1`, `utf-16le`, `shift_jis`, …).
///
/// # Errors
/// An unknown label; see <https://encoding.spec.whatwg.org/#names-and-labels>.
pub fn encoding(label: &str) -> Result<&'static Encoding> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        Error::setting(
            format!("unknown encoding \"{label}\""),
            "try windows-1252, iso-8859-15, utf-16le, shift_jis or gbk",
        )
    })
}

/// A delimited text file, decoded, its header read.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    delimiter: u8,
    header: Vec<String>,
    repaired: usize,
}

/// A row below the header.
#[derive(Debug)]
pub struct Row<'a> {
    /// 1-based in the file, the header and empty rows counted.
    pub number: u64,
    /// Whether the rows before it, up to the last one given, are empty.
    pub after_empty: bool,
    cells: &'a StringRecord,
}

impl Row<'_> {
    /// The cell of a column, by its place in the header; empty beyond the row's end.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default()
    }
}

impl Source {
    /// Reads and decodes `path`: as `encoding` where given, else by its byte order mark, else as
    /// UTF-8. Comma, tab and semicolon are told apart by the header.
    ///
    /// # Errors
    /// A missing, empty or undecodable file, with what to do.
    pub fn read(path: &Path, encoding: Option<&'static Encoding>) -> Result<Self> {
        if !path.exists() {
            return Err(data(
                path,
                None,
                "no such file",
                "check the path; where none is given, the script in data/ is taken",
            ));
        }
        let bytes = fs::read(path).at("read", path)?;
        let decoded = decode(path, &bytes, encoding)?;
        let (text, repaired) = match mojibake::repair(&decoded) {
            (std::borrow::Cow::Borrowed(_), _) => (decoded, 0),
            (std::borrow::Cow::Owned(text), repaired) => (text, repaired),
        };
        let delimiter = detect_delimiter(&text);
        let mut source = Self {
            path: path.to_path_buf(),
            text,
            delimiter,
            header: Vec::new(),
            repaired,
        };
        let mut records = Records::new(&source.text, delimiter);
        if !records.advance(path)? {
            return Err(data(
                path,
                None,
                "the file is empty",
                "give a CSV with a header row and one line of speech a row",
            ));
        }
        let header = records.cells.iter().map(|name| name.trim().to_owned());
        source.header = header.collect();
        Ok(source)
    }

    /// The file, as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The columns' names, as written.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// How many characters had been mis-decoded once and were put right.
    pub fn repaired(&self) -> usize {
        self.repaired
    }

    /// Hands every row that is not empty to `take`, in order; says how many there were.
    ///
    /// # Errors
    /// A row with more or fewer cells than the header, a quote that is never closed, no row at
    /// all; and what `take` returns.
    pub fn for_each_row(&self, mut take: impl FnMut(Row<'_>) -> Result<()>) -> Result<usize> {
        let mut records = Records::new(&self.text, self.delimiter);
        records.advance(&self.path)?;
        let width = self.header.len();
        let mut after_empty = false;
        let mut rows = 0;
        while records.advance(&self.path)? {
            after_empty |= records.blank_before;
            let cells = &records.cells;
            if cells.iter().all(|cell| cell.trim().is_empty()) {
                after_empty = true;
                continue;
            }
            let spare = cells.iter().skip(width).any(|cell| !cell.trim().is_empty());
            if cells.len() < width || spare {
                return Err(self.ragged(&records));
            }
            if records.is_last() && records.quote_left_open() {
                return Err(data(
                    &self.path,
                    Some(records.number),
                    "a quotation mark is opened and never closed",
                    "close it, or double it (\"\") where it belongs to the text",
                ));
            }
            rows += 1;
            take(Row {
                number: records.number,
                after_empty,
                cells,
            })?;
            after_empty = false;
        }
        if rows == 0 {
            return Err(data(
                &self.path,
                None,
                "there is a header and nothing below it",
                "give a CSV with one line of speech a row",
            ));
        }
        Ok(rows)
    }

    fn ragged(&self, records: &Records<'_>) -> Error {
        let delimiter = match self.delimiter {
            b'\t' => "tab",
            b';' => "semicolon",
            _ => "comma",
        };
        let count = |n: usize| format!("{n} cell{}", if n == 1 { "" } else { "s" });
        data(
            &self.path,
            Some(records.number),
            format!(
                "{} where the header has {}",
                count(records.cells.len()),
                self.header.len()
            ),
            format!(
                "put quotation marks around text that holds a {delimiter}, and close every one"
            ),
        )
    }
}

fn decode(path: &Path, bytes: &[u8], wanted: Option<&'static Encoding>) -> Result<String> {
    let (encoding, mark) = match (Encoding::for_bom(bytes), wanted) {
        (Some((marked, length)), wanted) if wanted.is_none_or(|wanted| wanted == marked) => {
            (marked, length)
        }
        (_, wanted) => (wanted.unwrap_or(UTF_8), 0),
    };
    let bytes = &bytes[mark..];
    if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        if text.contains('\0') {
            return Err(data(
                path,
                None,
                "this is no text file, or its encoding is another",
                Remedy::from("export the sheet as CSV (UTF-8)")
                    .or(Remedy::choose_like(Setting::Encoding, "utf-16le")),
            ));
        }
        return Ok(text.into_owned());
    }
    if encoding != UTF_8 {
        return Err(data(
            path,
            None,
            format!("the text is not valid {}", encoding.name()),
            Remedy::choose([Setting::Encoding]),
        ));
    }
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let before = String::from_utf8_lossy(&bytes[..valid]);
    Err(data(
        path,
        Some(row_at_end(path, &before)?),
        "the text is not valid UTF-8",
        Remedy::from("save the file as UTF-8")
            .or(Remedy::choose_like(Setting::Encoding, "windows-1252")),
    ))
}

/// The number of the row in which `text` breaks off.
fn row_at_end(path: &Path, text: &str) -> Result<u64> {
    // Whatever follows is some character: `x` stands for it.
    let text = format!("{text}x");
    let mut records = Records::new(&text, detect_delimiter(&text));
    while records.advance(path)? {}
    Ok(records.number)
}

/// Whether a file's name says that it is a table.
pub(crate) fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("csv") || extension.eq_ignore_ascii_case("tsv")
    })
}

/// An [`Error::Data`] about `path`.
pub(crate) fn data(
    path: &Path,
    row: Option<u64>,
    what: impl Into<String>,
    remedy: impl Into<Remedy>,
) -> Error {
    Error::Data {
        path: path.to_path_buf(),
        row,
        what: what.into(),
        remedy: remedy.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `number, after_empty, cells` of every row.
    fn rows(bytes: &[u8]) -> Result<Vec<(u64, bool, Vec<String>)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.csv");
        fs::write(&path, bytes).unwrap();
        let source = Source::read(&path, None)?;
        let mut rows = Vec::new();
        source.for_each_row(|row| {
            let cells = row.cells.iter().map(str::to_owned).collect();
            rows.push((row.number, row.after_empty, cells));
            Ok(())
        })?;
        Ok(rows)
    }

    fn message(bytes: &[u8]) -> String {
        rows(bytes).unwrap_err().to_string()
    }

    fn row(number: u64, after_empty: bool, cells: [&str; 2]) -> (u64, bool, Vec<String>) {
        (number, after_empty, cells.map(str::to_owned).to_vec())
    }

    #[test]
    fn empty_rows_of_every_kind_are_seen_and_counted() {
        let expected = vec![
            row(2, false, ["Ada", "one"]),
            row(4, true, ["Bo", "two"]),
            row(6, true, ["Ada", "three"]),
            row(7, false, ["Bo", "four"]),
            row(10, true, ["Ada", "five"]),
        ];
        let text = "who,line\nAda,one\n\nBo,two\n,\nAda,three\nBo,four\n\n  \nAda,five\n\n";
        assert_eq!(rows(text.as_bytes()).unwrap(), expected);
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(rows(crlf.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn delimiters_and_byte_order_marks_are_recognised() {
        let expected = vec![row(2, false, ["Ada", "one, two"])];
        for text in [
            "who,line\nAda,\"one, two\"\n",
            "who\tline\nAda\tone, two\n",
            "who;line\nAda;one, two\n",
            "\u{feff}who,line\nAda,\"one, two\"",
        ] {
            assert_eq!(rows(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
        let wide: Vec<u8> = "\u{feff}who;line\nAda;one, two\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(rows(&wide).unwrap(), expected);
    }

    #[test]
    fn quoted_cells_hold_line_ends_and_quotes() {
        let found = rows(b"who,line\nAda,\"one\n\ntwo \"\"three\"\"\"\nBo,four\n").unwrap();
        assert_eq!(found[0], row(2, false, ["Ada", "one\n\ntwo \"three\""]));
        assert_eq!(found[1], row(3, false, ["Bo", "four"]));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_row() {
        let invalid = message(b"who,line\nAda,one\n\nBo,caf\xe9\n");
        assert!(
            invalid.contains("row 4: the text is not valid UTF-8"),
            "{invalid}"
        );
        let ragged = message(b"who,line\nAda,one\nBo,two, three\n");
        assert!(
            ragged.contains("row 3: 3 cells where the header has 2"),
            "{ragged}"
        );
        let short = message(b"who,line\nAda\n");
        assert!(
            short.contains("row 2: 1 cell where the header has 2"),
            "{short}"
        );
        let open = message(b"who,line\nAda,one\nBo,\"two\nAda,three\n");
        assert!(open.contains("row 3: a quotation mark"), "{open}");
        assert!(message(b"").contains("the file is empty"));
        assert!(message(b"\n\n").contains("the file is empty"));
        assert!(message(b"who,line\n,\n").contains("nothing below it"));
        assert!(message(b"PK\x03\x04\x00\x00,").contains("no text file"));
    }

    #[test]
    fn a_named_encoding_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.csv");
        fs::write(&path, b"who,line\nAda,caf\xe9\n").unwrap();
        let source = Source::read(&path, Some(encoding("latin1").unwrap())).unwrap();
        let check = |row: Row<'_>| {
            assert_eq!(row.cell(1), "café");
            assert_eq!(row.cell(9), "");
            Ok(())
        };
        assert_eq!(source.for_each_row(check).unwrap(), 1);
        assert!(encoding("klingon").is_err());
    }
}
