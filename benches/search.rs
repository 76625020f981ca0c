//! The exact search in an index: the best 50 of many unit vectors of width 384, the size of
//! all-MiniLM-L6-v2's. Run it with `cargo bench --bench search`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use half::f16;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use homer::internals::top_k;

const WIDTH: usize = 384;
const BEST: usize = 50;

/// Unit vectors `[rows, WIDTH]`, spread evenly over every direction as far as this matters here.
fn unit_rows(rows: usize) -> Vec<f16> {
    let mut rng = ChaCha8Rng::seed_from_u64(rows as u64);
    let bound = (3.0 / WIDTH as f32).sqrt();
    (0..rows * WIDTH)
        .map(|_| f16::from_f32(rng.random_range(-bound..bound)))
        .collect()
}

fn search(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("best 50 of");
    group.sample_size(20);
    for rows in [4_500, 30_000, 1_000_000] {
        let vectors = unit_rows(rows);
        let query: Vec<f32> = unit_rows(1).iter().map(|value| value.to_f32()).collect();
        group.throughput(Throughput::Bytes((rows * WIDTH * 2) as u64));
        group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
            bencher.iter(|| top_k(&query, &vectors, BEST));
        });
    }
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
