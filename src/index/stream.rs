//! A file of safetensors whose sizes are known beforehand: each tensor is written as its values come, all of them
//! side by side.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use serde_json::{Map, json};

use crate::error::{IoContext, Result};
use crate::files::disk::Handle;

/// What is written before it is handed to the disk, in bytes.
const BUFFER: usize = 1 << 16;

/// A tensor that is to be written.
pub(super) struct Tensor {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl Tensor {
    /// Bytes that it takes.
    fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// A file with its head, whose tensors are to be filled.
pub(super) struct TensorFile {
    path: PathBuf,
    /// Where each tensor starts.
    starts: Vec<(&'static str, u64)>,
}

impl TensorFile {
    /// Makes the file. Its tensors stand end to end in the order given, the first at a multiple of 64 bytes.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn create(path: PathBuf, tensors: &[Tensor]) -> Result<Self> {
        let mut head = Map::new();
        let mut starts = Vec::new();
        let mut end = 0;
        for tensor in tensors {
            let start = end;
            end += tensor.bytes();
            starts.push((tensor.name, start as u64));
            let entry = json!({
                "dtype": tensor.dtype,
                "shape": tensor.shape,
                "data_offsets": [start, end],
            });
            head.insert(tensor.name.into(), entry);
        }
        let head = serde_json::Value::from(head).to_string();
        let length = (8 + head.len()).next_multiple_of(64) - 8;
        let mut bytes = (length as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(head.as_bytes());
        bytes.resize(8 + length, b' ');
        for (_, start) in &mut starts {
            *start += bytes.len() as u64;
        }
        let mut file = Handle::create(&path).at("create", &path)?;
        file.write_all(&bytes).at("write", &path)?;
        Ok(Self { path, starts })
    }

    /// What a tensor of the file is filled through, from its start to its end.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn tensor(&self, name: &str) -> Result<BufWriter<Handle>> {
        let place = self.starts.iter().find(|(known, _)| *known == name);
        let start = place.map_or(0, |&(_, start)| start);
        let mut file = Handle::again(&self.path).at("write", &self.path)?;
        file.seek(SeekFrom::Start(start)).at("write", &self.path)?;
        Ok(BufWriter::with_capacity(BUFFER, file))
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
