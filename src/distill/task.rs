//! What a student learns: to embed texts as its teacher does.

use candle_core::{D, Device, Tensor, Var};

use crate::error::Result;
use crate::model::bi_encoder::{BiEncoder, Embeddings};
use crate::nn::device::scalars;
use crate::nn::encoder::Pooling;
use crate::nn::host;
use crate::nn::packed::{Packed, Tokens};
use crate::train::embed::embed_all;
use crate::train::task::{Task, Trainee, Validation};
use crate::watch::Watch;

/// Weight of the similarities within a batch beside the distance to the teacher's vectors.
const MATCHING: f64 = 10.0;

/// Texts as the student reads them, and what the teacher makes of them.
pub(crate) struct Lessons {
    /// Token sequences.
    pub sequences: Vec<Tokens>,
    /// The teacher's unit vectors, one a sequence.
    pub targets: Embeddings,
}

impl Lessons {
    /// The teacher's vectors of some texts `[n, hidden]`.
    fn targets(&self, batch: &[usize], device: &Device) -> Result<Tensor> {
        rows(&self.targets, batch, device)
    }
}

/// Rows of vectors as a tensor `[n, hidden]`.
fn rows(all: &Embeddings, batch: &[usize], device: &Device) -> Result<Tensor> {
    let values: Vec<f32> = batch.iter().flat_map(|&i| all.row(i)).copied().collect();
    Ok(Tensor::from_vec(values, (batch.len(), all.width), device)?)
}

/// A student, what it learns from, and what it is measured by.
pub(crate) struct Imitation {
    /// The student.
    pub student: BiEncoder,
    /// To learn from.
    pub lessons: Lessons,
    /// To measure by.
    pub held_out: Lessons,
    /// Texts in the loss; validation uses batches of this size too.
    pub batch_size: usize,
}

impl Task for Imitation {
    fn model(&self) -> &dyn Trainee {
        &self.student
    }

    fn model_mut(&mut self) -> &mut dyn Trainee {
        &mut self.student
    }

    fn measure(&self) -> &'static str {
        "cosine"
    }

    fn examples(&self) -> usize {
        self.lessons.sequences.len()
    }

    /// Without dropout: the teacher has none either.
    fn accumulate(&mut self, batch: &[usize], _: u64) -> Result<Tensor> {
        let encoder = self.student.encoder.as_mut();
        let packed = Packed::new(batch.iter().map(|&i| &self.lessons.sequences[i]));
        let pooled = encoder.forward(&packed, Pooling::Mean, None)?; // [n, h]
        let targets = self.lessons.targets(batch, encoder.device())?; // [n, h]
        let (loss, gradient) = imitation(&pooled, &targets)?;
        encoder.backward(&gradient)?;
        Ok(loss)
    }

    /// The mean cosine of the student's vectors to the teacher's.
    fn validate(&self, watch: &dyn Watch) -> Result<Validation> {
        let sequences = &self.held_out.sequences;
        let encoder = self.student.encoder.as_ref();
        let ours = embed_all(encoder, sequences, |_| watch.go_on())?;
        let pairs = ours.values.iter().zip(&self.held_out.targets.values);
        let cosines: f64 = pairs.map(|(a, b)| f64::from(a * b)).sum();
        let all: Vec<usize> = (0..sequences.len()).collect();
        let mut loss = 0.0;
        for batch in all.chunks(self.batch_size) {
            let targets = self.held_out.targets(batch, &Device::Cpu)?;
            let (mean, _) = imitation(&rows(&ours, batch, &Device::Cpu)?, &targets)?;
            let [mean] = host::numbers([&mean])?;
            loss += mean * batch.len() as f64;
        }
        let n = sequences.len() as f64;
        Ok(Validation {
            loss: loss / n,
            score: cosines / n,
        })
    }
}

/// The mean of `1 - cosine` to the teacher's vectors, plus the weighted mean squared difference
/// between the student's and the teacher's cosines of all pairs in the batch; and its gradient
/// with respect to `pooled [n, hidden]`. `targets [n, hidden]` are of unit length. The loss is a
/// number on the device.
///
/// # Errors
/// A tensor operation fails.
pub(crate) fn imitation(pooled: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
    let leaf = Var::from_tensor(&pooled.detach())?;
    let norms = (leaf.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?; // [n, 1]
    let unit = leaf.broadcast_div(&norms)?; // [n, h]
    let distance = ((&unit * targets)?.sum(D::Minus1)?.mean_all()?.neg()? + 1.0)?;
    let theirs = targets.matmul(&targets.t()?)?; // [n, n]
    let ours = unit.matmul(&unit.t()?)?; // [n, n]
    let difference = (ours - theirs)?.sqr()?.mean_all()?;
    let loss = (distance + (difference * MATCHING)?)?;
    let gradients = loss.backward()?;
    let gradient = match gradients.get(leaf.as_tensor()) {
        Some(gradient) => gradient.detach(),
        None => leaf.zeros_like()?,
    };
    Ok((loss.detach().to_dtype(scalars(loss.device()))?, gradient))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn the_loss_is_zero_at_the_teachers_vectors_and_its_gradient_is_right() {
        let tensor = |values: &[f32]| Tensor::from_slice(values, (2, 3), &Device::Cpu).unwrap();
        let targets = tensor(&[0.6, 0.8, 0.0, 0.0, 0.6, -0.8]);
        let (loss, gradient) = imitation(&(&targets * 3.0).unwrap(), &targets).unwrap();
        assert!(loss.to_scalar::<f64>().unwrap().abs() < 1e-6);
        let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(gradient.iter().all(|g| g.abs() < 1e-5), "{gradient:?}");

        let at = [0.5f32, -0.2, 0.9, 1.5, 0.3, 0.1];
        let (_, gradient) = imitation(&tensor(&at), &targets).unwrap();
        let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for i in 0..at.len() {
            let moved = |by: f32| {
                let mut at = at;
                at[i] += by;
                let (loss, _) = imitation(&tensor(&at), &targets).unwrap();
                loss.to_scalar::<f64>().unwrap()
            };
            let slope = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!(
                (slope - f64::from(gradient[i])).abs() < 2e-2,
                "{i}: {slope} {gradient:?}"
            );
        }
    }
}
