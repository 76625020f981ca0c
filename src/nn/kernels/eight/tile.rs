//! A tile of outputs by the processor's own instructions: all unsafe code of the encoder's whole numbers.
#![allow(
    unsafe_code,
    reason = "the processor's own instructions: each block says which lengths were checked before"
)]

use super::states::Steps;

/// Outputs that are worked on together, side by side in a panel.
pub(super) const COLUMNS: usize = 64;
/// Numbers that one lane of the instruction takes.
pub(super) const LANE: usize = 4;
/// Rows of a tile: with four vectors of sums each they fill the registers.
pub(super) const TILE_ROWS: usize = 6;

/// The instruction sets that are made use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instructions {
    /// AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni512,
    /// AVX-VNNI, on processors without AVX-512.
    #[cfg(target_arch = "x86_64")]
    Vnni256,
}

impl Instructions {
    #[cfg(target_arch = "x86_64")]
    pub(super) fn best() -> Option<Self> {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            Some(Self::Vnni512)
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni") {
            Some(Self::Vnni256)
        } else {
            None
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn best() -> Option<Self> {
        None
    }
}

/// What a tile of at most [`TILE_ROWS`] rows and [`COLUMNS`] outputs is made from.
pub(super) struct Tile<'a> {
    /// `[stride / LANE, COLUMNS, LANE]`
    pub(super) panel: &'a [i8],
    /// `[rows, stride]`
    pub(super) numbers: &'a [u8],
    pub(super) stride: usize,
    /// `[rows]`
    pub(super) steps: &'a [Steps],
    /// `[COLUMNS]`
    pub(super) scales: &'a [f32],
    /// `[COLUMNS]`
    pub(super) sums: &'a [f32],
    /// As many as there are outputs, at most [`COLUMNS`].
    pub(super) bias: &'a [f32],
}

impl Tile<'_> {
    /// Four neighbouring states of a row, as the instruction takes them.
    ///
    /// # Safety
    /// `row` and `lane` are within `numbers`.
    #[inline(always)]
    unsafe fn lane(&self, row: usize, lane: usize) -> i32 {
        let at = row * self.stride + lane * LANE;
        // SAFETY: four bytes that the caller knows to be there.
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
    pub(super) fn tile(self, tile: &Tile<'_>, y: &mut [f32], outer: usize) {
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
    pub(super) fn tile(self, _: &Tile<'_>, _: &mut [f32], _: usize) {
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
                // SAFETY: `R` rows of whole lanes are what the tile has.
                let states = _mm512_set1_epi32(unsafe { tile.lane(row, lane) });
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
                    // SAFETY: `R` rows of whole lanes are what the tile has.
                    let states = _mm256_set1_epi32(unsafe { tile.lane(row, lane) });
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
