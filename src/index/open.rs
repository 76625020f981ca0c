//! Reading an index where it lies: the files are mapped, and only what is touched is read.

use std::ops::Range;

use half::f16;
use safetensors::{Dtype, SafeTensors};

use super::manifest::{Manifest, damaged};
use super::search::Hit;
use super::{Entry, MANIFEST, REPLIES, VECTORS, records, search};
use crate::error::Result;
use crate::folder::{Bytes, Folder};

/// An index on disk, mapped.
pub struct Index {
    manifest: Manifest,
    folder: Folder,
    tensors: Bytes,
    vectors: Range<usize>,
    offsets: Range<usize>,
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
        let path = folder.path(VECTORS);
        let tensors = folder.map(VECTORS)?;
        let records = folder.map(REPLIES)?;
        // All of the vectors are read by the first question anyway.
        manifest.check(&folder, VECTORS, &tensors)?;
        manifest.check(&folder, REPLIES, &records)?;
        let (vectors, offsets) =
            locate(&tensors, &manifest).map_err(|what| damaged(&path, &what))?;
        let index = Self {
            manifest,
            tensors,
            vectors,
            offsets,
            records,
            folder,
        };
        let expected = index.offset(index.len());
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

    /// Every row with its vector, in the order in which the vectors stand.
    pub fn rows(&self) -> impl Iterator<Item = (usize, &[f16])> {
        self.vectors().chunks(self.manifest.width).enumerate()
    }

    /// The vectors `[replies, width]`.
    pub(crate) fn vectors(&self) -> &[f16] {
        let vectors = self.tensors.get(self.vectors.clone());
        bytemuck::cast_slice(vectors.unwrap_or_default())
    }

    /// The `k` replies whose vectors have the greatest dot product with `query`, best first.
    ///
    /// # Errors
    /// `query` is of another width.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Vec<Hit>> {
        if query.len() != self.manifest.width {
            let what = format!(
                "vectors of width {}, where the bi-encoder's are of width {}",
                self.manifest.width,
                query.len()
            );
            return Err(damaged(&self.folder.to_path_buf(), &what));
        }
        Ok(search::top_k(query, self.vectors(), k))
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
        let start = usize::try_from(self.offset(row)).ok()?;
        let end = usize::try_from(self.offset(row + 1)).ok()?;
        self.records.get(start..end)
    }

    /// Where the record of a row starts; that of the row after the last is the end of the file.
    fn offset(&self, row: usize) -> u64 {
        let at = self.offsets.start + row * 8;
        let mut bytes = [0; 8];
        if let Some(stored) = self.tensors.get(at..at + 8) {
            bytes.copy_from_slice(stored);
        }
        u64::from_le_bytes(bytes)
    }
}

/// Where in the file the vectors and the offsets stand, if they are what the manifest says.
fn locate(
    file: &[u8],
    manifest: &Manifest,
) -> std::result::Result<(Range<usize>, Range<usize>), String> {
    if manifest.width == 0 {
        return Err("its manifest.json says that vectors have no values".into());
    }
    let ends = manifest.replies.checked_add(1).ok_or("too many replies")?;
    let tensors = SafeTensors::deserialize(file).map_err(|error| error.to_string())?;
    let find = |name: &str, dtype: Dtype, shape: &[usize]| {
        let tensor = tensors.tensor(name).map_err(|error| error.to_string())?;
        if tensor.dtype() != dtype || tensor.shape() != shape {
            return Err(format!(
                "{name} is {:?} {:?}, where {dtype:?} {shape:?} belongs",
                tensor.dtype(),
                tensor.shape()
            ));
        }
        let start = tensor.data().as_ptr() as usize - file.as_ptr() as usize;
        Ok(start..start + tensor.data().len())
    };
    let vectors = find("vectors", Dtype::F16, &[manifest.replies, manifest.width])?;
    let offsets = find("offsets", Dtype::U64, &[ends])?;
    if vectors.start % align_of::<f16>() != 0 {
        return Err("its vectors start at an odd byte".into());
    }
    Ok((vectors, offsets))
}
