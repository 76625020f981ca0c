//! What the training loop knows of a model and of what it learns: the loop is the same for the
//! bi-encoder and the cross-encoder.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::bi_encoder::BiEncoder;
use crate::model::checkpoint::Precision;
use crate::model::cross_encoder::CrossEncoder;
use crate::model::encoder::Encoder;
use crate::model::head::Head;

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
    /// Mean reciprocal rank of the true reply, in 0..=1.
    pub mrr: f64,
}

impl Validation {
    /// Whether this is better than `other`: a higher rank, or the same with a lower loss.
    pub fn beats(&self, other: &Self) -> bool {
        self.mrr > other.mrr || (self.mrr == other.mrr && self.loss < other.loss)
    }
}

/// A model, the exchanges that it learns from, and its loss.
pub trait Task {
    /// The model.
    fn model(&self) -> &dyn Trainee;

    /// The model, to train it.
    fn model_mut(&mut self) -> &mut dyn Trainee;

    /// Number of training examples.
    fn examples(&self) -> usize;

    /// Adds the gradients of the batch's mean loss, which it returns. `seed` decides everything
    /// random about it.
    ///
    /// # Errors
    /// A tensor operation fails.
    fn accumulate(&mut self, batch: &[usize], seed: u64) -> Result<f64>;

    /// Judges the model on the validation exchanges.
    ///
    /// # Errors
    /// [`Error::Interrupted`] soon after `interrupt` is set, or a tensor operation fails.
    fn validate(&self, interrupt: &AtomicBool) -> Result<Validation>;
}

/// [`Error::Interrupted`] once `interrupt` is set.
///
/// # Errors
/// That one.
pub fn go_on(interrupt: &AtomicBool) -> Result<()> {
    if interrupt.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    Ok(())
}

/// The reciprocal rank of candidate `truth`; candidates of the same score share their mean rank,
/// so that a model that scores everything alike gains nothing.
pub fn reciprocal_rank(scores: &[f32], truth: usize) -> f64 {
    let own = scores[truth];
    let above = scores.iter().filter(|&&score| score > own).count();
    let level = scores.iter().filter(|&&score| score == own).count();
    let level = level.saturating_sub(1);
    1.0 / (1.0 + above as f64 + level as f64 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(reciprocal_rank(&[0.1, 0.9, 0.5], 1), 1.0);
        assert_eq!(reciprocal_rank(&[0.1, 0.9, 0.5], 2), 0.5);
        assert_eq!(reciprocal_rank(&[0.5, 0.5, 0.5], 0), 0.5);
        assert_eq!(reciprocal_rank(&[0.7, 0.5, 0.5], 2), 0.4);
    }

    #[test]
    fn the_rank_counts_first_and_the_loss_decides_between_equals() {
        let of = |mrr, loss| Validation { loss, mrr };
        assert!(of(0.5, 9.0).beats(&of(0.4, 1.0)));
        assert!(of(0.5, 1.0).beats(&of(0.5, 2.0)));
        assert!(!of(0.5, 2.0).beats(&of(0.5, 2.0)));
        assert!(!of(0.4, 0.0).beats(&of(0.5, 2.0)));
    }
}
