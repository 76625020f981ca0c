//! The shared model module: one encoder, trainable, and the two models that are built on it.

pub mod bi_encoder;
pub mod checkpoint;
pub mod config;
pub mod cross_encoder;
pub mod device;
pub mod dropout;
pub mod encoder;
pub mod export;
pub mod fast;
pub mod folder;
pub mod head;
pub mod hub;
pub mod kernels;
pub mod packed;
mod padding;
pub mod plain;
pub mod query;
pub mod tensors;
#[doc(hidden)]
pub mod testing;
pub mod tokenizer;
pub mod weights;
