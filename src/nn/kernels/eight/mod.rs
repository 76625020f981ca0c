//! `y = x · Wᵀ + b` in whole numbers: weights of eight bits against states of eight bits, summed in
//! 32 (dynamic quantisation; the arithmetic is that of Jacob et al., 2018).
//!
//! Every row of `x` gets 256 steps of its own from its least value to its largest, so that what comes out
//! for a token does not depend on its neighbours, and nothing has to be calibrated beforehand. With
//! `x = least + step · n` a product is `step · Σ n·w + least · Σ w`: the first sum is one of whole
//! numbers, unsigned times signed, as the instruction takes them, and exact; the second is known from the
//! weights. Where there is no such instruction there is no gain over f32, and [`available`] says so.
//!
//! `states` makes whole numbers of the states, `tile` multiplies them.

mod states;
mod tile;

use rayon::prelude::*;

use states::States;
use tile::{COLUMNS, Instructions, LANE, TILE_ROWS, Tile};

/// Rows that one core takes at a time.
const BLOCK_ROWS: usize = 48;

/// Whether this processor multiplies whole numbers faster than floats.
pub(crate) fn available() -> bool {
    Instructions::best().is_some()
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
    /// Scale of each output.
    scales: Vec<f32>,
    /// Sum of each output's whole numbers.
    sums: Vec<f32>,
    /// `[out]`
    bias: Vec<f32>,
    /// Inputs, and the same in lanes.
    inner: usize,
    lanes: usize,
    instructions: Instructions,
}

impl Linear {
    /// From what is stored, several layers one under the other. `None` where [`available`] says no.
    pub(crate) fn new(parts: &[Stored<'_>], inner: usize) -> Option<Self> {
        let instructions = Instructions::best()?;
        let lanes = inner.div_ceil(LANE);
        let rows: Vec<&[i8]> = parts
            .iter()
            .flat_map(|part| part.numbers.chunks(inner))
            .collect();
        let depth = lanes * LANE * COLUMNS;
        let width = rows.len().next_multiple_of(COLUMNS);
        let mut panels = vec![0; width / COLUMNS * depth];
        let mut sums = vec![0.0; width];
        panels
            .par_chunks_mut(depth)
            .zip(sums.par_chunks_mut(COLUMNS))
            .zip(rows.par_chunks(COLUMNS))
            .for_each(|((panel, sums), rows)| {
                for (column, (row, sum)) in rows.iter().zip(sums).enumerate() {
                    let targets = panel.chunks_mut(LANE).skip(column).step_by(COLUMNS);
                    for (target, lane) in targets.zip(row.chunks(LANE)) {
                        target[..lane.len()].copy_from_slice(lane);
                    }
                    *sum = row.iter().map(|&number| i32::from(number)).sum::<i32>() as f32;
                }
            });
        let mut scales: Vec<f32> = parts.iter().flat_map(|part| part.scales).copied().collect();
        scales.resize(width, 0.0);
        Some(Self {
            panels,
            scales,
            sums,
            bias: parts.iter().flat_map(|part| part.bias).copied().collect(),
            inner,
            lanes,
            instructions,
        })
    }

    /// `x [T, in] -> y [T, out]`.
    pub(crate) fn forward(&self, x: &[f32], y: &mut [f32]) {
        let outer = self.bias.len();
        y.par_chunks_mut(BLOCK_ROWS * outer)
            .zip(x.par_chunks(BLOCK_ROWS * self.inner))
            .for_each_init(States::default, |states, (y, x)| {
                states.read(x, self.inner, self.lanes * LANE);
                self.block(states, y);
            });
    }

    /// Panel by panel, so that a panel stays near the core while all rows of the block pass by.
    fn block(&self, states: &States, y: &mut [f32]) {
        let outer = self.bias.len();
        let stride = self.lanes * LANE;
        assert!(
            states.numbers.len() == states.steps.len() * stride
                && y.len() == states.steps.len() * outer
                && self.panels.len() == self.sums.len() * stride
                && self.scales.len() == self.sums.len()
                && self.sums.len() >= outer,
            "sizes of a product in whole numbers"
        );
        for (panel, first) in self
            .panels
            .chunks(stride * COLUMNS)
            .zip((0..outer).step_by(COLUMNS))
        {
            let tiles = states
                .numbers
                .chunks(TILE_ROWS * stride)
                .zip(states.steps.chunks(TILE_ROWS))
                .zip(y.chunks_mut(TILE_ROWS * outer));
            for ((numbers, steps), y) in tiles {
                let tile = Tile {
                    panel,
                    numbers,
                    stride,
                    steps,
                    scales: &self.scales[first..first + COLUMNS],
                    sums: &self.sums[first..first + COLUMNS],
                    bias: &self.bias[first..outer.min(first + COLUMNS)],
                };
                self.instructions.tile(&tile, &mut y[first..], outer);
            }
        }
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

    #[test]
    fn products_are_exact_on_every_instruction_set() {
        let Some(best) = Instructions::best() else {
            return;
        };
        let mut sets = vec![best];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avxvnni") {
            sets.push(Instructions::Vnni256);
        }
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
            for &instructions in &sets {
                let mut linear = Linear::new(&parts, inner).unwrap();
                linear.instructions = instructions;
                let mut y = vec![f32::NAN; rows * outer];
                linear.forward(&x, &mut y);
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
            }
        }
    }
}
