//! From a table to rows: delimiter, header, and the row numbers that messages name.

use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::document::{Document, data};
use super::headers::knows;
use super::records::{Records, detect_delimiter};
use super::swallowing::Swallowing;
use crate::error::{Error, Result};

/// A row in so many may not fit the header, and is passed over: more, and the file is another one than
/// was thought.
const BROKEN: usize = 100;

/// A table, its header read.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    body: Body,
    header: Vec<String>,
    headless: bool,
    repaired: usize,
    /// Whether empty rows between rows mean something: where every row has one, they do not.
    empty_rows_count: bool,
    broken: Vec<u64>,
}

/// Where the rows are.
#[derive(Debug)]
enum Body {
    Delimited { text: String, delimiter: u8 },
    Records(Vec<StringRecord>),
}

/// A row below the header.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// 1-based in the file, the header and empty rows counted.
    pub number: u64,
    /// Whether the rows before it, up to the last one given, are empty.
    pub after_empty: bool,
    cells: &'a StringRecord,
}

impl Row<'_> {
    /// The cell of a column, by its place in the header; empty beyond the row's end, and where it holds
    /// what programs write for nothing.
    pub(crate) fn cell(&self, column: usize) -> &str {
        let cell = self.cells.get(column).unwrap_or_default();
        if is_placeholder(cell.trim()) {
            ""
        } else {
            cell
        }
    }
}

/// What programs write where there is nothing.
fn is_placeholder(cell: &str) -> bool {
    matches!(
        cell,
        "NA" | "NaN" | "nan" | "NULL" | "null" | "None" | "N/A" | "#N/A" | "<NA>" | "\\N"
    )
}

impl Source {
    /// The table that is in a document; comma, tab, semicolon and pipe are told apart by the header.
    ///
    /// # Errors
    /// Rows that do not fit, with what to do.
    pub(super) fn of(document: Document) -> Result<Self> {
        let Document {
            path,
            text,
            repaired,
        } = document;
        let delimiter = detect_delimiter(&text);
        let mut records = Records::new(&text, delimiter);
        records.advance(&path)?;
        let header = records.cells.iter().map(|name| name.trim().to_owned());
        let mut source = Self {
            header: header.collect(),
            path,
            body: Body::Delimited { text, delimiter },
            headless: false,
            repaired,
            empty_rows_count: true,
            broken: Vec::new(),
        };
        source.look_for_a_header()?;
        source.survey()?;
        Ok(source)
    }

    /// The table of records that were read.
    pub(super) fn of_records(
        document: Document,
        header: Vec<String>,
        rows: Vec<StringRecord>,
    ) -> Result<Self> {
        if rows.is_empty() || header.is_empty() {
            return Err(data(
                &document.path,
                None,
                "there are no records in it",
                "give an array of records, or a record a line: {\"speaker\": …, \"text\": …}",
            ));
        }
        Ok(Self {
            path: document.path,
            body: Body::Records(rows),
            header,
            headless: false,
            repaired: document.repaired,
            empty_rows_count: true,
            broken: Vec::new(),
        })
    }

    /// The file, as given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The columns' names, as written; of a file without a header `column 1`, `column 2`, …
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// Whether the first row is none.
    pub(crate) fn is_headless(&self) -> bool {
        self.headless
    }

    /// How many characters had been mis-decoded once and were put right.
    pub(crate) fn repaired(&self) -> usize {
        self.repaired
    }

    /// The rows that do not fit the header and are passed over, by number.
    pub(crate) fn broken(&self) -> &[u64] {
        &self.broken
    }

