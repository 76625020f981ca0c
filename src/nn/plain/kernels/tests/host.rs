//! Kernels on the host, compiled by the tests.
#![allow(
    unsafe_code,
    reason = "a library that was compiled a moment ago is called"
)]

use std::ffi::c_void;
use std::process::Command;
use std::sync::OnceLock;

use candle_core::{CpuStorage, DType, Device, Shape, Storage, Tensor};
use libloading::Library;

use super::super::{Kernels, Launcher, Table, Work};
use crate::error::Result;

struct Host;

impl Kernels {
    /// The kernels on the host.
    pub(in crate::nn::plain) fn on_host(compute: DType) -> Self {
        Self {
            launcher: Box::new(Host),
            compute,
        }
    }
}

/// The kernels, compiled once.
fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("kernels.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/nn/plain/cuda/kernels.cu");
        let mut compiler = Command::new("c++");
        compiler.args([
            "-std=c++17",
            "-O1",
            "-Wall",
            "-Werror",
            "-shared",
            "-fPIC",
            "-x",
            "c++",
        ]);
        assert!(
            compiler
                .arg(source)
                .arg("-o")
                .arg(&library)
                .status()
                .unwrap()
                .success()
        );
        // SAFETY: nothing runs when it is loaded.
        unsafe { Library::new(library) }.unwrap()
    })
}

impl Launcher for Host {
    fn empty(&self, shape: Shape, dtype: DType) -> Result<Tensor> {
        // Whoever reads what no kernel wrote finds no numbers.
        Ok(Tensor::full(f32::NAN, shape, &Device::Cpu)?.to_dtype(dtype)?)
    }

    fn address(&self, tensor: &Tensor) -> Result<u64> {
        let (storage, layout) = tensor.storage_and_layout();
        assert!(layout.is_contiguous());
        let Storage::Cpu(storage) = &*storage else {
            panic!("a tensor is not on the host");
        };
        let start = match storage {
            CpuStorage::F32(values) => values.as_ptr() as u64,
            CpuStorage::BF16(values) => values.as_ptr() as u64,
            CpuStorage::U32(values) => values.as_ptr() as u64,
            _ => panic!("no kernel takes {:?}", tensor.dtype()),
        };
        Ok(start + (layout.start_offset() * tensor.dtype().size_in_bytes()) as u64)
    }

    fn launch(&self, name: &str, work: Work, table: Option<&Table>, cells: &[u64]) -> Result<()> {
        type Kernel = unsafe extern "C" fn(i64, *mut *const c_void);
        let (Work::Items(count) | Work::Rows(count)) = work;
        let table = table.map(|table| std::ptr::from_ref(table).cast());
        let cells = cells.iter().map(|cell| std::ptr::from_ref(cell).cast());
        let mut arguments: Vec<*const c_void> = table.into_iter().chain(cells).collect();
        let name = format!("{name}_on_host");
        // As many threads as blocks of a card have: some find nothing to do.
        let threads = count.next_multiple_of(128) as i64;
        // SAFETY: declared so in kernels.cu; the arguments are those that a card would get.
        unsafe {
            let kernel = library().get::<Kernel>(name.as_bytes()).unwrap();
            kernel(threads, arguments.as_mut_ptr());
        }
        Ok(())
    }
}
