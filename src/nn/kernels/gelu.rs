//! GELU with the error function: `x · Φ(x)` (Hendrycks & Gimpel, 2016), as Hugging Face's
//! checkpoints mean it.

use multiversion::multiversion;
use rayon::prelude::*;

use super::math;

/// Values that one core takes at a time.
const BLOCK: usize = 16 * 1024;

/// `y = x · Φ(x)`.
pub fn forward(x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(BLOCK)
        .zip(x.par_chunks(BLOCK))
        .for_each(|(y, x)| forward_block(x, y));
}

/// `x` becomes `x · Φ(x)`.
pub(crate) fn replace(x: &mut [f32]) {
    x.par_chunks_mut(BLOCK).for_each(replace_block);
}

/// Replaces `dy` by `dx = dy · (Φ(x) + x · φ(x))`, and writes `y` again, which the weights'
/// gradient needs and nobody kept.
pub fn backward(x: &[f32], dy: &mut [f32], y: &mut [f32]) {
    dy.par_chunks_mut(BLOCK)
        .zip(y.par_chunks_mut(BLOCK))
        .zip(x.par_chunks(BLOCK))
        .for_each(|((dy, y), x)| backward_block(x, dy, y));
}

/// `x · Φ(x)` off by at most 2e-4, or by 2e-5 of a large `x`: less than eight bits tell apart, for a third of the
/// arithmetic. `Φ(x) - ½` is odd: `x` times a polynomial in `x² / 8 - 1`, up to where Φ is 0 or 1 (a minimax fit).
#[inline(always)]
pub(crate) fn rough(x: f32) -> f32 {
    let z = x.clamp(-4.0, 4.0);
    let u = z * z * 0.125 - 1.0;
    let p = 0.005_972_025;
    let p = p * u - 0.016_550_895;
    let p = p * u + 0.024_091_06;
    let p = p * u - 0.035_462_346;
    let p = p * u + 0.055_410_19;
    let p = p * u - 0.084_426_62;
    let p = p * u + 0.175_970_21;
    x * (0.5 + z * p)
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn forward_block(x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x * math::normal(x).0;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn replace_block(x: &mut [f32]) {
    for x in x {
        *x *= math::normal(*x).0;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn backward_block(x: &[f32], dy: &mut [f32], y: &mut [f32]) {
    for ((dy, y), &x) in dy.iter_mut().zip(y).zip(x) {
        let (below, density) = math::normal(x);
        *y = x * below;
        *dy *= below + x * density;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_and_slope_are_those_of_erf() {
        let x: Vec<f32> = (-40_000..40_000).map(|i| i as f32 * 3e-4).collect();
        let gelu = |x: f64| 0.5 * x * (1.0 + candle_core::cpu::erf::erf_f64(x / 2f64.sqrt()));
        let (mut y, mut again) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let mut slope = vec![2.0; x.len()];
        forward(&x, &mut y);
        backward(&x, &mut slope, &mut again);
        assert_eq!(y, again);
        again.copy_from_slice(&x);
        replace(&mut again);
        assert_eq!(y, again);
        for ((&x, y), slope) in x.iter().zip(y).zip(slope) {
            let at = f64::from(x);
            let difference = (gelu(at + 1e-4) - gelu(at - 1e-4)) / 1e-4; // twice the slope
            assert!((f64::from(y) - gelu(at)).abs() < 1e-6, "gelu({x}) = {y}");
            assert!(
                (f64::from(slope) - difference).abs() < 2e-6,
                "2 gelu'({x}) = {slope}"
            );
        }
    }

    #[test]
    fn the_rough_value_is_near() {
        for i in -40_000..40_000 {
            let x = i as f32 * 3e-4;
            let (mut exact, rough) = ([0.0], rough(x));
            forward(&[x], &mut exact);
            assert!(
                (rough - exact[0]).abs() < 2e-4,
                "{rough}, not {}, at {x}",
                exact[0]
            );
        }
        assert!((rough(1e4) - 1e4).abs() < 0.2);
        assert!(rough(-1e4).abs() < 0.2);
    }
}
