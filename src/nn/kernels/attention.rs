//! Scaled dot-product attention within each sequence (Vaswani et al., 2017), for all heads.
//!
//! Projections stand as `[T, 3h]`: queries, keys and values side by side, heads side by side in
//! each. Probabilities of a sequence of length `l` stand as `[heads, l, l]`, sequences end to end.

use gemm::Parallelism;
use multiversion::multiversion;
use rayon::prelude::*;

use super::math;
use super::product::{Store, View, product};
use crate::nn::dropout::Mask;

/// Sizes that the kernel needs besides the sequences' lengths.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Number of heads.
    pub heads: usize,
    /// Width of the hidden states, a multiple of `heads`.
    pub hidden: usize,
}

/// Number of probabilities of sequences with these offsets.
pub fn probabilities(offsets: &[usize], heads: usize) -> usize {
    offsets
        .windows(2)
        .map(|o| (o[1] - o[0]).pow(2) * heads)
        .sum()
}

/// One sequence's part of every buffer.
struct Sequence<'a> {
    length: usize,
    /// Index of its first probability in the dropout mask.
    first: usize,
    projected: &'a [f32],
    probabilities: &'a mut [f32],
    out: &'a mut [f32],
}

/// Cuts the buffers into sequences; `out` has `width` values a token.
fn sequences<'a>(
    offsets: &[usize],
    shape: Shape,
    mut first: usize,
    projected: &'a [f32],
    mut probabilities: &'a mut [f32],
    mut out: &'a mut [f32],
    width: usize,
) -> Vec<Sequence<'a>> {
    let start = offsets[0];
    offsets
        .windows(2)
        .map(|o| {
            let length = o[1] - o[0];
            let (own, rest) =
                std::mem::take(&mut probabilities).split_at_mut(shape.heads * length * length);
            probabilities = rest;
            let (mine, rest) = std::mem::take(&mut out).split_at_mut(length * width);
            out = rest;
            let sequence = Sequence {
                length,
                first,
                projected: &projected[(o[0] - start) * 3 * shape.hidden..]
                    [..length * 3 * shape.hidden],
                probabilities: own,
                out: mine,
            };
            first += sequence.probabilities.len();
            sequence
        })
        .collect()
}

/// `projected [T, 3h] -> context [T, h]`, and the probabilities before dropout.
///
/// `offsets` are those of the sequences in this buffer; `mask` is the dropout of the
/// probabilities, with the index of the first one.
pub fn forward(
    offsets: &[usize],
    shape: Shape,
    projected: &[f32],
    mask: Option<(Mask, usize)>,
    probabilities: &mut [f32],
    context: &mut [f32],
) {
    let Shape { heads, hidden } = shape;
    let width = hidden / heads;
    let scale = 1.0 / (width as f32).sqrt();
    let first = mask.map_or(0, |(_, first)| first);
    sequences(
        offsets,
        shape,
        first,
        projected,
        probabilities,
        context,
        hidden,
    )
    .into_par_iter()
    .for_each_init(Vec::new, |dropped, sequence| {
        let l = sequence.length;
        for head in 0..heads {
            let part = |which: usize| {
                View::strided(
                    &sequence.projected[which * hidden + head * width..],
                    l,
                    width,
                    3 * hidden,
                )
            };
            let scores = &mut sequence.probabilities[head * l * l..][..l * l];
            product(
                scores,
                l,
                Store::Replace,
                scale,
                part(0),
                part(1).t(),
                Parallelism::None,
            );
            for row in scores.chunks_mut(l) {
                softmax(row);
            }
            let weights: &[f32] = match mask {
                Some((mask, _)) => {
                    masked(
                        scores,
                        mask,
                        (sequence.first + head * l * l) as u32,
                        dropped,
                    );
                    dropped
                }
                None => scores,
            };
            let out = &mut sequence.out[head * width..];
            product(
                out,
                hidden,
                Store::Replace,
                1.0,
                View::new(weights, l, l),
                part(2),
                Parallelism::None,
            );
        }
    });
}

