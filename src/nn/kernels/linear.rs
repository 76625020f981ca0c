//! `y = x · Wᵀ + b` and its gradients.

use multiversion::multiversion;
use rayon::prelude::*;

use super::BLOCK_ROWS;
use super::product::{Store, View, all_cores, product};

/// A linear layer's weight `[out, in]` and bias `[out]`.
#[derive(Debug, Clone, Copy)]
pub struct Linear<'a> {
    /// `[out, in]`.
    pub weight: &'a [f32],
    /// `[out]`.
    pub bias: &'a [f32],
}

impl Linear<'_> {
    fn width_out(&self) -> usize {
        self.bias.len()
    }

    fn width_in(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// `x [T, in] -> y`, whose rows stand `step` values apart; only the first `out` of each are
    /// written.
    pub fn forward(&self, x: &[f32], y: &mut [f32], step: usize) {
        let (inner, outer) = (self.width_in(), self.width_out());
        let rows = x.len() / inner;
        y.par_chunks_mut(step * BLOCK_ROWS).for_each(|block| {
            for row in block.chunks_mut(step) {
                row[..outer].copy_from_slice(self.bias);
            }
        });
        let w = View::new(self.weight, outer, inner);
        product(
            y,
            step,
            Store::Add,
            1.0,
            View::new(x, rows, inner),
            w.t(),
            all_cores(),
        );
    }

    /// `dx (+)= dy · W`; the rows of `dy` stand `step` values apart.
    pub fn backward_input(&self, dy: &[f32], step: usize, dx: &mut [f32], store: Store) {
        let (inner, outer) = (self.width_in(), self.width_out());
        let rows = dx.len() / inner;
        let dy = View::strided(dy, rows, outer, step);
        let w = View::new(self.weight, outer, inner);
        product(dx, inner, store, 1.0, dy, w, all_cores());
    }
}

/// `dW += dyᵀ · x`, `db += Σ dy`; the rows of `dy` stand `step` values apart.
pub fn backward_parameters(
    x: &[f32],
    dy: &[f32],
    step: usize,
    weight: &mut [f32],
    bias: &mut [f32],
) {
    let (inner, outer) = (weight.len() / bias.len(), bias.len());
    let rows = x.len() / inner;
    let view = View::strided(dy, rows, outer, step);
    product(
        weight,
        inner,
        Store::Add,
        1.0,
        view.t(),
        View::new(x, rows, inner),
        all_cores(),
    );
    sum_rows(dy, step, bias);
}

/// `sums += Σ rows`, in blocks so that the order of additions is always the same.
fn sum_rows(values: &[f32], step: usize, sums: &mut [f32]) {
    let partial: Vec<Vec<f32>> = values
        .par_chunks(step * BLOCK_ROWS)
        .map(|block| {
            let mut partial = vec![0.0; sums.len()];
            for row in block.chunks(step) {
                add(&mut partial, &row[..sums.len().min(row.len())]);
            }
            partial
        })
        .collect();
    for partial in partial {
        add(sums, &partial);
    }
}

/// `a += b`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
pub(crate) fn add(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}
