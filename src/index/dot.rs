//! Dot products of one f32 query with many f16 rows, summed in f32.
//!
//! A search reads every row once and does two operations a value, so it should take as long as
//! reading the rows from memory. The kernels convert in registers; the processor's best is chosen
//! when the program runs. All unsafe code of the index is here and in the kernels of [`super::four`].
#![allow(
    clippy::indexing_slicing,
    reason = "the lengths are asserted where the rows come in"
)]
#![allow(
    unsafe_code,
    reason = "the processor's own instructions: each block says which lengths were checked before"
)]

use half::f16;
use half::slice::HalfFloatSliceExt;

/// `out[i] = query · rows[i]`, for rows `[out.len(), query.len()]`.
///
/// # Panics
/// When `rows` does not hold `out.len() * query.len()` values.
pub(crate) fn dots(query: &[f32], rows: &[f16], out: &mut [f32]) {
    assert_eq!(rows.len(), query.len() * out.len(), "rows of another width");
    if query.is_empty() {
        return out.fill(0.0);
    }
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512F; the sizes were checked above.
            return unsafe { x86::avx512(query, rows, out) };
        }
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            // SAFETY: the processor has AVX2, FMA and F16C; the sizes were checked above.
            return unsafe { x86::avx2(query, rows, out) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        // SAFETY: the processor has NEON; the sizes were checked above.
        return unsafe { arm::neon(query, rows, out) };
    }
    portable(query, rows, out);
}

/// Any processor: a piece of a row is converted, then multiplied in eight lanes.
fn portable(query: &[f32], rows: &[f16], out: &mut [f32]) {
    const PIECE: usize = 64;
    const LANES: usize = 8;
    for (row, out) in rows.chunks_exact(query.len()).zip(out) {
        let mut lanes = [0.0f32; LANES];
        let mut piece = [0.0f32; PIECE];
        for (row, query) in row.chunks(PIECE).zip(query.chunks(PIECE)) {
            let piece = &mut piece[..row.len()];
            row.convert_to_f32_slice(piece);
            for (a, b) in piece.chunks(LANES).zip(query.chunks(LANES)) {
                for ((sum, a), b) in lanes.iter_mut().zip(a).zip(b) {
                    *sum += a * b;
                }
            }
        }
        *out = lanes.iter().sum();
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use half::f16;

    use super::pad;

    /// How far ahead memory is asked for, in bytes: hardware stops prefetching at a page's end.
    const AHEAD: usize = 2048;

    /// 64 values a round in four sums, so that no addition waits for the one before it.
    ///
    /// # Safety
    /// The processor has AVX-512F, and `rows` holds `out.len() * query.len()` values.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(query: &[f32], rows: &[f16], out: &mut [f32]) {
        const LANES: usize = 16;
        let width = query.len();
        let whole = width / LANES;
        let (tail, tail_query) = (
            whole * LANES..width,
            pad::<_, LANES>(&query[whole * LANES..]),
        );
        for (row, out) in rows.chunks_exact(width).zip(out) {
            let mut sums = [_mm512_setzero_ps(); 4];
            // SAFETY: a step reads LANES values from `step * LANES`, which is at most `width`.
            let multiply = |sum: &mut __m512, step: usize| unsafe {
                let half = row.as_ptr().add(step * LANES);
                let a = _mm512_cvtph_ps(_mm256_loadu_si256(half.cast()));
                let b = _mm512_loadu_ps(query.as_ptr().add(step * LANES));
                *sum = _mm512_fmadd_ps(a, b, *sum);
            };
            let mut step = 0;
            while step + 4 <= whole {
                prefetch(row, step * LANES);
                prefetch(row, step * LANES + 32);
                for (i, sum) in sums.iter_mut().enumerate() {
                    multiply(sum, step + i);
                }
                step += 4;
            }
            for step in step..whole {
                multiply(&mut sums[0], step);
            }
            if !tail.is_empty() {
                let row = pad::<_, LANES>(&row[tail.clone()]);
                // SAFETY: both arrays hold LANES values.
                unsafe {
                    let a = _mm512_cvtph_ps(_mm256_loadu_si256(row.as_ptr().cast()));
                    let b = _mm512_loadu_ps(tail_query.as_ptr());
                    sums[1] = _mm512_fmadd_ps(a, b, sums[1]);
                }
            }
            let [a, b, c, d] = sums;
            *out = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
        }
    }

    /// 32 values a round in four sums.
    ///
    /// # Safety
    /// The processor has AVX2, FMA and F16C, and `rows` holds `out.len() * query.len()` values.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn avx2(query: &[f32], rows: &[f16], out: &mut [f32]) {
        const LANES: usize = 8;
        let width = query.len();
        let whole = width / LANES;
        let (tail, tail_query) = (
            whole * LANES..width,
            pad::<_, LANES>(&query[whole * LANES..]),
        );
        for (row, out) in rows.chunks_exact(width).zip(out) {
            let mut sums = [_mm256_setzero_ps(); 4];
            // SAFETY: a step reads LANES values from `step * LANES`, which is at most `width`.
            let multiply = |sum: &mut __m256, step: usize| unsafe {
                let half = row.as_ptr().add(step * LANES);
                let a = _mm256_cvtph_ps(_mm_loadu_si128(half.cast()));
                let b = _mm256_loadu_ps(query.as_ptr().add(step * LANES));
                *sum = _mm256_fmadd_ps(a, b, *sum);
            };
            let mut step = 0;
            while step + 4 <= whole {
                prefetch(row, step * LANES);
                for (i, sum) in sums.iter_mut().enumerate() {
                    multiply(sum, step + i);
                }
                step += 4;
            }
            for step in step..whole {
                multiply(&mut sums[0], step);
            }
            if !tail.is_empty() {
                let row = pad::<_, LANES>(&row[tail.clone()]);
                // SAFETY: both arrays hold LANES values.
                unsafe {
                    let a = _mm256_cvtph_ps(_mm_loadu_si128(row.as_ptr().cast()));
                    let b = _mm256_loadu_ps(tail_query.as_ptr());
                    sums[1] = _mm256_fmadd_ps(a, b, sums[1]);
                }
            }
            let [a, b, c, d] = sums;
            let sum = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
            let sum = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
            let sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
            *out = _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
        }
    }

    /// Asks for the cache line [`AHEAD`] of value `at`; an address outside the rows does no harm.
    #[inline(always)]
    fn prefetch(row: &[f16], at: usize) {
        let address = row.as_ptr().wrapping_add(at).wrapping_byte_add(AHEAD);
        // SAFETY: a prefetch never faults, and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use half::f16;

    use super::pad;

    /// 16 values a round in four sums.
    ///
    /// # Safety
    /// The processor has NEON, and `rows` holds `out.len() * query.len()` values.
    #[target_feature(enable = "neon")]
    pub(crate) unsafe fn neon(query: &[f32], rows: &[f16], out: &mut [f32]) {
        const LANES: usize = 4;
        let width = query.len();
        let whole = width / LANES;
        let (tail, tail_query) = (
            whole * LANES..width,
            pad::<_, LANES>(&query[whole * LANES..]),
        );
        for (row, out) in rows.chunks_exact(width).zip(out) {
            let mut sums = [vdupq_n_f32(0.0); 4];
            // SAFETY: a step reads LANES values from `step * LANES`, which is at most `width`.
            let multiply = |sum: &mut float32x4_t, step: usize| unsafe {
                let a = convert(vld1_u16(row.as_ptr().add(step * LANES).cast()));
                let b = vld1q_f32(query.as_ptr().add(step * LANES));
                *sum = vfmaq_f32(*sum, a, b);
            };
            let mut step = 0;
            while step + 4 <= whole {
                for (i, sum) in sums.iter_mut().enumerate() {
                    multiply(sum, step + i);
                }
                step += 4;
            }
            for step in step..whole {
                multiply(&mut sums[0], step);
            }
            if !tail.is_empty() {
                let row = pad::<_, LANES>(&row[tail.clone()]);
                // SAFETY: both arrays hold LANES values.
                unsafe {
                    let a = convert(vld1_u16(row.as_ptr().cast()));
                    sums[1] = vfmaq_f32(sums[1], a, vld1q_f32(tail_query.as_ptr()));
                }
            }
            let [a, b, c, d] = sums;
            *out = vaddvq_f32(vaddq_f32(vaddq_f32(a, b), vaddq_f32(c, d)));
        }
    }

    /// Finite half-precision numbers, by their bits, to single precision: exponent and fraction move
    /// to their places, and 2^112 makes up for what the exponents are counted from; denormal numbers
    /// come out right as well. An index holds no others.
    #[inline]
    #[target_feature(enable = "neon")]
    fn convert(bits: uint16x4_t) -> float32x4_t {
        let bits = vmovl_u16(bits);
        let sign = vshlq_n_u32::<16>(vandq_u32(bits, vdupq_n_u32(0x8000)));
        let rest = vshlq_n_u32::<13>(vandq_u32(bits, vdupq_n_u32(0x7fff)));
        let value = vmulq_n_f32(vreinterpretq_f32_u32(rest), f32::from_bits(239 << 23));
        vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(value), sign))
    }
}

