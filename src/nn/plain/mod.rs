//! The encoder in candle operations: it runs on any device, and the fast encoder is tested against it.
//!
//! Follows `BertModel` (Devlin et al., 2019) and `DistilBertModel` (Sanh et al., 2019) as transformers computes
//! them. The backward pass is written out: candle's own adds a zero to every gradient and takes parameters
//! one by one, several times the operations, and a GPU that is given small batches waits for the host to queue
//! them. So candle's fused softmax and layer norm can be used too, through which no gradient of candle's comes back. Nothing
//! is read back from the device within a forward or a backward pass.
//!
//! - [`parameters`]: parameters, gradients and moments, each end to end. [`places`]: where a batch's tokens stand.
//! - [`forward`], [`backward`]: the passes. [`masks`]: what is dropped. [`kernels`]: what NVIDIA's cards do in one
//!   instead of several operations.
//!
//! In the comments `T` is the number of tokens in the batch, `n` of sequences, `m` of the rows that attention has them
//! in, `L` their length, `h` the hidden width, `f` the width inside the feed-forward block.

mod backward;
mod forward;
mod kernels;
mod masks;
mod parameters;
mod places;

use candle_core::{DType, Device, Tensor};

use self::forward::Tape;
use self::kernels::Kernels;
use self::masks::Masks;
use self::parameters::Parameters;
use self::places::Places;
use super::config::Config;
use super::encoder::{Encoder, Pooling};
use super::optimizer::{AdamW, Moments};
use super::packed::Packed;
use super::weights::{Layout, Weights};
use crate::error::{Error, Result};

/// An encoder in candle operations.
pub(crate) struct PlainEncoder {
    config: Config,
    layout: Layout,
    device: Device,
    /// What the products are computed in; parameters, norms and softmax stay f32.
    compute: DType,
    parameters: Parameters,
    /// Made when something is first dropped.
    masks: Option<Masks>,
    /// Where the device has them.
    kernels: Option<Kernels>,
    /// What the last forward pass left for its backward pass.
    tape: Option<Tape>,
}

impl PlainEncoder {
    /// An encoder on `device` with these weights; `compute` is the type of the matrix products.
    ///
    /// # Errors
    /// The tensors cannot be made on the device.
    pub(crate) fn new(weights: &Weights, device: &Device, compute: DType) -> Result<Self> {
        Ok(Self {
            layout: Layout::of(&weights.config),
            config: weights.config.clone(),
            device: device.clone(),
            compute,
            parameters: Parameters::new(weights, device, compute)?,
            masks: None,
            kernels: Kernels::of(device, compute),
            tape: None,
        })
    }

    /// Where the tokens of a batch stand.
    fn places(&self, batch: &Packed) -> Result<Places> {
        batch.check(&self.config)?;
        let Config {
            vocab, type_vocab, ..
        } = self.config;
        Places::new(batch, vocab, type_vocab, self.compute, &self.device)
    }
}

impl Encoder for PlainEncoder {
    fn config(&self) -> &Config {
        &self.config
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, batch: &Packed, pooling: Pooling) -> Result<Tensor> {
        let places = self.places(batch)?;
        let (embedded, _) = self.embed(&places, None)?;
        let states = (0..self.config.layers).try_fold(embedded, |states, layer| {
            Ok::<_, Error>(self.layer(layer, states, &places, None)?.0)
        })?;
        places.pool(&states.exact, pooling)
    }

    fn forward(
        &mut self,
        batch: &Packed,
        pooling: Pooling,
        dropout: Option<u64>,
    ) -> Result<Tensor> {
        if dropout.is_some() && self.masks.is_none() {
            self.masks = Some(Masks::new(&self.config, self.compute, &self.device)?);
        }
        let places = self.places(batch)?;
        let (mut states, embedded) = self.embed(&places, dropout)?;
        let mut layers = Vec::with_capacity(self.config.layers);
        for layer in 0..self.config.layers {
            let (next, tape) = self.layer(layer, states, &places, dropout)?;
            states = next;
            layers.push(tape);
        }
        let pooled = places.pool(&states.exact, pooling)?;
        self.tape = Some(Tape {
            places,
            pooling,
            embedded,
            layers,
        });
        Ok(pooled)
    }

    fn backward(&mut self, grad: &Tensor) -> Result<()> {
        let tape = self.tape.take().ok_or_else(no_forward)?;
        let gradients = self.gradients_of(tape, &grad.detach())?;
        self.parameters
            .accumulate(&gradients, self.kernels.as_ref())
    }

