//! The forward pass, and what it leaves for the backward pass.

use candle_core::{D, DType, Tensor};
use candle_nn::ops::softmax_last_dim;

use super::PlainEncoder;
use super::places::Places;
use crate::error::Result;
use crate::nn::dropout::{Mask, Site};
use crate::nn::encoder::Pooling;
use crate::nn::weights::{Layout, Part};

/// What a backward pass needs of its forward pass.
pub(super) struct Tape {
    pub places: Places,
    pub pooling: Pooling,
    pub embedded: EmbeddedTape,
    pub layers: Vec<LayerTape>,
}

/// What is left of the embeddings.
pub(super) struct EmbeddedTape {
    pub norm: NormTape,
    /// Factors of dropout `[T, h]`.
    pub mask: Option<Tensor>,
}

/// What is left of a layer. All but norms and factors of states are of the type of products.
pub(super) struct LayerTape {
    /// What came in `[T, h]`.
    pub rows: Tensor,
    /// Queries, keys and values `[3, n, heads, L, h / heads]`.
    pub split: Tensor,
    /// Attention probabilities before and after dropout `[n, heads, L, L]`, and its zeros and ones.
    pub probabilities: Tensor,
    pub kept: Tensor,
    pub attention_mask: Option<(Tensor, f64)>,
    /// The heads' contexts `[T, h]`.
    pub context: Tensor,
    pub output_mask: Option<Tensor>,
    pub attention_norm: NormTape,
    /// The attention block's output `[T, h]`.
    pub middle: Tensor,
    /// The feed-forward block before and after GELU `[T, f]`.
    pub expanded: Tensor,
    pub wide: Tensor,
    pub contract_mask: Option<Tensor>,
    pub feed_forward_norm: NormTape,
}

/// What is left of a layer norm.
pub(super) struct NormTape {
    /// Rows of mean 0 and deviation 1 `[T, h]`.
    pub unit: Tensor,
    /// What they were divided by `[T, 1]`.
    pub deviation: Tensor,
}

impl PlainEncoder {
    /// The sum of the embeddings, normed `[T, h]`.
    pub(super) fn embed(
        &self,
        places: &Places,
        dropout: Option<u64>,
    ) -> Result<(Tensor, EmbeddedTape)> {
        let rows = |table, ids| -> Result<Tensor> {
            Ok(self.parameters.value(table)?.index_select(ids, 0)?)
        };
        let mut states =
            (rows(Layout::WORDS, &places.ids)? + rows(Layout::POSITIONS, &places.positions)?)?;
        if let Some(types) = self.layout.token_types {
            states = (states + rows(types, &places.types)?)?;
        }
        let (states, norm) = self.norm(&states, self.layout.norm)?;
        let mask = self.mask(dropout, Site::Embeddings, &states)?;
        Ok((masked(states, mask.as_ref())?, EmbeddedTape { norm, mask }))
    }

