//! Kernels on an NVIDIA card.
#![allow(
    unsafe_code,
    reason = "kernels take addresses: `Kernels` gives each what its source says"
)]

use candle_core::cuda_backend::cudarc::driver::{
    DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg,
};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, DType, Shape, Storage, Tensor};
use half::bf16;

use super::{Launcher, Table, Work};
use crate::error::{Error, Result};

/// What nvcc made of `kernels.cu` (build.rs).
const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// Threads of a warp, and of a block.
const WARP: usize = 32;
const BLOCK: usize = 128;

/// A card.
pub(super) struct Card(pub(super) CudaDevice);

// SAFETY: numbers without padding but at the end, as the struct of that name in kernels.cu.
unsafe impl DeviceRepr for Table {}

fn unknown(dtype: DType) -> Error {
    Error::Misuse(format!("no kernel computes in {dtype:?}"))
}

impl Launcher for Card {
    fn empty(&self, shape: Shape, dtype: DType) -> Result<Tensor> {
        let count = shape.elem_count();
        // SAFETY: whoever asks for it has a kernel write all of it before anything else reads it; numbers of any bits
        // are numbers.
        let storage = unsafe {
            match dtype {
                DType::F32 => {
                    CudaStorage::wrap_cuda_slice(self.0.alloc::<f32>(count)?, self.0.clone())
                }
                DType::BF16 => {
                    CudaStorage::wrap_cuda_slice(self.0.alloc::<bf16>(count)?, self.0.clone())
                }
                _ => return Err(unknown(dtype)),
            }
        };
        Ok(Tensor::from_storage(
            Storage::Cuda(storage),
            shape,
            BackpropOp::none(),
            false,
        ))
    }

    fn address(&self, tensor: &Tensor) -> Result<u64> {
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else {
            return Err(Error::Misuse("a tensor is not on the card".into()));
        };
        if !layout.is_contiguous() {
            return Err(Error::Misuse("a kernel wants a contiguous tensor".into()));
        }
        // One stream, no events: an address is as good as what it belongs to.
        let stream = self.0.cuda_stream();
        let dtype = tensor.dtype();
        let start = match dtype {
            DType::F32 => storage.as_cuda_slice::<f32>()?.device_ptr(&stream).0,
            DType::BF16 => storage.as_cuda_slice::<bf16>()?.device_ptr(&stream).0,
            DType::U32 => storage.as_cuda_slice::<u32>()?.device_ptr(&stream).0,
            _ => return Err(unknown(dtype)),
        };
        Ok(start + (layout.start_offset() * dtype.size_in_bytes()) as u64)
    }

    fn launch(&self, name: &str, work: Work, table: Option<&Table>, cells: &[u64]) -> Result<()> {
        let function = self.0.get_or_load_custom_func(name, "homer", PTX)?;
        let mut builder = function.builder();
        if let Some(table) = table {
            builder.arg(table);
        }
        for cell in cells {
            // What is shorter than 64 bits stands in the first of them.
            builder.arg(cell);
        }
        let threads = match work {
            Work::Items(count) => count,
            Work::Rows(count) => count * WARP,
        };
        let config = LaunchConfig {
            grid_dim: (threads.div_ceil(BLOCK) as u32, 1, 1),
            block_dim: (BLOCK as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the arguments are those that the kernel of that name has, and tensors as large as it takes them to be.
        unsafe { builder.launch(config) }.map_err(candle_core::Error::wrap)?;
        Ok(())
    }
}
