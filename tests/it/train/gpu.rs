//! What a GPU runs, on the CPU.

use super::*;

#[test]
fn what_a_gpu_runs_learns_as_well() {
    let mut bench = Bench::plain(Family::Bert, DType::BF16);
    let mut settings = bi_settings();
    settings.common.chunk_size = 13;
    let outcome = bench
        .bi("bi", Start::Fresh, &settings, &mut never())
        .unwrap();
    assert!(outcome.best.score > 0.95, "{outcome:?}");
    assert!(
        outcome.best.loss < 0.1 * outcome.baseline.loss,
        "{outcome:?}"
    );

    bench.dataset.train.truncate(6);
    bench.dataset.valid = bench.dataset.train.clone();
    let mut settings = cross_settings();
    settings.common.steps = Some(STEPS);
    settings.common.evaluate_every = Some(STEPS / 3);
    let outcome = bench
        .cross("cross", Start::Fresh, &settings, &mut never())
        .unwrap();
    assert!(
        outcome.best.loss < 0.9 * outcome.baseline.loss,
        "{outcome:?}"
    );

    let [encoder, bi] = ["encoder", "bi/model"]
        .map(|folder| BiEncoder::load(bench.path(folder), &Compute::Fast).unwrap());
    let cross = CrossEncoder::load(bench.path("cross/model"), &Compute::Fast).unwrap();
    for (before, after) in [
        (&encoder.encoder, &bi.encoder),
        (&bi.encoder, &cross.encoder),
    ] {
        assert_eq!(unmoved(before.as_ref(), after.as_ref()), [""; 0]);
    }
}

#[test]
fn what_a_gpu_runs_learns_the_same_as_the_fast_encoder() {
    let trained = [
        Bench::new(Family::Bert),
        Bench::plain(Family::Bert, DType::F32),
    ]
    .map(|bench| {
        let mut settings = bi_settings();
        settings.common.steps = None;
        settings.common.epochs = 1;
        let bi = bench
            .bi("bi", Start::Fresh, &settings, &mut never())
            .unwrap();
        let mut settings = cross_settings();
        settings.common.steps = None;
        settings.common.epochs = 1;
        let cross = bench
            .cross("cross", Start::Fresh, &settings, &mut never())
            .unwrap();
        let rows = [bench.metrics("bi"), bench.metrics("cross")].concat();
        (bi.best, cross.best, rows)
    });
    let [fast, plain] = &trained;
    for (fast, plain) in [(fast.0, plain.0), (fast.1, plain.1)] {
        assert!((fast.score - plain.score).abs() < 0.005, "{trained:?}");
        assert!((fast.loss - plain.loss).abs() < 1e-3, "{trained:?}");
    }
    // On the CPU both drop the same, so that every step is the same.
    assert!(fast.2.iter().any(|row| row.loss.is_some()));
    assert_eq!(fast.2.len(), plain.2.len());
    for (fast, plain) in fast.2.iter().zip(&plain.2) {
        for (fast, plain) in [(fast.loss, plain.loss), (fast.grad_norm, plain.grad_norm)] {
            let differ = fast.unwrap_or(0.0) - plain.unwrap_or(0.0);
            assert!(differ.abs() < 1e-3, "{fast:?} and {plain:?}");
        }
    }
}
