//! The encoder written out by hand for the CPU: the same function as [`super::plain`], with its
//! own backward pass, in the kernels of [`super::kernels`].
//!
//! A batch is worked through in chunks of whole sequences, so that a chunk's activations stay
//! close to the cores. What the backward pass needs is kept per chunk in a [`Tape`]; all buffers
//! go back to a pool and are used again.
//!
//! In the comments `T` is the number of tokens in a chunk, `h` the hidden width, `f` the width
//! inside the feed-forward block.

use std::sync::Mutex;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::buffers::Buffers;
use super::config::Config;
use super::dropout::{Mask, Site};
use super::encoder::{Encoder, Pooling};
use super::gradients::Gradients;
use super::kernels::attention::{self, Shape};
use super::kernels::linear::{self, Linear};
use super::kernels::norm::{self, MaskFrom, Norm};
use super::kernels::product::Into;
use super::kernels::{gelu, pool};
use super::packed::Packed;
use super::plain::no_forward;
use super::weights::{Layout, Part, Values, Weights};
use crate::error::Result;
use crate::train::optimizer::{AdamW, Moments};

/// Tokens in a chunk of a training batch: wide enough for the products, small enough for the
/// caches.
const TRAINING_CHUNK: usize = 1024;
/// The same where no gradient is wanted and every core takes a chunk of its own.
const SERVING_CHUNK: usize = 512;

/// An encoder for the CPU.
pub struct FastEncoder {
    weights: Weights,
    layout: Layout,
    buffers: Mutex<Buffers>,
    tapes: Vec<Tape>,
    gradients: Option<Gradients>,
}

/// What the backward pass needs of a chunk's forward pass.
struct Tape {
    ids: Vec<u32>,
    types: Vec<u32>,
    offsets: Vec<usize>,
    pooling: Pooling,
    dropout: Option<u64>,
    /// Normed embeddings `[T, h]`, and the norm's rates `[T]`.
    embedded: Normed,
    layers: Vec<LayerTape>,
}

struct LayerTape {
    /// Queries, keys and values `[T, 3h]`.
    projected: Vec<f32>,
    /// Attention probabilities before dropout `[heads, l, l]` for each sequence.
    probabilities: Vec<f32>,
    /// What the heads saw `[T, h]`.
    context: Vec<f32>,
    attention: Normed,
    /// The feed-forward block's inside before GELU `[T, f]`.
    wide: Vec<f32>,
    feed_forward: Normed,
}

/// The output of a layer norm before its weight and bias `[T, h]`, and `1 / deviation` `[T]`.
struct Normed {
    values: Vec<f32>,
    rates: Vec<f32>,
}

impl FastEncoder {
    /// An encoder with these weights. What is mapped from a file as f32 is used where it lies;
    /// half precision is converted, but for the embedding tables, which are converted by the row.
    pub fn new(mut weights: Weights) -> Self {
        let layout = Layout::of(&weights.config);
        for values in &mut weights.values[layout.norm..] {
            if values.as_f32().is_none() {
                *values = Values::Owned(values.to_f32().into_owned());
            }
        }
        Self {
            layout,
            weights,
            buffers: Mutex::default(),
            tapes: Vec::new(),
            gradients: None,
        }
    }

    fn matrix(&self, index: usize) -> &[f32] {
        match self.weights.values[index].as_f32() {
            Some(values) => values,
            None => unreachable!(
                "everything behind the embedding tables was converted when it was loaded"
            ),
        }
    }