    fn grad_norm_squared(&self) -> Result<Tensor> {
        self.parameters.grad_norm_squared()
    }

    fn step(&mut self, adamw: &AdamW, lr: f64, scale: &Tensor) -> Result<()> {
        self.parameters
            .step(adamw, lr, scale, self.kernels.as_ref())
    }

    fn weights(&self) -> Result<Weights> {
        Ok(Weights {
            config: self.config.clone(),
            values: self.parameters.on_host()?,
        })
    }

    fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        self.parameters.gradients()
    }

    fn moments(&self) -> Result<Moments> {
        self.parameters.moments()
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        weights.check(&self.config)?;
        self.parameters.replace(&weights.values)
    }

    fn set_moments(&mut self, moments: &Moments) -> Result<()> {
        self.parameters.set_moments(moments)
    }
}

/// The error of a backward pass that nothing preceded.
pub(super) fn no_forward() -> Error {
    Error::Misuse("the encoder's backward pass needs a forward pass before it".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::masks::Windows;
    use super::*;
    use crate::nn::host;
    use crate::nn::packed::Tokens;
    use crate::nn::weights::Values;

    /// An encoder that drops as on a GPU, with those weights.
    fn encoder(weights: &Weights) -> PlainEncoder {
        let mut encoder = PlainEncoder::new(weights, &Device::Cpu, DType::F32).unwrap();
        let windows = Windows::new(&weights.config, DType::F32, &Device::Cpu, 1 << 12).unwrap();
        encoder.masks = Some(Masks::Windows(Box::new(windows)));
        encoder
    }

    fn weights() -> Weights {
        let config = Config::from_json(json!({
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": 20,
            "hidden_size": 12,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "intermediate_size": 20,
            "max_position_embeddings": 16,
            "type_vocab_size": 2,
            "hidden_dropout_prob": 0.2,
            "attention_probs_dropout_prob": 0.3,
        }));
        Weights::random(&config.unwrap(), 1)
    }

    fn batch() -> Packed {
        let tokens = [5usize, 1, 9].map(|length| Tokens {
            ids: (0..length as u32).map(|i| (i * 7) % 20).collect(),
            types: vec![0; length],
        });
        Packed::new(&tokens)
    }

    #[test]
    fn a_seed_decides_what_is_dropped_on_a_gpu() {
        let mut encoder = encoder(&weights());
        let mut pooled = |seed| {
            let pooled = encoder.forward(&batch(), Pooling::Mean, seed).unwrap();
            host::values(&pooled).unwrap()
        };
        let [one, again, other, whole] = [Some(3), Some(3), Some(4), None].map(&mut pooled);
        assert_eq!(one, again);
        assert_ne!(one, other);
        assert_ne!(one, whole);
        let exact = encoder.encode(&batch(), Pooling::Mean).unwrap();
        assert_eq!(whole, host::values(&exact).unwrap());
    }

    /// Along its gradient a sum rises by the gradient's square.
    #[test]
    fn gradients_go_through_what_is_dropped_on_a_gpu() {
        let weights = weights();
        let pull: Vec<f32> = (0..36).map(|i| (i as f32 * 1.3).sin()).collect();
        let pull = Tensor::from_vec(pull, (3, 12), &Device::Cpu).unwrap();
        for pooling in [Pooling::Mean, Pooling::First] {
            let mut at = encoder(&weights);
            at.forward(&batch(), pooling, Some(3)).unwrap();
            at.backward(&pull).unwrap();
            let gradients = at.gradients().unwrap();
            let [square] = host::numbers([&at.grad_norm_squared().unwrap()]).unwrap();
            let moved_by = |share: f32| {
                let values = weights
                    .values
                    .iter()
                    .zip(&gradients)
                    .map(|(values, gradient)| {
                        let moved = values
                            .to_f32()
                            .iter()
                            .zip(gradient)
                            .map(|(v, g)| v + share * g)
                            .collect();
                        Values::Owned(moved)
                    });
                let moved = Weights {
                    config: weights.config.clone(),
                    values: values.collect(),
                };
                let pooled = encoder(&moved).forward(&batch(), pooling, Some(3)).unwrap();
                let sum = (pooled * &pull).unwrap().sum_all().unwrap();
                host::numbers([&sum]).unwrap()[0]
            };
            let share = (1e-2 / square.sqrt()) as f32;
            let rise = (moved_by(share) - moved_by(-share)) / (2.0 * f64::from(share));
            assert!(
                (rise / square - 1.0).abs() < 0.01,
                "{pooling:?}: {rise} of {square}"
            );
        }
    }
}
