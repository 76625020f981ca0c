//! The contract of an encoder: what training, embedding and scoring need of it.
//!
//! Two implementations stand behind it. [`crate::nn::plain`] is written in candle operations, runs on
//! any device and is the reference; [`crate::nn::fast`] is the same encoder written out by hand for
//! the CPU. Both take *packed* batches, see [`Packed`].

use candle_core::{Device, Tensor};

use super::config::Config;
use super::optimizer::{AdamW, Moments};
use super::packed::Packed;
use super::weights::Weights;
use crate::error::Result;

/// How the states of a sequence become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean over the sequence's tokens (the bi-encoder).
    Mean,
    /// The state of the first token, `[CLS]` (the cross-encoder).
    First,
}

/// An encoder whose parameters can be trained.
///
/// `n` is the number of sequences in the batch, `hidden` the encoder's width.
pub trait Encoder: Send + Sync {
    /// Its architecture.
    fn config(&self) -> &Config;

    /// Where the tensors that it takes and returns live.
    fn device(&self) -> &Device;

    /// Pooled states `[n, hidden]`, without dropout, keeping nothing for a gradient.
    ///
    /// # Errors
    /// A sequence is longer than the encoder's positions, a token is not in the vocabulary, or a
    /// tensor operation fails.
    fn encode(&self, batch: &Packed, pooling: Pooling) -> Result<Tensor>;

    /// Pooled states `[n, hidden]`, detached, keeping what [`Encoder::backward`] needs.
    /// `dropout` seeds the masks; `None` turns dropout off. The same seed gives the same masks.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn forward(&mut self, batch: &Packed, pooling: Pooling, dropout: Option<u64>)
    -> Result<Tensor>;

    /// Adds to the gradients of all parameters, given the loss's gradient with respect to what
    /// the last [`Encoder::forward`] returned, `[n, hidden]`.
    ///
    /// # Errors
    /// There was no forward before it, or a tensor operation fails.
    fn backward(&mut self, grad: &Tensor) -> Result<()>;

    /// Sum of the squares of all gradients, for clipping by global norm: one number, on the
    /// device still, of the type [`scalars`](crate::nn::device::scalars).
    ///
    /// # Errors
    /// A tensor operation fails.
    fn grad_norm_squared(&self) -> Result<Tensor>;

    /// One AdamW step at learning rate `lr`, with every gradient times the number `scale`, which
    /// is on the device; gradients are then zero.
    ///
    /// # Errors
    /// A tensor operation fails.
    fn step(&mut self, adamw: &AdamW, lr: f64, scale: &Tensor) -> Result<()>;

    /// A copy of the parameters on the host, for saving.
    ///
    /// # Errors
    /// A tensor operation fails.
    fn weights(&self) -> Result<Weights>;

    /// The gradients summed so far, by parameter in the order of [`Weights`], each flat.
    ///
    /// # Errors
    /// A tensor operation fails.
    fn gradients(&self) -> Result<Vec<Vec<f32>>>;

    /// A copy of the optimizer's state, for an exact resume.
    ///
    /// # Errors
    /// A tensor operation fails.
    fn moments(&self) -> Result<Moments>;

    /// Puts back weights of the same architecture.
    ///
    /// # Errors
    /// Shapes differ.
    fn set_weights(&mut self, weights: &Weights) -> Result<()>;

    /// Puts back what [`Encoder::moments`] gave.
    ///
    /// # Errors
    /// Shapes differ.
    fn set_moments(&mut self, moments: &Moments) -> Result<()>;
}
