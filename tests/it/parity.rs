//! Both encoders and the cross-encoder's head against what PyTorch made of the same tiny models;
//! `fixtures/make_fixtures.py` says how the numbers came about. candle-transformers' own BERT is
//! asked as well.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::encoders::{assert_gradients, distance, encoders, is_key_bias, plain, values};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert;
use homer::internals::{
    Checkpoint, Config, Head, Packed, Pooling, Spec, Tokens, Weights, encoder_specs, head_specs,
    make_encoder,
};
use serde::Deserialize;

/// What PyTorch makes of the models of one family.
#[derive(Deserialize)]
struct Expected {
    sequences: Vec<Sequence>,
    hidden: Vec<Vec<f32>>,
    mean: Vec<f32>,
    first: Vec<f32>,
    mix: Vec<f32>,
    loss: f32,
    gradients: BTreeMap<String, Vec<f32>>,
    /// How far bf16 moves each of them in PyTorch, relative to its size.
    bf16: BTreeMap<String, f32>,
    pairs: Pairs,
}

#[derive(Deserialize)]
struct Pairs {
    sequences: Vec<Sequence>,
    logits: Vec<f32>,
    mix: Vec<f32>,
    gradients: BTreeMap<String, Vec<f32>>,
}

#[derive(Deserialize)]
struct Sequence {
    ids: Vec<u32>,
    types: Vec<u32>,
}

const FAMILIES: [&str; 2] = ["bert", "distilbert"];

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name]
        .iter()
        .collect()
}

