//! Vectors in eight bits a value: half the bytes of f16, for what is to be small on disk.
//!
//! Each has 255 levels of its own, evenly spaced up to its largest value. They are read as f16 when the index is
//! opened, and take as much memory as those do; a score is off by some .0005.

use half::f16;

/// The largest level.
const LARGEST: f32 = 127.0;

/// What the levels of a vector `[width]` are multiplied by, and the levels `[width]`.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the largest value is 127 levels"
)]
pub(super) fn encode(vector: &[f16]) -> (f32, Vec<i8>) {
    let most = vector.iter().map(|x| x.to_f32().abs());
    let scale = most.fold(0.0, f32::max) / LARGEST;
    let rate = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let level = |x: &f16| (x.to_f32() * rate).round() as i8;
    (scale, vector.iter().map(level).collect())
}

/// The vectors `[scales, width]` of their levels, with the bytes of an f32 for each that those are multiplied by.
///
/// # Errors
/// A value is no number, or larger than f16 holds: what is wrong, in words.
pub(super) fn decode(levels: &[i8], scales: &[u8], width: usize) -> Result<Vec<f16>, String> {
    let mut vectors = Vec::with_capacity(levels.len());
    let (scales, _) = scales.as_chunks();
    for (row, scale) in levels.chunks(width).zip(scales) {
        let scale = f32::from_le_bytes(*scale);
        if !f16::from_f32(scale * f32::from(i8::MIN)).is_finite() {
            return Err("a scale of its vectors is no number, or too large".into());
        }
        let value = |&level: &i8| f16::from_f32(f32::from(level) * scale);
        vectors.extend(row.iter().map(value));
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_nearly_what_was_written_and_then_stays() {
        let vector: Vec<f16> = (0..384)
            .map(|i| f16::from_f32((i as f32 * 0.37).sin() / 14.0))
            .collect();
        let read = |vector: &[f16]| {
            let (scale, levels) = encode(vector);
            decode(&levels, &scale.to_le_bytes(), vector.len()).unwrap()
        };
        let once = read(&vector);
        for (a, b) in vector.iter().zip(&once) {
            assert!((a.to_f32() - b.to_f32()).abs() < 0.0004, "{a} {b}");
        }
        assert_eq!(encode(&read(&once)).1, encode(&once).1);
        assert_eq!(read(&[f16::ZERO; 3]), [f16::ZERO; 3]);
        for scale in [f32::NAN, f32::INFINITY, 600.0] {
            assert!(decode(&[1, 2], &scale.to_le_bytes(), 2).is_err(), "{scale}");
        }
    }
}
