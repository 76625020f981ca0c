//! The cross-encoder's head: from the first token's state to one score, as transformers'
//! `BertForSequenceClassification` and `DistilBertForSequenceClassification` compute it.

use candle_core::{Device, Tensor, Var};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::config::{Config, Family};
use super::host;
use super::optimizer::{AdamW, Moments, VarAdamW};
use super::plain::no_forward;
use super::weights::{Spec, Values, normal};
use crate::error::Result;

/// Dropout before the last layer, in training: Hugging Face's `classifier_dropout` where it is
/// not set is the encoder's hidden dropout for BERT, and 0.2 for DistilBERT.
const DISTILBERT_DROPOUT: f64 = 0.2;

/// The pooler's tensors: BERT has one beside its encoder, DistilBERT has none.
pub fn pooler_specs(config: &Config) -> Vec<Spec> {
    match config.family {
        Family::Bert => linear("pooler.dense", config.hidden, config.hidden),
        Family::DistilBert => Vec::new(),
    }
}

/// The head of a cross-encoder: a dense layer (BERT's pooler, DistilBERT's `pre_classifier`) and
/// the classifier, whose one output is the score. Names are without the encoder's prefix.
pub fn head_specs(config: &Config) -> Vec<Spec> {
    let hidden = config.hidden;
    let mut specs = match config.family {
        Family::Bert => pooler_specs(config),
        Family::DistilBert => linear("pre_classifier", hidden, hidden),
    };
    specs.extend(linear("classifier", 1, hidden));
    specs
}

fn linear(name: &str, outputs: usize, inputs: usize) -> Vec<Spec> {
    vec![
        Spec::new(format!("{name}.weight"), &[outputs, inputs]),
        Spec::new(format!("{name}.bias"), &[outputs]),
    ]
}

/// A head whose parameters are candle variables: it is small, any device will do.
pub struct Head {
    family: Family,
    dropout: f64,
    variables: Vec<Var>,
    optimizer: VarAdamW,
    /// The last forward's input as a leaf, and the scores with their graph.
    output: Option<(Var, Tensor)>,
}

impl Head {
    /// A head with these tensors, in the order of [`head_specs`].
    ///
    /// # Errors
    /// A tensor has another size, or cannot be made on the device.
    pub fn new(config: &Config, values: &[Values], device: &Device) -> Result<Self> {
        let specs = head_specs(config);
        let variables = specs
            .iter()
            .zip(values)
            .map(|(spec, values)| {
                let tensor = Tensor::from_slice(&values.to_f32(), spec.shape.as_slice(), device)?;
                Ok(Var::from_tensor(&tensor)?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            family: config.family,
            dropout: match config.family {
                Family::Bert => config.hidden_dropout,
                Family::DistilBert => DISTILBERT_DROPOUT,
            },
            optimizer: VarAdamW::new(specs.iter().map(|spec| spec.decays).collect()),
            variables,
            output: None,
        })
    }

    /// Fresh tensors for a head: a given pooler (the first two of [`head_specs`]) or a new one, and
    /// a new scoring layer; normal with deviation 0.02, biases zero.
    pub fn fresh(config: &Config, pooler: Option<&[Values]>, seed: u64) -> Vec<Values> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values: Vec<Values> = head_specs(config)
            .iter()
            .map(|spec| {
                let deviation = if spec.decays { 0.02 } else { 0.0 };
                let draw = |_| normal(rng.random(), rng.random()) * deviation;
                Values::Owned((0..spec.len()).map(draw).collect())
            })
            .collect();
        for (value, given) in values.iter_mut().zip(pooler.unwrap_or_default()) {
            *value = Values::Owned(given.to_f32().into_owned());
        }
        values
    }

