//! A first look at a table: whether it has a header, which rows do not fit, and what empty rows mean.

use super::document::data;
use super::headers::knows;
use super::read::Source;
use super::swallowing::Swallowing;
use crate::error::{Error, Result};

/// A row in so many may not fit the header, and is passed over: more, and the file is another one than
/// was thought.
const BROKEN: usize = 100;

impl Source {
    /// Finds out whether the first row is a header. It is none where no cell is a name that columns
    /// have, and one is a sentence, or comes again in its column.
    pub(super) fn look_for_a_header(&mut self) -> Result<()> {
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
            rows.iter().any(|row| row.get(column) == Some(cell)) && cell.parse::<f64>().is_err()
        };
        if first.iter().any(sentence) || first.iter().enumerate().any(again) {
            let names = (1..=first.len()).map(|n| format!("column {n}"));
            self.header = names.collect();
            self.headless = true;
        }
        Ok(())
    }

    /// Looks at all rows: what does not fit, and what empty rows mean.
    pub(super) fn survey(&mut self) -> Result<()> {
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
                        self.path(),
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
                self.path(),
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

    fn ragged(&self, number: u64, cells: usize) -> Error {
        let delimiter = match self.delimiter() {
            b'\t' => "tab",
            b';' => "semicolon",
            b'|' => "pipe",
            _ => "comma",
        };
        let count = |n: usize| format!("{n} cell{}", if n == 1 { "" } else { "s" });
        data(
            self.path(),
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
    use super::super::read::tests::{row, rows};

    fn message(bytes: &[u8]) -> String {
        rows(bytes).unwrap_err().to_string()
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
}