    fn linear(&self, layer: usize, part: Part) -> Linear<'_> {
        let index = self.layout.part(layer, part);
        Linear {
            weight: self.matrix(index),
            bias: self.matrix(index + 1),
        }
    }

    fn norm(&self, index: usize) -> Norm<'_> {
        Norm {
            weight: self.matrix(index),
            bias: self.matrix(index + 1),
            epsilon: self.weights.config.norm_epsilon as f32,
        }
    }

    fn shape(&self) -> Shape {
        Shape {
            heads: self.weights.config.heads,
            hidden: self.weights.config.hidden,
        }
    }

    fn take(&self, len: usize) -> Vec<f32> {
        match self.buffers.lock() {
            Ok(mut buffers) => buffers.take(len),
            Err(_) => vec![0.0; len],
        }
    }

    fn give(&self, buffers: impl IntoIterator<Item = Vec<f32>>) {
        if let Ok(mut pool) = self.buffers.lock() {
            buffers.into_iter().for_each(|buffer| pool.give(buffer));
        }
    }

    /// Sum of the embeddings of every token, normed.
    fn embed(&self, chunk: &Chunk<'_>) -> Normed {
        let hidden = self.weights.config.hidden;
        let table = |index: usize, row: u32, out: &mut [f32]| {
            self.weights.values[index].read(row as usize * hidden, out);
        };
        let mut values = self.take(chunk.tokens() * hidden);
        values.par_chunks_mut(hidden).enumerate().for_each_init(
            || vec![0.0; hidden],
            |row, (token, out)| {
                table(Layout::WORDS, chunk.ids[token], out);
                table(Layout::POSITIONS, chunk.positions[token], row);
                linear::add(out, row);
                if let Some(types) = self.layout.token_types {
                    table(types, chunk.types[token], row);
                    linear::add(out, row);
                }
            },
        );
        let mut rates = self.take(chunk.tokens());
        self.norm(self.layout.norm)
            .forward(None, &mut values, None, &mut rates);
        Normed { values, rates }
    }

    /// A layer: `x [T, h]` becomes its output; what the backward pass needs is returned.
    fn layer(&self, layer: usize, chunk: &Chunk<'_>, x: &mut [f32]) -> LayerTape {
        let Config {
            hidden,
            intermediate,
            heads,
            hidden_dropout: p,
            ..
        } = self.weights.config;
        let tokens = chunk.tokens();
        let norm = |part| self.norm(self.layout.part(layer, part));

        let mut projected = self.take(tokens * 3 * hidden);
        for (i, part) in [Part::Query, Part::Key, Part::Value]
            .into_iter()
            .enumerate()
        {
            self.linear(layer, part)
                .forward(x, &mut projected[i * hidden..], 3 * hidden);
        }
        let mut probabilities = self.take(attention::probabilities(chunk.offsets, heads));
        let mut context = self.take(tokens * hidden);
        let mask = chunk.attention_mask(layer, &self.weights.config);
        attention::forward(
            chunk.offsets,
            self.shape(),
            &projected,
            mask,
            &mut probabilities,
            &mut context,
        );

        let mut values = self.take(tokens * hidden);
        let mut rates = self.take(tokens);
        self.linear(layer, Part::Output)
            .forward(&context, &mut values, hidden);
        let mask = chunk.mask(Site::AttentionOutput(layer), p, hidden);
        norm(Part::AttentionNorm).forward(Some(x), &mut values, mask, &mut rates);
        norm(Part::AttentionNorm).affine(&values, x);
        let attention = Normed { values, rates };

        let mut wide = self.take(tokens * intermediate);
        self.linear(layer, Part::Expand)
            .forward(x, &mut wide, intermediate);
        let mut active = self.take(tokens * intermediate);
        gelu::forward(&wide, &mut active);
        let mut values = self.take(tokens * hidden);
        let mut rates = self.take(tokens);
        self.linear(layer, Part::Contract)
            .forward(&active, &mut values, hidden);
        self.give([active]);
        let mask = chunk.mask(Site::FeedForwardOutput(layer), p, hidden);
        norm(Part::FeedForwardNorm).forward(Some(x), &mut values, mask, &mut rates);
        norm(Part::FeedForwardNorm).affine(&values, x);

        LayerTape {
            projected,
            probabilities,
            context,
            attention,
            wide,
            feed_forward: Normed { values, rates },
        }
    }

    /// Pooled states of a chunk `[n, h]`; `keep` is given what the backward pass needs.
    fn forward_chunk(
        &self,
        chunk: &Chunk<'_>,
        pooling: Pooling,
        out: &mut [f32],
        keep: Option<&mut Vec<Tape>>,
    ) {
        let hidden = self.weights.config.hidden;
        let embedded = self.embed(chunk);
        let mut x = self.take(chunk.tokens() * hidden);
        self.norm(self.layout.norm).affine(&embedded.values, &mut x);
        norm::drop(
            &mut x,
            chunk.mask(Site::Embeddings, self.weights.config.hidden_dropout, hidden),
        );

        let mut layers = Vec::with_capacity(self.weights.config.layers);
        for layer in 0..self.weights.config.layers {
            let tape = self.layer(layer, chunk, &mut x);
            if keep.is_some() {
                layers.push(tape);
            } else {
                self.give(tape.into_buffers());
            }
        }
        pool::forward(pooling, chunk.offsets, &x, hidden, out);
        self.give([x]);
        match keep {
            Some(tapes) => tapes.push(Tape {
                ids: chunk.ids.to_vec(),
                types: chunk.types.to_vec(),
                offsets: chunk.offsets.to_vec(),
                pooling,
                dropout: chunk.dropout,
                embedded,
                layers,
            }),
            None => self.give([embedded.values, embedded.rates]),
        }
    }

    /// Adds a chunk's gradients, given that of its pooled states `[n, h]`.
    fn backward_chunk(
        &self,
        tape: Tape,
        start: Start,
        d_pooled: &[f32],
        gradients: &mut Gradients,
    ) {
        let Config {
            hidden,
            hidden_dropout: p,
            ..
        } = self.weights.config;
        let positions: Vec<u32> = positions(&tape.offsets);
        let chunk = Chunk {
            ids: &tape.ids,
            types: &tape.types,
            positions: &positions,
            offsets: &tape.offsets,
            dropout: tape.dropout,
            start,
        };
        let mut dx = self.take(chunk.tokens() * hidden);
        pool::backward(tape.pooling, &tape.offsets, d_pooled, hidden, &mut dx);

        let mut x = self.take(chunk.tokens() * hidden);
        let mut layers = tape.layers;
        while let Some(tape_of_layer) = layers.pop() {
            let layer = layers.len();
            // The layer's input again, from the norm before it.
            match layers.last() {
                Some(below) => self
                    .norm(self.layout.part(layer - 1, Part::FeedForwardNorm))
                    .affine(&below.feed_forward.values, &mut x),
                None => {
                    self.norm(self.layout.norm)
                        .affine(&tape.embedded.values, &mut x);
                    norm::drop(&mut x, chunk.mask(Site::Embeddings, p, hidden));
                }
            }
            self.backward_layer(layer, &chunk, tape_of_layer, &x, &mut dx, gradients);
        }

        norm::drop(&mut dx, chunk.mask(Site::Embeddings, p, hidden));
        let (weight, bias) = gradients.pair(self.layout.norm);
        self.norm(self.layout.norm).backward(
            &tape.embedded.values,
            &tape.embedded.rates,
            &mut dx,
            weight,
            bias,
        );
        for (token, row) in dx.chunks(hidden).enumerate() {
            gradients.words.add(chunk.ids[token], row);
            gradients.add_row(Layout::POSITIONS, chunk.positions[token], row);
            if let Some(types) = self.layout.token_types {
                gradients.add_row(types, chunk.types[token], row);
            }
        }
        self.give([x, dx, tape.embedded.values, tape.embedded.rates]);
    }

    /// Replaces `dx [T, h]`, the gradient of a layer's output, by that of its input `x`.
    fn backward_layer(
        &self,
        layer: usize,
        chunk: &Chunk<'_>,
        mut tape: LayerTape,
        x: &[f32],
        dx: &mut [f32],
        gradients: &mut Gradients,
    ) {
        let Config {
            hidden,
            intermediate,
            hidden_dropout: p,
            ..
        } = self.weights.config;
        let tokens = chunk.tokens();
        let index = |part| self.layout.part(layer, part);
        let mut branch = self.take(tokens * hidden);

        // y = norm(middle + mask · (gelu(wide) · Wᵀ + b))
        let (weight, bias) = gradients.pair(index(Part::FeedForwardNorm));
        let normed = &tape.feed_forward;
        self.norm(index(Part::FeedForwardNorm)).backward(
            &normed.values,
            &normed.rates,
            dx,
            weight,
            bias,
        );
        branch.copy_from_slice(dx);
        norm::drop(
            &mut branch,
            chunk.mask(Site::FeedForwardOutput(layer), p, hidden),
        );
        let mut d_wide = self.take(tokens * intermediate);
        let contract = self.linear(layer, Part::Contract);
        contract.backward_input(&branch, hidden, &mut d_wide, Into::Replace);
        let mut active = self.take(tokens * intermediate);
        gelu::backward(&tape.wide, &mut d_wide, &mut active);
        let (weight, bias) = gradients.pair(index(Part::Contract));
        linear::backward_parameters(&active, &branch, hidden, weight, bias);
        self.give([active]);

        // wide = middle · Wᵀ + b
        let mut middle = self.take(tokens * hidden);
        self.norm(index(Part::AttentionNorm))
            .affine(&tape.attention.values, &mut middle);
        let (weight, bias) = gradients.pair(index(Part::Expand));
        linear::backward_parameters(&middle, &d_wide, intermediate, weight, bias);
        self.linear(layer, Part::Expand)
            .backward_input(&d_wide, intermediate, dx, Into::Add);
        self.give([d_wide, middle]);

        // middle = norm(x + mask · (context · Wᵀ + b))
        let (weight, bias) = gradients.pair(index(Part::AttentionNorm));
        let normed = &tape.attention;
        self.norm(index(Part::AttentionNorm)).backward(
            &normed.values,
            &normed.rates,
            dx,
            weight,
            bias,
        );
        branch.copy_from_slice(dx);
        norm::drop(
            &mut branch,
            chunk.mask(Site::AttentionOutput(layer), p, hidden),
        );
        let mut d_context = self.take(tokens * hidden);
        self.linear(layer, Part::Output).backward_input(
            &branch,
            hidden,
            &mut d_context,
            Into::Replace,
        );
        let (weight, bias) = gradients.pair(index(Part::Output));
        linear::backward_parameters(&tape.context, &branch, hidden, weight, bias);

        // context = attention(x · Wᵀ + b)
        let mut d_projected = self.take(tokens * 3 * hidden);
        attention::backward(
            chunk.offsets,
            self.shape(),
            &tape.projected,
            chunk.attention_mask(layer, &self.weights.config),
            &mut tape.probabilities,
            &d_context,
            &mut d_projected,
        );
        for (i, part) in [Part::Query, Part::Key, Part::Value]
            .into_iter()
            .enumerate()
        {
            let d_part = &d_projected[i * hidden..];
            let (weight, bias) = gradients.pair(index(part));
            linear::backward_parameters(x, d_part, 3 * hidden, weight, bias);
            self.linear(layer, part)
                .backward_input(d_part, 3 * hidden, dx, Into::Add);
        }
        self.give([branch, d_context, d_projected]);
        self.give(tape.into_buffers());
    }

    /// Makes every parameter ours to change, and the gradients.
    fn own(&mut self) -> &mut Gradients {
        for values in &mut self.weights.values {
            if !matches!(values, Values::Owned(_)) {
                *values = Values::Owned(values.to_f32().into_owned());
            }
        }
        self.gradients
            .get_or_insert_with(|| Gradients::new(&self.weights.config))
    }
}

