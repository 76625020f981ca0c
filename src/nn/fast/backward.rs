//! The backward pass, layer by layer from the last. `T` tokens in a chunk, `h` the hidden width,
//! `f` the width inside the feed-forward block.

use super::FastEncoder;
use super::chunk::{Chunk, Start, positions};
use super::gradients::Gradients;
use super::tape::{LayerTape, Normed, Tape};
use crate::nn::config::Config;
use crate::nn::dropout::Site;
use crate::nn::kernels::product::Store;
use crate::nn::kernels::{attention, gelu, linear, norm, pool};
use crate::nn::weights::{Layout, Part};

impl FastEncoder {
    /// Adds a chunk's gradients, given that of its pooled states `[n, h]`.
    pub(super) fn backward_chunk(
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
                    norm::drop_out(&mut x, chunk.mask(Site::Embeddings, p, hidden));
                }
            }
            self.backward_layer(layer, &chunk, tape_of_layer, &x, &mut dx, gradients);
        }

        norm::drop_out(&mut dx, chunk.mask(Site::Embeddings, p, hidden));
        self.norm_backward(self.layout.norm, &tape.embedded, &mut dx, gradients);
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
    pub(super) fn backward_layer(
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
        self.norm_backward(
            index(Part::FeedForwardNorm),
            &tape.feed_forward,
            dx,
            gradients,
        );
        branch.copy_from_slice(dx);
        norm::drop_out(
            &mut branch,
            chunk.mask(Site::FeedForwardOutput(layer), p, hidden),
        );
        let mut d_wide = self.take(tokens * intermediate);
        let contract = self.linear(layer, Part::Contract);
        contract.backward_input(&branch, hidden, &mut d_wide, Store::Replace);
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
            .backward_input(&d_wide, intermediate, dx, Store::Add);
        self.give([d_wide, middle]);

        // middle = norm(x + mask · (context · Wᵀ + b))
        self.norm_backward(index(Part::AttentionNorm), &tape.attention, dx, gradients);
        branch.copy_from_slice(dx);
        norm::drop_out(
            &mut branch,
            chunk.mask(Site::AttentionOutput(layer), p, hidden),
        );
        let mut d_context = self.take(tokens * hidden);
        self.linear(layer, Part::Output).backward_input(
            &branch,
            hidden,
            &mut d_context,
            Store::Replace,
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
                .backward_input(d_part, 3 * hidden, dx, Store::Add);
        }
        self.give([branch, d_context, d_projected]);
        self.give(tape.into_buffers());
    }
    /// Replaces the gradient of a norm's output by that of its input.
    fn norm_backward(
        &self,
        place: usize,
        normed: &Normed,
        dx: &mut [f32],
        gradients: &mut Gradients,
    ) {
        let (weight, bias) = gradients.pair(place);
        self.norm(place)
            .backward(&normed.values, &normed.rates, dx, weight, bias);
    }
}
