//! Files of named tensors: safetensors, read in place and written.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use candle_core::DType;
use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::error::{Error, IoContext, Remedy, Result, Setting};
use crate::files;
use crate::folder::Bytes;
use crate::nn::int8::{self, Rows};
use crate::nn::weights::Values;
use crate::text::printable::printable;

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
    /// One byte a value of a matrix `NAME [rows, columns]`, and the scales of its rows in a tensor
    /// `NAME.scale [rows]`; four bytes any other value.
    I8,
}

/// What the name of a matrix in eight bits ends with where its scales are.
const SCALE: &str = ".scale";

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
pub(crate) fn parse_safetensors(map: &Bytes, path: &Path) -> Result<Vec<Stored>> {
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
        let is_int8 = |name: &str| metadata.info(name).is_some_and(|i| i.dtype == Dtype::I8);
        if name.strip_suffix(SCALE).is_some_and(is_int8) {
            continue; // It is read with the tensor that it belongs to.
        }
        // Values follow the header and the eight bytes that hold its length.
        let (start, end) = (
            header + 8 + info.data_offsets.0,
            header + 8 + info.data_offsets.1,
        );
        let bytes = map.get(start..end).ok_or_else(|| {
            damaged(format!(
                "{} ends past the end of the file",
                printable(&name)
            ))
        })?;
        let values = match info.dtype {
            Dtype::F32 => Some(in_place(map, start, end, DType::F32)),
            Dtype::F16 => Some(in_place(map, start, end, DType::F16)),
            Dtype::BF16 => Some(in_place(map, start, end, DType::BF16)),
            Dtype::F64 => Some(convert(bytes, rounded)),
            Dtype::I8 => {
                let scales = metadata.info(&format!("{name}{SCALE}"));
                let values = int8(map, header + 8, (&name, info), scales);
                Some(values.map_err(|what| Error::model(path, printable(&what), Remedy::None))?)
            }
            Dtype::BOOL
            | Dtype::U8
            | Dtype::U16
            | Dtype::I16
            | Dtype::U32
            | Dtype::I32
            | Dtype::U64
            | Dtype::I64 => None,
            other => {
                return Err(Error::model(
                    path,
                    format!(
                        "{} is stored as {other}; homer reads F64, F32, F16, BF16 and its own I8",
                        printable(&name)
                    ),
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

/// The f32 nearest to a stored f64.
#[allow(
    clippy::cast_possible_truncation,
    reason = "rounding is what is meant, and what is beyond f32 becomes infinite"
)]
pub(super) fn rounded(bytes: [u8; 8]) -> f32 {
    f64::from_le_bytes(bytes) as f32
}

/// Values where they lie, or a copy where they are not aligned for their type.
#[allow(
    clippy::indexing_slicing,
    reason = "safetensors has looked at the offsets: they are in the file"
)]
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

/// A matrix in eight bits, in a file whose data begin at byte `data`; the error is what is wrong.
fn int8(
    map: &Bytes,
    data: usize,
    (name, matrix): (&str, &TensorInfo),
    scales: Option<&TensorInfo>,
) -> std::result::Result<Values, String> {
    let &[rows, columns] = matrix.shape.as_slice() else {
        let shape = &matrix.shape;
        return Err(format!("{name} is I8 {shape:?}; homer reads I8 matrices"));
    };
    let Some(scales) = scales else {
        return Err(format!(
            "{name} is I8, and {name}{SCALE}, which says what its rows are to be multiplied by, is missing"
        ));
    };
    if scales.dtype != Dtype::F32 || scales.shape != [rows] {
        return Err(format!(
            "{name}{SCALE} is {} {:?} and should be F32 [{rows}]",
            scales.dtype, scales.shape
        ));
    }
    let (start, end) = scales.data_offsets;
    let bytes = map.get(data + start..data + end).unwrap_or_default();
    let scales: Vec<f32> = floats(bytes);
    if !scales.iter().all(|scale| scale.is_finite()) {
        return Err(format!("{name}{SCALE} holds what is no number"));
    }
    Rows::new(map, data + matrix.data_offsets.0, columns, scales)
        .filter(|read| read.len() == rows * columns)
        .map(Values::Int8)
        .ok_or_else(|| format!("{name} ends past the end of the file"))
}

/// A copy of values of `N` bytes each.
pub(super) fn convert<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Values {
    Values::Owned(bytes.as_chunks().0.iter().map(|&b| value(b)).collect())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let values = bytes.as_chunks().0.iter();
    values.map(|&b| f32::from_le_bytes(b)).collect()
}

/// A tensor to be written: name, shape, values.
pub type Named<'a> = (String, Vec<usize>, Cow<'a, [f32]>);