impl LayerTape {
    fn into_buffers(self) -> [Vec<f32>; 8] {
        [
            self.projected,
            self.probabilities,
            self.context,
            self.attention.values,
            self.attention.rates,
            self.wide,
            self.feed_forward.values,
            self.feed_forward.rates,
        ]
    }
}

/// Where a chunk starts in its batch: dropout masks are the batch's.
#[derive(Debug, Clone, Copy, Default)]
struct Start {
    token: usize,
    probability: usize,
}

/// Whole sequences of a batch.
struct Chunk<'a> {
    ids: &'a [u32],
    types: &'a [u32],
    positions: &'a [u32],
    /// Offsets in the batch; the first is the chunk's first token.
    offsets: &'a [usize],
    dropout: Option<u64>,
    start: Start,
}

impl Chunk<'_> {
    fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The mask of a site whose states are `[T, width]`.
    fn mask(&self, site: Site, p: f64, width: usize) -> MaskFrom {
        Mask::new(self.dropout, site, p).map(|mask| (mask, self.start.token * width))
    }

    fn attention_mask(&self, layer: usize, config: &Config) -> Option<(Mask, usize)> {
        Mask::new(
            self.dropout,
            Site::Attention(layer),
            config.attention_dropout,
        )
        .map(|mask| (mask, self.start.probability))
    }
}

