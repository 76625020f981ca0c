//! The states in whole numbers.

use multiversion::multiversion;

/// The largest whole number that a state becomes.
const LARGEST: f32 = 255.0;

/// States of a block of rows in whole numbers.
#[derive(Debug, Default)]
pub(super) struct States {
    /// `[rows, stride]`
    pub(super) numbers: Vec<u8>,
    /// `[rows]`
    pub(super) steps: Vec<Steps>,
}

/// What the whole numbers of a row mean: `least + step · number`; `least` is what 0 means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steps {
    pub(super) least: f32,
    pub(super) step: f32,
}

impl States {
    /// Reads `x [rows, width]`; rows are filled up to `stride`. Numbers that are `signed` are 128 less.
    pub(super) fn read(&mut self, x: &[f32], width: usize, stride: usize, signed: bool) {
        let rows = x.len() / width;
        self.numbers.resize(rows * stride, 0);
        self.steps.clear();
        for (row, numbers) in x.chunks(width).zip(self.numbers.chunks_mut(stride)) {
            let mut steps = quantise(row, numbers);
            if signed {
                numbers.iter_mut().for_each(|number| *number ^= 128);
                steps.least += 128.0 * steps.step;
            }
            self.steps.push(steps);
        }
    }
}

/// Writes a row's whole numbers; returns what they mean.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn quantise(row: &[f32], numbers: &mut [u8]) -> Steps {
    // Adding it leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let least = extreme(row, |a, b| if b < a { b } else { a });
    let most = extreme(row, |a, b| if b > a { b } else { a });
    let step = (most - least) / LARGEST;
    let rate = if step > 0.0 { 1.0 / step } else { 0.0 };
    for (number, x) in numbers.iter_mut().zip(row) {
        *number = ((x - least) * rate + ROUND).to_bits() as u8;
    }
    Steps { least, step }
}

/// The value that `pick` prefers to all others of a row that is not empty. One kind of value at a time, in
/// lanes: what compilers make vectors of.
#[inline(always)]
fn extreme(row: &[f32], pick: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [row[0]; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = pick(*lane, x);
        }
    }
    lanes.iter().chain(rest).fold(row[0], |a, &x| pick(a, x))
}

#[cfg(test)]
mod tests {
    use super::*;

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