/// Writes tensors as safetensors, the larger types first, in the order of their names: the same
/// tensors give the same bytes, whatever order they come in.
///
/// # Errors
/// The file cannot be written, or a value does not fit in the precision.
pub fn write_safetensors(path: &Path, tensors: &[Named<'_>], precision: Precision) -> Result<()> {
    let mut parts = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let encoded = encode(tensor, precision);
        let remedy = Remedy::choose_like(Setting::Precision, "f32");
        parts.extend(encoded.map_err(|what| Error::model(path, what, remedy))?);
    }
    parts.sort_by(|a, b| (b.data.size(), &a.name).cmp(&(a.data.size(), &b.name)));

    let mut header = Map::new();
    // Python's transformers checks the format, and would take eight bits for what they are not.
    let format = match precision {
        Precision::F32 | Precision::F16 => "pt",
        Precision::I8 => "homer-int8",
    };
    header.insert("__metadata__".into(), json!({"format": format}));
    let mut start = 0;
    for Part { name, shape, data } in &parts {
        let end = start + shape.iter().product::<usize>() * data.size();
        header.insert(
            name.clone(),
            json!({"dtype": data.dtype(), "shape": shape, "data_offsets": [start, end]}),
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
        for part in &parts {
            part.data.write(out).at("write", path)?;
        }
        Ok(())
    })
}

/// A tensor as it is written.
struct Part<'a> {
    name: String,
    shape: Vec<usize>,
    data: Data<'a>,
}

enum Data<'a> {
    F32(Cow<'a, [f32]>),
    F16(Vec<half::f16>),
    I8(Vec<i8>),
}

impl Data<'_> {
    fn dtype(&self) -> &'static str {
        match self {
            Self::F32(_) => "F32",
            Self::F16(_) => "F16",
            Self::I8(_) => "I8",
        }
    }

    /// Bytes a value.
    fn size(&self) -> usize {
        match self {
            Self::F32(_) => 4,
            Self::F16(_) => 2,
            Self::I8(_) => 1,
        }
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Self::F32(values) => values
                .iter()
                .try_for_each(|value| out.write_all(&value.to_le_bytes())),
            Self::F16(values) => values
                .iter()
                .try_for_each(|value| out.write_all(&value.to_le_bytes())),
            Self::I8(values) => values
                .iter()
                .try_for_each(|value| out.write_all(&value.to_le_bytes())),
        }
    }
}

/// A tensor in the form that `precision` gives it; the error is which value does not fit.
fn encode<'a>(
    (name, shape, values): &'a Named<'_>,
    precision: Precision,
) -> std::result::Result<Vec<Part<'a>>, String> {
    let part = |name: String, shape: &[usize], data| Part {
        name,
        shape: shape.to_vec(),
        data,
    };
    let whole = |data| vec![part(name.clone(), shape, data)];
    Ok(match (precision, shape.as_slice()) {
        (Precision::F16, _) => {
            let values = values.iter().map(|&value| half(name, value));
            whole(Data::F16(values.collect::<std::result::Result<_, _>>()?))
        }
        (Precision::I8, &[rows, columns]) => {
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(format!("{name} holds {value}, which eight bits cannot"));
            }
            let (numbers, scales) = int8::quantise(values, columns);
            let scales = Data::F32(Cow::Owned(scales));
            vec![
                part(name.clone(), shape, Data::I8(numbers)),
                part(format!("{name}{SCALE}"), &[rows], scales),
            ]
        }
        (Precision::F32 | Precision::I8, _) => whole(Data::F32(Cow::Borrowed(values.as_ref()))),
    })
}

/// `value` in half precision; one that was finite must stay so.
fn half(name: &str, value: f32) -> std::result::Result<half::f16, String> {
    let half = half::f16::from_f32(value);
    if value.is_finite() && !half.is_finite() {
        return Err(format!("{name} holds {value}, which half precision cannot"));
    }
    Ok(half)
}
