//! Sums of products by x86-64's vectors.

use std::arch::x86_64::*;

use super::{COLUMNS, LANE, Sums, Tile};

/// # Safety
/// The processor has AVX-512 VNNI; the tile has `R` rows, and its panel and numbers are whole.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn vnni512<const R: usize>(tile: &Tile<'_>, sums: &mut Sums) {
    let mut products = [[_mm512_setzero_si512(); 4]; R];
    for lane in 0..tile.stride / LANE {
        // SAFETY: the panel has 256 bytes a lane, and each of the `R` rows whole lanes.
        unsafe {
            let panel = tile.panel.as_ptr().add(lane * COLUMNS * LANE);
            let weights: [_; 4] =
                std::array::from_fn(|i| _mm512_loadu_si512(panel.add(i * 64).cast()));
            for row in 0..R {
                let states = _mm512_set1_epi32(tile.lane(row, lane));
                for i in 0..4 {
                    products[row][i] = _mm512_dpbusd_epi32(products[row][i], states, weights[i]);
                }
            }
        }
    }
    for row in 0..R {
        for i in 0..4 {
            let sums = &mut sums[row][i * 16..][..16];
            // SAFETY: 64 bytes into a slice of as many.
            unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), products[row][i]) };
        }
    }
}

/// # Safety
/// The processor has AVX2 and AVX-VNNI; the tile has `R` rows, and its panel and numbers are
/// whole.
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn vnni256<const R: usize>(tile: &Tile<'_>, sums: &mut Sums) {
    // Two vectors of sums a row: the registers hold no more.
    for first in (0..COLUMNS).step_by(16) {
        let mut products = [[_mm256_setzero_si256(); 2]; R];
        for lane in 0..tile.stride / LANE {
            // SAFETY: the panel has 256 bytes a lane, and each of the `R` rows whole lanes.
            unsafe {
                let panel = tile.panel.as_ptr().add((lane * COLUMNS + first) * LANE);
                let weights: [_; 2] =
                    std::array::from_fn(|i| _mm256_loadu_si256(panel.add(i * 32).cast()));
                for row in 0..R {
                    let states = _mm256_set1_epi32(tile.lane(row, lane));
                    for i in 0..2 {
                        products[row][i] =
                            _mm256_dpbusd_avx_epi32(products[row][i], states, weights[i]);
                    }
                }
            }
        }
        for row in 0..R {
            for i in 0..2 {
                let sums = &mut sums[row][first + i * 8..][..8];
                // SAFETY: 32 bytes into a slice of as many.
                unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), products[row][i]) };
            }
        }
    }
}

/// Lanes whose states are widened at a time.
const WIDENED: usize = 64;

/// # Safety
/// The processor has AVX2; the tile has `R` rows, and its panel and numbers are whole.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2<const R: usize>(tile: &Tile<'_>, sums: &mut Sums) {
    sums[..R].fill([0; COLUMNS]);
    let mut states = [[[0i16; LANE]; WIDENED]; R];
    let lanes = tile.stride / LANE;
    for start in (0..lanes).step_by(WIDENED) {
        let end = lanes.min(start + WIDENED);
        for row in 0..R {
            let bytes = &tile.numbers[row * tile.stride..][start * LANE..end * LANE];
            for (state, &byte) in states[row].as_flattened_mut().iter_mut().zip(bytes) {
                *state = i16::from(byte);
            }
        }
        // Eight outputs at a time, with two sums each: the registers hold no more.
        for first in (0..COLUMNS).step_by(8) {
            let mut products = [[_mm256_setzero_si256(); 2]; R];
            for lane in start..end {
                // SAFETY: the panel has 256 bytes a lane; so many lanes of states were widened.
                unsafe {
                    let panel = tile.panel.as_ptr().add((lane * COLUMNS + first) * LANE);
                    let weights: [_; 2] = std::array::from_fn(|i| {
                        _mm256_cvtepi8_epi16(_mm_loadu_si128(panel.add(i * 16).cast()))
                    });
                    for row in 0..R {
                        let states = states.as_ptr().add(row).cast::<i64>();
                        let states = states.add(lane - start).read_unaligned();
                        for i in 0..2 {
                            let pairs = _mm256_madd_epi16(_mm256_set1_epi64x(states), weights[i]);
                            products[row][i] = _mm256_add_epi32(products[row][i], pairs);
                        }
                    }
                }
            }
            for row in 0..R {
                // The two sums of an output are neighbours; they are added within halves of the vectors.
                let both = _mm256_hadd_epi32(products[row][0], products[row][1]);
                let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(both);
                let sums = sums[row][first..][..8].as_mut_ptr().cast();
                // SAFETY: 32 bytes out of and into a slice of as many.
                unsafe {
                    let before = _mm256_loadu_si256(sums);
                    _mm256_storeu_si256(sums, _mm256_add_epi32(before, both));
                }
            }
        }
    }
}
