//! Training end to end, on tiny encoders: it learns, it keeps what it learned, it resumes exactly.

mod cli;
mod feedback;
mod gpu;
mod learn;
mod run;

use candle_core::{DType, Device};
use homer::internals::{
    BiEncoder, BiTask, BiTaskSettings, CrossEncoder, CrossTask, CrossTaskSettings, Dataset,
    DatasetSettings, Encoder, Family, Material, MetricsRow, Ranking, Task, Training, encoder_specs,
    read_json, read_jsonl, tiny_encoder_folder, train_bi, train_cross, write_json,
};
use homer::{
    BiSettings, Compute, CrossSettings, Error, Exchange, Folder, Opinion, Outcome, Remedy, Result,
    Run, Setting, Start, Turn, Unit, Watch,
};
use std::fs;
use std::path::PathBuf;

use crate::home::Home;

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
pub(crate) struct Bench {
    home: Home,
    pub(crate) encoder: Folder,
    pub(crate) dataset: Dataset,
    pub(crate) feedback: Vec<Opinion>,
    compute: Compute,
}

impl Bench {
    pub(crate) fn new(family: Family) -> Self {
        let home = Home::new();
        let words: Vec<&str> = MANNERS.iter().flat_map(|m| m.split(' ')).collect();
        let words = [&THINGS[..], &words, &["it", "listen"]].concat();
        tiny_encoder_folder(&home.path("encoder"), family, &words, 1).unwrap();
        Self {
            encoder: home.path("encoder").into(),
            home,
            dataset: dataset(),
            feedback: Vec::new(),
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
        let mut config: serde_json::Value = read_json(&path).unwrap();
        for key in ["hidden_dropout_prob", "attention_probs_dropout_prob"] {
            config[key] = 0.0.into();
        }
        write_json(&path, &config).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path(name)
    }

    pub(crate) fn bi(
        &self,
        run: &str,
        start: Start,
        settings: &BiSettings,
        watch: &mut Ear,
    ) -> Result<Outcome> {
        let training = Training::begin(&self.path(run), start, settings)?;
        let encoder = training.kept().map(Folder::from);
        let encoder = encoder.unwrap_or_else(|| self.encoder.clone());
        train_bi(
            &training,
            encoder,
            self.dataset.clone(),
            self.feedback.clone(),
            &self.compute,
            watch,
        )
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
            self.dataset.clone(),
            vec![],
            self.feedback.clone(),
            &self.compute,
            watch,
        )
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        self.home.read(file)
    }

    /// The metrics without what depends on the clock.
    fn metrics(&self, run: &str) -> Vec<MetricsRow> {
        let rows: Vec<MetricsRow> = read_jsonl(&self.path(run).join("metrics.jsonl")).unwrap();
        let timeless = |row| MetricsRow {
            examples_per_second: None,
            ..row
        };
        rows.into_iter().map(timeless).collect()
    }
}

/// Presses Ctrl-C when a step is taken.
#[derive(Default)]
pub(crate) struct Ear {
    at: Option<u64>,
    training: bool,
    stop: bool,
    notes: Vec<String>,
}

impl Ear {
    pub(crate) fn at(step: u64) -> Self {
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

pub(crate) fn never() -> Ear {
    Ear::default()
}

pub(crate) fn bi_settings() -> BiSettings {
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
const STEPS: u64 = 600;

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
