//! The cross-encoder's head: from the first token's state to one score.
//!
//! It is what transformers' `BertForSequenceClassification` (pooler, tanh, classifier) and
//! `DistilBertForSequenceClassification` (pre-classifier, ReLU, classifier) put on their encoders,
//! with their names, so that what is saved loads there.

use candle_core::{Device, Tensor, Var};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::optimizer::{AdamW, Moments, VarAdamW};
use crate::error::{Error, Result};
use crate::model::config::{Config, Family};
use crate::model::weights::{Spec, Values, normal};

/// Two linear layers with an activation and, in training, dropout between them.
pub struct Head {
    family: Family,
    dropout: f64,
    specs: Vec<Spec>,
    /// Dense weight `[h, h]` and bias `[h]`, classifier weight `[1, h]` and bias `[1]`.
    parameters: Vec<Var>,
    optimizer: VarAdamW,
    /// Input and output of the last forward, with its graph.
    pass: Option<(Var, Tensor)>,
}

/// Number of tensors before the classifier: the pooler's (BERT) or the pre-classifier's.
const DENSE: usize = 2;

impl Head {
    /// Names and shapes of the head's parameters for an encoder: the dense layer, then the classifier.
    pub fn specs(config: &Config) -> Vec<Spec> {
        let hidden = config.hidden;
        let dense = match config.family {
            Family::Bert => "pooler.dense",
            Family::DistilBert => "pre_classifier",
        };
        vec![
            Spec::new(format!("{dense}.weight"), &[hidden, hidden]),
            Spec::new(format!("{dense}.bias"), &[hidden]),
            Spec::new("classifier.weight", &[1, hidden]),
            Spec::new("classifier.bias", &[1]),
        ]
    }

    /// A head with the values given, in the order of [`Head::specs`].
    ///
    /// # Errors
    /// Shapes differ.
    pub fn from_values(config: &Config, values: &[Values], device: &Device) -> Result<Self> {
        let specs = Self::specs(config);
        if values.len() != specs.len() || specs.iter().zip(values).any(|(s, v)| s.len() != v.len())
        {
            return Err(Error::Setting("the head belongs to another encoder".into()));
        }
        let parameters = specs
            .iter()
            .zip(values)
            .map(|(spec, values)| {
                let tensor = Tensor::from_slice(&values.to_f32(), spec.shape.as_slice(), device)?;
                Ok(Var::from_tensor(&tensor)?)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            family: config.family,
            dropout: config.hidden_dropout,
            optimizer: VarAdamW::new(specs.iter().map(|spec| spec.decays).collect()),
            specs,
            parameters,
            pass: None,
        })
    }

    /// A new head, as transformers initialises one: weights normal with deviation 0.02, biases
    /// zero. `dense` are the first two tensors, where the encoder brought a trained pooler.
    ///
    /// # Errors
    /// The pooler's shapes differ.
    pub fn new(
        config: &Config,
        dense: Option<&[Values]>,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values: Vec<Values> = Self::specs(config)
            .iter()
            .map(|spec| {
                let mut draw = || normal(rng.random(), rng.random()) * 0.02;
                let value = |_| if spec.decays { draw() } else { 0.0 };
                Values::Owned((0..spec.len()).map(value).collect())
            })
            .collect();
        if let Some(dense) = dense {
            values.splice(..DENSE, dense.iter().cloned());
        }
        Self::from_values(config, &values, device)
    }

