//! The fast encoder, its gradients and its optimizer against the plain one, on random models and
//! batches; and what both must do alike: move every parameter, resume exactly, repeat themselves.

use crate::encoders::{assert_gradients, distance, encoders, is_key_bias, largest, plain, values};
use candle_core::{DType, Device, Tensor};
use homer::internals::{
    AdamW, Config, Encoder, Family, Layout, Packed, Pooling, Tokens, Values, Weights,
    encoder_specs, make_encoder, tiny_config,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FAMILIES: [Family; 2] = [Family::Bert, Family::DistilBert];
const POOLINGS: [Pooling; 2] = [Pooling::Mean, Pooling::First];
const VOCAB: usize = 50;

fn config(family: Family) -> Config {
    tiny_config(family, VOCAB).unwrap()
}

fn number(value: f64) -> Tensor {
    Tensor::new(value, &Device::Cpu).unwrap()
}

fn squares(encoder: &dyn Encoder) -> f64 {
    let squares = encoder.grad_norm_squared().unwrap();
    squares.to_scalar().unwrap()
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
            Values::Owned(
                (0..spec.shape.iter().product::<usize>())
                    .map(&mut draw)
                    .collect(),
            )
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
            let norm = squares(&*encoder);
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

#[test]
fn every_parameter_has_a_gradient_and_moves() {
    for family in FAMILIES {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let config = config(family);
        let weights = lively_weights(&config, &mut rng);
        let batch = batch(&config, 8, &mut rng);
        let pull = pull(&config, &batch, &mut rng);
        for (kind, mut encoder) in encoders(&weights) {
            encoder.forward(&batch, Pooling::Mean, Some(3)).unwrap();
            encoder.backward(&pull).unwrap();
            let gradients = encoder.gradients().unwrap();
            encoder.step(&AdamW::default(), 1e-3, &number(1.0)).unwrap();
            let after = encoder.weights().unwrap();
            for (i, name) in names(&config).iter().enumerate() {
                // A softmax does not change when all its inputs do: nothing there but rounding.
                if is_key_bias(name) {
                    continue;
                }
                let gradient = largest(&gradients[i]);
                assert!(gradient > 1e-4, "{kind}, {name}: gradient {gradient}");
                let moved = distance(&weights.values[i].to_f32(), &after.values[i].to_f32());
                assert!(moved > 5e-4, "{kind}, {name}: moved by {moved}");
            }
            assert_eq!(squares(&*encoder), 0.0, "{kind}");
            assert!(
                encoder
                    .gradients()
                    .unwrap()
                    .iter()
                    .all(|g| largest(g) == 0.0)
            );
        }
    }
}

/// bf16 has eight bits. candle multiplies it on the CPU in f32 and rounds what comes out, as a GPU
/// does.
#[test]
fn products_in_bf16_are_nearly_those_in_f32_and_train_as_well() {
    for family in FAMILIES {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let config = config(family);
        let weights = lively_weights(&config, &mut rng);
        let batch = batch(&config, 8, &mut rng);
        let target = pull(&config, &batch, &mut rng);
        let [exact, rounded] = [DType::F32, DType::BF16].map(|products| {
            let mut encoder = make_encoder(weights.clone(), &plain(products)).unwrap();
            let encoded = encoder.encode(&batch, Pooling::Mean).unwrap();
            assert_eq!(encoded.dtype(), DType::F32);
            let mut gradients = None;
            let mut losses = Vec::new();
            for step in 0..12 {
                let pooled = encoder.forward(&batch, Pooling::Mean, Some(step)).unwrap();
                let error = (pooled - &target).unwrap();
                let loss = error.sqr().unwrap().mean_all().unwrap();
                losses.push(loss.to_scalar::<f32>().unwrap());
                encoder.backward(&error).unwrap();
                gradients.get_or_insert(encoder.gradients().unwrap());
                let one = number(1.0);
                encoder.step(&AdamW::default(), 1e-2, &one).unwrap();
            }
            (values(&encoded), gradients.unwrap(), losses)
        });
        let (off, scale) = (distance(&rounded.0, &exact.0), largest(&exact.0));
        assert!(off > 1e-5 * scale, "{family:?}: these are f32 products");
        assert!(off < 0.03 * scale, "{family:?}: {off} of {scale}");
        assert_gradients(&names(&config), &rounded.1, &exact.1, 0.1, "bf16");
        assert!(rounded.1.iter().all(|gradient| largest(gradient) > 0.0));
        let [first, last] = [0, 11].map(|step| rounded.2[step]);
        assert!(last < 0.5 * first, "{family:?}: {:?}", rounded.2);
        assert!((last / exact.2[11] - 1.0).abs() < 0.1, "{family:?}: {last}");
    }
}

/// A training step on a batch of its own, with every third word of the vocabulary at `step`, and
/// none at all beyond the first 30.
fn train(encoder: &mut dyn Encoder, adamw: &AdamW, steps: std::ops::Range<u64>) {
    let config = encoder.config().clone();
    for step in steps {
        let mut rng = ChaCha8Rng::seed_from_u64(step);
        let mut batch = batch(&config, 6, &mut rng);
        for id in &mut batch.ids {
            *id = (*id % 10) * 3 + step as u32 % 3;
        }
        let pull = pull(&config, &batch, &mut rng);
        encoder.forward(&batch, Pooling::Mean, Some(step)).unwrap();
        encoder.backward(&pull).unwrap();
        encoder.step(adamw, LEARNING_RATE, &number(0.5)).unwrap();
    }
}

const LEARNING_RATE: f64 = 1e-2;

/// The bits of all weights.
fn bits(encoder: &dyn Encoder) -> Vec<u32> {
    let weights = encoder.weights().unwrap();
    let values = weights.values.iter();
    values
        .flat_map(|values| {
            values
                .to_f32()
                .iter()
                .map(|v| v.to_bits())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn fast_steps_as_plain_does() {
    for family in FAMILIES {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let config = config(family);
        let weights = lively_weights(&config, &mut rng);
        let adamw = AdamW {
            // Where a gradient is next to nothing Adam makes much of its rounding; not with this.
            epsilon: 1e-2,
            weight_decay: 0.1,
            ..AdamW::default()
        };
        let [fast, plain] = encoders(&weights).map(|(_, mut encoder)| {
            train(&mut *encoder, &adamw, 0..5);
            (encoder.weights().unwrap(), encoder.moments().unwrap())
        });
        assert_eq!((fast.1.steps, plain.1.steps), (5, 5));
        for (i, spec) in encoder_specs(&config).iter().enumerate() {
            let [before, fast_values, plain_values] =
                [&weights, &fast.0, &plain.0].map(|weights| weights.values[i].to_f32());
            let differ = f64::from(distance(&fast_values, &plain_values));
            assert!(differ < 1e-3 * LEARNING_RATE, "{} by {differ}", spec.name);
            for (fast, plain) in [
                (&fast.1.first[i], &plain.1.first[i]),
                (&fast.1.second[i], &plain.1.second[i]),
            ] {
                let scale = largest(plain).max(1e-2);
                assert!(distance(fast, plain) < 1e-5 * scale, "{}", spec.name);
            }
            if i == Layout::WORDS {
                // A word that never came up only decays.
                let kept = (1.0 - LEARNING_RATE * adamw.weight_decay).powi(5) as f32;
                let unseen = 40 * config.hidden..;
                for (before, after) in before[unseen.clone()].iter().zip(&fast_values[unseen]) {
                    assert!((before * kept - after).abs() < 1e-6, "{before} to {after}");
                }
            }
        }
    }
}

#[test]
fn a_run_resumes_to_the_bit() {
    for family in FAMILIES {
        let weights = lively_weights(&config(family), &mut ChaCha8Rng::seed_from_u64(4));
        for ((kind, mut encoder), (_, mut resumed)) in
            encoders(&weights).into_iter().zip(encoders(&weights))
        {
            train(&mut *encoder, &AdamW::default(), 0..3);
            resumed.set_weights(&encoder.weights().unwrap()).unwrap();
            resumed.set_moments(&encoder.moments().unwrap()).unwrap();
            train(&mut *encoder, &AdamW::default(), 3..6);
            train(&mut *resumed, &AdamW::default(), 3..6);
            assert!(bits(&*encoder) == bits(&*resumed), "{kind}, {family:?}");
            assert_eq!(encoder.moments().unwrap(), resumed.moments().unwrap());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_cores() {
    for family in FAMILIES {
        let weights = lively_weights(&config(family), &mut ChaCha8Rng::seed_from_u64(5));
        let runs = [1, 2, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                encoders(&weights).map(|(_, mut encoder)| {
                    train(&mut *encoder, &AdamW::default(), 0..3);
                    bits(&*encoder)
                })
            })
        });
        assert!(runs.iter().all(|run| *run == runs[0]), "{family:?}");
    }
}

#[test]
fn a_sequence_does_not_see_its_neighbours() {
    for family in FAMILIES {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let config = config(family);
        let weights = lively_weights(&config, &mut rng);
        let sequences: Vec<Tokens> = [1, 64, 5, 17, 64, 2, 33]
            .map(|length| sequence(length, VOCAB, &mut rng))
            .into();
        for (kind, encoder) in encoders(&weights) {
            for pooling in POOLINGS {
                let encode = |sequences: &[Tokens]| {
                    values(&encoder.encode(&Packed::new(sequences), pooling).unwrap())
                };
                let together = encode(&sequences);
                for (i, alone) in sequences.chunks(1).enumerate() {
                    let together = &together[i * config.hidden..][..config.hidden];
                    let distance = distance(&encode(alone), together);
                    assert!(
                        distance < 1e-5,
                        "{kind}, {family:?}, {pooling:?}: {distance}"
                    );
                }
            }
        }
    }
}

#[test]
fn gradients_add_up_and_a_backward_needs_its_forward() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let config = config(Family::Bert);
    let weights = lively_weights(&config, &mut rng);
    let batch = batch(&config, 4, &mut rng);
    let pull = pull(&config, &batch, &mut rng);
    for (kind, mut encoder) in encoders(&weights) {
        assert!(encoder.backward(&pull).is_err(), "{kind}");
        let mut sums = [1, 2].map(|_| {
            encoder.forward(&batch, Pooling::First, None).unwrap();
            encoder.backward(&pull).unwrap();
            encoder.gradients().unwrap()
        });
        sums[0].iter_mut().flatten().for_each(|g| *g *= 2.0);
        assert_gradients(&names(&config), &sums[1], &sums[0], 1e-5, kind);
        assert!(encoder.backward(&pull).is_err(), "{kind}");
    }
}
