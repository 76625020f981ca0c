//! Sums of products of whole numbers by the processor's own instructions, exact: all unsafe code of the
//! encoder's whole numbers.
#![allow(
    unsafe_code,
    reason = "the processor's own instructions: each block says which lengths were checked before"
)]

/// Outputs that are worked on together, side by side in a panel.
pub(super) const COLUMNS: usize = 64;
/// Numbers that one lane of the instruction takes.
pub(super) const LANE: usize = 4;
/// Rows of a tile: with four vectors of sums each they fill the registers.
pub(super) const TILE_ROWS: usize = 6;

/// Sums of the products of a tile.
pub(super) type Sums = [[i32; COLUMNS]; TILE_ROWS];

/// The instruction sets that are made use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instructions {
    /// AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni512,
    /// AVX-VNNI, on processors without AVX-512.
    #[cfg(target_arch = "x86_64")]
    Vnni256,
    /// AVX2, by products in sixteen bits. Its products of bytes saturate where two are added, so that they would
    /// take a bit off the states; these are exact.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// NEON with dot products (ARMv8.2 and later).
    #[cfg(target_arch = "aarch64")]
    Dot,
}

impl Instructions {
    /// The fastest that this processor has, if there is any.
    pub(super) fn best() -> Option<Self> {
        Self::all().next()
    }

    /// Those that this processor has, the fastest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let known = [
            (
                Self::Vnni512,
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni"),
            ),
            (
                Self::Vnni256,
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni"),
            ),
            (Self::Avx2, is_x86_feature_detected!("avx2")),
        ];
        #[cfg(target_arch = "aarch64")]
        let known = [(
            Self::Dot,
            std::arch::is_aarch64_feature_detected!("dotprod"),
        )];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let known = [];
        known
            .into_iter()
            .filter_map(|(set, has)| has.then_some(set))
    }

    /// Whether the states that it takes have a sign: then they are from -128 to 127, else from 0 to 255.
    pub(super) fn signed(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni512 | Self::Vnni256 | Self::Avx2 => false,
            #[cfg(target_arch = "aarch64")]
            Self::Dot => true,
        }
    }
}

/// What a tile of at most [`TILE_ROWS`] rows and [`COLUMNS`] outputs is made from.
pub(super) struct Tile<'a> {
    /// `[stride / LANE, COLUMNS, LANE]`
    pub(super) panel: &'a [i8],
    /// `[rows, stride]`
    pub(super) numbers: &'a [u8],
    pub(super) stride: usize,
}

impl Tile<'_> {
    /// Rows of the tile.
    fn rows(&self) -> usize {
        self.numbers.len() / self.stride
    }

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
}

impl Instructions {
    /// The sums of a tile; those of rows that it does not have are left as they were.
    pub(super) fn sums(self, tile: &Tile<'_>, sums: &mut Sums) {
        match tile.rows() {
            1 => self.rows::<1>(tile, sums),
            2 => self.rows::<2>(tile, sums),
            3 => self.rows::<3>(tile, sums),
            4 => self.rows::<4>(tile, sums),
            5 => self.rows::<5>(tile, sums),
            _ => self.rows::<TILE_ROWS>(tile, sums),
        }
    }

    fn rows<const R: usize>(self, tile: &Tile<'_>, sums: &mut Sums) {
        assert!(
            tile.panel.len() == tile.stride * COLUMNS
                && tile.stride.is_multiple_of(LANE)
                && tile.numbers.len() == R * tile.stride
                && R <= TILE_ROWS,
            "sizes of a tile"
        );
        match self {
            // SAFETY: `all` found the instructions on this processor; the sizes are asserted above.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni512 => unsafe { x86::vnni512::<R>(tile, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni256 => unsafe { x86::vnni256::<R>(tile, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2::<R>(tile, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Dot => unsafe { arm::dot::<R>(tile, sums) },
        }
    }
}

/// Sums stay in registers: every loop over them has a fixed number of rounds, and nothing takes their address.
#[cfg(target_arch = "x86_64")]
mod x86 {
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
                        products[row][i] =
                            _mm512_dpbusd_epi32(products[row][i], states, weights[i]);
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
                                let pairs =
                                    _mm256_madd_epi16(_mm256_set1_epi64x(states), weights[i]);
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
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;
    use std::arch::asm;

    use super::{COLUMNS, LANE, Sums, Tile};

    /// Adds to each of four sums the products of four bytes.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    fn add_products(mut sums: int32x4_t, states: int8x16_t, weights: int8x16_t) -> int32x4_t {
        // SAFETY: one instruction, on registers alone; Rust has no stable name for it yet.
        unsafe {
            asm!(
                "sdot {sums:v}.4s, {states:v}.16b, {weights:v}.16b",
                sums = inout(vreg) sums,
                states = in(vreg) states,
                weights = in(vreg) weights,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sums
    }

    /// # Safety
    /// The processor has NEON with dot products; the tile has `R` rows, and its panel and numbers are whole.
    #[target_feature(enable = "neon,dotprod")]
    pub(super) unsafe fn dot<const R: usize>(tile: &Tile<'_>, sums: &mut Sums) {
        // Four vectors of sums a row: the registers hold no more.
        for first in (0..COLUMNS).step_by(16) {
            let mut products = [[vdupq_n_s32(0); 4]; R];
            for lane in 0..tile.stride / LANE {
                // SAFETY: the panel has 256 bytes a lane, and each of the `R` rows whole lanes.
                unsafe {
                    let panel = tile.panel.as_ptr().add((lane * COLUMNS + first) * LANE);
                    let weights: [_; 4] = std::array::from_fn(|i| vld1q_s8(panel.add(i * 16)));
                    for row in 0..R {
                        let states = vreinterpretq_s8_s32(vdupq_n_s32(tile.lane(row, lane)));
                        for i in 0..4 {
                            products[row][i] = add_products(products[row][i], states, weights[i]);
                        }
                    }
                }
            }
            for row in 0..R {
                for i in 0..4 {
                    let sums = &mut sums[row][first + i * 4..][..4];
                    // SAFETY: 16 bytes into a slice of as many.
                    unsafe { vst1q_s32(sums.as_mut_ptr(), products[row][i]) };
                }
            }
        }
    }
}
