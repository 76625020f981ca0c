//! Sums of products of a question in eight bits with many vectors in four, exact, by the processor's own
//! instructions.
#![allow(
    clippy::indexing_slicing,
    reason = "the lengths are asserted where the vectors come in"
)]
#![allow(
    unsafe_code,
    reason = "the processor's own instructions: each block says which lengths were checked before"
)]

/// Values that stand together in 64 bytes, a cache line: the first half in the low bits, the second in the high.
pub(in crate::index) const BLOCK: usize = 128;
/// Bytes of a block.
const BYTES: usize = BLOCK / 2;

/// `out[i] = Σ question · levels[i]`, for `levels` `[out.len(), question.len() / 2]`. A sum is a whole number
/// of at most 15 · 127 a value: f32 holds it exactly up to a width of 8,808.
///
/// # Panics
/// When the levels are not of so many vectors, or the width is no multiple of [`BLOCK`].
pub(super) fn sums(question: &[i8], levels: &[u8], out: &mut [f32]) {
    assert!(
        question.len().is_multiple_of(BLOCK) && levels.len() == question.len() / 2 * out.len(),
        "levels of another width"
    );
    if question.is_empty() {
        return out.fill(0.0);
    }
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
        {
            // SAFETY: the processor has AVX-512 F, BW and VNNI; the sizes were checked above.
            return unsafe { x86::avx512(question, levels, out) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2; the sizes were checked above.
            return unsafe { x86::avx2(question, levels, out) };
        }
    }
    portable(question, levels, out);
}

