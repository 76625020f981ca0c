//! What the tests of the encoders share.

use candle_core::{DType, Device, Tensor};
use homer::Compute;
use homer::internals::{Encoder, Weights, make_encoder};

/// The fast and the plain encoder with these weights, by name.
pub(crate) fn encoders(weights: &Weights) -> [(&'static str, Box<dyn Encoder>); 2] {
    let make = |compute| make_encoder(weights.clone(), &compute).unwrap();
    [
        ("fast", make(Compute::Fast)),
        ("plain", make(plain(DType::F32))),
    ]
}

/// What a GPU runs, on the CPU.
pub(crate) fn plain(products: DType) -> Compute {
    Compute::Plain {
        device: Device::Cpu,
        products,
    }
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |a, b| a.max(b.abs()))
}

/// The largest difference; NaN where there is one on either side.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |a, b| if b.is_nan() || b > a { b } else { a })
}

/// Panics where gradients, by parameter, differ by more than `tolerance` of the parameter's
/// largest. A softmax does not change when all its inputs do, so a key's bias has no gradient but
/// rounding: there the scale is the largest gradient of the key's weight, which comes before it.
pub(crate) fn assert_gradients(
    names: &[String],
    got: &[Vec<f32>],
    expected: &[Vec<f32>],
    tolerance: f32,
    what: &str,
) {
    assert_eq!((got.len(), expected.len()), (names.len(), names.len()));
    for (i, name) in names.iter().enumerate() {
        let scale = largest(&expected[if is_key_bias(name) { i - 1 } else { i }]);
        let distance = distance(&got[i], &expected[i]);
        assert!(
            scale > 0.0 && distance <= tolerance * scale,
            "{what}: gradients of {name} differ by {distance}, and the largest is {scale}"
        );
    }
}

pub(crate) fn is_key_bias(name: &str) -> bool {
    name.ends_with("key.bias") || name.ends_with("k_lin.bias")
}
