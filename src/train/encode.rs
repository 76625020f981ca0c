//! Pooled states of many sequences, without gradients.

use std::sync::atomic::AtomicBool;

use candle_core::Tensor;

use super::task::go_on;
use crate::error::Result;
use crate::model::encoder::{Encoder, Pooling};
use crate::model::packed::{Packed, Tokens};

/// Tokens in one call of the encoder.
const BATCH_TOKENS: usize = 4096;

/// Pooled states `[sequences, hidden]`, in the order given, on the encoder's device. Sequences of
/// like length are encoded together.
///
/// # Errors
/// [`crate::error::Error::Interrupted`] soon after `interrupt` is set, or the encoder fails.
pub fn encode_all(
    encoder: &dyn Encoder,
    sequences: &[&Tokens],
    pooling: Pooling,
    interrupt: &AtomicBool,
) -> Result<Tensor> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&i| sequences[i].len());
    let mut parts = Vec::new();
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        go_on(interrupt)?;
        let mut tokens = 0;
        let count = rest
            .iter()
            .take_while(|&&i| {
                tokens += sequences[i].len();
                tokens <= BATCH_TOKENS
            })
            .count()
            .max(1);
        let (batch, after) = rest.split_at(count);
        let packed = Packed::new(batch.iter().map(|&i| sequences[i]));
        parts.push(encoder.encode(&packed, pooling)?);
        rest = after;
    }
    if parts.is_empty() {
        let shape = (0, encoder.config().hidden);
        return Ok(Tensor::zeros(
            shape,
            candle_core::DType::F32,
            encoder.device(),
        )?);
    }
    let mut places = vec![0u32; order.len()];
    for (place, &i) in order.iter().enumerate() {
        places[i] = place as u32;
    }
    let places = Tensor::new(places, encoder.device())?;
    Ok(Tensor::cat(&parts, 0)?.index_select(&places, 0)?)
}
