//! A file of vectors where it lies.

use std::ops::Range;

use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::eight;
use super::four::{self, Codes};
use super::tensor::{CODES, SCALES, STEPS, VECTORS};
use crate::folder::Bytes;

/// Vectors, mapped or read, and what they are in four bits, if that stands beside them.
pub(super) struct Part {
    file: Bytes,
    len: usize,
    width: usize,
    vectors: Vectors,
    /// Levels and steps.
    codes: Option<[Range<usize>; 2]>,
}

/// Where vectors are.
enum Vectors {
    /// In the file.
    Mapped(Range<usize>),
    /// In memory: those that the file holds in eight bits.
    Read(Vec<f16>),
}

impl Part {
    /// The file of `len` vectors of `width` values, in eight bits or in sixteen.
    ///
    /// # Errors
    /// It holds something else: what, in words.
    pub(super) fn open(file: Bytes, len: usize, width: usize, eight: bool) -> Result<Self, String> {
        if width == 0 {
            return Err("its manifest.json says that vectors have no values".into());
        }
        let tensors = tensors(&file)?;
        let vectors = match eight {
            true => {
                let levels = find(&file, &tensors, VECTORS, Dtype::I8, &[len, width])?;
                let scales = find(&file, &tensors, SCALES, Dtype::F32, &[len])?;
                let bytes = |range: Range<usize>| file.get(range).unwrap_or_default();
                let levels = bytemuck::cast_slice(bytes(levels));
                Vectors::Read(eight::decode(levels, bytes(scales), width)?)
            }
            false => {
                let vectors = find(&file, &tensors, VECTORS, Dtype::F16, &[len, width])?;
                if vectors.start % align_of::<f16>() != 0 {
                    return Err("its vectors start at an odd byte".into());
                }
                Vectors::Mapped(vectors)
            }
        };
        let codes = match tensors.tensor(CODES) {
            Ok(_) if four::fits(width) => {
                let levels = find(
                    &file,
                    &tensors,
                    CODES,
                    Dtype::U8,
                    &[len, four::bytes(width)],
                )?;
                let steps = find(&file, &tensors, STEPS, Dtype::F32, &[len])?;
                if steps.start % align_of::<f32>() != 0 {
                    return Err("its steps start between two values".into());
                }
                let each: &[f32] =
                    bytemuck::cast_slice(file.get(steps.clone()).unwrap_or_default());
                if !each.iter().all(|step| step.is_finite()) {
                    return Err("a step of its levels is no number".into());
                }
                Some([levels, steps])
            }
            _ => None,
        };
        Ok(Self {
            len,
            width,
            vectors,
            codes,
            file,
        })
    }

    /// Number of vectors.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The vectors `[len, width]`.
    pub(super) fn vectors(&self) -> &[f16] {
        match &self.vectors {
            Vectors::Mapped(range) => bytemuck::cast_slice(self.bytes(range)),
            Vectors::Read(values) => values,
        }
    }

    /// A vector; nothing where there are not so many.
    pub(super) fn vector(&self, slot: usize) -> &[f16] {
        let start = slot * self.width;
        let vector = self.vectors().get(start..start + self.width);
        vector.unwrap_or_default()
    }

    /// The vectors in four bits.
    pub(super) fn codes(&self) -> Option<Codes<'_>> {
        let [levels, steps] = self.codes.as_ref()?;
        Some(Codes {
            levels: self.bytes(levels),
            steps: bytemuck::cast_slice(self.bytes(steps)),
        })
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.file.get(range.clone()).unwrap_or_default()
    }
}

/// The tensors of a file.
///
/// # Errors
/// It is no file of tensors.
pub(super) fn tensors(file: &[u8]) -> Result<SafeTensors<'_>, String> {
    SafeTensors::deserialize(file).map_err(|error| error.to_string())
}

/// Where in its file a tensor stands.
///
/// # Errors
/// There is none of that name, or it is another.
pub(super) fn find(
    file: &[u8],
    tensors: &SafeTensors<'_>,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<Range<usize>, String> {
    let tensor: TensorView<'_> = tensors.tensor(name).map_err(|error| error.to_string())?;
    if tensor.dtype() != dtype || tensor.shape() != shape {
        return Err(format!(
            "{name} is {:?} {:?}, where {dtype:?} {shape:?} belongs",
            tensor.dtype(),
            tensor.shape()
        ));
    }
    let start = tensor.data().as_ptr() as usize - file.as_ptr() as usize;
    Ok(start..start + tensor.data().len())
}
