//! Files of named tensors: safetensors, read in place and written; PyTorch's own, read.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use candle_core::DType;
use candle_core::pickle::PthTensors;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::error::{Error, IoContext, Remedy, Result, Setting};
use crate::files;
use crate::folder::Bytes;
use crate::nn::weights::Values;

/// A tensor as it lies in a file.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values; `None` for integers, which are buffers and not parameters.
    pub values: Option<Values>,
}

/// How trained weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Four bytes a value.
    #[default]
    F32,
    /// Two bytes a value.
    F16,
}

/// Reads a safetensors file, mapped: values are read where they lie, when they are used.
///
/// # Errors
/// The file cannot be read, is damaged or cut short, or holds floats of a type that homer does
/// not know.
pub fn read_safetensors(path: &Path) -> Result<Vec<Stored>> {
    parse_safetensors(&Bytes::map(path)?, path)
}

/// What [`read_safetensors`] makes of the bytes of `path`.
///
/// # Errors
/// As [`read_safetensors`].
pub fn parse_safetensors(map: &Bytes, path: &Path) -> Result<Vec<Stored>> {
    let damaged = |why: String| {
        Error::model(
            path,
            format!("damaged or incomplete ({why})"),
            "copy or download it again from where it came from",
        )
    };
    let (header, metadata) =
        SafeTensors::read_metadata(map).map_err(|source| damaged(source.to_string()))?;
    let mut names = metadata.offset_keys();
    names.sort();
    let mut tensors = Vec::with_capacity(names.len());
    for name in names {
        let Some(info) = metadata.info(&name) else {
            continue;
        };
        // Values follow the header and the eight bytes that hold its length.
        let (start, end) = (
            header + 8 + info.data_offsets.0,
            header + 8 + info.data_offsets.1,
        );
        let bytes = map
            .get(start..end)
            .ok_or_else(|| damaged(format!("{name} ends past the end of the file")))?;
        let values = match info.dtype {
            Dtype::F32 => Some(in_place(map, start, end, DType::F32)),
            Dtype::F16 => Some(in_place(map, start, end, DType::F16)),
            Dtype::BF16 => Some(in_place(map, start, end, DType::BF16)),
            Dtype::F64 => Some(convert(bytes, |b| f64::from_le_bytes(b) as f32)),
            Dtype::BOOL
            | Dtype::U8
            | Dtype::I8
            | Dtype::U16
            | Dtype::I16
            | Dtype::U32
            | Dtype::I32
            | Dtype::U64
            | Dtype::I64 => None,
            other => {
                return Err(Error::model(
                    path,
                    format!("{name} is stored as {other}; homer reads F64, F32, F16 and BF16"),
                    Remedy::None,
                ));
            }
        };
        let shape = info.shape.clone();
        tensors.push(Stored {
            name,
            shape,
            values,
        });
    }
    Ok(tensors)
}

/// Values where they lie, or a copy where they are not aligned for their type.
fn in_place(map: &Bytes, start: usize, end: usize, dtype: DType) -> Values {
    let size = dtype.size_in_bytes();
    if start.is_multiple_of(size) {
        return Values::Mapped {
            map: map.clone(),
            start,
            len: (end - start) / size,
            dtype,
        };
    }
    let bytes = &map[start..end];
    match dtype {
        DType::F32 => convert(bytes, f32::from_le_bytes),
        DType::BF16 => convert(bytes, |b| half::bf16::from_le_bytes(b).to_f32()),
        _ => convert(bytes, |b| half::f16::from_le_bytes(b).to_f32()),
    }
}

/// A copy of values of `N` bytes each.
fn convert<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Values {
    Values::Owned(bytes.as_chunks().0.iter().map(|&b| value(b)).collect())
}

/// Reads a `pytorch_model.bin`; nothing in it is executed.
///
/// # Errors
/// The file cannot be read, is damaged, or was written by a PyTorch older than 1.6.
pub fn read_pickle(path: &Path) -> Result<Vec<Stored>> {
    let wrong = |why: String| {
        Error::model(
            path,
            format!("damaged, or not a state dict in PyTorch's zip format ({why})"),
            "copy it again, or convert it to model.safetensors with Python's safetensors",
        )
    };
    let length = std::fs::metadata(path).at("read", path)?.len();
    let file = PthTensors::new(path, None).map_err(|source| wrong(source.to_string()))?;
    let mut names: Vec<_> = file.tensor_infos().keys().collect();
    names.sort();
    let mut tensors = Vec::with_capacity(names.len());
    for name in names {
        let info = &file.tensor_infos()[name];
        let shape = info.layout.shape().dims().to_vec();
        if info.dtype.is_int() {
            tensors.push(Stored {
                name: name.clone(),
                shape,
                values: None,
            });
            continue;
        }
        let bytes = shape
            .iter()
            .try_fold(info.dtype.size_in_bytes(), |n, &d| n.checked_mul(d));
        if bytes.is_none_or(|bytes| bytes as u64 > length) {
            return Err(wrong(format!("{name} is larger than the file")));
        }
        let values = file
            .get(name)
            .and_then(|tensor| match tensor {
                Some(tensor) => tensor
                    .to_dtype(DType::F32)?
                    .flatten_all()?
                    .to_vec1::<f32>()
                    .map(Some),
                None => Ok(None),
            })
            .map_err(|source| wrong(format!("{name}: {source}")))?;
        tensors.push(Stored {
            name: name.clone(),
            shape,
            values: values.map(Values::Owned),
        });
    }
    if tensors.is_empty() {
        return Err(wrong("it holds no tensor".into()));
    }
    Ok(tensors)
}

/// A tensor to be written: name, shape, values.
pub type Named<'a> = (String, Vec<usize>, Cow<'a, [f32]>);

/// Writes tensors as safetensors, in the order of their names: the same
/// tensors give the same bytes, whatever order they come in.
///
/// # Errors
/// The file cannot be written, or a value does not fit in half precision.
pub fn write_safetensors(path: &Path, tensors: &[Named<'_>], precision: Precision) -> Result<()> {
    let mut tensors: Vec<_> = tensors.iter().collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let (dtype, size) = match precision {
        Precision::F32 => ("F32", 4),
        Precision::F16 => ("F16", 2),
    };
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut start = 0;
    for (name, shape, values) in &tensors {
        let end = start + values.len() * size;
        header.insert(
            name.clone(),
            json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]}),
        );
        start = end;
    }
    let mut header = Value::Object(header).to_string();
    // The values begin at a multiple of 8, so that a mapped file can be read in place.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    files::write_atomic(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())
            .at("write", path)?;
        out.write_all(header.as_bytes()).at("write", path)?;
        for (name, _, values) in &tensors {
            for &value in values.iter() {
                match precision {
                    Precision::F32 => out.write_all(&value.to_le_bytes()),
                    Precision::F16 => out.write_all(&half(name, value, path)?.to_le_bytes()),
                }
                .at("write", path)?;
            }
        }
        Ok(())
    })
}

/// `value` in half precision; one that was finite must stay so.
fn half(name: &str, value: f32, path: &Path) -> Result<half::f16> {
    let half = half::f16::from_f32(value);
    if value.is_finite() && !half.is_finite() {
        return Err(Error::model(
            path,
            format!("{name} holds {value}, which half precision cannot"),
            Remedy::choose_like(Setting::Precision, "f32"),
        ));
    }
    Ok(half)
}
