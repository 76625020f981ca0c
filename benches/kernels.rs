//! What a training step is made of, at the sizes of MiniLM-L6 (22.7 million parameters) and with
//! random weights: each kernel on one chunk, then whole passes of the fast and the plain encoder.

use std::hint::black_box;

use candle_core::{DType, Device, Tensor};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use homer::Compute;
use homer::internals::kernels::adamw::Step;
use homer::internals::kernels::attention::Shape;
use homer::internals::kernels::linear::Linear;
use homer::internals::kernels::norm::Norm;
use homer::internals::kernels::product::Store;
use homer::internals::kernels::{attention, gelu, linear};
use homer::internals::{
    AdamW, Config, Family, Mask, Packed, Pooling, Site, Tokens, Weights, make_encoder, tiny_config,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HIDDEN: usize = 384;
const WIDE: usize = 4 * HIDDEN;
const HEADS: usize = 12;
/// 32 sequences of this many tokens are one chunk.
const LENGTH: usize = 32;
const TOKENS: usize = 32 * LENGTH;

fn random(len: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(len as u64);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn kernels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kernel");
    let (narrow, wide) = (random(TOKENS * HIDDEN), random(TOKENS * WIDE));
    let (weight, bias) = (random(WIDE * HIDDEN), random(WIDE));
    let expand = Linear {
        weight: &weight,
        bias: &bias,
    };
    let mut out = wide.clone();

    // A product of `TOKENS × HIDDEN × WIDE`, so that criterion's elements are flops.
    group.throughput(Throughput::Elements((2 * TOKENS * HIDDEN * WIDE) as u64));
    group.bench_function("linear/forward", |b| {
        b.iter(|| expand.forward(black_box(&narrow), &mut out, WIDE))
    });
    let mut d_narrow = narrow.clone();
    group.bench_function("linear/backward_input", |b| {
        b.iter(|| expand.backward_input(black_box(&wide), WIDE, &mut d_narrow, Store::Replace))
    });
    let (mut d_weight, mut d_bias) = (weight.clone(), bias.clone());
    group.bench_function("linear/backward_parameters", |b| {
        b.iter(|| {
            linear::backward_parameters(black_box(&narrow), &wide, WIDE, &mut d_weight, &mut d_bias)
        })
    });

    group.throughput(Throughput::Elements(wide.len() as u64));
    group.bench_function("gelu/forward", |b| {
        b.iter(|| gelu::forward(black_box(&wide), &mut out))
    });
    let mut active = wide.clone();
    group.bench_function("gelu/backward", |b| {
        b.iter(|| {
            // In place: again and again it would end in infinities and denormals.
            out.copy_from_slice(&wide);
            gelu::backward(black_box(&wide), &mut out, &mut active)
        })
    });

    group.throughput(Throughput::Elements(narrow.len() as u64));
    let norm = Norm {
        weight: &weight[..HIDDEN],
        bias: &bias[..HIDDEN],
        epsilon: 1e-12,
    };
    let mask = Mask::new(Some(1), Site::Embeddings, 0.1).map(|mask| (mask, 0));
    let (mut branch, mut rates) = (narrow.clone(), vec![1.0; TOKENS]);
    group.bench_function("norm/forward", |b| {
        b.iter(|| norm.forward(Some(black_box(&narrow)), &mut branch, mask, &mut rates))
    });
    let (d_weight, d_bias) = (&mut d_weight[..HIDDEN], &mut d_bias[..HIDDEN]);
    group.bench_function("norm/backward", |b| {
        b.iter(|| {
            branch.copy_from_slice(&narrow);
            norm.backward(black_box(&narrow), &rates, &mut branch, d_weight, d_bias)
        })
    });

    let shape = Shape {
        heads: HEADS,
        hidden: HIDDEN,
    };
    let offsets: Vec<usize> = (0..=TOKENS / LENGTH).map(|i| i * LENGTH).collect();
    let projected = random(TOKENS * 3 * HIDDEN);
    let (mut d_projected, mut context) = (projected.clone(), narrow.clone());
    let mut probabilities = vec![0.0; attention::probabilities(&offsets, HEADS)];
    group.bench_function("attention/forward", |b| {
        b.iter(|| {
            let projected = black_box(&projected);
            attention::forward(
                &offsets,
                shape,
                projected,
                mask,
                &mut probabilities,
                &mut context,
            )
        })
    });
    group.bench_function("attention/backward", |b| {
        b.iter(|| {
            let projected = black_box(&projected);
            probabilities.fill(1.0 / LENGTH as f32);
            attention::backward(
                &offsets,
                shape,
                projected,
                mask,
                &mut probabilities,
                &narrow,
                &mut d_projected,
            )
        })
    });

    let step = Step {
        first: (0.9, 0.1),
        second: (0.999, 0.001),
        rate: 1e-6,
        epsilon: 1e-8,
        scale: 1.0,
    };
    let (mut p, g) = (random(10_000_000), random(10_000_000));
    let (mut m, mut v) = (vec![0.0; p.len()], vec![0.0; p.len()]);
    group.throughput(Throughput::Elements(p.len() as u64));
    group.bench_function("adamw", |b| {
        b.iter(|| step.apply(0.9999, &mut p, black_box(&g), &mut m, &mut v))
    });
    group.finish();
}

fn passes(criterion: &mut Criterion) {
    let config = Config {
        hidden: HIDDEN,
        layers: 6,
        heads: HEADS,
        intermediate: WIDE,
        max_positions: 512,
        vocab: 30_522,
        ..tiny_config(Family::Bert, 1).expect("the tiny configuration is sound")
    };
    let weights = Weights::random(&config, 1);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let sequences: Vec<Tokens> = (0..64)
        .map(|_| {
            let length = rng.random_range(8..=40);
            Tokens {
                ids: (0..length).map(|_| rng.random_range(0..30_522)).collect(),
                types: vec![0; length],
            }
        })
        .collect();
    let batch = Packed::new(&sequences);
    let pull = random(batch.len() * HIDDEN);
    let pull = Tensor::from_vec(pull, (batch.len(), HIDDEN), &Device::Cpu).expect("it fits");

    let one = Tensor::new(1f64, &Device::Cpu).expect("it is a number");

    let mut group = criterion.benchmark_group("pass");
    group.sample_size(10);
    group.throughput(Throughput::Elements(batch.tokens() as u64));
    for (name, compute) in [
        ("fast", Compute::Fast),
        (
            "plain",
            Compute::Plain {
                device: Device::Cpu,
                products: DType::F32,
            },
        ),
    ] {
        let mut encoder = make_encoder(weights.clone(), &compute).expect("the CPU takes it");
        group.bench_function(BenchmarkId::new("encode", name), |b| {
            b.iter(|| encoder.encode(black_box(&batch), Pooling::Mean))
        });
        group.bench_function(BenchmarkId::new("forward and backward", name), |b| {
            b.iter(|| {
                encoder.forward(black_box(&batch), Pooling::Mean, Some(1))?;
                encoder.backward(&pull)
            })
        });
        group.bench_function(BenchmarkId::new("training step", name), |b| {
            b.iter(|| {
                encoder.forward(black_box(&batch), Pooling::Mean, Some(1))?;
                encoder.backward(&pull)?;
                encoder.step(&AdamW::default(), 1e-5, &one)
            })
        });
    }
    group.finish();
}

criterion_group!(benches, kernels, passes);
criterion_main!(benches);
