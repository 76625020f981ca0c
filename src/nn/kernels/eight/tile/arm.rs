//! Sums of products by 64-bit ARM's vectors.

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
