//! Kernels on the host against what they stand for, through all of an encoder.
#![cfg(unix)]

mod host;

use candle_core::Device;
use serde_json::json;

use super::*;
use crate::nn::config::Config;
use crate::nn::encoder::{Encoder, Pooling};
use crate::nn::host::values;
use crate::nn::optimizer::AdamW;
use crate::nn::packed::{Packed, Tokens};
use crate::nn::plain::PlainEncoder;
use crate::nn::plain::masks::{Masks, Windows};
use crate::nn::weights::Weights;

/// More layers than one table of gradients has room for.
fn weights(dropout: f64) -> Weights {
    let config = Config::from_json(json!({
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": 20,
        "hidden_size": 12,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "intermediate_size": 20,
        "max_position_embeddings": 16,
        "type_vocab_size": 2,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }));
    Weights::random(&config.unwrap(), 1)
}

fn batch(lengths: &[usize]) -> Packed {
    let tokens = lengths.iter().enumerate().map(|(number, &length)| Tokens {
        ids: (0..length)
            .map(|i| ((i * 7 + number) % 20) as u32)
            .collect(),
        types: (0..length).map(|i| u32::from(i > 2)).collect(),
    });
    Packed::new(&tokens.collect::<Vec<_>>())
}

/// All that a training shows: pooled states, gradients of two batches, parameters and moments after two steps.
fn training(weights: &Weights, compute: DType, kernels: Option<Kernels>) -> Vec<Vec<f32>> {
    let device = Device::Cpu;
    let mut encoder = PlainEncoder::new(weights, &device, compute).unwrap();
    let windows = Windows::new(&weights.config, compute, &device, 1 << 12).unwrap();
    encoder.masks = Some(Masks::Windows(Box::new(windows)));
    encoder.kernels = kernels;
    // A key's bias changes nothing: of its gradient, rounding errors, AdamW would make steps.
    let adamw = AdamW {
        epsilon: 1e-3,
        ..AdamW::default()
    };
    let mut found = Vec::new();
    for step in 0..2 {
        // The first has rows of several sequences and places without one, the second neither.
        for (lengths, pooling) in [
            (&[5, 1, 9, 3][..], Pooling::Mean),
            (&[4, 4], Pooling::First),
        ] {
            let batch = batch(lengths);
            found.push(values(&encoder.encode(&batch, pooling).unwrap()).unwrap());
            let pooled = encoder.forward(&batch, pooling, Some(3 + step)).unwrap();
            found.push(values(&pooled).unwrap());
            let pull: Vec<f32> = (0..pooled.elem_count())
                .map(|i| (i as f32 * 1.3).sin())
                .collect();
            let pull = Tensor::from_vec(pull, pooled.shape(), &device).unwrap();
            encoder.backward(&pull).unwrap();
        }
        found.extend(encoder.gradients().unwrap());
        let scale = Tensor::new(0.5, &device).unwrap();
        encoder.step(&adamw, 1e-3, &scale).unwrap();
    }
    let moments = encoder.moments().unwrap();
    found.extend(moments.first);
    found.extend(moments.second);
    let after = encoder.weights().unwrap();
    found.extend(after.values.iter().map(|all| all.to_f32().into_owned()));
    found
}

/// How far two trainings are apart, at the most, each value beside the largest of its tensor.
fn apart(one: &[Vec<f32>], other: &[Vec<f32>]) -> f32 {
    assert_eq!(one.len(), other.len());
    let largest = |all: &[f32]| all.iter().fold(0f32, |most, x| most.max(x.abs()));
    let pairs = one.iter().zip(other).map(|(one, other)| {
        assert_eq!(one.len(), other.len());
        let differences: Vec<f32> = one.iter().zip(other).map(|(a, b)| a - b).collect();
        assert!(differences.iter().all(|x| x.is_finite()));
        largest(&differences) / largest(other).max(1e-3)
    });
    pairs.fold(0.0, f32::max)
}

#[test]
fn kernels_compute_what_candle_does() {
    for dropout in [0.2, 0.0] {
        let weights = weights(dropout);
        let plain = training(&weights, DType::F32, None);
        let fused = training(&weights, DType::F32, Some(Kernels::on_host(DType::F32)));
        let apart = apart(&fused, &plain);
        assert!(apart < 1e-4, "{apart}");
    }
}

/// In bf16 they round less often, so that they are closer to f32 than candle's own operations.
#[test]
fn kernels_round_no_more_than_candle_does() {
    let weights = weights(0.2);
    let exact = training(&weights, DType::F32, None);
    let plain = training(&weights, DType::BF16, None);
    let fused = training(&weights, DType::BF16, Some(Kernels::on_host(DType::BF16)));
    let rms = |all: &[Vec<f32>]| {
        let of = |(one, other): (&Vec<f32>, &Vec<f32>)| {
            let square = |x: f32| f64::from(x) * f64::from(x);
            let apart: f64 = one.iter().zip(other).map(|(a, b)| square(a - b)).sum();
            apart / other.iter().map(|&x| square(x)).sum::<f64>().max(1e-12)
        };
        all.iter().zip(&exact).map(of).sum::<f64>().sqrt()
    };
    let (plain, fused) = (rms(&plain), rms(&fused));
    assert!(fused > 0.0 && fused < 1.2 * plain, "{fused} beside {plain}");
}
