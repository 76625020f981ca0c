//! Reading an index where it lies: the files are mapped, and only what is touched is read.

use half::f16;

use super::manifest::{Manifest, damaged};
use super::part::Part;
use super::search::Hit;
use super::table::Table;
use super::{Entry, MANIFEST, REPLIES, ROWS, VECTORS, records, search};
use crate::error::Result;
use crate::folder::{Bytes, Folder};

/// An index on disk, mapped.
pub struct Index {
    manifest: Manifest,
    folder: Folder,
    parts: Vec<Part>,
    table: Table,
    records: Bytes,
}

impl Index {
    /// Opens the folder that `build-index` wrote; where another index takes its place meanwhile, that one.
    ///
    /// # Errors
    /// [`crate::error::Error::NotMade`] where there is none; [`crate::error::Error::Model`] where the files are damaged, cut
    /// short, of another version or do not fit each other.
    pub fn open(folder: impl Into<Folder>) -> Result<Self> {
        let folder = folder.into();
        folder.steadily(MANIFEST, || Self::open_once(folder.clone()))
    }

    fn open_once(folder: Folder) -> Result<Self> {
        let manifest = Manifest::read(&folder)?;
        // All of it is read, so that what is damaged is known before it is used.
        let map = |name: &str| -> Result<Bytes> {
            let bytes = folder.map(name)?;
            manifest.check(&folder, name, &bytes)?;
            Ok(bytes)
        };
        let wrong = |name: &str, what: String| damaged(&folder.path(name), &what);
        let (mut parts, mut files) = (Vec::new(), Vec::new());
        for (name, len) in manifest.parts() {
            let file = map(name)?;
            files.push(file.clone());
            let part = Part::open(file, len, manifest.width, manifest.is_eight());
            parts.push(part.map_err(|what| wrong(name, what))?);
        }
        // One that has not grown has all of it in its one file.
        let (name, file, slots) = match (manifest.has_grown(), files.pop()) {
            (false, Some(file)) => (VECTORS, file, None),
            _ => (ROWS, map(ROWS)?, Some(parts.iter().map(Part::len).sum())),
        };
        let table = Table::open(file, manifest.replies, slots);
        let index = Self {
            table: table.map_err(|what| wrong(name, what))?,
            records: map(REPLIES)?,
            parts,
            manifest,
            folder,
        };
        let expected = index.table.offset(index.len());
        if expected != index.records.len() as u64 {
            let what = format!("{} bytes, where {expected} belong", index.records.len());
            return Err(damaged(&index.folder.path(REPLIES), &what));
        }
        Ok(index)
    }

    /// What the index says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder that it lies in.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Number of replies.
    pub(crate) fn len(&self) -> usize {
        self.manifest.replies
    }

    /// Whether there is no reply.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether its vectors stand in four bits too, for searches to begin with.
    pub(super) fn is_coded(&self) -> bool {
        self.parts
            .first()
            .is_some_and(|part| part.codes().is_some())
    }

    /// Every row with its vector, in the order in which the vectors stand.
    pub fn rows(&self) -> impl Iterator<Item = (usize, &[f16])> {
        (0..self.slots()).filter_map(|slot| Some((self.table.row(slot)?, self.vector(slot))))
    }

    /// Number of vectors, those that are nobody's any more among them.
    pub(super) fn slots(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// The print of the reply whose vector is in a slot; none where it is nobody's, or the index knows no prints.
    pub(super) fn print(&self, slot: usize) -> Option<u64> {
        self.table.print(self.table.row(slot)?)
    }

    /// The vector in a slot; nothing where there are not so many.
    pub(super) fn vector(&self, slot: usize) -> &[f16] {
        search::vector(&self.parts, slot).unwrap_or_default()
    }

    /// The `k` replies whose vectors have the greatest dot product with `query`, best first; see
    /// [`search::best`].
    ///
    /// # Errors
    /// `query` is of another width, or a score is no number.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Vec<Hit>> {
        if query.len() != self.manifest.width {
            let what = format!(
                "vectors of width {}, where the bi-encoder's are of width {}",
                self.manifest.width,
                query.len()
            );
            return Err(damaged(&self.folder.to_path_buf(), &what));
        }
        let row = |slot| self.table.row(slot);
        let hits = search::best(query, &self.parts, k, row);
        if let Some(none) = hits.first().filter(|best| best.score.is_nan()) {
            let what = format!("the vector of reply {} is no number", none.row + 1);
            return Err(damaged(&self.folder.to_path_buf(), &what));
        }
        Ok(hits)
    }

    /// The reply of a row.
    ///
    /// # Errors
    /// Its record is damaged.
    ///
    /// # Panics
    /// When there is no such row.
    pub(crate) fn entry(&self, row: usize) -> Result<Entry> {
        assert!(row < self.len(), "row {row} of {}", self.len());
        self.record(row)
            .ok_or_else(|| "not where the offsets say".to_owned())
            .and_then(records::parse)
            .map_err(|what| {
                let what = format!("reply {}: {what}", row + 1);
                damaged(&self.folder.path(REPLIES), &what)
            })
    }

    /// The replies of rows, in the order given; quicker than [`Index::entry`] for each.
    ///
    /// # Errors
    /// A record is damaged.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn entries(&self, rows: &[usize]) -> Result<Vec<Entry>> {
        let mut bytes = Vec::new();
        for &row in rows {
            assert!(row < self.len(), "row {row} of {}", self.len());
            bytes.extend_from_slice(self.record(row).unwrap_or_default());
        }
        match records::parse_all(&bytes) {
            Ok(entries) if entries.len() == rows.len() => Ok(entries),
            // One by one says which is damaged.
            _ => rows.iter().map(|&row| self.entry(row)).collect(),
        }
    }

    /// The record of a row, if it is where the offsets say.
    fn record(&self, row: usize) -> Option<&[u8]> {
        let start = usize::try_from(self.table.offset(row)).ok()?;
        let end = usize::try_from(self.table.offset(row + 1)).ok()?;
        self.records.get(start..end)
    }
}
