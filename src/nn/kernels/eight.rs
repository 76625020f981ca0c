//! `y = x · Wᵀ + b` in whole numbers: weights of eight bits against states of eight bits, summed in
//! 32 (dynamic quantisation; the arithmetic is that of Jacob et al., 2018).
//!
//! Every row of `x` gets 256 steps of its own from its least value to its largest, so that what comes out
//! for a token does not depend on its neighbours, and nothing has to be calibrated beforehand. With
//! `x = least + step · n` a product is `step · Σ n·w + least · Σ w`: the first sum is one of whole
//! numbers, unsigned times signed, as the instruction takes them, and exact; the second is known from the
//! weights. Where there is no such instruction there is no gain over f32, and [`available`] says so.
//!
//! All unsafe code of the encoder's whole numbers is here.
#![allow(
    unsafe_code,
    reason = "the processor's own instructions: each block says which lengths were checked before"
)]

use multiversion::multiversion;
use rayon::prelude::*;

/// Outputs that are worked on together, side by side in a panel.
const COLUMNS: usize = 64;
/// Numbers that one lane of the instruction takes.
const LANE: usize = 4;
/// Rows that one core takes at a time.
const BLOCK_ROWS: usize = 48;
/// Rows of a tile: with four vectors of sums each they fill the registers.
const TILE_ROWS: usize = 6;
/// The largest whole number that a state becomes.
const LARGEST: f32 = 255.0;

/// Whether this processor multiplies whole numbers faster than floats.
pub(crate) fn available() -> bool {
    Instructions::best().is_some()
}

/// The instruction sets that are made use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    /// AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni512,
    /// AVX-VNNI, on processors without AVX-512.
    #[cfg(target_arch = "x86_64")]
    Vnni256,
}

impl Instructions {
    #[cfg(target_arch = "x86_64")]
    fn best() -> Option<Self> {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            Some(Self::Vnni512)
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni") {
            Some(Self::Vnni256)
        } else {
            None
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Option<Self> {
        None
    }
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

/// States of a block of rows in whole numbers.
#[derive(Debug, Default)]
struct States {
    /// `[rows, stride]`
    numbers: Vec<u8>,
    /// `[rows]`
    steps: Vec<Steps>,
}

/// What the whole numbers of a row mean: `least + step · number`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Steps {
    least: f32,
    step: f32,
}

impl States {
    /// Reads `x [rows, width]`; rows are filled up to `stride`.
    fn read(&mut self, x: &[f32], width: usize, stride: usize) {
        let rows = x.len() / width;
        self.numbers.resize(rows * stride, 0);
        self.steps.clear();
        for (row, numbers) in x.chunks(width).zip(self.numbers.chunks_mut(stride)) {
            self.steps.push(quantise(row, numbers));
        }
    }
}

/// Writes a row's whole numbers; returns what they mean.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn quantise(row: &[f32], numbers: &mut [u8]) -> Steps {
    // Adding it leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let (mut least, mut most) = ([f32::INFINITY; 16], [f32::NEG_INFINITY; 16]);
    let mut chunks = row.chunks_exact(16);
    for chunk in &mut chunks {
        for i in 0..16 {
            least[i] = if chunk[i] < least[i] {
                chunk[i]
            } else {
                least[i]
            };
            most[i] = if chunk[i] > most[i] {
                chunk[i]
            } else {
                most[i]
            };
        }
    }
    let rest = chunks.remainder();
    let least = rest
        .iter()
        .chain(&least)
        .fold(f32::INFINITY, |a, &x| a.min(x));
    let most = rest
        .iter()
        .chain(&most)
        .fold(f32::NEG_INFINITY, |a, &x| a.max(x));
    let step = (most - least) / LARGEST;
    let rate = if step > 0.0 { 1.0 / step } else { 0.0 };
    for (number, x) in numbers.iter_mut().zip(row) {
        *number = ((x - least) * rate + ROUND).to_bits() as u8;
    }
    Steps { least, step }
}

/// What a tile of at most [`TILE_ROWS`] rows and [`COLUMNS`] outputs is made from.
struct Tile<'a> {
    /// `[stride / LANE, COLUMNS, LANE]`
    panel: &'a [i8],
    /// `[rows, stride]`
    numbers: &'a [u8],
    stride: usize,
    /// `[rows]`
    steps: &'a [Steps],
    /// `[COLUMNS]`
    scales: &'a [f32],
    /// `[COLUMNS]`
    sums: &'a [f32],
    /// As many as there are outputs, at most [`COLUMNS`].
    bias: &'a [f32],
}

