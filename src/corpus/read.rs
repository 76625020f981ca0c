//! From a table to rows: delimiter, header, and the row numbers that messages name.

use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::document::{Document, data};
use super::records::{Records, detect_delimiter};
use crate::error::Result;

/// A table, its header read.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    body: Body,
    pub(super) header: Vec<String>,
    pub(super) headless: bool,
    repaired: usize,
    /// Whether empty rows between rows mean something: where every row has one, they do not.
    pub(super) empty_rows_count: bool,
    pub(super) broken: Vec<u64>,
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
    pub(super) cells: &'a StringRecord,
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
    pub(super) fn walk(
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

    pub(super) fn delimiter(&self) -> u8 {
        match self.body {
            Body::Delimited { delimiter, .. } => delimiter,
            Body::Records(_) => b',',
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::corpus::document::encoding;

    /// `number, after_empty, cells` of every row.
    pub(in crate::corpus) fn rows(bytes: &[u8]) -> Result<Vec<(u64, bool, Vec<String>)>> {
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

    pub(in crate::corpus) fn row(
        number: u64,
        after_empty: bool,
        cells: [&str; 2],
    ) -> (u64, bool, Vec<String>) {
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
