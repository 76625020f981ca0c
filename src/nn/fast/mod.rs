//! The encoder written out by hand for the CPU: the same function as [`crate::nn::plain`], with its
//! own backward pass, in the kernels of [`crate::nn::kernels`].
//!
//! A batch is worked through in chunks of whole sequences, so that a chunk's activations stay
//! close to the cores: `forward` and `backward` are the two passes over a chunk, a `Tape` is
//! what the one keeps for the other. All buffers go back to a pool and are used again.

mod backward;
mod buffers;
mod chunk;
mod eight;
mod forward;
mod gradients;
mod serve;
mod tape;

use std::sync::Mutex;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::error::Result;
use crate::nn::config::Config;
use crate::nn::encoder::{Encoder, Pooling};
use crate::nn::kernels::attention;
use crate::nn::kernels::attention::Shape;
use crate::nn::kernels::linear::Linear;
use crate::nn::kernels::norm::Norm;
use crate::nn::optimizer::{AdamW, Moments};
use crate::nn::packed::Packed;
use crate::nn::plain::no_forward;
use crate::nn::weights::{Layout, Part, Values, Weights};
use buffers::Buffers;
use chunk::{Start, chunk, chunks};
use eight::{EightBits, Map};
use gradients::Gradients;
use tape::{LayerTape, Tape};

/// Tokens in a chunk of a training batch: wide enough for the products, small enough for the
/// caches.
const TRAINING_CHUNK: usize = 1024;
/// The same where no gradient is wanted and every core takes a chunk of its own.
const SERVING_CHUNK: usize = 512;

/// An encoder for the CPU.
pub(crate) struct FastEncoder {
    weights: Weights,
    layout: Layout,
    /// The layers' products in whole numbers; gone as soon as the weights are trained.
    eight: Option<EightBits>,
    buffers: Mutex<Buffers>,
    tapes: Vec<Tape>,
    gradients: Option<Gradients>,
}
impl FastEncoder {
    /// An encoder with these weights. What is mapped from a file as f32 is used where it lies;
    /// what is in fewer bits is converted, but for the embedding tables, which are converted by the
    /// row, and for layers in eight bits, which are computed in eight bits where the processor can.
    pub(crate) fn new(mut weights: Weights) -> Self {
        let layout = Layout::of(&weights.config);
        let eight = EightBits::of(&weights, &layout);
        let behind = weights.values[layout.norm..].par_iter_mut();
        let kept = |values: &Values| eight.is_some() && matches!(values, Values::Int8(_));
        behind
            .filter(|values| values.as_f32().is_none() && !kept(values))
            .for_each(|values| *values = Values::Owned(values.to_f32().into_owned()));
        Self {
            layout,
            weights,
            eight,
            buffers: Mutex::default(),
            tapes: Vec::new(),
            gradients: None,
        }
    }

