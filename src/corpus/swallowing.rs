//! Quotation marks that were opened and not closed.

use std::collections::HashMap;

use csv::StringRecord;

/// Cells longer than this are no names.
const SHORT: usize = 40;

/// Looks for cells that hold whole rows, because a quotation mark was opened and not closed: every line
/// in them has as many cells as the header, and short cells that other rows have in the same column.
pub(super) struct Swallowing {
    width: usize,
    /// How often a short cell stands in a column.
    known: HashMap<(usize, String), usize>,
    /// Of suspicious records, the row and its lines' cells.
    suspects: Vec<(u64, Vec<StringRecord>)>,
}

/// Names that are remembered.
const KNOWN: usize = 100_000;

impl Swallowing {
    /// Of a table whose header has `width` cells.
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            known: HashMap::new(),
            suspects: Vec::new(),
        }
    }

    /// Looks at a row, its cells, and how it is written.
    pub(super) fn look(&mut self, number: u64, row: &StringRecord, raw: &str, delimiter: u8) {
        if !raw.contains('\n') {
            self.learn(row);
            return;
        }
        let lines = raw.lines().skip(1).filter(|line| !line.trim().is_empty());
        let cells: Vec<StringRecord> = lines.map(|line| cells(line, delimiter)).collect();
        if self.width > 1 && !cells.is_empty() && cells.iter().all(|row| row.len() == self.width) {
            cells.iter().for_each(|row| self.learn(row));
            self.suspects.push((number, cells));
        }
    }

    fn learn(&mut self, row: &StringRecord) {
        for (column, cell) in row.iter().enumerate() {
            let name = cell.trim();
            if !name.is_empty() && name.len() <= SHORT && self.known.len() < KNOWN {
                *self.known.entry((column, name.to_owned())).or_default() += 1;
            }
        }
    }

    /// The row where the first such cell begins, and how many lines it holds.
    pub(super) fn found(self) -> Option<(u64, usize)> {
        let again = |row: &StringRecord| {
            row.iter().enumerate().any(|(column, cell)| {
                let name = (column, cell.trim().to_owned());
                self.known.get(&name).is_some_and(|times| *times > 1)
            })
        };
        let mut suspects = self.suspects.iter();
        let found = suspects.find(|(_, rows)| rows.iter().all(again));
        found.map(|(number, rows)| (*number, rows.len()))
    }
}

/// The cells of one line.
fn cells(line: &str, delimiter: u8) -> StringRecord {
    let mut record = StringRecord::new();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(line.as_bytes());
    // What cannot be read has no cells.
    let _ = reader.read_record(&mut record);
    record
}
