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

/// What the whole numbers of a row mean: `least + step · number`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steps {
    pub(super) least: f32,
    pub(super) step: f32,
}

impl States {
    /// Reads `x [rows, width]`; rows are filled up to `stride`.
    pub(super) fn read(&mut self, x: &[f32], width: usize, stride: usize) {
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