/// Any processor; the compiler makes vectors of it.
fn portable(question: &[i8], levels: &[u8], out: &mut [f32]) {
    for (row, out) in levels.chunks_exact(question.len() / 2).zip(out) {
        let mut sum = 0i32;
        for (block, question) in row.chunks_exact(BYTES).zip(question.chunks_exact(BLOCK)) {
            let (low, high) = question.split_at(BYTES);
            for ((&byte, &low), &high) in block.iter().zip(low).zip(high) {
                sum += i32::from(byte & 15) * i32::from(low);
                sum += i32::from(byte >> 4) * i32::from(high);
            }
        }
        *out = sum as f32;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCK, BYTES};

    /// How far ahead memory is asked for, in bytes: hardware stops prefetching at a page's end.
    const AHEAD: usize = 4096;

    /// Asks for the cache line [`AHEAD`] of an address; one outside the rows does no harm.
    #[inline(always)]
    fn prefetch(address: *const u8) {
        // SAFETY: a prefetch never faults, and every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.wrapping_add(AHEAD).cast()) };
    }

    /// A block a step: unsigned levels times signed numbers, four products to a sum.
    ///
    /// # Safety
    /// The processor has AVX-512 F, BW and VNNI; the width is a multiple of [`BLOCK`], and `levels` holds
    /// `out.len() * question.len() / 2` bytes.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn avx512(question: &[i8], levels: &[u8], out: &mut [f32]) {
        let mask = _mm512_set1_epi8(15);
        for (row, out) in levels.chunks_exact(question.len() / 2).zip(out) {
            let mut sums = [_mm512_setzero_si512(); 2];
            for block in 0..row.len() / BYTES {
                // SAFETY: 64 bytes of the row, and twice 64 of the 128 numbers that belong to them.
                let (codes, low, high) = unsafe {
                    let numbers = question.as_ptr().add(block * BLOCK);
                    (
                        _mm512_loadu_si512(row.as_ptr().add(block * BYTES).cast()),
                        _mm512_loadu_si512(numbers.cast()),
                        _mm512_loadu_si512(numbers.add(BYTES).cast()),
                    )
                };
                prefetch(row.as_ptr().wrapping_add(block * BYTES));
                let first = _mm512_and_si512(codes, mask);
                let second = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), mask);
                sums[0] = _mm512_dpbusd_epi32(sums[0], first, low);
                sums[1] = _mm512_dpbusd_epi32(sums[1], second, high);
            }
            *out = _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1])) as f32;
        }
    }

    /// Half a block a step. Two products are at most 2 · 15 · 127, so that the eight which are summed in sixteen
    /// bits fit.
    ///
    /// # Safety
    /// The processor has AVX2; the width is a multiple of [`BLOCK`], and `levels` holds
    /// `out.len() * question.len() / 2` bytes.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(question: &[i8], levels: &[u8], out: &mut [f32]) {
        const HALF: usize = BYTES / 2;
        let (mask, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        for (row, out) in levels.chunks_exact(question.len() / 2).zip(out) {
            let mut sums = _mm256_setzero_si256();
            for block in 0..row.len() / BYTES {
                let mut products = _mm256_setzero_si256();
                for half in 0..2 {
                    // SAFETY: 32 bytes of the row, and twice 32 of the 128 numbers that belong to the block.
                    let (codes, low, high) = unsafe {
                        let numbers = question.as_ptr().add(block * BLOCK + half * HALF);
                        let codes = row.as_ptr().add(block * BYTES + half * HALF);
                        (
                            _mm256_loadu_si256(codes.cast()),
                            _mm256_loadu_si256(numbers.cast()),
                            _mm256_loadu_si256(numbers.add(BYTES).cast()),
                        )
                    };
                    let first = _mm256_and_si256(codes, mask);
                    let second = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), mask);
                    let first = _mm256_maddubs_epi16(first, low);
                    let second = _mm256_maddubs_epi16(second, high);
                    products = _mm256_add_epi16(products, _mm256_add_epi16(first, second));
                }
                prefetch(row.as_ptr().wrapping_add(block * BYTES));
                sums = _mm256_add_epi32(sums, _mm256_madd_epi16(products, ones));
            }
            let sum = _mm_add_epi32(
                _mm256_castsi256_si128(sums),
                _mm256_extracti128_si256::<1>(sums),
            );
            let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b00_01_10_11>(sum));
            let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum));
            *out = _mm_cvtsi128_si32(sum) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    type Kernel = fn(&[i8], &[u8], &mut [f32]);

    /// Every kernel that this processor has.
    fn kernels() -> Vec<(&'static str, Kernel)> {
        let mut kernels: Vec<(&'static str, Kernel)> = vec![("portable", portable), ("best", sums)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: just detected; the test passes matching sizes.
            kernels.push(("avx2", |q, l, o| unsafe { x86::avx2(q, l, o) }));
        }
        kernels
    }

    #[test]
    fn every_kernel_is_exact() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        for width in [BLOCK, 2 * BLOCK, 3 * BLOCK, 6 * BLOCK, 8 * BLOCK] {
            let mut question: Vec<i8> = (0..width).map(|_| rng.random_range(-127..=127)).collect();
            let mut levels: Vec<u8> = (0..width / 2 * 7).map(|_| rng.random()).collect();
            // The largest sums that there are, of either sign.
            levels[..width / 2].fill(255);
            for sign in [1, -1] {
                question[..width / 2].fill(127 * sign);
                for (name, kernel) in kernels() {
                    let mut out = [f32::NAN; 7];
                    kernel(&question, &levels, &mut out);
                    for (row, found) in levels.chunks(width / 2).zip(out) {
                        let level = |i: usize| {
                            let byte = row[i / BLOCK * BYTES + i % BYTES];
                            if i % BLOCK < BYTES {
                                byte & 15
                            } else {
                                byte >> 4
                            }
                        };
                        let products =
                            (0..width).map(|i| i32::from(level(i)) * i32::from(question[i]));
                        assert_eq!(products.sum::<i32>() as f32, found, "{name}, width {width}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "another width")]
    fn levels_of_another_width_are_refused() {
        sums(&[0; BLOCK], &[0; BYTES + 1], &mut [0.0; 1]);
    }
}