    /// Scores `[n]` of pooled states `[n, hidden]`, without dropout, keeping nothing.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn score(&self, pooled: &Tensor) -> Result<Tensor> {
        Ok(self.logits(pooled, None)?.detach())
    }

    /// Scores `[n]` of pooled states `[n, hidden]`, detached, keeping what [`Head::backward`]
    /// needs. `dropout` seeds the mask; `None` turns dropout off.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn forward(&mut self, pooled: &Tensor, dropout: Option<u64>) -> Result<Tensor> {
        let input = Var::from_tensor(&pooled.detach())?;
        let logits = self.logits(&input, dropout)?;
        let detached = logits.detach();
        self.pass = Some((input, logits));
        Ok(detached)
    }

    /// Adds to the parameters' gradients, given the gradient with respect to the scores `[n]`;
    /// returns the gradient with respect to the pooled states `[n, hidden]`.
    ///
    /// # Errors
    /// There was no forward before it, or a tensor operation fails.
    pub fn backward(&mut self, grad: &Tensor) -> Result<Tensor> {
        let (input, logits) = self.pass.take().ok_or_else(|| {
            Error::Setting("the head's backward pass needs a forward pass before it".into())
        })?;
        let store = (logits * grad.detach())?.sum_all()?.backward()?;
        self.optimizer.accumulate(&self.parameters, &store)?;
        match store.get(&input) {
            Some(gradient) => Ok(gradient.detach()),
            None => Ok(input.zeros_like()?),
        }
    }

    fn logits(&self, pooled: &Tensor, dropout: Option<u64>) -> Result<Tensor> {
        let linear = |x: &Tensor, i: usize| -> Result<Tensor> {
            Ok(x.matmul(&self.parameters[i].t()?)?
                .broadcast_add(&self.parameters[i + 1])?)
        };
        let dense = linear(pooled, 0)?; // [n, h]
        let mut active = match self.family {
            Family::Bert => dense.tanh()?,
            Family::DistilBert => dense.relu()?,
        };
        if let Some(seed) = dropout.filter(|_| self.dropout > 0.0) {
            let keep = 1.0 - self.dropout;
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let factor = |_| match rng.random_bool(keep) {
                true => (1.0 / keep) as f32,
                false => 0.0,
            };
            let factors: Vec<f32> = (0..active.elem_count()).map(factor).collect();
            let factors = Tensor::from_vec(factors, active.shape(), active.device())?;
            active = (active * factors)?;
        }
        Ok(linear(&active, DENSE)?.squeeze(1)?) // [n]
    }

    /// Sum of the squares of all gradients.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn grad_norm_squared(&self) -> Result<f64> {
        self.optimizer.grad_norm_squared()
    }

    /// One AdamW step with every gradient times `scale`; gradients are then zero.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn step(&mut self, adamw: &AdamW, lr: f64, scale: f64) -> Result<()> {
        self.optimizer.step(&self.parameters, adamw, lr, scale)
    }

    /// A copy of the parameters on the host, in the order of [`Head::specs`].
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn values(&self) -> Result<Vec<Values>> {
        self.parameters
            .iter()
            .map(|var| Ok(Values::Owned(var.flatten_all()?.to_vec1()?)))
            .collect()
    }

    /// Puts values back, in the order of [`Head::specs`].
    ///
    /// # Errors
    /// Shapes differ.
    pub fn set_values(&mut self, values: &[Values]) -> Result<()> {
        for ((var, spec), values) in self.parameters.iter().zip(&self.specs).zip(values) {
            let device = var.device();
            let tensor = Tensor::from_slice(&values.to_f32(), spec.shape.as_slice(), device)?;
            var.set(&tensor)?;
        }
        Ok(())
    }

    /// The gradients summed so far, in the order of [`Head::specs`], each flat.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        self.optimizer.gradients(&self.parameters)
    }

    /// A copy of the optimizer's state.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub fn moments(&self) -> Result<Moments> {
        self.optimizer.moments(&self.parameters)
    }

    /// Puts back what [`Head::moments`] gave.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn set_moments(&mut self, moments: &Moments) -> Result<()> {
        self.optimizer.set_moments(&self.parameters, moments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::tiny_config;

    fn states(config: &Config, n: usize) -> Tensor {
        let values: Vec<f32> = (0..n * config.hidden)
            .map(|i| (i as f32 * 0.37).sin())
            .collect();
        Tensor::from_vec(values, (n, config.hidden), &Device::Cpu).unwrap()
    }

    /// `Σ score` weighted unevenly, so that its gradient is no constant.
    const GRADIENT: [f32; 3] = [1.0, -2.0, 0.5];

    fn weighted(head: &Head, states: &Tensor) -> f64 {
        let scores: Vec<f32> = head.score(states).unwrap().to_vec1().unwrap();
        let terms = scores.iter().zip(GRADIENT);
        terms.map(|(s, g)| f64::from(*s) * f64::from(g)).sum()
    }

    #[test]
    fn gradients_equal_finite_differences_and_every_parameter_moves() {
        for family in [Family::Bert, Family::DistilBert] {
            let config = tiny_config(family, 10).unwrap();
            let mut head = Head::new(&config, None, 1, &Device::Cpu).unwrap();
            let states = states(&config, 3);
            head.forward(&states, None).unwrap();
            let grad = Tensor::new(&GRADIENT, &Device::Cpu).unwrap();
            let into: Vec<f32> = head
                .backward(&grad)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap();
            let values: Vec<f32> = states.flatten_all().unwrap().to_vec1().unwrap();
            for i in [0, 17, 40, 95] {
                let at = |by: f32| {
                    let mut moved = values.clone();
                    moved[i] += by;
                    weighted(
                        &head,
                        &Tensor::from_vec(moved, (3, config.hidden), &Device::Cpu).unwrap(),
                    )
                };
                let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
                assert!(
                    (slope - f64::from(into[i])).abs() < 1e-5,
                    "{slope} {}",
                    into[i]
                );
            }
            let gradients = head.gradients().unwrap();
            assert!(gradients.iter().all(|g| g.iter().any(|v| *v != 0.0)));
            let squares: f64 = gradients.iter().flatten().map(|v| f64::from(v * v)).sum();
            assert!((head.grad_norm_squared().unwrap() / squares - 1.0).abs() < 1e-5);

            let before = head.values().unwrap();
            head.step(&AdamW::default(), 1e-2, 1.0).unwrap();
            for (old, new) in before.iter().zip(head.values().unwrap()) {
                assert_ne!(old.to_f32(), new.to_f32());
            }
        }
    }

    #[test]
    fn a_new_head_follows_its_seed_and_keeps_a_pooler() {
        let config = tiny_config(Family::Bert, 10).unwrap();
        let of = |dense: Option<&[Values]>, seed| {
            let head = Head::new(&config, dense, seed, &Device::Cpu).unwrap();
            head.values()
                .unwrap()
                .iter()
                .map(|v| v.to_f32().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(None, 3), of(None, 3));
        assert_ne!(of(None, 3), of(None, 4));
        let h = config.hidden;
        let pooler = [
            Values::Owned(vec![0.5; h * h]),
            Values::Owned(vec![0.25; h]),
        ];
        let carried = of(Some(&pooler), 3);
        assert_eq!(carried[0], vec![0.5; h * h]);
        assert_eq!(carried[1], vec![0.25; h]);
        assert_eq!(carried[2], of(None, 3)[2]);
    }

    #[test]
    fn dropout_is_the_same_for_the_same_seed_only() {
        let config = tiny_config(Family::Bert, 10).unwrap();
        let mut head = Head::new(&config, None, 1, &Device::Cpu).unwrap();
        let states = states(&config, 3);
        let mut of = |seed| {
            let scores = head.forward(&states, seed).unwrap();
            scores.to_vec1::<f32>().unwrap()
        };
        assert_eq!(of(Some(1)), of(Some(1)));
        assert_ne!(of(Some(1)), of(Some(2)));
        assert_ne!(of(Some(1)), of(None));
    }
}
