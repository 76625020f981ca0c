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

/// States of tokens `[T, h]`.
pub(super) struct States {
    /// In f32.
    pub exact: Tensor,
    /// In the type of products.
    pub rounded: Tensor,
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
    ) -> Result<(States, EmbeddedTape)> {
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
        let exact = masked(normed, mask.as_ref())?;
        let rounded = exact.to_dtype(self.compute)?;
        let tape = EmbeddedTape {
            summed: states,
            mask,
        };
        Ok((States { exact, rounded }, tape))
    }

    /// A layer `[T, h] -> [T, h]`.
    pub(super) fn layer(
        &self,
        layer: usize,
        States {
            exact: states,
            rounded: rows,
        }: States,
        places: &Places,
        dropout: Option<u64>,
    ) -> Result<(States, LayerTape)> {
        let part = |part| self.layout.part(layer, part);
        // Attention within each sequence, in rows of several: the one place where there is padding.
        let split = self.split(&rows, part(Part::Query), places)?; // [3, m, heads, L, width]
        let [query, key, value] = three(&split)?;
        let scores = query.matmul(&key.t()?)?; // [m, heads, L, L]
        let p = self.config.attention_dropout;
        let attention_mask = match (Mask::new(dropout, Site::Attention(layer), p), &self.masks) {
            (Some(mask), Some(masks)) => {
                let kept = masks.attention(mask, &scores, places)?;
                Some((kept, f64::from(mask.scale)))
            }
            _ => None,
        };
        let mask = attention_mask.as_ref().map(|(mask, _)| mask);
        let (probabilities, kept) = self.probabilities(&scores, mask, places)?;
        let context = kept.matmul(&value)?; // [m, heads, L, width]
        let scale = attention_mask.as_ref().map_or(1.0, |(_, scale)| *scale);
        let context = self.join(&context, scale, places)?; // [T, h]
        let output_mask = self.mask(dropout, Site::AttentionOutput(layer), &states)?;
        let (output, norm) = (part(Part::Output), part(Part::AttentionNorm));
        let (attended, middle) =
            self.add_and_norm(&context, output, output_mask.as_ref(), &states, norm)?;

        let (expanded, wide) = self.expand(&middle.rounded, part(Part::Expand))?; // [T, f]
        let contract_mask = self.mask(dropout, Site::FeedForwardOutput(layer), &states)?;
        let (contract, norm) = (part(Part::Contract), part(Part::FeedForwardNorm));
        let (contracted, next) =
            self.add_and_norm(&wide, contract, contract_mask.as_ref(), &middle.exact, norm)?;
        let tape = LayerTape {
            rows,
            split,
            probabilities,
            kept,
            attention_mask,
            context,
            output_mask,
            attended,
            middle: middle.rounded,
            expanded,
            wide,
            contract_mask,
            contracted,
        };
        Ok((next, tape))
    }

    /// Queries, keys and values of the heads `[T, h] -> [3, m, heads, L, width]`.
    fn split(&self, rows: &Tensor, weight: usize, places: &Places) -> Result<Tensor> {
        let (heads, width) = (self.config.heads, self.config.head_width());
        let product = self.product(rows, weight, 3)?; // [T, 3h]
        let bias = self.parameters.rounded(weight + 1, 3)?;
        if let Some(kernels) = &self.kernels {
            return kernels.to_rows(&product, Some(&bias), places, [3, heads, width], 1.0);
        }
        let projected = places.pad(&product.broadcast_add(&bias)?)?;
        let apart = projected.reshape((places.m, places.longest, 3, heads, width))?;
        Ok(apart.permute((2, 0, 3, 1, 4))?.contiguous()?)
    }

    /// Attention probabilities of scores `[m, heads, L, L]`, before and after dropout.
    fn probabilities(
        &self,
        scores: &Tensor,
        mask: Option<&Tensor>,
        places: &Places,
    ) -> Result<(Tensor, Tensor)> {
        let scale = self.score_scale();
        if let Some(kernels) = &self.kernels {
            return kernels.softmax(scores, &places.owners, mask, scale);
        }
        let scores = (scores.to_dtype(DType::F32)? * scale)?;
        let scores = match places.is_full() {
            true => scores,
            false => scores.broadcast_add(places.hide()?)?,
        };
        let probabilities = softmax_last_dim(&scores)?.to_dtype(self.compute)?;
        let kept = match mask {
            Some(mask) => (&probabilities * mask)?,
            None => probabilities.clone(),
        };
        Ok((probabilities, kept))
    }

    /// What scores are multiplied by.
    pub(super) fn score_scale(&self) -> f64 {
        1.0 / (self.config.head_width() as f64).sqrt()
    }

    /// The heads' contexts of each token, times `scale` `[m, heads, L, width] -> [T, h]`.
    fn join(&self, context: &Tensor, scale: f64, places: &Places) -> Result<Tensor> {
        if let Some(kernels) = &self.kernels {
            return kernels.to_tokens([context], places, scale);
        }
        let rows = (places.m * places.longest, self.config.hidden);
        let context = places.pack(&context.transpose(1, 2)?.reshape(rows)?)?;
        match scale == 1.0 {
            true => Ok(context),
            false => Ok((context * scale)?),
        }
    }

    /// A linear layer, dropped and added to states `[T, h]`; that sum, and its layer norm.
    fn add_and_norm(
        &self,
        rows: &Tensor,
        weight: usize,
        mask: Option<&Tensor>,
        states: &Tensor,
        norm: usize,
    ) -> Result<(Tensor, States)> {
        let product = self.product(rows, weight, 1)?; // [T, h]
        let bias = self.parameters.value(weight + 1)?;
        if let Some(kernels) = &self.kernels {
            let [scale, shift] = [norm, norm + 1].map(|i| self.parameters.value(i));
            let epsilon = self.config.norm_epsilon;
            let [summed, exact, rounded] =
                kernels.residual_norm(&product, &bias, mask, states, &scale?, &shift?, epsilon)?;
            return Ok((summed, States { exact, rounded }));
        }
        let narrow = product.to_dtype(DType::F32)?.broadcast_add(&bias)?;
        let summed = (states + masked(narrow, mask)?)?;
        let exact = self.norm(&summed, norm)?;
        let rounded = exact.to_dtype(self.compute)?;
        Ok((summed, States { exact, rounded }))
    }

    /// A linear layer and GELU of it `[T, h] -> [T, f]`, both.
    fn expand(&self, rows: &Tensor, weight: usize) -> Result<(Tensor, Tensor)> {
        let product = self.product(rows, weight, 1)?;
        let bias = self.parameters.rounded(weight + 1, 1)?;
        if let Some(kernels) = &self.kernels {
            return kernels.gelu(&product, &bias);
        }
        let expanded = product.broadcast_add(&bias)?;
        let wide = expanded.gelu_erf()?;
        Ok((expanded, wide))
    }

    /// `x · Wᵀ` in the type of products `[T, in] -> [T, out]`, with `count` neighbouring layers in one.
    fn product(&self, rows: &Tensor, weight: usize, count: usize) -> Result<Tensor> {
        Ok(rows.matmul(&self.parameters.rounded(weight, count)?.t()?)?)
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
