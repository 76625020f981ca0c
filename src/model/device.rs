//! The one place that decides where homer computes.

use candle_core::Device;

use crate::error::{Error, Result};

/// Where to compute, and with which implementation of the encoder.
#[derive(Debug, Clone)]
pub enum Compute {
    /// The hand-written encoder, on the CPU.
    Fast,
    /// The encoder in candle operations, on any device.
    Plain(Device),
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
        open_gpu().map(Self::Plain)
    }

    /// The device of the tensors that go in and come out.
    pub fn device(&self) -> Device {
        match self {
            Self::Fast => Device::Cpu,
            Self::Plain(device) => device.clone(),
        }
    }
}

#[cfg(feature = "cuda")]
fn open_gpu() -> Result<Device> {
    Device::new_cuda(0)
        .map_err(|source| Error::Setting(format!("--gpu: no CUDA device can be opened: {source}")))
}

#[cfg(all(feature = "metal", not(feature = "cuda")))]
fn open_gpu() -> Result<Device> {
    Device::new_metal(0)
        .map_err(|source| Error::Setting(format!("--gpu: no Metal device can be opened: {source}")))
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
fn open_gpu() -> Result<Device> {
    Err(Error::Setting(
        "--gpu: this homer was built without GPU support\n  \
         build one with `cargo build --release --features cuda` (NVIDIA) or `--features metal` (Apple)"
            .into(),
    ))
}
