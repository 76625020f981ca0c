//! PyTorch's own files: a zip of a pickled state dict and a file for every storage. Read, never written,
//! and nothing in them is executed.

mod machine;
mod object;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use self::object::{Info, Kind};
use super::tensors::{Stored, convert, rounded};
use crate::error::{Error, IoContext, Result};
use crate::nn::weights::Values;

/// The longest pickle that is read, in bytes: the largest of the families' takes a twentieth.
const LONGEST: u64 = 4 << 20;
/// Values in memory are at most so many times what the file is long: half precision becomes single, and a
/// tensor may be there under two names.
const SHARED: u64 = 4;

type Archive = ZipArchive<BufReader<File>>;

/// Reads a `pytorch_model.bin`; nothing in it is executed.
///
/// # Errors
/// The file cannot be read, is damaged, or was written by a PyTorch older than 1.6.
pub(super) fn read_pickle(path: &Path) -> Result<Vec<Stored>> {
    let wrong = |why: String| {
        Error::model(
            path,
            format!("damaged, or not a state dict in PyTorch's zip format ({why})"),
            "copy it again, or convert it to model.safetensors with Python's safetensors",
        )
    };
    let file = File::open(path).at("read", path)?;
    let length = file.metadata().at("read", path)?.len();
    let archive = ZipArchive::new(BufReader::new(file));
    let mut archive = archive.map_err(|source| wrong(source.to_string()))?;
    state_dict(&mut archive, length).map_err(wrong)
}

/// The tensors in a file of `length` bytes; the error is what is wrong with it.
fn state_dict(archive: &mut Archive, length: u64) -> std::result::Result<Vec<Stored>, String> {
    let mut names = archive.file_names().filter_map(std::result::Result::ok);
    let pickle = names.find(|name| name.ends_with("data.pkl"));
    let pickle = pickle.ok_or("there is no data.pkl in it")?.into_owned();
    drop(names);
    let bytes = read(archive, &pickle, 0, LONGEST + 1)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("its data.pkl has more than {LONGEST} bytes"));
    }
    let folder = pickle.trim_end_matches(".pkl");
    let found = machine::tensors(&bytes)?;
    if found.is_empty() {
        return Err("it holds no tensor".into());
    }
    let mut room = length.saturating_mul(SHARED);
    let mut tensors = Vec::with_capacity(found.len());
    for (name, info) in found {
        let values = match info.kind {
            Kind::Integer => None,
            _ => {
                let read = values(archive, &format!("{folder}/{}", info.key), &info, &mut room);
                Some(read.map_err(|why| format!("{name:?}: {why}"))?)
            }
        };
        tensors.push(Stored {
            name: name.as_ref().into(),
            shape: info.shape.clone(),
            values,
        });
    }
    Ok(tensors)
}

