//! One AdamW step in place (Loshchilov & Hutter, 2019): one pass over four slices.

use multiversion::multiversion;
use rayon::prelude::*;

/// Everything about a step that is the same for all parameters.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Decay of the first moment, and what a gradient's share in it is: `(β, 1 - β)`, for in f32
    /// the one does not follow from the other closely enough.
    pub first: (f32, f32),
    /// The same of the second moment.
    pub second: (f32, f32),
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
    pub(crate) fn apply_row(
        &self,
        keep: f32,
        p: &mut [f32],
        g: &[f32],
        m: &mut [f32],
        v: &mut [f32],
    ) {
        update(*self, keep, p, g, m, v);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn update(step: Step, keep: f32, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let g = g * step.scale;
        *m = *m * step.first.0 + g * step.first.1;
        *v = *v * step.second.0 + g * g * step.second.1;
        *p = *p * keep - step.rate * *m / (v.sqrt() + step.epsilon);
    }
}

/// `p *= keep`: what a step does to a row that never had a gradient.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(crate) fn decay(p: &mut [f32], keep: f32) {
    for p in p {
        *p *= keep;
    }
}

/// Sum of squares, in f64, in an order that does not depend on the number of cores.
pub(crate) fn squares(values: &[f32]) -> f64 {
    let partial: Vec<f64> = values
        .par_chunks(BLOCK)
        .map(|block| f64::from(super::math::sum(block.len(), |i| block[i] * block[i])))
        .collect();
    partial.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's algorithm 2, in f64, with the defaults of torch.optim.AdamW.
    #[test]
    fn steps_as_the_paper_says() {
        let (beta1, beta2, epsilon, lr, decay) = (0.9f64, 0.999f64, 1e-8, 1e-3, 0.01);
        let (mut p, mut m, mut v) = (vec![0.5f32; 3], vec![0.0; 3], vec![0.0; 3]);
        let mut paper = [(0.5f64, 0.0f64, 0.0f64); 3];
        for t in 1..=20 {
            let g = [1.0, -0.02, 3e-4].map(|g: f32| g * (t as f32).sin());
            let correct = |beta: f64| 1.0 - beta.powi(t);
            let step = Step {
                first: (beta1 as f32, (1.0 - beta1) as f32),
                second: (beta2 as f32, (1.0 - beta2) as f32),
                rate: (lr * correct(beta2).sqrt() / correct(beta1)) as f32,
                epsilon: (epsilon * correct(beta2).sqrt()) as f32,
                scale: 0.5,
            };
            step.apply((1.0 - lr * decay) as f32, &mut p, &g, &mut m, &mut v);
            for ((p, m, v), g) in paper.iter_mut().zip(g) {
                let g = f64::from(g) * 0.5;
                *m = beta1 * *m + (1.0 - beta1) * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                let (m, v) = (*m / correct(beta1), *v / correct(beta2));
                *p -= lr * decay * *p;
                *p -= lr * m / (v.sqrt() + epsilon);
            }
        }
        for (i, (paper_p, _, paper_v)) in paper.into_iter().enumerate() {
            assert!(
                (f64::from(p[i]) - paper_p).abs() < 1e-6,
                "{} {paper_p}",
                p[i]
            );
            assert!(
                (f64::from(v[i]) / paper_v - 1.0).abs() < 1e-5,
                "{} {paper_v}",
                v[i]
            );
        }
    }

    #[test]
    fn squares_of_many_blocks_are_summed() {
        let values: Vec<f32> = (0..3 * BLOCK + 5).map(|i| (i % 7) as f32 - 3.0).collect();
        let sum: f64 = values.iter().map(|&x| f64::from(x * x)).sum();
        assert!((squares(&values) / sum - 1.0).abs() < 1e-6);
    }
}
