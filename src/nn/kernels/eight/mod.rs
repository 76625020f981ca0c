//! `y = x · Wᵀ + b` in whole numbers: weights of eight bits against states of eight bits, summed in
//! 32 (dynamic quantisation; the arithmetic is that of Jacob et al., 2018).
//!
//! Every row of `x` gets 256 steps of its own from its least value to its largest, so that what comes out
//! for a token does not depend on its neighbours, and nothing has to be calibrated beforehand. With
//! `x = least + step · n` a product is `step · Σ n·w + least · Σ w`: the first sum is one of whole
//! numbers and exact; the second is known from the weights. Where there is no such instruction there is no
//! gain over f32, and [`available`] says so.
//!
//! `states` makes whole numbers of the states, `tile` multiplies them.

mod states;
mod tile;

use multiversion::multiversion;
use rayon::prelude::*;

use super::gelu;
use states::{States, Steps};
use tile::{COLUMNS, Instructions, LANE, Sums, TILE_ROWS, Tile};

/// Rows that one core takes at a time: enough that weights, which come from far, are used often, and few
/// enough that what comes out stays near.
pub(crate) const BLOCK_ROWS: usize = 96;

/// Whether this processor multiplies whole numbers faster than floats.
pub(crate) fn available() -> bool {
    Instructions::best().is_some()
}

/// What happens to outputs while they are at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    Keep,
    /// They become their GELU, as exact as eight bits can tell.
    Gelu,
}

/// A linear layer as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    /// Weight in whole numbers `[out, in]`.
    pub(crate) numbers: &'a [i8],
    /// Scales of its rows `[out]`.
    pub(crate) scales: &'a [f32],
    /// `[out]`
    pub(crate) bias: &'a [f32],
}

/// A linear layer whose weight `[out, in]` is in whole numbers, laid out for the kernel.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Panels of [`COLUMNS`] outputs, the last filled up with zeros: in a panel, `LANE` inputs of
    /// each output side by side, then the next `LANE`.
    panels: Vec<i8>,
    /// What makes outputs of a panel's sums.
    columns: Vec<Columns>,
    /// Inputs, and the same in lanes.
    inner: usize,
    lanes: usize,
    outer: usize,
    instructions: Instructions,
}

/// Outputs of a panel: `product · step · scale + least · sum + bias`.
#[derive(Debug)]
struct Columns {
    scales: [f32; COLUMNS],
    /// Sums of the weights: whole numbers times their scale.
    sums: [f32; COLUMNS],
    bias: [f32; COLUMNS],
}

