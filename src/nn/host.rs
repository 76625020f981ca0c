//! The way back from the device, the only one there is.
//!
//! A GPU works on what is queued while the host queues more. Whoever reads a number makes the host wait for
//! all of it, and the GPU then for the host: a training step reads once, when all of it is queued. So that
//! this can be tested, reading is counted.

use std::cell::Cell;

use candle_core::{DType, Device, Tensor};

use crate::error::Result;

thread_local! {
    static READ: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has read from a device.
#[cfg(test)]
pub(crate) fn times_read() -> u64 {
    READ.get()
}

/// All values of a tensor of f32, row by row.
///
/// # Errors
/// A tensor operation fails.
pub(crate) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    READ.set(READ.get() + 1);
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// Single numbers of one type, in one copy.
///
/// # Errors
/// A tensor operation fails.
pub(crate) fn numbers<const N: usize>(numbers: [&Tensor; N]) -> Result<[f64; N]> {
    READ.set(READ.get() + 1);
    let read = Tensor::stack(&numbers, 0)?.to_device(&Device::Cpu)?;
    let read = read.to_dtype(DType::F64)?.to_vec1()?;
    Ok(std::array::from_fn(|i| read[i]))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// What reads a tensor in candle.
    const READS: [&str; 3] = [".to_vec", ".to_scalar", ".to_device("];

    #[test]
    fn nothing_else_reads() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let rooms = ["nn", "model", "train", "distill"].map(|room| source.join(room));
        let mut folders = rooms.to_vec();
        let (mut files, mut readers) = (0, Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // The fast encoder computes on the host.
                let on_host = ["nn/host.rs", "nn/fast", "nn/kernels"]
                    .iter()
                    .any(|part| path.starts_with(source.join(part)));
                if on_host || path.ends_with("tests.rs") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                files += 1;
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                // `to_vec()` copies a slice.
                let code = code.replace(".to_vec()", "");
                if READS.iter().any(|read| code.contains(read)) {
                    readers.push(path);
                }
            }
        }
        assert!(files > 40, "the sources were not found");
        assert!(readers.is_empty(), "{readers:?} read past `nn::host`");
    }
}
