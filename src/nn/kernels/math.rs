//! Elementary functions that compilers turn into vector code: no branches, no calls.

use std::f32::consts::{LN_2, LOG2_E};

/// `e^x`, relative error below 2e-7 for `-80 ≤ x ≤ 88`; exactly 0 below, so that no denormal
/// number ever reaches a product. Cody and Waite's reduction, a polynomial of degree 6.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = LN_2 - LN_2_HIGH + LN_2_REST;
    // What f32's LN_2 lacks of the real one.
    const LN_2_REST: f32 = -1.904_654_3e-9;
    // Adding and subtracting 1.5 · 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-80.0, 88.0);
    let shifted = clamped * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    // 2^n: the lowest bits of what was shifted are n, in -116..=127, and no conversion is as fast.
    let power = f32::from_bits(
        shifted
            .to_bits()
            .wrapping_add(127u32.wrapping_sub(ROUND.to_bits()))
            << 23,
    );
    if x < -80.0 { 0.0 } else { p * power }
}

/// The normal distribution's `(Φ(x), φ(x))`: share below `x`, and density. Absolute error of Φ
/// below 2e-7: Abramowitz and Stegun, 7.1.26, for erf.
#[inline(always)]
pub(crate) fn normal(x: f32) -> (f32, f32) {
    const SQRT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
    const DENSITY: f32 = 0.398_942_3; // 1 / sqrt(2π)
    let z = x.abs() * SQRT_HALF;
    let bell = exp(-z * z);
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_72;
    let p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * bell; // 1 - Φ(|x|)
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    (below, DENSITY * bell)
}

/// Sum of `f(i)` over `0..n` in 16 lanes: one order of additions, whatever the vectors' width.
#[inline(always)]
pub(crate) fn sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; 16];
    let whole = n / 16 * 16;
    for start in (0..whole).step_by(16) {
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value += f(start + lane);
        }
    }
    let mut total = 0.0;
    for i in whole..n {
        total += f(i);
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    lanes[0] + total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_a_few_units() {
        for i in -8000..8800 {
            let x = i as f32 * 0.01;
            let (ours, real) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(
                (ours - real).abs() <= real * 3e-7,
                "exp({x}) = {ours}, not {real}"
            );
        }
        assert_eq!(exp(-80.5), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn normal_matches_known_values() {
        for (x, below, density) in [
            (0.0, 0.5, 0.398_942_3),
            (1.0, 0.841_344_8, 0.241_970_72),
            (-2.0, 0.022_750_13, 0.053_990_97),
            (3.5, 0.999_767_4, 0.000_872_682_7),
        ] {
            let (p, d) = normal(x);
            assert!((p - below).abs() < 3e-7, "Φ({x}) = {p}");
            assert!((d - density).abs() < 1e-7, "φ({x}) = {d}");
        }
    }

    #[test]
    fn sum_adds_every_element() {
        for n in [0, 1, 15, 16, 17, 100] {
            assert_eq!(sum(n, |i| i as f32), (0..n).sum::<usize>() as f32);
        }
    }
}