/// The rest of a row, filled up with zeros.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn pad<T: Copy + Default, const N: usize>(rest: &[T]) -> [T; N] {
    let mut padded = [T::default(); N];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    fn random(width: usize, rows: usize, seed: u64) -> (Vec<f32>, Vec<f16>) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut value = || rng.random_range(-1.0f32..1.0);
        let query = (0..width).map(|_| value()).collect();
        let rows = (0..width * rows).map(|_| f16::from_f32(value())).collect();
        (query, rows)
    }

    type Kernel = fn(&[f32], &[f16], &mut [f32]);

    /// Every kernel that this processor has.
    fn kernels() -> Vec<(&'static str, Kernel)> {
        let mut kernels: Vec<(&'static str, Kernel)> = vec![("portable", portable), ("best", dots)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            // SAFETY: just detected; the test passes matching sizes.
            kernels.push(("avx2", |q, r, o| unsafe { x86::avx2(q, r, o) }));
        }
        kernels
    }

    #[test]
    fn every_kernel_agrees_with_a_sum_in_f64_at_any_width() {
        for width in (1..=70).chain([127, 128, 384, 385, 768, 1023]) {
            let (query, rows) = random(width, 5, width as u64);
            for (name, kernel) in kernels() {
                let mut out = [f32::NAN; 5];
                kernel(&query, &rows, &mut out);
                for (row, &found) in rows.chunks(width).zip(&out) {
                    let exact: f64 = row
                        .iter()
                        .zip(&query)
                        .map(|(a, &b)| a.to_f64() * f64::from(b))
                        .sum();
                    assert!(
                        (exact - f64::from(found)).abs() < 1e-4,
                        "{name}, width {width}: {found} for {exact}"
                    );
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "another width")]
    fn rows_of_another_width_are_refused() {
        dots(&[0.0; 4], &[f16::ZERO; 7], &mut [0.0; 2]);
    }
}
