//! Training end to end, on tiny encoders: it learns, it keeps what it learned, it resumes exactly.

use std::fs;
use std::path::PathBuf;

use candle_core::{DType, Device};
use homer::corpus::dataset::{Dataset, DatasetSettings};
use homer::dialogue::{Exchange, Turn};
use homer::error::{Error, Remedy, Result, Setting};
use homer::files;
use homer::hf::testing::tiny_encoder_folder;
use homer::model::bi_encoder::BiEncoder;
use homer::model::cross_encoder::CrossEncoder;
use homer::nn::config::Family;
use homer::nn::device::Compute;
use homer::nn::encoder::Encoder;
use homer::nn::weights::encoder_specs;
use homer::train::bi::train_bi;
use homer::train::bi_task::{BiTask, BiTaskSettings};
use homer::train::cross::train_cross;
use homer::train::cross_task::{self, CrossTask, Material};
use homer::train::job::Training;
use homer::train::losses::Ranking;
use homer::train::run::{MetricsRow, Outcome, Run, Start};
use homer::train::settings::{BiSettings, CrossSettings};
use homer::train::task::Task;
use homer::watch::{Unit, Watch};

const THINGS: [&str; 24] = [
    "moon", "river", "bread", "ladder", "violin", "pepper", "winter", "candle", "engine", "garden",
    "mirror", "pocket", "rocket", "saddle", "tunnel", "window", "anchor", "basket", "copper",
    "dragon", "feather", "guitar", "hammer", "island",
];
const MANNERS: [&str; 4] = [
    "what about the",
    "do you like the",
    "who took the",
    "where is the",
];

/// Exchanges in which the reply names the thing that the query names.
fn dataset() -> Dataset {
    let exchange = |id: usize| {
        let thing = THINGS[id % THINGS.len()];
        let manner = MANNERS[id / THINGS.len()];
        Exchange {
            id,
            scene: id,
            context: vec![Turn {
                speaker: "Ann".into(),
                text: "listen".into(),
            }],
            query: Turn {
                speaker: "Ann".into(),
                text: format!("{manner} {thing}"),
            },
            reply: format!("{thing} it is"),
            close_replies: Vec::new(),
            good_replies: Vec::new(),
            bad_replies: vec![format!("{} it is", THINGS[(id + 5) % THINGS.len()])],
        }
    };
    Dataset {
        settings: DatasetSettings {
            source: "invented.csv".into(),
            character: "Echo".into(),
            ..DatasetSettings::default()
        },
        train: (0..72).map(exchange).collect(),
        valid: (72..96).map(exchange).collect(),
        test: Vec::new(),
        pool: Vec::new(),
    }
}

/// A folder with a tiny encoder in it, and room for runs.
struct Bench {
    folder: tempfile::TempDir,
    dataset: Dataset,
    compute: Compute,
}

impl Bench {
    fn new(family: Family) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words: Vec<&str> = MANNERS.iter().flat_map(|m| m.split(' ')).collect();
        let words = [&THINGS[..], &words, &["it", "listen"]].concat();
        tiny_encoder_folder(&folder.path().join("encoder"), family, &words, 1).unwrap();
        Self {
            folder,
            dataset: dataset(),
            compute: Compute::Fast,
        }
    }

    /// What a GPU runs, on the CPU, with products of that type.
    fn plain(family: Family, products: DType) -> Self {
        let device = Device::Cpu;
        Self {
            compute: Compute::Plain { device, products },
            ..Self::new(family)
        }
    }

    fn without_dropout(&self) {
        let path = self.path("encoder/config.json");
        let mut config: serde_json::Value = files::read_json(&path).unwrap();
        for key in ["hidden_dropout_prob", "attention_probs_dropout_prob"] {
            config[key] = 0.0.into();
        }
        files::write_json(&path, &config).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bi(
        &self,
        run: &str,
        start: Start,
        settings: &BiSettings,
        watch: &mut Ear,
    ) -> Result<Outcome> {
        let training = Training::begin(&self.path(run), start, settings)?;
        let encoder = training.kept().unwrap_or_else(|| self.path("encoder"));
        train_bi(&training, &encoder, &self.dataset, &self.compute, watch)
    }

    fn cross(
        &self,
        run: &str,
        start: Start,
        settings: &CrossSettings,
        watch: &mut Ear,
    ) -> Result<Outcome> {
        let training = Training::begin(&self.path(run), start, settings)?;
        let bi = self.path("bi/model");
        let encoder = training.kept().unwrap_or(bi);
        train_cross(
            &training,
            &encoder,
            &self.dataset,
            vec![],
            &self.compute,
            watch,
        )
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap()
    }

    /// The metrics without what depends on the clock.
    fn metrics(&self, run: &str) -> Vec<MetricsRow> {
        let rows: Vec<MetricsRow> =
            files::read_jsonl(&self.path(run).join("metrics.jsonl")).unwrap();
        let timeless = |row| MetricsRow {
            examples_per_second: None,
            ..row
        };
        rows.into_iter().map(timeless).collect()
    }
}

