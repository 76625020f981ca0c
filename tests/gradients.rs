//! The fast encoder, its gradients and its optimizer against the plain one, on random models and
//! batches; and what both must do alike: move every parameter, resume exactly, repeat themselves.

mod common;

use candle_core::{Device, Tensor};
use common::{assert_gradients, distance, encoders, largest, values};
use homer::model::config::{Config, Family};
use homer::model::encoder::Pooling;
use homer::model::packed::{Packed, Tokens};
use homer::model::testing::tiny_config;
use homer::model::weights::{Values, Weights, encoder_specs};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FAMILIES: [Family; 2] = [Family::Bert, Family::DistilBert];
const POOLINGS: [Pooling; 2] = [Pooling::Mean, Pooling::First];
const VOCAB: usize = 50;

fn config(family: Family) -> Config {
    tiny_config(family, VOCAB).unwrap()
}

fn names(config: &Config) -> Vec<String> {
    let specs = encoder_specs(config);
    specs.into_iter().map(|spec| spec.name).collect()
}

/// Weights that are all of consequence: no norm of ones, no bias of zeros, no flat attention.
fn lively_weights(config: &Config, rng: &mut ChaCha8Rng) -> Weights {
    let values = encoder_specs(config)
        .iter()
        .map(|spec| {
            let (middle, spread) = match (spec.decays, spec.name.ends_with(".bias")) {
                (true, _) => (0.0, 0.4),
                (false, true) => (0.0, 0.2),
                (false, false) => (1.0, 0.4),
            };
            let mut draw = |_| middle + spread * rng.random_range(-1.0..1.0);
            Values::Owned((0..spec.len()).map(&mut draw).collect())
        })
        .collect();
    Weights {
        config: config.clone(),
        values,
    }
}

fn sequence(length: usize, vocab: usize, rng: &mut ChaCha8Rng) -> Tokens {
    Tokens {
        ids: (0..length)
            .map(|_| rng.random_range(0..vocab as u32))
            .collect(),
        types: (0..length).map(|i| u32::from(i * 2 > length)).collect(),
    }
}

/// Sequences of random lengths, one token and all positions among them.
fn batch(config: &Config, sequences: usize, rng: &mut ChaCha8Rng) -> Packed {
    let sequences: Vec<Tokens> = (0..sequences)
        .map(|i| match i {
            0 => 1,
            1 => config.max_positions,
            _ => rng.random_range(1..=config.max_positions),
        })
        .collect::<Vec<_>>()
        .into_iter()
        .map(|length| sequence(length, config.vocab, rng))
        .collect();
    Packed::new(&sequences)
}

/// The gradient of a loss with respect to pooled states.
fn pull(config: &Config, batch: &Packed, rng: &mut ChaCha8Rng) -> Tensor {
    let shape = (batch.len(), config.hidden);
    let values: Vec<f32> = (0..shape.0 * shape.1)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Outputs and gradients of both encoders on one batch.
fn assert_same(weights: &Weights, batch: &Packed, dropout: Option<u64>, rng: &mut ChaCha8Rng) {
    let config = &weights.config;
    for pooling in POOLINGS {
        let what = format!("{:?}, {pooling:?}, dropout {dropout:?}", config.family);
        let pull = pull(config, batch, rng);
        let [fast, plain] = encoders(weights).map(|(_, mut encoder)| {
            let encoded = values(&encoder.encode(batch, pooling).unwrap());
            let pooled = values(&encoder.forward(batch, pooling, dropout).unwrap());
            encoder.backward(&pull).unwrap();
            let norm = encoder.grad_norm_squared().unwrap();
            (encoded, pooled, encoder.gradients().unwrap(), norm)
        });
        let scale = largest(&plain.1);
        assert!(distance(&fast.0, &plain.0) < 1e-5 * scale, "{what}: encode");
        assert!(
            distance(&fast.1, &plain.1) < 1e-5 * scale,
            "{what}: forward"
        );
        let moved = distance(&fast.0, &fast.1) > 1e-3 * scale;
        assert_eq!(moved, dropout.is_some(), "{what}: dropout and nothing else");
        assert_gradients(&names(config), &fast.2, &plain.2, 1e-4, &what);
        assert!((fast.3 / plain.3 - 1.0).abs() < 1e-4, "{what}: norm");
    }
}

#[test]
fn fast_is_plain_on_batches_of_several_chunks() {
    for family in FAMILIES {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let config = config(family);
        let weights = lively_weights(&config, &mut rng);
        let batch = batch(&config, 80, &mut rng);
        assert!(batch.tokens() > 2048, "{} tokens", batch.tokens());
        for dropout in [None, Some(7)] {
            assert_same(&weights, &batch, dropout, &mut rng);
        }
    }
}

#[test]
fn fast_is_plain_whatever_the_sizes() {
    for seed in 0..24 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let heads = rng.random_range(1..=5);
        let config = Config {
            heads,
            // A norm over two or three values leaves next to no gradient.
            hidden: heads * rng.random_range(4..=11),
            layers: rng.random_range(1..=3),
            intermediate: rng.random_range(1..=70),
            max_positions: rng.random_range(2..=40),
            vocab: rng.random_range(3..=90),
            hidden_dropout: 0.2,
            attention_dropout: 0.3,
            ..config(FAMILIES[seed as usize % 2])
        };
        let weights = lively_weights(&config, &mut rng);
        let sequences = rng.random_range(2..=6);
        let batch = batch(&config, sequences, &mut rng);
        for dropout in [None, Some(seed)] {
            assert_same(&weights, &batch, dropout, &mut rng);
        }
    }
}