impl Linear {
    /// From what is stored, several layers one under the other. `None` where [`available`] says no.
    pub(crate) fn new(parts: &[Stored<'_>], inner: usize) -> Option<Self> {
        Some(Self::with(Instructions::best()?, parts, inner))
    }

    fn with(instructions: Instructions, parts: &[Stored<'_>], inner: usize) -> Self {
        let lanes = inner.div_ceil(LANE);
        let outputs: Vec<(&[i8], f32, f32)> = parts
            .iter()
            .flat_map(|part| {
                let rows = part.numbers.chunks(inner).zip(part.scales).zip(part.bias);
                rows.map(|((row, &scale), &bias)| (row, scale, bias))
            })
            .collect();
        let depth = lanes * LANE * COLUMNS;
        let mut panels = vec![0; outputs.len().div_ceil(COLUMNS) * depth];
        let columns = panels
            .par_chunks_mut(depth)
            .zip(outputs.par_chunks(COLUMNS))
            .map(|(panel, outputs)| {
                let mut columns = Columns {
                    scales: [0.0; COLUMNS],
                    sums: [0.0; COLUMNS],
                    bias: [0.0; COLUMNS],
                };
                for (column, &(row, scale, bias)) in outputs.iter().enumerate() {
                    let targets = panel.chunks_mut(LANE).skip(column).step_by(COLUMNS);
                    for (target, lane) in targets.zip(row.chunks(LANE)) {
                        target[..lane.len()].copy_from_slice(lane);
                    }
                    let sum: i32 = row.iter().map(|&number| i32::from(number)).sum();
                    columns.scales[column] = scale;
                    columns.sums[column] = sum as f32 * scale;
                    columns.bias[column] = bias;
                }
                columns
            })
            .collect();
        Self {
            panels,
            columns,
            inner,
            lanes,
            outer: outputs.len(),
            instructions,
        }
    }

    /// `x [T, in] -> y [T, out]`.
    pub(crate) fn forward(&self, x: &[f32], y: &mut [f32], then: Then) {
        y.par_chunks_mut(BLOCK_ROWS * self.outer)
            .zip(x.par_chunks(BLOCK_ROWS * self.inner))
            .for_each_init(States::default, |states, (y, x)| {
                let stride = self.lanes * LANE;
                states.read(x, self.inner, stride, self.instructions.signed());
                self.block(states, y, then);
            });
    }

    /// Panel by panel, so that a panel stays near the core while all rows of the block pass by.
    fn block(&self, states: &States, y: &mut [f32], then: Then) {
        let stride = self.lanes * LANE;
        let mut sums: Sums = [[0; COLUMNS]; TILE_ROWS];
        let panels = self.panels.chunks(stride * COLUMNS).zip(&self.columns);
        for (index, (panel, columns)) in panels.enumerate() {
            let first = index * COLUMNS;
            let width = COLUMNS.min(self.outer - first);
            let tiles = states
                .numbers
                .chunks(TILE_ROWS * stride)
                .zip(states.steps.chunks(TILE_ROWS))
                .zip(y.chunks_mut(TILE_ROWS * self.outer));
            for ((numbers, steps), y) in tiles {
                let tile = Tile {
                    panel,
                    numbers,
                    stride,
                };
                self.instructions.sums(&tile, &mut sums);
                for ((sums, steps), y) in sums.iter().zip(steps).zip(y.chunks_mut(self.outer)) {
                    finish(sums, *steps, columns, then, &mut y[first..][..width]);
                }
            }
        }
    }
}

/// Sums of a row become its outputs `y`, as many as it has of the panel.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn finish(sums: &[i32; COLUMNS], steps: Steps, columns: &Columns, then: Then, y: &mut [f32]) {
    let Steps { least, step } = steps;
    let mut out = [0.0; COLUMNS];
    for i in 0..COLUMNS {
        out[i] = sums[i] as f32 * (step * columns.scales[i])
            + (least * columns.sums[i] + columns.bias[i]);
    }
    if then == Then::Gelu {
        for x in &mut out {
            *x = gelu::rough(*x);
        }
    }
    match y.first_chunk_mut() {
        Some(y) => *y = out,
        None => y.copy_from_slice(&out[..y.len()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers that look like chance.
    fn numbers(n: usize, seed: usize) -> Vec<i8> {
        (0..n)
            .map(|i| ((i * 7919 + i * i / 13 + seed * 31) % 255) as i32 - 127)
            .map(|number| number as i8)
            .collect()
    }

    /// Every kernel's sums are those of whole numbers, to the last bit, the largest there are as well.
    #[test]
    fn sums_are_exact_on_every_instruction_set() {
        for instructions in Instructions::all() {
            for (stride, rows) in [(4, 1), (8, 2), (384, 3), (40, 4), (132, 5), (1536, 6)] {
                let mut panel = numbers(stride * COLUMNS, 1);
                let mut states: Vec<u8> = numbers(stride * rows, 2)
                    .into_iter()
                    .map(|number| number as u8)
                    .collect();
                states[..stride].fill(if instructions.signed() { 128 } else { 255 });
                for lane in panel.chunks_mut(COLUMNS * LANE) {
                    lane[..LANE].fill(127);
                    lane[LANE..2 * LANE].fill(-127);
                }
                let tile = Tile {
                    panel: &panel,
                    numbers: &states,
                    stride,
                };
                let mut sums = [[7; COLUMNS]; TILE_ROWS];
                instructions.sums(&tile, &mut sums);
                for (row, sums) in states.chunks(stride).zip(sums) {
                    for (column, found) in sums.into_iter().enumerate() {
                        let weight = |i: usize| {
                            i32::from(panel[i / LANE * COLUMNS * LANE + column * LANE + i % LANE])
                        };
                        let state = |byte: u8| match instructions.signed() {
                            true => i32::from(byte.cast_signed()),
                            false => i32::from(byte),
                        };
                        let products = row.iter().enumerate();
                        let real: i32 = products.map(|(i, &n)| state(n) * weight(i)).sum();
                        assert_eq!(found, real, "{instructions:?}, {rows} rows of {stride}");
                    }
                }
            }
        }
    }

    #[test]
    fn outputs_are_those_of_the_linear_map_on_every_instruction_set() {
        for (inner, outer, rows) in [(4, 1, 1), (6, 65, 3), (384, 384, 7), (37, 130, 100)] {
            let weight = numbers(inner * outer, 1);
            let scales: Vec<f32> = (0..outer).map(|i| 1.0 + i as f32 / 64.0).collect();
            let bias: Vec<f32> = (0..outer).map(|i| i as f32 - 20.0).collect();
            // From -127 to 128, so that states are whole numbers and lose nothing.
            let mut x: Vec<f32> = numbers(inner * rows, 2)
                .into_iter()
                .map(f32::from)
                .collect();
            x.iter_mut().step_by(inner).for_each(|x| *x = -127.0);
            x.iter_mut().skip(1).step_by(inner).for_each(|x| *x = 128.0);
            // Two halves, one under the other.
            let half = outer / 2;
            let parts = [0..half, half..outer].map(|range| Stored {
                numbers: &weight[range.start * inner..range.end * inner],
                scales: &scales[range.clone()],
                bias: &bias[range],
            });
            for instructions in Instructions::all() {
                let linear = Linear::with(instructions, &parts, inner);
                let [mut y, mut active] = [Then::Keep, Then::Gelu].map(|then| {
                    let mut y = vec![f32::NAN; rows * outer];
                    linear.forward(&x, &mut y, then);
                    y
                });
                for (row, y) in x.chunks(inner).zip(y.chunks(outer)) {
                    for (j, (y, w)) in y.iter().zip(weight.chunks(inner)).enumerate() {
                        let sum: f32 = row.iter().zip(w).map(|(x, &w)| x * f32::from(w)).sum();
                        let real = sum * scales[j] + bias[j];
                        let error = (y - real).abs();
                        assert!(
                            error <= inner as f32 * 1e-2,
                            "{instructions:?}: {y}, not {real}"
                        );
                    }
                }
                y.iter_mut().for_each(|y| *y = gelu::rough(*y));
                for (y, active) in y.drain(..).zip(active.drain(..)) {
                    assert!((y - active).abs() <= y.abs() * 1e-5, "{active}, not {y}");
                }
            }
        }
    }
}