/// Presses Ctrl-C when a step is taken.
#[derive(Default)]
struct Ear {
    at: Option<u64>,
    training: bool,
    stop: bool,
    notes: Vec<String>,
}

impl Ear {
    fn at(step: u64) -> Self {
        Self {
            at: Some(step),
            ..Self::default()
        }
    }
}

impl Watch for Ear {
    fn stage(&mut self, what: &str, _: u64, _: Unit) {
        self.training = what == "training";
    }

    fn advance(&mut self, done: u64) {
        self.stop = self.training && self.at == Some(done);
    }

    fn note(&mut self, message: &str) {
        self.notes.push(message.into());
    }

    fn stop(&self) -> bool {
        self.stop
    }
}

fn never() -> Ear {
    Ear::default()
}

fn bi_settings() -> BiSettings {
    let mut settings = BiSettings::default();
    settings.common.batch_size = 24;
    settings.common.max_length = 32;
    settings.common.lr = 3e-3;
    settings.common.steps = Some(24);
    settings.common.evaluate_every = Some(4);
    settings.common.patience = 100;
    settings
}

fn cross_settings() -> CrossSettings {
    let mut settings = CrossSettings::default();
    settings.common.batch_size = 12;
    settings.common.chunk_size = 5;
    settings.common.max_length = 32;
    settings.common.lr = 1e-3;
    settings.common.steps = Some(12);
    settings.common.evaluate_every = Some(4);
    settings.common.patience = 100;
    settings
}

fn options(settings: &BiSettings) -> BiTaskSettings {
    BiTaskSettings {
        ranking: Ranking {
            temperature: settings.temperature,
            both_directions: settings.both_directions,
        },
        max_length: settings.common.max_length,
        batch_size: settings.common.batch_size,
        chunk_size: settings.common.chunk_size,
        seed: settings.common.seed,
    }
}

/// Steps in which the tiny cross-encoder learns to compare.
const STEPS: u64 = 300;

/// Names of the encoder's parameters that are the same in both.
fn unmoved(a: &dyn Encoder, b: &dyn Encoder) -> Vec<String> {
    let (a, b) = (a.weights().unwrap(), b.weights().unwrap());
    let pairs = a.values.iter().zip(&b.values);
    encoder_specs(&a.config)
        .into_iter()
        .zip(pairs)
        .filter(|(_, (a, b))| a.to_f32() == b.to_f32())
        .map(|(spec, _)| spec.name)
        .collect()
}

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

        let before = BiEncoder::load(&bench.path("encoder"), &Compute::Fast).unwrap();
        let after = BiEncoder::load(&bench.path("bi/model"), &Compute::Fast).unwrap();
        assert_eq!(
            unmoved(before.encoder.as_ref(), after.encoder.as_ref()),
            [""; 0]
        );
        assert_eq!(after.max_length, 32);

        // The folder holds the very model that was validated as the best.
        let tokenizer = after.tokenizer.clone();
        let Dataset { train, valid, .. } = &bench.dataset;
        let task = BiTask::new(after, &tokenizer, train, valid, options(&settings)).unwrap();
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

    let body = BiEncoder::load(&bench.path("bi/model"), &Compute::Fast).unwrap();
    let model = CrossEncoder::load(&bench.path("cross/model"), &Compute::Fast).unwrap();
    assert_eq!(
        unmoved(body.encoder.as_ref(), model.encoder.as_ref()),
        [""; 0]
    );

    // The folder holds the very model, body and head, that was validated as the best.
    let material = Material {
        exchanges: &bench.dataset.train,
        judged: &[],
    };
    let options = cross_task::CrossTaskSettings {
        max_length: settings.common.max_length,
        negatives: settings.negatives,
        chunk_size: settings.common.chunk_size,
        seed: settings.common.seed,
    };
    let tokenizer = model.tokenizer.clone();
    let task = CrossTask::new(model, tokenizer, &material, &material, options).unwrap();
    assert_eq!(task.validate(&()).unwrap(), outcome.best);
}

