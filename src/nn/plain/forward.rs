//! The forward pass, and what it leaves for the backward pass.

use candle_core::{DType, Tensor};
use candle_nn::ops::{layer_norm, softmax_last_dim};

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
    /// What the norm took in `[T, h]`, f32.
    pub summed: Tensor,
    /// Factors of dropout `[T, h]`.
    pub mask: Option<Tensor>,
}

/// What is left of a layer. All is of the type of products but what says otherwise, and factors of states.
pub(super) struct LayerTape {
    /// What came in `[T, h]`.
    pub rows: Tensor,
    /// Queries, keys and values `[3, m, heads, L, h / heads]`.
    pub split: Tensor,
    /// Attention probabilities before and after dropout `[m, heads, L, L]`, and its zeros and ones.
    pub probabilities: Tensor,
    pub kept: Tensor,
    pub attention_mask: Option<(Tensor, f64)>,
    /// The heads' contexts `[T, h]`.
    pub context: Tensor,
    pub output_mask: Option<Tensor>,
    /// What the norm took in `[T, h]`, f32.
    pub attended: Tensor,
    /// The attention block's output `[T, h]`.
    pub middle: Tensor,
    /// The feed-forward block before and after GELU `[T, f]`.
    pub expanded: Tensor,
    pub wide: Tensor,
    pub contract_mask: Option<Tensor>,
    /// What the norm took in `[T, h]`, f32.
    pub contracted: Tensor,
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
        let normed = self.norm(&states, self.layout.norm)?;
        let mask = self.mask(dropout, Site::Embeddings, &normed)?;
        let normed = masked(normed, mask.as_ref())?;
        let tape = EmbeddedTape {
            summed: states,
            mask,
        };
        Ok((normed, tape))
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
        let (m, longest, hidden) = (places.m, places.longest, self.config.hidden);

        // Attention within each sequence, in rows of several: the one place where there is padding.
        let rows = states.to_dtype(self.compute)?;
        let projected = self.linear(&rows, part(Part::Query), 3)?; // [T, 3h]
        let split = places
            .pad(&projected)?
            .reshape((m, longest, 3, heads, width))?
            .permute((2, 0, 3, 1, 4))?
            .contiguous()?; // [3, m, heads, L, width]
        let [query, key, value] = three(&split)?;
        let scale = 1.0 / (width as f64).sqrt();
        let scores = (query.matmul(&key.t()?)?.to_dtype(DType::F32)? * scale)?; // [m, heads, L, L]
        let scores = match places.is_full() {
            true => scores,
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
        let context = kept.matmul(&value)?; // [m, heads, L, width]
        let context = context.transpose(1, 2)?.reshape((m * longest, hidden))?;
        let mut context = places.pack(&context)?; // [T, h]
        if let Some((_, scale)) = attention_mask {
            context = (context * scale)?;
        }
        let attended = self.linear_f32(&context, part(Part::Output))?;
        let output_mask = self.mask(dropout, Site::AttentionOutput(layer), &attended)?;
        let attended = (states + masked(attended, output_mask.as_ref())?)?;
        let middle_states = self.norm(&attended, part(Part::AttentionNorm))?;

        let middle = middle_states.to_dtype(self.compute)?;
        let expanded = self.linear(&middle, part(Part::Expand), 1)?; // [T, f]
        let wide = expanded.gelu_erf()?;
        let narrow = self.linear_f32(&wide, part(Part::Contract))?;
        let contract_mask = self.mask(dropout, Site::FeedForwardOutput(layer), &narrow)?;
        let contracted = (middle_states + masked(narrow, contract_mask.as_ref())?)?;
        let next = self.norm(&contracted, part(Part::FeedForwardNorm))?;
        let tape = LayerTape {
            rows,
            split,
            probabilities,
            kept,
            attention_mask,
            context,
            output_mask,
            attended,
            middle,
            expanded,
            wide,
            contract_mask,
            contracted,
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
    fn norm(&self, states: &Tensor, weight: usize) -> Result<Tensor> {
        let (scale, shift) = (
            self.parameters.value(weight)?,
            self.parameters.value(weight + 1)?,
        );
        let epsilon = self.config.norm_epsilon as f32;
        Ok(layer_norm(states, &scale, &shift, epsilon)?)
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
