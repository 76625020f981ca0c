//! Layer norm (Ba et al., 2016) with what always comes before it: dropout on a block's output and
//! the residual sum. `y = norm(residual + branch · mask) · w + b`.

use multiversion::multiversion;
use rayon::prelude::*;

use super::linear::add;
use super::{BLOCK_ROWS, math};
use crate::nn::dropout::Mask;

/// A norm's weight and bias `[w]`, and its epsilon.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// `[w]`.
    pub weight: &'a [f32],
    /// `[w]`.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// A dropout mask and the index that the first element of the buffer has in it.
pub(crate) type MaskFrom = Option<(Mask, usize)>;

/// `x[i] *= mask[i]`.
pub(crate) fn drop_out(x: &mut [f32], mask: MaskFrom) {
    let Some((mask, first)) = mask else { return };
    const BLOCK: usize = 16 * 1024;
    x.par_chunks_mut(BLOCK)
        .enumerate()
        .for_each(|(i, block)| drop_block(block, mask, (first + i * BLOCK) as u32));
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn drop_block(x: &mut [f32], mask: Mask, first: u32) {
    for (i, x) in x.iter_mut().enumerate() {
        *x *= mask.factor(first + i as u32);
    }
}

impl Norm<'_> {
    /// `branch [T, w]` becomes `x̂ = (s - mean) / deviation` of the sums `s = residual + branch · mask`;
    /// `rate [T]` becomes `1 / deviation`. Without a residual the branch is normed as it is.
    pub fn forward(
        &self,
        residual: Option<&[f32]>,
        branch: &mut [f32],
        mask: MaskFrom,
        rate: &mut [f32],
    ) {
        let width = self.weight.len();
        let block = width * BLOCK_ROWS;
        drop_out(branch, mask);
        branch
            .par_chunks_mut(block)
            .zip(rate.par_chunks_mut(BLOCK_ROWS))
            .enumerate()
            .for_each(|(i, (rows, rates))| {
                for (r, (row, rate)) in rows.chunks_mut(width).zip(rates).enumerate() {
                    if let Some(residual) = residual {
                        add(row, &residual[i * block + r * width..][..width]);
                    }
                    *rate = normalize(row, self.epsilon);
                }
            });
    }

    /// `y = x̂ · w + b`.
    pub(crate) fn affine(&self, normed: &[f32], y: &mut [f32]) {
        let width = self.weight.len();
        let block = width * BLOCK_ROWS;
        y.par_chunks_mut(block)
            .zip(normed.par_chunks(block))
            .for_each(|(y, normed)| {
                for (y, normed) in y.chunks_mut(width).zip(normed.chunks(width)) {
                    affine_row(normed, self.weight, self.bias, y);
                }
            });
    }

    /// `x [T, w]` becomes the norm of the sums `x + branch`, where no gradient is wanted.
    pub(crate) fn settle(&self, x: &mut [f32], branch: &[f32]) {
        let block = self.weight.len() * BLOCK_ROWS;
        x.par_chunks_mut(block)
            .zip(branch.par_chunks(block))
            .for_each(|(x, branch)| settle_rows(x, branch, self));
    }

    /// Replaces `dy [T, w]` by the gradient of the sums `s`, and adds the parameters' gradients.
    pub fn backward(
        &self,
        normed: &[f32],
        rate: &[f32],
        dy: &mut [f32],
        weight: &mut [f32],
        bias: &mut [f32],
    ) {
        let width = self.weight.len();
        let block = width * BLOCK_ROWS;
        let partial: Vec<(Vec<f32>, Vec<f32>)> = dy
            .par_chunks_mut(block)
            .zip(normed.par_chunks(block))
            .zip(rate.par_chunks(BLOCK_ROWS))
            .map(|((dy, normed), rates)| {
                let mut sums = (vec![0.0; width], vec![0.0; width]);
                for ((dy, normed), &rate) in
                    dy.chunks_mut(width).zip(normed.chunks(width)).zip(rates)
                {
                    backward_row(dy, normed, self.weight, rate, &mut sums.0, &mut sums.1);
                }
                sums
            })
            .collect();
        for (dw, db) in partial {
            add(weight, &dw);
            add(bias, &db);
        }
    }
}

/// Norms a row in place; returns `1 / deviation`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn normalize(row: &mut [f32], epsilon: f32) -> f32 {
    let n = row.len() as f32;
    let mean = math::sum(row.len(), |i| row[i]) / n;
    let variance = math::sum(row.len(), |i| (row[i] - mean) * (row[i] - mean)) / n;
    let rate = 1.0 / (variance + epsilon).sqrt();
    for x in row.iter_mut() {
        *x = (*x - mean) * rate;
    }
    rate
}

/// `x = norm(x + branch) · w + b`, row by row.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn settle_rows(x: &mut [f32], branch: &[f32], norm: &Norm<'_>) {
    let width = norm.weight.len();
    for (x, branch) in x.chunks_exact_mut(width).zip(branch.chunks_exact(width)) {
        for (x, branch) in x.iter_mut().zip(branch) {
            *x += branch;
        }
        let mean = math::sum(width, |i| x[i]) / width as f32;
        let variance = math::sum(width, |i| (x[i] - mean) * (x[i] - mean)) / width as f32;
        let rate = 1.0 / (variance + norm.epsilon).sqrt();
        for ((x, weight), bias) in x.iter_mut().zip(norm.weight).zip(norm.bias) {
            *x = (*x - mean) * rate * weight + bias;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn affine_row(normed: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    for (((y, x), w), b) in y.iter_mut().zip(normed).zip(weight).zip(bias) {
        *y = x * w + b;
    }
}

/// With `g = dy · w`: `ds = (g - mean(g) - x̂ · mean(g · x̂)) · rate`, `dw += dy · x̂`, `db += dy`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn backward_row(
    dy: &mut [f32],
    normed: &[f32],
    weight: &[f32],
    rate: f32,
    dw: &mut [f32],
    db: &mut [f32],
) {
    let n = dy.len();
    let (normed, weight) = (&normed[..n], &weight[..n]);
    let (dw, db) = (&mut dw[..n], &mut db[..n]);
    let mean = math::sum(n, |i| dy[i] * weight[i]) / n as f32;
    let along = math::sum(n, |i| dy[i] * weight[i] * normed[i]) / n as f32;
    for i in 0..n {
        dw[i] += dy[i] * normed[i];
        db[i] += dy[i];
        dy[i] = (dy[i] * weight[i] - mean - normed[i] * along) * rate;
    }
}