impl Tile<'_> {
    /// Four neighbouring states of a row, as the instruction takes them.
    #[inline(always)]
    fn lane(&self, row: usize, lane: usize) -> i32 {
        let at = row * self.stride + lane * LANE;
        // SAFETY: the caller's rows and lanes are within `numbers`, which `Linear::block` asserts.
        unsafe { self.numbers.as_ptr().add(at).cast::<i32>().read_unaligned() }
    }

    /// Sums of products become outputs. `y` begins at the output of the first; for those that do not
    /// fill a vector.
    fn finish(&self, row: usize, first: usize, products: &[i32], y: &mut [f32]) {
        let Steps { least, step } = self.steps[row];
        let bias = self.bias.get(first..).unwrap_or_default();
        let weights = self.scales[first..].iter().zip(&self.sums[first..]);
        let all = products.iter().zip(weights).zip(bias);
        for (y, ((&product, (scale, sum)), bias)) in y.iter_mut().zip(all) {
            *y = (product as f32 * step + least * sum) * scale + bias;
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Instructions {
    /// Works a tile out; `y` begins at its first output, its rows stand `outer` values apart.
    fn tile(self, tile: &Tile<'_>, y: &mut [f32], outer: usize) {
        match tile.steps.len() {
            1 => self.rows::<1>(tile, y, outer),
            2 => self.rows::<2>(tile, y, outer),
            3 => self.rows::<3>(tile, y, outer),
            4 => self.rows::<4>(tile, y, outer),
            5 => self.rows::<5>(tile, y, outer),
            _ => self.rows::<TILE_ROWS>(tile, y, outer),
        }
    }

    fn rows<const R: usize>(self, tile: &Tile<'_>, y: &mut [f32], outer: usize) {
        assert!(
            tile.panel.len() == tile.stride * COLUMNS
                && tile.stride.is_multiple_of(LANE)
                && tile.numbers.len() == R * tile.stride,
            "sizes of a tile"
        );
        match self {
            // SAFETY: `best` found the instructions on this processor; the sizes are asserted above.
            Self::Vnni512 => unsafe { x86::vnni512::<R>(tile, y, outer) },
            // SAFETY: as above.
            Self::Vnni256 => unsafe { x86::vnni256::<R>(tile, y, outer) },
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Instructions {
    fn tile(self, _: &Tile<'_>, _: &mut [f32], _: usize) {
        match self {}
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{COLUMNS, LANE, Tile};

    /// # Safety
    /// The processor has AVX-512 VNNI; the tile has `R` rows, and its panel and numbers are whole.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) unsafe fn vnni512<const R: usize>(tile: &Tile<'_>, y: &mut [f32], outer: usize) {
        const WIDTH: usize = 16;
        let mut products = [[_mm512_setzero_si512(); COLUMNS / WIDTH]; R];
        for lane in 0..tile.stride / LANE {
            let panel = &tile.panel[lane * COLUMNS * LANE..][..COLUMNS * LANE];
            let mut weights = [_mm512_setzero_si512(); COLUMNS / WIDTH];
            for (i, weights) in weights.iter_mut().enumerate() {
                // SAFETY: 64 bytes of the 256 that the slice above holds.
                *weights = unsafe { _mm512_loadu_si512(panel.as_ptr().add(i * 64).cast()) };
            }
            for (row, products) in products.iter_mut().enumerate() {
                let states = _mm512_set1_epi32(tile.lane(row, lane));
                for (product, weights) in products.iter_mut().zip(weights) {
                    *product = _mm512_dpbusd_epi32(*product, states, weights);
                }
            }
        }
        for (row, products) in products.iter().enumerate() {
            for (i, &product) in products.iter().enumerate() {
                let first = i * WIDTH;
                let y = y.get_mut(row * outer + first..).unwrap_or_default();
                let (Some(bias), Some(y)) = (
                    tile.bias.get(first..first + WIDTH),
                    y.first_chunk_mut::<WIDTH>(),
                ) else {
                    let mut out = [0; WIDTH];
                    // SAFETY: 64 bytes into an array of 64.
                    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), product) };
                    tile.finish(row, first, &out, y);
                    continue;
                };
                let scales = &tile.scales[first..first + WIDTH];
                let sums = &tile.sums[first..first + WIDTH];
                // SAFETY: every slice and array holds 64 bytes.
                unsafe {
                    let step = _mm512_set1_ps(tile.steps[row].step);
                    let least = _mm512_set1_ps(tile.steps[row].least);
                    let below = _mm512_mul_ps(least, _mm512_loadu_ps(sums.as_ptr()));
                    let value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product), step, below);
                    let scales = _mm512_loadu_ps(scales.as_ptr());
                    let bias = _mm512_loadu_ps(bias.as_ptr());
                    _mm512_storeu_ps(y.as_mut_ptr(), _mm512_fmadd_ps(value, scales, bias));
                }
            }
        }
    }

    /// # Safety
    /// The processor has AVX2 and AVX-VNNI; the tile has `R` rows, and its panel and numbers are
    /// whole.
    #[target_feature(enable = "avx2,avxvnni")]
    pub(super) unsafe fn vnni256<const R: usize>(tile: &Tile<'_>, y: &mut [f32], outer: usize) {
        const WIDTH: usize = 8;
        // Two vectors of sums a row: the registers hold no more.
        for first in (0..COLUMNS).step_by(2 * WIDTH) {
            let mut products = [[_mm256_setzero_si256(); 2]; R];
            for lane in 0..tile.stride / LANE {
                let panel = &tile.panel[(lane * COLUMNS + first) * LANE..][..2 * WIDTH * LANE];
                // SAFETY: twice 32 bytes of the 64 that the slice above holds.
                let weights = unsafe {
                    [
                        _mm256_loadu_si256(panel.as_ptr().cast()),
                        _mm256_loadu_si256(panel.as_ptr().add(32).cast()),
                    ]
                };
                for (row, products) in products.iter_mut().enumerate() {
                    let states = _mm256_set1_epi32(tile.lane(row, lane));
                    for (product, weights) in products.iter_mut().zip(weights) {
                        *product = _mm256_dpbusd_avx_epi32(*product, states, weights);
                    }
                }
            }
            for (row, products) in products.iter().enumerate() {
                for (half, &product) in products.iter().enumerate() {
                    let first = first + half * WIDTH;
                    let y = y.get_mut(row * outer + first..).unwrap_or_default();
                    let (Some(bias), Some(y)) = (
                        tile.bias.get(first..first + WIDTH),
                        y.first_chunk_mut::<WIDTH>(),
                    ) else {
                        let mut out = [0; WIDTH];
                        // SAFETY: 32 bytes into an array of 32.
                        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), product) };
                        tile.finish(row, first, &out, y);
                        continue;
                    };
                    let scales = &tile.scales[first..first + WIDTH];
                    let sums = &tile.sums[first..first + WIDTH];
                    // SAFETY: every slice and array holds 32 bytes.
                    unsafe {
                        let step = _mm256_set1_ps(tile.steps[row].step);
                        let least = _mm256_set1_ps(tile.steps[row].least);
                        let below = _mm256_mul_ps(least, _mm256_loadu_ps(sums.as_ptr()));
                        let value = _mm256_mul_ps(_mm256_cvtepi32_ps(product), step);
                        let value = _mm256_add_ps(value, below);
                        let value = _mm256_mul_ps(value, _mm256_loadu_ps(scales.as_ptr()));
                        let bias = _mm256_loadu_ps(bias.as_ptr());
                        _mm256_storeu_ps(y.as_mut_ptr(), _mm256_add_ps(value, bias));
                    }
                }
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

    #[test]
    fn states_are_off_by_half_a_step_at_most() {
        let row: Vec<f32> = (0..100)
            .map(|i| ((i * 37 % 101) as f32 - 20.0) * 0.03)
            .collect();
        let mut numbers = vec![0; 100];
        let Steps { least, step } = quantise(&row, &mut numbers);
        for (x, &number) in row.iter().zip(&numbers) {
            let back = least + f32::from(number) * step;
            assert!((back - x).abs() <= step * 0.5001, "{x} {back}");
        }
        let same = quantise(&[0.3; 5], &mut numbers[..5]);
        assert_eq!((same.least, same.step), (0.3, 0.0));
        assert_eq!(numbers[..5], [0; 5]);
    }
}
