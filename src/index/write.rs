//! Writing an index as it comes, row by row: memory does not grow with it.

use std::io::{BufWriter, Write};
use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt;
use safetensors::Dtype;

use super::manifest::{Manifest, Provenance};
use super::stream::{Tensor, TensorFile};
use super::{
    Entry, MANIFEST, PARTS, REPLIES, ROWS, VECTORS, check_own, eight, four, records, tensor,
};
use crate::error::{Error, IoContext, Remedy, Result, Step};
use crate::files::disk::{self, Handle};
use crate::files::{self, NewFolder, Rights};

/// How large an index is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Number of replies.
    pub replies: usize,
    /// Width of a vector.
    pub width: usize,
    /// Whether the vectors are written in four bits too.
    pub coded: bool,
    /// Whether they are written in eight bits instead of sixteen.
    pub eight: bool,
}

/// What an index has of the one before it when it grows.
pub(super) struct Growth<'a> {
    /// The folder of the one before.
    pub folder: &'a Path,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Number of vectors that are new.
    pub new: usize,
    /// Whose each vector is, the new ones last.
    pub rows: Vec<u32>,
}

/// The vector of a reply.
pub(super) enum Vector<'a> {
    /// As it was embedded.
    Embedded(&'a [f32]),
    /// As it stands in the index before.
    Known(&'a [f16]),
    /// Where it is already.
    InPlace,
}

/// Writes an index of a known size beside its place; [`IndexWriter::finish`] puts it there.
pub(super) struct IndexWriter<'a> {
    folder: NewFolder,
    size: Size,
    growth: Option<Growth<'a>>,
    /// None where nothing is new.
    vectors: Option<Vectors>,
    /// Rows written.
    written: usize,
    /// Where the next record starts.
    end: u64,
    offsets: BufWriter<Handle>,
    prints: BufWriter<Handle>,
    records: BufWriter<Handle>,
}

impl<'a> IndexWriter<'a> {
    /// Begins an index that is to be `target`, with these rights.
    ///
    /// # Errors
    /// The folder cannot be written to, or holds what homer did not write.
    pub(super) fn create(
        target: &Path,
        rights: Rights,
        size: Size,
        growth: Option<Growth<'a>>,
    ) -> Result<Self> {
        check_own(target)?;
        let folder = NewFolder::begin(target, rights)?;
        let (vectors, table) = match &growth {
            None => {
                let tensors = Vectors::tensors(size.replies, size, table(size.replies));
                let file = TensorFile::create(folder.path().join(VECTORS), &tensors)?;
                (Some(Vectors::begin(&file, size.replies, size)?), file)
            }
            Some(growth) => (
                grown(folder.path(), size, growth)?,
                rows(folder.path(), size.replies, growth)?,
            ),
        };
        let path = folder.path().join(REPLIES);
        let mut writer = Self {
            size,
            vectors,
            written: 0,
            end: 0,
            offsets: table.tensor(tensor::OFFSETS)?,
            prints: table.tensor(tensor::PRINTS)?,
            records: BufWriter::new(Handle::create(&path).at("create", &path)?),
            growth,
            folder,
        };
        writer.record(&records::COLUMNS).at("write", target)?;
        Ok(writer)
    }

    /// Writes a record, and where the one after it starts.
    fn record(&mut self, cells: &[impl AsRef<[u8]>]) -> std::io::Result<()> {
        let record = records::line(cells)?;
        self.end += record.len() as u64;
        self.records.write_all(&record)?;
        self.offsets.write_all(&self.end.to_le_bytes())
    }

    /// Adds the next reply with the print of what its vector is made of, and the vector.
    ///
    /// # Errors
    /// The vector is of another width or holds what is not a number, or the disk is full.
    ///
    /// # Panics
    /// When more rows or more new vectors come than were announced.
    pub(super) fn push(&mut self, entry: &Entry, print: u64, vector: &Vector<'_>) -> Result<()> {
        assert!(self.written < self.size.replies, "more rows than announced");
        self.written += 1;
        let target = self.folder.target();
        if let Some(vectors) = &mut self.vectors {
            let usable = vectors.push(vector).at("write", target)?;
            if !usable {
                let what = format!(
                    "the bi-encoder gives no usable vector for {:?}: its training has failed",
                    entry.text
                );
                return Err(Error::model(target, what, Remedy::Remake(Step::TrainBi)));
            }
        }
        self.prints
            .write_all(&print.to_le_bytes())
            .and_then(|()| self.record(&records::cells(entry)))
            .at("write", self.folder.target())
    }

    /// Writes the manifest and puts the folder in its place; an index that was there is gone.
    ///
    /// # Errors
    /// Any I/O error; the index that was there is then there still.
    ///
    /// # Panics
    /// When fewer rows or vectors came than were announced.
    pub(super) fn finish(mut self, source: Provenance) -> Result<Manifest> {
        let (size, target) = (self.size, self.folder.target());
        assert_eq!(self.written, size.replies, "fewer rows than announced");
        for file in [&mut self.offsets, &mut self.prints, &mut self.records] {
            file.flush().at("write", target)?;
        }
        if let Some(vectors) = self.vectors.take() {
            vectors.finish().at("write", target)?;
        }
        let parts = self.growth.iter().flat_map(|growth| {
            let kept = growth.manifest.parts().map(|(_, len)| len);
            kept.chain((growth.new > 0).then_some(growth.new))
        });
        let manifest = Manifest::of(
            self.folder.path(),
            size,
            parts.collect(),
            source,
            self.growth.as_ref().map(|growth| growth.manifest),
        )?;
        files::write_json(&self.folder.path().join(MANIFEST), &manifest)?;
        self.folder.put()?;
        Ok(manifest)
    }
}

