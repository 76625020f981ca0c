//! The one place that decides where homer computes, and in what.

use candle_core::{DType, Device};

#[cfg(feature = "cuda")]
use super::cuda::{self, Capability, Needs, Release};
use crate::error::{Error, Remedy, Result};

/// Where to compute, and with which implementation of the encoder.
#[derive(Debug, Clone)]
pub enum Compute {
    /// The hand-written encoder, on the CPU.
    Fast,
    /// The encoder in candle operations, on any device.
    Plain {
        /// The device.
        device: Device,
        /// What matrix products are computed in; all else is f32.
        products: DType,
    },
}

impl Compute {
    /// The CPU, or with `gpu` the first GPU of the kind that this build supports.
    ///
    /// # Errors
    /// `gpu` was asked for and the build has no GPU support, or no GPU can be opened: never a
    /// silent fallback.
    pub fn choose(gpu: bool) -> Result<Self> {
        if !gpu {
            return Ok(Self::Fast);
        }
        let (device, products) = open_gpu()?;
        Ok(Self::Plain { device, products })
    }

    /// The device of the tensors that go in and come out.
    pub fn device(&self) -> Device {
        match self {
            Self::Fast => Device::Cpu,
            Self::Plain { device, .. } => device.clone(),
        }
    }
}

/// What single numbers, a loss or a norm, are summed in on a device: f64, which Metal lacks.
pub(crate) fn scalars(device: &Device) -> DType {
    if device.is_metal() {
        DType::F32
    } else {
        DType::F64
    }
}

/// The first NVIDIA card, and what its products are computed in: bf16 where it multiplies that in hardware
/// (Ampere and later), because its range is that of f32, so that gradients need no scaling; else f32. To
/// measure what bf16 costs, the environment's `HOMER_PRODUCTS=f32` asks for f32.
#[cfg(feature = "cuda")]
fn open_gpu() -> Result<(Device, DType)> {
    use candle_core::cuda_backend::cudarc::driver::sys::CUDA_VERSION;
    use candle_core::cuda_backend::kernels::AFFINE;

    let multiplies_bf16 = Capability(8, 0);
    let needs = Needs {
        release: Release(CUDA_VERSION as i32),
        capability: Capability::of_ptx(AFFINE.ptx()).unwrap_or(multiplies_bf16),
    };
    let capability = cuda::look(needs, cuda::installed)?;
    let opened = |source| no_gpu(format!("no CUDA device can be opened: {source}"));
    // One stream, whichever thread computes: what is queued later comes later.
    let device = Device::new_cuda_with_stream(0).map_err(opened)?;
    cuda::without_events(device.as_cuda_device().map_err(opened)?);
    let exact = std::env::var("HOMER_PRODUCTS").is_ok_and(|products| products == "f32");
    let products = match capability >= multiplies_bf16 && !exact {
        true => DType::BF16,
        false => DType::F32,
    };
    Ok((device, products))
}

#[cfg(all(feature = "metal", not(feature = "cuda")))]
fn open_gpu() -> Result<(Device, DType)> {
    let device = Device::new_metal(0)
        .map_err(|source| no_gpu(format!("no Metal device can be opened: {source}")))?;
    Ok((device, DType::F32))
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
fn open_gpu() -> Result<(Device, DType)> {
    Err(Error::Gpu {
        what: "this homer was built without GPU support".into(),
        remedy: Remedy::BuildForGpu,
    })
}

#[cfg(any(feature = "cuda", feature = "metal"))]
fn no_gpu(what: String) -> Error {
    Error::Gpu {
        what,
        remedy: Remedy::None,
    }
}