    fn matrix(&self, index: usize) -> &[f32] {
        match self.weights.values[index].as_f32() {
            Some(values) => values,
            None => unreachable!(
                "what is behind the embedding tables was converted, or is computed in eight bits"
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

    /// A linear map of a layer, in floats: `x [T, in] -> y [T, out]`.
    fn map(&self, layer: usize, map: Map, x: &[f32], y: &mut [f32]) {
        let parts = map.parts().iter().map(|part| self.linear(layer, *part));
        let step = parts.clone().map(|linear| linear.bias.len()).sum();
        let mut first = 0;
        for linear in parts {
            linear.forward(x, &mut y[first..], step);
            first += linear.bias.len();
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
    /// Makes every parameter ours to change, and the gradients.
    fn own(&mut self) -> &mut Gradients {
        self.eight = None;
        for values in &mut self.weights.values {
            if !matches!(values, Values::Owned(_)) {
                *values = Values::Owned(values.to_f32().into_owned());
            }
        }
        self.gradients
            .get_or_insert_with(|| Gradients::new(&self.weights.config))
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
        // Equal shares, the same number for every core, so that none waits for another.
        let cores = rayon::current_num_threads();
        let rounds = batch.tokens().div_ceil(cores * SERVING_CHUNK);
        let share = batch.tokens().div_ceil(cores * rounds.max(1));
        let chunks = chunks(batch, share, heads);
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
            .for_each(|(chunk, out)| self.serve(&chunk, pooling, out));
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
            tapes.push(self.forward_chunk(&chunk, pooling, out));
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

    fn grad_norm_squared(&self) -> Result<Tensor> {
        let squares = self.gradients.as_ref().map_or(0.0, Gradients::squares);
        Ok(Tensor::new(squares, &Device::Cpu)?)
    }

    fn step(&mut self, adamw: &AdamW, lr: f64, scale: &Tensor) -> Result<()> {
        let scale = scale.to_scalar()?;
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
    use crate::nn::config::Family;
    use crate::nn::int8::{Rows, quantise};
    use crate::nn::packed::Tokens;
    use crate::nn::weights::encoder_specs;

    /// Random weights of a small encoder, its matrices in eight bits.
    fn stored() -> Weights {
        let config = Config {
            family: Family::Bert,
            vocab: 50,
            hidden: 48,
            layers: 2,
            heads: 4,
            intermediate: 96,
            max_positions: 32,
            type_vocab: 2,
            norm_epsilon: 1e-12,
            hidden_dropout: 0.1,
            attention_dropout: 0.1,
            raw: serde_json::Value::Null,
        };
        let mut weights = Weights::random(&config, 3);
        for (spec, values) in encoder_specs(&config).iter().zip(&mut weights.values) {
            if let &[_, width] = spec.shape.as_slice() {
                let (numbers, scales) = quantise(&values.to_f32(), width);
                let bytes: &'static [u8] = bytemuck::cast_slice(numbers.leak() as &[i8]);
                let bytes = crate::folder::Bytes::Embedded(bytes);
                *values = Values::Int8(Rows::new(&bytes, 0, width, scales).unwrap());
            }
        }
        weights
    }

    fn batch() -> Packed {
        let sequence = |n: u32| Tokens {
            ids: (0..n).map(|i| (i * 7 + n) % 50).collect(),
            types: vec![0; n as usize],
        };
        Packed::new([3, 20, 1, 7].map(sequence).iter())
    }

    fn encoded(encoder: &FastEncoder, batch: &Packed) -> Vec<f32> {
        let states = encoder.encode(batch, Pooling::Mean).unwrap();
        states.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn eight_bits_change_little_and_nothing_once_it_is_trained() {
        let batch = batch();
        let weights = stored();
        let floats = Weights {
            config: weights.config.clone(),
            values: weights
                .values
                .iter()
                .map(|values| Values::Owned(values.to_f32().into_owned()))
                .collect(),
        };
        let real = encoded(&FastEncoder::new(floats), &batch);
        let mut encoder = FastEncoder::new(weights);
        assert_eq!(
            encoder.eight.is_some(),
            crate::nn::kernels::eight::available()
        );
        let eight = encoded(&encoder, &batch);
        let largest = real.iter().fold(0f32, |a, x| a.max(x.abs()));
        for (a, b) in real.iter().zip(&eight) {
            assert!((a - b).abs() < largest * 0.02, "{a} {b}");
        }
        assert_eq!(encoder.eight.is_some(), real != eight);

        encoder.forward(&batch, Pooling::Mean, None).unwrap();
        assert_eq!(encoded(&encoder, &batch), real);
    }

    #[test]
    fn a_sequence_is_encoded_the_same_in_whatever_company() {
        let encoder = FastEncoder::new(stored());
        let all = batch();
        let together = encoded(&encoder, &all);
        let width = encoder.config().hidden;
        for i in 0..all.len() {
            let tokens = Tokens {
                ids: all.ids[all.range(i)].to_vec(),
                types: all.types[all.range(i)].to_vec(),
            };
            let alone = encoded(&encoder, &Packed::new([&tokens]));
            let own = &together[i * width..][..width];
            for (a, b) in alone.iter().zip(own) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }
}