#[test]
fn a_resumed_bi_encoder_is_the_same_to_the_byte() {
    let bench = Bench::new(Family::Bert);
    let mut settings = bi_settings();
    settings.common.chunk_size = 7;
    settings.common.steps = Some(10);
    let whole = bench
        .bi("whole", Start::Fresh, &settings, &mut never())
        .unwrap();
    // In the middle of nowhere, before a validation, after the last step.
    for (run, at) in [("a", 3), ("b", 4), ("c", 10)] {
        let stopped = bench.bi(run, Start::Fresh, &settings, &mut Ear::at(at));
        assert!(matches!(stopped, Err(Error::Interrupted { saved: true })));
        // What a crash would have left behind the checkpoint is dropped.
        let path = bench.path(run).join("metrics.jsonl");
        let torn = fs::read_to_string(&path).unwrap() + "{\"step\":99,\"epoch\":9}\n{\"ste";
        fs::write(&path, torn).unwrap();
        let resumed = bench
            .bi(run, Start::Resume, &settings, &mut never())
            .unwrap();
        assert_eq!(
            (resumed.best, resumed.best_step),
            (whole.best, whole.best_step)
        );
        assert!(
            bench.bytes(&format!("{run}/model/model.safetensors"))
                == bench.bytes("whole/model/model.safetensors"),
            "stopped at {at}"
        );
        assert_eq!(bench.metrics(run), bench.metrics("whole"));
    }
}

#[test]
fn a_resumed_cross_encoder_is_the_same_to_the_byte() {
    let bench = Bench::new(Family::Bert);
    bench
        .bi("bi", Start::Fresh, &bi_settings(), &mut never())
        .unwrap();
    let settings = cross_settings();
    bench
        .cross("whole", Start::Fresh, &settings, &mut never())
        .unwrap();
    let stopped = bench.cross("a", Start::Fresh, &settings, &mut Ear::at(6));
    assert!(matches!(stopped, Err(Error::Interrupted { saved: true })));
    // What it started from is the run's own by now: another bi-encoder changes nothing.
    let mut other = bi_settings();
    other.common.seed = 7;
    bench.bi("bi", Start::Force, &other, &mut never()).unwrap();
    bench
        .cross("a", Start::Resume, &settings, &mut never())
        .unwrap();
    assert!(
        bench.bytes("a/model/model.safetensors") == bench.bytes("whole/model/model.safetensors")
    );
    assert_eq!(bench.metrics("a"), bench.metrics("whole"));
}

#[test]
fn the_seed_decides_everything() {
    let bench = Bench::new(Family::DistilBert);
    let mut settings = bi_settings();
    settings.common.steps = Some(4);
    for (run, seed) in [("a", 1), ("b", 1), ("c", 2)] {
        settings.common.seed = seed;
        bench
            .bi(run, Start::Fresh, &settings, &mut never())
            .unwrap();
    }
    let [a, b, c] =
        ["a", "b", "c"].map(|run| bench.bytes(&format!("{run}/model/model.safetensors")));
    assert!(a == b && a != c);
}

