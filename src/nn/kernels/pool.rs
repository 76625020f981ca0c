//! One vector a sequence, and back.

use super::linear::add;
use crate::nn::encoder::Pooling;

/// `hidden [T, w] -> out [n, w]` for the sequences with these offsets.
pub(crate) fn forward(
    pooling: Pooling,
    offsets: &[usize],
    hidden: &[f32],
    width: usize,
    out: &mut [f32],
) {
    let start = offsets[0];
    for (o, out) in offsets.windows(2).zip(out.chunks_mut(width)) {
        let rows = &hidden[(o[0] - start) * width..(o[1] - start) * width];
        match pooling {
            Pooling::First => out.copy_from_slice(&rows[..width]),
            Pooling::Mean => {
                out.fill(0.0);
                for row in rows.chunks(width) {
                    add(out, row);
                }
                let share = 1.0 / (o[1] - o[0]) as f32;
                for x in out {
                    *x *= share;
                }
            }
        }
    }
}

/// `d_out [n, w] -> d_hidden [T, w]`.
pub(crate) fn backward(
    pooling: Pooling,
    offsets: &[usize],
    d_out: &[f32],
    width: usize,
    d_hidden: &mut [f32],
) {
    let start = offsets[0];
    for (o, d_out) in offsets.windows(2).zip(d_out.chunks(width)) {
        let rows = &mut d_hidden[(o[0] - start) * width..(o[1] - start) * width];
        match pooling {
            Pooling::First => {
                rows[..width].copy_from_slice(d_out);
                rows[width..].fill(0.0);
            }
            Pooling::Mean => {
                let share = 1.0 / (o[1] - o[0]) as f32;
                for row in rows.chunks_mut(width) {
                    for (row, d) in row.iter_mut().zip(d_out) {
                        *row = d * share;
                    }
                }
            }
        }
    }
}
