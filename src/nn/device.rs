//! The one place that decides where homer computes, and in what.

use candle_core::{DType, Device};

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
        let device = open_gpu()?;
        Ok(Self::Plain {
            products: products(&device)?,
            device,
        })
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

/// bf16 where the GPU multiplies it in hardware (Ampere and later): its range is that of f32, so
/// that gradients need no scaling. On older ones, f32.
#[cfg(feature = "cuda")]
fn products(device: &Device) -> Result<DType> {
    let (major, _) = device
        .as_cuda_device()?
        .cuda_stream()
        .context()
        .compute_capability()
        .map_err(|source| no_gpu(format!("the device says no version: {source}")))?;
    Ok(if major >= 8 { DType::BF16 } else { DType::F32 })
}

#[cfg(not(feature = "cuda"))]
fn products(_: &Device) -> Result<DType> {
    Ok(DType::F32)
}

#[cfg(feature = "cuda")]
fn open_gpu() -> Result<Device> {
    Device::new_cuda(0).map_err(|source| no_gpu(format!("no CUDA device can be opened: {source}")))
}

#[cfg(all(feature = "metal", not(feature = "cuda")))]
fn open_gpu() -> Result<Device> {
    Device::new_metal(0)
        .map_err(|source| no_gpu(format!("no Metal device can be opened: {source}")))
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
fn open_gpu() -> Result<Device> {
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
