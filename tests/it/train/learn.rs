//! A training learns, and ends as it should.

use super::feedback::opinion;
use super::*;

#[test]
fn the_bi_encoder_learns_and_the_model_that_learned_is_kept() {
    for family in [Family::Bert, Family::DistilBert] {
        let bench = Bench::new(family);
        let settings = bi_settings();
        let outcome = bench
            .bi("bi", Start::Fresh, &settings, &mut never())
            .unwrap();
        assert!(
            outcome.baseline.score < 0.85 && outcome.best.score > 0.95,
            "{outcome:?}"
        );
        assert!(
            outcome.best.loss < 0.1 * outcome.baseline.loss,
            "{outcome:?}"
        );

        let before = BiEncoder::load(bench.path("encoder"), &Compute::Fast).unwrap();
        let after = BiEncoder::load(bench.path("bi/model"), &Compute::Fast).unwrap();
        assert_eq!(
            unmoved(before.encoder.as_ref(), after.encoder.as_ref()),
            [""; 0]
        );
        assert_eq!(after.max_length, 32);

        // The folder holds the very model that was validated as the best.
        let tokenizer = after.tokenizer.clone();
        let Dataset { train, valid, .. } = &bench.dataset;
        let task = BiTask::new(
            after,
            &tokenizer,
            train.clone(),
            &[],
            valid.clone(),
            options(&settings),
        )
        .unwrap();
        assert_eq!(task.validate(&()).unwrap(), outcome.best);

        for file in [
            "README.md",
            "loss.png",
            "settings.json",
            "done.json",
            "metrics.jsonl",
        ] {
            assert!(bench.path("bi").join(file).is_file(), "{file}");
        }
        assert!(!bench.path("bi/checkpoint").exists());
        let card = fs::read_to_string(bench.path("bi/README.md")).unwrap();
        assert!(card.contains("72 exchanges of Echo") && card.contains("invented.csv"));
    }
}

#[test]
fn the_cross_encoder_learns_and_its_head_is_kept() {
    let mut bench = Bench::new(Family::Bert);
    bench.without_dropout();
    bench
        .bi("bi", Start::Fresh, &bi_settings(), &mut never())
        .unwrap();
    // Few enough to be learned by heart.
    bench.dataset.train.truncate(6);
    bench.dataset.valid = bench.dataset.train.clone();
    let mut settings = cross_settings();
    settings.common.steps = Some(STEPS);
    settings.common.evaluate_every = Some(STEPS / 3);
    let mut watch = never();
    let outcome = bench
        .cross("cross", Start::Fresh, &settings, &mut watch)
        .unwrap();
    assert!(
        outcome.best.score > outcome.baseline.score + 0.15,
        "{outcome:?}"
    );
    assert!(watch.notes.iter().any(|note| note.contains("head is new")));

    let body = BiEncoder::load(bench.path("bi/model"), &Compute::Fast).unwrap();
    let model = CrossEncoder::load(bench.path("cross/model"), &Compute::Fast).unwrap();
    assert_eq!(
        unmoved(body.encoder.as_ref(), model.encoder.as_ref()),
        [""; 0]
    );

    // The folder holds the very model, body and head, that was validated as the best.
    let material = || Material {
        exchanges: bench.dataset.train.clone(),
        judged: &[],
        liked: &[],
    };
    let options = CrossTaskSettings {
        max_length: settings.common.max_length,
        negatives: settings.negatives,
        chunk_size: settings.common.chunk_size,
        seed: settings.common.seed,
    };
    let tokenizer = model.tokenizer.clone();
    let task = CrossTask::new(model, tokenizer, material(), material(), options).unwrap();
    assert_eq!(task.validate(&()).unwrap(), outcome.best);
}