/// `d_context [T, h] -> d_projected [T, 3h]`. The probabilities are used up: they end as
/// gradients of the scores.
pub fn backward(
    offsets: &[usize],
    shape: Shape,
    projected: &[f32],
    mask: Option<(Mask, usize)>,
    probabilities: &mut [f32],
    d_context: &[f32],
    d_projected: &mut [f32],
) {
    let Shape { heads, hidden } = shape;
    let width = hidden / heads;
    let scale = 1.0 / (width as f32).sqrt();
    let first = mask.map_or(0, |(_, first)| first);
    let contexts: Vec<&[f32]> = offsets
        .windows(2)
        .map(|o| &d_context[(o[0] - offsets[0]) * hidden..(o[1] - offsets[0]) * hidden])
        .collect();
    sequences(
        offsets,
        shape,
        first,
        projected,
        probabilities,
        d_projected,
        3 * hidden,
    )
    .into_par_iter()
    .zip(contexts)
    .for_each_init(
        || (Vec::new(), Vec::new()),
        |(dropped, d_weights), (sequence, d_context)| {
            let l = sequence.length;
            d_weights.resize(l * l, 0.0);
            for head in 0..heads {
                let part = |which: usize| {
                    View::strided(
                        &sequence.projected[which * hidden + head * width..],
                        l,
                        width,
                        3 * hidden,
                    )
                };
                let d_out = View::strided(&d_context[head * width..], l, width, hidden);
                let p = &mut sequence.probabilities[head * l * l..][..l * l];
                let first = (sequence.first + head * l * l) as u32;
                let weights: &[f32] = match mask {
                    Some((mask, _)) => {
                        masked(p, mask, first, dropped);
                        dropped
                    }
                    None => p,
                };
                let mut out = |which: usize, alpha: f32, a: View<'_>, b: View<'_>| {
                    let target = &mut sequence.out[which * hidden + head * width..];
                    product(
                        target,
                        3 * hidden,
                        Store::Replace,
                        alpha,
                        a,
                        b,
                        Parallelism::None,
                    );
                };
                out(2, 1.0, View::new(weights, l, l).t(), d_out);
                let d_weights = &mut d_weights[..l * l];
                product(
                    d_weights,
                    l,
                    Store::Replace,
                    1.0,
                    d_out,
                    part(2).t(),
                    Parallelism::None,
                );
                if let Some((mask, _)) = mask {
                    apply(d_weights, mask, first);
                }
                for (p, d) in p.chunks_mut(l).zip(d_weights.chunks(l)) {
                    softmax_backward(p, d);
                }
                let d_scores = View::new(p, l, l);
                out(0, scale, d_scores, part(1));
                out(1, scale, d_scores.t(), part(0));
            }
        },
    );
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn softmax(row: &mut [f32]) {
    let largest = row
        .iter()
        .fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    for x in row.iter_mut() {
        *x = math::exp(*x - largest);
    }
    let share = 1.0 / math::sum(row.len(), |i| row[i]);
    for x in row.iter_mut() {
        *x *= share;
    }
}

/// `p` becomes the scores' gradient `p · (d - Σ d · p)`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn softmax_backward(p: &mut [f32], d: &[f32]) {
    let d = &d[..p.len()];
    let along = math::sum(p.len(), |i| d[i] * p[i]);
    for (p, d) in p.iter_mut().zip(d) {
        *p *= d - along;
    }
}

/// `out = p · mask`.
fn masked(p: &[f32], mask: Mask, first: u32, out: &mut Vec<f32>) {
    out.clear();
    out.extend_from_slice(p);
    apply(out, mask, first);
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn apply(x: &mut [f32], mask: Mask, first: u32) {
    for (i, x) in x.iter_mut().enumerate() {
        *x *= mask.factor(first + i as u32);
    }
}
