//! What the training loop knows of a model and of what it learns: the loop is the same for the
//! bi-encoder and the cross-encoder.

use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::hf::tensors::Precision;
use crate::model::bi_encoder::BiEncoder;
use crate::model::cross_encoder::CrossEncoder;
use crate::nn::encoder::Encoder;
use crate::nn::head::Head;
use crate::stats::rank::Standing;
use crate::watch::Watch;

/// A model that can be trained and kept.
pub trait Trainee {
    /// Its encoder.
    fn encoder(&self) -> &dyn Encoder;

    /// Its encoder, to train it.
    fn encoder_mut(&mut self) -> &mut dyn Encoder;

    /// Its head, if it has one.
    fn head(&self) -> Option<&Head> {
        None
    }

    /// Its head, to train it.
    fn head_mut(&mut self) -> Option<&mut Head> {
        None
    }

    /// Writes it as a model folder.
    ///
    /// # Errors
    /// A file cannot be written.
    fn save(&self, folder: &Path, precision: Precision) -> Result<()>;
}

impl Trainee for BiEncoder {
    fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    fn encoder_mut(&mut self) -> &mut dyn Encoder {
        self.encoder.as_mut()
    }

    fn save(&self, folder: &Path, precision: Precision) -> Result<()> {
        self.save(folder, precision)
    }
}

impl Trainee for CrossEncoder {
    fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    fn encoder_mut(&mut self) -> &mut dyn Encoder {
        self.encoder.as_mut()
    }

    fn head(&self) -> Option<&Head> {
        Some(&self.head)
    }

    fn head_mut(&mut self) -> Option<&mut Head> {
        Some(&mut self.head)
    }

    fn save(&self, folder: &Path, precision: Precision) -> Result<()> {
        self.save(folder, precision)
    }
}

/// How good a model is on the validation exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Mean loss.
    pub loss: f64,
    /// What the model is chosen by, the higher the better, see [`Task::measure`].
    #[serde(alias = "mrr")]
    pub score: f64,
}

impl Validation {
    /// Whether this is better than `other`: a higher score, or the same with a lower loss.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        self.score > other.score || (self.score == other.score && self.loss < other.loss)
    }
}

/// A model, the exchanges that it learns from, and its loss.
pub trait Task {
    /// The model.
    fn model(&self) -> &dyn Trainee;

    /// The model, to train it.
    fn model_mut(&mut self) -> &mut dyn Trainee;

    /// What [`Validation::score`] is: the mean reciprocal rank of the true reply, unless it is another.
    fn measure(&self) -> &'static str {
        "MRR"
    }

    /// Number of training examples.
    fn examples(&self) -> usize;

    /// Adds the gradients of the batch's mean loss, which it returns, a number on the device.
    /// `seed` decides everything random about it.
    ///
    /// # Errors
    /// A tensor operation fails.
    fn accumulate(&mut self, batch: &[usize], seed: u64) -> Result<Tensor>;

    /// Judges the model on the validation exchanges.
    ///
    /// # Errors
    /// [`crate::error::Error::Interrupted`] soon after `watch` says so, or a tensor operation fails.
    fn validate(&self, watch: &dyn Watch) -> Result<Validation>;
}

/// The expected reciprocal rank of the best of the candidates that are `right`, ties broken at
/// random, as `eval` counts it.
pub(crate) fn reciprocal_rank(scores: &[f32], right: impl Fn(usize) -> bool) -> f64 {
    Standing::of(scores, right).map_or(0.0, |standing| standing.reciprocal_rank())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_counts_first_and_the_loss_decides_between_equals() {
        let of = |score, loss| Validation { loss, score };
        assert!(of(0.5, 9.0).beats(&of(0.4, 1.0)));
        assert!(of(0.5, 1.0).beats(&of(0.5, 2.0)));
        assert!(!of(0.5, 2.0).beats(&of(0.5, 2.0)));
        assert!(!of(0.4, 0.0).beats(&of(0.5, 2.0)));
    }
}
