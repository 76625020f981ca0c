//! Hugging Face folders: models and tokenizers in and out.
//!
//! - [`folder`]: a model folder as it is opened; [`export`]: as it is written.
//! - [`checkpoint`], [`tensors`], `pickle`: the weights in it, by every name that they go by.
//! - [`tokenizer`]: text to tokens. [`hub`]: folders that are not here yet.
//! - [`testing`]: tiny folders to test with.
#![warn(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![warn(clippy::indexing_slicing, clippy::string_slice)]

pub(crate) mod checkpoint;
mod difference;
pub(crate) mod export;
pub(crate) mod folder;
pub(crate) mod hub;
mod pickle;
pub(crate) mod tensors;
#[doc(hidden)]
pub(crate) mod testing;
pub(crate) mod tokenizer;
