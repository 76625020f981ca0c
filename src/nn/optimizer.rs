//! AdamW (Loshchilov & Hutter, 2019) with its state in the open, so that a run resumes exactly.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};

use super::device::scalars;
use super::host;
use crate::error::{Error, Result};

/// The optimizer's settings; the learning rate comes with each step.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// Decoupled weight decay; not applied to biases and norms.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

impl AdamW {
    /// The learning rate and epsilon with the bias corrections of step `t` (counted from 1) folded in:
    /// `p -= rate * m / (sqrt(v) + epsilon)` is then Adam's step.
    pub(crate) fn corrected(&self, lr: f64, t: u64) -> (f64, f64) {
        let t = t as i32;
        let first = 1.0 - self.beta1.powi(t);
        let second = (1.0 - self.beta2.powi(t)).sqrt();
        (lr * second / first, self.epsilon * second)
    }
}

/// What gradients of this norm are multiplied by so that it is at most `largest` (Pascanu et al.,
/// 2013). Both are single numbers, on the device: nothing waits for it.
///
/// # Errors
/// A tensor operation fails.
pub(crate) fn clip(norm: &Tensor, largest: f64) -> Result<Tensor> {
    Ok((norm.maximum(largest)?.recip()? * largest)?)
}

/// First and second moments of every parameter, in the parameters' order, each flat.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moments {
    /// Steps taken.
    pub steps: u64,
    /// Running means of the gradients.
    pub first: Vec<Vec<f32>>,
    /// Running means of their squares.
    pub second: Vec<Vec<f32>>,
}

impl Moments {
    /// Whether these moments fit parameters of those lengths.
    ///
    /// # Errors
    /// They do not.
    pub(crate) fn check(&self, lengths: &[usize]) -> Result<()> {
        let fits = |moments: &[Vec<f32>]| {
            moments.len() == lengths.len()
                && moments
                    .iter()
                    .zip(lengths)
                    .all(|(moment, &length)| moment.len() == length)
        };
        if fits(&self.first) && fits(&self.second) {
            Ok(())
        } else {
            Err(Error::Misuse(
                "the optimizer's state belongs to another model".into(),
            ))
        }
    }
}

/// AdamW for candle variables, in candle operations, on any device.
///
/// The variables themselves stay with their model, which passes them in, always in one order.
pub(crate) struct VarAdamW {
    decays: Vec<bool>,
    gradients: Vec<Option<Tensor>>,
    moments: Vec<Option<(Tensor, Tensor)>>,
    steps: u64,
}

impl VarAdamW {
    /// An optimizer that has taken no step; `decays` says of each variable whether weight decay applies.
    pub(crate) fn new(decays: Vec<bool>) -> Self {
        Self {
            gradients: vec![None; decays.len()],
            moments: vec![None; decays.len()],
            steps: 0,
            decays,
        }
    }

    /// Adds a backward pass's gradients.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn accumulate(&mut self, variables: &[Var], store: &GradStore) -> Result<()> {
        for (sum, variable) in self.gradients.iter_mut().zip(variables) {
            if let Some(gradient) = store.get(variable.as_tensor()) {
                // Detached, or the whole graph would stay alive.
                let gradient = gradient.detach();
                *sum = Some(match sum.take() {
                    Some(sum) => (sum + gradient)?,
                    None => gradient,
                });
            }
        }
        Ok(())
    }

    /// Sum of the squares of all gradients, a number on `device`, where the variables are.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn grad_norm_squared(&self, device: &Device) -> Result<Tensor> {
        let mut sum = Tensor::zeros((), scalars(device), device)?;
        for gradient in self.gradients.iter().flatten() {
            sum = (sum + gradient.sqr()?.sum_all()?.to_dtype(scalars(device))?)?;
        }
        Ok(sum)
    }

    /// One step with every gradient times the number `scale`; gradients are then gone. A variable
    /// without a gradient stays as it is.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn step(
        &mut self,
        variables: &[Var],
        adamw: &AdamW,
        lr: f64,
        scale: &Tensor,
    ) -> Result<()> {
        let scale = scale.to_dtype(DType::F32)?;
        self.steps += 1;
        let (rate, epsilon) = adamw.corrected(lr, self.steps);
        for (i, variable) in variables.iter().enumerate() {
            let Some(gradient) = self.gradients[i].take() else {
                continue;
            };
            let gradient = gradient.broadcast_mul(&scale)?;
            let mut first = (&gradient * (1.0 - adamw.beta1))?;
            let mut second = (gradient.sqr()? * (1.0 - adamw.beta2))?;
            if let Some((old_first, old_second)) = self.moments[i].take() {
                first = (first + (old_first * adamw.beta1)?)?;
                second = (second + (old_second * adamw.beta2)?)?;
            }
            let decay = if self.decays[i] {
                1.0 - lr * adamw.weight_decay
            } else {
                1.0
            };
            let update = (&first * rate)?.div(&(second.sqrt()? + epsilon)?)?;
            variable.set(&((variable.as_detached_tensor() * decay)? - update)?)?;
            self.moments[i] = Some((first, second));
        }
        Ok(())
    }

    /// The gradients summed so far, each flat; zeros where there is none.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn gradients(&self, variables: &[Var]) -> Result<Vec<Vec<f32>>> {
        flat(variables, self.gradients.iter().map(Option::as_ref))
    }

    /// A copy of the state on the host.
    ///
    /// # Errors
    /// A tensor operation fails.
    pub(crate) fn moments(&self, variables: &[Var]) -> Result<Moments> {
        Ok(Moments {
            steps: self.steps,
            first: flat(
                variables,
                self.moments.iter().map(|m| m.as_ref().map(|m| &m.0)),
            )?,
            second: flat(
                variables,
                self.moments.iter().map(|m| m.as_ref().map(|m| &m.1)),
            )?,
        })
    }

    /// Puts back what [`VarAdamW::moments`] gave.
    ///
    /// # Errors
    /// Shapes differ.
    pub(crate) fn set_moments(&mut self, variables: &[Var], moments: &Moments) -> Result<()> {
        let lengths: Vec<usize> = variables
            .iter()
            .map(|variable| variable.elem_count())
            .collect();
        moments.check(&lengths)?;
        for (i, variable) in variables.iter().enumerate() {
            let tensor =
                |values: &[f32]| Tensor::from_slice(values, variable.shape(), variable.device());
            self.moments[i] = Some((tensor(&moments.first[i])?, tensor(&moments.second[i])?));
        }
        self.steps = moments.steps;
        Ok(())
    }
}

/// Tensors as flat vectors, zeros of the variable's size where there is none.
fn flat<'a>(
    variables: &[Var],
    tensors: impl Iterator<Item = Option<&'a Tensor>>,
) -> Result<Vec<Vec<f32>>> {
    variables
        .iter()
        .zip(tensors)
        .map(|(variable, tensor)| match tensor {
            Some(tensor) => host::values(tensor),
            None => Ok(vec![0.0; variable.elem_count()]),
        })
        .collect()
}
