//! The forward pass where no gradient is wanted: nothing is kept or dropped, and whatever can be done while a
//! block of rows is near the core is done there.

use rayon::prelude::*;

use super::FastEncoder;
use super::chunk::Chunk;
use super::eight::Map;
use crate::nn::config::Config;
use crate::nn::encoder::Pooling;
use crate::nn::kernels::eight::BLOCK_ROWS;
use crate::nn::kernels::{attention, gelu, pool};
use crate::nn::weights::Part;

impl FastEncoder {
    /// Pooled states of a chunk `[n, h]`.
    pub(super) fn serve(&self, chunk: &Chunk<'_>, pooling: Pooling, out: &mut [f32]) {
        let hidden = self.weights.config.hidden;
        let embedded = self.embed(chunk);
        let mut x = self.take(chunk.tokens() * hidden);
        self.norm(self.layout.norm).affine(&embedded.values, &mut x);
        self.give([embedded.values, embedded.rates]);
        for layer in 0..self.weights.config.layers {
            self.pass(layer, chunk, &mut x);
        }
        pool::forward(pooling, chunk.offsets, &x, hidden, out);
        self.give([x]);
    }

    /// A layer: `x [T, h]` becomes its output.
    fn pass(&self, layer: usize, chunk: &Chunk<'_>, x: &mut [f32]) {
        let Config {
            hidden,
            intermediate,
            ..
        } = self.weights.config;
        let norm = |part| self.norm(self.layout.part(layer, part));
        let mut projected = self.take(chunk.tokens() * 3 * hidden);
        self.apply(layer, Map::Projections, x, &mut projected);
        let mut context = self.take(chunk.tokens() * hidden);
        let heads = self.shape().heads;
        let mut probabilities = self.take(attention::probabilities(chunk.offsets, heads));
        attention::forward(
            chunk.offsets,
            self.shape(),
            &projected,
            None,
            &mut probabilities,
            &mut context,
        );
        self.give([projected, probabilities]);

        // Products in floats lay their weights out for every call, so that there all rows go together.
        let rows = match self.eight {
            Some(_) => BLOCK_ROWS,
            None => chunk.tokens().max(1),
        };
        x.par_chunks_mut(rows * hidden)
            .zip(context.par_chunks(rows * hidden))
            .for_each(|(x, context)| {
                let mut branch = self.take(x.len());
                self.apply(layer, Map::Output, context, &mut branch);
                norm(Part::AttentionNorm).settle(x, &branch);
                let mut wide = self.take(x.len() / hidden * intermediate);
                self.apply(layer, Map::Expand, x, &mut wide);
                self.apply(layer, Map::Contract, &wide, &mut branch);
                norm(Part::FeedForwardNorm).settle(x, &branch);
                self.give([wide, branch]);
            });
        self.give([context]);
    }

    /// A map of a layer, in eight bits where it can be, and GELU after [`Map::Expand`]:
    /// `x [T, in] -> y [T, out]`.
    fn apply(&self, layer: usize, map: Map, x: &[f32], y: &mut [f32]) {
        if let Some(eight) = &self.eight {
            return eight.forward(layer, map, x, y);
        }
        self.map(layer, map, x, y);
        if map == Map::Expand {
            gelu::replace(y);
        }
    }
}
