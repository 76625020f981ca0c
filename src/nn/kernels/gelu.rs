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

/// Replaces `dy` by `dx = dy · (Φ(x) + x · φ(x))`, and writes `y` again, which the weights'
/// gradient needs and nobody kept.
pub fn backward(x: &[f32], dy: &mut [f32], y: &mut [f32]) {
    dy.par_chunks_mut(BLOCK)
        .zip(y.par_chunks_mut(BLOCK))
        .zip(x.par_chunks(BLOCK))
        .for_each(|((dy, y), x)| backward_block(x, dy, y));
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn forward_block(x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x * math::normal(x).0;
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
}