/// As many bytes of a file in the archive, from byte `start` on, as there are of `length`.
fn read(
    archive: &mut Archive,
    name: &str,
    start: u64,
    length: u64,
) -> std::result::Result<Vec<u8>, String> {
    let mut entry = archive.by_name(name).map_err(|e| e.to_string())?;
    let skipped = std::io::copy(&mut entry.by_ref().take(start), &mut std::io::sink());
    skipped.map_err(|e| e.to_string())?;
    // Nothing is reserved by what the archive says: it may be more than there is.
    let mut bytes = Vec::new();
    let read = entry.take(length).read_to_end(&mut bytes);
    read.map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// The values of a tensor, row by row, out of the file of its storage; `room` is how many bytes there
/// may be in memory, and how many there may be after it.
fn values(
    archive: &mut Archive,
    storage: &str,
    info: &Info,
    room: &mut u64,
) -> std::result::Result<Values, String> {
    let size = match info.kind {
        Kind::F64 => 8,
        Kind::F32 => 4,
        Kind::F16 | Kind::BF16 | Kind::Integer => 2,
    };
    let too_large = || "it is larger than the file".to_owned();
    let shape = &info.shape;
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let count = count.ok_or_else(too_large)?;
    let left = room.checked_sub((count as u64).saturating_mul(4));
    *room = left.ok_or_else(too_large)?;
    if count == 0 {
        return Ok(Values::Owned(Vec::new()));
    }
    // The last value's place, and so how many lie between the first and it.
    let steps = shape.iter().zip(&info.strides);
    let last = steps.clone().try_fold(0usize, |last, (&d, &stride)| {
        last.checked_add(d.saturating_sub(1).checked_mul(stride)?)
    });
    let span = last.and_then(|last| last.checked_add(1)?.checked_mul(size));
    let start = info.offset.checked_mul(size);
    let (Some(span), Some(start)) = (span, start) else {
        return Err(too_large());
    };
    let bytes = read(archive, storage, start as u64, span as u64)?;
    if bytes.len() != span {
        return Err("it ends past the end of its storage".into());
    }
    let values = match info.kind {
        Kind::F64 => convert(&bytes, rounded),
        Kind::F32 => convert(&bytes, f32::from_le_bytes),
        Kind::BF16 => convert(&bytes, |b| half::bf16::from_le_bytes(b).to_f32()),
        Kind::F16 | Kind::Integer => convert(&bytes, |b| half::f16::from_le_bytes(b).to_f32()),
    };
    let contiguous = steps.rev().try_fold(1usize, |expected, (&d, &stride)| {
        (d == 1 || stride == expected).then(|| expected.saturating_mul(d))
    });
    if contiguous.is_some() {
        return Ok(values);
    }
    // Row by row, whatever order they lie in: a transposed matrix, most often.
    let values = values.to_f32();
    let place = |mut index: usize| {
        let mut at = 0;
        for (&d, &stride) in info.shape.iter().zip(&info.strides).rev() {
            at += index % d * stride;
            index /= d;
        }
        at
    };
    let gathered = (0..count).map(|index| values.get(place(index)).copied());
    let gathered: Option<Vec<f32>> = gathered.collect();
    gathered.map(Values::Owned).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    /// A file with one tensor of a storage of six floats.
    fn file(offset: u8, shape: [u8; 2], strides: [u8; 2]) -> tempfile::NamedTempFile {
        let mut pickle = b"\x80\x02}X\x01\x00\x00\x00w".to_vec();
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n(");
        pickle.extend(b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n");
        pickle.extend(b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ");
        pickle.extend([b'K', offset]);
        for sizes in [shape, strides] {
            pickle.extend([b'K', sizes[0], b'K', sizes[1], 0x86]);
        }
        pickle.extend(b"\x89NtRs.");
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        zip.start_file("m/data.pkl", stored).unwrap();
        zip.write_all(&pickle).unwrap();
        zip.start_file("m/data/0", stored).unwrap();
        for value in 0..6u8 {
            zip.write_all(&f32::from(value).to_le_bytes()).unwrap();
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&zip.finish().unwrap().into_inner()).unwrap();
        file
    }

    fn read(offset: u8, shape: [u8; 2], strides: [u8; 2]) -> Result<Vec<f32>> {
        let file = file(offset, shape, strides);
        let tensors = read_pickle(file.path())?;
        assert_eq!(tensors[0].name, "w");
        assert_eq!(tensors[0].shape, shape.map(usize::from));
        Ok(tensors[0].values.as_ref().unwrap().to_f32().into_owned())
    }

    #[test]
    fn values_come_row_by_row_however_they_lie() {
        assert_eq!(read(0, [2, 3], [3, 1]).unwrap(), [0., 1., 2., 3., 4., 5.]);
        assert_eq!(read(0, [2, 3], [1, 2]).unwrap(), [0., 2., 4., 1., 3., 5.]);
        assert_eq!(read(2, [1, 2], [9, 1]).unwrap(), [2., 3.]);
        assert_eq!(read(1, [2, 2], [0, 2]).unwrap(), [1., 3., 1., 3.]);
    }

    #[test]
    fn a_tensor_beyond_its_storage_or_larger_than_the_file_is_refused() {
        for (offset, shape, strides) in [
            (1, [2, 3], [3, 1]),
            (0, [2, 3], [9, 1]),
            (255, [1, 1], [1, 1]),
            (0, [255, 255], [0, 0]),
        ] {
            let error = read(offset, shape, strides).unwrap_err().to_string();
            assert!(error.contains("\"w\""), "{error}");
        }
    }
}
