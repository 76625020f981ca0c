//! The forward pass of training, layer by layer. `T` tokens in a chunk, `h` the hidden width, `f` the width
//! inside the feed-forward block.

use rayon::prelude::*;

use super::FastEncoder;
use super::chunk::Chunk;
use super::eight::Map;
use super::tape::{LayerTape, Normed, Tape};
use crate::nn::config::Config;
use crate::nn::dropout::Site;
use crate::nn::encoder::Pooling;
use crate::nn::kernels::{attention, gelu, linear, norm, pool};
use crate::nn::weights::{Layout, Part};

impl FastEncoder {
    /// Sum of the embeddings of every token, normed.
    pub(super) fn embed(&self, chunk: &Chunk<'_>) -> Normed {
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
    pub(super) fn layer(&self, layer: usize, chunk: &Chunk<'_>, x: &mut [f32]) -> LayerTape {
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
        self.map(layer, Map::Projections, x, &mut projected);
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
        self.map(layer, Map::Output, &context, &mut values);
        let mask = chunk.mask(Site::AttentionOutput(layer), p, hidden);
        norm(Part::AttentionNorm).forward(Some(x), &mut values, mask, &mut rates);
        norm(Part::AttentionNorm).affine(&values, x);
        let attention = Normed { values, rates };

        let mut wide = self.take(tokens * intermediate);
        self.map(layer, Map::Expand, x, &mut wide);
        let mut active = self.take(tokens * intermediate);
        gelu::forward(&wide, &mut active);
        let mut values = self.take(tokens * hidden);
        let mut rates = self.take(tokens);
        self.map(layer, Map::Contract, &active, &mut values);
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

    /// Pooled states of a chunk `[n, h]`; returns what the backward pass needs.
    pub(super) fn forward_chunk(
        &self,
        chunk: &Chunk<'_>,
        pooling: Pooling,
        out: &mut [f32],
    ) -> Tape {
        let hidden = self.weights.config.hidden;
        let embedded = self.embed(chunk);
        let mut x = self.take(chunk.tokens() * hidden);
        self.norm(self.layout.norm).affine(&embedded.values, &mut x);
        norm::drop_out(
            &mut x,
            chunk.mask(Site::Embeddings, self.weights.config.hidden_dropout, hidden),
        );
        let layers = (0..self.weights.config.layers)
            .map(|layer| self.layer(layer, chunk, &mut x))
            .collect();
        pool::forward(pooling, chunk.offsets, &x, hidden, out);
        self.give([x]);
        Tape {
            ids: chunk.ids.to_vec(),
            types: chunk.types.to_vec(),
            offsets: chunk.offsets.to_vec(),
            pooling,
            dropout: chunk.dropout,
            embedded,
            layers,
        }
    }
}
