//! Reading an index where it lies: the files are mapped, and only what is touched is read.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::f16;
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use super::search::{self, Hit};
use super::{Entry, FORMAT, Settings, replies_file, settings_file, vectors_file};
use crate::error::{Error, IoContext, Result};
use crate::files;

/// An index on disk, mapped.
pub struct Index {
    settings: Settings,
    folder: PathBuf,
    tensors: Mmap,
    vectors: Range<usize>,
    offsets: Range<usize>,
    lines: Mmap,
}

impl Index {
    /// Opens the folder that `build-index` wrote.
    ///
    /// # Errors
    /// [`Error::NotMade`] where there is none; [`Error::Model`] where the files are damaged, cut
    /// short, of another version or do not fit each other.
    pub fn open(folder: &Path) -> Result<Self> {
        if !settings_file(folder).is_file() {
            return Err(Error::NotMade {
                what: "index",
                path: folder.to_path_buf(),
                command: "homer build-index",
            });
        }
        let path = settings_file(folder);
        let settings: Settings =
            files::read_json(&path).map_err(|error| damaged(&path, error.to_string()))?;
        if settings.format != FORMAT {
            let what = format!(
                "written by another version of homer (format {})",
                settings.format
            );
            return Err(damaged(&path, what));
        }

        let path = vectors_file(folder);
        let tensors = map(&path)?;
        let (vectors, offsets) =
            locate(&tensors, &settings).map_err(|what| damaged(&path, what))?;
        let path = replies_file(folder);
        let index = Self {
            settings,
            folder: folder.to_path_buf(),
            tensors,
            vectors,
            offsets,
            lines: map(&path)?,
        };
        let expected = index.offset(index.len());
        if expected != index.lines.len() as u64 {
            let what = format!("{} bytes, where {expected} belong", index.lines.len());
            return Err(damaged(&path, what));
        }
        Ok(index)
    }

    /// What the index was made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Number of replies.
    pub fn len(&self) -> usize {
        self.settings.replies
    }

    /// Whether there is no reply.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The vectors `[replies, width]`.
    pub fn vectors(&self) -> &[f16] {
        bytemuck::cast_slice(&self.tensors[self.vectors.clone()])
    }

    /// The `k` replies whose vectors have the greatest dot product with `query`, best first.
    ///
    /// # Errors
    /// `query` is of another width.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Vec<Hit>> {
        if query.len() != self.settings.width {
            let what = format!(
                "vectors of width {}, where the bi-encoder's are of width {}",
                self.settings.width,
                query.len()
            );
            return Err(damaged(&self.folder, what));
        }
        Ok(search::top_k(query, self.vectors(), k))
    }

    /// The reply of a row.
    ///
    /// # Errors
    /// The line is damaged.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn entry(&self, row: usize) -> Result<Entry> {
        assert!(row < self.len(), "row {row} of {}", self.len());
        let range = self.offset(row) as usize..self.offset(row + 1) as usize;
        self.lines
            .get(range)
            .ok_or_else(|| "not where the offsets say".to_owned())
            .and_then(|line| serde_json::from_slice(line).map_err(|error| error.to_string()))
            .map_err(|what| {
                let what = format!("line {}: {what}", row + 1);
                damaged(&replies_file(&self.folder), what)
            })
    }

    /// Where line `row` starts.
    fn offset(&self, row: usize) -> u64 {
        let at = self.offsets.start + row * 8;
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.tensors[at..at + 8]);
        u64::from_le_bytes(bytes)
    }
}

/// Where in the file the vectors and the offsets stand, if they are what the settings say.
fn locate(
    file: &[u8],
    settings: &Settings,
) -> std::result::Result<(Range<usize>, Range<usize>), String> {
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
    let vectors = find("vectors", Dtype::F16, &[settings.replies, settings.width])?;
    let offsets = find("offsets", Dtype::U64, &[settings.replies + 1])?;
    if vectors.start % align_of::<f16>() != 0 {
        return Err("its vectors start at an odd byte".into());
    }
    Ok((vectors, offsets))
}

fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).at("read", path)?;
    // SAFETY: homer never writes to an index in place: it is replaced as a whole folder, and a
    // mapped file that was replaced stays as it was until it is closed.
    unsafe { Mmap::map(&file) }.at("map", path)
}

fn damaged(path: &Path, what: String) -> Error {
    Error::Model {
        path: path.to_path_buf(),
        what: format!("{what}\n  make it anew with `homer build-index`"),
    }
}