    /// Hands every row that is not empty to `take`, in order; says how many there were.
    ///
    /// # Errors
    /// No row at all; and what `take` returns.
    pub(crate) fn for_each_row(
        &self,
        mut take: impl FnMut(Row<'_>) -> Result<()>,
    ) -> Result<usize> {
        let mut rows = 0;
        self.walk(usize::MAX, |row, _| {
            rows += 1;
            take(row)
        })?;
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

    /// The first rows, their cells by column.
    pub(super) fn sample(&self, most: usize) -> Result<Vec<Vec<String>>> {
        let mut sample = Vec::new();
        self.walk(most, |row, _| {
            let cells = (0..self.header.len()).map(|at| row.cell(at).trim().to_owned());
            sample.push(cells.collect());
            Ok(())
        })?;
        Ok(sample)
    }

    /// Hands (at most the first `most`) rows that are not empty and fit to `take`, with the record that
    /// they are.
    fn walk(
        &self,
        most: usize,
        mut take: impl FnMut(Row<'_>, Option<&Records<'_>>) -> Result<()>,
    ) -> Result<()> {
        let (text, delimiter) = match &self.body {
            Body::Delimited { text, delimiter } => (text, *delimiter),
            Body::Records(rows) => {
                for (at, cells) in rows.iter().take(most).enumerate() {
                    let row = Row {
                        number: at as u64 + 1,
                        after_empty: false,
                        cells,
                    };
                    take(row, None)?;
                }
                return Ok(());
            }
        };
        let mut records = Records::new(text, delimiter);
        if !self.headless {
            records.advance(&self.path)?;
        }
        let mut after_empty = false;
        let mut rows = 0;
        while rows < most && records.advance(&self.path)? {
            after_empty |= records.blank_before;
            let cells = &records.cells;
            if cells.iter().all(|cell| cell.trim().is_empty()) {
                after_empty = true;
                continue;
            }
            if self.broken.binary_search(&records.number).is_ok() {
                continue;
            }
            rows += 1;
            let row = Row {
                number: records.number,
                after_empty: after_empty && self.empty_rows_count,
                cells,
            };
            take(row, Some(&records))?;
            after_empty = false;
        }
        Ok(())
    }

    /// Finds out whether the first row is a header. It is none where no cell is a name that columns
    /// have, and one is a sentence, or comes again in its column.
    fn look_for_a_header(&mut self) -> Result<()> {
        let first = &self.header;
        if first.len() < 2 || first.iter().any(|cell| cell.is_empty() || knows(cell)) {
            return Ok(());
        }
        let sentence = |cell: &String| {
            let words = cell.split_whitespace().count();
            words > 2 && cell.ends_with(['.', '!', '?', '…', '"', '。', '！', '？']) || words > 6
        };
        let rows = self.sample(200)?;
        let again = |(column, cell): (usize, &String)| {
            rows.iter().any(|row| row[column] == *cell) && cell.parse::<f64>().is_err()
        };
        if first.iter().any(sentence) || first.iter().enumerate().any(again) {
            let names = (1..=first.len()).map(|n| format!("column {n}"));
            self.header = names.collect();
            self.headless = true;
        }
        Ok(())
    }

    /// Looks at all rows: what does not fit, and what empty rows mean.
    fn survey(&mut self) -> Result<()> {
        let width = self.header.len();
        let (mut rows, mut after_empty) = (0, 0);
        let mut broken = Vec::new();
        let mut first: Option<(u64, usize)> = None;
        let mut swallowing = Swallowing::new(width);
        self.walk(usize::MAX, |row, records| {
            rows += 1;
            after_empty += usize::from(row.after_empty);
            let cells = row.cells;
            let spare = cells.iter().skip(width).any(|cell| !cell.trim().is_empty());
            let alone = cells.len() == 1 && width > 1;
            if spare || alone {
                broken.push(row.number);
                first = first.or(Some((row.number, cells.len())));
            }
            if let Some(records) = records {
                if records.is_last() && records.quote_left_open() {
                    return Err(data(
                        &self.path,
                        Some(row.number),
                        "a quotation mark is opened and never closed",
                        "close it, or double it (\"\") where it belongs to the text",
                    ));
                }
                swallowing.look(row.number, cells, records.raw(), self.delimiter());
            }
            Ok(())
        })?;
        if let Some((number, swallowed)) = swallowing.found() {
            return Err(data(
                &self.path,
                Some(number),
                format!(
                    "a quotation mark is opened and not closed: {swallowed} rows below it became one cell"
                ),
                "close it, or double it (\"\") where it belongs to the text",
            ));
        }
        if let Some((number, cells)) = first.filter(|_| broken.len() * BROKEN > rows) {
            return Err(self.ragged(number, cells));
        }
        self.broken = broken;
        // One scene a row is no scene.
        self.empty_rows_count = rows < 4 || (after_empty + 1) * 10 < rows * 9;
        Ok(())
    }

    fn delimiter(&self) -> u8 {
        match self.body {
            Body::Delimited { delimiter, .. } => delimiter,
            Body::Records(_) => b',',
        }
    }

    fn ragged(&self, number: u64, cells: usize) -> Error {
        let delimiter = match self.delimiter() {
            b'\t' => "tab",
            b';' => "semicolon",
            b'|' => "pipe",
            _ => "comma",
        };
        let count = |n: usize| format!("{n} cell{}", if n == 1 { "" } else { "s" });
        data(
            &self.path,
            Some(number),
            format!(
                "{} where the header has {}",
                count(cells),
                self.header.len()
            ),
            format!(
                "put quotation marks around text that holds a {delimiter}, and close every one"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::document::encoding;

    /// `number, after_empty, cells` of every row.
    fn rows(bytes: &[u8]) -> Result<Vec<(u64, bool, Vec<String>)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.csv");
        std::fs::write(&path, bytes).unwrap();
        let source = Source::of(Document::read(&path, None)?)?;
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
    fn a_quotation_mark_that_swallows_rows_is_found() {
        let error = message(
            b"who,line\nAda,\"Raining?\nBo,Only on us.\nAda,Hm.\nBo,So \"wet\".\nAda,Yes.\n",
        );
        assert!(
            error.contains("row 2: a quotation mark is opened and not closed: 3 rows"),
            "{error}"
        );
        // A poem is no such thing.
        let sound = b"who,line\nAda,\"Roses, red\nViolets, blue\"\nBo,Hm.\nAda,So.\n";
        assert_eq!(rows(sound).unwrap().len(), 3);
    }

    #[test]
    fn an_empty_row_behind_every_row_means_nothing() {
        let text = "who,line\r\r\nAda,one\r\r\nBo,two\r\r\nAda,three\r\r\nBo,four\r\r\n\x1a";
        let found = rows(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|(_, after_empty, _)| !after_empty));
    }

    #[test]
    fn a_few_rows_that_do_not_fit_are_passed_over() {
        let mut text = String::from("who,line,note\n");
        for n in 0..300 {
            text += &format!("Ada,Line {n}.\n");
        }
        let whole = rows(text.as_bytes()).unwrap();
        assert_eq!(whole.len(), 300);
        text.insert_str(
            text.find("Ada,Line 7.").unwrap(),
            "Bo,Yes, that, too\nand more\n",
        );
        assert_eq!(rows(text.as_bytes()).unwrap()[..7], whole[..7]);
        assert_eq!(rows(text.as_bytes()).unwrap().len(), 300);
    }

    #[test]
    fn a_file_without_a_header_keeps_its_first_row() {
        let found = rows(b"Ada,Tea or soup?\nBo,Soup.\nAda,Now.\n").unwrap();
        assert_eq!(found[0], row(1, false, ["Ada", "Tea or soup?"]));
        let found = rows(b"1;Ada;Tea\n2;Ada;Soup\n").unwrap();
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn what_programs_write_for_nothing_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.csv");
        std::fs::write(&path, "who|line\nNA|NaN\nNULL| \\N \nNone|None.\n").unwrap();
        let mut cells = Vec::new();
        let take = |row: Row<'_>| {
            cells.push((row.cell(0).to_owned(), row.cell(1).to_owned()));
            Ok(())
        };
        Source::of(Document::read(&path, None).unwrap())
            .unwrap()
            .for_each_row(take)
            .unwrap();
        let cell = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(cells, [cell("", ""), cell("", ""), cell("", "None.")]);
    }

    #[test]
    fn a_named_encoding_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.csv");
        std::fs::write(&path, b"who,line\nAda,caf\xe9\n").unwrap();
        let latin1 = encoding("latin1").unwrap();
        let source = Source::of(Document::read(&path, Some(latin1)).unwrap()).unwrap();
        let check = |row: Row<'_>| {
            assert_eq!(row.cell(1), "café");
            assert_eq!(row.cell(9), "");
            Ok(())
        };
        assert_eq!(source.for_each_row(check).unwrap(), 1);
        assert!(encoding("klingon").is_err());
    }
}
