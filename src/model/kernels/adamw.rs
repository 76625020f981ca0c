//! One AdamW step in place (Loshchilov & Hutter, 2019): one pass over four slices.

use multiversion::multiversion;
use rayon::prelude::*;

/// Everything about a step that is the same for all parameters.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Learning rate with the bias corrections in it.
    pub rate: f32,
    /// Epsilon with the bias correction in it.
    pub epsilon: f32,
    /// What gradients are multiplied by (clipping).
    pub scale: f32,
}

/// Values that one core takes at a time.
const BLOCK: usize = 64 * 1024;

impl Step {
    /// Updates parameters `p` and moments `m`, `v` from gradients `g`; `keep` is 1 minus learning
    /// rate times weight decay.
    pub fn apply(&self, keep: f32, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        p.par_chunks_mut(BLOCK)
            .zip(g.par_chunks(BLOCK))
            .zip(m.par_chunks_mut(BLOCK).zip(v.par_chunks_mut(BLOCK)))
            .for_each(|((p, g), (m, v))| update(*self, keep, p, g, m, v));
    }

    /// The same on one core, for a row of a table.
    pub fn apply_row(&self, keep: f32, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        update(*self, keep, p, g, m, v);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn update(step: Step, keep: f32, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = g * step.scale;
        *m = *m * step.beta1 + g * (1.0 - step.beta1);
        *v = *v * step.beta2 + g * g * (1.0 - step.beta2);
        *p = *p * keep - step.rate * *m / (v.sqrt() + step.epsilon);
    }
}

/// `p *= keep`: what a step does to a row that never had a gradient.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub fn decay(p: &mut [f32], keep: f32) {
    for p in p {
        *p *= keep;
    }
}

/// Sum of squares, in f64, in an order that does not depend on the number of cores.
pub fn squares(values: &[f32]) -> f64 {
    let partial: Vec<f64> = values
        .par_chunks(BLOCK)
        .map(|block| f64::from(super::math::sum(block.len(), |i| block[i] * block[i])))
        .collect();
    partial.iter().sum()
}
