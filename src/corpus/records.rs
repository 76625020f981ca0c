//! Records of delimited text, with the row numbers and the blank lines that the csv reader passes
//! over in silence.

use std::path::Path;

use csv::StringRecord;

use crate::error::{IoContext, Result};

/// One record after the other.
pub(super) struct Records<'a> {
    text: &'a [u8],
    reader: csv::Reader<&'a [u8]>,
    /// The present record's.
    pub cells: StringRecord,
    /// Its row, 1-based, blank lines counted.
    pub number: u64,
    /// Whether blank lines stand before it.
    pub blank_before: bool,
    start: usize,
}

impl<'a> Records<'a> {
    /// Before the first record of `text`.
    pub(super) fn new(text: &'a str, delimiter: u8) -> Self {
        Self {
            text: text.as_bytes(),
            reader: csv::ReaderBuilder::new()
                .delimiter(delimiter)
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes()),
            cells: StringRecord::new(),
            number: 0,
            blank_before: false,
            start: 0,
        }
    }

    /// Goes to the next record; `false` at the end.
    pub(super) fn advance(&mut self, path: &Path) -> Result<bool> {
        self.start = self.reader.position().byte() as usize;
        let more = self
            .reader
            .read_record(&mut self.cells)
            .map_err(std::io::Error::from)
            .at("read", path)?;
        if more {
            let blank = self.blank_lines();
            self.blank_before = blank > 0;
            self.number += blank + 1;
        }
        Ok(more)
    }

    /// The line ends that stand before this record, its predecessor's own excepted.
    fn blank_lines(&self) -> u64 {
        let (before, mut rest) = self.text.split_at(self.start.min(self.text.len()));
        if let ([.., b'\r'], [b'\n', after @ ..]) = (before, rest) {
            rest = after;
        }
        let mut count = 0;
        loop {
            rest = match rest {
                [b'\r', b'\n', rest @ ..] | [b'\r' | b'\n', rest @ ..] => rest,
                _ => return count,
            };
            count += 1;
        }
    }

    /// Whether the text ends with this record.
    pub(super) fn is_last(&self) -> bool {
        self.reader.position().byte() as usize >= self.text.len()
    }

    /// The present record as it is written.
    pub(super) fn raw(&self) -> &'a str {
        let end = (self.reader.position().byte() as usize).min(self.text.len());
        let raw = self.text.get(self.start..end).unwrap_or_default();
        // A record ends at line ends, which are characters of their own.
        std::str::from_utf8(raw).unwrap_or_default().trim()
    }

    /// An odd number of quotes over several lines: the rest of the file was taken for one cell.
    pub(super) fn quote_left_open(&self) -> bool {
        let record = self.raw();
        record.contains('\n') && record.matches('"').count() % 2 == 1
    }
}

/// What may stand between cells; of equals, the last.
const DELIMITERS: [u8; 4] = [b'|', b';', b'\t', b','];

/// Records that are looked at.
const SAMPLE: usize = 50;

/// The delimiter that gives the header the most columns; of equals, the one that the rows after it
/// agree with most often.
pub(super) fn detect_delimiter(text: &str) -> u8 {
    let fit = |delimiter: u8| {
        let mut widths = widths(text, delimiter);
        let columns = widths.next().unwrap_or_default();
        (
            columns,
            widths.take(SAMPLE).filter(|n| *n == columns).count(),
        )
    };
    // The last of equals wins.
    DELIMITERS
        .into_iter()
        .max_by_key(|&delimiter| fit(delimiter))
        .unwrap_or(b',')
}

/// Whether some delimiter gives (nearly) all of the first records as many cells as the first.
pub(super) fn looks_like_a_table(text: &str) -> bool {
    DELIMITERS.into_iter().any(|delimiter| {
        let widths: Vec<usize> = widths(text, delimiter).take(SAMPLE).collect();
        let first = widths.first().copied().unwrap_or_default();
        let alike = widths.iter().filter(|n| **n == first).count();
        first > 1 && alike * 5 >= widths.len() * 4
    })
}

fn widths(text: &str, delimiter: u8) -> impl Iterator<Item = usize> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
        .into_records()
        .map_while(std::result::Result::ok)
        .map(|record| record.len())
}
