//! Gradients and optimizer state of the fast encoder.

use crate::error::Result;
use crate::nn::config::Config;
use crate::nn::kernels::adamw::Step;
use crate::nn::kernels::embedding::SparseRows;
use crate::nn::kernels::{adamw, linear};
use crate::nn::optimizer::{AdamW, Moments};
use crate::nn::weights::{Layout, Spec, Values, encoder_specs};

/// Sums of gradients, by parameter, and the moments that AdamW keeps of them.
pub(super) struct Gradients {
    specs: Vec<Spec>,
    hidden: usize,
    /// The word embeddings' gradient: a batch touches few of their rows.
    pub words: SparseRows,
    /// All others', dense; the word embeddings' place is empty.
    dense: Vec<Vec<f32>>,
    moments: Moments,
    /// Rows of the word embeddings that ever had a gradient: only these have moments.
    seen: Vec<bool>,
}

impl Gradients {
    /// All zero.
    pub(super) fn new(config: &Config) -> Self {
        let specs = encoder_specs(config);
        let zeros = || {
            specs
                .iter()
                .map(|spec| vec![0.0; spec.len()])
                .collect::<Vec<_>>()
        };
        let mut dense = zeros();
        dense[Layout::WORDS] = Vec::new();
        Self {
            hidden: config.hidden,
            words: SparseRows::new(config.vocab),
            dense,
            moments: Moments {
                steps: 0,
                first: zeros(),
                second: zeros(),
            },
            seen: vec![false; config.vocab],
            specs,
        }
    }

    /// Gradients of a weight and of the bias that follows it.
    pub(super) fn pair(&mut self, index: usize) -> (&mut [f32], &mut [f32]) {
        let (before, after) = self.dense.split_at_mut(index + 1);
        (&mut before[index], &mut after[0])
    }

    /// Adds `gradient [h]` to a row of a small table.
    pub(super) fn add_row(&mut self, index: usize, row: u32, gradient: &[f32]) {
        let start = row as usize * self.hidden;
        linear::add(&mut self.dense[index][start..start + self.hidden], gradient);
    }

    /// Sum of the squares of all gradients.
    pub(super) fn squares(&self) -> f64 {
        adamw::squares(self.words.values())
            + self
                .dense
                .iter()
                .map(|gradient| adamw::squares(gradient))
                .sum::<f64>()
    }

    /// One AdamW step on `values`; gradients are then zero.
    pub(super) fn step(&mut self, values: &mut [Values], adamw: &AdamW, lr: f64, scale: f64) {
        self.moments.steps += 1;
        let (rate, epsilon) = adamw.corrected(lr, self.moments.steps);
        let step = Step {
            first: (adamw.beta1 as f32, (1.0 - adamw.beta1) as f32),
            second: (adamw.beta2 as f32, (1.0 - adamw.beta2) as f32),
            rate: rate as f32,
            epsilon: epsilon as f32,
            scale: scale as f32,
        };
        let decayed = (1.0 - lr * adamw.weight_decay) as f32;
        for (index, value) in values.iter_mut().enumerate() {
            let Values::Owned(p) = value else { continue };
            let keep = if self.specs[index].decays {
                decayed
            } else {
                1.0
            };
            if index == Layout::WORDS {
                self.step_words(step, keep, p);
                continue;
            }
            let (m, v) = (
                &mut self.moments.first[index],
                &mut self.moments.second[index],
            );
            step.apply(keep, p, &self.dense[index], m, v);
            self.dense[index].fill(0.0);
        }
        self.words.clear();
    }

    /// The word embeddings' step. A row that never had a gradient has no moments, and AdamW only
    /// lets it decay: the same result as for all rows, for a third of the memory traffic.
    fn step_words(&mut self, step: Step, keep: f32, p: &mut [f32]) {
        use rayon::prelude::*;
        let hidden = self.hidden;
        let (words, moments) = (&self.words, &mut self.moments);
        let nothing = vec![0.0; hidden];
        p.par_chunks_mut(hidden)
            .zip(moments.first[Layout::WORDS].par_chunks_mut(hidden))
            .zip(moments.second[Layout::WORDS].par_chunks_mut(hidden))
            .zip(self.seen.par_iter_mut())
            .enumerate()
            .with_min_len(256)
            .for_each(|(row, (((p, m), v), seen))| {
                let gradient = words.row(row, hidden);
                *seen |= gradient.is_some();
                if *seen {
                    step.apply_row(keep, p, gradient.unwrap_or(&nothing), m, v);
                } else if keep != 1.0 {
                    adamw::decay(p, keep);
                }
            });
    }

    /// All gradients, dense.
    pub(super) fn dense(&self) -> Vec<Vec<f32>> {
        let mut dense = self.dense.clone();
        dense[Layout::WORDS] = (0..self.seen.len())
            .flat_map(|row| match self.words.row(row, self.hidden) {
                Some(gradient) => gradient.to_vec(),
                None => vec![0.0; self.hidden],
            })
            .collect();
        dense
    }

    /// A copy of the optimizer's state.
    pub(super) fn moments(&self) -> Moments {
        self.moments.clone()
    }

    /// Puts back what [`Gradients::moments`] gave.
    ///
    /// # Errors
    /// Shapes differ.
    pub(super) fn set_moments(&mut self, moments: &Moments) -> Result<()> {
        let lengths: Vec<usize> = self.specs.iter().map(Spec::len).collect();
        moments.check(&lengths)?;
        self.moments.clone_from(moments);
        let [first, second] = [&moments.first, &moments.second]
            .map(|moments| moments[Layout::WORDS].chunks(self.hidden));
        for (seen, (m, v)) in self.seen.iter_mut().zip(first.zip(second)) {
            // The square of a tiny gradient is 0 in f32: either moment may tell.
            *seen = m.iter().chain(v).any(|&moment| moment != 0.0);
        }
        Ok(())
    }
}
