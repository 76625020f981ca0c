//! The encoder written out by hand for the CPU: the same function as [`crate::nn::plain`], with its
//! own backward pass, in the kernels of [`crate::nn::kernels`].
//!
//! A batch is worked through in chunks of whole sequences, so that a chunk's activations stay
//! close to the cores: `forward` and `backward` are the two passes over a chunk, a `Tape` is
//! what the one keeps for the other. All buffers go back to a pool and are used again.

mod backward;
mod buffers;
mod chunk;
mod forward;
mod gradients;
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
    buffers: Mutex<Buffers>,
    tapes: Vec<Tape>,
    gradients: Option<Gradients>,
}
impl FastEncoder {
    /// An encoder with these weights. What is mapped from a file as f32 is used where it lies;
    /// what is in fewer bits is converted, but for the embedding tables, which are converted by the
    /// row.
    pub(crate) fn new(mut weights: Weights) -> Self {
        let layout = Layout::of(&weights.config);
        let behind = weights.values[layout.norm..].par_iter_mut();
        behind
            .filter(|values| values.as_f32().is_none())
            .for_each(|values| *values = Values::Owned(values.to_f32().into_owned()));
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