#[test]
fn a_batch_in_chunks_has_the_gradients_of_the_whole() {
    let bench = Bench::new(Family::Bert);
    bench.without_dropout();
    let batch: Vec<usize> = (0..20).collect();
    let of = |chunk_size: usize| {
        let model = BiEncoder::load(&bench.path("encoder"), &Compute::Fast).unwrap();
        let tokenizer = model.tokenizer.clone();
        let mut options = options(&bi_settings());
        options.chunk_size = chunk_size;
        let Dataset { train, valid, .. } = &bench.dataset;
        let mut task = BiTask::new(model, &tokenizer, train, valid, options).unwrap();
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
fn nothing_trained_is_overwritten_unasked() {
    let bench = Bench::new(Family::DistilBert);
    let mut settings = bi_settings();
    settings.common.steps = Some(2);
    let says = |outcome: Result<Outcome>, remedy: Remedy| {
        assert_eq!(outcome.unwrap_err().remedy(), remedy);
    };
    says(
        bench.bi("bi", Start::Resume, &settings, &mut never()),
        Remedy::Begin,
    );
    bench
        .bi("bi", Start::Fresh, &settings, &mut Ear::at(1))
        .unwrap_err();
    says(
        bench.bi("bi", Start::Fresh, &settings, &mut never()),
        Remedy::ResumeOrRestart,
    );
    bench
        .bi("bi", Start::Resume, &settings, &mut never())
        .unwrap();
    let first = bench.bytes("bi/model/model.safetensors");
    says(
        bench.bi("bi", Start::Fresh, &settings, &mut never()),
        Remedy::Restart,
    );
    let finished = bench.bi("bi", Start::Resume, &settings, &mut never());
    assert!(matches!(finished, Err(Error::Finished { .. })));
    says(finished, Remedy::Restart);
    assert!(first == bench.bytes("bi/model/model.safetensors"));

    // A training that cannot even start leaves the old one where it is.
    let mut nonsense = settings.clone();
    nonsense.common.lr = -1.0;
    bench
        .bi("bi", Start::Force, &nonsense, &mut never())
        .unwrap_err();
    assert!(first == bench.bytes("bi/model/model.safetensors"));
    settings.common.seed = 9;
    bench
        .bi("bi", Start::Force, &settings, &mut never())
        .unwrap();
    assert!(first == bench.bytes("bi.old/model/model.safetensors"));
    assert!(first != bench.bytes("bi/model/model.safetensors"));

    // However often one begins anew, and breaks off.
    let second = bench.bytes("bi/model/model.safetensors");
    settings.common.steps = Some(9);
    for _ in 0..2 {
        bench
            .bi("bi", Start::Force, &settings, &mut Ear::at(1))
            .unwrap_err();
    }
    assert!(first == bench.bytes("bi.old/model/model.safetensors"));
    assert!(second == bench.bytes("bi.old-2/model/model.safetensors"));
    assert!(bench.path("bi.old-3").exists());
}

#[test]
fn two_trainings_do_not_write_to_one_folder() {
    let bench = Bench::new(Family::Bert);
    let first = Run::create(&bench.path("bi"), Start::Fresh, "bi-encoder", &0).unwrap();
    let mut settings = bi_settings();
    settings.common.steps = Some(2);
    for start in [Start::Fresh, Start::Force] {
        let error = bench.bi("bi", start, &settings, &mut never()).unwrap_err();
        assert!(matches!(error, Error::Busy { .. }), "{error}");
    }
    drop(first);
    bench
        .bi("bi", Start::Fresh, &settings, &mut never())
        .unwrap();
}

#[test]
fn other_exchanges_cannot_be_resumed_with() {
    let mut bench = Bench::new(Family::DistilBert);
    let settings = bi_settings();
    bench
        .bi("bi", Start::Fresh, &settings, &mut Ear::at(2))
        .unwrap_err();
    bench.dataset.train[3].reply.push('!');
    let error = bench
        .bi("bi", Start::Resume, &settings, &mut never())
        .unwrap_err();
    assert!(matches!(error, Error::OtherExchanges), "{error}");
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
        let state: serde_json::Value =
            files::read_json(&bench.path("bi/checkpoint/state.json")).unwrap();
        assert_eq!(state["step"], 0);
        assert!(!bench.path("bi/model").exists());
    }
}

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
    settings.common.steps = Some(60);
    settings.common.evaluate_every = Some(20);
    let outcome = bench
        .cross("cross", Start::Fresh, &settings, &mut never())
        .unwrap();
    assert!(
        outcome.best.loss < 0.9 * outcome.baseline.loss,
        "{outcome:?}"
    );

    let [encoder, bi] = ["encoder", "bi/model"]
        .map(|folder| BiEncoder::load(&bench.path(folder), &Compute::Fast).unwrap());
    let cross = CrossEncoder::load(&bench.path("cross/model"), &Compute::Fast).unwrap();
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
fn too_little_to_train_on_is_said_before_anything_is_written() {
    let mut bench = Bench::new(Family::DistilBert);
    let mut settings = cross_settings();
    let missing = bench.cross("cross", Start::Fresh, &settings, &mut never());
    assert!(matches!(missing, Err(Error::NotMade { .. })));
    settings.negatives = 100;
    let error = bench
        .cross("cross", Start::Fresh, &settings, &mut never())
        .unwrap_err();
    assert!(error.to_string().contains("distinct replies"), "{error}");
    bench.dataset.valid.clear();
    let error = bench
        .bi("bi", Start::Fresh, &bi_settings(), &mut never())
        .unwrap_err();
    assert!(error.to_string().contains("too few"), "{error}");
    assert!(!bench.path("bi").exists() && !bench.path("cross").exists());
}

#[test]
fn half_precision_halves_the_file() {
    let bench = Bench::new(Family::DistilBert);
    let mut settings = bi_settings();
    settings.common.steps = Some(2);
    bench
        .bi("full", Start::Fresh, &settings, &mut never())
        .unwrap();
    settings.common.precision = homer::hf::tensors::Precision::F16;
    bench
        .bi("half", Start::Fresh, &settings, &mut never())
        .unwrap();
    let size = |run: &str| bench.bytes(&format!("{run}/model/model.safetensors")).len() as f64;
    assert!(size("half") / size("full") < 0.55);
    BiEncoder::load(&bench.path("half/model"), &Compute::Fast).unwrap();
}
