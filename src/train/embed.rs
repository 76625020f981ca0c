//! Embedding many sequences with an ear for being stopped.

use crate::error::Result;
use crate::model::bi_encoder::{Embeddings, embed};
use crate::nn::encoder::Encoder;
use crate::nn::packed::Tokens;

/// Sequences embedded between two looks at whether to stop.
const PART: usize = 256;

/// [`embed`], in parts; `progress` is told before each part how many sequences are done, and may end
/// it.
///
/// # Errors
/// What `progress` returns, or the encoder fails.
pub(crate) fn embed_all(
    encoder: &dyn Encoder,
    sequences: &[Tokens],
    mut progress: impl FnMut(usize) -> Result<()>,
) -> Result<Embeddings> {
    let mut all = Embeddings {
        width: encoder.config().hidden,
        values: Vec::new(),
    };
    for (number, part) in sequences.chunks(PART).enumerate() {
        progress(number * PART)?;
        all.values.extend(embed(encoder, part, |_| Ok(()))?.values);
    }
    progress(sequences.len())?;
    Ok(all)
}
