//! Matrices in eight bits: every value a whole number from -127 to 127, times the scale of its row.

use std::sync::Arc;

use rayon::prelude::*;

use crate::folder::Bytes;

/// The largest whole number. Its negative is the smallest: there is no offset, and zero stays zero.
const LARGEST: f32 = 127.0;

/// Rows of whole numbers, where they lie in a mapped file, with their scales.
#[derive(Debug, Clone)]
pub struct Rows {
    map: Bytes,
    /// First byte.
    start: usize,
    /// Numbers in a row.
    width: usize,
    /// `[rows]`
    scales: Arc<[f32]>,
}

impl Rows {
    /// `scales.len()` rows of `width` numbers from byte `start` on; `None` where the file ends
    /// before them.
    pub(crate) fn new(map: &Bytes, start: usize, width: usize, scales: Vec<f32>) -> Option<Self> {
        let end = start.checked_add(width.checked_mul(scales.len())?)?;
        (end <= map.len()).then(|| Self {
            map: map.clone(),
            start,
            width,
            scales: scales.into(),
        })
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.width * self.scales.len()
    }

    /// The whole numbers, row by row.
    pub(crate) fn numbers(&self) -> &[i8] {
        bytemuck::cast_slice(&self.map[self.start..][..self.len()])
    }

    /// The scales of the rows `[rows]`.
    pub(crate) fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Reads `out.len()` values from value `from` on.
    ///
    /// # Panics
    /// When the range is outside the matrix.
    pub(crate) fn read(&self, from: usize, out: &mut [f32]) {
        let numbers = &self.numbers()[from..from + out.len()];
        let (mut numbers, mut out) = (numbers, out);
        let mut at = from;
        while !out.is_empty() {
            let scale = self.scales[at / self.width];
            let part = (self.width - at % self.width).min(out.len());
            let (own, rest) = out.split_at_mut(part);
            for (value, &number) in own.iter_mut().zip(numbers) {
                *value = f32::from(number) * scale;
            }
            (numbers, out) = (&numbers[part..], rest);
            at += part;
        }
    }
}

/// The whole numbers `[rows, width]` of a matrix and the scales `[rows]` of its rows: a row's largest
/// absolute value becomes 127 or -127, and every value is off by half a scale at most.
pub(crate) fn quantise(values: &[f32], width: usize) -> (Vec<i8>, Vec<f32>) {
    let scales: Vec<f32> = values
        .par_chunks(width.max(1))
        .map(|row| row.iter().fold(0.0, |most: f32, x| most.max(x.abs())) / LARGEST)
        .collect();
    let mut numbers = vec![0; values.len()];
    numbers
        .par_chunks_mut(width.max(1))
        .zip(values.par_chunks(width.max(1)))
        .zip(&scales)
        .filter(|(_, scale)| **scale > 0.0)
        .for_each(|((numbers, row), scale)| {
            for (number, value) in numbers.iter_mut().zip(row) {
                *number = (value / scale).round() as i8;
            }
        });
    (numbers, scales)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::weights::normal;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn every_value_is_off_by_half_a_scale_at_most() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let (rows, width) = (50, 33);
        let mut values: Vec<f32> = (0..rows * width)
            .map(|i| normal(rng.random(), rng.random()) * 10f32.powi((i / width) as i32 % 9 - 4))
            .collect();
        values[width..2 * width].fill(0.0);
        let (numbers, scales) = quantise(&values, width);
        for (row, &scale) in scales.iter().enumerate() {
            let row = row * width..(row + 1) * width;
            let most = numbers[row.clone()].iter().map(|n| n.unsigned_abs()).max();
            assert_eq!(most, Some(if scale > 0.0 { 127 } else { 0 }));
            for (value, &number) in values[row.clone()].iter().zip(&numbers[row]) {
                let error = (value - f32::from(number) * scale).abs();
                assert!(error <= scale * 0.500_01, "{value} {number} {scale}");
            }
        }
    }
}
