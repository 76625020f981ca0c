//! The encoder and what it computes with, down to the kernels. Knows tensors, and nothing of files,
//! text or trainings.
//!
//! - [`encoder`]: the one face of both encoders. [`fast`] is written out by hand for the CPU, on
//!   [`kernels`]; [`plain`] is in candle operations, for any device. [`head`]: what scores pairs.
//! - [`config`], [`weights`]: a model's shape, and its values by name; [`int8`]: matrices in a byte a value.
//! - [`packed`]: sequences end to end, without padding, as an encoder takes them.
//! - [`dropout`], [`optimizer`]: what training needs of them. [`device`]: where all that happens;
//!   `cuda`: what that takes on an NVIDIA GPU; [`host`]: the way back from there.

pub(crate) mod config;
// The tests ask it about drivers that they make up.
#[cfg(any(feature = "cuda", all(test, target_os = "linux")))]
mod cuda;
pub(crate) mod device;
pub(crate) mod dropout;
pub(crate) mod encoder;
pub(crate) mod fast;
pub(crate) mod head;
pub(crate) mod host;
pub(crate) mod int8;
pub mod kernels;
pub(crate) mod optimizer;
pub(crate) mod packed;
pub(crate) mod plain;
pub(crate) mod weights;