    /// Scores of pooled states `[n, h] -> [n]`, without dropout.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn score(&self, pooled: &Tensor) -> Result<Tensor> {
        Ok(self.compute(pooled, None)?.detach())
    }

    /// The same in training, keeping what [`Head::backward`] needs; `dropout` seeds the mask.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn forward(&mut self, pooled: &Tensor, dropout: Option<u64>) -> Result<Tensor> {
        let leaf = Var::from_tensor(pooled)?;
        let scores = self.compute(leaf.as_tensor(), dropout)?;
        let detached = scores.detach();
        self.output = Some((leaf, scores));
        Ok(detached)
    }

    /// Adds the head's gradients, given that of the scores `[n]`; returns that of the pooled
    /// states `[n, h]`.
    ///
    /// # Errors
    /// There was no forward before it, or a tensor operation fails.
    pub fn backward(&mut self, grad: &Tensor) -> Result<Tensor> {
        let (leaf, scores) = self.output.take().ok_or_else(no_forward)?;
        let store = (scores * grad.detach())?.sum_all()?.backward()?;
        self.optimizer.accumulate(&self.variables, &store)?;
        match store.get(leaf.as_tensor()) {
            Some(gradient) => Ok(gradient.detach()),
            None => Ok(leaf.zeros_like()?),
        }
    }

    fn compute(&self, pooled: &Tensor, dropout: Option<u64>) -> Result<Tensor> {
        let mapped = pooled
            .matmul(&self.variables[0].t()?)?
            .broadcast_add(&self.variables[1])?; // [n, h]
        let mut mapped = match self.family {
            Family::Bert => mapped.tanh()?,
            Family::DistilBert => mapped.relu()?,
        };
        if let Some(seed) = dropout.filter(|_| self.dropout > 0.0) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let scale = (1.0 / (1.0 - self.dropout)) as f32;
            let factors: Vec<f32> = (0..mapped.elem_count())
                .map(|_| {
                    if rng.random_bool(self.dropout) {
                        0.0
                    } else {
                        scale
                    }
                })
                .collect();
            mapped = (&mapped * Tensor::from_vec(factors, mapped.shape(), mapped.device())?)?;
        }
        let scores = mapped
            .matmul(&self.variables[2].t()?)?
            .broadcast_add(&self.variables[3])?; // [n, 1]
        Ok(scores.squeeze(1)?)
    }

    /// Sum of the squares of all gradients, as [`Encoder::grad_norm_squared`].
    ///
    /// [`Encoder::grad_norm_squared`]: crate::nn::encoder::Encoder::grad_norm_squared
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn grad_norm_squared(&self) -> Result<Tensor> {
        self.optimizer.grad_norm_squared(self.variables[0].device())
    }

    /// One AdamW step with every gradient times the number `scale`; gradients are then gone.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn step(&mut self, adamw: &AdamW, lr: f64, scale: &Tensor) -> Result<()> {
        self.optimizer.step(&self.variables, adamw, lr, scale)
    }

    /// The gradients summed so far, in the order of [`head_specs`], each flat.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        self.optimizer.gradients(&self.variables)
    }

    /// A copy of the tensors on the host, in the order of [`head_specs`].
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn values(&self) -> Result<Vec<Values>> {
        let copy = |var: &Var| Ok(Values::Owned(host::values(var)?));
        self.variables.iter().map(copy).collect()
    }

    /// Puts back tensors in the order of [`head_specs`].
    ///
    /// # Errors
    /// Shapes differ.
    pub(crate) fn set_values(&mut self, values: &[Values]) -> Result<()> {
        for (variable, values) in self.variables.iter().zip(values) {
            let tensor = Tensor::from_slice(&values.to_f32(), variable.shape(), variable.device())?;
            variable.set(&tensor)?;
        }
        Ok(())
    }

    /// A copy of the optimizer's state.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn moments(&self) -> Result<Moments> {
        self.optimizer.moments(&self.variables)
    }

    /// Puts back what [`Head::moments`] gave.
    ///
    /// # Errors
    /// Shapes differ.
    pub(crate) fn set_moments(&mut self, moments: &Moments) -> Result<()> {
        self.optimizer.set_moments(&self.variables, moments)
    }
}