#[test]
fn a_batch_in_chunks_has_the_gradients_of_the_whole() {
    let bench = Bench::new(Family::Bert);
    bench.without_dropout();
    // The last three were liked by somebody, beside what they disliked.
    let feedback: Vec<Opinion> = (0..3).map(|i| opinion(i, &[i + 3, i + 4])).collect();
    let last = bench.dataset.train.len();
    let batch: Vec<usize> = (0..17).chain(last..last + 3).collect();
    let of = |chunk_size: usize| {
        let model = BiEncoder::load(bench.path("encoder"), &Compute::Fast).unwrap();
        let tokenizer = model.tokenizer.clone();
        let mut options = options(&bi_settings());
        options.chunk_size = chunk_size;
        let Dataset { train, valid, .. } = &bench.dataset;
        let (train, valid) = (train.clone(), valid.clone());
        let mut task = BiTask::new(model, &tokenizer, train, &feedback, valid, options).unwrap();
        let loss: f64 = task.accumulate(&batch, 3).unwrap().to_scalar().unwrap();
        (loss, task.model().encoder().gradients().unwrap())
    };
    let (loss, whole) = of(20);
    for chunk_size in [1, 6] {
        let (chunked_loss, chunked) = of(chunk_size);
        assert!((loss - chunked_loss).abs() < 1e-5);
        for (a, b) in whole.iter().zip(&chunked) {
            let norm =
                |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
            let difference = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
            assert!(difference <= 1e-4 * norm(&mut a.iter().copied()) + 1e-6);
        }
    }
}

#[test]
fn it_stops_when_it_gets_no_better() {
    let bench = Bench::new(Family::DistilBert);
    let mut settings = bi_settings();
    settings.common.lr = 1e-12;
    settings.common.patience = 2;
    let outcome = bench
        .bi("bi", Start::Fresh, &settings, &mut never())
        .unwrap();
    assert!(outcome.steps < outcome.planned, "{outcome:?}");
}

#[test]
fn a_loss_that_is_no_number_stops_the_training_and_says_so() {
    for bench in [
        Bench::new(Family::DistilBert),
        Bench::plain(Family::DistilBert, DType::F32),
    ] {
        let mut settings = bi_settings();
        settings.common.lr = 1e38;
        settings.common.warmup = 0.0;
        let error = bench
            .bi("bi", Start::Fresh, &settings, &mut never())
            .unwrap_err();
        assert!(matches!(error, Error::Diverged { .. }), "{error}");
        let smaller = Remedy::Change(Setting::LearningRate, "a smaller");
        assert!(matches!(error.remedy(), Remedy::Either(all) if all.contains(&smaller)));
        // What was saved is from before the first step.
        let state: serde_json::Value = read_json(&bench.path("bi/checkpoint/state.json")).unwrap();
        assert_eq!(state["step"], 0);
        assert!(!bench.path("bi/model").exists());
    }
}

#[test]
fn too_little_to_train_on_is_said_before_anything_is_written() {
    let mut bench = Bench::new(Family::DistilBert);
    let mut settings = cross_settings();
    bench
        .bi("bi", Start::Fresh, &bi_settings(), &mut never())
        .unwrap();
    settings.negatives = 100;
    let error = bench
        .cross("cross", Start::Fresh, &settings, &mut never())
        .unwrap_err();
    assert!(error.to_string().contains("distinct replies"), "{error}");
    bench.dataset.valid.clear();
    let error = bench
        .bi("other", Start::Fresh, &bi_settings(), &mut never())
        .unwrap_err();
    assert!(error.to_string().contains("too few"), "{error}");
    assert!(!bench.path("other").exists() && !bench.path("cross").exists());
}

#[test]
fn half_precision_halves_the_file() {
    let bench = Bench::new(Family::DistilBert);
    let mut settings = bi_settings();
    settings.common.steps = Some(2);
    bench
        .bi("full", Start::Fresh, &settings, &mut never())
        .unwrap();
    settings.common.precision = homer::Precision::F16;
    bench
        .bi("half", Start::Fresh, &settings, &mut never())
        .unwrap();
    let size = |run: &str| bench.bytes(&format!("{run}/model/model.safetensors")).len() as f64;
    assert!(size("half") / size("full") < 0.55);
    BiEncoder::load(bench.path("half/model"), &Compute::Fast).unwrap();
}
