//! Tensors in and out of a model folder.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{Error, IoContext, Result};
use crate::files;

/// How trained weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Four bytes a value.
    #[default]
    F32,
    /// Two bytes a value.
    F16,
}

/// Writes tensors (name, shape, values) as safetensors, in the order of their names: the same
/// tensors give the same bytes, whatever order they come in.
///
/// # Errors
/// The file cannot be written, or a value does not fit in half precision.
pub fn write_safetensors(
    path: &Path,
    tensors: &[(String, Vec<usize>, Cow<'_, [f32]>)],
    precision: Precision,
) -> Result<()> {
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
        return Err(Error::Model {
            path: path.to_path_buf(),
            what: format!(
                "{name} holds {value}, which half precision cannot\n  store it with `--precision f32`"
            ),
        });
    }
    Ok(half)
}
