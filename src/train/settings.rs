//! What a user may choose about a training; the defaults are the recipe.

use serde::{Deserialize, Serialize};

use super::batches::Batches;
use super::schedule::{Schedule, ScheduleSettings};
use super::trainer::Plan;
use crate::corpus::dataset::Dataset;
use crate::dialogue;
use crate::error::{Error, Remedy, Result, Setting};
use crate::hf::tensors::Precision;

/// What every training takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommonSettings {
    /// Passes over the training exchanges.
    pub epochs: u64,
    /// Steps in all, instead of whole passes.
    pub steps: Option<u64>,
    /// Exchanges a step, at most.
    pub batch_size: usize,
    /// Exchanges that go through the encoder at once.
    pub chunk_size: usize,
    /// Longest sequence, in tokens.
    pub max_length: usize,
    /// The learning rate at its peak.
    pub lr: f64,
    /// Share of the steps over which the learning rate rises.
    pub warmup: f64,
    /// Steps between two validations.
    pub evaluate_every: Option<u64>,
    /// Stop after so many validations without a better one.
    pub patience: u64,
    /// Decides everything random.
    pub seed: u64,
    /// How the kept model is stored.
    #[serde(with = "StoredPrecision")]
    pub precision: Precision,
    /// Whether to compute on a GPU.
    pub gpu: bool,
}

/// [`Precision`] as the settings file writes it.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Precision", rename_all = "lowercase")]
enum StoredPrecision {
    F32,
    F16,
    I8,
}

/// Settings of `train-bi`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BiSettings {
    /// Folder or hub name of the encoder to start from.
    pub encoder: String,
    /// What both trainings take.
    #[serde(flatten)]
    pub common: CommonSettings,
    /// Similarities are divided by it in the loss.
    pub temperature: f64,
    /// Also rank the queries for every reply.
    pub both_directions: bool,
}

impl BiSettings {
    /// Exchanges a step, and at once, where the user names no number. A GPU is idle with few.
    pub fn batch_size(gpu: bool) -> usize {
        if gpu { 128 } else { 64 }
    }
}

impl Default for BiSettings {
    fn default() -> Self {
        Self {
            encoder: "distilbert-base-uncased".into(),
            common: CommonSettings {
                epochs: 3,
                steps: None,
                batch_size: Self::batch_size(false),
                chunk_size: Self::batch_size(false),
                max_length: 64,
                lr: 1e-4,
                warmup: 0.1,
                evaluate_every: None,
                patience: 4,
                seed: 42,
                precision: Precision::F32,
                gpu: false,
            },
            temperature: 0.05,
            both_directions: true,
        }
    }
}

/// Settings of `train-cross`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossSettings {
    /// Folder or hub name of the model to start from; else homer's general reranker.
    pub encoder: Option<String>,
    /// What both trainings take.
    #[serde(flatten)]
    pub common: CommonSettings,
    /// Negatives for each true reply.
    pub negatives: usize,
}

impl CrossSettings {
    /// Exchanges a step, and at once, where the user names no number. A GPU is idle with few.
    pub fn batch_size(gpu: bool) -> usize {
        if gpu { 32 } else { 16 }
    }
}

impl Default for CrossSettings {
    fn default() -> Self {
        Self {
            encoder: None,
            common: CommonSettings {
                // Where more passes were tried, the best step lay in the first.
                epochs: 1,
                batch_size: Self::batch_size(false),
                chunk_size: Self::batch_size(false),
                // The general reranker knows most of it: a gentle push, or it forgets.
                lr: 2e-5,
                // The best step comes early, and looking for it is slow.
                patience: 2,
                ..BiSettings::default().common
            },
            negatives: 4,
        }
    }
}

/// What `settings.json` of a run holds: every number that decides it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resolved<S> {
    /// The version that trained.
    pub homer: String,
    /// What was trained on.
    pub data: Data,
    /// What the user chose, or the defaults.
    pub settings: S,
    /// What follows from both.
    pub schedule: Schedule,
}

/// What was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// The script.
    pub source: String,
    /// Who answers.
    pub character: String,
    /// Training exchanges.
    pub train: usize,
    /// Validation exchanges.
    pub valid: usize,
    /// Hash of the exchanges.
    pub fingerprint: String,
}

impl Data {
    /// What a dataset amounts to.
    ///
    /// # Errors
    /// It is too small to train or to validate on.
    pub fn of(dataset: &Dataset) -> Result<Self> {
        let (train, valid) = (dataset.train.len(), dataset.valid.len());
        if train < 2 || valid == 0 {
            return Err(Error::too_few(
                format!("{train} exchanges to train on and {valid} to validate on are too few"),
                format!(
                    "prepare a script in which {} answers more often, in more scenes",
                    dataset.settings.character
                ),
            ));
        }
        Ok(Self {
            source: dataset.settings.source.clone(),
            character: dataset.settings.character.clone(),
            train,
            valid,
            fingerprint: Self::fingerprint(dataset),
        })
    }

    /// Hash of what is trained and validated on.
    pub fn fingerprint(dataset: &Dataset) -> String {
        dialogue::fingerprint(&[&dataset.train, &dataset.valid])
    }
}

impl CommonSettings {
    /// Makes sure that one can train by them: they come from a user, or from a file.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        if self.batch_size == 0 || self.chunk_size == 0 {
            return Err(Error::setting(
                "a batch or a chunk of nothing trains nothing",
                Remedy::Change(Setting::BatchSize, "a larger"),
            ));
        }
        Ok(())
    }
}

impl<S> Resolved<S> {
    /// Settings with what follows from the data, of which an epoch sees `examples`.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub(crate) fn new(
        settings: S,
        common: &CommonSettings,
        data: Data,
        examples: usize,
    ) -> Result<Self> {
        common.check()?;
        let batches = Batches::new(examples, common.batch_size, common.seed);
        let wanted = ScheduleSettings {
            epochs: common.epochs,
            steps: common.steps,
            warmup: common.warmup,
            evaluate_every: common.evaluate_every,
        };
        Ok(Self {
            homer: env!("CARGO_PKG_VERSION").into(),
            schedule: Schedule::new(batches.per_epoch(), common.lr, wanted)?,
            data,
            settings,
        })
    }

    /// Makes sure that the run can be gone on with as it was begun, by `common` among its settings.
    ///
    /// # Errors
    /// A number makes no sense: the file is damaged.
    pub(crate) fn check(&self, common: &CommonSettings) -> Result<()> {
        common.check()?;
        self.schedule.check()
    }

    /// Whether `data` are still those that the run was begun with.
    ///
    /// # Errors
    /// They are not.
    pub(crate) fn check_data(&self, data: &Data) -> Result<()> {
        if data.fingerprint == self.data.fingerprint {
            return Ok(());
        }
        Err(Error::OtherExchanges)
    }

    /// The loop's plan.
    pub(crate) fn plan(&self, common: &CommonSettings) -> Plan {
        Plan {
            schedule: self.schedule,
            batch_size: common.batch_size,
            patience: common.patience.max(1),
            seed: common.seed,
            precision: common.precision,
        }
    }
}
