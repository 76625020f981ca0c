//! What `train-bi` and `train-cross` share: arguments, and what they print.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;

use homer::{BiSettings, CommonSettings, Error, Outcome, Project, Remedy, Run, Start, Step};

use super::Global;
use super::remedy::render;

#[derive(clap::Args)]
pub(super) struct Existing {
    /// Go on with an unfinished run, with the settings that it was begun with
    #[arg(long, conflicts_with_all = ["force", "own", "shared"])]
    resume: bool,

    /// Train anew; a run that is there is in use until this one is finished, and kept beside it then
    #[arg(long)]
    force: bool,
}

impl Existing {
    pub(super) fn start(&self) -> Start {
        start(self.resume, self.force)
    }
}

/// What to do about a run that is there.
pub(super) fn start(resume: bool, force: bool) -> Start {
    match (resume, force) {
        (true, _) => Start::Resume,
        (_, true) => Start::Force,
        _ => Start::Fresh,
    }
}

#[derive(clap::Args)]
#[group(id = "shared", multiple = true)]
pub(super) struct Shared {
    /// Steps in all, instead of whole passes
    #[arg(long, value_name = "N", conflicts_with = "epochs", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,

    /// Share of the steps over which the learning rate rises
    #[arg(long, value_name = "SHARE", default_value_t = defaults().warmup, value_parser = share)]
    warmup: f64,

    /// Steps between two validations [default: an eighth of all steps]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    evaluate_every: Option<u64>,

    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = defaults().seed)]
    seed: u64,

    /// How to store the model
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    precision: Precision,

    /// Learn from the thumbs that people gave answers in `homer serve` too [without FILE: runs/feedback.jsonl]
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    feedback: Option<Option<PathBuf>>,

    /// Compute on the GPU, in larger batches
    #[arg(long)]
    pub gpu: bool,
}

/// How weights are stored.
#[derive(Clone, Copy, ValueEnum)]
pub enum Precision {
    /// Four bytes a number
    F32,
    /// Two bytes a number
    F16,
    /// One byte a number: for homer alone, Python's libraries do not read it
    I8,
}

impl From<Precision> for homer::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::F16 => Self::F16,
            Precision::I8 => Self::I8,
        }
    }
}

fn defaults() -> CommonSettings {
    BiSettings::default().common
}

/// Settings that differ in their defaults.
pub(super) struct Sizes {
    pub epochs: u64,
    pub batch_size: usize,
    pub chunk_size: usize,
    pub max_length: usize,
    pub lr: f64,
    pub patience: u64,
}

impl Shared {
    /// The file of feedback, if there is to be any.
    pub(super) fn feedback(&self, project: &Project) -> Option<PathBuf> {
        let given = self.feedback.as_ref()?;
        Some(given.clone().unwrap_or_else(|| project.feedback()))
    }

    /// All that both trainings take.
    pub(super) fn common(&self, sizes: Sizes) -> CommonSettings {
        CommonSettings {
            epochs: sizes.epochs,
            steps: self.steps,
            batch_size: sizes.batch_size,
            chunk_size: sizes.chunk_size,
            max_length: sizes.max_length,
            lr: sizes.lr,
            warmup: self.warmup,
            evaluate_every: self.evaluate_every,
            patience: sizes.patience,
            seed: self.seed,
            precision: self.precision.into(),
            gpu: self.gpu,
        }
    }
}

/// A number above 0.
pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("not a number above 0".into()),
    }
}

/// A number from 0 to below 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..1.0).contains(&number) => Ok(number),
        _ => Err("not a number from 0 to below 1".into()),
    }
}

/// A count of `least` or more.
pub(super) fn at_least(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=1 << 32)
}

/// What else there is, for who takes the defaults.
pub(super) const OTHER_ENCODERS: &str = "for a larger model, start from `--encoder distilbert-base-uncased` \
    (downloaded once); `--gpu` computes on a GPU, in a build that has one";

/// What an error of a training means to whoever trains: one that was stopped goes on.
pub(super) fn stopped(error: Error, global: &Global, step: Step) -> anyhow::Error {
    match error {
        Error::Interrupted { saved } => {
            let said = match saved {
                true => {
                    let on = render(&Remedy::Resume(step), global);
                    format!("interrupted, and saved\n  {on}")
                }
                false => "interrupted before the first step".into(),
            };
            anyhow::Error::from(error).context(said)
        }
        error => error.into(),
    }
}

/// Says how a training ended.
pub(super) fn report(outcome: &Outcome, folder: &Path) {
    let Outcome { baseline, best, .. } = outcome;
    if outcome.steps < outcome.planned {
        eprintln!(
            "stopped early, after step {} of {}: it got no better",
            outcome.steps, outcome.planned
        );
    }
    eprintln!(
        "MRR {:.4} before, {:.4} after (step {}), in {:.1} minutes: {}",
        baseline.score,
        best.score,
        outcome.best_step,
        outcome.seconds / 60.0,
        Run::model_of(folder).display()
    );
    if best.score < baseline.score {
        eprintln!(
            "warning: the encoder was better before this training\n  \
             look at {}; try a smaller `--lr`, or more exchanges",
            Run::curve_of(folder).display()
        );
    }
}