    /// A layer `[T, h] -> [T, h]`, f32.
    pub(super) fn layer(
        &self,
        layer: usize,
        states: &Tensor,
        places: &Places,
        dropout: Option<u64>,
    ) -> Result<(Tensor, LayerTape)> {
        let part = |part| self.layout.part(layer, part);
        let (heads, width) = (self.config.heads, self.config.head_width());
        let (n, longest, hidden) = (places.n, places.longest, self.config.hidden);

        // Attention within each sequence: the one place where sequences are padded.
        let rows = states.to_dtype(self.compute)?;
        let projected = self.linear(&rows, part(Part::Query), 3)?; // [T, 3h]
        let split = places
            .pad(&projected)?
            .reshape((n, longest, 3, heads, width))?
            .permute((2, 0, 3, 1, 4))?
            .contiguous()?; // [3, n, heads, L, width]
        let [query, key, value] = three(&split)?;
        let scale = 1.0 / (width as f64).sqrt();
        let scores = (query.matmul(&key.t()?)?.to_dtype(DType::F32)? * scale)?; // [n, heads, L, L]
        let scores = match places.is_full() {
            true => scores,
            // exp(-inf) is exactly 0: hidden keys have no weight, and no denormals slow the products.
            false => scores.broadcast_add(&places.hide)?,
        };
        let probabilities = softmax_last_dim(&scores)?.to_dtype(self.compute)?;
        let p = self.config.attention_dropout;
        let attention_mask = match (Mask::new(dropout, Site::Attention(layer), p), &self.masks) {
            (Some(mask), Some(masks)) => {
                let kept = masks.attention(mask, &probabilities, places)?;
                Some((kept, f64::from(mask.scale)))
            }
            _ => None,
        };
        let kept = match &attention_mask {
            Some((mask, _)) => (&probabilities * mask)?,
            None => probabilities.clone(),
        };
        let context = kept.matmul(&value)?; // [n, heads, L, width]
        let context = context.transpose(1, 2)?.reshape((n * longest, hidden))?;
        let mut context = places.pack(&context)?; // [T, h]
        if let Some((_, scale)) = attention_mask {
            context = (context * scale)?;
        }
        let attended = self.linear_f32(&context, part(Part::Output))?;
        let output_mask = self.mask(dropout, Site::AttentionOutput(layer), &attended)?;
        let attended = masked(attended, output_mask.as_ref())?;
        let (middle_states, attention_norm) =
            self.norm(&(states + attended)?, part(Part::AttentionNorm))?;

        let middle = middle_states.to_dtype(self.compute)?;
        let expanded = self.linear(&middle, part(Part::Expand), 1)?; // [T, f]
        let wide = expanded.gelu_erf()?;
        let narrow = self.linear_f32(&wide, part(Part::Contract))?;
        let contract_mask = self.mask(dropout, Site::FeedForwardOutput(layer), &narrow)?;
        let narrow = masked(narrow, contract_mask.as_ref())?;
        let (next, feed_forward_norm) =
            self.norm(&(middle_states + narrow)?, part(Part::FeedForwardNorm))?;
        let tape = LayerTape {
            rows,
            split,
            probabilities,
            kept,
            attention_mask,
            context,
            output_mask,
            attention_norm,
            middle,
            expanded,
            wide,
            contract_mask,
            feed_forward_norm,
        };
        Ok((next, tape))
    }

    /// `x · Wᵀ + b` in the type of products `[T, in] -> [T, out]`, with `count` neighbouring layers in one.
    fn linear(&self, rows: &Tensor, weight: usize, count: usize) -> Result<Tensor> {
        let product = rows.matmul(&self.parameters.rounded(weight, count)?.t()?)?;
        Ok(product.broadcast_add(&self.parameters.rounded(weight + 1, count)?)?)
    }

    /// The same with the bias in f32, where it is added to states.
    fn linear_f32(&self, rows: &Tensor, weight: usize) -> Result<Tensor> {
        let product = rows.matmul(&self.parameters.rounded(weight, 1)?.t()?)?;
        let bias = self.parameters.value(weight + 1)?;
        Ok(product.to_dtype(DType::F32)?.broadcast_add(&bias)?)
    }

    /// Layer norm over the last dimension.
    fn norm(&self, states: &Tensor, weight: usize) -> Result<(Tensor, NormTape)> {
        let centred = states.broadcast_sub(&states.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let deviation = (variance + self.config.norm_epsilon)?.sqrt()?; // [T, 1]
        let unit = centred.broadcast_div(&deviation)?;
        let normed = unit
            .broadcast_mul(&self.parameters.value(weight)?)?
            .broadcast_add(&self.parameters.value(weight + 1)?)?;
        Ok((normed, NormTape { unit, deviation }))
    }

    /// Factors of dropout for states `[T, h]`.
    fn mask(&self, dropout: Option<u64>, site: Site, states: &Tensor) -> Result<Option<Tensor>> {
        match (
            Mask::new(dropout, site, self.config.hidden_dropout),
            &self.masks,
        ) {
            (Some(mask), Some(masks)) => Ok(Some(masks.states(mask, states)?)),
            _ => Ok(None),
        }
    }
}

/// States times their factors of dropout, or as they are.
pub(super) fn masked(states: Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    match mask {
        Some(mask) => Ok((states * mask)?),
        None => Ok(states),
    }
}

/// Queries, keys and values of what holds all three.
pub(super) fn three(split: &Tensor) -> Result<[Tensor; 3]> {
    Ok([split.get(0)?, split.get(1)?, split.get(2)?])
}