/// Position of every token in its sequence.
fn positions(offsets: &[usize]) -> Vec<u32> {
    offsets
        .windows(2)
        .flat_map(|o| 0..(o[1] - o[0]) as u32)
        .collect()
}

/// Cuts a batch into runs of whole sequences of about `tokens` tokens, as ranges of sequences.
fn cut(batch: &Packed, tokens: usize) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut first = 0;
    for i in 0..batch.len() {
        let next_ends = if i + 1 < batch.len() {
            batch.offsets[i + 2]
        } else {
            usize::MAX
        };
        if next_ends - batch.offsets[first] > tokens {
            ranges.push(first..i + 1);
            first = i + 1;
        }
    }
    ranges
}

/// The chunks of a batch, with where each starts.
fn chunks(batch: &Packed, tokens: usize, heads: usize) -> Vec<(std::ops::Range<usize>, Start)> {
    let mut start = Start::default();
    cut(batch, tokens)
        .into_iter()
        .map(|range| {
            let offsets = &batch.offsets[range.start..=range.end];
            let own = start;
            start.token = offsets[offsets.len() - 1];
            start.probability += attention::probabilities(offsets, heads);
            (range, own)
        })
        .collect()
}

/// The part of a batch that `range` names.
fn chunk<'a>(
    batch: &'a Packed,
    positions: &'a [u32],
    range: std::ops::Range<usize>,
    start: Start,
    dropout: Option<u64>,
) -> Chunk<'a> {
    let offsets = &batch.offsets[range.start..=range.end];
    let tokens = offsets[0]..offsets[offsets.len() - 1];
    Chunk {
        ids: &batch.ids[tokens.clone()],
        types: &batch.types[tokens.clone()],
        positions: &positions[tokens],
        offsets,
        dropout,
        start,
    }
}