fn expected(family: &str) -> Expected {
    let text = std::fs::read_to_string(fixture(family).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn open(folder: &str) -> (Config, Checkpoint) {
    let folder = fixture(folder);
    (
        Config::read(&folder).unwrap(),
        Checkpoint::open(&folder).unwrap(),
    )
}

fn weights(folder: &str) -> Weights {
    let (config, checkpoint) = open(folder);
    checkpoint.encoder(&config).unwrap()
}

fn pack(sequences: &[Sequence]) -> Packed {
    let tokens: Vec<Tokens> = sequences
        .iter()
        .map(|sequence| Tokens {
            ids: sequence.ids.clone(),
            types: sequence.types.clone(),
        })
        .collect();
    Packed::new(&tokens)
}

/// PyTorch's gradients in the order of `specs`.
fn in_order(
    gradients: &BTreeMap<String, Vec<f32>>,
    prefix: &str,
    specs: &[Spec],
) -> (Vec<String>, Vec<Vec<f32>>) {
    let ordered = specs.iter().map(|spec| {
        let prefixed = gradients.get(&format!("{prefix}{}", spec.name));
        let gradient = prefixed.or_else(|| gradients.get(&spec.name));
        (spec.name.clone(), gradient.unwrap().clone())
    });
    ordered.unzip()
}

/// What an encoder is trained on once, and PyTorch's gradients.
struct Lesson {
    weights: Weights,
    batch: Packed,
    /// `[sequences, hidden]`, the gradient of the loss by what is pooled.
    mix: Tensor,
    names: Vec<String>,
    answer: Vec<Vec<f32>>,
}

fn lesson(family: &str, expected: &Expected) -> Lesson {
    let weights = weights(family);
    let batch = pack(&expected.sequences);
    let shape = (batch.len(), weights.config.hidden);
    let mix = Tensor::from_vec(expected.mix.clone(), shape, &Device::Cpu).unwrap();
    let (names, answer) = in_order(&expected.gradients, "", &encoder_specs(&weights.config));
    assert_eq!(names.len(), expected.gradients.len(), "{family}");
    Lesson {
        weights,
        batch,
        mix,
        names,
        answer,
    }
}

#[test]
fn outputs_are_pytorchs() {
    for family in FAMILIES {
        let expected = expected(family);
        let batch = pack(&expected.sequences);
        for (kind, mut encoder) in encoders(&weights(family)) {
            for (pooling, answer) in [
                (Pooling::Mean, &expected.mean),
                (Pooling::First, &expected.first),
            ] {
                let encoded = values(&encoder.encode(&batch, pooling).unwrap());
                let trained = values(&encoder.forward(&batch, pooling, None).unwrap());
                assert!(distance(&encoded, answer) < 1e-5, "{family}, {kind}");
                assert!(distance(&trained, answer) < 1e-5, "{family}, {kind}");
            }
        }
    }
}

#[test]
fn gradients_are_pytorchs() {
    for family in FAMILIES {
        let expected = expected(family);
        let Lesson {
            weights,
            batch,
            mix,
            names,
            answer,
        } = lesson(family, &expected);
        for (kind, mut encoder) in encoders(&weights) {
            let pooled = encoder.forward(&batch, Pooling::Mean, None).unwrap();
            let loss = (pooled * &mix).unwrap().sum_all().unwrap();
            let loss = loss.to_scalar::<f32>().unwrap();
            assert!((loss - expected.loss).abs() < 1e-4, "{family}, {kind}");
            encoder.backward(&mix).unwrap();
            let what = format!("{family}, {kind}");
            assert_gradients(&names, &encoder.gradients().unwrap(), &answer, 1e-4, &what);
        }
    }
}

/// Rounding is not to cost more than in PyTorch's autocast, which rounds more than the products: twice what
/// it moves a gradient by, because what is rounded up here may be rounded down there.
#[test]
fn gradients_in_bf16_are_as_near_as_pytorchs() {
    let norm = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>().sqrt();
    for family in FAMILIES {
        let expected = expected(family);
        let Lesson {
            weights,
            batch,
            mix,
            names,
            answer,
        } = lesson(family, &expected);
        let mut encoder = make_encoder(weights, &plain(DType::BF16)).unwrap();
        encoder.forward(&batch, Pooling::Mean, None).unwrap();
        encoder.backward(&mix).unwrap();
        let mut compared = 0;
        let mut moved_most = 0f32;
        for ((name, ours), exact) in names.iter().zip(encoder.gradients().unwrap()).zip(&answer) {
            let Some(pytorchs) = expected.bf16.get(name) else {
                assert!(is_key_bias(name), "{name}");
                continue;
            };
            let difference: Vec<f32> = ours.iter().zip(exact).map(|(a, b)| a - b).collect();
            let moved = norm(&difference) / norm(exact);
            let allowed = 2.0 * pytorchs + 1e-4;
            assert!(
                moved < allowed,
                "{family}: {name} moved by {moved} of {allowed}"
            );
            moved_most = moved_most.max(moved);
            compared += 1;
        }
        assert!(compared > 30, "{family}: {compared} gradients");
        assert!(moved_most > 1e-3, "{family}: these are f32 products");
    }
}

#[test]
fn scores_of_pairs_and_their_gradients_are_pytorchs() {
    for family in FAMILIES {
        let expected = expected(family).pairs;
        let (config, checkpoint) = open(&format!("{family}_pairs"));
        let weights = checkpoint.encoder(&config).unwrap();
        let mut specs = encoder_specs(&config);
        specs.extend(head_specs(&config));
        let (names, answer) = in_order(&expected.gradients, &format!("{family}."), &specs);
        assert_eq!(names.len(), expected.gradients.len(), "{family}");
        let batch = pack(&expected.sequences);
        let mix = Tensor::new(expected.mix.as_slice(), &Device::Cpu).unwrap();
        let tensors = checkpoint.named(&head_specs(&config)).unwrap().unwrap();
        for (kind, mut encoder) in encoders(&weights) {
            let mut head = Head::new(&config, &tensors, &Device::Cpu).unwrap();
            let pooled = encoder.forward(&batch, Pooling::First, None).unwrap();
            let scores = head.forward(&pooled, None).unwrap();
            assert_eq!(values(&scores), values(&head.score(&pooled).unwrap()));
            let off = distance(&values(&scores), &expected.logits);
            assert!(off < 1e-5, "{family}, {kind}: scores by {off}");

            encoder.backward(&head.backward(&mix).unwrap()).unwrap();
            let mut gradients = encoder.gradients().unwrap();
            gradients.extend(head.gradients().unwrap());
            let what = format!("{family} with its head, {kind}");
            assert_gradients(&names, &gradients, &answer, 1e-4, &what);
        }
    }
}

#[test]
fn candles_bert_agrees() {
    let expected = expected("bert");
    let folder = fixture("bert");
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config: bert::Config = serde_json::from_str(&config).unwrap();
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let builder = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu).unwrap();
    let theirs = bert::BertModel::load(builder, &config).unwrap();
    let [(_, fast), (_, plain)] = encoders(&weights("bert"));
    for (sequence, hidden) in expected.sequences.iter().zip(&expected.hidden) {
        let row = |values: &[u32]| {
            Tensor::new(values, &Device::Cpu)
                .unwrap()
                .unsqueeze(0)
                .unwrap()
        };
        let states = theirs
            .forward(&row(&sequence.ids), &row(&sequence.types), None)
            .unwrap();
        assert!(distance(&values(&states), hidden) < 1e-5);
        let mean = values(&states.mean(1).unwrap());
        for ours in [&fast, &plain] {
            let batch = pack(std::slice::from_ref(sequence));
            let ours = values(&ours.encode(&batch, Pooling::Mean).unwrap());
            assert!(distance(&ours, &mean) < 1e-5);
        }
    }
}
