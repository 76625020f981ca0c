//! Vectors in four bits a value: a quarter of the bytes of f16, for a first look through many.
//!
//! A search waits for memory, so that a scan of a quarter of the bytes takes a quarter of the time; eight bits
//! would take half. Every vector has sixteen levels of its own, evenly spaced by the step that loses least of
//! normally distributed values (Max, 1960), as those of an encoder nearly are. A score is then off by about
//! .005 where cosines of the best ten and the best hundred are ten times as far apart: what is best is among the
//! best few hundred of them, and is found there by its f16 values, see [`super::search`].

mod kernels;

use std::ops::Range;

use half::f16;

pub(super) use kernels::BLOCK;

/// The distance of two levels, for values of standard deviation 1 (Max, 1960, table II).
const STEP: f32 = 0.3352;
/// Half of the levels: the values of levels 7 and 8 are half a step from 0.
const HALF: f32 = 8.0;
const LARGEST: f32 = 15.0;
/// The largest whole number that a value of the question becomes.
const QUESTION: f32 = 127.0;

/// Whether vectors of this width can be written so: those of nearly all encoders.
pub(super) fn fits(width: usize) -> bool {
    width > 0 && width.is_multiple_of(BLOCK)
}

/// Bytes of a vector of this width.
pub(super) fn bytes(width: usize) -> usize {
    width / 2
}

/// Writes the levels of a vector `[width]` to `codes` `[bytes(width)]`; returns its step. In a block of
/// [`BLOCK`] values, a byte holds one of the first half in its low bits and one of the second in its high bits.
pub(super) fn encode(vector: &[f16], codes: &mut [u8]) -> f32 {
    let squares: f32 = vector.iter().map(|x| x.to_f32() * x.to_f32()).sum();
    let step = STEP * (squares / vector.len() as f32).sqrt();
    let rate = if step > 0.0 { 1.0 / step } else { 0.0 };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to four bits"
    )]
    let level = |x: f16| (x.to_f32() * rate + HALF).clamp(0.0, LARGEST) as u8;
    let blocks = vector.chunks_exact(BLOCK);
    for (values, codes) in blocks.zip(codes.chunks_exact_mut(BLOCK / 2)) {
        let (low, high) = values.split_at(BLOCK / 2);
        for ((code, &low), &high) in codes.iter_mut().zip(low).zip(high) {
            *code = level(low) | level(high) << 4;
        }
    }
    step
}

/// Vectors in four bits: levels `[rows, bytes(width)]`, and the step of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Codes<'a> {
    pub(super) levels: &'a [u8],
    pub(super) steps: &'a [f32],
}

impl<'a> Codes<'a> {
    /// Some of them; none where there are not so many.
    pub(super) fn of(self, rows: Range<usize>) -> Self {
        let width = self.levels.len() / self.steps.len().max(1);
        let levels = self.levels.get(rows.start * width..rows.end * width);
        Self {
            levels: levels.unwrap_or_default(),
            steps: self.steps.get(rows).unwrap_or_default(),
        }
    }
}

/// A question in whole numbers.
pub(super) struct Question {
    /// `[width]`
    numbers: Vec<i8>,
    step: f32,
    /// What a level counts too much: [`HALF`] less a half, for each of the numbers.
    excess: f32,
}

impl Question {
    /// Of a vector whose width [`fits`].
    pub(super) fn new(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let step = largest / QUESTION;
        let rate = if step > 0.0 { 1.0 / step } else { 0.0 };
        #[allow(
            clippy::cast_possible_truncation,
            reason = "from -127 to 127, as the step is chosen"
        )]
        let numbers: Vec<i8> = vector.iter().map(|x| (x * rate).round() as i8).collect();
        let sum: i32 = numbers.iter().map(|&number| i32::from(number)).sum();
        Self {
            numbers,
            step,
            excess: (HALF - 0.5) * sum as f32,
        }
    }

    /// About the scalar products with the vectors, one each in `out`.
    ///
    /// # Panics
    /// When the codes are not of `out.len()` vectors of the question's width.
    pub(super) fn scores(&self, codes: Codes<'_>, out: &mut [f32]) {
        assert_eq!(codes.steps.len(), out.len(), "steps of other vectors");
        kernels::sums(&self.numbers, codes.levels, out);
        for (score, step) in out.iter_mut().zip(codes.steps) {
            *score = (*score - self.excess) * step * self.step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn a_score_is_nearly_the_scalar_product() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let width = 3 * BLOCK;
        // Unit vectors, as far as this matters.
        let bound = (3.0 / width as f32).sqrt();
        let question: Vec<f32> = (0..width)
            .map(|_| rng.random_range(-bound..bound))
            .collect();
        let rows: Vec<f16> = (0..width * 100)
            .map(|_| f16::from_f32(rng.random_range(-bound..bound)))
            .collect();
        let mut levels = vec![0; bytes(width) * 100];
        let each = rows.chunks(width).zip(levels.chunks_mut(bytes(width)));
        let steps: Vec<f32> = each.map(|(row, codes)| encode(row, codes)).collect();
        let mut out = [f32::NAN; 100];
        let codes = Codes {
            levels: &levels,
            steps: &steps,
        };
        Question::new(&question).scores(codes, &mut out);
        let mut squares = 0.0;
        for (row, score) in rows.chunks(width).zip(out) {
            let exact: f32 = row.iter().zip(&question).map(|(a, b)| a.to_f32() * b).sum();
            squares += (exact - score).powi(2);
        }
        let off = (squares / 100.0).sqrt();
        assert!(off < 0.008, "off by {off}");
    }

    #[test]
    fn nothing_is_scored_as_nothing() {
        let mut levels = [0; BLOCK / 2];
        assert_eq!(encode(&[f16::ZERO; BLOCK], &mut levels), 0.0);
        let mut out = [f32::NAN];
        let codes = Codes {
            levels: &levels,
            steps: &[0.0],
        };
        Question::new(&[0.0; BLOCK]).scores(codes, &mut out);
        assert_eq!(out, [0.0]);
    }
}