/// The files of vectors that are there already, and one for what is new.
fn grown(folder: &Path, size: Size, growth: &Growth<'_>) -> Result<Option<Vectors>> {
    let mut names = PARTS.into_iter();
    for ((known, _), name) in growth.manifest.parts().zip(&mut names) {
        let (from, to) = (growth.folder.join(known), folder.join(name));
        disk::link(&from, &to).at("link", &to)?;
    }
    let Some(name) = names.next().filter(|_| growth.new > 0) else {
        return Ok(None);
    };
    let tensors = Vectors::tensors(growth.new, size, Vec::new());
    let file = TensorFile::create(folder.join(name), &tensors)?;
    Vectors::begin(&file, growth.new, size).map(Some)
}

/// The file of the table of an index that grows, and whose each vector is.
fn rows(folder: &Path, replies: usize, growth: &Growth<'_>) -> Result<TensorFile> {
    let mut tensors = table(replies);
    tensors.push(Tensor {
        name: tensor::ROWS,
        dtype: Dtype::U32,
        shape: vec![growth.rows.len()],
    });
    let file = TensorFile::create(folder.join(ROWS), &tensors)?;
    let mut rows = file.tensor(tensor::ROWS)?;
    let written = growth
        .rows
        .iter()
        .try_for_each(|row| rows.write_all(&row.to_le_bytes()));
    written
        .and_then(|()| rows.flush())
        .at("write", file.path())?;
    Ok(file)
}

/// The tensors of the table.
fn table(replies: usize) -> Vec<Tensor> {
    let tensor = |name, len| Tensor {
        name,
        dtype: Dtype::U64,
        shape: vec![len],
    };
    vec![
        tensor(tensor::OFFSETS, replies + 1),
        tensor(tensor::PRINTS, replies),
    ]
}

/// Vectors that are written to a file one after the other.
struct Vectors {
    /// How many are still to come.
    left: usize,
    values: BufWriter<Handle>,
    /// Where they are written in eight bits, what their levels are multiplied by.
    scales: Option<BufWriter<Handle>>,
    /// Levels and steps, where they are written.
    codes: Option<[BufWriter<Handle>; 2]>,
    row: Vec<f16>,
    levels: Vec<u8>,
}

impl Vectors {
    /// The tensors of so many vectors, with others between that take eight bytes a value, so that all begin where
    /// values of their kind may.
    fn tensors(len: usize, size: Size, others: Vec<Tensor>) -> Vec<Tensor> {
        let tensor = |name, dtype, shape| Tensor { name, dtype, shape };
        let codes = vec![len, four::bytes(size.width)];
        let codes = tensor(tensor::CODES, Dtype::U8, codes);
        let steps = tensor(tensor::STEPS, Dtype::F32, vec![len]);
        let dtype = if size.eight { Dtype::I8 } else { Dtype::F16 };
        let scales = tensor(tensor::SCALES, Dtype::F32, vec![len]);
        let mut tensors = vec![tensor(tensor::VECTORS, dtype, vec![len, size.width])];
        tensors.extend(size.coded.then_some(codes));
        tensors.extend(others);
        tensors.extend(size.eight.then_some(scales));
        tensors.extend(size.coded.then_some(steps));
        tensors
    }

    fn begin(file: &TensorFile, left: usize, size: Size) -> Result<Self> {
        let codes = match size.coded {
            true => Some([file.tensor(tensor::CODES)?, file.tensor(tensor::STEPS)?]),
            false => None,
        };
        Ok(Self {
            left,
            values: file.tensor(tensor::VECTORS)?,
            scales: match size.eight {
                true => Some(file.tensor(tensor::SCALES)?),
                false => None,
            },
            codes,
            row: vec![f16::ZERO; size.width],
            levels: vec![0; four::bytes(size.width)],
        })
    }

    /// Writes a vector, unless it is in its place; false where it cannot be used.
    fn push(&mut self, vector: &Vector<'_>) -> std::io::Result<bool> {
        let width = self.row.len();
        match vector {
            Vector::InPlace => return Ok(true),
            Vector::Embedded(values) if values.len() == width => {
                self.row.convert_from_f32_slice(values);
            }
            Vector::Known(values) if values.len() == width => self.row.copy_from_slice(values),
            _ => return Ok(false),
        }
        if !self.row.iter().all(|value| value.is_finite()) {
            return Ok(false);
        }
        assert!(self.left > 0, "more vectors than announced");
        self.left -= 1;
        match &mut self.scales {
            None => self.values.write_all(bytemuck::cast_slice(&self.row))?,
            Some(scales) => {
                let (scale, levels) = eight::encode(&self.row);
                self.values.write_all(bytemuck::cast_slice(&levels))?;
                scales.write_all(&scale.to_le_bytes())?;
            }
        }
        if let Some([codes, steps]) = &mut self.codes {
            let step = four::encode(&self.row, &mut self.levels);
            codes.write_all(&self.levels)?;
            steps.write_all(&step.to_le_bytes())?;
        }
        Ok(true)
    }

    fn finish(mut self) -> std::io::Result<()> {
        assert_eq!(self.left, 0, "fewer vectors than announced");
        let codes = self.codes.iter_mut().flatten();
        for file in codes.chain(&mut self.scales) {
            file.flush()?;
        }
        self.values.flush()
    }
}