impl Encoder for FastEncoder {
    fn config(&self) -> &Config {
        &self.weights.config
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn encode(&self, batch: &Packed, pooling: Pooling) -> Result<Tensor> {
        let Config { hidden, heads, .. } = self.weights.config;
        batch.check(&self.weights.config)?;
        let positions = batch.positions();
        let share = batch.tokens().div_ceil(rayon::current_num_threads());
        let chunks = chunks(batch, share.min(SERVING_CHUNK), heads);
        let mut pooled = vec![0.0; batch.len() * hidden];
        let mut rest = pooled.as_mut_slice();
        let tasks: Vec<_> = chunks
            .into_iter()
            .map(|(range, start)| {
                let (out, others) = std::mem::take(&mut rest).split_at_mut(range.len() * hidden);
                rest = others;
                (chunk(batch, &positions, range, start, None), out)
            })
            .collect();
        tasks
            .into_par_iter()
            .for_each(|(chunk, out)| self.forward_chunk(&chunk, pooling, out, None));
        Ok(Tensor::from_vec(
            pooled,
            (batch.len(), hidden),
            &Device::Cpu,
        )?)
    }

    fn forward(
        &mut self,
        batch: &Packed,
        pooling: Pooling,
        dropout: Option<u64>,
    ) -> Result<Tensor> {
        let Config { hidden, heads, .. } = self.weights.config;
        batch.check(&self.weights.config)?;
        self.own();
        for tape in std::mem::take(&mut self.tapes) {
            self.give([tape.embedded.values, tape.embedded.rates]);
            self.give(tape.layers.into_iter().flat_map(LayerTape::into_buffers));
        }
        let positions = batch.positions();
        let mut pooled = vec![0.0; batch.len() * hidden];
        let mut tapes = Vec::new();
        for (range, start) in chunks(batch, TRAINING_CHUNK, heads) {
            let out = &mut pooled[range.start * hidden..range.end * hidden];
            let chunk = chunk(batch, &positions, range, start, dropout);
            self.forward_chunk(&chunk, pooling, out, Some(&mut tapes));
        }
        self.tapes = tapes;
        Ok(Tensor::from_vec(
            pooled,
            (batch.len(), hidden),
            &Device::Cpu,
        )?)
    }

    fn backward(&mut self, grad: &Tensor) -> Result<()> {
        let Config { hidden, heads, .. } = self.weights.config;
        let grad: Vec<f32> = grad.flatten_all()?.to_vec1()?;
        let tapes = std::mem::take(&mut self.tapes);
        let sequences: usize = tapes.iter().map(|tape| tape.offsets.len() - 1).sum();
        if tapes.is_empty() || grad.len() != sequences * hidden {
            return Err(no_forward());
        }
        self.own();
        let Some(mut gradients) = self.gradients.take() else {
            return Err(no_forward());
        };
        let mut start = Start::default();
        let mut rest = grad.as_slice();
        for tape in tapes {
            let (own, others) = rest.split_at((tape.offsets.len() - 1) * hidden);
            rest = others;
            let next = Start {
                token: start.token + tape.ids.len(),
                probability: start.probability + attention::probabilities(&tape.offsets, heads),
            };
            self.backward_chunk(tape, start, own, &mut gradients);
            start = next;
        }
        self.gradients = Some(gradients);
        Ok(())
    }

    fn grad_norm_squared(&self) -> Result<f64> {
        Ok(self.gradients.as_ref().map_or(0.0, Gradients::squares))
    }

    fn step(&mut self, adamw: &AdamW, lr: f64, scale: f64) -> Result<()> {
        self.own();
        if let Some(gradients) = &mut self.gradients {
            gradients.step(&mut self.weights.values, adamw, lr, scale);
        }
        Ok(())
    }

    fn weights(&self) -> Result<Weights> {
        Ok(self.weights.clone())
    }

    fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        match &self.gradients {
            Some(gradients) => Ok(gradients.dense()),
            None => Ok(Gradients::new(&self.weights.config).dense()),
        }
    }

    fn moments(&self) -> Result<Moments> {
        match &self.gradients {
            Some(gradients) => Ok(gradients.moments()),
            None => Ok(Gradients::new(&self.weights.config).moments()),
        }
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        weights.check(&self.weights.config)?;
        self.weights.values.clone_from(&weights.values);
        self.own();
        Ok(())
    }

    fn set_moments(&mut self, moments: &Moments) -> Result<()> {
        self.own().set_moments(moments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::packed::Tokens;

    #[test]
    fn cuts_between_sequences_and_loses_none() {
        let sequences: Vec<Tokens> = [3, 5, 9, 1, 1, 1, 4]
            .iter()
            .map(|&n| Tokens {
                ids: vec![0; n],
                types: vec![0; n],
            })
            .collect();
        let batch = Packed::new(&sequences);
        assert_eq!(cut(&batch, 8), [0..2, 2..3, 3..7]);
        assert_eq!(cut(&batch, 1), [0..1, 1..2, 2..3, 3..4, 4..5, 5..6, 6..7]);
        assert_eq!(cut(&batch, 1000), vec![0..7; 1]);
    }
}
