//! Attention where no gradient is wanted: as in [`super::attention`], but probabilities are not kept, and a
//! sequence as short as a line of dialogue is worked out in vectors across its tokens, without the detours that
//! large products take.

use multiversion::multiversion;
use rayon::prelude::*;

use super::attention::{self, Shape};
use super::math;

/// Values that are worked on side by side.
const LANES: usize = 16;
/// Tokens of a sequence from which on products of matrices are faster.
const LONG: usize = 128;
/// Sequences that a core takes at least.
const TOGETHER: usize = 8;

/// Room for a head of a sequence of `l` tokens, filled up to whole lanes.
#[derive(Default)]
struct Room {
    /// Keys, transposed and scaled `[width, l]`.
    keys: Vec<f32>,
    /// Values `[l, width]`.
    values: Vec<f32>,
    /// Scores, then probabilities, of a query `[l]`; of a long sequence all probabilities.
    scores: Vec<f32>,
}

/// `projected [T, 3h] -> context [T, h]` of the sequences with these offsets, see [`attention::forward`].
pub(crate) fn forward(offsets: &[usize], shape: Shape, projected: &[f32], context: &mut [f32]) {
    let hidden = shape.hidden;
    let mut rest = context;
    let mut sequences = Vec::with_capacity(offsets.len());
    for o in offsets.windows(2) {
        let range = (o[0] - offsets[0]) * 3 * hidden..(o[1] - offsets[0]) * 3 * hidden;
        let (own, others) = rest.split_at_mut((o[1] - o[0]) * hidden);
        rest = others;
        sequences.push((&projected[range], own));
    }
    sequences
        .into_par_iter()
        .with_min_len(TOGETHER)
        .for_each_init(Room::default, |room, (projected, out)| {
            sequence(shape, projected, room, out);
        });
}

fn sequence(shape: Shape, projected: &[f32], room: &mut Room, out: &mut [f32]) {
    let Shape { heads, hidden } = shape;
    let width = hidden / heads;
    let length = out.len() / hidden;
    if length >= LONG {
        room.scores.resize(heads * length * length, 0.0);
        let offsets = [0, length];
        return attention::forward(&offsets, shape, projected, None, &mut room.scores, out);
    }
    let columns = length.next_multiple_of(LANES);
    room.keys.resize(width * columns, 0.0);
    room.values
        .resize(length * width.next_multiple_of(LANES), 0.0);
    room.scores.resize(columns, 0.0);
    for first in (0..hidden).step_by(width) {
        head(projected, hidden, first..first + width, room, out);
    }
}

/// The head whose part of the states is `part`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn head(
    projected: &[f32],
    hidden: usize,
    part: std::ops::Range<usize>,
    room: &mut Room,
    out: &mut [f32],
) {
    let width = part.len();
    let scale = 1.0 / (width as f32).sqrt();
    let Room {
        keys,
        values,
        scores,
    } = room;
    let columns = scores.len();
    let tokens = projected.chunks_exact(3 * hidden);
    let length = tokens.len();
    let padded = width.next_multiple_of(LANES);
    for (j, (token, values)) in tokens.zip(values.chunks_exact_mut(padded)).enumerate() {
        let key = &token[hidden..][part.clone()];
        for (keys, &key) in keys.chunks_exact_mut(columns).zip(key) {
            keys[j] = key * scale;
        }
        values[..width].copy_from_slice(&token[2 * hidden..][part.clone()]);
    }
    for (token, out) in projected
        .chunks_exact(3 * hidden)
        .zip(out.chunks_exact_mut(hidden))
    {
        let query = &token[part.clone()];
        let (blocks, _) = scores.as_chunks_mut::<LANES>();
        for (block, scores) in blocks.iter_mut().enumerate() {
            *scores = [0.0; LANES];
            for (&query, keys) in query.iter().zip(keys.chunks_exact(columns)) {
                let keys = &keys.as_chunks::<LANES>().0[block];
                for i in 0..LANES {
                    scores[i] += query * keys[i];
                }
            }
        }
        // What fills the lanes up has no probability.
        scores[length..].fill(f32::NEG_INFINITY);
        let share = exponents(scores);
        let (whole, rest) = out[part.clone()].as_chunks_mut::<LANES>();
        for (block, out) in whole.iter_mut().enumerate() {
            *out = mean(&scores[..length], values, padded, block, share);
        }
        if !rest.is_empty() {
            let block = mean(&scores[..length], values, padded, whole.len(), share);
            rest.copy_from_slice(&block[..rest.len()]);
        }
    }
}

/// Scores become exponents, of the largest 1; returns one over their sum.
#[inline(always)]
fn exponents(scores: &mut [f32]) -> f32 {
    let (blocks, _) = scores.as_chunks_mut::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    for block in &*blocks {
        for i in 0..LANES {
            most[i] = if block[i] > most[i] {
                block[i]
            } else {
                most[i]
            };
        }
    }
    let largest = most
        .iter()
        .fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    let mut sums = [0.0; LANES];
    for block in blocks {
        for i in 0..LANES {
            block[i] = math::exp(block[i] - largest);
            sums[i] += block[i];
        }
    }
    1.0 / math::sum(LANES, |i| sums[i])
}

/// A block of lanes of the values' mean by the weights.
#[inline(always)]
fn mean(weights: &[f32], values: &[f32], padded: usize, block: usize, share: f32) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    for (&weight, values) in weights.iter().zip(values.chunks_exact(padded)) {
        let values = &values.as_chunks::<LANES>().0[block];
        for i in 0..LANES {
            sums[i] += weight * values[i];
        }
    }
    sums.map(|sum| sum * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_what_attention_with_products_sees() {
        for (heads, hidden) in [(12, 384), (4, 48), (1, 20), (2, 10)] {
            let shape = Shape { heads, hidden };
            // The first sequence is of another chunk.
            let mut offsets = vec![5];
            for length in [1, 15, 16, 17, 3, LONG + 1, LONG - 1] {
                offsets.push(offsets[offsets.len() - 1] + length);
            }
            let tokens = offsets[offsets.len() - 1] - offsets[0];
            let projected: Vec<f32> = (0..tokens * 3 * hidden)
                .map(|i| ((i * 7919 + i * i / 13) % 1000) as f32 / 100.0 - 5.0)
                .collect();
            let mut probabilities = vec![0.0; attention::probabilities(&offsets, heads)];
            let [mut real, mut found] = [0, 1].map(|_| vec![f32::NAN; tokens * hidden]);
            let kept = &mut probabilities;
            attention::forward(&offsets, shape, &projected, None, kept, &mut real);
            forward(&offsets, shape, &projected, &mut found);
            for (real, found) in real.iter().zip(&found) {
                assert!((real - found).abs() < 1e-4, "{found}, not {real}");
            }
        }
    }
}
