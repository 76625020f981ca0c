//! Training a student's embeddings on its teacher's.

use candle_core::{D, Tensor, Var};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::model::bi_encoder::{Embeddings, embed};
use crate::nn::device::scalars;
use crate::nn::encoder::{Encoder, Pooling};
use crate::nn::optimizer::{AdamW, clip, read};
use crate::nn::packed::{Packed, Tokens};
use crate::nn::weights::Weights;
use crate::train::schedule::{Schedule, Wishes};
use crate::watch::{Unit, Watch};

/// Weight of the similarities within a batch beside the distance to the teacher's vectors.
const MATCHING: f64 = 10.0;
/// Share of the steps over which the learning rate rises.
const WARMUP: f64 = 0.05;
/// The gradient's largest norm.
const CLIP: f64 = 1.0;

/// Texts as the student reads them, and what the teacher makes of them.
pub struct Lessons {
    /// Token sequences.
    pub sequences: Vec<Tokens>,
    /// The teacher's unit vectors, one a sequence.
    pub targets: Embeddings,
}

/// How a student is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Passes over the texts.
    pub epochs: u64,
    /// Texts a step.
    pub batch_size: usize,
    /// Learning rate at its peak.
    pub lr: f64,
    /// Seed of the order of the texts.
    pub seed: u64,
}

/// What came of a training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The student's weights when it was best.
    pub weights: Weights,
    /// Mean cosine to the teacher's vectors on held-out texts, before training and after each epoch.
    pub cosines: Vec<f64>,
    /// The epoch that `weights` are of; 0 is before training.
    pub best_epoch: usize,
}

/// Trains `student` on `lessons` and keeps it as it was best on `held_out`.
///
/// # Errors
/// The recipe makes no sense, the training diverges, or a tensor operation fails.
pub fn train(
    student: &mut dyn Encoder,
    lessons: &Lessons,
    held_out: &Lessons,
    recipe: &Recipe,
    watch: &mut dyn Watch,
) -> Result<Trained> {
    let count = lessons.sequences.len();
    let wishes = Wishes {
        epochs: recipe.epochs,
        steps: None,
        warmup: WARMUP,
        evaluate_every: None,
    };
    let per_epoch = count.div_ceil(recipe.batch_size) as u64;
    let schedule = Schedule::new(per_epoch, recipe.lr, wishes)?;
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    let mut order: Vec<usize> = (0..count).collect();

    let cosine = mean_cosine(student, held_out)?;
    watch.stage("training", schedule.steps, Unit::Parts);
    measured(watch, 0, cosine);
    let mut trained = Trained {
        weights: student.weights()?,
        cosines: vec![cosine],
        best_epoch: 0,
    };
    let mut step = 0;
    for epoch in 1..=recipe.epochs as usize {
        order.shuffle(&mut rng);
        for batch in order.chunks(recipe.batch_size) {
            let packed = Packed::new(batch.iter().map(|&i| &lessons.sequences[i]));
            let pooled = student.forward(&packed, Pooling::Mean, None)?;
            let rows: Vec<f32> = batch
                .iter()
                .flat_map(|&i| lessons.targets.row(i))
                .copied()
                .collect();
            let shape = (batch.len(), lessons.targets.width);
            let targets = Tensor::from_vec(rows, shape, student.device())?;
            let (loss, gradient) = imitation(&pooled, &targets)?;
            student.backward(&gradient)?;
            let norm = student.grad_norm_squared()?.sqrt()?;
            let scale = clip(&norm, CLIP)?;
            student.step(&AdamW::default(), schedule.rate(step), &scale)?;
            let [loss] = read([&loss])?;
            if !loss.is_finite() {
                return Err(Error::Diverged {
                    step,
                    lr: recipe.lr,
                });
            }
            step += 1;
            watch.advance(step);
            watch.figures(format_args!("loss {loss:.4}"));
            watch.go_on()?;
        }
        let cosine = mean_cosine(student, held_out)?;
        measured(watch, epoch, cosine);
        if cosine > trained.cosines[trained.best_epoch] {
            trained.best_epoch = epoch;
            trained.weights = student.weights()?;
        }
        trained.cosines.push(cosine);
    }
    Ok(trained)
}

fn measured(watch: &mut dyn Watch, epoch: usize, cosine: f64) {
    watch.note(&format!(
        "epoch {epoch:>3}  cosine on held-out lines {cosine:.4}"
    ));
}

/// The mean of `1 - cosine` to the teacher's vectors, plus the weighted mean squared difference
/// between the student's and the teacher's cosines of all pairs in the batch; and its gradient
/// with respect to `pooled [n, hidden]`. `targets [n, hidden]` are of unit length. The loss is a
/// number on the device.
///
/// # Errors
/// A tensor operation fails.
pub fn imitation(pooled: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
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

/// Mean cosine of the student's vectors to the teacher's.
fn mean_cosine(student: &dyn Encoder, lessons: &Lessons) -> Result<f64> {
    let ours = embed(student, &lessons.sequences, |_| Ok(()))?;
    let pairs = ours.values.iter().zip(&lessons.targets.values);
    let sum: f64 = pairs.map(|(a, b)| f64::from(a * b)).sum();
    Ok(sum / ours.len() as f64)
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
