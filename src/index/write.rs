//! Writing an index as it comes, row by row: memory does not grow with it.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::manifest::{Manifest, Provenance};
use super::{Entry, MANIFEST, OWN, REPLIES, VECTORS, records};
use crate::error::{Error, IoContext, Remedy, Result, Step};
use crate::files::disk::Handle;
use crate::files::{self, NewFolder, Rights};

/// Writes an index of a known size beside its place; [`IndexWriter::finish`] puts it there.
pub(crate) struct IndexWriter {
    folder: NewFolder,
    replies: usize,
    width: usize,
    written: usize,
    row: Vec<f16>,
    /// Where the next record starts.
    end: u64,
    vectors: BufWriter<Handle>,
    offsets: BufWriter<Handle>,
    records: BufWriter<Handle>,
}

impl IndexWriter {
    /// Begins an index of `replies` rows of `width` values that is to be `target`, with these rights.
    ///
    /// # Errors
    /// The folder cannot be written to, or holds what homer did not write.
    pub(crate) fn create(
        target: &Path,
        rights: Rights,
        replies: usize,
        width: usize,
    ) -> Result<Self> {
        files::check_own(target, &OWN)?;
        let folder = NewFolder::begin(target, rights)?;
        let header = header(replies, width);
        let path = folder.path().join(VECTORS);
        let mut vectors = Handle::create(&path).at("create", &path)?;
        vectors.write_all(&header).at("write", &path)?;
        // The offsets stand behind the vectors, and are written at the same time.
        let mut offsets = Handle::again(&path).at("write", &path)?;
        let offsets_start = (header.len() + replies * width * 2) as u64;
        offsets
            .seek(SeekFrom::Start(offsets_start))
            .at("write", &path)?;
        let path = folder.path().join(REPLIES);
        let mut writer = Self {
            replies,
            width,
            written: 0,
            row: vec![f16::ZERO; width],
            end: 0,
            vectors: BufWriter::with_capacity(1 << 18, vectors),
            offsets: BufWriter::new(offsets),
            records: BufWriter::new(Handle::create(&path).at("create", &path)?),
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

    /// Adds the next reply with its vector.
    ///
    /// # Errors
    /// The vector is of another width or holds what is not a number, or the disk is full.
    ///
    /// # Panics
    /// When more rows come than were announced.
    pub(crate) fn push(&mut self, entry: &Entry, vector: &[f32]) -> Result<()> {
        assert!(self.written < self.replies, "more rows than announced");
        if vector.len() != self.width || !vector.iter().all(|value| value.is_finite()) {
            let what = format!(
                "the bi-encoder gives no usable vector for {:?}: its training has failed",
                entry.text
            );
            return Err(Error::model(
                self.folder.target(),
                what,
                Remedy::Remake(Step::TrainBi),
            ));
        }
        self.row.convert_from_f32_slice(vector);
        self.written += 1;
        self.vectors
            .write_all(bytemuck::cast_slice(&self.row))
            .and_then(|()| self.record(&records::cells(entry)))
            .at("write", self.folder.target())
    }

    /// Writes the manifest and puts the folder in its place; an index that was there is gone.
    ///
    /// # Errors
    /// Any I/O error; the index that was there is then there still.
    ///
    /// # Panics
    /// When fewer rows came than were announced.
    pub(crate) fn finish(mut self, source: Provenance) -> Result<Manifest> {
        assert_eq!(self.written, self.replies, "fewer rows than announced");
        for file in [&mut self.vectors, &mut self.offsets, &mut self.records] {
            file.flush().at("write", self.folder.target())?;
        }
        let folder = self.folder.path();
        let manifest = Manifest::of(folder, self.replies, self.width, source)?;
        files::write_json(&folder.join(MANIFEST), &manifest)?;
        self.folder.put()?;
        Ok(manifest)
    }
}

/// The head of `vectors.safetensors`: a length, then JSON, filled up so that the vectors start at
/// a multiple of 64 bytes.
fn header(replies: usize, width: usize) -> Vec<u8> {
    let vectors = replies * width * 2;
    let json = serde_json::json!({
        "vectors": {"dtype": "F16", "shape": [replies, width], "data_offsets": [0, vectors]},
        "offsets": {
            "dtype": "U64",
            "shape": [replies + 1],
            "data_offsets": [vectors, vectors + (replies + 1) * 8],
        },
    })
    .to_string();
    let length = (8 + json.len()).next_multiple_of(64) - 8;
    let mut header = (length as u64).to_le_bytes().to_vec();
    header.extend_from_slice(json.as_bytes());
    header.resize(8 + length, b' ');
    header
}
