//! Embedding many sequences with an ear for Ctrl-C.

use std::sync::atomic::AtomicBool;

use crate::error::Result;
use crate::model::bi_encoder::{Embeddings, embed};
use crate::nn::encoder::Encoder;
use crate::nn::packed::Tokens;
use crate::watch::go_on;

/// Sequences embedded between two looks at whether to stop.
const PART: usize = 256;

/// [`embed`], in parts; `progress` is told how many more are done.
///
/// # Errors
/// [`crate::error::Error::Interrupted`] soon after `interrupt` is set, or the encoder fails.
pub fn embed_all(
    encoder: &dyn Encoder,
    sequences: &[Tokens],
    interrupt: &AtomicBool,
    mut progress: impl FnMut(usize),
) -> Result<Embeddings> {
    let mut all = Embeddings {
        width: encoder.config().hidden,
        values: Vec::new(),
    };
    for part in sequences.chunks(PART) {
        go_on(interrupt)?;
        all.values.extend(embed(encoder, part, |_| {})?.values);
        progress(part.len());
    }
    Ok(all)
}
